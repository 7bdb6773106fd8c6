"""Hide or keep the pixels that an attribution calls most important: ROAR and KAR (section 3.2, notebook 3.4).

All channels of a pixel are replaced together. "remove" (ROAR) replaces the top `fraction` of the pixels, "keep" (KAR)
all but the top `fraction`. The functions are pure and safe to call from several threads.

fraction: of the pixels, in [0, 1]. occlusion: "remove" or "keep". variant: "authors", "paper" or "corrected".
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from robint_tf import checks
from robint_tf.catalogue import FILLS
from robint_tf.checks import canonical
from robint_tf.errors import InputError
from robint_tf.specs import OCCLUSIONS, VARIANTS

TIE_NOISE = 1e-8  # the authors add uniform noise of this size to every score
MAX_RANKED = 2**16
CHUNK = 1000  # images worked on at a time, which bounds the memory beyond inputs and outputs


def occlude(
    images: np.ndarray, scores: np.ndarray, fraction: float, fill: np.ndarray, occlusion: str = "remove"
) -> np.ndarray:
    """Images with the pixels of `occlusion_mask` replaced by `fill`; a new array like images.

    images: (N, H, W, C); scores: (N, H, W), or their `ranks`; fill: (C,) on the scale of the images. Occluding scaled
    images with a scaled fill equals the authors' order, occlusion on 0..255 and scaling after. `ValueError` for shapes
    that do not fit, NaN scores, a fraction outside [0, 1] and a fill that integer images cannot hold.

    >>> image, scores = np.ones((1, 2, 2, 1), "float32"), np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> occlude(image, scores, 0.25, np.zeros(1))[0, :, :, 0]  # a quarter of the pixels: the most important one
    array([[1., 1.],
           [1., 0.]], dtype=float32)
    >>> occlude(image, scores, 0.25, np.zeros(1), "keep")[0, :, :, 0]
    array([[0., 0.],
           [0., 1.]], dtype=float32)
    """
    _check_images(images, scores.shape, fill)
    occluded = images.copy()
    for part in _chunks(len(images)):
        np.copyto(occluded[part], fill, where=occlusion_mask(scores[part], fraction, occlusion)[..., None])
    return occluded


def replace(images: np.ndarray, mask: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) with the pixels of `mask` (N, H, W) bool replaced by `fill` (C,); a new array like images."""
    _check_images(images, mask.shape, fill)
    occluded = images.copy()
    np.copyto(occluded, fill, where=mask[..., None])
    return occluded


def occlusion_mask(scores: np.ndarray, fraction: float, occlusion: str = "remove") -> np.ndarray:
    """Which pixels are replaced, (N, H, W) bool, by scores (N, H, W). `ValueError` as in `occlude`.

    The authors replace what lies strictly above ("remove") or below ("keep") the (1 - fraction) quantile of an image,
    interpolated linearly. No score lies between the two that it is interpolated from, so the mask needs only the lower
    or the upper of them, and rounding cannot change it. Ties at the quantile survive either way; `n_replaced` counts
    the pixels of an image without ties.
    """
    n_pixels = _check_scores(scores)
    position = _position(n_pixels, fraction, occlusion)
    flat = scores.reshape(len(scores), n_pixels)
    k = math.floor(position) if occlusion == "remove" else math.ceil(position)
    bound = np.partition(flat, k, axis=1)[:, k, None, None]
    return scores > bound if occlusion == "remove" else scores < bound


def n_replaced(n_pixels: int, fraction: float, occlusion: str = "remove") -> int:
    """How many of an image's `n_pixels` pixels `occlusion_mask` marks if no two scores are equal.

    >>> n_replaced(1024, 0.1), n_replaced(1024, 0.1, "keep")
    (103, 921)
    """
    position = _position(n_pixels, fraction, occlusion)
    return n_pixels - 1 - math.floor(position) if occlusion == "remove" else math.ceil(position)


def random_mask(
    shape: tuple[int, int, int], fraction: float, occlusion: str = "remove", *, seed: int, variant: str = "authors"
) -> np.ndarray:
    """Which pixels the random baseline replaces, bool of shape (N, H, W).

    The authors replace every pixel independently with the probability `fraction` ("remove") or 1 - `fraction` ("keep"),
    so that images differ in their counts. In the other variants it is what the text says, random attribution values,
    occluded like any others. An image's mask depends on the seed and its position, not on how many follow.
    """
    checks.one_of("variant", variant, VARIANTS)
    _position(math.prod(shape[1:]), fraction, occlusion)
    mask = np.empty(shape, bool)
    if variant == "authors":
        legacy = np.random.RandomState(seed)
        stays = (100 - canonical(100 * fraction)) / 100  # as the authors round it
        for part in _chunks(len(mask)):
            draw = legacy.binomial(1, stays, size=mask[part].shape)
            np.equal(draw, 0 if occlusion == "remove" else 1, out=mask[part])
    else:
        rng = np.random.default_rng(seed)
        for part in _chunks(len(mask)):
            mask[part] = occlusion_mask(rng.random(mask[part].shape), fraction, occlusion)
    return mask


def break_ties(scores: np.ndarray, *, seed: int) -> np.ndarray:
    """Scores (N, H, W) plus uniform noise in [0, 1e-8), float64, as the authors add it before ranking.

    In float32 the noise would be rounded away in scores above 0.25. It does more than break ties where scores are not
    much larger than itself, as the gradients of confident networks are: see the variants of `ranks`. seed: of the
    noise. Warns if a map is constant.
    """
    _check_scores(scores)
    _warn_of_constant_maps(scores)
    return scores + TIE_NOISE * np.random.default_rng(seed).random(scores.shape)


def ranks(scores: np.ndarray, *, seed: int, variant: str = "authors") -> np.ndarray:
    """The place of every pixel in the order of importance, (N, H, W) uint16: 0 is the least important.

    Every image's ranks are a permutation, so that occluding by them replaces exactly `n_replaced` pixels; it equals
    occluding by the scores after `break_ties` with the same seed, at a quarter of their size. Warns if a map is
    constant. `ValueError` for NaN scores and for more than 65,536 pixels an image.

    seed: of the noise. The authors' noise orders scores closer than 1e-8 at random. For a standard CIFAR-10 network,
    trained for 20 epochs, that is all scores of about 30% of the training and 20% of the test images. The other
    variants use chance for equal scores only.
    """
    checks.one_of("variant", variant, VARIANTS)
    n_pixels = _check_scores(scores)
    if n_pixels > MAX_RANKED:
        raise InputError(f"an image has {n_pixels} pixels; ranks hold at most {MAX_RANKED}, occlude by scores.")
    _warn_of_constant_maps(scores)
    rng = np.random.default_rng(seed)
    ranked = np.empty((len(scores), n_pixels), np.uint16)
    places = np.arange(n_pixels, dtype=np.uint16)[None]
    for part in _chunks(len(scores)):
        flat = scores[part].reshape(-1, n_pixels)
        np.put_along_axis(ranked[part], ORDERS[variant](flat, rng.random(flat.shape)), places, axis=1)
    return ranked.reshape(scores.shape)


def _noisy_order(scores: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """In float64, as `chance` is."""
    return np.argsort(scores + TIE_NOISE * chance, axis=1)


def _exact_order(scores: np.ndarray, chance: np.ndarray) -> np.ndarray:
    return np.lexsort((chance, scores), axis=1)


ORDERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "authors": _noisy_order,
    "paper": _exact_order,
    "corrected": _exact_order,
}
"""Pixels of each image from least to most important, from scores and uniform draws in [0, 1), (N, pixels) each."""


def channel_mean(x: np.ndarray) -> np.ndarray:
    """Mean of each channel on the 0..255 scale, (C,) float64, of images x (N, H, W, C) in [-1, 1].

    Summed in float64: over the 50,000 CIFAR-10 images a float32 sum along channels-last memory stalls at 2^32 and gives
    83.886 for every channel, instead of 125.307, 122.950 and 113.865. (The authors' float32 mean is over
    channels-first memory, which NumPy sums pairwise, and right to 0.0007.)
    """
    return (x.mean(axis=(0, 1, 2), dtype=np.float64) + 1) * 127.5


class Fill(NamedTuple):
    """What replaced pixels become: train, test: in training and in test images, (C,) float32 in [-1, 1] each."""

    train: np.ndarray
    test: np.ndarray


def mean_fill(mean: np.ndarray) -> Fill:
    """The mean (C,) of the training images, on the 0..255 scale, in both ("a constant value" in the text)."""
    both = np.asarray(mean, np.float32) / np.float32(127.5) - np.float32(1)
    return Fill(both, both)


def authors_mean(mean: np.ndarray) -> Fill:
    """The mean (C,) of the training images, on the 0..255 scale, which the test images truncate.

    In the authors' code these are 8-bit integers: CIFAR-10's mean becomes [125, 122, 113], another colour than in
    training.
    """
    return Fill(mean_fill(mean).train, (np.trunc(mean).astype(np.float64) / 127.5 - 1).astype(np.float32))


FILL_OF: dict[str, str] = {"authors": "authors_mean", "paper": "mean", "corrected": "mean"}
"""The fill of each variant, a name in `catalogue.FILLS`: a recipe of retraining names its variant, and so its fill."""


def fill_values(mean: np.ndarray, *, variant: str = "authors", fill: str | None = None) -> Fill:
    """What replaced pixels become, from the mean (C,) of the training images on the 0..255 scale (`channel_mean`).

    fill: a name in `catalogue.FILLS`, by default the variant's. `ValueError` for an unknown variant or fill.
    """
    checks.one_of("variant", variant, VARIANTS)
    return FILLS[FILLS.full_name(fill or FILL_OF[variant])](mean)


def _chunks(n: int) -> Iterator[slice]:
    return (slice(lo, min(lo + CHUNK, n)) for lo in range(0, n, CHUNK))


def _position(n_pixels: int, fraction: float, occlusion: str) -> float:
    """Where the (1 - fraction) quantile lies among an image's sorted scores, counted from 0."""
    checks.one_of("occlusion", occlusion, OCCLUSIONS)
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction is {fraction!r}; give a number from 0 to 1.")
    return canonical((n_pixels - 1) * (1 - fraction))


def _check_scores(scores: np.ndarray) -> int:
    """Refuse what is not a set of maps; the number of pixels of each."""
    if scores.ndim != 3 or not math.prod(scores.shape[1:]):
        raise InputError(f"scores have shape {scores.shape}; give one a pixel, (N, H, W).")
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        raise InputError("scores hold NaN; the network's gradients are not finite, train it again.")
    return math.prod(scores.shape[1:])


def _check_images(images: np.ndarray, shape: tuple[int, ...], fill: np.ndarray) -> None:
    if images.ndim != 4 or images.shape[:3] != shape or np.shape(fill) != images.shape[3:]:
        raise InputError(
            f"images have shape {images.shape}, scores {shape} and the fill {np.shape(fill)}; "
            "give (N, H, W, C), (N, H, W) and (C,)."
        )
    if not np.can_cast(np.asarray(fill).dtype, images.dtype, "same_kind"):
        raise InputError(
            f"images are {images.dtype} and would truncate the fill {np.asarray(fill)}; give float images."
        )


def _warn_of_constant_maps(scores: np.ndarray) -> None:
    n = int(np.sum(scores.min(axis=(1, 2)) == scores.max(axis=(1, 2))))
    if n:
        warnings.warn(
            f"{n} of {len(scores)} attribution maps are constant (a saturated network has zero gradients); "
            "the order of their pixels is random.",
            stacklevel=3,
        )
