"""The numbers of a spec as they are held and written, and checks of its fields: one sentence that says what is allowed.

Of every check, owner: a frozen dataclass; name: of its field, names: of several.
"""

import functools
import math
from collections.abc import Collection
from types import NoneType
from typing import Any, get_args, get_type_hints

from robint_tf.errors import InputError


def canonical(value: float) -> float:
    """`value` rounded to 12 significant digits.

    >>> canonical(0.1 + 0.2)
    0.3
    """
    return float(f"{value:.12g}")


def as_written(value: float) -> str:
    """A length between pixels, `value`, as users write it: 0.4, or 8/255 where six decimal digits are not the number.

    >>> as_written(0.4), as_written(8 / 255)
    ('0.4', '8/255')
    """
    by_255 = round(2 * 255 * value) / 2
    if canonical(float(f"{value:g}")) != canonical(value) and canonical(by_255 / 255) == canonical(value):
        return f"{by_255:g}/255"
    return f"{value:g}"


Bounds = tuple[float, float]
"""The least and the greatest value of a pixel, such as (0, 255)."""


def bounds(given: Any) -> Bounds:
    """What is given as bounds, as floats. `ValueError` unless it is two finite numbers that rise."""
    try:
        low, high = map(float, given)
    except (TypeError, ValueError) as error:
        raise InputError(f"bounds are {given!r}; give the least and the greatest pixel, such as (0, 255).") from error
    if not (low < high and math.isfinite(high - low)):
        raise InputError(f"bounds are {low:g} and {high:g}; give two finite numbers, the smaller one first.")
    return low, high


def one_of(name: str, value: str, allowed: Collection[str]) -> str:
    """`value`; `ValueError` unless it is one of `allowed`. name: of the argument, for the message.

    >>> one_of("norm", "l3", ["l2", "linf"])
    Traceback (most recent call last):
    robint_tf.errors.InputError: norm is 'l3'; choose one of l2, linf.
    """
    if value not in allowed:
        raise InputError(f"{name} is {value!r}; choose one of {', '.join(allowed)}.")
    return value


def choice(owner: object, name: str, allowed: Collection[str]) -> None:
    """`ValueError` unless the field is one of `allowed`."""
    one_of(name, getattr(owner, name), allowed)


SQUARABLE = 1e18
"""Up to here the squares of lengths in float32, which end at 3.4e38, stay finite."""


def length(owner: object, name: str) -> None:
    """`ValueError` unless the field is a length of at least 0 that can be squared; makes it canonical."""
    number(owner, name)
    if (value := getattr(owner, name)) > SQUARABLE:
        raise InputError(f"{name} is {value!r}; give at most {SQUARABLE:g}, the squares of larger ones overflow.")


def number(owner: object, name: str, *, positive: bool = False) -> None:
    """`ValueError` unless the field is a finite number of at least 0 (above 0 if `positive`); makes it canonical."""
    value = getattr(owner, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InputError(f"{name} is {value!r}; give a finite number.")
    if value < 0 or (positive and value == 0):
        raise InputError(f"{name} is {value!r}; give a number {'above' if positive else 'of at least'} 0.")
    object.__setattr__(owner, name, canonical(value))


def count(owner: object, name: str, least: int) -> None:
    """`ValueError` unless the field is a whole number of at least `least`."""
    value = getattr(owner, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; give a whole number of at least {least}.")


def amounts(owner: object, *names: str) -> None:
    """`ValueError` unless the fields are whole numbers of at least 1, or None, which stands for all."""
    for name in names:
        if getattr(owner, name) is not None:
            count(owner, name, 1)


def seed(owner: object, name: str) -> None:
    """`ValueError` unless the field is a seed that NumPy and TensorFlow take."""
    count(owner, name, 0)
    if getattr(owner, name) >= 2**31:
        raise InputError(f"{name} is {getattr(owner, name)!r}; give a whole number from 0 to {2**31 - 1}.")


def flag(owner: object, name: str) -> None:
    """`ValueError` unless the field is True or False."""
    if not isinstance(getattr(owner, name), bool):
        raise InputError(f"{name} is {getattr(owner, name)!r}; give True or False.")


def kinds(owner: Any) -> None:
    """`ValueError` unless text and parts of a dataclass are of the classes that it declares; numbers aside."""
    for name, allowed in _declared(type(owner)).items():  # type: ignore[arg-type]
        if not isinstance(value := getattr(owner, name), allowed):
            listed = " or ".join("None" if kind is NoneType else kind.__name__ for kind in allowed)
            raise InputError(f"{name} is {value!r}; give {listed}.")


@functools.cache
def _declared(owner: type) -> dict[str, tuple[type, ...]]:
    """Fields of a dataclass that are declared as one or several classes, none of them of numbers, and these."""
    hints = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(owner).items()}
    return {n: h for n, h in hints.items() if all(isinstance(k, type) and not issubclass(k, int | float) for k in h)}
