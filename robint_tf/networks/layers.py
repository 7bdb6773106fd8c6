"""The blocks of the VAE-GANs: linear map and bias, activation and batch normalisation in a chosen order.

`keras.layers.BatchNormalization` would not do, for two reasons that change the numbers:

* The authors apply their networks in training mode more often than the moving averages move: a network's
  averages follow only while that network itself is trained. Here the caller says so (`update_averages`); in
  Keras every call in training mode moves them.
* Under TensorFlow 1 the moving variance of a convolution receives the unbiased batch variance (a mean over
  images and positions), that of a dense layer the biased one. Keras always takes the biased one. The
  normalisation itself uses the biased variance everywhere.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from robint_tf import checks
from robint_tf.runtime.seeds import derive_seed

MOMENTUM = 0.99
EPSILON = 1e-3

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "leaky_relu": partial(tf.nn.leaky_relu, alpha=0.1),  # the paper's slope; TensorFlow's default is 0.2
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
}

Shape = tuple[Any, ...]  # of a tensor; the batch axis is None
BatchNorm = Literal["none", "before", "after"]
BATCH_NORMS = ("none", "before", "after")


class Normalised(NamedTuple):
    """A batch after normalisation, y, with the statistics (C,) that the moving averages are to receive.

    mean, variance: of each channel over the batch.
    """

    y: tf.Tensor
    mean: tf.Tensor
    variance: tf.Tensor


def batch_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Normalised:
    """Normalise each channel over the batch, then scale by `gamma` and shift by `beta`.

    x: float32, images (N, H, W, C) or features (N, C); gamma, beta: (C,). Returns a batch like x with its statistics;
    the variance is unbiased for images and biased for features.
    """
    if x.shape.rank == 4:
        # TensorFlow 1 ran this operation, hence the unbiased variance. It is twice as fast as tf.nn.moments.
        fused = tf.raw_ops.FusedBatchNormV3(x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=EPSILON)
        return Normalised(fused.y, fused.batch_mean, fused.batch_variance)
    mean, variance = tf.nn.moments(x, axes=[0])
    return Normalised(tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON), mean, variance)


class Block(keras.layers.Layer):
    """Linear map and bias, then an activation and a batch normalisation.

    features: size of the last axis of the output.
    activation: a key of `ACTIVATIONS`.
    batch_norm: "after" the activation (the authors' code), "before" it (the paper's tables), or "none".
    Kernels start Glorot uniform, biases at 0. `ValueError` for another activation or batch_norm.
    """

    def __init__(
        self,
        features: int,
        *,
        activation: str = "linear",
        batch_norm: BatchNorm = "none",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        checks.one_of("activation", activation, tuple(ACTIVATIONS))
        checks.one_of("batch_norm", batch_norm, BATCH_NORMS)
        self.features = features
        self.activation = activation
        self.batch_norm = batch_norm

    def kernel_shape(self, input_shape: Shape) -> Shape:
        """Shape of the kernel for inputs of input_shape, which each layer gives; `NotImplementedError` if not."""
        raise NotImplementedError(f"{type(self).__name__} is a base class, or lacks its kernel_shape")

    def linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The linear map of this layer, without bias, of a batch x (N, ...) under a kernel of `kernel_shape`.

        Each layer gives its own; `NotImplementedError` if not.
        """
        raise NotImplementedError(f"{type(self).__name__} is a base class, or lacks its linear")

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(name="kernel", shape=self.kernel_shape(input_shape), initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.features,), initializer="zeros")
        if self.batch_norm != "none":
            add = partial(self.add_weight, shape=(self.features,))
            self.gamma = add(name="gamma", initializer="ones")
            self.beta = add(name="beta", initializer="zeros")
            self.moving_mean = add(name="moving_mean", initializer="zeros", trainable=False)
            self.moving_variance = add(name="moving_variance", initializer="ones", trainable=False)

    def initialise(self, seed: int) -> None:
        """Draw the initial values of the random weights again, from `seed` alone."""
        self.kernel.assign(keras.initializers.GlorotUniform(seed)(self.kernel.shape))

    def effective_kernel(self) -> tf.Tensor:
        """The kernel that the linear map uses, of shape `kernel_shape`; a subclass may derive it from the weights."""
        return tf.convert_to_tensor(self.kernel)

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        kernel: tf.Tensor | None = None,
        update_averages: bool = True,
    ) -> tf.Tensor:
        """The output of the block for a batch x (N, ...), (N, ..., features).

        training: normalise by the statistics of the batch rather than by the moving averages.
        kernel: the value of `effective_kernel()` where several calls are to share one; computed if not given.
        update_averages: in training mode, whether this call moves the averages.
        """
        kernel = self.effective_kernel() if kernel is None else kernel
        y = self.linear(x, kernel) + self.bias
        activate = ACTIVATIONS[self.activation]
        if self.batch_norm == "none":
            return activate(y)
        if self.batch_norm == "before":
            return activate(self._normalise(y, training, update_averages))
        return self._normalise(activate(y), training, update_averages)

    def _normalise(self, x: tf.Tensor, training: bool, update_averages: bool) -> tf.Tensor:
        if not training:
            scale = self.gamma * tf.math.rsqrt(self.moving_variance + EPSILON)
            return x * scale + (self.beta - self.moving_mean * scale)
        normalised = batch_norm(x, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta))
        if update_averages:
            for average, batch in (
                (self.moving_mean, normalised.mean),
                (self.moving_variance, normalised.variance),
            ):
                average.assign_sub((average - batch) * (1.0 - MOMENTUM))
        return normalised.y


@keras.saving.register_keras_serializable(package="robint_tf")
class DenseBlock(Block):
    """Features (N, F) -> (N, features)."""

    def kernel_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[-1], self.features)

    def linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.features)


@keras.saving.register_keras_serializable(package="robint_tf")
class ConvBlock(Block):
    """Images (N, H, W, C) -> (N, H', W', features) with a square kernel (HWIO).

    kernel_size: its side, strides: from one position to the next, both in pixels. padding: "SAME" or "VALID";
    `ValueError` for another.
    """

    def __init__(
        self, features: int, *, kernel_size: int, strides: int = 1, padding: str = "SAME", **options: Any
    ) -> None:
        super().__init__(features, **options)
        checks.one_of("padding", padding, ("SAME", "VALID"))
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def kernel_shape(self, input_shape: Shape) -> Shape:
        return (self.kernel_size, self.kernel_size, input_shape[-1], self.features)

    def linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, kernel, self.strides, self.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        window = 1 if self.padding == "SAME" else self.kernel_size
        sides = (-(-(side - window + 1) // self.strides) for side in input_shape[1:3])
        return (input_shape[0], *sides, self.features)


@keras.saving.register_keras_serializable(package="robint_tf")
class DeconvBlock(ConvBlock):
    """Images (N, H, W, C) -> (N, H', W', features), transposed convolution; kernels are (h, w, out, in)."""

    def kernel_shape(self, input_shape: Shape) -> Shape:
        return (self.kernel_size, self.kernel_size, self.features, input_shape[-1])

    def linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        shape = (tf.shape(x)[0], *self.compute_output_shape(x.shape)[1:])
        return tf.nn.conv2d_transpose(x, kernel, shape, self.strides, self.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.padding == "SAME":
            sides = [side * self.strides for side in input_shape[1:3]]
        else:
            sides = [(side - 1) * self.strides + self.kernel_size for side in input_shape[1:3]]
        return (input_shape[0], *sides, self.features)


@keras.saving.register_keras_serializable(package="robint_tf")
class Chain(keras.Model):
    """Blocks, and Keras layers without weights between them, one after the other.

    blocks: the layers, in order.
    example_shape: shape of one input, without the batch axis; the weights are made at once.
    seed: the i-th layer draws its initial weights from (seed, i).
    """

    def __init__(
        self,
        blocks: Sequence[keras.layers.Layer],
        example_shape: Shape,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.blocks = list(blocks)
        self.example_shape = tuple(example_shape)
        self.seed = seed
        self.build((None, *self.example_shape))
        for index, block in enumerate(self.blocks):
            if isinstance(block, Block):
                block.initialise(derive_seed(seed, index))

    def build(self, input_shape: Shape) -> None:
        shape = input_shape
        for block in self.blocks:
            if not block.built:
                block.build(shape)
            shape = block.compute_output_shape(shape)

    def effective_kernels(self) -> dict[str, tf.Tensor]:
        """The kernels of one run, by layer name: give them to every call that belongs to the same run."""
        return {block.name: block.effective_kernel() for block in self.blocks if isinstance(block, Block)}

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        kernels: dict[str, tf.Tensor] | None = None,
        update_averages: bool = True,
    ) -> tf.Tensor:
        """The output of the last block for a batch x (N, *example_shape).

        training, update_averages: as of `Block.call`; kernels: those of one run, by `effective_kernels`.
        """
        kernels = self.effective_kernels() if kernels is None else kernels
        for block in self.blocks:
            if isinstance(block, Block):
                x = block(x, training=training, kernel=kernels[block.name], update_averages=update_averages)
            else:
                x = block(x)
        return x

    def get_config(self) -> dict[str, Any]:
        blocks = [keras.saving.serialize_keras_object(block) for block in self.blocks]
        return {"blocks": blocks, "example_shape": self.example_shape, "seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Chain":
        blocks = [keras.saving.deserialize_keras_object(block, custom_objects) for block in config["blocks"]]
        return cls(**{**config, "blocks": blocks})
