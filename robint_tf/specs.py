"""Frozen descriptions of everything that the study makes. A spec is a complete recipe, and its hash is its name.

Floats are held in decimal canonical form (12 significant digits), so that 0.08, 8e-2 and the 0.30000000000000004 of a
loop are one and the same recipe. A value that is not allowed is refused with a `ValueError`.

All that changes a result, and where it is held:

    in the spec               architecture, precision, variant, seeds, attack, training, how many images
    in the key beside it      MATHEMATICS, and the shapes and hashes of the images and labels (`data.Fingerprint.key`)
    in `made_with`            versions of TensorFlow and Keras, device, processor, threads, determinism, XLA

What is in the key makes another artifact. What is in `made_with` (`robint_tf.store.provenance`) changes rounding only,
which training amplifies: such parts are the same recipe, and are not mixed unless the user allows it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from robint_tf import checks
from robint_tf.catalogue import ARCHITECTURES, ATTRIBUTIONS, DATASETS, LOSSES, NORMS, VAE_GANS
from robint_tf.checks import as_written
from robint_tf.errors import InputError
from robint_tf.registry import Registry

MATHEMATICS = 2
"""The version of what the package computes, part of every key; raise it when the numbers of any recipe move.

`tools/mathematics.py` digests what small runs compute, and a test compares: it fails when numbers move and this does
not. 1: version 0.1.0. 2: architecture and data shapes in the key; noise of projections drawn image by image; accuracy
by epoch kept with networks and cells; the loops of `robint_tf.networks.cpu_forward`, which round otherwise.
"""

Variant = Literal["authors", "paper", "corrected"]
Precision = Literal["float32", "mixed_bfloat16"]
Occlusion = Literal["remove", "keep"]

VARIANTS: tuple[str, ...] = get_args(Variant)
"""`authors`: the published code; `paper`: the text where the two differ; `corrected`: where both are doubtful."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
OCCLUSIONS: tuple[str, ...] = get_args(Occlusion)

RANDOM = "random"
"""The baseline among the attributions: no network is explained, pixels are drawn."""


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Projected gradient ascent on an attack loss inside a ball around the image (Kurakin et al., 2016).

    norm, loss: names in `catalogue.NORMS` and `LOSSES`. eps, step_size: in units of the [-1, 1] pixel range, twice the
    number of a [0, 1] range. A step larger than eps is allowed: the authors attack with it, so that most iterates lie
    on the sphere. n_steps: eps 0 or no steps leave the image as it is. random_start: whether to begin at a random point
    of the ball, drawn from `seed`, rather than at the image.
    """

    norm: str
    eps: float
    step_size: float
    n_steps: int = 40
    loss: str = "xent"
    random_start: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _registered(self, "norm", NORMS)
        _registered(self, "loss", LOSSES)
        checks.length(self, "eps")
        checks.length(self, "step_size")
        checks.count(self, "n_steps", 0)
        checks.flag(self, "random_start")
        checks.seed(self, "seed")

    @property
    def is_short(self) -> bool:
        """Whether the steps together cannot reach eps; with a random start they need not."""
        return not self.random_start and self.n_steps * self.step_size < self.eps * (1 - 1e-9)

    def __str__(self) -> str:
        start = f", random start (seed {self.seed})" if self.random_start else ""
        return (
            f"{self.norm} PGD, eps {as_written(self.eps)} on [-1, 1] pixels ({as_written(self.eps / 2)} on [0, 1]), "
            f"{self.n_steps} steps of {as_written(self.step_size)}, loss {self.loss}{start}"
        )


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a classifier is trained. The defaults are the authors' (their `trainers.py` and `classifiers.py`).

    epochs: from 0; batch_size: from 1; learning_rate: of Adam, above 0. shuffle: visit the examples in a new order in
    each epoch; the authors visit them in file order. seed: of the initial weights and, with shuffle, of these orders.
    precision: of the layers, "float32" or "mixed_bfloat16".
    """

    epochs: int
    batch_size: int = 100
    learning_rate: float = 1e-3
    shuffle: bool = False
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        checks.count(self, "epochs", 0)
        checks.count(self, "batch_size", 1)
        checks.number(self, "learning_rate", positive=True)
        checks.flag(self, "shuffle")
        checks.seed(self, "seed")
        checks.choice(self, "precision", PRECISIONS)


CUSTOM = "custom-"
"""How the names of architectures begin that are not registered: see `classifiers.architecture_of`."""


def _architecture(owner: Any, *, vae_gan: bool = False) -> None:
    """Check the parts, and fill in the data set's architecture where none is named: a spec always holds one."""
    checks.kinds(owner)
    if not owner.architecture:
        info = DATASETS.get(owner.dataset)
        own = info and (info.vae_gan if vae_gan else info.architecture)
        if not own:
            raise InputError(f"the data set {owner.dataset!r} has no architecture of its own; name one.")
        object.__setattr__(owner, "architecture", own)
    if vae_gan or not owner.architecture.startswith(CUSTOM):
        _registered(owner, "architecture", VAE_GANS if vae_gan else ARCHITECTURES)


def _registered(owner: Any, name: str, registry: Registry, *others: str) -> None:
    """Check a name, and give it the version that makes it a recipe if it is not the package's own."""
    object.__setattr__(owner, name, registry.full_name(getattr(owner, name), *others))


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """A trained classifier: dataset, its first n_train training images (None: all), training, attack and variant.

    attack: None is standard training; else the network sees adversarial images only (appendix B). architecture: a name
    in `catalogue.ARCHITECTURES`, or what `classifiers.architecture_of` says of another network; by default the study's
    for the data set.
    """

    dataset: str
    training: Training
    attack: PGD | None = None
    n_train: int | None = None
    variant: Variant = "authors"
    architecture: str = ""

    def __post_init__(self) -> None:
        _architecture(self)
        checks.choice(self, "variant", VARIANTS)
        checks.amounts(self, "n_train")


@dataclass(frozen=True, kw_only=True)
class VAEGANSpec:
    """A trained VAE-GAN: dataset, its first n_train training images (None: all), epochs and batch_size.

    Images are visited in file order, `round(N / batch_size)` batches an epoch (notebooks 1.1, 2.1, 3.1). seed: of the
    initial weights and the noise. Networks, optimisers and weights of the losses are those of architecture, a name in
    `catalogue.VAE_GANS` and by default the data set's, and variant.
    """

    dataset: str
    epochs: int
    batch_size: int = 100
    n_train: int | None = None
    seed: int = 0
    variant: Variant = "authors"
    architecture: str = ""

    def __post_init__(self) -> None:
        _architecture(self, vae_gan=True)
        checks.choice(self, "variant", VARIANTS)
        checks.count(self, "epochs", 0)
        checks.count(self, "batch_size", 1)
        checks.seed(self, "seed")
        checks.amounts(self, "n_train")


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
    explained, None for the random baseline. attribution: a name in `catalogue.ATTRIBUTIONS`, or "random". occlusion:
    "remove" (ROAR) or "keep" (KAR) the fraction of the pixels, inside (0, 1), that matters most. training: of the new
    network, with its seed; architecture: of the new network, as in `ClassifierSpec`. mask_seed: of random masks and of
    the noise that breaks ties. variant: also of the fill, see `occlusion.FILL_OF`.
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
        _architecture(self)
        _registered(self, "attribution", ATTRIBUTIONS, RANDOM)
        checks.choice(self, "occlusion", OCCLUSIONS)
        checks.choice(self, "variant", VARIANTS)
        checks.number(self, "fraction", positive=True)
        checks.seed(self, "mask_seed")
        if self.fraction >= 1:
            raise InputError(f"fraction is {self.fraction!r}; give a number between 0 and 1.")
        if (self.source is None) != (self.attribution == RANDOM):
            raise InputError(f"attribution is {self.attribution!r}; give a source network, or none for `random`.")
        checks.amounts(self, "n_train", "n_test")


def as_dict(spec: Any) -> dict[str, Any]:
    """A spec as plain JSON data, with the class names that a reader needs to rebuild it."""
    fields = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    return {
        "kind": type(spec).__name__,
        **{name: as_dict(v) if dataclasses.is_dataclass(v) else v for name, v in fields.items()},
    }


KINDS = (PGD, Training, ClassifierSpec, VAEGANSpec, DistanceSpec, AccuracySpec, CurveSpec, SavedNetwork, RetrainSpec)


def from_dict(data: dict[str, Any]) -> Any:
    """The inverse of `as_dict`. `ValueError` if the data name no spec of this module or hold unknown fields."""
    kinds = {kind.__name__: kind for kind in KINDS}
    fields = dict(data)
    kind = kinds.get(fields.pop("kind", ""))
    if kind is None:
        raise InputError(f"kind is {data.get('kind')!r}; choose one of {', '.join(kinds)}.")
    unknown = set(fields) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise InputError(
            f"{kind.__name__} has no field {', '.join(sorted(unknown))}; was it written by a newer version?"
        )
    return kind(**{k: from_dict(v) if isinstance(v, dict) else v for k, v in fields.items()})
