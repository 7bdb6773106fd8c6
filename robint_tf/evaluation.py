"""Clean and robust accuracy, with the interval that the number of images allows."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binomtest

from robint_tf.attacks import Progress, attack_dataset, check_inputs, predict
from robint_tf.classifiers import Network
from robint_tf.specs import PGD


@dataclass(frozen=True)
class Accuracy:
    """Right answers among n images; interval: Wilson's, 95%. loss: mean cross entropy.

    Under attack, n_saturated counts the images whose gradient was zero at every step: the attack never moved them, and
    they say nothing about robustness.
    """

    value: float
    n: int
    interval: tuple[float, float]
    loss: float
    n_saturated: int = 0

    def __str__(self) -> str:
        low, high = self.interval
        text = f"{self.value:.2%} of {self.n} images (95% interval {low:.2%} to {high:.2%}), mean loss {self.loss:.4g}"
        return text + (f"; {self.n_saturated} images with zero gradient never moved" if self.n_saturated else "")


def accuracy(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    attack: PGD | None = None,
    *,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Accuracy:
    """Accuracy of a network on x (N, ...) float32 in [-1, 1] with labels y (N,), clean or under an attack.

    `ValueError` for inputs or networks that `attacks.check_inputs` refuses.
    """
    check_inputs(network, x, y)
    if attack is None:
        return _score(predict(network, x, batch_size=batch_size), y)
    attacked = attack_dataset(network, x, y, attack, batch_size=batch_size, check=False, progress=progress)
    return _score(attacked.logits, y, attacked.n_saturated)


def _score(logits: np.ndarray, y: np.ndarray, n_saturated: int = 0) -> Accuracy:
    hits = int(np.sum(logits.argmax(axis=-1) == y))
    interval = binomtest(hits, len(y)).proportion_ci(method="wilson")
    loss = float(np.mean(logsumexp(logits, axis=-1) - logits[np.arange(len(y)), y]))
    return Accuracy(hits / len(y), len(y), (float(interval.low), float(interval.high)), loss, n_saturated)
