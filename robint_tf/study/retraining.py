"""ROAR and KAR of a network of one's own: retraining without the pixels that matter, or with these alone."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robint_tf import attacks, checks, labels, recipes
from robint_tf.catalogue import OWN
from robint_tf.checks import Bounds
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions, inference, retraining
from robint_tf.interpretability.controls import BESIDE, Controls
from robint_tf.networks import classifiers
from robint_tf.networks.classifiers import Network
from robint_tf.runtime.batching import Progress
from robint_tf.runtime.seeds import derive_seed
from robint_tf.specs import (
    FRACTIONS,
    OCCLUSIONS,
    RANDOM,
    ControlSpec,
    Occlusion,
    RetrainSpec,
    SavedNetwork,
    Training,
    Variant,
)
from robint_tf.store.artifacts import Store
from robint_tf.study.attribution import named
from robint_tf.study.given import Data, check_precision, dataset_of, fractions_of, methods_of, network_of, untrained
from robint_tf.study.outcomes import Outcome
from robint_tf.training.state import Position

TRAINING = Training(epochs=10, shuffle=True)
RETRAINED = 1000  # the first number from which seeds of retrainings derive: apart from those of explained networks


@dataclass(frozen=True, eq=False)
class Retrained(Outcome):
    """Test accuracies after retraining.

    figure: what draws them. fractions: of the pixels removed (ROAR) or kept (KAR), (K,). accuracies: by attribution and
    occlusion, "remove" or "keep", (K, seeds) float64; random: of random pixels, by occlusion. accuracy: of the
    explained network on the test images as they are; n_train, n_test: images. controls: by attribution, what of the
    scores may be owed to the shape of the maps, `Controls.row` of `interpretability.controls`.
    """

    figure: ClassVar[str] = "retraining_curves"
    fractions: tuple[float, ...]
    accuracies: dict[str, dict[str, np.ndarray]]
    random: dict[str, np.ndarray]
    accuracy: float
    n_train: int
    n_test: int
    controls: dict[str, dict[str, Any]] = field(default_factory=dict)

    def table(self) -> list[dict[str, Any]]:
        """A record for each retraining: test, attribution, fraction, seed and accuracy; the baseline is "random"."""
        return [
            {
                "test": labels.TESTS[occlusion],
                "attribution": name,
                "fraction": fraction,
                "seed": seed,
                "accuracy": float(found[k, seed]),
            }
            for name, by_occlusion in {**self.accuracies, RANDOM: self.random}.items()
            for occlusion, found in by_occlusion.items()
            for k, fraction in enumerate(self.fractions)
            for seed in range(found.shape[1])
        ]

    def scores(self) -> list[dict[str, Any]]:
        """A record for each attribution and test: mu_ROAR or mu_KAR, its standard error (None for one seed), controls.

        moran, gini: how clustered and sparse the maps are; mean_mask_moran: how clustered their masks; mean_leakage,
        chance_leakage: how well a linear classifier tells the class from these, from random ones. None without any.
        """
        fractions = np.array(self.fractions)
        found = []
        for name, by_occlusion in self.accuracies.items():
            for occlusion, accuracies in by_occlusion.items():
                score, error = inference.score_over_seeds(fractions, accuracies, self.random[occlusion], occlusion)
                row = {"test": labels.TESTS[occlusion], "attribution": name, "score": score, "standard_error": error}
                found.append(row | {key: self.controls.get(name, {}).get(key) for key in BESIDE})
        return found

    def content(self) -> dict[str, Any]:
        return {**super().content(), "scores": self.scores()}


def roar(
    model: Network,
    train: Data,
    test: Data,
    attribution: Any = "gradient",
    *,
    build: Callable[[], Network] | None = None,
    bounds: Bounds | None = None,
    fractions: Sequence[float] = FRACTIONS,
    seeds: int = 3,
    occlusions: Sequence[Occlusion] = OCCLUSIONS,  # type: ignore[assignment]
    training: Training = TRAINING,
    variant: Variant = "corrected",
    store: Store | Path | str | None = None,
    progress: Progress | None = None,
) -> Retrained:
    """ROAR and KAR: accuracy after retraining on images without the pixels that an attribution calls important.

    model: the network that is explained, images to logits. train, test: see `given.Data`. attribution: a
    `given.Method`, or several in a list, or by name in a dict; precomputed maps are pairs, of training and test images.
    build: returns the network that is retrained, untrained, of images in the same bounds; by default one like `model`
    with fresh weights. Layers that are frozen (`trainable` False) keep theirs. bounds: the pixel range of images and
    networks, see `robint_tf.study`. seeds: how many networks are trained in each cell. occlusions: "remove" (ROAR),
    "keep" (KAR). training: of each network, in the precision of its layers; from its seed those of all networks, and of
    their random pixels, derive. variant: "corrected", or as the paper's authors occlude. store: folder, or `Store`,
    that keeps every cell, so that a call that was interrupted goes on where it was; None keeps nothing. progress: told
    how many retrainings are done, and how many there are.

    There are (attributions + 1) x occlusions x fractions x seeds retrainings. `ValueError`, in one line, for whatever
    cannot be used.
    """
    with Retrainings(
        model,
        train,
        test,
        attribution,
        build=build,
        bounds=bounds,
        fractions=fractions,
        seeds=seeds,
        occlusions=occlusions,
        training=training,
        variant=variant,
        store=store,
    ) as plan:
        for done, cell in enumerate(plan.cells):
            if progress is not None:
                progress(done, len(plan.cells))
            plan.make(cell)
        if progress is not None:
            progress(len(plan.cells), len(plan.cells))
        return plan.result()


class Retrainings:
    """The retrainings of `roar`, cell by cell; a context, whose end removes a store that nobody gave.

    cells: their specs, in the best order to make them.
    """

    def __init__(
        self,
        model: Network,
        train: Data,
        test: Data,
        attribution: Any,
        *,
        build: Callable[[], Network] | None = None,
        bounds: Bounds | None = None,
        fractions: Sequence[float] = FRACTIONS,
        seeds: int = 3,
        occlusions: Sequence[Occlusion] = OCCLUSIONS,  # type: ignore[assignment]
        training: Training = TRAINING,
        variant: Variant = "corrected",
        store: Store | Path | str | None = None,
    ) -> None:
        """Nothing is trained, but attributions that are functions are computed, and the others tried on an image.

        model, train, test, attribution, build, bounds, fractions, seeds, occlusions, training, variant, store: as of
        `roar`, `ValueError` likewise.
        """
        if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
            raise InputError(f"seeds is {seeds!r}; give a whole number of at least 1.")
        for occlusion in occlusions:
            checks.one_of("occlusion", occlusion, OCCLUSIONS)
        self.fractions, self.n_seeds = fractions_of(fractions), seeds
        if not occlusions:
            raise InputError("there are no occlusions; give at least one.")
        self.methods = methods_of(attribution)
        if RANDOM in self.methods:
            raise InputError(f"an attribution is called {RANDOM!r}, as the baseline is; give it another name.")
        self.network, self.dataset = network_of(model, bounds), dataset_of(train, test, bounds)
        self._scratch = untrained(self.network, build, bounds, self.dataset.train.x)
        check_precision(self._scratch, training.precision)
        self._architecture = classifiers.architecture_of(self._scratch, lasting=store is not None)
        if store is not None:
            classifiers.fingerprint(self.network)  # `ValueError` for one that the store would not know again
        self._left = ExitStack()
        if store is None:
            store = self._left.enter_context(tempfile.TemporaryDirectory(prefix="robint-"))
        self.store = store if isinstance(store, Store) else Store(store)
        splits = self.dataset.train, self.dataset.test
        names, given = named(self.methods, self.network, splits, variant=variant)
        networks = recipes.Networks(self.dataset, self.store)
        self._occluder, self._variant = retraining.Occluder(networks, own=self.network, given=given), variant
        self._shapes: dict[ControlSpec, Controls] = {}
        self._controls = {
            name: ControlSpec(dataset=OWN, source=self.source, attribution=full, variant=variant)
            for name, full in names.items()
        }
        self._controls[RANDOM] = ControlSpec(dataset=OWN, source=None, attribution=RANDOM, variant=variant)
        self._specs = {
            (name, occlusion): self._cells_of(full, occlusion, training, variant)
            for name, full in {RANDOM: RANDOM, **names}.items()
            for occlusion in occlusions
        }
        for name in names.values():
            if name not in given:  # it may have no rule for a layer: better now than after hours of training
                self._try(name)

    def __enter__(self) -> "Retrainings":
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    @property
    def cells(self) -> list[RetrainSpec]:
        """The specs of all retrainings, in the best order to make them."""
        return [spec for specs in self._specs.values() for spec in specs]

    @property
    def baseline(self) -> np.ndarray:
        """The colour (C,) that occluded pixels of test images get; some attributions compare images with it."""
        return self._occluder.fills(None, self._variant).test

    @property
    def source(self) -> SavedNetwork:
        """The explained network as recipes name it."""
        return SavedNetwork(sha256=self._occluder.own_sha256)

    def has(self, cell: RetrainSpec) -> bool:
        """Whether the store holds a cell."""
        return self.store.has(cell, *retraining.cell_inputs(cell, self.dataset))

    def make(self, cell: RetrainSpec, *, progress: Callable[[Position], None] | None = None) -> float:
        """The accuracy of a cell, in [0, 1]; trained only if the store lacks it. progress: of that training.

        With the first cell of an attribution its controls are measured, while its maps are at hand.
        """
        for control in self._controls.values():
            if control.attribution == cell.attribution:
                self._measured(control)
        return retraining.retrained_accuracy(cell, self._occluder, network=self._scratch, progress=progress)

    def result(self) -> Retrained:
        """All cells as an outcome; those that the store lacks are made."""
        shape = len(self.fractions), self.n_seeds
        found: dict[str, dict[str, np.ndarray]] = {}
        for (name, occlusion), specs in self._specs.items():
            found.setdefault(name, {})[occlusion] = np.array([self.make(spec) for spec in specs]).reshape(shape)
        test, chance = self.dataset.test, self._measured(self._controls[RANDOM])
        return Retrained(
            fractions=self.fractions,
            random=found.pop(RANDOM),
            accuracies=found,
            accuracy=attacks.accuracy(self.network, test.x, test.y, warn=False).value,
            n_train=len(self.dataset.train.y),
            n_test=len(test.y),
            controls={name: self._measured(self._controls[name]).row(chance) for name in self.methods},
        )

    def _measured(self, control: ControlSpec) -> Controls:
        """What the maps of an attribution give away; measured only if the store lacks it."""
        if control not in self._shapes:
            self._shapes[control] = retraining.measured_controls(control, self._occluder)
        return self._shapes[control]

    def _try(self, attribution: str) -> None:
        """Explain one image; `ValueError` if that cannot be done."""
        some = self.dataset.test.x[:1]
        attributions.attribute(
            self.network, some, attribution, variant=self._variant, baseline=self.baseline, check=False
        )

    def _cells_of(
        self, attribution: str, occlusion: Occlusion, training: Training, variant: Variant
    ) -> list[RetrainSpec]:
        seeds = [derive_seed(RETRAINED, training.seed, seed) for seed in range(self.n_seeds)]
        return [
            RetrainSpec(
                dataset=OWN,
                source=None if attribution == RANDOM else self.source,
                attribution=attribution,
                occlusion=occlusion,
                fraction=fraction,
                training=replace(training, seed=seed),
                mask_seed=seed if attribution == RANDOM else 0,  # maps are ranked once
                variant=variant,
                architecture=self._architecture,
            )
            for fraction in self.fractions
            for seed in seeds
        ]
