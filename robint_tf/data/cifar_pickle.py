"""Reader of pickles that hold whole numbers, text and NumPy arrays of whole numbers, such as CIFAR-10's Python version.

A pickle is a program. Its instructions are listed by `pickletools`; those that such a file needs are followed here, and
any other is refused. No unpickler runs: nothing that a pickle names is imported, called or given a state, and arrays
are made from bytes and one of a few dtypes.
"""

import pickletools
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from robint_tf.errors import InputError

MOST_INSTRUCTIONS = 200_000
"""Of a pickle: 20 for each of 10,000 images. Each may make an object of many times its own size."""

DTYPES: dict[bytes, np.dtype[Any]] = {b"u1": np.dtype("u1"), b"i4": np.dtype("<i4"), b"i8": np.dtype("<i8")}
"""What arrays may hold: pixels, and labels as NumPy makes them from whole numbers."""

GLOBALS = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    # where NumPy 1 and NumPy 2 keep what makes an array
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",
}


def read(content: bytes) -> dict[bytes, np.ndarray]:
    """The arrays, and the lists of whole numbers (as int64), of the dictionary in a pickle; other entries are left out.

    content: the bytes of the pickle. Arrays have the shape that it says. Keys and text are bytes, as they were in
    Python 2. `ValueError` for what is not such a pickle.
    """
    try:
        batch = _Pickle().follow(content)
    except (IndexError, KeyError) as error:  # of a stack that is too short, of a memo
        raise InputError("it takes more than it has given") from error
    if not isinstance(batch, dict):
        raise InputError("it does not hold a dictionary")
    arrays: dict[bytes, np.ndarray] = {}
    lists: dict[int, np.ndarray | None] = {}  # by identity: a list that stands under many keys is looked at once
    for key, value in batch.items():
        if isinstance(value, _Array) and value.array is not None:
            arrays[key] = value.array
        elif isinstance(value, list):
            if id(value) not in lists:
                whole = all(type(number) is int for number in value)
                lists[id(value)] = np.array(value, np.int64) if whole else None
            if (found := lists[id(value)]) is not None:
                arrays[key] = found
    return arrays


@dataclass(frozen=True)
class _Global:
    """What a pickle names, as a word: there is nothing that could be called."""

    name: str


@dataclass
class _Dtype:
    """A dtype as a pickle describes it, one of `DTYPES`."""

    name: bytes

    def set(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) == 8 else None
        if order not in (b"|", b"<") or state != (3, order, None, None, None, -1, -1, 0):
            raise InputError("it describes a dtype that no file of images needs")


@dataclass
class _Array:
    """An array that a pickle describes; none until it has set its content."""

    array: np.ndarray | None = None

    def set(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise InputError("it describes an array that no file of images needs")
        _, shape, dtype, is_fortran, content = state
        if not (isinstance(shape, tuple) and len(shape) <= 2 and all(type(n) is int and n >= 0 for n in shape)):
            raise InputError("it describes an array without a proper shape")
        if type(content) is not bytes or len(content) != prod(shape) * DTYPES[dtype.name].itemsize:
            raise InputError("it holds an array that does not fit its shape")
        flat = np.frombuffer(content, DTYPES[dtype.name])
        self.array = flat.reshape(shape, order="F" if is_fortran else "C")


_MARK = _Global("mark")


class _Pickle:
    """Follows the instructions of a pickle of numbers, text, lists, tuples, dictionaries and arrays; refuses others."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def follow(self, content: bytes) -> Any:
        """The value of a pickle."""
        for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
            if count == MOST_INSTRUCTIONS:
                raise InputError(f"it has more than {MOST_INSTRUCTIONS} instructions")
            self._step(instruction.name, argument)
        return self.stack.pop()

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "SHORT_BINSTRING" | "BINSTRING":
                stack.append(argument.encode("latin-1"))
            case "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                stack.append(argument.encode("utf-8", "surrogatepass"))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "MARK":
                stack.append(_MARK)
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._last(int(name[-1]))))
            case "APPEND" | "APPENDS":
                values = self._last(1) if name == "APPEND" else self._since_mark()
                _checked(stack[-1], list).extend(values)
            case "SETITEM" | "SETITEMS":
                pairs = self._last(2) if name == "SETITEM" else self._since_mark()
                keys = [_checked(key, bytes) for key in pairs[::2]]  # the hash of a nested tuple may overflow the stack
                _checked(stack[-1], dict).update(zip(keys, pairs[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self.memo[len(self.memo) if argument is None else argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_known(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_known(*(_checked(text, bytes).decode("utf-8", "replace") for text in self._last(2))))
            case "REDUCE":
                stack.append(_made(*self._last(2)))
            case "BUILD":
                (state,) = self._last(1)
                _checked(stack[-1], _Array | _Dtype).set(state)
            case _:
                raise InputError(f"it has the instruction {name}, which no file of images needs")

    def _last(self, n: int) -> list[Any]:
        return [self.stack.pop() for _ in range(n)][::-1]

    def _since_mark(self) -> list[Any]:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]


def _known(module: str, name: str) -> _Global:
    if (module, name) not in GLOBALS:
        raise InputError(f"it asks for {module}.{name}, which no file of images needs")
    return _Global(GLOBALS[module, name])


def _made(called: Any, arguments: Any) -> _Array | _Dtype:
    """What the two calls in a pickle of arrays give: an array without content, and its dtype."""
    match called, arguments:
        case _Global("_reconstruct"), (_Global("ndarray"), (0,), b"b"):
            return _Array()
        case _Global("dtype"), (bytes(name), int(), int()) if name in DTYPES:
            return _Dtype(name)
    raise InputError("it makes something that is not an array of whole numbers")


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise InputError("its instructions do not fit each other")
    return value
