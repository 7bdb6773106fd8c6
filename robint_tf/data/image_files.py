"""Readers of images and labels in .npz files, in folders by class, and in folders that TFDS has prepared."""

import contextlib
import math
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robint_tf.data import tfds_folder
from robint_tf.errors import InputError

MOST_BYTES = 2**33
"""Of a data set in memory, as float32."""
PARTS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg")
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class Images(NamedTuple):
    """By part, "train" and "test": images (N, H, W, C) and labels (N,); class_names, empty where they are not known."""

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    class_names: tuple[str, ...] = ()


def read_npz(path: Path) -> Images:
    """The arrays x_train, y_train, x_test and y_test of the file at path.

    `ValueError` if it does not hold such arrays.
    """
    names = [f"{kind}_{part}" for part in PARTS for kind in "xy"]
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            missing = [name for name in names if f"{name}.npy" not in sizes]
            if missing:
                there = ", ".join(sorted(name.removesuffix(".npy") for name in sizes)) or "nothing"
                raise InputError(f"{path} has no {', '.join(missing)}; it holds {there}, and needs {', '.join(names)}.")
            for name in names:
                _check_header(archive, name, sizes[f"{name}.npy"])
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in names}
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from error
    # zipfile says NotImplementedError of a way of compression, or an encryption, that it does not read.
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, NotImplementedError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} is not an .npz file that can be read ({first}); write it by numpy.savez.") from error
    return Images({p: found[f"x_{p}"] for p in PARTS}, {p: found[f"y_{p}"] for p in PARTS})


def _check_header(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """Refuse an array that is not of numbers, or larger than what its file holds or the memory may take."""
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    if dtype.hasobject or dtype.kind not in "iuf":
        raise InputError(f"{name} holds {dtype}; give numbers.")
    if math.prod(shape) * dtype.itemsize > size:
        raise InputError(f"{name} claims shape {shape} in {size} bytes; write it again by numpy.savez.")
    _check_size(math.prod(shape), name)


def _check_size(n: int, what: str) -> None:
    if 4 * n > MOST_BYTES:
        raise InputError(f"{what} takes {4 * n} bytes, more than the {MOST_BYTES} that are read; give fewer images.")


def read_folder(folder: Path) -> Images:
    """PNG and JPEG files in train/CLASS and test/CLASS, as bytes, class by class.

    Classes are the subfolders of train, numbered by name. Images are grey if all of train are, else of three channels.
    `ValueError` for a folder without such files, and for images of different sizes.
    """
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        there = ", ".join(path.name for path in _inside(folder)[:5]) or "nothing"
        raise InputError(
            f"{folder} has no folder {' or '.join(missing)}; it needs train/CLASS and test/CLASS, and holds {there}."
        )
    classes = sorted(path.name for path in _inside(folder / "train") if path.is_dir())
    if not classes:
        raise InputError(f"{folder} holds no train/CLASS folders of images; it needs train/CLASS and test/CLASS.")
    unknown = sorted({path.name for path in _inside(folder / "test") if path.is_dir()} - set(classes))
    if unknown:
        raise InputError(f"{folder / 'test'} holds classes that train does not: {', '.join(unknown[:5])}.")
    files: dict[str, list[Path]] = {}
    labels: dict[str, np.ndarray] = {}
    for part in PARTS:
        found = [(path, k) for k, name in enumerate(classes) for path in _images_in(folder / part / name)]
        if not found:
            raise InputError(f"{folder / part} holds no images ({', '.join(SUFFIXES)}) in folders by class.")
        _warn_of_what_is_not_read(folder / part, {path for path, _ in found}, classes)
        files[part], labels[part] = [path for path, _ in found], np.array([k for _, k in found], np.int32)
    shape: tuple[int, int, int] | None = None
    for part in PARTS:  # headers first: nothing is decoded before all are known to be alike
        for path in files[part]:
            shape = _alike(shape, _shape(_head(path), str(path)), path)
    assert shape is not None
    n = sum(map(len, files.values()))
    _check_size(n * math.prod(shape), str(folder))
    images = {
        part: _decoded((path.read_bytes() for path in files[part]), list(map(str, files[part])), shape)
        for part in PARTS
    }
    return Images(images, labels, tuple(classes))


def _warn_of_what_is_not_read(folder: Path, read: set[Path], classes: list[str]) -> None:
    """Of a part: files of other kinds or in deeper folders, and classes without images."""
    others = [p for p in folder.rglob("*") if p.is_file() and p not in read and not p.name.startswith(".")]
    if others:
        warnings.warn(
            f"{folder}: {len(others)} files are not read, such as {min(others).relative_to(folder)}; images are "
            f"{', '.join(SUFFIXES)} files in a folder of their class.",
            stacklevel=4,
        )
    empty = sorted(set(classes) - {path.parent.name for path in read})
    if empty:
        warnings.warn(f"{folder}: there are no images of {', '.join(empty[:5])}.", stacklevel=4)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _images_in(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]


def _alike(shape: tuple[int, int, int] | None, other: tuple[int, int, int], what: object) -> tuple[int, int, int]:
    """The shape of all images so far, coloured if any is. `ValueError` where their sizes differ."""
    if shape is None:
        return other
    if shape[:2] != other[:2]:
        raise InputError(f"{what} has {other[0]} x {other[1]} pixels, others {shape[0]} x {shape[1]}; give one size.")
    return (*shape[:2], max(shape[2], other[2]))


LARGEST_HEADER = 2**18
"""Bytes in which the size of a JPEG is looked for: it comes after what cameras write about themselves."""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_HEADER)


def _shape(data: bytes, what: str) -> tuple[int, int, int]:
    """Height, width and channels, 1 or 3, that an image says it has. `ValueError` for what is neither PNG nor JPEG."""
    if data.startswith(PNG) and len(data) > 26:
        width, height, _, colour = struct.unpack(">IIBB", data[16:26])
        return height, width, 1 if colour in (0, 4) else 3
    if data.startswith(JPEG):
        import tensorflow as tf

        with contextlib.suppress(tf.errors.InvalidArgumentError):
            height, width, channels = tf.io.extract_jpeg_shape(data).numpy().tolist()
            return height, width, 1 if channels == 1 else 3
    raise InputError(f"{what} is neither a PNG nor a JPEG file; remove it, or save it anew.")


def _decoded(encoded: Iterable[bytes], names: list[str], shape: tuple[int, int, int]) -> np.ndarray:
    """Images (N, *shape) as bytes; names: what a `ValueError` calls them."""
    import tensorflow as tf

    images = np.empty((len(names), *shape), np.uint8)
    with tf.device("CPU:0"):
        for i, (data, name) in enumerate(zip(encoded, names, strict=True)):
            try:
                image = tf.io.decode_image(data, channels=shape[2], expand_animations=False).numpy()
            except tf.errors.InvalidArgumentError as error:
                raise InputError(f"{name} is damaged; save it anew.") from error
            if image.shape != shape:
                raise InputError(f"{name} has shape {image.shape}, others {shape}; give one size.")
            images[i] = image
    return images


def read_tfds(folder: Path, name: str) -> Images:
    """Images and labels of the splits train and test in a folder of a version of a set that TFDS has prepared.

    name: of the set, with its configuration if it has one. `ValueError` if its examples do not consist of an `image`,
    PNG or JPEG, and a `label`, or the folder is damaged.
    """
    images, labels, shape = {}, {}, None
    encoded: dict[str, list[bytes]] = {}
    for part in PARTS:
        paths = tfds_folder.split_files(folder, f"{name.partition('/')[0]}-{part}", largest=MOST_BYTES)
        pairs = list(_records(paths, folder))
        for i, (data, _) in enumerate(pairs):
            shape = _alike(shape, _shape(data, f"image {i} of {part} in {folder}"), f"image {i} of {part} in {folder}")
        encoded[part] = [data for data, _ in pairs]
        labels[part] = np.array([label for _, label in pairs], np.int64)
    assert shape is not None
    _check_size(sum(map(len, encoded.values())) * math.prod(shape), str(folder))
    for part in PARTS:
        names = [f"image {i} of {part} in {folder}" for i in range(len(encoded[part]))]
        images[part] = _decoded(encoded[part], names, shape)
    return Images(images, labels, _class_names(folder, labels))


def _records(paths: list[Path], folder: Path) -> Iterator[tuple[bytes, int]]:
    """Encoded image and label of each example."""
    import tensorflow as tf

    fields = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}
    records = tf.data.TFRecordDataset([str(path) for path in paths]).batch(500)
    try:
        with tf.device("CPU:0"):
            for batch in records.map(lambda some: tf.io.parse_example(some, fields)).as_numpy_iterator():
                yield from zip(batch["image"].tolist(), batch["label"].tolist(), strict=True)
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder} is damaged, or its examples are not an image and a label ({type(error).__name__})."
        ) from error


def _class_names(folder: Path, labels: dict[str, Any]) -> tuple[str, ...]:
    """From the file of names that TFDS writes; none where it does not fit the labels."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        names = tuple((folder / "label.labels.txt").read_text(encoding="utf-8").split("\n"))
        names = tuple(name for name in names if name)
        if max(int(found.max(initial=0)) for found in labels.values()) < len(names):
            return names
    return ()
