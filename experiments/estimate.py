"""How long work will take on this device, from a few measured steps of each kind."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robint_tf.specs import PGD, Training

if TYPE_CHECKING:
    from robint_tf.classifiers import Network
    from robint_tf.data import Split
    from robint_tf.specs import VAEGANSpec


@dataclass(frozen=True)
class ClassifierCost:
    """Seconds for an image: of a training step without its attack, and of one step of PGD."""

    update: float
    attack_step: float

    def training(self, n: int, epochs: int, attack: PGD | None) -> float:
        """Seconds to train on n images."""
        return n * epochs * (self.update + self.attack_step * (0 if attack is None else attack.n_steps))

    def attack(self, n: int, attack: PGD) -> float:
        """Seconds to attack n images."""
        return n * self.attack_step * attack.n_steps


def classifier_cost(network: "Network", split: "Split", batch_size: int) -> ClassifierCost:
    """Measured on one batch, after compiling. Leaves the network with other weights."""
    from robint_tf import training

    batch = split.take(min(batch_size, len(split.y)))
    n = len(batch.y)

    def seconds(n_steps: int) -> float:
        attack = PGD(norm="l2", eps=1.0, step_size=1.0, n_steps=n_steps)
        once = Training(epochs=3, batch_size=n)
        return training.fit_classifier(network, batch.x, batch.y, once, attack).seconds / once.epochs

    seconds(0)  # compiles
    none, few = seconds(0), seconds(4)
    step = max(few - none, 0.0) / 4
    return ClassifierCost(update=none / n, attack_step=step / n)


def vae_gan_cost(spec: "VAEGANSpec", split: "Split") -> float:
    """Seconds of one training step, after compiling."""
    from robint_tf import vae_gan, vae_gan_training

    model = vae_gan.build(spec.dataset.removesuffix("_sample"), spec.variant, spec.seed)
    ticks: list[float] = []
    vae_gan_training.fit_vae_gan(
        model,
        split.x[: spec.batch_size],
        epochs=3,
        batch_size=spec.batch_size,
        progress=lambda position: ticks.append(time.monotonic()),
    )
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)
