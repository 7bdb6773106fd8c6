"""Reader of CIFAR-10 as it was published (Krizhevsky, 2009): binary or Python version, as archives or unpacked.

Files may come from anywhere, so nothing in them is believed. Archives are read, not unpacked: only members with the
published names are looked at, and none much larger than the published ones. The Python version is pickles, which
`cifar_pickle` reads without an unpickler.
"""

import gzip
import tarfile
from pathlib import Path

import numpy as np

from robint_tf.data import cifar_pickle
from robint_tf.errors import InputError

FILES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
"""The files of a split, in order; the binary version adds `.bin`."""
SHAPE = (3, 32, 32)  # of an image in the files
N_BYTES = 3 * 32 * 32
LARGEST = 2**25
"""Bytes of a file; the images of a published one are 30,720,000. What is larger is not read into memory."""
LARGEST_ARCHIVE = 2**28
"""Bytes of an archive after decompression, for six such files; no more are looked at."""

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

    path: what `find` gave; split: "train" or "test". `ValueError` if a file is missing, damaged or holds anything but
    images and labels.
    """
    version = ARCHIVES.get(path.name, path.name)
    parse = _parse_binary if version == BINARY else _parse_pickle
    names, parts, name = _names(version, split), [], ""
    try:
        packed = _members(path, {f"{version}/{name}" for name in names}) if path.is_file() else None
        for name in names:
            parts.append(parse(_content(path / name) if packed is None else packed.pop(f"{version}/{name}")))
    except Exception as error:  # a damaged pickle or archive raises whatever its reader stumbles over
        reason = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        reason = "".join(c if c.isprintable() else " " for c in reason[:200])
        raise InputError(f"{path}: {name or 'the archive'} is damaged ({reason}); get it again.") from error
    images = np.concatenate([images for images, _ in parts]).reshape(-1, *SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.concatenate([labels for _, labels in parts])


def _names(version: str, *splits: str) -> list[str]:
    ending = ".bin" if version == BINARY else ""
    return [name + ending for split in splits or FILES for name in FILES[split]]


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"it is larger than {LARGEST} bytes")
    return content


def _members(path: Path, names: set[str]) -> dict[str, bytes]:
    """The files of these names in a .tar.gz.

    `tarfile` itself would read whatever size the header of an extended name claims. Such headers are members of their
    own, which no published name needs: here they are passed over like any other.
    """
    found: dict[str, bytes] = {}
    with gzip.open(path) as file:
        while len(found) < len(names) and (header := file.read(tarfile.BLOCKSIZE)).strip(b"\0"):
            member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
            padded = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if member.size < 0 or file.tell() + padded > LARGEST_ARCHIVE:
                raise InputError(f"it claims a member of {member.size} bytes, which no archive of CIFAR-10 has")
            if member.name in names:
                found[member.name] = _member(file, member)
                padded -= member.size
            file.seek(padded, 1)
    return found


def _member(file: gzip.GzipFile, member: tarfile.TarInfo) -> bytes:
    if not member.isreg():
        raise InputError(f"{member.name} is not a file")
    if member.size > LARGEST:
        raise InputError(f"{member.name} is larger than {LARGEST} bytes")
    content = file.read(member.size)
    if len(content) < member.size:
        raise InputError(f"it ends within {member.name}")
    return content


def _parse_binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + N_BYTES)
    return records[:, 1:], records[:, 0]


def _parse_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = cifar_pickle.read(content)
    if not {b"data", b"labels"} <= batch.keys():
        raise InputError("it does not hold images and labels")
    images, labels = batch[b"data"], batch[b"labels"]
    if images.dtype != np.uint8 or images.shape != (len(labels), N_BYTES):
        raise InputError(f"its images are {images.dtype} of shape {images.shape}")
    if labels.ndim != 1 or ((labels < 0) | (labels > 255)).any():
        raise InputError("its labels are not bytes")
    return images, labels.astype(np.uint8)
