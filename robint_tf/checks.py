"""Checks of the fields of a spec, and of arguments: one sentence that names the value and what is allowed."""

import functools
import math
from collections.abc import Collection
from types import NoneType
from typing import Any, get_args, get_type_hints


def canonical(value: float) -> float:
    """`value` rounded to 12 significant digits."""
    return float(f"{value:.12g}")


def choice(owner: object, name: str, allowed: Collection[str]) -> None:
    """`ValueError` unless the field is one of `allowed`."""
    value = getattr(owner, name)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(allowed)}.")


def number(owner: object, name: str, *, positive: bool = False) -> None:
    """`ValueError` unless the field is a finite number of at least 0; makes it canonical."""
    value = getattr(owner, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; give a finite number.")
    if value < 0 or (positive and value == 0):
        raise ValueError(f"{name} is {value!r}; give a number {'above' if positive else 'of at least'} 0.")
    object.__setattr__(owner, name, canonical(value))


def count(owner: object, name: str, least: int) -> None:
    """`ValueError` unless the field is a whole number of at least `least`."""
    value = getattr(owner, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least {least}.")


def seed(owner: object, name: str) -> None:
    """`ValueError` unless the field is a seed that NumPy and TensorFlow take."""
    count(owner, name, 0)
    if getattr(owner, name) >= 2**31:
        raise ValueError(f"{name} is {getattr(owner, name)!r}; give a whole number from 0 to {2**31 - 1}.")


def flag(owner: object, name: str) -> None:
    """`ValueError` unless the field is True or False."""
    if not isinstance(getattr(owner, name), bool):
        raise ValueError(f"{name} is {getattr(owner, name)!r}; give True or False.")


def kinds(owner: Any) -> None:
    """`ValueError` unless text and parts of a dataclass are of the classes that it declares; numbers aside."""
    for name, allowed in _declared(type(owner)).items():
        if not isinstance(value := getattr(owner, name), allowed):
            listed = " or ".join("None" if kind is NoneType else kind.__name__ for kind in allowed)
            raise ValueError(f"{name} is {value!r}; give {listed}.")


@functools.cache
def _declared(owner: type) -> dict[str, tuple[type, ...]]:
    """Fields of a dataclass that are declared as one or several classes, none of them of numbers, and these."""
    hints = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(owner).items()}
    return {n: h for n, h in hints.items() if all(isinstance(k, type) and not issubclass(k, int | float) for k in h)}
