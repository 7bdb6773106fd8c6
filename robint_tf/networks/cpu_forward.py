"""A classifier as functions of its input that cost less to differentiate on a CPU than calling the Keras model.

The values are the network's own, the gradients equal its own up to rounding. Five things are done otherwise, for which
TensorFlow's CPU kernels (oneDNN) have a slow way only (`benchmarks/suite.py` measures what they gain):

- an attack takes many gradients with the same weights, which Keras reads and casts again for each, and whose transposes
  are copied into another order for each: here once per attack;
- the gradient to a single input channel is one matrix product and a sum of shifted planes;
- a convolution's gradient to its kernel is not merged with that to its bias, which would make both slower;
- a ReLU before a max-pooling is taken after it, where there are fewer values: both orders have the same values and
  gradients, bit for bit;
- the body of a loop stays a graph of its own (`loop_body`).

Layers other than plain dense ones and convolutions are called as they are, and so are networks that are not
`Sequential`, and all of them on a GPU, whose libraries need none of this.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from robint_tf.networks.bounds import Bounded
from robint_tf.networks.classifiers import Network
from robint_tf.runtime import device

loop_body = partial(tf.function, experimental_attributes={"_noinline": True})
"""`tf.function` for what a compiled loop does again and again.

Inlined, the body becomes a part of a graph with cycles, where TensorFlow may meet the gradient of a max-pooling before
the pooling itself, by the luck of memory addresses: it then leaves the gradient to a slower kernel with the same
values, and the same attack takes much longer in one process than in the next (`benchmarks/suite.py` shows such a loop).
"""

Forward = Callable[[tf.Tensor], tf.Tensor]


def for_attack(network: Network) -> Forward:
    """The network at inference, (N, ...) to logits, with the weights that it has now and gradients to the input only.

    Call it where a graph is built, outside the loop over an attack's steps.
    """
    return _in_stages(network, {keras.layers.Dense: _fixed_dense, keras.layers.Conv2D: _fixed_conv}, training=False)


def for_training(network: Network) -> Forward:
    """The network in training, (N, ...) to logits, with gradients to its variables."""
    return _in_stages(network, {keras.layers.Conv2D: _trained_conv}, training=True)


Maker = Callable[[Any, Forward], Forward | None]
"""From a layer and the activation to end with, to a function; to nothing for a layer with unusual settings."""


@tf.autograph.experimental.do_not_convert  # plain Python, which AutoGraph would complain of at length
def _in_stages(network: Network, makers: dict[type, Maker], *, training: bool) -> Forward:
    """makers: by type of layer; the others are called as they are."""
    if isinstance(network, Bounded):
        rescale, inner = network.rescale, _in_stages(network.network, makers, training=training)
        return lambda x: inner(rescale(x))
    if network.__class__ is not keras.Sequential or not device.on_cpu():  # a weak proxy has its referent's class
        return lambda x: network(x, training=training)

    def as_it_is(layer: keras.layers.Layer) -> Forward:
        return lambda x: layer(x, training=training)

    stages: list[Forward] = []
    late: list[Forward] = []  # what waits for the layer to end
    for layer, following in itertools.pairwise([*network.layers, None]):
        activation: Any = getattr(layer, "activation", None)
        waits = activation is keras.activations.relu and type(following) is keras.layers.MaxPooling2D
        make = makers.get(type(layer))
        made = make and make(layer, tf.identity if waits else activation)
        stages += [made or as_it_is(layer), *late]
        late = [tf.nn.relu] if made and waits else []

    def forward(x: tf.Tensor) -> tf.Tensor:
        for stage in stages:
            x = stage(x)
        return x

    return forward


def _fixed_dense(layer: keras.layers.Dense, activation: Forward) -> Forward | None:
    if layer.quantization_mode is not None:
        return None
    kernel, bias = _weights(layer)
    transposed = tf.transpose(kernel)

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple[tf.Tensor, Forward]:
        return tf.matmul(x, kernel), lambda gradient: tf.matmul(gradient, transposed)

    return lambda x: activation(_plus(product(tf.cast(x, layer.compute_dtype)), bias))


def _fixed_conv(layer: keras.layers.Conv2D, activation: Forward) -> Forward | None:
    if not _is_plain(layer):
        return None
    kernel, bias = _weights(layer)
    one_channel = kernel.shape[2] == 1 and None not in layer.input.shape[1:]

    @tf.custom_gradient
    def of_one_channel(x: tf.Tensor) -> tuple[tf.Tensor, Forward]:
        return _convolution(x, kernel), lambda gradient: _gradient_to_one_channel(gradient, kernel)

    convolution = of_one_channel if one_channel else lambda x: _convolution(x, kernel)
    return lambda x: activation(_plus(convolution(tf.cast(x, layer.compute_dtype)), bias))


def _trained_conv(layer: keras.layers.Conv2D, activation: Forward) -> Forward | None:
    if not (_is_plain(layer) and layer.use_bias and layer.compute_dtype == "float32"):
        return None

    def stage(x: tf.Tensor) -> tf.Tensor:
        kernel, bias = _weights(layer)
        return activation(_plus_trained(_convolution(x, kernel), bias))

    return stage


def _is_plain(layer: keras.layers.Conv2D) -> bool:
    settings = (layer.strides, layer.dilation_rate, layer.groups, layer.padding, layer.data_format)
    return settings == ((1, 1), (1, 1), 1, "same", "channels_last")


def _weights(layer: keras.layers.Layer) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Kernel and bias as they are now, in the type that the layer computes in."""
    bias = tf.cast(layer.bias, layer.compute_dtype) if layer.use_bias else None
    return tf.cast(layer.kernel, layer.compute_dtype), bias


def _convolution(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def _plus(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    return x if bias is None else tf.nn.bias_add(x, bias)


@tf.custom_gradient
def _plus_trained(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Images plus a bias of their channels, whose gradient is a sum of its own."""
    return tf.nn.bias_add(x, bias), lambda gradient: (gradient, tf.reduce_sum(gradient, axis=[0, 1, 2]))


def _gradient_to_one_channel(gradient: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Of a convolution with one input channel: gradient (N, H, W, C), kernel (h, w, 1, C) to (N, H, W, 1).

    One matrix product gives every tap of the kernel its plane, contiguous in memory; the planes are added, shifted.
    """
    height, width = kernel.shape[:2]
    rows, columns = gradient.shape[1:3]
    taps = tf.reshape(kernel, [height * width, -1])
    planes = tf.matmul(taps, tf.reshape(gradient, [-1, taps.shape[1]]), transpose_b=True)
    planes = tf.reshape(planes, [height, width, -1, rows, columns])
    by_row = tf.add_n([_shift(planes[:, j], j - (width - 1) // 2, axis=3) for j in range(width)])
    return tf.add_n([_shift(by_row[i], i - (height - 1) // 2, axis=1) for i in range(height)])[..., None]


def _shift(planes: tf.Tensor, by: int, axis: int) -> tf.Tensor:
    """Moved along an axis, with zeros where nothing comes from."""
    size = planes.shape[axis]
    before, after = min(max(by, 0), size), min(max(-by, 0), size)
    kept = [slice(None)] * planes.shape.rank
    kept[axis] = slice(after, size - before)
    padding = [[0, 0] for _ in kept]
    padding[axis] = [before, after]
    return tf.pad(planes[tuple(kept)], padding)
