"""What is measured on networks, each in a spec that names the networks that it needs."""

from dataclasses import dataclass
from typing import Literal, get_args

from robint_tf import checks
from robint_tf.catalogue import ATTRIBUTIONS
from robint_tf.errors import InputError
from robint_tf.specs.networks import (
    PGD,
    VARIANTS,
    ClassifierSpec,
    Training,
    VAEGANSpec,
    Variant,
    registered,
    with_architecture,
)

Occlusion = Literal["remove", "keep"]
OCCLUSIONS: tuple[str, ...] = get_args(Occlusion)

RANDOM = "random"
"""The baseline among the attributions: no network is explained, pixels are drawn."""


@dataclass(frozen=True, kw_only=True)
class DistanceSpec:
    """Distances to the manifold of the first `n_test` test images, attacked on one classifier (section 2.1).

    `attack` None leaves the images as they are. `reference` is the network by whose predictions the authors tell which
    attacks succeeded: the standard one. `seed` is that of the noise of the projections.
    """

    classifier: ClassifierSpec
    reference: ClassifierSpec
    vae_gan: VAEGANSpec
    attack: PGD | None = None
    n_test: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        checks.kinds(self)
        checks.seed(self, "seed")
        checks.amounts(self, "n_test")


@dataclass(frozen=True, kw_only=True)
class AccuracySpec:
    """Accuracy of a trained classifier on the first `n_test` test images, clean or under an attack."""

    classifier: ClassifierSpec
    attack: PGD | None = None
    n_test: int | None = None

    def __post_init__(self) -> None:
        checks.kinds(self)
        checks.amounts(self, "n_test")


@dataclass(frozen=True, kw_only=True)
class CurveSpec:
    """Test accuracy of a classifier after every epoch of its training, on all test images of the data set."""

    classifier: ClassifierSpec

    def __post_init__(self) -> None:
        checks.kinds(self)


@dataclass(frozen=True, kw_only=True)
class SavedNetwork:
    """A user's network, known by the SHA-256 of its weights and configuration (`classifiers.fingerprint`)."""

    sha256: str

    def __post_init__(self) -> None:
        checks.kinds(self)


@dataclass(frozen=True, kw_only=True)
class RetrainSpec:
    """One cell of the grid of sections 3.2 and 3.3: accuracy after retraining on images with pixels replaced.

    source: the network that is explained, None for the random baseline. fraction: of the pixels removed ("remove",
    ROAR) or kept ("keep", KAR), inside (0, 1). training: of the new network, with its seed; architecture: of the new
    network, as in `ClassifierSpec`. mask_seed: of random masks and of the noise that breaks ties.
    """

    dataset: str
    source: ClassifierSpec | SavedNetwork | None
    attribution: str
    occlusion: Occlusion
    fraction: float
    training: Training
    n_train: int | None = None
    n_test: int | None = None
    mask_seed: int = 0
    variant: Variant = "authors"
    architecture: str = ""

    def __post_init__(self) -> None:
        with_architecture(self)
        registered(self, "attribution", ATTRIBUTIONS, RANDOM)
        checks.choice(self, "occlusion", OCCLUSIONS)
        checks.choice(self, "variant", VARIANTS)
        checks.number(self, "fraction", positive=True)
        checks.seed(self, "mask_seed")
        if self.fraction >= 1:
            raise InputError(f"fraction is {self.fraction!r}; give a number between 0 and 1.")
        if (self.source is None) != (self.attribution == RANDOM):
            raise InputError(f"attribution is {self.attribution!r}; `random` and no other has no source network.")
        checks.amounts(self, "n_train", "n_test")
