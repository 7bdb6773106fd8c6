"""Reader of IDX files, the format in which MNIST and Fashion-MNIST were published (LeCun, Cortes and Burges)."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

UNSIGNED_BYTE = 0x08


def read(path: Path, *, n_dims: int) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, plain or gzipped (`.gz`): uint8, `n_dims` dimensions.

    `ValueError` if the file is no IDX file of that kind, is cut short, or holds more than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no complete gzip file ({error}); get it again.") from error
    magic = bytes([0, 0, UNSIGNED_BYTE, n_dims])
    n_header = 4 + 4 * n_dims
    if len(content) < n_header:
        raise ValueError(f"{path} holds {len(content)} bytes, less than an IDX header; get it again.")
    if content[:4] != magic:
        raise ValueError(f"{path} begins by {content[:4].hex()}, IDX bytes in {n_dims} dimensions by {magic.hex()}.")
    shape = struct.unpack_from(f">{n_dims}I", content, 4)
    if len(content) - n_header != math.prod(shape):
        raise ValueError(
            f"{path} holds {len(content) - n_header} bytes of data, its header says {math.prod(shape)}; get it again."
        )
    return np.frombuffer(content, np.uint8, offset=n_header).reshape(shape)
