"""Whether attributions add up to what they explain: to J(x) - J(b), to logit(x) - logit(b), or to logit(x)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from robint_tf.attacks.pgd import predict
from robint_tf.catalogue import ATTRIBUTIONS
from robint_tf.errors import InputError
from robint_tf.interpretability.attributions import maps
from robint_tf.interpretability.attributions.protocol import logit_of, steady_xent
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.runtime.batching import Progress
from robint_tf.settings import Settings, settings_of


class Completeness(NamedTuple):
    """sums: of the attributions of each image; explained: what they should be; both (N,) float64."""

    sums: np.ndarray
    explained: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """By how much each sum is off, (N,), in units of J or of logits."""
        return np.abs(self.sums - self.explained)

    @property
    def median(self) -> float:
        """Of the errors."""
        return float(np.median(self.error))

    @property
    def share(self) -> float:
        """The error of all images together as a share of what is explained; 0 is complete. NaN if that is nothing."""
        whole = np.abs(self.explained).sum()
        return float(self.error.sum() / whole) if whole else float("nan")

    def __str__(self) -> str:
        return f"completeness error {self.share:.2%}, median {self.median:.2g} an image"


class Sums(NamedTuple):
    """of: the function explained, from logits and labels. less_baseline: whether its value at the baseline goes off."""

    of: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    less_baseline: bool


SUMS = {
    "integrated_gradients": Sums(steady_xent, True),
    "deeplift": Sums(logit_of, True),
    "lrp_epsilon": Sums(logit_of, False),
    "lrp_composite": Sums(logit_of, False),
}
"""What the attributions of an image add up to, by method; the others make no such promise."""


def compares(attribution: str | Settings) -> bool:
    """Whether an attribution adds up to a difference from a baseline, networks with biases included."""
    settings = settings_of(ATTRIBUTIONS.full_name(attribution))
    return settings is not None and settings.name in SUMS and SUMS[settings.name].less_baseline


def completeness(
    network: Network,
    x: np.ndarray,
    attribution: str | Settings,
    *,
    baseline: np.ndarray | float = 0.0,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Completeness:
    """The sums of an attribution over images x (N, H, W, C), and what they should be.

    baseline, batch_size, progress: as of `maps.attribute`. LRP adds up to the logit in networks without biases only;
    elsewhere the biases keep the rest. `ValueError` for methods that promise no sum.
    """
    full = ATTRIBUTIONS.full_name(attribution)
    settings = settings_of(full)
    if settings is None or settings.name not in SUMS:
        raise InputError(f"{full} has no sum to be compared with; choose one of {', '.join(SUMS)}.")
    x = inputs.images(x)
    found = maps.attribute(
        network, x, full, baseline=baseline, reduction="none", batch_size=batch_size, progress=progress
    )
    logits = predict(network, x, batch_size=batch_size)
    labels = logits.argmax(axis=-1)
    of, less_baseline = SUMS[settings.name]
    explained = of(tf.constant(logits), labels).numpy().astype(np.float64)
    if less_baseline:
        start = maps.baseline_image(0.0 if getattr(settings, "baseline", "") == "zero" else baseline, x.shape[1:])
        at_start = np.repeat(predict(network, start[None]), len(x), axis=0)
        explained -= of(tf.constant(at_start), labels).numpy()
    return Completeness(found.sum(axis=(1, 2, 3), dtype=np.float64), explained)
