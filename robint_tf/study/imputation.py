"""ROAD of a network of one's own: accuracy without the pixels that matter, without retraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robint_tf import attacks
from robint_tf.catalogue import OWN
from robint_tf.checks import Bounds
from robint_tf.data.datasets import Split
from robint_tf.interpretability.road import NOISE, Measurer, Road
from robint_tf.networks import classifiers
from robint_tf.networks.classifiers import Network
from robint_tf.runtime.batching import Progress
from robint_tf.specs import FRACTIONS, ORDERS, RoadSpec, SavedNetwork, Variant
from robint_tf.store.artifacts import Store
from robint_tf.study.attribution import named
from robint_tf.study.given import Data, fractions_of, methods_of, network_of, split_of
from robint_tf.study.outcomes import Outcome


@dataclass(frozen=True, eq=False)
class Imputed(Outcome):
    """Accuracies without the most and the least relevant pixels, which are imputed.

    figure: what draws them. fractions: of the pixels removed, (K,). accuracies: by attribution and order, "most" or
    "least" relevant first, (K,) float64. areas: by attribution, between both curves, with its 95% interval over images:
    (area, low, high), the ends None for one image; the larger, the better the attribution. accuracy: on the n_test
    images as they are.
    """

    figure: ClassVar[str] = "imputation_curves"
    fractions: tuple[float, ...]
    accuracies: dict[str, dict[str, np.ndarray]]
    areas: dict[str, tuple[float, float | None, float | None]]
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
    store: Store | Path | str | None = None,
    progress: Progress | None = None,
) -> Imputed:
    """ROAD (Rong et al., 2022): how accuracy falls as pixels are imputed in order of an attribution.

    model: images to logits. test: see `given.Data`. attribution: a `given.Method`, or several in a list, or by name in
    a dict; an array of maps (N, H, W) of the test images, too. One that compares images with a baseline is given their
    mean colour. bounds: the pixel range of images and model, see `robint_tf.study`. fractions: of the pixels removed.
    noise, seed: of the imputation, see `interpretability.road`. store: folder, or `Store`, that keeps every point, so
    that a call that was interrupted goes on where it was; None keeps nothing. progress: told how many points of the
    curves are done, and how many there are. Warns where the network only guesses. `ValueError` for whatever cannot be
    used.
    """
    network, split = network_of(model, bounds), split_of(test, bounds, "test")
    clean = attacks.accuracy(network, split.x, split.y)
    work = Imputations(
        network,
        split,
        {"maps": attribution} if isinstance(attribution, np.ndarray) else methods_of(attribution),
        fractions=fractions,
        noise=noise,
        seed=seed,
        variant=variant,
        batch_size=batch_size,
        store=store if store is None or isinstance(store, Store) else Store(store),
    )
    hits = {}
    for done, point in enumerate(work.points):
        if progress is not None:
            progress(done, len(work.points))
        hits[point] = work.hits(point)
    if progress is not None:
        progress(len(work.points), len(work.points))
    return work.result(hits, clean.value)


class Imputations:
    """What `road` measures, point by point.

    points: their specs, in the best order to make them.
    """

    def __init__(
        self,
        network: Network,
        test: Split,
        methods: Mapping[str, Any],
        *,
        dataset: str = OWN,
        fractions: Sequence[float] = FRACTIONS,
        noise: float = NOISE,
        seed: int = 0,
        variant: Variant = "corrected",
        batch_size: int = 500,
        store: Store | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Attributions that are functions are computed, nothing else.

        network: of images in [-1, 1], as those of test are. methods: by name, maps (N, H, W), a pair of maps of
        training and test images, an `Explainer`, or a name, also one in `catalogue.NETWORK_FREE`. dataset: what recipes
        call the data. fractions, noise, seed, variant, batch_size, store: as of `road`, `ValueError` likewise.
        progress: told how many images of a point are done, and how many there are.
        """
        self.fractions, self._n_test = fractions_of(fractions), len(test.y)
        names, maps = named(methods, network, [test], variant=variant, batch_size=batch_size)
        given = {attribution: of_test for attribution, (of_test,) in maps.items()}
        source = SavedNetwork(sha256="" if store is None else classifiers.fingerprint(network))
        self._points = {
            (name, order): [
                RoadSpec(
                    dataset=dataset,
                    source=source,
                    attribution=attribution,
                    order=order,
                    fraction=fraction,
                    noise=noise,
                    n_test=len(test.y),
                    seed=seed,
                    variant=variant,
                )
                for fraction in self.fractions
            ]
            for name, attribution in names.items()
            for order in ORDERS
        }
        self._measurer = Measurer(network, test, store, given=given, batch_size=batch_size, progress=progress)

    @property
    def points(self) -> list[RoadSpec]:
        """The specs of all points, in the best order to make them."""
        return [point for points in self._points.values() for point in points]

    def has(self, point: RoadSpec) -> bool:
        """Whether the store holds a point."""
        return self._measurer.has(point)

    def hits(self, point: RoadSpec) -> np.ndarray:
        """Which images are still classified rightly at a point, (N,) bool; measured only if the store lacks it."""
        return self._measurer.hits(point)

    def result(self, hits: Mapping[RoadSpec, np.ndarray], accuracy: float) -> Imputed:
        """All points as an outcome. hits: of every point; accuracy: on the images as they are."""
        roads: dict[str, Road] = {}
        for (name, order), points in self._points.items():
            roads.setdefault(name, Road(self.fractions, {})).hits[order] = np.array([hits[point] for point in points])
        return Imputed(
            fractions=self.fractions,
            accuracies={name: {order: road.accuracies(order) for order in ORDERS} for name, road in roads.items()},
            areas={name: (road.area, *(road.interval or (None, None))) for name, road in roads.items()},
            accuracy=accuracy,
            n_test=self._n_test,
        )
