"""Whom the suite times, by task. Every entry names a function `prepare(problem, job)` that returns what is timed.

A contender does the whole task in its own idiom, as its documentation shows it: what is timed takes NumPy arrays and
gives NumPy arrays.
"""

from dataclasses import dataclass

BATCH = 100


@dataclass(frozen=True)
class Job:
    """What is timed. n_images: how many images one timed run takes; the ratio is over images per second."""

    kind: str
    architecture: str
    norm: str = "l2"
    n_steps: int = 0
    n_images: int = BATCH


ATTACKS = {
    "robint_tf": "ours:attack",
    "robint_tf, bfloat16": "ours:attack_bfloat16",
    "TF1 graph and session": "tf1:attack",
    "CleverHans 4.0.0 (TF2)": "tf_libraries:attack_cleverhans",
    "PyTorch, channels last": "pytorch:attack",
    "PyTorch, channels last, bfloat16": "pytorch:attack_bfloat16",
    "torchattacks 3.5.1": "pytorch:attack_torchattacks",
    "Foolbox 3.3.4 (TF)": "tf_libraries:attack_foolbox",
    "ART 1.20.1 (TF)": "tf_libraries:attack_art",
}
MORE_OF_OURS = {
    "robint_tf, attack_dataset (checks, logits)": "ours:attack_dataset",
    "the same loop over plain Keras calls": "ours:attack_by_keras_calls",
}
ADVERSARIAL = {
    "robint_tf": "ours:training_",
    "robint_tf, bfloat16": "ours:training_bfloat16",
    "TF1 graph and session": "tf1:adversarial_training",
    "PyTorch, channels last": "pytorch:training",
    "ART 1.20.1 AdversarialTrainer (TF)": "tf_libraries:adversarial_training_art",
}
TRAINING = {
    "robint_tf": "ours:training_",
    "robint_tf, bfloat16": "ours:training_bfloat16",
    "TF1 graph and session": "tf1:training",
    "Keras fit": "tf_libraries:training_keras_fit",
    "PyTorch, channels last": "pytorch:training",
}
ATTRIBUTIONS = {"robint_tf": "ours:attributions_", "TF1 graph and session": "tf1:attributions"}
OCCLUSION = {"robint_tf": "ours:occlusion_", "a percentile per image (NumPy)": "numpy_ways:occlusion"}
VAE_GAN = {"robint_tf": "ours:vae_gan_", "TF1 graph and session, VAE-GAN": "tf1_vae_gan:training"}
VAE_GAN_LOSSES = {"robint_tf": "ours:vae_gan_losses", "TF1 graph and session, VAE-GAN": "tf1_vae_gan:losses"}
"""Those of `VAE_GAN`, from weights and noise that are given."""

TESTED_AGAINST_ITSELF = "robint_tf, bfloat16"
TARGETS = {
    "TF1 graph and session": (0.95, 1.1),
    "TF1 graph and session, VAE-GAN": (1.0, 1.5),
    "CleverHans 4.0.0 (TF2)": (1.0, 1.1),
    "PyTorch, channels last": (1.2, 1.4),
    "torchattacks 3.5.1": (1.5, 1.7),
    "Foolbox 3.3.4 (TF)": (1.9, 2.4),
    "ART 1.20.1 (TF)": (1.9, 2.6),
    "ART 1.20.1 AdversarialTrainer (TF)": (2.2, 2.7),
    "Keras fit": (1.3, 1.5),
    TESTED_AGAINST_ITSELF: (1.3, 2.0),
}
"""Floor and goal for how many times as fast as a contender we are on the same threads."""

TASKS: dict[str, tuple[Job, dict[str, str]]] = {
    "PGD-40, CIFAR-10 network, l2": (Job("attack", "cifar_cnn", "l2", 40), ATTACKS | MORE_OF_OURS),
    "PGD-40, CIFAR-10 network, linf": (Job("attack", "cifar_cnn", "linf", 40), ATTACKS),
    "PGD-40, MNIST network, l2": (Job("attack", "mnist_cnn", "l2", 40), ATTACKS | MORE_OF_OURS),
    "PGD-40, MNIST network, linf": (Job("attack", "mnist_cnn", "linf", 40), ATTACKS),
    "adversarial training, PGD-10, CIFAR-10 network, l2": (
        Job("training", "cifar_cnn", "l2", 10, n_images=2 * BATCH),
        ADVERSARIAL,
    ),
    "standard training, CIFAR-10 network": (Job("training", "cifar_cnn", n_images=40 * BATCH), TRAINING),
    "standard training, MNIST network": (Job("training", "mnist_cnn", n_images=20 * BATCH), TRAINING),
    "loss-gradient maps, CIFAR-10 network": (Job("attributions", "cifar_cnn", n_images=20 * BATCH), ATTRIBUTIONS),
    "occlusion of half the pixels, CIFAR-10": (Job("occlusion", "cifar_cnn", n_images=100 * BATCH), OCCLUSION),
    "VAE-GAN step, MNIST": (Job("vae_gan", "mnist_cnn"), VAE_GAN),
    "VAE-GAN step, CIFAR-10": (Job("vae_gan", "cifar_cnn"), VAE_GAN),
}
