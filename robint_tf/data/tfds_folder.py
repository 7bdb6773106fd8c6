"""Reader of image sets in folders that TensorFlow Datasets (TFDS) has prepared.

A folder may come from anywhere. Its features.json and dataset_info.json are not read: they say what is known for these
sets, and TFDS would import whatever Python module they name. Images are decoded only if they say that they have the
size that is expected, as any other may be made for them.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from robint_tf.errors import InputError

N_CLASSES = 10  # of every published set


def read(
    folder: Path, name: str, split: str, *, n: int, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Images (n, *shape) and labels (n,) as stored, both uint8, and the indices that sort them if each has an `id`.

    folder: of a version of the set `name`; split: "train" or "test"; shape: of an image, (height, width, channels).
    `ValueError` if it does not hold n such images of ten classes, or is damaged.
    """
    import tensorflow as tf

    paths = split_files(folder, f"{name}-{split}", largest=n * (2 * math.prod(shape) + 1024))
    images, labels, ids, start = np.empty((n, *shape), np.uint8), np.empty(n, np.uint8), [], 0
    try:
        with tf.device("CPU:0"):
            # parsing whole batches takes a third of the time of TFDS's own reader, which parses one example at a time
            records = tf.data.TFRecordDataset([str(path) for path in paths]).batch(1000)
            batches = records.map(lambda batch: _parsed(batch, shape), num_parallel_calls=tf.data.AUTOTUNE)
            for batch in batches.as_numpy_iterator():
                stop = start + len(batch["label"])
                images[start:stop], labels[start:stop] = batch["image"], batch["label"]
                ids.extend(batch["id"])
                start = stop
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(f"{folder} is damaged ({type(error).__name__}); remove it and get it again.") from error
    if start != n:
        raise InputError(f"{folder} holds {start} {split} images, the published set {n}; get it again.")
    return images, labels, np.argsort(ids) if len(set(ids)) == n else None


def split_files(folder: Path, name: str, *, largest: int) -> list[Path]:
    """The files of a split in a folder, in order; name: how theirs begin, set and split, such as mnist-train.

    `ValueError` if one is missing, or if they take more than `largest` bytes.
    """
    found = sorted(folder.glob(f"{name}.tfrecord-*"))
    complete = [f"{name}.tfrecord-{i:05d}-of-{len(found):05d}" for i in range(len(found))]
    if not found or [path.name for path in found] != complete:
        raise InputError(f"{folder} does not hold all of {name}.tfrecord-*; remove it and get it again.")
    if not all(path.is_file() and path.stat().st_size for path in found):
        raise InputError(f"{folder} holds {name} files that are empty or not files; remove it and get it again.")
    if (size := sum(path.stat().st_size for path in found)) > largest:
        raise InputError(f"{folder} holds {size} bytes of {name}, more than the {largest} of all images; get it again.")
    for path in found:
        _check_framing(path)
    return found


def _check_framing(path: Path) -> None:
    """`ValueError` unless the lengths in the headers of a file's records lead to its end.

    A record is its length (8 bytes), a checksum of that (4), its content and a checksum (4). TensorFlow takes a length
    at its word once its checksum fits.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while position < size:
            header = file.read(12)
            length = int.from_bytes(header[:8], "little")
            position += 16 + length
            if len(header) < 12 or position > size:
                why = f"a record leads beyond the end of {path.name}"
                raise InputError(f"{path.parent} is damaged ({why}); remove it and get it again.")
            file.seek(position)


def _parsed(records: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """A batch of records as tensors: images, labels, and ids, which are empty where there are none."""
    import tensorflow as tf

    height, width, channels = shape
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    fields = {
        "image": tf.io.FixedLenFeature((), tf.string),
        "label": tf.io.FixedLenFeature((), tf.int64),
        "id": tf.io.FixedLenFeature((), tf.string, default_value=""),  # of CIFAR-10
    }
    batch = tf.io.parse_example(records, fields)
    image, label = batch["image"], batch["label"]
    checks = [
        tf.debugging.Assert(tf.reduce_all(tf.strings.substr(image, 0, len(png)) == png), [f"no PNG of {shape}"]),
        tf.debugging.Assert(tf.reduce_all((label >= 0) & (label < N_CLASSES)), [f"no label below {N_CLASSES}"]),
    ]
    with tf.control_dependencies(checks):
        encoded = tf.identity(image)
    decode = lambda x: tf.ensure_shape(tf.io.decode_png(x, channels), shape)  # noqa: E731
    decoded = tf.map_fn(decode, encoded, fn_output_signature=tf.uint8)
    return batch | {"image": decoded}
