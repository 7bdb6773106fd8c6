"""SmoothGrad (Smilkov et al., 2017), its squared form (Hooker et al., 2019) and VarGrad (Adebayo et al., 2018)."""

import numpy as np
import tensorflow as tf

from robint_tf.interpretability.attributions.protocol import predicted, slope
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import for_attack, loop_body
from robint_tf.settings import SmoothGrad, SmoothGradSquared, VarGrad


def smoothgrad(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    settings: SmoothGrad = SmoothGrad(),  # noqa: B008  (frozen)
) -> tf.Tensor:
    """The mean of dJ / dx at noisy copies of the image, signed and like x.

    J is the cross entropy of the label predicted for x without noise, see `protocol`. The noise is normal and not cut
    off at the ends of the pixels' range, as in the paper; all images get the same draws, so that a map depends neither
    on its batch nor on the order of the images. Any network with gradients.
    """
    return _moments(network, x, settings)[0]


def smoothgrad_squared(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    settings: SmoothGradSquared = SmoothGradSquared(),  # noqa: B008
) -> tf.Tensor:
    """The mean of squares in place of the mean, not negative; otherwise as `smoothgrad`."""
    mean, variance = _moments(network, x, settings)
    return tf.square(mean) + variance


def vargrad(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    settings: VarGrad = VarGrad(),  # noqa: B008
) -> tf.Tensor:
    """The variance (divided by the number of samples), not negative; otherwise as `smoothgrad`."""
    return _moments(network, x, settings)[1]


def noise(shape: tuple[int, ...], settings: SmoothGrad) -> np.ndarray:
    """All draws of the noise, (samples, *shape) float32, shape: of one image.

    NumPy's, the same everywhere: XLA makes other normal numbers of a seed than TensorFlow's kernels do. A draw depends
    on the seed and its place alone, not on how many there are.
    """
    draws = [np.random.default_rng([settings.seed, i]).standard_normal(shape) for i in range(settings.samples)]
    return (settings.noise * np.stack(draws)).astype(np.float32)


def _moments(network: Network, x: tf.Tensor, settings: SmoothGrad) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of the gradients, one sample after the other (Welford, 1962), so that nothing cancels."""
    forward = for_attack(network)
    label = predicted(forward(x))
    with tf.init_scope():  # an input of the graph, not a constant in it
        draws = tf.constant(noise(x.shape[1:], settings))

    @loop_body
    def sample(i: tf.Tensor, mean: tf.Tensor, squares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        gradient = slope(forward, x + draws[i], label)
        off = gradient - mean
        mean += off / tf.cast(i + 1, tf.float32)
        return i + 1, mean, squares + off * (gradient - mean)

    zeros = tf.zeros_like(x)
    _, mean, squares = tf.while_loop(lambda i, *_: i < settings.samples, sample, (0, zeros, zeros))
    return mean, squares / settings.samples
