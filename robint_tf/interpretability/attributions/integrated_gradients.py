"""Integrated gradients (Sundararajan et al., 2017)."""

import tensorflow as tf

from robint_tf.interpretability.attributions.protocol import predicted, slope
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import for_attack, loop_body
from robint_tf.settings import IntegratedGradients


def integrated_gradients(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    baseline: tf.Tensor,
    settings: IntegratedGradients = IntegratedGradients(),  # noqa: B008  (frozen)
) -> tf.Tensor:
    """(x - b) times the mean of dJ / dx at `steps` points of the way from b to x, signed and like x.

    J is the cross entropy of the label predicted for x, see `protocol`. The points lie in the middles of equal parts,
    so that the sum over an image is J(x) - J(b) up to an error that falls with the square of `steps` where J is smooth:
    see `completeness`. baseline: b, (H, W, C). Any network with gradients.
    """
    forward = for_attack(network)
    label = predicted(forward(x))
    start = tf.zeros_like(baseline) if settings.baseline == "zero" else baseline
    way = x - start

    @loop_body
    def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = (tf.cast(i, tf.float32) + 0.5) / settings.steps
        return i + 1, total + slope(forward, start + part * way, label)

    _, total = tf.while_loop(lambda i, _: i < settings.steps, step, (0, tf.zeros_like(x)))
    return way * total / settings.steps
