"""What attributions share: the function that each is, and the objective that they explain.

J is the cross entropy of the label that the network itself predicts, without a gradient through the label, as in the
authors' notebooks 3.3 and 3.4; the text does not say which label. The variant `corrected` computes the same J so that
its gradient survives confidence, see `precise_xent`.
"""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.networks.classifiers import Network


class Method(Protocol):
    """From a network, images x (N, H, W, C) float32 in [-1, 1] and a variant to signed values of the shape of x.

    Unchecked, and called inside a `tf.function`, compiled with XLA on GPUs; images are explained independently.
    """

    def __call__(self, network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor: ...


def precise_xent(logits: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Cross entropy (N,) of the predicted label (N,) int32, from logits (N, classes).

    Computed as log(1 + sum over other classes of exp(logit - top logit)).

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
