"""Which code is own, and what compiled code says: the names that it reads, and the attributes that it sets.

Own is what neither Python, Keras, TensorFlow, NumPy, this package nor another installed package brings.
"""

import contextlib
import dis
import functools
import hashlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import keras

KNOWN = ("keras", "tensorflow", "numpy", "robint_tf")
DESCRIPTORS = (property, staticmethod, classmethod, functools.cached_property)


@functools.cache
def origin(module: str) -> str | None:
    """What stands for the code of a module that is not own: its name, and a hash of its file unless it is `KNOWN`."""
    top, file = module.split(".")[0], getattr(sys.modules.get(module), "__file__", None)
    if top in KNOWN or module in sys.builtin_module_names:
        return module
    if module == "__main__" or (file is None and top not in sys.stdlib_module_names):
        return None
    if file is not None and {"site-packages", "dist-packages"} & set(Path(file).parts):
        return f"{module} {hashlib.sha256(Path(file).read_bytes()).hexdigest()}"
    of_python = file is None or Path(file).is_relative_to(Path(os.__file__).parent)
    return module if of_python else None


def is_own(value: Any, depth: int = 4) -> bool:
    """Whether a value is own code, or made of it, or such of an installed package that is not `KNOWN`.

    Layers and variables, which are described apart, are not. depth: of containers, wrappers and closures to look into.
    """
    if isinstance(value, keras.layers.Layer | keras.Variable | ModuleType) or not depth:
        return False
    if isinstance(value, FunctionType) and _is_own_module(value.__globals__.get("__name__", "__main__")):
        return True
    inside: list[Any] = [wrapped_by(value)]
    if isinstance(value, FunctionType):
        inside += enclosed_by(value).values()
    elif isinstance(value, functools.partial):
        inside += [value.func, *value.args, *value.keywords.values()]
    elif inspect.ismethod(value):
        inside.append(value.__func__)
    elif isinstance(value, Mapping):
        inside += value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside += value
    elif _is_own_module((value if inspect.isclass(value) else type(value)).__module__):
        return True
    return any(is_own(part, depth - 1) for part in inside)


def _is_own_module(module: str) -> bool:
    return origin(module) != module


def wrapped_by(value: Any) -> Any:
    """The function in a value that a decorator, such as `functools.wraps` or tf.function, has made; None if none."""
    return None if inspect.isclass(value) else getattr(value, "__dict__", {}).get("__wrapped__")


def enclosed_by(function: FunctionType) -> dict[str, Any]:
    """What a function encloses, without the names that have no value yet."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def named(code: CodeType, *instructions: str) -> set[str]:
    """The names that these instructions of a function's code name."""
    return {i.argval for part in codes(code) for i in dis.get_instructions(part) if i.opname in instructions}


def _given_by(cls: type) -> set[str]:
    """The attributes that a class' own functions give to the object that they are methods of, or that they make."""
    found = set()
    for part in (part for function in functions_of(cls) for part in codes(function.__code__)):
        before: Any = None
        for i in dis.get_instructions(part):
            owner = before[-1] if isinstance(before, tuple) and before else before
            if i.opname == "STORE_ATTR" and owner in ("self", "obj", "instance"):
                found.add(i.argval)
            before = i.argval
    return found


def functions_of(cls: type) -> Iterator[FunctionType]:
    """The functions of a class, without decorators: methods, and those of properties."""
    for member in vars(cls).values():
        parts = [member]
        if isinstance(member, DESCRIPTORS):
            parts = [getattr(member, name, None) for name in ("__func__", "fget", "fset", "fdel", "func")]
        for part in parts:
            if inspect.isfunction(part) and inspect.isfunction(plain := inspect.unwrap(part)):
                yield plain


@functools.lru_cache(maxsize=512)
def kept_by_library(cls: type) -> frozenset[str]:
    """Attributes that classes which are not own, of those that `cls` inherits from, give to its instances.

    So do callbacks of Keras: a history.
    """
    bases = [base for base in cls.__mro__ if origin(base.__module__) is not None]
    return frozenset({"history"}.union(*map(_given_by, bases)))


@functools.cache
def kept_by_training() -> frozenset[str]:
    """Attributes that a network gets where Keras compiles it, fits it and so on, and what it was made from."""
    bases = [base for base in keras.Model.__mro__ if base not in keras.layers.Layer.__mro__]
    return frozenset({"_auto_config"}.union(*map(_given_by, bases)))


def in_words(code: CodeType) -> str:
    """All of a function's code that matters for what it computes."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(in_words(constant))
        else:  # a set of texts has another order in every process
            constants.append(repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant))
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    return repr((code.co_code, getattr(code, "co_exceptiontable", b""), names, counts, constants))
