"""Controls of ROAR and KAR: what their scores owe to the shape of a map rather than to what the map knows.

Retraining rewards maps for more than finding pixels that matter. A mask may give the class away by its outline
(leakage), and smooth masks leave other information than scattered ones. So a score is reported with how clustered and
how sparse its maps are, how clustered their masks, with what a linear classifier reads from the masks alone, beside
what it reads from random ones, and with the scores of maps that were blurred, which adds no information, or that do not
depend on any network. The mask of a smooth map can be as scattered as noise: where the map's values are smaller than
the noise that breaks ties (`occlusion.ranks`), that orders the pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import linalg, ndimage

Maps = np.ndarray  # (N, H, W)


def moran(maps: Maps) -> np.ndarray:
    """Moran's I of each of the maps (N, H, W) over pixels that share a side, (N,): 1 if smooth, about 0 for noise.

    The mean product of deviations over neighbouring pairs, divided by the variance (Moran, 1950); for a mask in which a
    share p is set that is sum (b_i - p)(b_j - p) / (n_pairs p (1 - p)). NaN for a constant map.
    """
    maps = np.asarray(maps, float)
    z = maps - maps.mean(axis=(1, 2), keepdims=True)
    beside, below = z[:, :, 1:] * z[:, :, :-1], z[:, 1:] * z[:, :-1]
    pairs = beside[0].size + below[0].size
    variance = np.square(z).mean(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (beside.sum(axis=(1, 2)) + below.sum(axis=(1, 2))) / pairs / variance
    varied = maps.min(axis=(1, 2)) < maps.max(axis=(1, 2))  # the mean of equal values may be another by its last bit
    return np.where(varied & (variance > 0), found, np.nan)


def gini(maps: Maps) -> np.ndarray:
    """Gini index of the magnitudes of each of the maps (N, ...), (N,): 0 for equal values, towards 1 for a sparse one.

    1 - 2 sum_k v_(k) / |v|_1 (d - k + 1/2) / d over the d magnitudes in rising order (Hurley and Rickard, 2009; used
    for attributions by Chalasani et al., 2020). NaN for a map of zeros.

    >>> gini(np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])).tolist()
    [0.0, 0.75]
    """
    v = np.sort(np.abs(np.asarray(maps, float)).reshape(len(maps), -1), axis=1)
    d = v.shape[1]
    weights = (d - np.arange(1, d + 1) + 0.5) / d
    with np.errstate(invalid="ignore"):
        return 1 - 2 * (v @ weights) / v.sum(axis=1)


def edges(x: np.ndarray) -> Maps:
    """The length of Sobel's gradient of the grey image, (N, H, W), of images x (N, H, W, C)."""
    grey = x.mean(axis=-1)
    down, right = (
        ndimage.correlate1d(
            ndimage.correlate1d(grey, [-1, 0, 1], axis=along, mode="nearest"), [1, 2, 1], axis=across, mode="nearest"
        )
        for along, across in ((1, 2), (2, 1))
    )
    return np.hypot(down, right).astype(np.float32)


def centre(x: np.ndarray) -> Maps:
    """A Gaussian hill in the middle of images x (N, H, W, C), a quarter as wide, the same for all, (N, H, W)."""
    sides = [np.exp(-0.5 * np.square((np.arange(n) - (n - 1) / 2) / (n / 4))) for n in x.shape[1:3]]
    return np.broadcast_to(np.outer(*sides).astype(np.float32), x.shape[:3])


@dataclass(frozen=True, eq=False)
class Shape:
    """How clustered and how sparse maps are, image by image: moran, Moran's I, and gini, the Gini index, (N,) each."""

    moran: np.ndarray
    gini: np.ndarray


def shape_of(maps: Maps) -> Shape:
    """The shape of maps (N, H, W), in bounded memory."""
    return Shape(by_parts(moran, maps), by_parts(gini, maps))


def by_parts(measure: Callable[[Maps], np.ndarray], maps: Maps) -> np.ndarray:
    """What a measure gives for maps (N, H, W), (N,), in bounded memory."""
    return np.concatenate([measure(maps[lo : lo + CHUNK]) for lo in range(0, len(maps), CHUNK)])


@dataclass(frozen=True)
class Controls:
    """What stands beside the scores of an attribution of a network.

    moran, gini: of the maps, means over the test images; None where no map of them has one. mask_moran: Moran's I of
    the masks at each of the fractions of the recipe, mean over the test images, None where no mask of them has one.
    leakage: test accuracy of `leakage` at each of these, in [0, 1]; empty for images of more than `MOST_PIXELS`.
    Removing a share of the pixels and keeping it give complementary masks, of one Moran's I, of which a linear
    classifier reads the same.
    """

    moran: float | None
    gini: float | None
    mask_moran: tuple[float | None, ...]
    leakage: tuple[float, ...]

    def row(self, random: "Controls | None" = None) -> dict[str, Any]:
        """Plain data, with means over the fractions: mean_mask_moran, mean_leakage, None where there is nothing.

        random: of the random baseline, whose mean leakage, chance_leakage, is what masks give away by chance.
        """
        means = {"mean_mask_moran": _mean(self.mask_moran), "mean_leakage": _mean(self.leakage)}
        return {**asdict(self), **means, "chance_leakage": None if random is None else _mean(random.leakage)}


BESIDE = ("moran", "gini", "mean_mask_moran", "mean_leakage", "chance_leakage")
"""What of `Controls.row` is one number, which stands beside a score."""


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are; None where there is none."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


CHUNK = 1000  # maps or masks worked on at a time
MOST_PIXELS = 4096
"""Of a mask whose leakage is measured: the covariance of its pixels takes the square."""
RIDGES = (1e1, 1e2, 1e3, 1e4)
HELD_OUT = 10  # one image in so many chooses the ridge


def leakage(train: np.ndarray, train_y: np.ndarray, test: np.ndarray, test_y: np.ndarray, *, n_classes: int) -> float:
    """Test accuracy of a linear classifier that sees the masks alone: how well they predict the class, in [0, 1].

    Ridge regression onto the classes, the ridge chosen on every tenth training mask (after Rong et al., 2022, who train
    a network on them). train, test: (N, H, W) bool; train_y, test_y: (N,) labels from 0 to n_classes - 1.
    """
    held = (np.arange(len(train)) % HELD_OUT == 0) & (len(train) > 1)
    fit = _regression(train[~held], train_y[~held], n_classes)
    hits = [_accuracy(fit(ridge), train[held], train_y[held]) if held.any() else 0.0 for ridge in RIDGES]
    return _accuracy(_regression(train, train_y, n_classes)(RIDGES[int(np.argmax(hits))]), test, test_y)


def _regression(masks: np.ndarray, y: np.ndarray, n_classes: int) -> Callable[[float], np.ndarray]:
    """The regression onto the classes, by ridge: weights of the pixels and of a constant, which has no penalty.

    The system has as many unknowns as there are pixels, or masks, whichever are fewer.
    """
    if len(masks) > masks[0].size:
        gram, cross = _moments(masks, y, n_classes)
        return lambda ridge: _solve(gram, cross, ridge)
    rows, onto = masks.reshape(len(masks), -1).astype(float), np.eye(n_classes)[y]
    middle, share = rows.mean(axis=0), onto.mean(axis=0)
    rows -= middle
    kernel = rows @ rows.T

    def solve(ridge: float) -> np.ndarray:
        weights = rows.T @ linalg.solve(kernel + ridge * np.eye(len(rows)), onto - share, assume_a="pos")
        return np.vstack([weights, share - middle @ weights])

    return solve


def _design(masks: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of bits and a 1, some masks at a time; float32, in which products of that many of them are exact."""
    for lo in range(0, len(masks), CHUNK):
        part = slice(lo, lo + CHUNK)
        bits = masks[part].reshape(len(masks[part]), -1).astype(np.float32)
        yield part, np.hstack([bits, np.ones((len(bits), 1), np.float32)])


def _moments(masks: np.ndarray, y: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    d = int(np.prod(masks.shape[1:])) + 1
    gram, cross = np.zeros((d, d)), np.zeros((d, n_classes))
    for part, rows in _design(masks):
        gram += rows.T @ rows
        cross += rows.T @ np.eye(n_classes, dtype=np.float32)[y[part]]
    return gram, cross


def _solve(gram: np.ndarray, cross: np.ndarray, ridge: float) -> np.ndarray:
    penalty = np.full(len(gram), ridge)
    penalty[-1] = 0  # of the constant
    return linalg.solve(gram + np.diag(penalty), cross, assume_a="pos")


def _accuracy(weights: np.ndarray, masks: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean([hit for part, rows in _design(masks) for hit in (rows @ weights).argmax(axis=1) == y[part]]))
