"""The problem that every contender solves: a half-trained network of the study, images, labels, all in one file.

The network must not be saturated: on a network whose loss is 0 almost everywhere, gradients are denormal or zero, and
some libraries then run up to a third faster than on real work.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EPS = {("cifar_cnn", "l2"): 1.6, ("cifar_cnn", "linf"): 0.03, ("mnist_cnn", "l2"): 2.0, ("mnist_cnn", "linf"): 0.2}
EPOCHS = {"cifar_cnn": 5, "mnist_cnn": 1}
LAYERS = {
    "cifar_cnn": ["conv", "conv", "pool", "conv", "conv", "pool", "dense", "logits"],
    "mnist_cnn": ["conv", "conv", "pool", "dense", "logits"],
}
DATA = {"cifar_cnn": "cifar10", "mnist_cnn": "mnist"}


@dataclass(frozen=True)
class Problem:
    """Images (N, H, W, C) float32 in [-1, 1], labels (N,) int32, weights as Keras orders them."""

    architecture: str
    x: np.ndarray
    y: np.ndarray
    weights: list[np.ndarray]

    def network(self, precision: str = "float32"):
        """The Keras network with these weights."""
        from robint_tf.networks import classifiers

        network = classifiers.build(self.architecture, precision=precision)
        network.set_weights(self.weights)
        return network

    def attack(self, norm: str, n_steps: int):
        """The attack: steps of a quarter of eps, so that every library accepts it."""
        from robint_tf.specs import PGD

        eps = EPS[self.architecture, norm]
        return PGD(norm=norm, eps=eps, step_size=eps / 4, n_steps=n_steps)


def make(architecture: str, path: Path) -> None:
    """Train on the images that ship with the package, for so short that the loss stays well above 0."""
    from robint_tf import data, training
    from robint_tf.networks import classifiers
    from robint_tf.specs import Training

    sample = data.load(f"{DATA[architecture]}_sample")
    network = classifiers.build(architecture)
    training.fit_classifier(
        network, sample.train.x, sample.train.y, Training(epochs=EPOCHS[architecture], batch_size=50)
    )
    weights = {f"w{i}": np.asarray(w) for i, w in enumerate(network.get_weights())}
    np.savez(path, x=sample.train.x, y=sample.train.y, **weights)


def load(architecture: str, path: Path) -> Problem:
    """What `make` wrote."""
    with np.load(path) as file:
        weights = [file[f"w{i}"] for i in range(len(file.files) - 2)]
        return Problem(architecture, file["x"], file["y"], weights)


def vae_gan_variables(model) -> dict:
    """The variables of our VAE-GAN by part, layer and name, such as encoder/conv1/kernel."""
    return {
        "/".join([part, *variable.path.split("/")[-2:]]): variable
        for part in ("encoder", "decoder", "discriminator")
        for variable in getattr(model, part).variables
    }


def make_start(architecture: str, n: int, path: Path) -> None:
    """Where VAE-GANs start whose losses are compared: fresh weights, and noise for n images."""
    from robint_tf.networks import vae_gan

    model = vae_gan.build(DATA[architecture])
    noise = np.random.default_rng(0).standard_normal((2, n, model.latent_dim), np.float32)
    np.savez(path, noise=noise, **{name: np.asarray(v) for name, v in vae_gan_variables(model).items()})


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
