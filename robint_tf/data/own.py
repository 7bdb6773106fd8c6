"""A data set of one's own, from a folder of images by class, an .npz file, or a folder that TFDS has prepared.

What is read may come from anywhere: no pickles, no modules that a file names, and no more memory than `MOST_BYTES`.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from robint_tf.catalogue import OWN
from robint_tf.checks import Bounds
from robint_tf.data import arrays, image_files, sources
from robint_tf.data.datasets import Dataset
from robint_tf.errors import DataUnavailable, InputError

TFDS = "tfds:"


def load_own(
    where: str | os.PathLike,
    *,
    bounds: Bounds | None = None,
    data_dir: str | os.PathLike | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
) -> Dataset:
    """The data set in a place, named `OWN` for all of them: recipes know it by the hash of its images.

    where: a folder with train/CLASS/*.png and test/CLASS/*.png (or .jpg), classes numbered by name; an .npz file with
    x_train, y_train, x_test and y_test; or tfds:NAME for a set of images and labels that TFDS has prepared in data_dir
    (else as `data.load` looks for it). Images are bytes, or floating-point numbers within bounds, by default [-1, 1].
    Each part is put into a fixed random order, since files often hold one class after the other, which neither a
    training nor the first images would survive. n_train, n_test: take the first ones of that order. `ValueError` for
    what is not such a data set, `DataUnavailable` where there is none.
    """
    where = os.fspath(where)
    if not where.strip():
        raise InputError("'' names no data set; name a folder, an .npz file, or tfds:NAME.")
    if where.startswith(TFDS):
        folder = _prepared(where.removeprefix(TFDS), sources.data_folder(data_dir))
        raw = image_files.read_tfds(folder, where.removeprefix(TFDS))
    elif (path := _at_home(where)).is_dir():
        raw = image_files.read_folder(path)
    elif path.is_file():
        raw = image_files.read_npz(path)
    else:
        raise DataUnavailable(f"{where} is neither a folder of images nor an .npz file; name one, or tfds:NAME.")
    splits = {}
    for seed, part in enumerate(("train", "test")):
        images, labels = raw.images[part], raw.labels[part]
        limits = None if images.dtype == "uint8" else bounds
        if images.ndim != 4 or labels.shape[:1] != images.shape[:1]:
            raise InputError(
                f"{where}, {part}: images have shape {images.shape}, labels {labels.shape}; give (N, H, W, C) and (N,)."
            )
        order = np.random.default_rng(seed).permutation(len(images))
        splits[part] = arrays.split(images[order], labels[order], bounds=limits, what=f"{where}, {part}: ")
    found = arrays.from_splits(where, train=splits["train"], test=splits["test"], class_names=raw.class_names)
    return replace(found, name=OWN, train=found.train.take(n_train), test=found.test.take(n_test), source=where)


def _at_home(where: str) -> Path:
    try:
        return Path(where).expanduser()
    except RuntimeError as error:
        raise InputError(f"{where} needs a home folder, and there is none; give a whole path.") from error


def _prepared(name: str, folder: Path) -> Path:
    """The folder of the newest version of a set that TFDS has prepared; name: such as svhn_cropped or cifar100/v1."""
    parts = Path(name).parts
    if not parts or any(part in ("..", "/") for part in parts):
        raise InputError(f"{TFDS}{name} names no data set; give one such as tfds:svhn_cropped.")
    versions = [path.parent for path in folder.joinpath(*parts).glob("*/dataset_info.json")]
    numbered = [path for path in versions if all(n.isdigit() for n in path.name.split("."))]
    if not numbered:
        raise DataUnavailable(
            f"{folder.joinpath(*parts)} holds no data set that TFDS has prepared; prepare {name} by "
            f"tfds.builder({name!r}).download_and_prepare(), or name its folder by data_dir."
        )
    return max(numbered, key=lambda path: [int(n) for n in path.name.split(".")])
