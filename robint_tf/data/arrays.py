"""Data sets from NumPy arrays."""

import warnings
from typing import Any

import numpy as np

from robint_tf import checks
from robint_tf.checks import Bounds
from robint_tf.data.datasets import Dataset, Split
from robint_tf.errors import InputError

Arrays = tuple[np.ndarray, np.ndarray]


def from_arrays(
    name: str, *, train: Arrays, test: Arrays, class_names: tuple[str, ...] = (), bounds: Bounds | None = None
) -> Dataset:
    """A data set of images and labels that are in memory.

    train, test: images (N, H, W, C), or points (N, D), as `scaled` takes them with these bounds; integer labels (N,)
    from 0. class_names: one for each label, by default the labels themselves. A recipe's key holds the hash of the
    arrays, so that any name will do. `ValueError` for arrays that are not such.
    """
    splits = {
        p: split(*arrays, bounds=bounds, what=f"{name}, {p}: ") for p, arrays in {"train": train, "test": test}.items()
    }
    return from_splits(name, train=splits["train"], test=splits["test"], class_names=class_names)


def from_splits(name: str, *, train: Split, test: Split, class_names: tuple[str, ...] = ()) -> Dataset:
    """A data set of that name with the splits train and test.

    `ValueError` for images of two shapes, and for fewer class_names than labels.
    """
    shapes = train.x.shape[1:], test.x.shape[1:]
    if shapes[0] != shapes[1]:
        raise InputError(f"{name}: training images have shape {shapes[0]}, test images {shapes[1]}; give one shape.")
    highest = int(max(train.y.max(), test.y.max()))
    class_names = class_names or tuple(map(str, range(highest + 1)))
    if highest >= len(class_names):
        raise InputError(f"{name}: labels go up to {highest}; give at least {highest + 1} class_names.")
    return Dataset(name, train, test, tuple(class_names), "given", "arrays")


def split(x: Any, y: Any, *, bounds: Bounds | None = None, what: str = "") -> Split:
    """A split of images x (N, ...) and integer labels y (N,) or (N, 1) from 0, N of at least 1.

    bounds: of the images, as `scaled` takes them. what: begins the message of a `ValueError`.
    """
    x, y = np.asarray(x), np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:  # as Keras' data sets give them
        y = y[:, 0]
    if x.ndim < 2 or not len(x) or y.shape != (len(x),):
        raise InputError(f"{what}images have shape {x.shape}, labels {y.shape}; give (N, ...) and (N,), N from 1.")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        least = f" from {y.min()}" if y.dtype.kind in "iuf" else ""
        raise InputError(f"{what}labels are {y.dtype}{least}; give integers from 0.")
    if y.max() > LARGEST_LABEL:
        raise InputError(f"{what}labels go up to {y.max()}; give at most {LARGEST_LABEL}.")
    return Split(scaled(x, bounds=bounds, what=what), y.astype(np.int32))


LARGEST_LABEL = 2**20
LEAST_SHARE = 0.02
"""Of the bounds, what the pixels of images may be expected to take up: those in [0, 1] take up 1/255 of (0, 255)."""


def scaled(x: np.ndarray, *, bounds: Bounds | None = None, what: str = "") -> np.ndarray:
    """Images as the package takes them: float32 in [-1, 1], in C order.

    bounds: what the pixels of x lie in, integers or floating-point numbers. Without them x is uint8, which stands for
    (0, 255), or floating-point numbers in [-1, 1]. `ValueError` for other numbers; what: begins its message. Warns of
    pixels that take up no more than `LEAST_SHARE` of their bounds.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iuf" or not x.size:
        raise InputError(f"{what}images are {x.dtype} of shape {x.shape}; give numbers, at least one.")
    lowest, highest = x.min(), x.max()  # NaN where there is one
    if not np.isfinite([lowest, highest]).all():
        raise InputError(f"{what}images hold NaN or infinite pixels; remove them.")
    if bounds is None and x.dtype != np.uint8:
        if x.dtype.kind != "f" or lowest < -1 or highest > 1:
            raise InputError(
                f"{what}images are {x.dtype}, {lowest} to {highest}; give uint8, or floats in [-1, 1], or bounds."
            )
        return np.ascontiguousarray(x, np.float32)
    low, high = checks.bounds(bounds or (0, 255))
    if lowest < low or highest > high:
        raise InputError(f"{what}pixels range over [{lowest}, {highest}], and the bounds are {low:g} and {high:g}.")
    if 0 < highest - lowest < LEAST_SHARE * (high - low):
        warnings.warn(
            f"{what}pixels range over [{lowest}, {highest}] only, and the bounds are {low:g} and {high:g}; are these "
            "the bounds of the images?",
            stacklevel=2,
        )
    found = x.astype(np.float32)
    if low:
        found -= np.float32(low)
    found /= np.float32((high - low) / 2)
    found -= 1
    return np.clip(np.ascontiguousarray(found), -1, 1, out=found)
