"""ROAD of a network of one's own: accuracy without the pixels that matter, without retraining."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robint_tf import attacks
from robint_tf.checks import Bounds
from robint_tf.errors import InputError
from robint_tf.interpretability import road as roads
from robint_tf.interpretability.road import NOISE
from robint_tf.networks.classifiers import Network
from robint_tf.runtime.batching import Progress
from robint_tf.specs import FRACTIONS, Variant
from robint_tf.study.attribution import maps_of
from robint_tf.study.given import Data, methods_of, network_of, split_of
from robint_tf.study.outcomes import Outcome


@dataclass(frozen=True, eq=False)
class Imputed(Outcome):
    """Accuracies without the most and the least relevant pixels, which are imputed.

    figure: what draws them. fractions: of the pixels removed, (K,). accuracies: by attribution and order, "most" or
    "least" relevant first, (K,) float64. areas: by attribution, between both curves, with its 95% interval over images:
    (area, low, high); the larger, the better the attribution. accuracy: on the n_test images as they are.
    """

    figure: ClassVar[str] = "imputation_curves"
    fractions: tuple[float, ...]
    accuracies: dict[str, dict[str, np.ndarray]]
    areas: dict[str, tuple[float, float, float]]
    accuracy: float
    n_test: int

    def table(self) -> list[dict[str, Any]]:
        """A record for each attribution, order and fraction."""
        return [
            {"attribution": name, "removed_first": order, "fraction": fraction, "accuracy": float(found[k])}
            for name, by_order in self.accuracies.items()
            for order, found in by_order.items()
            for k, fraction in enumerate(self.fractions)
        ]

    def scores(self) -> list[dict[str, Any]]:
        """A record for each attribution: its area and the ends of its 95% interval."""
        return [{"attribution": n, "area": a, "low": low, "high": high} for n, (a, low, high) in self.areas.items()]


def road(
    model: Network,
    test: Data,
    attribution: Any = "gradient",
    *,
    bounds: Bounds | None = None,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
    seed: int = 0,
    variant: Variant = "corrected",
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Imputed:
    """ROAD (Rong et al., 2022): how accuracy falls as pixels are imputed in order of an attribution.

    model: images to logits. test: see `given.Data`. attribution: a `given.Method`, or several in a list, or by name in
    a dict; an array of maps (N, H, W) of the test images, too. One that compares images with a baseline is given their
    mean colour. bounds: the pixel range of images and model, see
    `robint_tf.study`. fractions: of the pixels removed, rising. noise, seed: of the imputation, see
    `interpretability.road`. progress: told how many images are done, of how many, for each attribution. `ValueError`
    for whatever cannot be used.
    """
    network, split = network_of(model, bounds), split_of(test, bounds, "test")
    methods = {"maps": (attribution,)} if isinstance(attribution, np.ndarray) else methods_of(attribution)
    clean = attacks.accuracy(network, split.x, split.y, warn=False)
    accuracies: dict[str, dict[str, np.ndarray]] = {}
    areas: dict[str, tuple[float, float, float]] = {}
    for name, method in methods.items():
        if isinstance(method, tuple | np.ndarray):
            maps = np.asarray(method[-1] if isinstance(method, tuple) else method)
        else:
            baseline = roads.baseline_of(split.x)
            maps = maps_of(
                network, split.x, method, name=name, variant=variant, baseline=baseline, batch_size=batch_size
            )
        if maps.shape != split.x.shape[:-1]:
            raise InputError(f"the maps {name} have shape {maps.shape}; give {split.x.shape[:-1]}.")
        found = roads.road(
            network,
            split.x,
            split.y,
            roads.ordered(maps, seed=seed, variant=variant),
            fractions=tuple(fractions),
            noise=noise,
            seed=seed,
            batch_size=batch_size,
            progress=progress,
        )
        accuracies[name] = {order: found.accuracies(order) for order in roads.ORDERS}
        areas[name] = (found.area, *found.interval)
    return Imputed(tuple(fractions), accuracies, areas, clean.value, len(split.y))
