"""CleverHans, Foolbox and ART on the same Keras network, and Keras' own `fit`."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from problem import Problem

from contenders import BATCH, Job


def attack_cleverhans(problem: Problem, job: Job) -> Callable:
    from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent

    network, pgd = problem.network(), problem.attack(job.norm, job.n_steps)

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return projected_gradient_descent(
            network,
            tf.constant(x),
            pgd.eps,
            pgd.step_size,
            pgd.n_steps,
            2 if pgd.norm == "l2" else np.inf,
            clip_min=-1.0,
            clip_max=1.0,
            y=tf.constant(y),
            rand_init=False,
            sanity_checks=False,
        ).numpy()

    return run


def attack_foolbox(problem: Problem, job: Job) -> Callable:
    import foolbox

    pgd = problem.attack(job.norm, job.n_steps)
    model = foolbox.TensorFlowModel(problem.network(), bounds=(-1, 1), device="/cpu:0")
    kind = foolbox.attacks.L2PGD if pgd.norm == "l2" else foolbox.attacks.LinfPGD
    attack = kind(abs_stepsize=pgd.step_size, steps=pgd.n_steps, random_start=False)

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        labels = foolbox.criteria.Misclassification(tf.constant(y))
        return attack.run(model, tf.constant(x), labels, epsilon=pgd.eps).numpy()

    return run


def _art(problem: Problem, job: Job) -> tuple:
    from art.attacks.evasion import ProjectedGradientDescentTensorFlowV2
    from art.estimators.classification import TensorFlowV2Classifier

    pgd = problem.attack(job.norm, job.n_steps)
    classifier = TensorFlowV2Classifier(
        problem.network(),
        nb_classes=10,
        input_shape=problem.x.shape[1:],
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(),
        clip_values=(-1.0, 1.0),
    )
    attack = ProjectedGradientDescentTensorFlowV2(
        classifier,
        norm=2 if pgd.norm == "l2" else np.inf,
        eps=pgd.eps,
        eps_step=pgd.step_size,
        max_iter=pgd.n_steps,
        num_random_init=0,
        batch_size=BATCH,
        verbose=False,
    )
    return classifier, attack


def attack_art(problem: Problem, job: Job) -> Callable:
    _, attack = _art(problem, job)
    return lambda x, y: attack.generate(x, np.eye(10, dtype=np.float32)[y])


def adversarial_training_art(problem: Problem, job: Job) -> Callable:
    from art.defences.trainer import AdversarialTrainer

    classifier, attack = _art(problem, job)
    trainer = AdversarialTrainer(classifier, attack, ratio=1.0)
    return lambda x, y: trainer.fit(x, np.eye(10, dtype=np.float32)[y], batch_size=BATCH, nb_epochs=1)


def training_keras_fit(problem: Problem, job: Job) -> Callable:
    network = problem.network()
    network.compile(
        keras.optimizers.Adam(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return lambda x, y: network.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
