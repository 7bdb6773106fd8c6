"""Remove and debias (ROAD; Rong et al., 2022): what a network's accuracy says of an attribution without retraining.

Pixels are removed by noisy linear imputation: a missing pixel is the weighted mean of its eight neighbours inside the
image, 1/6 for those next to it and 1/12 for the diagonal ones, missing neighbours included, so that all missing pixels
of an image solve one linear system; noise is added to hide that it was solved. Scaled by the weights that lie inside
the image, the system is symmetric and positive definite: conjugate gradients solve it for a whole batch at once, with
one 3 x 3 depthwise convolution a step.

A good attribution loses accuracy fast when the most relevant pixels go first (MoRF) and slowly when the least relevant
go first (LeRF); the area between both curves is its score.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.integrate import trapezoid

from robint_tf.attacks.pgd import predict
from robint_tf.catalogue import NETWORK_FREE
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions
from robint_tf.interpretability.occlusion import channel_mean, fill_values, occlusion_mask, ranks
from robint_tf.intervals import Interval, paired_mean
from robint_tf.networks.classifiers import Network
from robint_tf.runtime import device
from robint_tf.runtime.batching import Progress, in_batches
from robint_tf.runtime.seeds import derive_seed
from robint_tf.specs import FRACTIONS, ORDERS, Order, RoadSpec
from robint_tf.store.artifacts import Arrays, Checkpoint, Store

NOISE = 0.02
"""Standard deviation of the noise on [-1, 1] pixels: 0.01 on [0, 1] as in the authors' code of ROAD."""
BESIDE, DIAGONAL = 1 / 6, 1 / 12
TOLERANCE = 1e-5  # of the residual, relative to that of the first guess; a grey level is 8e-3
MAX_STEPS = 1000


def impute(
    images: np.ndarray,
    missing: np.ndarray,
    *,
    noise: float = NOISE,
    seed: int = 0,
    first: int = 0,
    batch_size: int = 500,
) -> np.ndarray:
    """Images with the missing pixels imputed; a new array like images.

    images: (N, H, W, C) float32 in [-1, 1], batch_size at a time; missing: (N, H, W) bool. noise: its standard
    deviation; that of image i is drawn from (seed, first + i). `ValueError` for shapes that do not fit, and for an
    image of which nothing is left.
    """
    if images.ndim != 4 or images.shape[:3] != missing.shape or missing.dtype != bool:
        raise InputError(
            f"images have shape {images.shape}, missing pixels {missing.shape} of {missing.dtype}; give (N, H, W, C) "
            "and (N, H, W) bool."
        )
    if missing.all(axis=(1, 2)).any():
        raise InputError("an image has no pixel left to impute the others from; remove fewer.")
    imputed = np.empty_like(images)

    def fill(lo: int, hi: int) -> None:
        solved = _solver()(tf.constant(images[lo:hi]), tf.constant(missing[lo:hi])).numpy()
        imputed[lo:hi] = solved
        if noise:
            for i in range(lo, hi):
                draw = np.random.default_rng([seed, first + i]).normal(0, noise, images.shape[1:])
                imputed[i] += np.where(missing[i][..., None], draw, 0).astype(np.float32)

    in_batches(len(images), batch_size, fill)
    return np.clip(imputed, -1, 1, out=imputed)


@cache
def _solver() -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    device.begin()
    signature = [tf.TensorSpec([None, None, None, None], tf.float32), tf.TensorSpec([None, None, None], tf.bool)]
    return tf.function(_solve, input_signature=signature, autograph=False)


def _solve(images: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    """Images with the missing pixels in balance with their neighbours, by conjugate gradients for each channel."""
    unknown = tf.cast(missing, tf.float32)[..., None]
    weights = tf.constant([[DIAGONAL, BESIDE, DIAGONAL], [BESIDE, 0.0, BESIDE], [DIAGONAL, BESIDE, DIAGONAL]])

    def neighbours(x: tf.Tensor) -> tf.Tensor:
        kernel = tf.tile(weights[:, :, None, None], [1, 1, tf.shape(x)[3], 1])
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")

    inside = neighbours(tf.ones_like(images[..., :1]))  # the weights that lie inside the image

    def apply(x: tf.Tensor) -> tf.Tensor:
        return unknown * (inside * x - neighbours(unknown * x))

    def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(a * b, axis=[1, 2], keepdims=True)

    known = (1.0 - unknown) * images
    guess = unknown * tf.math.divide_no_nan(
        tf.reduce_sum(known, axis=[1, 2], keepdims=True), tf.reduce_sum(1.0 - unknown, axis=[1, 2], keepdims=True)
    )
    residual = unknown * neighbours(known) - apply(guess)
    squared = dot(residual, residual)
    goal = TOLERANCE**2 * squared

    def unsolved(i: tf.Tensor, x: tf.Tensor, r: tf.Tensor, p: tf.Tensor, rr: tf.Tensor) -> tf.Tensor:
        return (i < MAX_STEPS) & tf.reduce_any(rr > goal)

    def step(i: tf.Tensor, x: tf.Tensor, r: tf.Tensor, p: tf.Tensor, rr: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image = apply(p)
        length = tf.where(rr > goal, tf.math.divide_no_nan(rr, dot(p, image)), 0.0)  # those that are solved rest
        r = r - length * image
        after = dot(r, r)
        return i + 1, x + length * p, r, r + tf.math.divide_no_nan(after, rr) * p, after

    _, solved, *_ = tf.while_loop(unsolved, step, (0, guess, residual, residual, squared))
    return known + unknown * solved


@dataclass(frozen=True, eq=False)
class Road:
    """Accuracies without the most relevant and without the least relevant pixels.

    fractions: (K,) of the pixels removed; hits: by order, which images are still classified rightly, (K, N) bool.
    """

    fractions: tuple[float, ...]
    hits: dict[Order, np.ndarray]

    def accuracies(self, order: Order) -> np.ndarray:
        """Accuracy by fraction, (K,), with the pixels removed in this order, "most" or "least" relevant first."""
        return self.hits[order].mean(axis=1)

    @property
    def area(self) -> float:
        """Area between the curves, least relevant first above most relevant first, over fractions 0 to 1."""
        return float(self._areas().mean())

    @property
    def interval(self) -> Interval | None:
        """The 95% interval of the area over images, see `intervals.paired_mean`; None for one image."""
        areas = self._areas()
        return paired_mean(areas, self._area(np.ones(len(self.fractions)))) if len(areas) > 1 else None

    def _areas(self) -> np.ndarray:
        """The area of every image, (N,): the trapezoidal rule, 0 at both ends, where both orders are one image."""
        return self._area(self.hits["least"].astype(float) - self.hits["most"])

    def _area(self, gaps: np.ndarray) -> Any:
        """The area under gaps (K, ...) between the curves."""
        padded = np.concatenate([np.zeros_like(gaps[:1]), gaps, np.zeros_like(gaps[:1])])
        return trapezoid(padded, np.concatenate([[0.0], self.fractions, [1.0]]), axis=0)


def road(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    scores: np.ndarray,
    *,
    fractions: tuple[float, ...] = FRACTIONS,
    noise: float = NOISE,
    seed: int = 0,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Road:
    """How a network's accuracy falls as pixels are imputed in order of an attribution, without retraining.

    x: (N, H, W, C) float32 in [-1, 1]; y: (N,) labels; scores: (N, H, W), or their `occlusion.ranks`, by which ties are
    broken. noise, seed, batch_size: as of `impute`, the noise the same for every fraction and both orders. progress:
    called with how many images are done, and how many there are, over all fractions and both orders. `ValueError` for
    fractions that are not rising inside (0, 1), and what `impute` refuses.
    """
    if not fractions or not np.all(np.diff([0.0, *fractions, 1.0]) > 0):
        raise InputError(f"fractions are {list(fractions)}; give rising numbers inside (0, 1).")
    hits = {order: np.empty((len(fractions), len(x)), bool) for order in ORDERS}
    steps = [(order, k) for order in ORDERS for k in range(len(fractions))]
    for done, (order, k) in enumerate(steps, 1):
        missing = removed(scores, fractions[k], order)
        hits[order][k] = hits_without(network, x, y, missing, noise=noise, seed=seed, batch_size=batch_size)
        if progress is not None:
            progress(done * len(x), len(steps) * len(x))
    return Road(tuple(fractions), hits)


def hits_without(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    missing: np.ndarray,
    *,
    noise: float = NOISE,
    seed: int = 0,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> np.ndarray:
    """Which images are classified rightly with their missing pixels imputed, (N,) bool.

    network: of logits; x: (N, H, W, C) float32 in [-1, 1]; y: (N,) labels; missing: (N, H, W) bool. noise, seed: as for
    `impute`.
    """
    hits = np.empty(len(x), bool)

    def classify(lo: int, hi: int) -> None:
        imputed = impute(x[lo:hi], missing[lo:hi], noise=noise, seed=seed, first=lo, batch_size=batch_size)
        hits[lo:hi] = predict(network, imputed, batch_size=batch_size).argmax(axis=-1) == y[lo:hi]

    in_batches(len(x), batch_size, classify, progress)
    return hits


class Measurer:
    """Points of the curves of one network, measured only if the store lacks them. Keeps the ranks of one attribution.

    Attributions that compare images with a baseline are given that of `baseline_of` the test images that are taken.

    test: the images (N, H, W, C) float32 in [-1, 1] and labels (N,) whose first ones are taken. store: None keeps
    nothing. given: by attribution, maps (N, H, W) of all test images that need not be computed. progress: told how many
    images of a point are done, and how many there are.
    """

    def __init__(
        self,
        network: Network,
        test: Split,
        store: Store | None,
        *,
        given: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 500,
        progress: Progress | None = None,
    ) -> None:
        self.network, self.test, self.store, self.progress = network, test, store, progress
        self.given, self.batch_size = given or {}, batch_size
        self._ranked: tuple[object, np.ndarray] | None = None

    def has(self, spec: RoadSpec) -> bool:
        """Whether the store holds the point `spec`."""
        return self.store is not None and self.store.has(spec, self.test.take(spec.n_test).fingerprint.key)

    def hits(self, spec: RoadSpec) -> np.ndarray:
        """Which images are still classified rightly at the point `spec`, (N,) bool."""
        test, n, told = self.test.take(spec.n_test), self.batch_size, self.progress

        def measured() -> np.ndarray:
            missing = removed(self._ranks(spec, test), spec.fraction, spec.order)
            return hits_without(
                self.network, test.x, test.y, missing, noise=spec.noise, seed=spec.seed, batch_size=n, progress=told
            )

        def make(_: Checkpoint) -> tuple[Arrays, dict]:
            return {"hits": measured()}, {}

        if self.store is None:
            return measured()
        return self.store.fetch(spec, make, test.fingerprint.key, made_with=device.describe())["hits"]

    def _ranks(self, spec: RoadSpec, test: Split) -> np.ndarray:
        key = spec.attribution, spec.seed, spec.variant, test
        if self._ranked is None or self._ranked[0] != key:
            if spec.attribution in self.given:
                maps = self.given[spec.attribution][: len(test.y)]
            elif spec.attribution in NETWORK_FREE:
                maps = NETWORK_FREE[spec.attribution](test.x)
            else:
                maps = attributions.attribute(
                    self.network,
                    test.x,
                    spec.attribution,
                    variant=spec.variant,
                    baseline=baseline_of(test.x),
                    batch_size=self.batch_size,
                )
            self._ranked = key, ordered(maps, seed=spec.seed, variant=spec.variant)
        return self._ranked[1]


def baseline_of(x: np.ndarray) -> np.ndarray:
    """What attributions that have a baseline compare images x (N, H, W, C) with: their mean colour, (C,)."""
    return fill_values(channel_mean(x), variant="corrected").test


def ordered(maps: np.ndarray, *, seed: int, variant: str) -> np.ndarray:
    """`occlusion.ranks` (N, H, W) of maps (N, H, W) in a variant; seed: of the noise, apart from which ties break."""
    return ranks(maps, seed=derive_seed(seed, TIES), variant=variant)


TIES = 1  # a stream of random numbers apart from the noise's


def removed(scores: np.ndarray, fraction: float, order: Order) -> np.ndarray:
    """Which pixels go, (N, H, W) bool: the top `fraction` of the scores (N, H, W), or, by order "least", the bottom."""
    if order == "most":
        return occlusion_mask(scores, fraction, "remove")
    return occlusion_mask(scores, 1 - fraction, "keep")
