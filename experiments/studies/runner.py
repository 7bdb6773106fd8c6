"""What the studies share: their specs, the data and the store that these need, and what of it the store lacks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from robint_tf.catalogue import origin
from robint_tf.settings import gradients_of
from robint_tf.specs import (
    PGD,
    AccuracySpec,
    ClassifierSpec,
    ControlSpec,
    DistanceSpec,
    RetrainSpec,
    VAEGANSpec,
    as_dict,
)

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset

    from ..run import Run
    from .presets import Study

Artifact = ClassifierSpec | VAEGANSpec | AccuracySpec | DistanceSpec | RetrainSpec | ControlSpec
"""What the studies consist of."""

VAE_GAN_PASSES = {"mnist": 7, "fashion_mnist": 7, "cifar10": 64}
"""What an image costs in a VAE-GAN's training step, in passes through the data set's classifier, by `flops`."""


def attack_passes(attack: PGD | None) -> int:
    """Passes of an image through a network when it is attacked, or not, and classified; a gradient takes two."""
    return 1 + 2 * (attack.n_steps if attack else 0)


class Runner:
    """A study on its data, with a store: a base class. dataset, run: set by the study."""

    dataset: "Dataset"
    run: "Run"

    def has(self, spec: Artifact) -> bool:
        """Whether the store holds what `spec` describes."""
        return self.run.store.has(spec, *self._inputs(spec))

    def powers(self) -> list[dict[str, Any]]:
        """What effects the study would find, as `beyond.power.powers` says; none where nobody has asked."""
        return []

    def announce(self, specs: Iterable[Artifact], unit: str = "piece") -> None:
        """Tell the display what is going to be fetched or made; unit: what each of them is called."""
        specs = list(specs)
        missing = {spec: self._passes(spec) for spec in specs if not self.has(spec)}
        self.run.display.job(unit, len(specs), missing)

    def _inputs(self, spec: Artifact) -> tuple[str, ...]:
        """The data that an artifact is made from, as the store's keys name them."""
        train, test = self.dataset.train, self.dataset.test
        if isinstance(spec, ClassifierSpec | VAEGANSpec):
            return (train.take(spec.n_train).fingerprint.key,)
        if isinstance(spec, DistanceSpec):  # its networks and its VAE-GAN take parts of their own
            return train.fingerprint.key, test.take(spec.n_test).fingerprint.key
        n_train = spec.n_train if isinstance(spec, RetrainSpec | ControlSpec) else spec.classifier.n_train
        return train.take(n_train).fingerprint.key, test.take(spec.n_test).fingerprint.key

    def _passes(self, spec: Artifact) -> float:
        """How much work an artifact is, in passes of an image through a classifier, of which a gradient takes two."""
        if isinstance(spec, AccuracySpec | DistanceSpec):
            return (spec.n_test or len(self.dataset.test.y)) * attack_passes(spec.attack)
        n_train = spec.n_train or len(self.dataset.train.y)
        if isinstance(spec, ControlSpec):
            return 3 * gradients_of(spec.attribution) * (n_train + (spec.n_test or len(self.dataset.test.y)))
        images = n_train * _epochs(spec)
        if isinstance(spec, VAEGANSpec):
            return images * VAE_GAN_PASSES[origin(spec.dataset)]
        return images * (2 + attack_passes(spec.attack if isinstance(spec, ClassifierSpec) else None))


class ImageRunner(Runner):
    """A study on images, a base class too. study: set by those derived from it."""

    study: "Study"

    def about(self) -> dict[str, Any]:
        """What every results file says of its networks and data."""
        study = self.study
        return {
            "dataset": study.source,
            "train_data": self.dataset.train.take(study.n_train).fingerprint.as_json(),
            "test_data": self.dataset.test.take(study.n_test).fingerprint.as_json(),
            "test_data_verified": self.dataset.verified,
            "training": as_dict(study.training),
            "training_attack_steps": study.n_steps,
            "training_attack_step_sizes": study.step_sizes,
        }


def _epochs(spec: ClassifierSpec | VAEGANSpec | RetrainSpec) -> int:
    return spec.epochs if isinstance(spec, VAEGANSpec) else spec.training.epochs
