"""The paper's g_G: the gradient of the objective (section 3.1)."""

import tensorflow as tf

from robint_tf.interpretability.attributions.protocol import OBJECTIVES
from robint_tf.networks.classifiers import Network


def gradient(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """dJ / dx, signed and like x (N, H, W, C) float32; unchecked, and meant to be called inside a `tf.function`.

    network: x to logits (N, classes); variant: chooses J, see `protocol.OBJECTIVES`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logits = tf.cast(network(x, training=False), tf.float32)
        loss = OBJECTIVES[variant](logits, tf.argmax(logits, axis=-1, output_type=tf.int32))
    return tape.gradient(loss, x)
