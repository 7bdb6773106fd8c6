"""Attribution maps of whole data sets by any method, and how Figure 6 draws them.

Variants: `authors`; `paper` orders pixels by signed scores, as the text says; `corrected` explains a J whose gradient
survives confidence, see `protocol.precise_xent`.
"""

import inspect
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from robint_tf import checks
from robint_tf.catalogue import ATTRIBUTIONS
from robint_tf.errors import InputError
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.registry import AT
from robint_tf.runtime import xla
from robint_tf.runtime.batching import Progress, batch_signature, in_batches, per_network
from robint_tf.settings import Settings
from robint_tf.specs import VARIANTS


def magnitude(attributions: tf.Tensor) -> tf.Tensor:
    """Sum over the channels of the absolute values of attributions (N, H, W, C), (N, H, W)."""
    return tf.reduce_sum(tf.abs(attributions), axis=-1)


def signed(attributions: tf.Tensor) -> tf.Tensor:
    """Sum over the channels of attributions (N, H, W, C), (N, H, W)."""
    return tf.reduce_sum(attributions, axis=-1)


REDUCTIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "magnitude": magnitude,
    "signed": signed,
    "none": tf.identity,
}
"""What is made of the channels of a pixel."""

RANKING: dict[str, str] = {"authors": "magnitude", "paper": "signed", "corrected": "magnitude"}
"""The reduction by which each variant orders pixels."""


def attribute(
    network: Network,
    x: np.ndarray,
    attribution: str | Settings,
    *,
    variant: str = "authors",
    reduction: str | None = None,
    baseline: np.ndarray | float = 0.0,
    batch_size: int = 500,
    check: bool = True,
    progress: Progress | None = None,
) -> np.ndarray:
    """Attribution maps of a data set in batches, in bounded memory beyond inputs and outputs.

    x: (N, H, W, C) float32 in [-1, 1], NumPy or TensorFlow; attribution: a name in `catalogue.ATTRIBUTIONS`, with
    settings where it has some ("integrated_gradients:steps=20"), or the settings themselves; reduction: a name in
    `REDUCTIONS`, by default the variant's in `RANKING`; baseline: what some methods compare images with, a number, a
    colour (C,) or an image (H, W, C) in [-1, 1], in retraining the colour that occluded pixels get; batch_size: images
    at a time, halved where memory runs out; progress: called with how many images are done, and how many there are.
    Returns float32 (N, H, W), or (N, H, W, C) for the reduction "none". With `check`, images and network are examined
    as for attacks. `ValueError` for unknown names, inputs that are not images, what `inputs.check` refuses, and layers
    that a method has no rule for; `inputs.NotFiniteError` for NaN or infinite attributions.
    """
    checks.one_of("variant", variant, VARIANTS)
    attribution = ATTRIBUTIONS.full_name(attribution)
    reduction = checks.one_of("reduction", reduction or RANKING[variant], REDUCTIONS)
    x = inputs.images(x)
    if x.ndim != 4:
        raise InputError(f"inputs have shape {x.shape}; attributions need images (N, H, W, C).")
    if check:
        inputs.check(network, x)
    start = tf.constant(baseline_image(baseline, x.shape[1:]))
    run = _compiled(network, x.shape[1:], attribution, variant, reduction)
    maps = np.empty(x.shape if reduction == "none" else x.shape[:-1], np.float32)

    def explain(lo: int, hi: int) -> None:
        maps[lo:hi] = run(tf.constant(x[lo:hi]), start).numpy()
        inputs.check_finite(maps[lo:hi], lo, "gradients")

    in_batches(len(x), batch_size, explain, progress)
    return maps


def baseline_image(baseline: np.ndarray | float, shape: tuple[int, ...]) -> np.ndarray:
    """A baseline as an image (H, W, C) float32; shape: of an image.

    `ValueError` unless it is one, a colour (C,) or a number, in [-1, 1].
    """
    given = np.asarray(baseline, np.float32)
    if given.shape not in ((), shape[-1:], shape):
        raise InputError(
            f"the baseline has shape {given.shape}; give a number, a colour {shape[-1:]} or an image {shape}."
        )
    if not (np.abs(given) <= 1).all():
        raise InputError("the baseline has values outside [-1, 1]; give it in the range of the images.")
    return np.broadcast_to(given, shape)


def heat_map(attributions: np.ndarray, *, low: float = 0.5, high: float = 99.5) -> np.ndarray:
    """Attributions (N, H, W, C) as Figure 6 draws them: summed over channels, capped at two percentiles of each image.

    attributions: signed, of any floating dtype; low, high: the percentiles. Returns (N, H, W) of the same dtype. Values
    below the lower percentile become 0 where that percentile is positive (the authors' `utils.py`; the text does not
    say so). Figure 6 shows the gradient of *minus* J: `heat_map(-attribute(network, x, "gradient", reduction="none"))`.
    `ValueError` unless 0 <= low <= high <= 100.
    """
    if not 0 <= low <= high <= 100:
        raise InputError(f"the percentiles are {low} and {high}; give 0 <= low <= high <= 100.")
    summed = attributions.sum(axis=-1)
    floor, ceiling = np.percentile(summed, [low, high], axis=(1, 2), keepdims=True)
    capped = np.clip(summed, floor, ceiling)
    return np.where((summed < floor) & (floor > 0), 0, capped).astype(attributions.dtype)


def _compiled(network: Network, x_shape: tuple[int, ...], attribution: str, variant: str, reduction: str) -> Callable:
    method = ATTRIBUTIONS[attribution]

    takes_baseline = "baseline" in inspect.signature(method).parameters

    def make(net: Network) -> Callable:
        @xla.compiled(
            input_signature=[*batch_signature(x_shape)[:1], tf.TensorSpec(x_shape, tf.float32)],
            autograph=AT in attribution,  # which wraps messages, and without which a user's method may not do
        )
        def run(x: tf.Tensor, baseline: tf.Tensor) -> tf.Tensor:
            values = method(net, x, variant, baseline=baseline) if takes_baseline else method(net, x, variant)
            return REDUCTIONS[reduction](values)

        return run

    return per_network(network, (x_shape, "attribution", attribution, variant, reduction), make)
