"""Arrays in results files: as lists that people can read, or packed where they are long."""

import base64
from typing import Any

import numpy as np

from robint_tf.errors import InputError

LARGEST_LIST = 10_000  # numbers of an array that people may want to read
TYPES = ("float32", "float64", "int32", "int64", "bool")
PACKED = "base64"


def packed(value: Any) -> Any:
    """Plain data of a value with arrays (...): of each `dtype`, `shape`, and `values` (null for NaN) or `base64`."""
    if isinstance(value, np.ndarray):
        form = {"dtype": value.dtype.name, "shape": list(value.shape)}
        if value.size > LARGEST_LIST:
            data = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
            return form | {PACKED: base64.b64encode(data.tobytes()).decode()}
        return form | {"values": [None if v != v else v for v in value.ravel().tolist()]}
    if isinstance(value, dict):
        return {key: packed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [packed(part) for part in value]
    return value


def restored(value: Any) -> Any:
    """The value (...) of plain data, the inverse of `packed`, lists as tuples.

    `ValueError`, `TypeError` or `KeyError` for data that are not such.
    """
    if isinstance(value, dict) and {"dtype", "shape"} <= value.keys():
        if value["dtype"] not in TYPES:
            raise InputError(f"an array is of {value['dtype']!r}")
        dtype = np.dtype(value["dtype"])
        if PACKED in value:
            data = base64.b64decode(value[PACKED], validate=True)
            return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(value["shape"])
        return np.array([np.nan if v is None else v for v in value["values"]], dtype).reshape(value["shape"])
    if isinstance(value, dict):
        return {key: restored(part) for key, part in value.items()}
    if isinstance(value, list):
        return tuple(restored(part) for part in value)
    return value


def n_bytes(value: Any) -> int:
    """How many bytes of a value of plain data are packed."""
    if isinstance(value, dict):
        return sum(len(part) if key == PACKED else n_bytes(part) for key, part in value.items())
    return sum(map(n_bytes, value)) if isinstance(value, list) else 0
