"""What parts of a result were made with, and the rule that parts made differently are not mixed unasked.

A description is a flat dict such as `device.describe()` gives: versions, device, processor, threads, determinism, XLA.
None of these changes a recipe, but each changes rounding, which training amplifies until two networks of one recipe
differ as two seeds do.
"""

from collections.abc import Iterable
from typing import Any

from robint_tf.errors import InputError

Description = dict[str, Any]

IGNORED = ("robint_tf", "numpy")
"""Named, but not compared: the arithmetic of this package has `specs.MATHEMATICS`, which is a part of every key."""

REMEDY = "Make them alike, choose another store, or allow mixed parts; the results then name what was mixed."


class MixedError(InputError):
    """Parts that were made differently, which no result should mix unasked; message: one line that names them."""

    def __init__(self, message: str) -> None:
        super().__init__(message, argument="allow_mixed")


def differences(descriptions: Iterable[Description]) -> dict[str, list[Any]]:
    """What differs between descriptions: property to its values, in order of appearance; empty if they agree."""
    seen: dict[str, list[Any]] = {}
    descriptions = list(descriptions)
    for key in {key: None for d in descriptions for key in d if key not in IGNORED}:
        values = [d.get(key, "unknown") for d in descriptions]
        distinct = [v for i, v in enumerate(values) if v not in values[:i]]
        if len(distinct) > 1:
            seen[key] = distinct
    return seen


def refuse_mixture(found: dict[str, list[Any]], what: str) -> None:
    """`MixedError` if something differs, which it names; found: by `differences`; what: the sentence's subject."""
    if found:
        listed = "; ".join(f"{key} {' and '.join(map(str, values))}" for key, values in found.items())
        raise MixedError(f"{what}: {listed}. {REMEDY}")


def merged(descriptions: Iterable[Description]) -> Description:
    """One description of several parts' descriptions: what they agree on, and else all values, joined by " + ".

    >>> merged([{"device": "CPU", "threads": 2}, {"device": "GPU", "threads": 2}])
    {'device': 'CPU + GPU', 'threads': 2}
    """
    descriptions = list(descriptions)
    keys = {key: None for d in descriptions for key in d}
    values = {key: list(dict.fromkeys(str(d.get(key, "unknown")) for d in descriptions)) for key in keys}
    first = {key: next(d[key] for d in descriptions if key in d) for key in keys}
    return {key: first[key] if len(values[key]) == 1 else " + ".join(values[key]) for key in keys}


class Parts:
    """The descriptions of all parts that a result is made from, collected one by one.

    allow_mixed: whether parts that were made differently may be put together.
    """

    def __init__(self, *, allow_mixed: bool = False) -> None:
        self.allow_mixed = allow_mixed
        self.descriptions: list[Description] = []

    def check(self, description: Description, what: str) -> None:
        """`MixedError` if a part of this description would be mixed unasked; what: the sentence's subject."""
        if not self.allow_mixed:
            refuse_mixture(differences([*self.descriptions[:1], description]), what)

    def add(self, description: Description, what: str = "the parts of this result were made differently") -> None:
        """Note another part's description; what, and `MixedError`, as in `check`."""
        self.check(description, what)
        if description not in self.descriptions:
            self.descriptions.append(description)

    def summary(self) -> Description:
        """What all parts were made with, for a results file; where they differ, `mixed` names it."""
        found = differences(self.descriptions)
        return merged(self.descriptions) | ({"mixed": found} if found else {})
