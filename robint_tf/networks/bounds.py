"""Networks whose images are not in [-1, 1], the one range that everything else in this package is given in."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from robint_tf.checks import Bounds
from robint_tf.checks import bounds as checked
from robint_tf.networks.classifiers import Network


@keras.saving.register_keras_serializable("robint_tf")
class Bounded(keras.Model):
    """A network of images in `bounds` as one of images in [-1, 1], so that eps is given in one range for all networks.

    network: images (N, ...) in bounds to logits (N, classes). Gradients pass through the scaling. With bounds (-1, 1)
    the network is as it was, and said to be so.

    >>> of_bytes = keras.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(10)])
    >>> network = Bounded(of_bytes, bounds=(0, 255))
    >>> black = tf.fill((1, 8, 8, 3), -1.0)  # of which `of_bytes` is given zeros
    >>> bool(tf.reduce_all(network(black) == of_bytes(tf.zeros_like(black))))
    True
    """

    def __init__(self, network: Network, bounds: Bounds, **kwargs: Any) -> None:
        """`ValueError` unless bounds are two finite numbers that rise."""
        # Whatever the network computes in, its images are not rounded.
        super().__init__(**{"dtype": "float32", **kwargs})
        low, high = self.bounds = checked(bounds)
        self.rescale = layers.Rescaling((high - low) / 2, (high + low) / 2, dtype="float32", name="bounds")
        self.network = network

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(self.rescale(x), training=training)

    def get_config(self) -> dict[str, Any]:
        network = keras.saving.serialize_keras_object(self.network)
        return super().get_config() | {"network": network, "bounds": list(self.bounds)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bounded":
        return cls(**config | {"network": keras.saving.deserialize_keras_object(config["network"])})


def taking(network: Network, bounds: Bounds) -> Network:
    """The reverse: a network of images in [-1, 1] as one of images in `bounds`, which begins with their scaling.

    It is made of Keras' own layers, so that its file can be read without this package; weights are shared.
    network: (N, ...) with a shape that it declares. `ValueError` as for `Bounded`.
    """
    low, high = checked(bounds)
    rescale = layers.Rescaling(2 / (high - low), -(high + low) / (high - low), dtype="float32", name="rescaling")
    inner = network.layers if isinstance(network, keras.Sequential) else [network]
    return keras.Sequential([layers.Input(network.input_shape[1:]), rescale, *inner], name=network.name)
