"""A network as a chain of stages, each of which is of a kind that the rules of attributions know.

A stage is a function of one tensor. Dense layers and convolutions show their weights, which are read when the chain is
called on; their activation is a stage of its own. A batch normalisation behind one of them is folded into its weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from robint_tf.errors import InputError
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.classifiers import Network
from robint_tf.networks.inputs import PIXEL_MAX, PIXEL_MIN
from robint_tf.runtime import device

INSTEAD = "Choose one that needs gradients only, such as integrated_gradients."


@dataclass(frozen=True, eq=False)
class Stage:
    """A part of a network. call: from the outputs (N, ...) of the stage before to its own, float32."""

    call: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.call(x), tf.float32)

    def pull(self, x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The gradient of (sum of weights * outputs), like the inputs x; weights: like the outputs."""
        return pulled(self, x, weights)


class Moved(Stage):
    """Values go to other places, or nowhere: Flatten, Dropout at inference, padding."""


class Scaled(Stage):
    """Every value by itself is multiplied and shifted: Rescaling, a batch normalisation at inference."""


class Averaged(Stage):
    """Means over windows."""


class MaxPooled(Stage):
    """Greatest values of windows."""


class Rectified(Stage):
    """ReLU."""


@dataclass(frozen=True, eq=False)
class Weighted(Stage):
    """A linear map and a bias, (..., outputs) and (outputs,).

    product: from inputs and a kernel; the kernel's last axis is that of the outputs. is_convolution: or a dense layer.
    """

    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    kernel: tf.Tensor
    bias: tf.Tensor
    is_convolution: bool

    @classmethod
    def of(cls, layer: Any, product: Callable, *, is_convolution: bool) -> "Weighted":
        """That of a layer with a kernel and perhaps a bias, which are read now; product, is_convolution: as above."""
        kernel = tf.cast(tf.convert_to_tensor(layer.kernel), tf.float32)
        bias = tf.cast(tf.convert_to_tensor(layer.bias), tf.float32) if layer.use_bias else tf.zeros(kernel.shape[-1])
        return cls(lambda x: product(x, kernel) + bias, product, kernel, bias, is_convolution)

    def reweighted(self, change: Callable[[tf.Tensor], tf.Tensor]) -> "Weighted":
        """The same map after `change` of kernel and bias."""
        kernel, bias = change(self.kernel), change(self.bias)
        return replace(self, call=lambda x: self.product(x, kernel) + bias, kernel=kernel, bias=bias)

    def normalised(self, scale: tf.Tensor, shift: tf.Tensor) -> "Weighted":
        """The same map with a factor and a summand for each output: scale, shift (outputs,)."""
        kernel, bias = self.kernel * scale, self.bias * scale + shift
        return replace(self, call=lambda x: self.product(x, kernel) + bias, kernel=kernel, bias=bias)


def pulled(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The gradient of (sum of weights * function(x)) with respect to x, like x."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        out = function(x)
    return tape.gradient(out, x, output_gradients=weights, unconnected_gradients="zero")


def chain(network: Network, x_shape: tuple[int, ...]) -> list[Stage]:
    """The stages of a network at inference, with the weights that it has now; call it where a graph is built.

    x_shape: of an image (H, W, C). `ValueError` that names the first layer or operation that is of no known kind; for
    networks whose layers do not follow one another: subclassed ones, and functional ones with branches; and where the
    stages give other logits than the network.
    """
    with tf.init_scope():  # once for a graph, and not as a part of it
        _check_logits(network, _stages(network), x_shape)
    return _stages(network)


def _stages(network: Network) -> list[Stage]:
    stages: list[Stage] = []
    for layer in _in_order(network):
        make = STAGES.get(type(layer))
        made = make(layer) if make else None
        if made is None:
            kind = "layer" if isinstance(layer, layers.Layer) else "operation"
            instead = "" if kind == "layer" else "Use a layer in its place, such as ReLU or Rescaling. "
            raise InputError(
                f"{kind} {layer.name!r} ({type(layer).__name__}) has no rule in this attribution; it takes networks of "
                f"Dense, Conv2D, ReLU, poolings, Flatten, Dropout and BatchNormalization. {instead}{INSTEAD}"
            )
        before = stages[-1] if stages else None
        if isinstance(layer, layers.BatchNormalization) and isinstance(before, Weighted):
            stages[-1] = before.normalised(*_scale_and_shift(layer))
        else:
            stages += made
    return stages


TOLERANCE, COARSE = 1e-3, 0.1
"""Of logits, as a share of the largest: in float32, and where a network computes in fewer digits than the stages."""


def _check_logits(network: Network, stages: list[Stage], x_shape: tuple[int, ...]) -> None:
    """`ValueError` unless the stages compute what the network does on a few images, of noise and of one colour."""
    rng = np.random.default_rng(0)
    noise, colours = (rng.uniform(PIXEL_MIN, PIXEL_MAX, (3, *shape)) for shape in (x_shape, (1, 1, x_shape[-1])))
    x = tf.constant(np.concatenate([noise, np.broadcast_to(colours, noise.shape)]), tf.float32)
    expected = tf.cast(network(x, training=False), tf.float32).numpy()
    for stage in stages:
        x = stage(x)
    is_exact = all(layer.compute_dtype == "float32" for layer in network._flatten_layers()) and not device.tf32()
    allowed = (TOLERANCE if is_exact else COARSE) * np.abs(expected).max()
    if np.isfinite(expected).all() and not np.allclose(x.numpy(), expected, rtol=0, atol=allowed):
        raise InputError(
            f"the layers of the network {network.name!r}, one after the other, give other logits than the network "
            f"itself, so this attribution would explain another network. {INSTEAD}"
        )


def bounds_at(stages: list[Stage], low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The least and the greatest values behind stages, each of which is monotonous; low, high: images (1, H, W, C)."""
    for stage in stages:
        one, other = stage(low), stage(high)
        low, high = tf.minimum(one, other), tf.maximum(one, other)
    return low, high


def _in_order(network: Network) -> Iterator[Any]:
    """The layers of a network and of those within it, and operations that are none, each fed by the one before."""
    if isinstance(network, Bounded):
        yield network.rescale
        yield from _in_order(network.network)
        return
    kind: type = network.__class__  # a weak proxy's type is another
    if kind is not keras.Sequential and not (issubclass(kind, keras.Function) and kind.__module__.startswith("keras.")):
        raise InputError(
            f"the network {network.name!r} is of the class {kind.__name__}, whose layers may be called in any way; "
            f"this attribution takes Sequential and functional networks. {INSTEAD}"
        )
    parts = network.layers
    if kind is not keras.Sequential:
        _check_unbranched(network)
        parts = network.operations  # `layers` leaves out those of `keras.ops`, such as a sum or a ReLU
    for layer in parts:
        if isinstance(layer, keras.Model):
            yield from _in_order(layer)
        else:
            yield layer


def _check_unbranched(network: Network) -> None:
    """`ValueError` that names a layer of a functional network that is not fed by the one before it alone."""
    config = network.get_config()
    before, last = None, config["layers"][-1]
    for layer in config["layers"]:
        fed = [_sources(node) for node in layer["inbound_nodes"]]
        if fed != ([] if before is None else [[before]]):
            raise InputError(
                f"layer {layer['name']!r} of {network.name!r} is not fed by the layer before it alone; this "
                f"attribution takes networks without branches. {INSTEAD}"
            )
        before = layer["name"]
    outputs = config["output_layers"]
    if last["name"] not in (outputs[0], outputs[0][0] if isinstance(outputs[0], list) else None):
        raise InputError(f"the network {network.name!r} does not end with its last layer, {last['name']!r}.")


def _sources(config: Any) -> list[str]:
    """The names of the layers that a node of a functional network takes tensors from."""
    if isinstance(config, dict):
        history = config.get("keras_history")
        return [history[0]] if history else [name for value in config.values() for name in _sources(value)]
    return [name for value in config for name in _sources(value)] if isinstance(config, list | tuple) else []


def _scale_and_shift(layer: layers.BatchNormalization) -> tuple[tf.Tensor, tf.Tensor]:
    """What a batch normalisation at inference multiplies with and adds, (C,) each."""
    mean, variance = (tf.convert_to_tensor(v) for v in (layer.moving_mean, layer.moving_variance))
    scale = tf.math.rsqrt(variance + layer.epsilon)
    if layer.scale:
        scale *= tf.convert_to_tensor(layer.gamma)
    shift = -mean * scale
    return scale, shift + tf.convert_to_tensor(layer.beta) if layer.center else shift


Made = list[Stage] | None


def _activation(layer: Any) -> Made:
    if layer.activation is keras.activations.linear:
        return []
    return [Rectified(tf.nn.relu)] if layer.activation is keras.activations.relu else None


def _dense(layer: layers.Dense) -> Made:
    end = _activation(layer)
    if end is None or layer.quantization_mode is not None:
        return None
    return [Weighted.of(layer, lambda x, kernel: tf.tensordot(x, kernel, 1), is_convolution=False), *end]


def _conv(layer: layers.Conv2D) -> Made:
    end = _activation(layer)
    if end is None or layer.data_format != "channels_last":
        return None
    return [Weighted.of(layer, layer.convolution_op, is_convolution=True), *end]


def _relu(layer: layers.ReLU) -> Made:
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return [Rectified(tf.nn.relu)] if plain else None


def _batch_norm(layer: layers.BatchNormalization) -> Made:
    last = len(layer.moving_mean.shape) == 1 and layer.axis in (-1, layer.input_spec.ndim - 1)
    return [Scaled(lambda x: layer(x, training=False))] if last else None


def _as_it_is(kind: type[Stage], layer: layers.Layer) -> Made:
    return [kind(lambda x: layer(x))]


def _nothing(layer: layers.Layer) -> Made:
    return []


STAGES: dict[type, Callable[[Any], Made]] = {
    layers.InputLayer: _nothing,
    layers.Dropout: _nothing,
    layers.SpatialDropout2D: _nothing,
    layers.GaussianNoise: _nothing,
    layers.Identity: _nothing,
    layers.Dense: _dense,
    layers.Conv2D: _conv,
    layers.Activation: _activation,
    layers.ReLU: _relu,
    layers.BatchNormalization: _batch_norm,
    layers.Rescaling: partial(_as_it_is, Scaled),
    layers.Normalization: partial(_as_it_is, Scaled),
    layers.MaxPooling2D: partial(_as_it_is, MaxPooled),
    layers.GlobalMaxPooling2D: partial(_as_it_is, MaxPooled),
    layers.AveragePooling2D: partial(_as_it_is, Averaged),
    layers.GlobalAveragePooling2D: partial(_as_it_is, Averaged),
    layers.Flatten: partial(_as_it_is, Moved),
    layers.Reshape: partial(_as_it_is, Moved),
    layers.Permute: partial(_as_it_is, Moved),
    layers.ZeroPadding2D: partial(_as_it_is, Moved),
    layers.Cropping2D: partial(_as_it_is, Moved),
}
"""By exact type, since a subclass may compute something else: the stages of a layer, or nothing for odd settings."""
