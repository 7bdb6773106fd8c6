"""Reader of CIFAR-10 as it was published (Krizhevsky, 2009): binary or Python version, as archives or unpacked.

Archives are read, not unpacked: only members with the published names are looked at, so no path in them can escape.
The Python version is pickles, of which only numbers, text and NumPy arrays of numbers are accepted; nothing is run.
"""

import contextlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

FILES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
"""The files of a split, in order; the binary version adds `.bin`."""
SHAPE = (3, 32, 32)  # of an image in the files
N_BYTES = 3 * 32 * 32
LARGEST = 2**26
"""Bytes of a file, more than twice those of a published one: what is larger is not read into memory."""

BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
ARCHIVES = {"cifar-10-binary.tar.gz": BINARY, "cifar-10-python.tar.gz": PYTHON}
FOLDERS = ("", "cifar10", "cifar-10", "CIFAR10")
"""Where archives and unpacked folders are looked for, below the data folder."""


def find(folder: Path) -> Path | None:
    """The unpacked folder or the archive that holds CIFAR-10, the binary version first, or None."""
    for around in (folder / name for name in FOLDERS):
        for version in (BINARY, PYTHON):
            if all((around / version / name).is_file() for name in _names(version)):
                return around / version
        for archive in ARCHIVES:
            if (around / archive).is_file():
                return around / archive
    return None


def read(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels (N,), both uint8, of "train" or "test", in the order of the files.

    path: what `find` gave. `ValueError` if a file is missing, damaged or holds anything but images and labels.
    """
    version = ARCHIVES.get(path.name, path.name)
    parse = _parse_binary if version == BINARY else _parse_pickle
    parts, name = [], ""
    try:
        with contextlib.ExitStack() as stack:
            archive = stack.enter_context(tarfile.open(path)) if path.is_file() else None
            for name in _names(version, split):
                parts.append(parse(_content(path, archive, f"{version}/{name}")))
    except Exception as error:  # a damaged pickle or archive raises whatever its reader stumbles over
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(f"{path}: {name or 'the archive'} is damaged ({reason}); get it again.") from error
    images = np.concatenate([images for images, _ in parts]).reshape(-1, *SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.concatenate([labels for _, labels in parts])


def _names(version: str, *splits: str) -> list[str]:
    ending = ".bin" if version == BINARY else ""
    return [name + ending for split in splits or FILES for name in FILES[split]]


def _content(path: Path, archive: tarfile.TarFile | None, member: str) -> bytes:
    """Of one file: of the unpacked folder `path`, or of an archive."""
    if archive is not None and not archive.getmember(member).isfile():
        raise ValueError("it is no file")
    with (path.parent / member).open("rb") if archive is None else archive.extractfile(member) as file:  # type: ignore[union-attr]
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    return content


def _parse_binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + N_BYTES)
    return records[:, 1:], records[:, 0]


def _parse_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = _Numbers(io.BytesIO(content), encoding="bytes").load()
    images, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    if images.dtype != np.uint8 or images.shape != (len(labels), N_BYTES):
        raise ValueError(f"its images are {images.dtype} of shape {images.shape}")
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, range(256)).all():
        raise ValueError("its labels are no bytes")
    return images, labels.astype(np.uint8)


class _Numbers(pickle.Unpickler):
    """An unpickler that knows NumPy arrays and nothing else that could be called."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            # where NumPy 1 and NumPy 2 keep what makes an array
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no file of images needs")
        return known[module, name]
