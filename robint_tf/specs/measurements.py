"""What is measured on networks, each in a spec that names the networks that it needs."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from robint_tf import checks
from robint_tf.catalogue import ATTRIBUTIONS, NETWORK_FREE
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

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the pixels that are removed or kept in section 3.2, and wherever else pixels are taken in order."""

RANK_TOLERANCE = 1e-3
"""Singular values of a decoder's Jacobian up to this share of the greatest count as none.

Along such a direction a step that changes the whole image by 8, in l2 on [-1, 1] pixels, along the steepest one changes
it by one grey level of one pixel; and float32 rounds a derivative to a few parts in a million.
"""

RANDOM = "random"
"""The baseline among the attributions: no network is explained, pixels are drawn."""

Order = Literal["most", "least"]
ORDERS: tuple[Order, ...] = get_args(Order)
"""Which pixels ROAD takes away first: the most relevant (MoRF), or the least (LeRF)."""


@dataclass(frozen=True, kw_only=True)
class DistanceSpec:
    """Distances to the manifold of the first `n_test` test images, attacked on a classifier (section 2.1).

    attack: None leaves the images as they are. reference: the network by whose predictions the authors decide which
    attacks succeeded, the standard one. vae_gan: what stands for the manifold. seed: of the noise of the projections.
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
    """A user's network, known by sha256, a hash of its weights and configuration (`classifiers.fingerprint`)."""

    sha256: str

    def __post_init__(self) -> None:
        checks.kinds(self)


@dataclass(frozen=True, kw_only=True)
class RetrainSpec:
    """One cell of the grid of sections 3.2 and 3.3: accuracy after retraining on images with pixels replaced.

    dataset, n_train, n_test: the data, and how many of its first images (None: all). source: the network that is
    explained, None for maps that know none. attribution: a name in `catalogue.ATTRIBUTIONS`; without a source "random",
    or a name in `catalogue.NETWORK_FREE`. occlusion: "remove" (ROAR) or "keep" (KAR) the fraction of the pixels, inside
    (0, 1), that matters most. training: of the new network, with its seed; architecture: of the new network, as in
    `ClassifierSpec`. mask_seed: of random masks and of the noise that breaks ties. variant: also of the fill, see
    `occlusion.FILL_OF`.
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
        _with_maps(self)
        checks.choice(self, "occlusion", OCCLUSIONS)
        checks.choice(self, "variant", VARIANTS)
        _share(self)
        checks.seed(self, "mask_seed")
        checks.amounts(self, "n_train", "n_test")


def _with_maps(owner: "RetrainSpec | ControlSpec") -> None:
    """`ValueError` unless the attribution is one of networks, or, without a source, one that knows none."""
    if owner.source is None:
        registered(owner, "attribution", NETWORK_FREE, RANDOM)
    else:
        registered(owner, "attribution", ATTRIBUTIONS)


def _share(owner: "RetrainSpec | RoadSpec") -> None:
    """`ValueError` unless the fraction lies inside (0, 1)."""
    checks.number(owner, "fraction", positive=True)
    if owner.fraction >= 1:
        raise InputError(f"fraction is {owner.fraction!r}; give a number between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class ControlSpec:
    """What is measured of an attribution's maps and masks themselves: how clustered, how sparse, what masks give away.

    dataset, source, attribution, n_train, n_test, mask_seed, variant: of cells (`RetrainSpec`) whose maps and masks
    these are; the random baseline has masks only. fractions: of the pixels in the masks, rising inside (0, 1).
    """

    dataset: str
    source: ClassifierSpec | SavedNetwork | None
    attribution: str
    n_train: int | None = None
    n_test: int | None = None
    mask_seed: int = 0
    variant: Variant = "authors"
    fractions: tuple[float, ...] = FRACTIONS

    def __post_init__(self) -> None:
        checks.kinds(self)
        _with_maps(self)
        checks.choice(self, "variant", VARIANTS)
        object.__setattr__(self, "fractions", tuple(map(checks.canonical, self.fractions)))  # JSON has lists
        if not all(a < b for a, b in pairwise((0.0, *self.fractions, 1.0))) or not self.fractions:
            raise InputError(f"fractions are {list(self.fractions)}; give rising numbers inside (0, 1).")
        checks.seed(self, "mask_seed")
        checks.amounts(self, "n_train", "n_test")


@dataclass(frozen=True, kw_only=True)
class RoadSpec:
    """One point of a curve of ROAD: which test images a network classifies rightly without some of their pixels.

    dataset, n_test: the data, and how many of its first test images (None: all). source: the network. attribution: a
    name in `catalogue.ATTRIBUTIONS` or `NETWORK_FREE`, explained in this variant. fraction: of the pixels that are
    imputed, inside (0, 1); order: "most" or "least" relevant ones. noise: its standard deviation on [-1, 1] pixels.
    seed: of the noise and of what breaks ties.
    """

    dataset: str
    source: SavedNetwork
    attribution: str
    order: Order
    fraction: float
    noise: float
    n_test: int | None = None
    seed: int = 0
    variant: Variant = "authors"

    def __post_init__(self) -> None:
        checks.kinds(self)
        registered(self, "attribution", NETWORK_FREE if self.attribution in NETWORK_FREE else ATTRIBUTIONS)
        checks.choice(self, "order", ORDERS)
        checks.choice(self, "variant", VARIANTS)
        checks.number(self, "noise")
        _share(self)
        checks.seed(self, "seed")
        checks.amounts(self, "n_test")


@dataclass(frozen=True, kw_only=True)
class GradientSpec:
    """How the loss gradient of a classifier lies to the data manifold, on a few test images.

    classifier: None for the difference to the nearest training image of the same class in the place of the gradient.
    vae_gan: what stands for the manifold. first: the place of the first of the images among the test images; with
    `seed` it decides the random directions. tolerance: see `RANK_TOLERANCE`.
    """

    classifier: ClassifierSpec | None
    vae_gan: VAEGANSpec
    first: int = 0
    seed: int = 0
    tolerance: float = RANK_TOLERANCE

    def __post_init__(self) -> None:
        checks.kinds(self)
        checks.number(self, "tolerance")
        checks.count(self, "first", 0)
        checks.seed(self, "seed")


@dataclass(frozen=True, kw_only=True)
class OwnGradientSpec:
    """What `study.gradient_measures` measures at a few images of the loss gradient of a user's network, source.

    vae_gan: what stands for the manifold, known as the network is; None for the measures that need none. first: the
    place of the first of the images among all that are measured; with `seed` it decides the random directions. variant:
    of J. tolerance: see `RANK_TOLERANCE`. Training images, for the directions in which these hardly vary, are named in
    the key beside it.
    """

    source: SavedNetwork
    vae_gan: SavedNetwork | None = None
    first: int = 0
    seed: int = 0
    variant: Variant = "corrected"
    tolerance: float = RANK_TOLERANCE

    def __post_init__(self) -> None:
        checks.kinds(self)
        checks.number(self, "tolerance")
        checks.choice(self, "variant", VARIANTS)
        checks.count(self, "first", 0)
        checks.seed(self, "seed")
