"""The paper's g_GX: gradient * input (section 3.1)."""

import tensorflow as tf

from robint_tf.interpretability.attributions.gradient import gradient
from robint_tf.networks.classifiers import Network


def gradient_x_input(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """x * dJ / dx with x on the [-1, 1] scale, signed and like x (Shrikumar et al., 2017).

    network, x, variant: as of `gradient`.
    """
    return x * gradient(network, x, variant)
