"""The study's VAE-GANs in TensorFlow 1: one graph, a session, a feed dictionary, three Adams, as in 2019.

A step is an encoder run, a decoder run and one or five discriminator runs of the session. Each run draws noise anew and
evaluates all that its loss needs, the encoder's pass included, which our step takes once for all runs but the first.
The power iteration of the spectral normalisation stands in the graph wherever the discriminator is applied, three
times; what is equal in the three, TensorFlow merges.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow.compat.v1 as tf
from problem import Problem

from contenders import BATCH, Job

tf.disable_v2_behavior()

EPSILON, MOMENTUM, LOG_OFFSET = 1e-3, 0.99, 1e-8
Run = Callable[[np.ndarray, np.ndarray], object]


@dataclass(frozen=True)
class Layer:
    """A linear map and bias, activation, batch normalisation. shape: of what comes out, where that is not its own."""

    kind: str
    name: str
    features: int
    kernel: int = 4
    stride: int = 2
    padding: str = "SAME"
    activation: Callable = tf.nn.relu
    batch_norm: bool = True
    spectral: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """The three networks, and how they are trained."""

    latent_dim: int
    reconstruction_weight: float
    learning_rate: float
    beta_1: float
    beta_2: float
    n_dis: int
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    discriminator: tuple[Layer, ...]


_conv, _deconv, _dense = (partial(Layer, kind) for kind in ("conv", "deconv", "dense"))
_plain = partial(Layer, batch_norm=False)
_judge = partial(_plain, "conv", activation=partial(tf.nn.leaky_relu, alpha=0.1), spectral=True)


def _encoder(kernel: int, latent_dim: int) -> tuple[Layer, ...]:
    convs = (_conv(f"conv{i}", n, kernel) for i, n in enumerate((64, 128, 256), start=1))
    return (*convs, _dense("dense4", 2 * latent_dim, activation=tf.identity))


RECIPES = {
    "mnist_cnn": Recipe(
        latent_dim=10,
        reconstruction_weight=5e-3,
        learning_rate=5e-4,
        beta_1=0.5,
        beta_2=0.9,
        n_dis=1,
        encoder=_encoder(4, 10),
        decoder=(
            _dense("dense1", 1024, shape=(2, 2, 256)),
            _deconv("deconv2", 256),
            _deconv("deconv3", 128, stride=1, padding="VALID"),
            _deconv("deconv4", 32),
            _plain("deconv", "deconv5", 1, activation=tf.nn.tanh),
        ),
        discriminator=(
            _plain("conv", "conv1", 32),
            _conv("conv2", 128),
            _conv("conv3", 256),
            _conv("conv4", 256),
            _dense("dense5", 512),
            _plain("dense", "dense6", 1, activation=tf.nn.sigmoid),
        ),
    ),
    "cifar_cnn": Recipe(
        latent_dim=128,
        reconstruction_weight=1e-2,
        learning_rate=2e-4,
        beta_1=0.0,
        beta_2=0.9,
        n_dis=5,
        encoder=_encoder(5, 128),
        decoder=(
            _plain("dense", "dense1", 8192, activation=tf.identity, shape=(4, 4, 512)),
            _deconv("deconv2", 256),
            _deconv("deconv3", 128),
            _deconv("deconv4", 64),
            _plain("conv", "conv5", 3, 3, 1, activation=tf.nn.tanh),
        ),
        discriminator=(
            _judge("conv1", 64, 3, 1),
            _judge("conv2", 64),
            _judge("conv3", 128, 3, 1),
            _judge("conv4", 128),
            _judge("conv5", 256, 3, 1),
            _judge("conv6", 256),
            _judge("conv7", 512, 3, 1),
            _plain("dense", "dense8", 1, activation=tf.nn.sigmoid),
        ),
    ),
}
"""By the network of the study that takes the same images."""


class _Graph:
    """A VAE-GAN with its losses, its three updates and a session."""

    def __init__(self, recipe: Recipe, image_shape: tuple[int, ...]) -> None:
        self.recipe = recipe
        self.averages: dict[str, list[tf.Operation]] = {"encoder": [], "decoder": [], "discriminator": []}
        self.x = tf.placeholder(tf.float32, [None, *image_shape])
        self.training = tf.placeholder_with_default(False, [])
        draw = tf.random_normal([tf.shape(self.x)[0], recipe.latent_dim])
        draw_too = tf.random_normal([tf.shape(self.x)[0], recipe.latent_dim])
        # Given only where the losses of contenders are compared.
        self.noise = [tf.placeholder_with_default(z, [None, recipe.latent_dim]) for z in (draw, draw_too)]
        self.losses = self._losses()
        self.updates = {part: self._update(part) for part in self.averages}
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())

    def step(self, x: np.ndarray, given: dict | None = None) -> list[float]:
        """The losses of the runs of a training step on a batch."""
        parts = ["encoder", "decoder", *["discriminator"] * self.recipe.n_dis]
        feed = {self.x: x, self.training: True, **(given or {})}
        return [self.session.run([self.updates[part], self.losses[part]], feed)[1] for part in parts]

    def _losses(self) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = tf.split(self._network("encoder", self.x), 2, axis=1)
        reconstruction = self._network("decoder", z_mean + tf.exp(0.5 * z_log_var) * self.noise[0])
        sample = self._network("decoder", self.noise[1])
        real, invented, restored = (self._network("discriminator", x) for x in (self.x, sample, reconstruction))
        error = tf.reduce_sum(tf.abs(self.x - reconstruction), axis=(1, 2, 3))
        divergence = -0.5 * tf.reduce_sum(1 + z_log_var - z_mean**2 - tf.exp(z_log_var), axis=1)
        fooled = _mean_log(restored) + _mean_log(invented)
        right = _mean_log(real) + _mean_log(1 - restored) + _mean_log(1 - invented)
        return {
            "encoder": tf.reduce_mean(error + divergence),
            "decoder": self.recipe.reconstruction_weight * tf.reduce_mean(error) - fooled,
            "discriminator": -right,
        }

    def _update(self, part: str) -> tf.Operation:
        recipe = self.recipe
        variables = tf.trainable_variables(f"{part}/")
        with tf.control_dependencies(self.averages[part]):
            adam = tf.train.AdamOptimizer(recipe.learning_rate, recipe.beta_1, recipe.beta_2, name=f"adam_{part}")
            return adam.minimize(self.losses[part], var_list=variables)

    def _network(self, part: str, x: tf.Tensor) -> tf.Tensor:
        with tf.variable_scope(part, reuse=tf.AUTO_REUSE):
            for layer in getattr(self.recipe, part):
                with tf.variable_scope(layer.name):
                    x = layer.activation(_linear(layer, x))
                    x = self._normalised(part, x) if layer.batch_norm else x
                x = tf.reshape(x, [-1, *layer.shape]) if layer.shape else x
        return x

    def _normalised(self, part: str, x: tf.Tensor) -> tf.Tensor:
        add = partial(tf.get_variable, shape=[x.shape[-1]])
        ones, zeros = tf.ones_initializer(), tf.zeros_initializer()
        gamma, beta = add("gamma", initializer=ones), add("beta", initializer=zeros)
        mean = add("moving_mean", initializer=zeros, trainable=False)
        variance = add("moving_variance", initializer=ones, trainable=False)
        if x.shape.rank == 4:
            fused = partial(tf.nn.fused_batch_norm, x, gamma, beta, epsilon=EPSILON)
            y, *batch = tf.cond(
                self.training, lambda: list(fused()), lambda: list(fused(mean, variance, is_training=False))
            )
        else:
            found = tf.nn.moments(x, [0])
            batch = tf.cond(self.training, lambda: list(found), lambda: [mean.read_value(), variance.read_value()])
            y = tf.nn.batch_normalization(x, *batch, beta, gamma, EPSILON)
        rate = tf.cond(self.training, lambda: 1 - MOMENTUM, lambda: 0.0)
        for average, value in zip((mean, variance), batch, strict=True):
            self.averages[part].append(tf.assign_sub(average, (average - value) * rate).op)
        return y


def _linear(layer: Layer, x: tf.Tensor) -> tf.Tensor:
    glorot, zeros = tf.glorot_uniform_initializer(), tf.zeros_initializer()
    if layer.kind == "dense":
        x = tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])
        linear = tf.matmul(x, tf.get_variable("kernel", [x.shape[1], layer.features], initializer=glorot))
    elif layer.kind == "deconv":
        shape = [layer.kernel, layer.kernel, layer.features, x.shape[-1]]
        kernel = tf.get_variable("kernel", shape, initializer=glorot)
        more = layer.kernel - layer.stride if layer.padding == "VALID" else 0
        sides = [int(side) * layer.stride + more for side in x.shape[1:3]]
        shape = tf.stack([tf.shape(x)[0], *sides, layer.features])
        linear = tf.nn.conv2d_transpose(x, kernel, shape, layer.stride, layer.padding)
    else:
        shape = [layer.kernel, layer.kernel, x.shape[-1], layer.features]
        kernel = tf.get_variable("kernel", shape, initializer=glorot)
        kernel = _spectrally_normalised(layer, kernel, x.shape) if layer.spectral else kernel
        linear = tf.nn.conv2d(x, kernel, layer.stride, layer.padding)
    return linear + tf.get_variable("bias", [layer.features], initializer=zeros)


def _spectrally_normalised(layer: Layer, kernel: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The kernel, divided by the norm of the convolution if that is above 1, after one power iteration."""
    start = tf.truncated_normal_initializer()
    u = tf.get_variable("u", [1, *shape[1:]], initializer=start, trainable=False)
    v = tf.nn.l2_normalize(tf.nn.conv2d(u, kernel, layer.stride, layer.padding))
    back = tf.nn.conv2d_transpose(v, kernel, u.shape, layer.stride, layer.padding)
    next_u = tf.nn.l2_normalize(back)
    sigma = tf.reduce_sum(tf.nn.conv2d(next_u, kernel, layer.stride, layer.padding) * v)
    with tf.control_dependencies([u.assign(next_u)]):
        return kernel / tf.maximum(sigma, 1.0)


def _mean_log(probability: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.log(probability + LOG_OFFSET))


def training(problem: Problem, job: Job) -> Run:
    graph = _Graph(RECIPES[job.architecture], problem.x.shape[1:])
    return lambda x, y: [graph.step(x[lo : lo + BATCH]) for lo in range(0, len(x), BATCH)]


def losses(problem: Problem, job: Job, weights: dict[str, np.ndarray]) -> Run:
    """From these weights, on a batch with this noise."""
    graph = _Graph(RECIPES[job.architecture], problem.x.shape[1:])
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    starts = {variables[name].initializer: value for name, value in weights.items()}
    graph.session.run(list(starts), {start.inputs[1]: value for start, value in starts.items()})
    return lambda x, noise: graph.step(x, dict(zip(graph.noise, noise, strict=True)))
