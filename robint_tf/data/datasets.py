"""The data sets of the study: float32 images (NHWC) in [-1, 1] and int32 labels, in the authors' order."""

import difflib
import hashlib
import os
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np

from robint_tf.catalogue import DATASETS
from robint_tf.data import sources
from robint_tf.data.sources import Location, Order, Raw
from robint_tf.errors import DataUnavailable, InputError

TOY_MEANS = np.array([[1.2, 0.1], [-1.2, -0.1]])
TOY_COVARIANCE = np.array([[0.1, -0.01], [-0.01, 0.002]])
TOY_SIZE = 3000  # points of each class
TOY_FACTOR = np.array(
    [[-0.3162119589753056, 0.03193737624163263], [0.003161803441020667, 0.031305015553428496]],
)
"""F with F.T F = TOY_COVARIANCE. NumPy would take the signs of its rows from LAPACK, which is free to choose them."""
TOY_SHA256 = "84f27f8f27e88847fc1509e2e604059a31e8d8aeec1c4849f7eec8283b10a3a9"  # of the training points for seed 0


@dataclass(frozen=True)
class Fingerprint:
    """What a split holds: how many examples (count), the shape of each, how many of each class (class_counts).

    sha256: over x (float32) and y (int32), little endian, in C order.
    """

    count: int
    shape: tuple[int, ...]
    class_counts: tuple[int, ...]
    sha256: str

    @property
    def id(self) -> str:
        """The first 12 digits of the hash."""
        return self.sha256[:12]

    @property
    def key(self) -> str:
        """Shape and hash, the split's name in a recipe: the same bytes in another shape are other images."""
        return "x".join(map(str, (self.count, *self.shape))) + f":{self.sha256}"

    def as_json(self) -> dict[str, Any]:
        """Plain data for a results file."""
        return {
            "count": self.count,
            "shape": list(self.shape),
            "class_counts": list(self.class_counts),
            "sha256": self.sha256,
        }


@dataclass(frozen=True, eq=False)
class Split:
    """x: (N, ...) float32 in [-1, 1]; y: class of each, (N,) int32, or (N, 1). `ValueError` for other shapes."""

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if self.y.ndim == 2 and self.y.shape[1] == 1:  # as Keras' data sets give them
            object.__setattr__(self, "y", self.y[:, 0])
        if self.y.ndim != 1 or len(self.x) != len(self.y):
            raise InputError(f"images have shape {self.x.shape}, labels {self.y.shape}; give (N, ...) and (N,).")

    def take(self, n: int | None) -> "Split":
        """The first `n` examples, without a copy; all for None. `ValueError` unless 1 <= n <= N.

        The same object for the same n, so that it is hashed once.
        """
        n = _checked(n, len(self.y), "n", "the split has {} examples")
        if n == len(self.y):
            return self
        if n not in self._taken:
            self._taken[n] = Split(self.x[:n], self.y[:n])
        return self._taken[n]

    @cached_property
    def _taken(self) -> "dict[int, Split]":
        return {}

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Count, shape, classes and hash; computed once."""
        digest = hashlib.sha256(np.ascontiguousarray(self.x, "<f4").data)
        digest.update(np.ascontiguousarray(self.y, "<i4").data)
        counts = tuple(np.bincount(self.y).tolist())
        return Fingerprint(len(self.y), self.x.shape[1:], counts, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples, train and test, and where they come from.

    name: as `load` takes it. class_names: in the order of the labels. source: where the examples are from, in words.
    `order`: "original", that of the published files; "tfds", TFDS's own, where the original is not known;
    "generated" for the toy data; "given" for arrays. `verified`: whether every example is known by hash to be the
    published one; None where nothing is published to compare with. `verified_test`: of how many test images, from the
    first on, that is known; None where it was not counted.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    order: Order
    source: str
    verified: bool | None = None
    verified_test: int | None = None


def canonical_name(name: str) -> str:
    """The name in `DATASETS` that `name` means: hyphens are underscores, case is ignored. `ValueError` if none."""
    canonical = name.strip().lower().replace("-", "_")
    if canonical in DATASETS:
        return canonical
    close = difflib.get_close_matches(canonical, DATASETS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(f"There is no data set {name!r}; {hint}choose one of {', '.join(DATASETS)}.")


def load(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    offline: bool = False,
    n_train: int | None = None,
    n_test: int | None = None,
    all_train: bool = False,
) -> Dataset:
    """A data set of `DATASETS`, training images in the order in which the authors train.

    Images are (N, 28, 28, 1) or, for CIFAR-10, (N, 32, 32, 3); toy points are (N, 2); float32 in [-1, 1]. `n_train` and
    `n_test` take the first ones. Of the 60,000 images of MNIST and Fashion-MNIST the authors train on the last 55,000;
    `all_train` keeps all (no effect on other sets). The samples, `<name>_sample`, come with the package: the first
    1,000 training and 200 test images.

    The image sets are taken from `data_dir` (else ROBINT_DATA_DIR, else TFDS's own folder): prepared by TFDS, or as
    published: IDX files in one of the `folders` of its record or in its subfolder raw, CIFAR-10's archives or unpacked
    folders (`robint_tf.data.cifar`). What is not there is downloaded by TFDS, unless `offline`, which never
    touches the network.

    Warns if images are not known to be the published ones. `ValueError` for an unknown name or a count that the set
    does not have; `DataUnavailable` if the set, packaged or not, is missing or damaged.
    """
    name = canonical_name(name)
    info = DATASETS[name]
    if not info.url:
        dataset = toy() if name == "toy" else _sample(name) if info.sample_of else _registered(name)
        return replace(
            dataset,
            train=_taken(dataset.train, n_train, "n_train", name),
            test=_taken(dataset.test, n_test, "n_test", name),
        )

    folder = sources.data_folder(data_dir)
    location = sources.find(name, folder)
    if location is None:
        if offline:
            raise DataUnavailable(sources.how_to_get(name, folder), dataset=name)
        location = sources.download(name, folder)
    held_back = 0 if all_train else info.held_back
    train, train_order, train_confirmed = _part(location, "train", held_back, n_train)
    test, test_order, test_confirmed = _part(location, "test", 0, n_test)
    return Dataset(
        name=name,
        train=train,
        test=test,
        class_names=info.class_names,
        order="tfds" if "tfds" in (train_order, test_order) else "original",
        source=str(location),
        verified=train_confirmed >= len(train.y) + held_back and test_confirmed >= len(test.y),
        verified_test=min(test_confirmed, len(test.y)),
    )


def toy(seed: int = 0) -> Dataset:
    """The 6,000 points of section 2.2: two Gaussians, 3,000 points each, scaled into [-1, 1] (notebook 4.1).

    Class 0, "Class 1" in the paper's legend, has mean [1.2, 0.1], class 1 the opposite, before scaling by one minimum
    and one maximum over both coordinates. There is no test set: `train` holds the points in the order that the authors
    shuffle them to, `test` the same points as generated, class 0 first. For seed 0 these are the authors' points.

    The covariance is the code's, [[0.1, -0.01], [-0.01, 0.002]], in every variant: the one printed in appendix A.1 has
    0.0002 in the corner and thus the determinant -8e-5, so that no distribution has it.
    """
    rng = np.random.RandomState(seed)  # the legacy generator: its stream is the authors'
    classes = []
    for mean in TOY_MEANS:
        z = rng.standard_normal((TOY_SIZE, 2))
        classes.append(z[:, :1] * TOY_FACTOR[0] + z[:, 1:] * TOY_FACTOR[1] + mean)
    points = np.concatenate(classes)
    points = (points - points.min()) / (points.max() - points.min()) * 2 - 1
    labels = np.repeat(np.arange(2, dtype=np.int32), TOY_SIZE)
    shuffled = np.arange(len(points))
    rng.shuffle(shuffled)
    x = points.astype(np.float32)
    train, test = Split(x[shuffled], labels[shuffled]), Split(x, labels)
    return Dataset(
        name="toy",
        train=train,
        test=test,
        class_names=DATASETS["toy"].class_names,
        order="generated",
        source=f"generated, seed {seed}",
        verified=train.fingerprint.sha256 == TOY_SHA256 if seed == 0 else None,
    )


def _registered(name: str) -> Dataset:
    """What the record of a data set from outside the package loads, whole. `ValueError` if it is not as recorded."""
    info = DATASETS[name]
    if info.load is None:
        raise InputError(f"the data set {name!r} cannot be loaded; give its record a function load.")
    dataset = info.load()
    if (found := (dataset.train.x.shape[1:], dataset.class_names)) != (info.shape, info.class_names):
        raise InputError(f"the data set {name!r} has shape and classes {found}; its record says otherwise.")
    return replace(dataset, name=name)


def _sample(name: str) -> Dataset:
    """A packaged sample, whole."""
    info, origin = DATASETS[name], DATASETS[name].sample_of
    path = resources.files("robint_tf.data.samples").joinpath(f"{origin}.npz")
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            raws = [Raw(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in ("train", "test")]
        published = [block.sha1 for blocks in info.published.values() for block in blocks]
        verified = list(map(sources.examples_sha1, raws)) == published
    except Exception as error:  # a damaged archive raises whatever its readers stumble over
        raise DataUnavailable(f"{path} is damaged ({type(error).__name__}); install robint-tf again.") from error
    if not verified:
        warnings.warn(f"{path} is not the sample that comes with robint-tf; results will differ.", stacklevel=3)
    train, test = (_scaled(origin, raw) for raw in raws)
    start = info.published["train"][0].start
    ranges = f"training images {start} to {start + len(train.y) - 1}, test images 0 to {len(test.y) - 1}"
    source = f"packaged sample of {origin}: {ranges}"
    return Dataset(name, train, test, info.class_names, "original", source, verified)


def _part(location: Location, split: str, start: int, n: int | None) -> tuple[Split, Order, int]:
    """`n` images of a split from `start` on, their order, and how many from its first on are known to be published."""
    raw, order = sources.read(location, split)
    stop = start + _checked(n, len(raw.labels) - start, f"n_{split}", f"{location.name} has {{}} {split} images")
    confirmed = sources.n_published(location.name, split, raw)
    if confirmed < stop:
        warnings.warn(
            f"{location.name}: only the first {confirmed} of the {stop} {split} images from {location.folder} are "
            f"known to be the published ones (order: {order}); results may differ from those of the published set.",
            stacklevel=3,
        )
    return _scaled(location.name, Raw(raw.images[start:stop], raw.labels[start:stop])), order, confirmed


def _scaled(name: str, raw: Raw) -> Split:
    """Bytes to [-1, 1] in float32 and in the authors' steps, so that the last bit agrees; in place to spare memory."""
    x = raw.images.astype(np.float32)
    if name == "cifar10":
        x /= 127.5
    else:
        x *= 1 / 255  # TensorFlow 1's input_data
        x *= 2
    x -= 1
    return Split(x, raw.labels.astype(np.int32))


def _taken(split: Split, n: int | None, what: str, name: str) -> Split:
    n = _checked(n, len(split.y), what, f"{name} has {{}} of them")
    return split.take(n)


def _checked(n: int | None, available: int, what: str, has: str) -> int:
    """`n`, or all; `ValueError` unless it is between 1 and `available`."""
    if n is None:
        return available
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or not 1 <= n <= available:
        raise InputError(f"{what} is {n!r}; {has.format(available)}, choose 1 to {available}.")
    return int(n)
