"""Tangent spaces of the data manifold, for which a VAE-GAN stands.

The tangent space at an image is the range of the decoder's Jacobian at the image's latent mean. Its dimension is the
rank of the Jacobian, which is lower than the number of latent dimensions where the decoder ignores some of them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from robint_tf.errors import InputError
from robint_tf.networks.vae_gan import VAEGAN
from robint_tf.runtime import xla
from robint_tf.runtime.batching import per_network
from robint_tf.specs import RANK_TOLERANCE


def tangent_bases(
    vae_gan: VAEGAN, x: np.ndarray, *, tolerance: float = RANK_TOLERANCE, batch_size: int = 20
) -> Iterator[tuple[slice, np.ndarray]]:
    """Orthonormal bases of the tangent spaces at images x (N, H, W, C): batches (slice, (n, d, k) float32).

    vae_gan: a trained one, whose decoder gives the manifold; k: latent dimensions; one forward derivative of the
    decoder for each. tolerance: of `range_bases`, which says how a basis of lower rank looks. batch_size: images at a
    time. A batch of CIFAR-10 takes 1.6 MB an image. `ValueError` for a decoder whose derivative is not finite.
    """
    derive = _jacobian(vae_gan)
    for lo in range(0, len(x), batch_size):
        part = slice(lo, min(lo + batch_size, len(x)))
        columns = derive(tf.constant(x[part])).numpy().reshape(vae_gan.latent_dim, part.stop - part.start, -1)
        if not np.isfinite(columns).all():
            raise InputError("the decoder of the VAE-GAN has no finite derivative at an image; train it again.")
        yield part, range_bases(np.moveaxis(columns, 0, 2), tolerance=tolerance)


def range_bases(jacobians: np.ndarray, *, tolerance: float = RANK_TOLERANCE) -> np.ndarray:
    """Orthonormal bases of the ranges of matrices, (n, d, k) float32: left singular vectors, the greatest first.

    jacobians: these matrices (n, d, k), finite. tolerance: directions whose singular value is not above this share of
    the greatest are rounding, or a move that nobody sees; their columns are zero. So `ranks_of` the bases are the ranks
    of the matrices.
    """
    q, r = np.linalg.qr(jacobians)
    u, s, _ = np.linalg.svd(r)  # of k x k, where the matrices are high
    return ((q @ u) * (s > tolerance * s[:, :1])[:, None]).astype(np.float32)


def ranks_of(bases: np.ndarray) -> np.ndarray:
    """The dimensions of the spaces that bases (n, d, k) of `range_bases` span, (n,) int64."""
    return bases.any(axis=1).sum(axis=1)


def _jacobian(vae_gan: VAEGAN) -> Callable[[tf.Tensor], tf.Tensor]:
    """Derivatives of the decoded image by every latent coordinate, (k, n, H, W, C)."""

    def make(model: VAEGAN) -> Callable:
        k = vae_gan.latent_dim

        @xla.compiled(
            input_signature=[tf.TensorSpec([None, *vae_gan.encoder.example_shape], tf.float32)],
            autograph=False,
        )
        def run(x: tf.Tensor) -> tf.Tensor:
            z = model.encode(x)[0]

            def along(i: tf.Tensor) -> tf.Tensor:
                direction = tf.broadcast_to(tf.one_hot(i, k), tf.shape(z))
                with tf.autodiff.ForwardAccumulator(z, direction) as accumulator:
                    decoded = model.decoder(z)
                return accumulator.jvp(decoded)

            return tf.map_fn(along, tf.range(k), fn_output_signature=tf.float32)

        return run

    return per_network(vae_gan, "jacobian", make)


def project(basis: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """QQ'v for each Q in basis (n, d, k), of columns orthonormal or zero, and v in vectors (n, ...), like vectors.

    >>> project(np.array([[[1.0], [0.0]]]), np.array([[3.0, 4.0]])).tolist()
    [[3.0, 0.0]]
    """
    flat = vectors.reshape(len(vectors), -1, 1)
    return (basis @ (basis.transpose(0, 2, 1) @ flat)).reshape(vectors.shape)
