"""Guided backpropagation (Springenberg et al., 2015), a negative control."""

from collections.abc import Callable

import tensorflow as tf

from robint_tf.interpretability.attributions.by_layer.chain import Rectified, chain, pulled
from robint_tf.interpretability.attributions.protocol import predicted
from robint_tf.networks.classifiers import Network


def guided_backpropagation(network: Network, x: tf.Tensor, variant: str = "authors") -> tf.Tensor:
    """The gradient of the predicted label's logit, of which every ReLU lets the positive part through only; like x.

    Its maps are sharp but say little of the network: they change little when the weights of upper layers become random
    (Adebayo et al., 2018), and come near to a reconstruction of the image (Nie et al., 2018). A measure of
    interpretability that prefers them measures something else. Networks as in `chain`.
    """
    stages = chain(network, x.shape[1:])

    def logits(x: tf.Tensor) -> tf.Tensor:
        for stage in stages:
            x = _guided(x) if isinstance(stage, Rectified) else stage(x)
        return x

    found = logits(x)
    return pulled(logits, x, tf.one_hot(predicted(found), found.shape[-1]))


@tf.custom_gradient
def _guided(z: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    return tf.nn.relu(z), lambda gradient: tf.where(z > 0, tf.nn.relu(gradient), 0.0)
