"""The losses of a VAE-GAN, from the authors' code.

For an image x, its reconstruction x' = dec(z) where z = mean + exp(log variance / 2) * noise, and a sample
x* = dec(standard normal noise):

    encoder         mean(|x - x'|_1 + KL(z | standard normal))
    decoder         mean(weight * |x - x'|_1 - log D(x') - log D(x*))
    discriminator   -mean(log D(x) + log(1 - D(x')) + log(1 - D(x*)))

where every logarithm is log(. + 1e-8).

x, reconstruction: images (N, H, W, C) float32 in [-1, 1]; z_mean, z_log_var: (N, latent_dim) float32; probability: of
being real, (N, 1) float32.
"""

import tensorflow as tf

LOG_OFFSET = 1e-8


def reconstruction_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Sum of absolute differences per image, (N,)."""
    return tf.reduce_sum(tf.abs(x - reconstruction), axis=(1, 2, 3))


def kl_divergence(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """Kullback-Leibler divergence from the standard normal distribution, per image, (N,)."""
    return -0.5 * tf.reduce_sum(1.0 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var), axis=1)


def mean_log(probability: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of log(p + 1e-8), a scalar.

    The authors add arrays (B,) and (B, 1) and average the (B, B) result; a sum of means is the same number.
    """
    return tf.reduce_mean(tf.math.log(probability + LOG_OFFSET))


def mean_log_complement(probability: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of log(1 - p + 1e-8), a scalar."""
    return tf.reduce_mean(tf.math.log(1.0 - probability + LOG_OFFSET))
