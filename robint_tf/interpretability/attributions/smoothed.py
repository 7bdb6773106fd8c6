"""The gradient's map after a filter: controls of what retraining owes to smooth maps.

A filter adds no information about the network, and yet moves the scores of retraining (On pitfalls of
RemOve-And-Retrain, arXiv 2304.13836). The filters are theirs: the maximum of 3 x 3 pixels, a Gaussian of one pixel.
"""

import numpy as np
import tensorflow as tf
from scipy import ndimage

from robint_tf.interpretability.attributions.gradient import gradient
from robint_tf.networks.classifiers import Network

SIGMA = 1.0


def gradient_maximum(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """Maximum over 3 x 3 pixels of |dJ / dx| summed over the channels, (N, H, W, 1).

    network, x, variant: as for `gradient`.
    """
    return tf.nn.max_pool2d(_magnitude(network, x, variant), 3, 1, "SAME")


def gradient_gaussian(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """|dJ / dx| summed over the channels, under a Gaussian of one pixel, (N, H, W, 1).

    network, x, variant: as for `gradient`.
    """
    maps = _magnitude(network, x, variant)[..., 0]
    down, across = (tf.constant(_blurring(n)) for n in x.shape[1:3])
    return (down @ maps @ tf.transpose(across))[..., None]


def _magnitude(network: Network, x: tf.Tensor, variant: str) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(gradient(network, x, variant)), axis=-1, keepdims=True)


def _blurring(n: int) -> np.ndarray:
    """The matrix (n, n) that blurs a line of n pixels; beyond its ends the line goes on with its last values."""
    return ndimage.gaussian_filter1d(np.eye(n), SIGMA, axis=0, mode="nearest").astype(np.float32)
