"""VAE-GANs (Larsen et al. 2016, with an l1 reconstruction): they approximate the data manifold (section 2.1).

The losses are in `vae_gan_losses`. A training step is an encoder run, a decoder run and `n_dis` discriminator runs, all
on one batch, each with fresh noise and the weights that the runs before it left. All runs use batch statistics; the
moving averages of a network follow in its own runs only: the encoder's once, the decoder's twice (reconstruction,
sample), the discriminator's three times per run (image, sample, reconstruction; TensorFlow 1 left the order undefined).
A spectrally normalised discriminator makes one power iteration in every run that evaluates it, that is in all but the
encoder's.

x: images (N, H, W, C) float32 in [-1, 1]; latent: z_mean and z_log_var of these, float32 (N, latent_dim) each.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import keras
import tensorflow as tf

from robint_tf import checks
from robint_tf.errors import InputError
from robint_tf.networks.layers import Chain
from robint_tf.networks.optimizers import ADAM_EPSILON
from robint_tf.networks.vae_gan_losses import kl_divergence, mean_log, mean_log_complement, reconstruction_error
from robint_tf.networks.vae_gan_networks import networks_for, settings_for
from robint_tf.runtime import device

Latent = tuple[tf.Tensor, tf.Tensor]  # z_mean and z_log_var, float32 (N, latent_dim) each
Draws = tuple[tf.Tensor, tf.Tensor]  # the noise of the reconstruction and that of the sample, of the same kind
Noise = Callable[[int | tf.Tensor], Draws]  # of run 0, 1, ...
Z = Literal["sample", "mean"]

# Streams of random numbers other than those of training, whose numbers are the non-negative integers.
RECONSTRUCT_STREAM, SAMPLE_STREAM = -1, -2

PARTS = ("encoder", "decoder", "discriminator")


def draw_noise(seed: int | tf.Tensor, stream: int | tf.Tensor, n: int | tf.Tensor, latent_dim: int) -> Draws:
    """Two standard normal draws, float32 (n, latent_dim) each: a pure function of its arguments.

    seed, stream: two whole numbers, each pair of which has draws of its own. Programs compiled by XLA draw other
    numbers than those that are not.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(stream, tf.int64)])
    draws = tf.random.stateless_normal((2, n, latent_dim), key, alg="philox")
    return draws[0], draws[1]


def draw_z(latent: Latent, noise: tf.Tensor) -> tf.Tensor:
    """A point of the latent distribution, from standard normal noise, (N, latent_dim) both."""
    z_mean, z_log_var = latent
    return z_mean + tf.exp(0.5 * z_log_var) * noise


@keras.saving.register_keras_serializable(package="robint_tf")
class VAEGAN(keras.Model):
    """An encoder, a decoder and a discriminator, trained together.

    encoder: images -> (N, 2 * latent_dim), means first. decoder: (N, latent_dim) -> images.
    discriminator: images -> probability of being real, (N, 1). Images are float32 (N, H, W, C) in [-1, 1].
    reconstruction_weight: of the reconstruction in the decoder's loss. n_dis: discriminator runs per step; `ValueError`
    if there are none. seed: of the noise, which is a function of (seed, step, run). A training that stopped and went on
    from its weights and optimiser states therefore equals one that did not stop, bit for bit on a CPU. Of the losses,
    latent: the encoder's output; noise: that of the run.
    """

    def __init__(
        self,
        *,
        encoder: Chain,
        decoder: Chain,
        discriminator: Chain,
        reconstruction_weight: float,
        n_dis: int = 1,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if n_dis < 1:
            raise InputError(f"n_dis is {n_dis}; give at least one discriminator run per step.")
        self.encoder = encoder
        self.decoder = decoder
        self.discriminator = discriminator
        self.reconstruction_weight = reconstruction_weight
        self.n_dis = n_dis
        self.seed = seed
        self.latent_dim = decoder.example_shape[0]
        self.trackers = {part: keras.metrics.Mean(name=f"{part}_loss") for part in PARTS}
        self.built = True  # the networks are

    def compile(
        self,
        *,
        encoder_optimizer: keras.optimizers.Optimizer,
        decoder_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **options: Any,
    ) -> None:
        """Set the optimisers of the three parts; `options` go to `keras.Model.compile`.

        encoder_optimizer, decoder_optimizer, discriminator_optimizer: `ValueError` if two are one object.
        """
        super().compile(optimizer=None, **options)
        self.encoder_optimizer = encoder_optimizer
        self.decoder_optimizer = decoder_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        if len({id(getattr(self, f"{part}_optimizer")) for part in PARTS}) < len(PARTS):
            raise InputError("two parts share one optimizer; give each its own, for it holds that part's state.")
        for part in PARTS:
            getattr(self, f"{part}_optimizer").build(getattr(self, part).trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The epoch means of the three losses, which Keras resets at the start of an epoch."""
        return list(self.trackers.values())

    def encode(self, x: tf.Tensor) -> Latent:
        """`z_mean` and `z_log_var`, float32 (N, latent_dim) each, of images x."""
        return self._latent(x, training=False)

    def reconstruct(self, x: tf.Tensor, z: Z = "sample", seed: int | tf.Tensor = 0) -> tf.Tensor:
        """The projections of images x onto the manifold, like x: a latent point of each, decoded.

        z: "sample" draws it from the latent distribution (the authors' code), "mean" takes its mean.
        seed: of the draw; batches of one data set need different ones.
        """
        checks.one_of("z", z, ("sample", "mean"))
        latent = self.encode(x)
        if z == "mean":
            return self.decoder(latent[0])
        noise, _ = draw_noise(seed, RECONSTRUCT_STREAM, tf.shape(x)[0], self.latent_dim)
        return self.decoder(draw_z(latent, noise))

    def decode_noisy(self, x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """The projections of images x from latent points with this noise, float32 (N, latent_dim); zero: the means."""
        return self.decoder(draw_z(self.encode(x), noise))

    def sample(self, n: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """`n` images decoded from standard normal latent points."""
        return self.decoder(draw_noise(seed, SAMPLE_STREAM, n, self.latent_dim)[1])

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """The reconstruction of x from its latent mean."""
        return self.reconstruct(x, z="mean")

    def encoder_loss(self, x: tf.Tensor, noise: Draws) -> tf.Tensor:
        """The encoder's loss on x, a scalar, in training mode; moves the encoder's averages."""
        latent = self._latent(x, training=True)
        reconstruction = self._decode(draw_z(latent, noise[0]), update_averages=False)
        return tf.reduce_mean(reconstruction_error(x, reconstruction) + kl_divergence(*latent))

    def decoder_loss(self, x: tf.Tensor, latent: Latent, noise: Draws) -> tf.Tensor:
        """The decoder's loss on x, a scalar, in training mode; moves the decoder's averages."""
        kernels = self.decoder.effective_kernels()
        reconstruction = self._decode(draw_z(latent, noise[0]), kernels, update_averages=True)
        sample = self._decode(noise[1], kernels, update_averages=True)
        kernels = self.discriminator.effective_kernels()
        return (
            self.reconstruction_weight * tf.reduce_mean(reconstruction_error(x, reconstruction))
            - mean_log(self._realness(reconstruction, kernels, update_averages=False))
            - mean_log(self._realness(sample, kernels, update_averages=False))
        )

    def discriminator_loss(self, x: tf.Tensor, latent: Latent, noise: Draws) -> tf.Tensor:
        """The discriminator's loss on x, a scalar, in training mode; moves the discriminator's averages."""
        reconstruction = self._decode(draw_z(latent, noise[0]), update_averages=False)
        sample = self._decode(noise[1], update_averages=False)
        kernels = self.discriminator.effective_kernels()
        return -(
            mean_log(self._realness(x, kernels, update_averages=True))
            + mean_log_complement(self._realness(sample, kernels, update_averages=True))
            + mean_log_complement(self._realness(reconstruction, kernels, update_averages=True))
        )

    def update(self, x: tf.Tensor, noise: Noise) -> tf.Tensor:
        """One training step on the batch x; `noise(run)` gives the noise of run 0, 1, ..., n_dis + 1.

        Returns the losses (2 + n_dis,) in run order, each computed before its own update.
        """
        encoder_loss = self._descend("encoder", lambda: self.encoder_loss(x, noise(0)))
        # No later run changes the encoder, and all apply it to this batch: one pass serves them all.
        latent = self._latent(x, training=True, update_averages=False)
        decoder_loss = self._descend("decoder", lambda: self.decoder_loss(x, latent, noise(1)))

        def discriminator_run(i: tf.Tensor, losses: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return i + 1, losses.write(i, self.update_discriminator(x, latent, noise(2 + i)))

        # Not `tf.map_fn`, of which XLA does not see how many runs there are, and asks before each.
        first = (0, tf.TensorArray(tf.float32, self.n_dis, element_shape=[]))
        _, losses = tf.while_loop(lambda i, _: i < self.n_dis, discriminator_run, first, parallel_iterations=1)
        return tf.concat([[encoder_loss, decoder_loss], losses.stack()], axis=0)

    def update_discriminator(self, x: tf.Tensor, latent: Latent, noise: Draws) -> tf.Tensor:
        """One of the `n_dis` discriminator runs of a step on the batch x, whose latent points are given; its loss."""
        return self._descend("discriminator", lambda: self.discriminator_loss(x, latent, noise))

    def descend(self, x: tf.Tensor) -> tf.Tensor:
        """One training step on the batch x (N, H, W, C) with the noise that belongs to the step.

        Returns the losses of encoder, decoder and the discriminator's last run, (3,) float32.
        """
        first = tf.cast(self.encoder_optimizer.iterations, tf.int64) * (2 + self.n_dis)

        def noise(run: int | tf.Tensor) -> Draws:
            return draw_noise(self.seed, first + tf.cast(run, tf.int64), tf.shape(x)[0], self.latent_dim)

        losses = self.update(x, noise)
        return tf.stack([losses[0], losses[1], losses[-1]])

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The epoch means of the losses after one training step on a batch of `fit`'s data, as Keras calls it."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        for part, loss in zip(PARTS, tf.unstack(self.descend(x), num=len(PARTS)), strict=True):
            self.trackers[part].update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.metrics}

    def _descend(self, part: str, loss_fn: Callable[[], tf.Tensor]) -> tf.Tensor:
        """Take one step of the optimiser of a part along the gradient of its loss; returns the loss."""
        variables = getattr(self, part).trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            loss = loss_fn()
        getattr(self, f"{part}_optimizer").apply(tape.gradient(loss, variables), variables)
        return loss

    def _latent(self, x: tf.Tensor, training: bool, update_averages: bool = True) -> Latent:
        z_mean, z_log_var = tf.split(self.encoder(x, training=training, update_averages=update_averages), 2, axis=1)
        return z_mean, z_log_var

    def _decode(self, z: tf.Tensor, kernels: dict[str, tf.Tensor] | None = None, *, update_averages: bool) -> tf.Tensor:
        return self.decoder(z, training=True, kernels=kernels, update_averages=update_averages)

    def _realness(self, x: tf.Tensor, kernels: dict[str, tf.Tensor], *, update_averages: bool) -> tf.Tensor:
        return self.discriminator(x, training=True, kernels=kernels, update_averages=update_averages)

    def get_config(self) -> dict[str, Any]:
        networks = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in PARTS}
        numbers = {name: getattr(self, name) for name in ("reconstruction_weight", "n_dis", "seed", "name")}
        return {**networks, **numbers}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "VAEGAN":
        networks = {part: keras.saving.deserialize_keras_object(config[part], custom_objects) for part in PARTS}
        return cls(**{**config, **networks})

    def get_compile_config(self) -> dict[str, Any]:
        optimizers = [f"{part}_optimizer" for part in PARTS] if self.compiled else []
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in optimizers}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})


def build(architecture: str, variant: str = "authors", seed: int = 0) -> VAEGAN:
    """A VAE-GAN, freshly initialised and compiled with its three Adams.

    architecture: a name in `catalogue.VAE_GANS`; the study's are "mnist", "fashion_mnist" and "cifar10". variant: see
    `vae_gan_networks`. seed: of the initial weights and the noise. `ValueError` for an unknown architecture or variant.
    """
    settings = settings_for(architecture, variant)
    model = uncompiled(architecture, variant, seed)
    adam = partial(
        keras.optimizers.Adam, settings.learning_rate, settings.beta_1, settings.beta_2, epsilon=ADAM_EPSILON
    )
    model.compile(encoder_optimizer=adam(), decoder_optimizer=adam(), discriminator_optimizer=adam())
    return model


def uncompiled(architecture: str, variant: str = "authors", seed: int = 0) -> VAEGAN:
    """A VAE-GAN, freshly initialised, that projects but cannot be trained; architecture, variant, seed: see `build`.

    `ValueError` as there.
    """
    device.begin()
    settings = settings_for(architecture, variant)
    return VAEGAN(
        **networks_for(architecture, settings, seed),
        reconstruction_weight=settings.reconstruction_weight,
        n_dis=settings.n_dis,
        seed=seed,
        name=f"vae_gan_{architecture.partition('@')[0]}",
    )
