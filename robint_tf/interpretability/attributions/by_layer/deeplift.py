"""DeepLIFT with the Rescale rule (Shrikumar et al., 2017)."""

from collections.abc import Callable

import tensorflow as tf

from robint_tf.interpretability.attributions.by_layer.chain import MaxPooled, Rectified, Stage, chain, pulled
from robint_tf.interpretability.attributions.protocol import predicted
from robint_tf.networks.classifiers import Network
from robint_tf.settings import DeepLIFT

SMALLEST = 1e-5
"""Of a difference that is divided by; below it the gradient stands for the quotient (as in Ancona et al., 2018)."""

Backward = Callable[[tf.Tensor], tf.Tensor]


def deeplift(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    baseline: tf.Tensor,
    settings: DeepLIFT = DeepLIFT(),  # noqa: B008  (frozen)
) -> tf.Tensor:
    """(x - b) times multipliers that go back from the predicted label's logit, signed and like x.

    A ReLU multiplies by the quotient of the differences behind and before it, image against baseline. A max-pooling
    hands the difference of its outputs to where the greater of both has its maximum. So the sum over an image is
    logit(x) - logit(b): see `completeness`. baseline: b, (H, W, C). Networks as in `chain`.
    """
    stages = chain(network, x.shape[1:])
    start = (tf.zeros_like(baseline) if settings.baseline == "zero" else baseline)[None]
    at_baseline = [start]
    for stage in stages:
        at_baseline.append(stage(at_baseline[-1]))

    def logits(x: tf.Tensor) -> tf.Tensor:
        for stage, inputs, outputs in zip(stages, at_baseline[:-1], at_baseline[1:], strict=True):
            if isinstance(stage, Rectified):
                x = _rescaled(x, inputs, outputs)
            elif isinstance(stage, MaxPooled):
                x = _distributed(stage, x, inputs, outputs)
            else:
                x = stage(x)
        return x

    found = logits(x)
    return (x - start) * pulled(logits, x, tf.one_hot(predicted(found), found.shape[-1]))


def _rescaled(z: tf.Tensor, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """ReLU; inputs, outputs: its own of the baseline."""

    @tf.custom_gradient
    def relu(z: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        found = tf.nn.relu(z)
        gradient = tf.cast(z > 0, tf.float32)
        return found, lambda g: g * _quotient(found - outputs, z - inputs, gradient)

    return relu(z)


def _distributed(stage: Stage, z: tf.Tensor, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Max-pooling; inputs, outputs: its own of the baseline."""

    @tf.custom_gradient
    def pool(z: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        found = stage(z)

        def backward(g: tf.Tensor) -> tf.Tensor:
            everywhere = tf.zeros_like(z) + inputs
            gained, lost = tf.nn.relu(found - outputs), tf.nn.relu(outputs - found)
            contributions = stage.pull(z, g * gained) - stage.pull(everywhere, g * lost)
            return _quotient(contributions, z - inputs, stage.pull(z, g))

        return found, backward

    return pool(z)


def _quotient(difference: tf.Tensor, of: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    tiny = tf.abs(of) < SMALLEST
    return tf.where(tiny, otherwise, difference / tf.where(tiny, 1.0, of))
