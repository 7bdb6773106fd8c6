"""Encoders, decoders and discriminators of the VAE-GANs, and how each VAE-GAN is trained.

Three variants of each:

* "authors": the published code. Batch normalisation comes after the activation, the encoder of CIFAR-10 has
  5x5 kernels, Adam's second decay rate is 0.9 everywhere, and the gradient of the spectral norm sees u as
  TensorFlow 1 had left it.
* "paper": appendix A.3. Batch normalisation before the activation, 4x4 encoder kernels everywhere, decay rate
  0.999 on MNIST and FMNIST, and the exact gradient of the spectral norm. What the text leaves open is as in
  the code.
* "corrected": the authors' networks and settings, with the exact gradient of the spectral norm.

A layer's name holds its position among the layers with weights, as in the authors' code.

settings: of every function below, the `Settings` that its layers follow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import keras

from robint_tf import checks
from robint_tf.catalogue import VAE_GANS
from robint_tf.errors import InputError
from robint_tf.networks.layers import BatchNorm, Chain, ConvBlock, DeconvBlock, DenseBlock
from robint_tf.networks.spectral import SpectralConvBlock, UGradient
from robint_tf.runtime.seeds import derive_seed
from robint_tf.specs import VARIANTS

Layers = list[keras.layers.Layer]
Flatten = partial(keras.layers.Flatten, data_format="channels_last")  # whatever a keras.json says
Cropping2D = partial(keras.layers.Cropping2D, data_format="channels_last")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a VAE-GAN is made and trained.

    latent_dim: coordinates of a latent point. reconstruction_weight: of the reconstruction in the decoder's loss.
    learning_rate, beta_1, beta_2: of the three Adams. n_dis: discriminator runs per step. epochs, batch_size: of the
    authors' training. encoder_kernel: side of the encoder's kernels in pixels. batch_norm: before or after the
    activation, see `layers.Block`. u_gradient: see `spectral.UGradient`.
    """

    latent_dim: int
    reconstruction_weight: float
    learning_rate: float
    beta_1: float
    beta_2: float
    n_dis: int
    epochs: int
    batch_size: int = 100
    encoder_kernel: int = 4
    batch_norm: BatchNorm = "after"
    u_gradient: UGradient = "overwritten"


MNIST = Settings(  # notebook 1.1, and the defaults of the class it uses
    latent_dim=10,
    reconstruction_weight=5e-3,
    learning_rate=5e-4,
    beta_1=0.5,
    beta_2=0.9,
    n_dis=1,
    epochs=30,
)
AUTHORS = {
    "mnist": MNIST,
    "fashion_mnist": replace(MNIST, reconstruction_weight=5e-4, epochs=60),  # notebook 2.1
    "cifar10": Settings(  # notebook 3.1
        latent_dim=128,
        reconstruction_weight=1e-2,
        learning_rate=2e-4,
        beta_1=0.0,
        beta_2=0.9,
        n_dis=5,
        epochs=150,
        encoder_kernel=5,
    ),
}
PAPER = {
    name: replace(settings, batch_norm="before", encoder_kernel=4, u_gradient="snapshot")
    for name, settings in AUTHORS.items()
}
PAPER |= {name: replace(PAPER[name], beta_2=0.999) for name in ("mnist", "fashion_mnist")}
CORRECTED = {name: replace(settings, u_gradient="snapshot") for name, settings in AUTHORS.items()}
SETTINGS = {"authors": AUTHORS, "paper": PAPER, "corrected": CORRECTED}


def encoder(settings: Settings) -> Layers:
    """Layers from images to (N, 2 * latent_dim): means, then log variances, which share one batch normalisation."""
    conv = partial(
        ConvBlock,
        kernel_size=settings.encoder_kernel,
        strides=2,
        activation="relu",
        batch_norm=settings.batch_norm,
    )
    return [
        conv(64, name="conv1"),
        conv(128, name="conv2"),
        conv(256, name="conv3"),
        Flatten(name="flatten"),
        DenseBlock(2 * settings.latent_dim, batch_norm=settings.batch_norm, name="dense4"),
    ]


def mnist_decoder(settings: Settings) -> Layers:
    """Layers from (N, latent_dim) to images (N, 28, 28, 1) in [-1, 1]."""
    deconv = partial(DeconvBlock, kernel_size=4, activation="relu", batch_norm=settings.batch_norm)
    return [
        DenseBlock(2 * 2 * 256, activation="relu", batch_norm=settings.batch_norm, name="dense1"),
        keras.layers.Reshape((2, 2, 256), name="reshape"),
        deconv(256, strides=2, name="deconv2"),
        deconv(128, padding="VALID", name="deconv3"),  # 4x4 -> 7x7
        deconv(32, strides=2, name="deconv4"),
        DeconvBlock(1, kernel_size=4, strides=2, activation="tanh", name="deconv5"),
    ]


def mnist_discriminator(settings: Settings) -> Layers:
    """Layers from images (N, 28, 28, 1) to the probability of being real, (N, 1)."""
    conv = partial(ConvBlock, kernel_size=4, strides=2, activation="relu", batch_norm=settings.batch_norm)
    return [
        conv(32, batch_norm="none", name="conv1"),
        conv(128, name="conv2"),
        conv(256, name="conv3"),
        conv(256, name="conv4"),
        Flatten(name="flatten"),
        DenseBlock(512, activation="relu", batch_norm=settings.batch_norm, name="dense5"),
        DenseBlock(1, activation="sigmoid", name="dense6"),
    ]


SMALLEST_MAP = 4


def n_halvings(size: int) -> int:
    """How often images of size x size pixels are halved: until another time would leave less than 4 x 4.

    >>> n_halvings(28), n_halvings(32), n_halvings(64)
    (2, 3, 4)
    """
    return (size // SMALLEST_MAP).bit_length() - 1


def _features(level: int) -> int:
    """Channels of a map that was halved `level` times."""
    return min(64 * 2**level, 512)


def square_decoder(settings: Settings, *, size: int = 32, channels: int = 3) -> Layers:
    """Layers from (N, latent_dim) to images (N, size, size, channels) in [-1, 1]; by default CIFAR-10's.

    What the doublings give beyond the size is cut off on all sides before the last convolution.
    """
    deconv = partial(DeconvBlock, kernel_size=4, strides=2, activation="relu", batch_norm=settings.batch_norm)
    levels = n_halvings(size)
    least = -(-size // 2**levels)
    shape = (least, least, _features(levels))
    doubled = [deconv(_features(levels - i), name=f"deconv{i + 1}") for i in range(1, levels + 1)]
    beyond = least * 2**levels - size
    before, after = beyond // 2, beyond - beyond // 2
    cut = [Cropping2D(((before, after), (before, after)), name="cut")] if after else []
    return [
        DenseBlock(math.prod(shape), name="dense1"),
        keras.layers.Reshape(shape, name="reshape"),
        *doubled,
        *cut,
        ConvBlock(channels, kernel_size=3, activation="tanh", name=f"conv{levels + 2}"),
    ]


def square_discriminator(settings: Settings, *, size: int = 32) -> Layers:
    """Layers from images (N, size, size, C) to the probability of being real, (N, 1); by default CIFAR-10's."""
    spectral = partial(SpectralConvBlock, activation="leaky_relu", u_gradient=settings.u_gradient)
    keep, halve = partial(spectral, kernel_size=3), partial(spectral, kernel_size=4, strides=2)
    levels = n_halvings(size)
    layers: Layers = []
    for level in range(levels):
        layers.append(keep(_features(level), name=f"conv{2 * level + 1}"))
        layers.append(halve(_features(level), name=f"conv{2 * level + 2}"))
    return [
        *layers,
        keep(_features(levels), name=f"conv{2 * levels + 1}"),
        Flatten(name="flatten"),
        DenseBlock(1, activation="sigmoid", name=f"dense{2 * levels + 2}"),
    ]


Builder = Callable[[Settings], Layers]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a VAE-GAN is built of; `catalogue.VAE_GANS` holds one by each name.

    settings: from a variant to `Settings`. image_shape: of one image, (H, W, C). decoder, discriminator, encoder: from
    settings to fresh layers, `layers.Block` or Keras layers without weights: from (N, latent_dim) to images, from
    images to the probability of being real (N, 1), and from images to (N, 2 * latent_dim), means first.
    """

    settings: Callable[[str], Settings]
    image_shape: tuple[int, ...]
    decoder: Builder
    discriminator: Builder
    encoder: Builder = encoder


MNIST_VAE_GAN = Architecture(
    settings=lambda variant: SETTINGS[variant]["mnist"],
    image_shape=(28, 28, 1),
    decoder=mnist_decoder,
    discriminator=mnist_discriminator,
)
FASHION_MNIST_VAE_GAN = replace(MNIST_VAE_GAN, settings=lambda variant: SETTINGS[variant]["fashion_mnist"])
CIFAR10_VAE_GAN = Architecture(
    settings=lambda variant: SETTINGS[variant]["cifar10"],
    image_shape=(32, 32, 3),
    decoder=square_decoder,
    discriminator=square_discriminator,
)

SIZES, CHANNELS = range(28, 65), (1, 3)
"""Sides in pixels, and channels, for which there is a VAE-GAN."""


def square_name(shape: tuple[int, ...]) -> str:
    """What `catalogue.VAE_GANS` calls the VAE-GAN of images of a shape (H, W, C). `ValueError` if there is none.

    It is CIFAR-10's, halved as often as leaves a map of at least 4 x 4 pixels: 4 x 4 of 32 and 64, 7 x 7 of 28, at most
    8 x 8. Of the authors' two architectures it is the one for colour photographs, spectral normalisation keeps its
    discriminator from winning, and its steps only halve and double, while MNIST's has one from 4 to 7 that fits no
    other size. The weight of the reconstruction is divided by how many times more values an image has than one of
    CIFAR-10, for the error is their sum and the other losses are not.

    >>> square_name((40, 40, 3))
    'square@40x3'
    """
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] not in SIZES or shape[2] not in CHANNELS:
        raise InputError(
            f"the images have shape {tuple(shape)}; a VAE-GAN is made for square ones of {SIZES[0]} to {SIZES[-1]} "
            f"pixels with {' or '.join(map(str, CHANNELS))} channels, (H, W, C): scale or crop them."
        )
    return f"square@{shape[0]}x{shape[2]}"


def square(which: str) -> Architecture:
    """The VAE-GAN of which square images, such as "40x3": of 40 x 40 pixels and 3 channels. `ValueError` for others."""
    size, _, channels = which.partition("x")
    shape = tuple(int(n) if n.isdecimal() and n.isascii() else 0 for n in (size, size, channels))
    if square_name(shape) != f"square@{which}":
        raise InputError(f"VAE-GAN is 'square@{which}'; write {square_name(shape)}.")
    cifar10 = CIFAR10_VAE_GAN.image_shape

    def settings(variant: str) -> Settings:
        found = CIFAR10_VAE_GAN.settings(variant)
        share = math.prod(cifar10) / math.prod(shape)
        return replace(found, reconstruction_weight=found.reconstruction_weight * share)

    return Architecture(
        settings=settings,
        image_shape=shape,
        decoder=partial(square_decoder, size=shape[0], channels=shape[2]),
        discriminator=partial(square_discriminator, size=shape[0]),
    )


def settings_for(architecture: str, variant: str = "authors") -> Settings:
    """The settings of the VAE-GAN `architecture`, a name in `catalogue.VAE_GANS`. `ValueError` for an unknown name.

    variant: "authors", "paper" or "corrected", see above.
    """
    checks.one_of("variant", variant, VARIANTS)
    return VAE_GANS[VAE_GANS.full_name(architecture)].settings(variant)


def networks_for(architecture: str, settings: Settings, seed: int = 0) -> dict[str, Chain]:
    """The encoder, decoder and discriminator of the VAE-GAN `architecture`, by these names. `ValueError` if unknown.

    settings: as `settings_for` gives them. seed: part i draws its initial weights from (seed, i).
    """
    record: Architecture = VAE_GANS[VAE_GANS.full_name(architecture)]
    parts = {
        "encoder": (record.encoder, record.image_shape),
        "decoder": (record.decoder, (settings.latent_dim,)),
        "discriminator": (record.discriminator, record.image_shape),
    }
    return {
        name: Chain(layers(settings), example_shape, seed=derive_seed(seed, part), name=name)
        for part, (name, (layers, example_shape)) in enumerate(parts.items())
    }
