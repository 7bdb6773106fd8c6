"""This package."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from problem import Problem

from contenders import BATCH, Job
from robint_tf import attacks, attributions, occlusion, training, vae_gan
from robint_tf.specs import Training


def attack(problem: Problem, job: Job, precision: str = "float32") -> Callable:
    network, pgd = problem.network(precision), problem.attack(job.norm, job.n_steps)
    run = tf.function(lambda x, y: attacks.perturb(network, x, y, pgd), jit_compile=False)
    return lambda x, y: run(tf.constant(x), tf.constant(y)).numpy()


def attack_bfloat16(problem: Problem, job: Job) -> Callable:
    return attack(problem, job, "mixed_bfloat16")


def attack_prepared(problem: Problem, job: Job) -> Callable:
    """Not in the package: weights read, and dense ones transposed for the backward pass, once for all steps."""
    network, pgd = problem.network(), problem.attack(job.norm, job.n_steps)
    run = tf.function(lambda x, y: attacks.perturb(_prepared(network), x, y, pgd), jit_compile=False)
    return lambda x, y: run(tf.constant(x), tf.constant(y)).numpy()


def _prepared(network: keras.Model) -> Callable:
    stages = []
    for layer in network.layers:
        if not isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            stages.append(layer)
            continue
        kernel, bias, activation = (
            tf.convert_to_tensor(layer.kernel),
            tf.convert_to_tensor(layer.bias),
            layer.activation,
        )
        if isinstance(layer, keras.layers.Conv2D):
            stages.append(lambda a, w=kernel, b=bias, f=activation: f(tf.nn.conv2d(a, w, 1, "SAME") + b))
            continue
        transposed = tf.transpose(kernel)

        @tf.custom_gradient
        def product(a, w=kernel, back=transposed):
            return tf.matmul(a, w), lambda g: tf.matmul(g, back)

        stages.append(lambda a, product=product, b=bias, f=activation: f(product(a) + b))

    def run(a: tf.Tensor, training: bool = False) -> tf.Tensor:
        for stage in stages:
            a = stage(a)
        return a

    return run


def _training(problem: Problem, job: Job, precision: str) -> Callable:
    network = problem.network(precision)
    pgd = problem.attack(job.norm, job.n_steps) if job.n_steps else None
    recipe = Training(epochs=1, batch_size=BATCH, precision=precision)
    return lambda x, y: training.fit_classifier(network, x, y, recipe, pgd)


def training_(problem: Problem, job: Job) -> Callable:
    return _training(problem, job, "float32")


def training_bfloat16(problem: Problem, job: Job) -> Callable:
    return _training(problem, job, "mixed_bfloat16")


def attributions_(problem: Problem, job: Job) -> Callable:
    network = problem.network()
    return lambda x, y: attributions.attribute(network, x, "gradient", check=False)


def occlusion_(problem: Problem, job: Job) -> Callable:
    fill = np.zeros(3, np.float32)
    return lambda x, scores: occlusion.occlude(x, scores, 0.5, fill)


def vae_gan_(problem: Problem, job: Job) -> Callable:
    model = vae_gan.build("mnist")
    step = tf.function(model.descend, jit_compile=False, autograph=False)  # as `fit_vae_gan` compiles it
    return lambda x, y: step(tf.constant(x)).numpy()
