"""Data sets from NumPy arrays."""

import numpy as np

from robint_tf.data.datasets import Dataset, Split
from robint_tf.errors import InputError

Arrays = tuple[np.ndarray, np.ndarray]


def from_arrays(name: str, *, train: Arrays, test: Arrays, class_names: tuple[str, ...] = ()) -> Dataset:
    """A data set of images and labels that are in memory.

    train, test: images (N, H, W, C), or points (N, D), uint8, which are scaled to [-1, 1], or floating point numbers in
    [-1, 1]; integer labels (N,) from 0. class_names: one for each label, by default the labels themselves. A recipe's
    key holds the hash of the arrays, so that any name will do. `ValueError` for arrays that are not such.
    """
    splits = {part: _split(f"{name}, {part}", *arrays) for part, arrays in {"train": train, "test": test}.items()}
    shapes = [split.x.shape[1:] for split in splits.values()]
    if shapes[0] != shapes[1]:
        raise InputError(f"{name}: training images have shape {shapes[0]}, test images {shapes[1]}; give one shape.")
    highest = int(max(split.y.max() for split in splits.values()))
    class_names = class_names or tuple(map(str, range(highest + 1)))
    if highest >= len(class_names):
        raise InputError(f"{name}: labels go up to {highest}; give at least {highest + 1} class_names.")
    return Dataset(name, splits["train"], splits["test"], tuple(class_names), "given", "arrays")


def _split(what: str, x: np.ndarray, y: np.ndarray) -> Split:
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or not len(x) or y.shape != (len(x),):
        raise InputError(f"{what}: images have shape {x.shape}, labels {y.shape}; give (N, ...) and (N,), N from 1.")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise InputError(f"{what}: labels are {y.dtype} from {y.min()}; give integers from 0.")
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / np.float32(127.5) - 1
    elif not np.issubdtype(x.dtype, np.floating) or not (np.abs(x) <= 1).all():  # NaN is not, either
        raise InputError(f"{what}: images are {x.dtype}, {x.min()} to {x.max()}; give uint8, or floats in [-1, 1].")
    return Split(np.ascontiguousarray(x, np.float32), y.astype(np.int32))
