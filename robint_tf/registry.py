"""What people add, by name: a norm, a loss, an attribution, an architecture, a data set, a preset of a study.

What comes with the package is listed in `robint_tf.catalogue` and imported when it is first used, so that names are
known without TensorFlow. A recipe holds the plain name of such a thing. Of anything else it holds `name@version`: two
people's "l1", or one that was changed, are two recipes, and neither is given the other's results.
"""

import hashlib
import importlib
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from robint_tf import checks
from robint_tf.errors import InputError

T = TypeVar("T")
AT = "@"


class UnknownNameError(InputError, KeyError):
    """Something is to be used that is not registered here."""

    __str__ = Exception.__str__  # KeyError's puts quotation marks around the message


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name: those of the package first, then those that were registered, in that order.

    what: the kind, as messages name it. built_in: by name the thing itself, or "module:attribute". versioned: whether
    recipes hold `name@version` of what is registered; not where the recipe holds all that matters by itself. families:
    by name a function, or "module:attribute", that makes the thing `name@which` from which, and raises `ValueError` for
    what it cannot make.

    >>> things = Registry("thing", {"built_in": abs})
    >>> twice = things.register("twice", lambda x: 2 * x, version="1")
    >>> list(things), things.full_name("built_in"), things.full_name("twice")
    (['built_in', 'twice'], 'built_in', 'twice@1')
    """

    def __init__(
        self,
        what: str,
        built_in: Mapping[str, T | str],
        *,
        versioned: bool = True,
        families: Mapping[str, Callable[[str], T] | str] | None = None,
    ) -> None:
        self.what, self.versioned = what, versioned
        self._built_in, self._families = dict(built_in), dict(families or {})
        self._newest: dict[str, str] = {}  # full name of what was registered last under a name
        self._things: dict[str, Any] = dict(built_in)  # by full name; older versions stay, specs may name them

    def __getitem__(self, name: str) -> T:
        thing = self._things.get(self._newest.get(name, name))
        if thing is None:
            family, _, which = str(name).partition(AT)
            if family not in self._families:
                raise UnknownNameError(self._unknown(name))
            thing = self._things[name] = _imported(self._families[family])(which)
        if isinstance(thing, str):
            thing = self._things[name] = _imported(thing)
        return thing

    def __contains__(self, name: object) -> bool:
        return name in self._things or name in self._newest

    def __iter__(self) -> Iterator[str]:
        return iter((*self._built_in, *self._newest))

    def __len__(self) -> int:
        return len(self._built_in) + len(self._newest)

    def full_name(self, name: str, *others: str) -> str:
        """The name that a recipe holds: `name` of what comes with the package, else `name@version`.

        others: further names that are allowed, which stand for themselves. `name@version` stands for itself, too, known
        here or not: recipes of other people can be read, and what was made by them used. `ValueError` for other names.
        """
        if isinstance(name, str) and AT in name and self.versioned:
            return name
        return self._newest.get(checks.one_of(self.what, name, (*self, *others)), name)

    def _unknown(self, name: str) -> str:
        plain = str(name).partition(AT)[0]
        if plain in self._newest:
            return (
                f"{self.what} is {name!r}, but what is registered here is {self._newest[plain]!r}; register the other."
            )
        return f"{self.what} is {name!r}; choose one of {', '.join(self)}, or register it."

    def register(self, name: str, thing: T, *, version: str = "") -> T:
        """Add `thing` under a name of small letters, digits and underscores; returns it.

        version: by default a hash of the source of the file that makes this call; keep all that the thing computes in
        that file, or name a version and raise it whenever the results change. What is registered again under the same
        name takes its place. `ValueError` for a name that comes with the package, one that cannot be used, and where
        there is no source and no version.
        """
        if not name.isidentifier() or name != name.lower():
            raise InputError(f"the name of a {self.what} is {name!r}; give small letters, digits and underscores.")
        if name in self._built_in or name in self._families:
            raise InputError(f"the {self.what} {name!r} comes with the package; choose another name.")
        if self.versioned:
            version = version or _source_hash(sys._getframe(1).f_code.co_filename, sys._getframe(1).f_globals)
            if not version:
                raise InputError(f"the source of the {self.what} {name!r} cannot be read; give a version, such as '1'.")
        full = f"{name}{AT}{version}" if self.versioned else name
        self._things[full], self._newest[name] = thing, full
        return thing

    def added(self, name: str, *, version: str = "") -> Callable[[T], T]:
        """`register` as a decorator of a function; name, version: as there. Returns the decorator."""
        if self.versioned and not version:
            version = _source_hash(sys._getframe(1).f_code.co_filename, sys._getframe(1).f_globals)
        return lambda thing: self.register(name, thing, version=version)


def _imported(thing: Any) -> Any:
    """What "module:attribute" names; anything else as it is."""
    if not isinstance(thing, str):
        return thing
    module, _, attribute = thing.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _source_hash(path: str, names: dict[str, Any]) -> str:
    """The first 12 digits of the SHA-256 of a source file, or of a notebook's cell; "" if there is no source."""
    source = "".join(linecache.getlines(path, names))
    return hashlib.sha256(source.encode()).hexdigest()[:12] if source else ""
