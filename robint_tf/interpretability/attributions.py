"""How much each pixel matters to a network's loss: the gradient and gradient * input (sections 3.1 and 3.2), Figure 6.

J is the cross entropy of the label that the network itself predicts, without a gradient through the label, as in the
authors' notebooks 3.3 and 3.4; the text does not say which label. The random baseline g_Rand needs no network: it is
`occlusion.random_mask`.

Variants: `authors`; `paper` orders pixels by signed scores, as the text says; `corrected` computes the same J so that
its gradient survives confidence, see `precise_xent`.
"""

from collections.abc import Callable, Collection

import numpy as np
import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.errors import InputError
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.runtime import device
from robint_tf.runtime.batching import Progress, batch_signature, in_batches, per_network
from robint_tf.specs import VARIANTS


def precise_xent(logits: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Cross entropy (N,) of the predicted label (N,), as log(1 + sum over other classes of exp(logit - top logit)).

    Its float32 gradient is right for logit gaps up to 87. That of the usual form is not: softmax - 1 rounds to 0 where
    the other classes share less than 6e-8, and then the predicted class drops out of the gradient. For a standard
    CIFAR-10 network, trained for 20 epochs, that happens to about 40% of the training and 30% of the test images.
    """
    is_top = tf.one_hot(predicted, logits.shape[-1], on_value=True, off_value=False)
    top = tf.reduce_sum(tf.where(is_top, logits, 0.0), axis=-1, keepdims=True)
    return tf.math.log1p(tf.reduce_sum(tf.where(is_top, 0.0, tf.exp(logits - top)), axis=-1))


OBJECTIVES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "authors": xent,
    "paper": xent,
    "corrected": precise_xent,
}
"""J in each variant, from logits and the predicted label."""


def gradient(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """dJ / dx, signed and like x (N, H, W, C) float32; unchecked, and meant to be called inside a `tf.function`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logits = tf.cast(network(x, training=False), tf.float32)
        loss = OBJECTIVES[variant](logits, tf.argmax(logits, axis=-1, output_type=tf.int32))
    return tape.gradient(loss, x)


def gradient_x_input(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """x * dJ / dx with x on the [-1, 1] scale, signed and like x (Shrikumar et al., 2017); see `gradient`."""
    return x * gradient(network, x, variant)


ATTRIBUTIONS: dict[str, Callable[[Network, tf.Tensor, str], tf.Tensor]] = {
    "gradient": gradient,
    "gradient_x_input": gradient_x_input,
}
"""The paper's g_G and g_GX; an attribution is a function like `gradient`."""


def magnitude(attributions: tf.Tensor) -> tf.Tensor:
    """Sum over the channels of absolute values, (N, H, W)."""
    return tf.reduce_sum(tf.abs(attributions), axis=-1)


def signed(attributions: tf.Tensor) -> tf.Tensor:
    """Sum over the channels, (N, H, W)."""
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
    attribution: str,
    *,
    variant: str = "authors",
    reduction: str | None = None,
    batch_size: int = 500,
    check: bool = True,
    progress: Progress | None = None,
) -> np.ndarray:
    """Attribution maps of a data set in batches, in bounded memory beyond inputs and outputs.

    x: (N, H, W, C) float32 in [-1, 1], NumPy or TensorFlow; attribution: a name in `ATTRIBUTIONS`; reduction: a name in
    `REDUCTIONS`, by default the variant's in `RANKING`. Returns float32 (N, H, W), or (N, H, W, C) for the reduction
    "none". With `check`, images and network are examined as for attacks. `ValueError` for unknown names, inputs that
    are not images, and what `inputs.check` refuses; `inputs.NotFiniteError` for NaN or infinite attributions.
    """
    _check_name("variant", variant, VARIANTS)
    reduction = reduction or RANKING[variant]
    _check_name("attribution", attribution, ATTRIBUTIONS)
    _check_name("reduction", reduction, REDUCTIONS)
    x = inputs.images(x)
    if x.ndim != 4:
        raise InputError(f"inputs have shape {x.shape}; attributions need images (N, H, W, C).")
    if check:
        inputs.check(network, x)
    run = _compiled(network, x.shape[1:], attribution, variant, reduction)
    maps = np.empty(x.shape if reduction == "none" else x.shape[:-1], np.float32)

    def explain(lo: int, hi: int) -> None:
        maps[lo:hi] = run(tf.constant(x[lo:hi])).numpy()
        inputs.check_finite(maps[lo:hi], lo, "gradients")

    in_batches(len(x), batch_size, explain, progress)
    return maps


def heat_map(attributions: np.ndarray, *, low: float = 0.5, high: float = 99.5) -> np.ndarray:
    """Attributions (N, H, W, C) as Figure 6 draws them: summed over channels, capped at two percentiles of each image.

    Returns (N, H, W) of the same dtype. Values below the lower percentile become 0 where that percentile is positive
    (the authors' `utils.py`; the text does not say so). Figure 6 shows the gradient of *minus* J:
    `heat_map(-attribute(network, x, "gradient", reduction="none"))`. `ValueError` unless 0 <= low <= high <= 100.
    """
    if not 0 <= low <= high <= 100:
        raise InputError(f"the percentiles are {low} and {high}; give 0 <= low <= high <= 100.")
    summed = attributions.sum(axis=-1)
    floor, ceiling = np.percentile(summed, [low, high], axis=(1, 2), keepdims=True)
    capped = np.clip(summed, floor, ceiling)
    return np.where((summed < floor) & (floor > 0), 0, capped).astype(attributions.dtype)


def _check_name(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InputError(f"{what} is {name!r}; choose one of {', '.join(known)}.")


def _compiled(network: Network, x_shape: tuple[int, ...], attribution: str, variant: str, reduction: str) -> Callable:
    def make(net: Network) -> Callable:
        @tf.function(input_signature=batch_signature(x_shape)[:1], jit_compile=device.jit_compile())
        def run(x: tf.Tensor) -> tf.Tensor:
            return REDUCTIONS[reduction](ATTRIBUTIONS[attribution](net, x, variant))

        return run

    return per_network(network, (x_shape, "attribution", attribution, variant, reduction), make)
