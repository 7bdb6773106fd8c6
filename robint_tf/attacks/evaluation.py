"""Clean and robust accuracy, with the interval that the number of images allows."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from robint_tf.attacks.pgd import attack_dataset, predict
from robint_tf.errors import InputError
from robint_tf.intervals import Interval, paired, wilson
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.runtime.batching import Progress
from robint_tf.specs import PGD


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers among n images, value in [0, 1]; interval: Wilson's, 95%. loss: mean cross entropy.

    Under attack, n_saturated counts the images whose gradient was zero at every step, n_unchanged those that the attack
    left as they were (`attacks.Attacked.n_unchanged`): they say nothing about robustness. None: it was not counted.
    """

    value: float
    n: int
    interval: Interval
    loss: float
    n_saturated: int = 0
    n_unchanged: int | None = 0

    def __str__(self) -> str:
        low, high = self.interval
        text = f"{self.value:.2%} of {self.n} images (95% interval {low:.2%} to {high:.2%}), mean loss {self.loss:.4g}"
        if self.n_unchanged:
            text += f"; the attack left {self.n_unchanged} images unchanged"
        return text + (f"; {self.n_saturated} images had a gradient of zero at every step" if self.n_saturated else "")


def accuracy(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    attack: PGD | None = None,
    *,
    batch_size: int = 500,
    progress: Progress | None = None,
    warn: bool = True,
) -> Accuracy:
    """Accuracy of a network on x (N, ...) float32 in [-1, 1] with labels y (N,) or (N, 1), clean or under an attack.

    network: x to logits (N, classes). attack: None for clean images. batch_size: images at a time, halved where memory
    runs out. progress: called with how many images are done, and how many there are. Warns where clean accuracy cannot
    be distinguished from guessing, which is what images in another range or labels in another order bring about;
    warn=False leaves that out. `ValueError` for inputs or networks that `inputs.check` refuses.

    >>> from robint_tf import data, networks
    >>> digits = data.load("mnist_sample", n_test=20).test
    >>> attack = PGD(norm="l2", eps=0.5, step_size=0.5, n_steps=2)
    >>> found = accuracy(networks.build("mnist_cnn"), digits.x, digits.y, attack)
    >>> found.n, found.interval.low <= found.value <= found.interval.high
    (20, True)
    """
    x, y = inputs.images(x), inputs.labels(y)
    inputs.check(network, x, y, attacked=attack is not None)
    if attack is not None:
        attacked = attack_dataset(network, x, y, attack, batch_size=batch_size, check=False, progress=progress)
        return _score(attacked.logits, y, attacked.n_saturated, attacked.n_unchanged)
    logits = predict(network, x, batch_size=batch_size)
    if warn:
        warn_of_guessing(logits, y)
    return _score(logits, y)


def warn_of_guessing(logits: np.ndarray, y: np.ndarray) -> None:
    """Warn if logits (N, classes) of clean images with labels y (N,) are right no more often than guesses may be."""
    found, n_classes = _score(logits, y), logits.shape[-1]
    if found.interval[0] <= 1 / n_classes:
        warnings.warn(
            f"a clean accuracy of {found.value:.1%} on {found.n} images cannot be told from guessing among {n_classes} "
            "classes; does the network take images in these bounds (unless told otherwise, [-1, 1]), and number the "
            "classes as the labels do?",
            stacklevel=3,
        )


@dataclass(frozen=True)
class Difference:
    """How much more often a network is right on changed images: value in [-1, 1], of n images that are paired.

    interval: Agresti and Min's, 95%. before, after: the accuracies.
    """

    value: float
    n: int
    interval: Interval
    before: Accuracy
    after: Accuracy

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{100 * self.value:+.2f} points of accuracy (95% interval {100 * low:+.2f} to {100 * high:+.2f}; "
            f"{self.n} images, paired), from {self.before.value:.2%} to {self.after.value:.2%}"
        )


def difference(
    network: Network, x: np.ndarray, changed: np.ndarray, y: np.ndarray, *, batch_size: int = 500
) -> Difference:
    """What a change of its images costs a network, image by image.

    network: images to logits (N, classes). x, changed: (N, ...) float32 in [-1, 1], the same images before and after.
    y: (N,) or (N, 1) labels. batch_size: images at a time, halved where memory runs out. `ValueError` for inputs or
    networks that `inputs.check` refuses, and for another shape of the changed images.
    """
    x, changed, y = inputs.images(x), inputs.images(changed), inputs.labels(y)
    if changed.shape != x.shape:
        raise InputError(f"changed images have shape {changed.shape}, the images {x.shape}; give one for each.")
    inputs.check(network, x, y, attacked=False)
    before, after = (predict(network, each, batch_size=batch_size) for each in (x, changed))
    was, now = (logits.argmax(axis=-1) == y for logits in (before, after))
    gained, lost = int(np.sum(now & ~was)), int(np.sum(was & ~now))
    value = (gained - lost) / len(y)
    return Difference(value, len(y), paired(gained, lost, len(y)), _score(before, y), _score(after, y))


def _score(logits: np.ndarray, y: np.ndarray, n_saturated: int = 0, n_unchanged: int = 0) -> Accuracy:
    hits = int(np.sum(logits.argmax(axis=-1) == y))
    loss = _mean_loss(logits, y)
    if not np.isfinite(loss):
        loss = _mean_loss(logits.astype(np.float64), y)  # float32 ends at 3e38
    return Accuracy(hits / len(y), len(y), wilson(hits, len(y)), loss, n_saturated, n_unchanged)


def _mean_loss(logits: np.ndarray, y: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        return float(np.mean(logsumexp(logits, axis=-1) - logits[np.arange(len(y)), y]))
