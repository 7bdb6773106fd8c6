"""What attributions share: the function that each is, and the objectives that they explain.

J is the cross entropy of the label that the network itself predicts, without a gradient through the label, as in the
authors' notebooks 3.3 and 3.4; the text does not say which label. The variant `corrected` computes the same J so that
its gradient survives confidence, see `precise_xent`.

What explains a network in other ways than the paper does explains J, too, where it takes gradients only (integrated
gradients, SmoothGrad and its relatives): so it can be compared with the paper's. It does so by `steady_xent` in every
variant, for there is no published number to agree with. Rules that go from layer to layer (guided backpropagation,
DeepLIFT, LRP) begin with the logit of the predicted label, as in the papers that they come from.
"""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import Forward


class Method(Protocol):
    """From a network, images x (N, H, W, C) float32 in [-1, 1] and a variant to signed values of the shape of x.

    Unchecked, and called inside a `tf.function`, compiled with XLA on GPUs; images are explained independently. One
    that compares images with another takes that as the keyword `baseline`, (H, W, C) float32.
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


def steady_xent(logits: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """The same cross entropy (N,) of labels (N,) that need not have the top logit, as they have not at other points.

    softplus(logsumexp of the other logits - the label's) and its gradient are right and finite for any gaps.
    """
    is_label = tf.one_hot(label, logits.shape[-1], on_value=True, off_value=False)
    others = tf.reduce_logsumexp(tf.where(is_label, logits.dtype.min, logits), axis=-1)
    return tf.nn.softplus(others - logit_of(logits, label))


def logit_of(logits: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """The logit of each label, (N,), of logits (N, classes)."""
    return tf.reduce_sum(logits * tf.one_hot(label, logits.shape[-1]), axis=-1)


def predicted(logits: tf.Tensor) -> tf.Tensor:
    """The label with the largest of the logits (N, classes), (N,) int32."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32)


def slope(forward: Forward, x: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """dJ / dx, like x; forward: from x to logits (N, classes); label: whose cross entropy J is, (N,) int32."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        loss = steady_xent(tf.cast(forward(x), tf.float32), label)
    return tape.gradient(loss, x)
