"""Networks that are built and traced in a second."""

import keras

from robint_tf.networks import vae_gan
from robint_tf.networks.layers import Chain, ConvBlock, DeconvBlock, DenseBlock
from robint_tf.networks.spectral import SpectralConvBlock


def small_vae_gan():
    """A VAE-GAN of every kind of layer on 4 x 4 images."""
    flat = keras.layers.Flatten
    model = vae_gan.VAEGAN(
        encoder=Chain(
            [ConvBlock(2, kernel_size=3, strides=2, activation="relu", batch_norm="after"), flat(), DenseBlock(4)],
            (4, 4, 1),
            seed=0,
            name="encoder",
        ),
        decoder=Chain(
            [
                DenseBlock(8, activation="relu", batch_norm="after"),
                keras.layers.Reshape((2, 2, 2)),
                DeconvBlock(1, kernel_size=4, strides=2, activation="tanh"),
            ],
            (2,),
            seed=1,
            name="decoder",
        ),
        discriminator=Chain(
            [SpectralConvBlock(2, kernel_size=3, activation="leaky_relu"), flat(), DenseBlock(1, activation="sigmoid")],
            (4, 4, 1),
            seed=2,
            name="discriminator",
        ),
        reconstruction_weight=0.01,
        n_dis=2,
        seed=0,
    )
    adams = {f"{part}_optimizer": keras.optimizers.Adam(1e-3) for part in vae_gan.PARTS}
    model.compile(**adams)
    return model
