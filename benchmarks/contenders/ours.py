"""This package."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from problem import DATA, Problem, vae_gan_variables

from contenders import BATCH, Job
from robint_tf import attacks, training
from robint_tf.attacks.losses import xent
from robint_tf.catalogue import NORMS
from robint_tf.interpretability import attributions, occlusion
from robint_tf.networks import vae_gan
from robint_tf.specs import Training


def attack(problem: Problem, job: Job, precision: str = "float32") -> Callable:
    network, pgd = problem.network(precision), problem.attack(job.norm, job.n_steps)
    run = tf.function(lambda x, y: attacks.perturb(network, x, y, pgd), jit_compile=False)
    return lambda x, y: run(tf.constant(x), tf.constant(y)).numpy()


def attack_bfloat16(problem: Problem, job: Job) -> Callable:
    return attack(problem, job, "mixed_bfloat16")


def attack_dataset(problem: Problem, job: Job) -> Callable:
    """With the checks of its inputs, and the logits before and after."""
    network, pgd = problem.network(), problem.attack(job.norm, job.n_steps)
    return lambda x, y: attacks.attack_dataset(network, x, y, pgd, batch_size=BATCH).x_adv


def attack_by_keras_calls(problem: Problem, job: Job) -> Callable:
    """Without `robint_tf.networks.cpu_forward`: the same loop, inlined, over plain calls of the Keras network."""
    network, pgd = problem.network(), problem.attack(job.norm, job.n_steps)
    norm, eps = NORMS[pgd.norm], tf.constant(pgd.eps)

    def run(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, x_adv: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x_adv)
                objective = xent(network(x_adv, training=False), y)
            direction = norm.direction(tape.gradient(objective, x_adv))
            return i + 1, tf.clip_by_value(norm.project(x_adv + pgd.step_size * direction, x, eps), -1.0, 1.0)

        return tf.while_loop(lambda i, _: i < pgd.n_steps, step, (0, x))[1]

    compiled = tf.function(run, jit_compile=False)
    return lambda x, y: compiled(tf.constant(x), tf.constant(y)).numpy()


def _training(problem: Problem, job: Job, precision: str) -> Callable:
    network = problem.network(precision)
    pgd = problem.attack(job.norm, job.n_steps) if job.n_steps else None
    recipe = Training(epochs=1, batch_size=BATCH, precision=precision)
    return lambda x, y: training.fit_classifier(network, x, y, recipe, pgd, initialise=True)


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
    model = vae_gan.build(DATA[job.architecture])
    step = tf.function(model.descend, jit_compile=False, autograph=False)  # as `fit_vae_gan` compiles it
    return lambda x, y: step(tf.constant(x)).numpy()


def vae_gan_losses(problem: Problem, job: Job, weights: dict[str, np.ndarray]) -> Callable:
    """From these weights, on a batch with this noise: the losses of the runs of a step."""
    model = vae_gan.build(DATA[job.architecture])
    for name, variable in vae_gan_variables(model).items():
        variable.assign(weights[name])
    step = tf.function(lambda x, *noise: model.update(x, lambda run: noise), jit_compile=False, autograph=False)
    return lambda x, noise: step(x, *noise).numpy()
