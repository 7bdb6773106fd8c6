"""Spectral normalisation as the authors define it: by the operator norm of the layer on its real feature map.

A layer is a linear map A from a feature map u to its output. One power iteration per run estimates its norm,

    v = A u / |A u|,    u' = A^T v / |A^T v|,    sigma = <A u', v>,

and the layer uses kernel / max(sigma / beta, 1), so that weights are never scaled up.
`keras.layers.SpectralNormalization` is a different algorithm: it takes the norm of the kernel reshaped to a
matrix, always divides by it, overwrites the kernel itself, iterates in training mode only and passes no
gradient through the iteration. (Miyato et al. 2018, whom the paper follows, reshape the kernel too; the paper
says only "SN".)
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from robint_tf import checks
from robint_tf.networks.layers import Block, ConvBlock, DenseBlock, Shape
from robint_tf.runtime.seeds import derive_seed

# "snapshot": the derivative of the formula above, with u as it was before the run.
# "overwritten": what TensorFlow 1 executed. Its reference variables share their buffer with the tensors that
#     are read from them, and u' is stored before the backward pass reads u, which thus sees u' in its place.
# They differ by 2e-4 to 3e-2 early on and agree once u has converged.
UGradient = Literal["snapshot", "overwritten"]
U_GRADIENTS = ("snapshot", "overwritten")


class LinearMap(NamedTuple):
    """A layer's linear map, apply, and its adjoint, as functions of the kernel and one feature map."""

    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    adjoint: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class SpectralNorm(NamedTuple):
    """The kernel after normalisation, the next u, and the estimate sigma of the operator norm (a scalar)."""

    kernel: tf.Tensor
    u: tf.Tensor
    sigma: tf.Tensor


DENSE = LinearMap(
    apply=lambda kernel, u: tf.matmul(u, kernel, transpose_b=True),
    adjoint=lambda kernel, v: tf.matmul(v, kernel),
)


def convolution(map_shape: Shape, *, strides: int, padding: str) -> LinearMap:
    """The convolution on one feature map of shape `map_shape` = (1, H, W, C), as a linear map of that map.

    strides: in pixels; padding: "SAME" or "VALID".
    """
    return LinearMap(
        apply=lambda kernel, u: tf.nn.conv2d(u, kernel, strides, padding),
        adjoint=lambda kernel, v: tf.nn.conv2d_transpose(v, kernel, map_shape, strides, padding),
    )


def spectral_norm(
    kernel: tf.Tensor,
    u: tf.Tensor,
    linear_map: LinearMap,
    *,
    beta: float = 1.0,
    u_gradient: UGradient = "snapshot",
) -> SpectralNorm:
    """Run one power iteration. Returns `kernel` divided by max(sigma / beta, 1), and what was found on the way.

    linear_map: of the layer. kernel: (in, out) for `DENSE`, HWIO for `convolution`. u: (1, out) for `DENSE`, a feature
    map (1, H, W, C) for `convolution`; of any length. The gradient with respect to `kernel` passes through the
    iteration; `u_gradient` says which u it sees.
    """
    image = linear_map.apply(kernel, u)
    if u_gradient == "overwritten":
        next_u = tf.nn.l2_normalize(linear_map.adjoint(kernel, tf.nn.l2_normalize(image)))
        substitute = linear_map.apply(kernel, tf.stop_gradient(next_u))
        # The value of A u with the derivative of A u'.
        image = tf.stop_gradient(image) + (substitute - tf.stop_gradient(substitute))
    v = tf.nn.l2_normalize(image)
    next_u = tf.nn.l2_normalize(linear_map.adjoint(kernel, v))
    sigma = tf.reduce_sum(linear_map.apply(kernel, next_u) * v)
    return SpectralNorm(kernel / tf.maximum(sigma / beta, 1.0), next_u, sigma)


class SpectralBlock(Block):
    """A block whose kernel is spectrally normalised.

    Every evaluation of `effective_kernel` is one power iteration and stores the new u, in training and
    inference alike, as in the authors' code. Calls that belong to one run must share a kernel: see
    `Chain.effective_kernels`.

    features: as of `Block`. spectral_beta: the norm that the kernel may have. u_gradient: which u the gradient sees,
    see `UGradient`; `ValueError` for another.
    """

    def __init__(
        self,
        features: int,
        *,
        spectral_beta: float = 1.0,
        u_gradient: UGradient = "snapshot",
        **options: Any,
    ) -> None:
        super().__init__(features, **options)
        checks.one_of("u_gradient", u_gradient, U_GRADIENTS)
        self.spectral_beta = spectral_beta
        self.u_gradient = u_gradient

    def u_shape(self, input_shape: Shape) -> Shape:
        """Shape of u for inputs of input_shape, which each layer gives; `NotImplementedError` if not."""
        raise NotImplementedError(f"{type(self).__name__} is a base class, or lacks its u_shape")

    def linear_map(self) -> LinearMap:
        """The linear map of one feature map, which each layer gives; `NotImplementedError` if not."""
        raise NotImplementedError(f"{type(self).__name__} is a base class, or lacks its linear_map")

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        normal = keras.initializers.TruncatedNormal(stddev=1.0)
        self.u = self.add_weight(name="u", shape=self.u_shape(input_shape), initializer=normal, trainable=False)

    def initialise(self, seed: int) -> None:
        super().initialise(seed)
        self.u.assign(keras.initializers.TruncatedNormal(stddev=1.0, seed=derive_seed(seed, 1))(self.u.shape))

    def effective_kernel(self) -> tf.Tensor:
        """The normalised kernel after one more power iteration, which moves u."""
        result = spectral_norm(
            tf.convert_to_tensor(self.kernel),
            tf.convert_to_tensor(self.u),
            self.linear_map(),
            beta=self.spectral_beta,
            u_gradient=self.u_gradient,
        )
        self.u.assign(tf.stop_gradient(result.u))
        return result.kernel


@keras.saving.register_keras_serializable(package="robint_tf")
class SpectralDenseBlock(SpectralBlock, DenseBlock):
    """`DenseBlock` with a spectrally normalised kernel."""

    def u_shape(self, input_shape: Shape) -> Shape:
        return (1, self.features)

    def linear_map(self) -> LinearMap:
        return DENSE


@keras.saving.register_keras_serializable(package="robint_tf")
class SpectralConvBlock(SpectralBlock, ConvBlock):
    """`ConvBlock` with a spectrally normalised kernel; it fixes the height and width of its input."""

    def u_shape(self, input_shape: Shape) -> Shape:
        return (1, *input_shape[1:])

    def linear_map(self) -> LinearMap:
        return convolution(self.u.shape, strides=self.strides, padding=self.padding)
