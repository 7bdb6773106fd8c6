"""Reader of IDX files, the format in which MNIST and Fashion-MNIST were published (LeCun, Cortes and Burges)."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from robint_tf.errors import InputError

UNSIGNED_BYTE = 0x08
LARGEST = (60_000, 28, 28)
"""The largest sizes in a published file. A header that claims more is not believed, so nothing is read after it."""


def read(path: Path, *, n_dims: int) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, plain or gzipped (`.gz`): uint8, `n_dims` dimensions, 3 at most.

    path: of the file. No more is read, and of a gzipped file decompressed, than the header says. `ValueError` if the
    file is not an IDX file of that kind, is larger than `LARGEST`, is cut short, or holds more than its header says.
    """
    n_header = 4 + 4 * n_dims
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(n_header)
            shape = _shape(path, header, n_dims)
            content = file.read(math.prod(shape) + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is not a complete gzip file ({error}); get it again.") from error
    if len(content) != math.prod(shape):
        held = f"{len(content)}" if len(content) < math.prod(shape) else "more"
        raise InputError(f"{path} holds {held} bytes of data, its header says {math.prod(shape)}; get it again.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, n_dims: int) -> tuple[int, ...]:
    magic = bytes([0, 0, UNSIGNED_BYTE, n_dims])
    if len(header) < 4 + 4 * n_dims:
        raise InputError(f"{path} holds {len(header)} bytes, less than an IDX header; get it again.")
    if header[:4] != magic:
        raise InputError(f"{path} begins by {header[:4].hex()}, IDX bytes in {n_dims} dimensions by {magic.hex()}.")
    shape = struct.unpack_from(f">{n_dims}I", header, 4)
    if any(size > largest for size, largest in zip(shape, LARGEST, strict=False)):
        raise InputError(f"{path} says that its shape is {shape}; the published files have {LARGEST[:n_dims]} at most.")
    return shape
