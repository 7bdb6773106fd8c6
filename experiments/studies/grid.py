"""The grid of sections 3.2 and 3.3: explained networks, their accuracies, and the retrainings that score them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robint_tf.errors import InputError
from robint_tf.settings import gradients_of
from robint_tf.specs import RANDOM, AccuracySpec, ClassifierSpec, ControlSpec, CurveSpec, RetrainSpec, SavedNetwork

from ..run import Run
from .estimate import Costs, Work, Workload, classifier_flops, classifier_seconds, training_work, workload
from .presets import ATTRIBUTIONS, ExplainedNetwork, InterpretabilityStudy
from .runner import Artifact, ImageRunner

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np

    from robint_tf.attacks.evaluation import Accuracy
    from robint_tf.data.datasets import Dataset
    from robint_tf.interpretability.controls import Controls
    from robint_tf.networks.classifiers import Network

Cells = dict[tuple[str, str], "np.ndarray"]
"""By attribution and occlusion: accuracies, (fractions, seeds) float64; random pixels may have more seeds."""


class Grid(ImageRunner):
    """Fetches every number of the grid from the store, or makes it; nothing is trained twice."""

    study: InterpretabilityStudy

    def __init__(
        self,
        study: InterpretabilityStudy,
        run: Run,
        *,
        data_dir: Path | None = None,
        offline: bool = False,
        own: "Callable[[Dataset], Network] | None" = None,
    ) -> None:
        """own: a user's network for the data set, where that is explained."""
        from robint_tf import data, recipes
        from robint_tf.interpretability import retraining

        self.study, self.run = study, run
        self.dataset: Dataset = data.load(study.source, data_dir=data_dir, offline=offline or study.sample)
        self._networks = recipes.Networks(
            self.dataset,
            run.store,
            announce=lambda spec: run.display.begin(f"training {self._name(spec)}"),
            progress=run.display.training,
        )
        self.occluder = retraining.Occluder(self._networks, own=own and own(self.dataset), progress=run.display.batches)
        self._retrained: Network | None = None

    @property
    def own(self) -> SavedNetwork:
        """The user's network as a recipe names it."""
        return SavedNetwork(sha256=self.occluder.own_sha256)

    def accuracies(self, spec: ClassifierSpec) -> "tuple[Accuracy, Accuracy]":
        """Clean test accuracy, and robust accuracy against the study's attack."""
        clean, robust = map(self.accuracy, self.accuracy_specs(spec))
        return clean, robust

    def accuracy(self, spec: AccuracySpec) -> "Accuracy":
        """One accuracy of an explained network."""
        from robint_tf import recipes

        self.run.display.begin(f"testing {self._name(spec.classifier)}", spec)
        return recipes.measured_accuracy(
            spec, self._networks, progress=self.run.display.batches if spec.attack else None
        )

    def accuracy_specs(self, spec: ClassifierSpec) -> tuple[AccuracySpec, AccuracySpec]:
        """Clean on the study's test images, robust on the first of them."""
        study = self.study
        return (
            AccuracySpec(classifier=spec, n_test=study.n_test),
            AccuracySpec(classifier=spec, attack=study.robust_attack, n_test=study.n_attacked or study.n_test),
        )

    def lent(self, spec: ClassifierSpec) -> "AbstractContextManager[Network]":
        """An explained network while the context lasts, trained if the store lacks it."""
        return self._networks.lend(spec)

    def cells(self, source: "ClassifierSpec | SavedNetwork | None") -> Cells:
        """Retrained accuracies for one explained network, or for what knows none (None)."""
        import numpy as np

        accuracies: dict[tuple[str, str], list[float]] = {}
        for spec in self.study.cells(source):
            accuracies.setdefault((spec.attribution, spec.occlusion), []).append(self.cell(spec))
        return {key: np.array(values).reshape(len(self.study.fractions), -1) for key, values in accuracies.items()}

    def cell(self, spec: RetrainSpec) -> float:
        """One retrained accuracy."""
        from robint_tf.interpretability import retraining

        self.run.display.begin(f"{self._maps(spec)}, {spec.occlusion} {spec.fraction:g}", spec)
        return retraining.retrained_accuracy(
            spec, self.occluder, network=self._scratch(), progress=self.run.display.training
        )

    def hits(self, spec: RetrainSpec) -> "np.ndarray":
        """Right answers on the test images after each epoch of a retraining that is done, (epochs,) int64."""
        found = self.run.store.load(spec, *self._inputs(spec))
        if found is None:
            raise InputError(f"the retraining {self._maps(spec)} is not in the store any more; start again.")
        return found["test_hits"].sum(axis=1)

    def curve(self, spec: ClassifierSpec) -> "np.ndarray | None":
        """Test accuracy after each epoch of an explained network, (epochs,), on all test images; None if unknown."""
        keys = self.dataset.train.take(spec.n_train).fingerprint.key, self.dataset.test.fingerprint.key
        found = self.run.store.load(CurveSpec(classifier=spec), *keys)
        return None if found is None else found["test_hits"].sum(axis=1) / len(self.dataset.test.y)

    def shapes(self, source: "ClassifierSpec | SavedNetwork | None") -> "dict[str, Controls]":
        """By attribution, what its maps give away."""
        return {spec.attribution: self.shape(spec) for spec in self.study.shapes(source)}

    def shape_rows(self, source: "ClassifierSpec | SavedNetwork") -> dict[str, dict[str, Any]]:
        """By attribution, the same as plain data, beside what random masks give away."""
        chance = self.shapes(None)[RANDOM]
        return {attribution: shape.row(chance) for attribution, shape in self.shapes(source).items()}

    def shape(self, spec: ControlSpec) -> "Controls":
        """What the maps of one attribution give away."""
        from robint_tf.interpretability import retraining

        self.run.display.begin(f"{self._maps(spec)}, shape of the maps", spec)
        return retraining.measured_controls(spec, self.occluder)

    def make(self, spec: "Artifact") -> None:
        """Put what `spec` describes into the store, if it is not there."""
        if isinstance(spec, RetrainSpec):
            self.cell(spec)
        elif isinstance(spec, ControlSpec):
            self.shape(spec)
        elif isinstance(spec, AccuracySpec):
            self.accuracy(spec)
        elif isinstance(spec, ClassifierSpec):
            with self._networks.lend(spec):
                pass
        else:
            raise InputError(f"the grid has no {type(spec).__name__}.")

    def complete(self, specs: Iterable[Artifact]) -> None:
        """Put all of these into the store, sharing the work with other processes that do the same.

        What another process makes at the moment, or what needs a network that another trains, is left for later; only
        where nothing else is to be done does this process wait.
        """
        left = list(specs)
        while left:
            taken = [spec for spec in left if not self.has(spec) and not self._make_if_free(spec)]
            if len(taken) == len(left):
                self.make(taken.pop(0))  # waits for it, or takes over from a process that died
            left = taken

    def _make_if_free(self, spec: Artifact) -> bool:
        """Make an artifact unless another process is at it; whether it was made."""
        from robint_tf.store.artifacts import TakenError

        if self._is_others(spec):
            return False
        try:
            with self.run.store.without_waiting():
                self.make(spec)
        except TakenError:  # since this moment
            return False
        return True

    def _is_others(self, spec: Artifact) -> bool:
        """Whether another process makes this, or trains the network that it needs."""
        needed = spec.classifier if isinstance(spec, AccuracySpec) else getattr(spec, "source", None)
        parts = [spec, needed] if isinstance(needed, ClassifierSpec) and not self.has(needed) else [spec]
        return any(self.run.store.is_being_made(part, *self._inputs(part)) for part in parts)

    def tasks(self) -> "Iterator[tuple[str, list[Artifact], list[Artifact]]]":
        """The grid as tasks for workers: name, the artifacts that it makes, and those that it needs.

        A network and its accuracies are one task; the retrainings of one of its attributions are another.
        """
        for attribution, made in self._by_attribution(None).items():
            yield attribution, made, []
        for explained in self.study.networks():
            first: list[Artifact] = [explained.spec, *self.accuracy_specs(explained.spec)]
            yield f"{explained}, training", first, []
            for attribution, made in self._by_attribution(explained.spec).items():
                yield f"{explained}, {attribution}", made, first

    def inventory(self) -> "Iterator[tuple[str, int, int]]":
        """By network: its name, and how many of its artifacts are there, of how many. Reads the store only."""
        for attribution, made in self._by_attribution(None).items():
            yield attribution, *self._count(made)
        for explained in self.study.networks():
            yield str(explained), *self._count(self.artifacts(explained))

    def artifacts(self, explained: ExplainedNetwork) -> list[Artifact]:
        """Everything that is made for one explained network: itself, its accuracies, shapes of maps, cells."""
        return [explained.spec, *self.accuracy_specs(explained.spec), *self.of_maps(explained.spec)]

    def of_maps(self, source: "ClassifierSpec | SavedNetwork | None") -> list[Artifact]:
        """Everything that is made of the maps of one explained network, or of those that know none."""
        return [artifact for made in self._by_attribution(source).values() for artifact in made]

    def _by_attribution(self, source: "ClassifierSpec | SavedNetwork | None") -> dict[str, list[Artifact]]:
        """The shape and the cells of each attribution, one after the other, so that its maps are made once."""
        made: dict[str, list[Artifact]] = {name: [] for name in self.study.attributions(source)}
        for shape in self.study.shapes(source):
            made[shape.attribution].append(shape)
        for cell in self.study.cells(source):
            made[cell.attribution].append(cell)
        return made

    def everything(self) -> "list[Artifact]":
        """All that the grid consists of."""
        explained = [artifact for network in self.study.networks() for artifact in self.artifacts(network)]
        return [*self.of_maps(None), *explained]

    @property
    def name(self) -> str:
        """As an estimate calls it."""
        return f"grid on {self.study.dataset}"

    def workloads(self) -> list[Workload]:
        """What the grid consists of, and what of it the store lacks."""
        study, networks = self.study, self.study.networks()
        n_train, n_test = len(self.dataset.train.take(study.n_train).y), len(self.dataset.test.take(study.n_test).y)
        n_attacked = len(self.dataset.test.take(study.n_attacked or study.n_test).y)
        weights = 4 * self._scratch().count_params()
        cells = [cell for source in (None, *(network.spec for network in networks)) for cell in study.cells(source)]
        retrainings = workload("retrainings", cells, self.has, lambda s: training_work(s, n_train, CELL_BYTES))
        of_maps: list[RetrainSpec | ControlSpec] = [cell for cell in cells if cell.source is not None]
        of_maps += [shape for network in networks for shape in study.shapes(network.spec)]
        maps = {(spec.source, spec.attribution) for spec in of_maps if not self.has(spec)}
        return [
            workload(
                "networks to train",
                [network.spec for network in networks],
                self.has,
                lambda spec: training_work(spec, n_train, weights),
            ),
            workload(
                "networks to attack",
                [self.accuracy_specs(network.spec) for network in networks],
                lambda specs: all(map(self.has, specs)),
                lambda specs: Work(attack_steps=n_attacked * study.robust_attack.n_steps, size=CELL_BYTES),
            ),
            replace(retrainings, attack_steps=sum(gradients_of(name) for _, name in maps) * (n_train + n_test)),
        ]

    def powers(self) -> list[dict[str, Any]]:
        """Which slopes of KAR with attack strength the grid would find; none of other attributions than the paper's."""
        from ..beyond import power

        return power.powers(self.study) if set(ATTRIBUTIONS) == set(self.study.methods) else []

    def seconds(self, budget: float = 0.0) -> Costs:
        """What a unit of work takes on this device, measured for `budget` seconds, at least once."""
        study = self.study
        self.run.display.begin("measuring this device")
        train = self.dataset.train.take(study.n_train)
        return classifier_seconds(self._scratch(), train, study.training.batch_size, budget)

    def flops(self) -> Costs:
        """What a unit of work takes in floating-point operations."""
        return classifier_flops(self._scratch(), self.dataset.train.x.shape[1:])

    def _count(self, specs: Iterable[Artifact]) -> tuple[int, int]:
        specs = list(specs)
        return sum(self.has(spec) for spec in specs), len(specs)

    def _maps(self, spec: "RetrainSpec | ControlSpec") -> str:
        return spec.attribution if spec.source is None else f"{self._name(spec.source)}, {spec.attribution}"

    def _name(self, source: "ClassifierSpec | SavedNetwork") -> str:
        if isinstance(source, SavedNetwork):
            return "your network"
        return next((str(e) for e in self.study.networks() if e.spec == source), "network")

    def _scratch(self) -> "Network":
        """The network that is trained for each cell in turn, so that only the first one pays for compiling."""
        from robint_tf.networks import classifiers

        if self._retrained is None:
            (spec, *_) = self.study.cells(None)
            self._retrained = classifiers.build(
                spec.architecture, variant=spec.variant, precision=spec.training.precision
            )
        return self._retrained


CELL_BYTES = 4096  # a cell's two small files and their folder
