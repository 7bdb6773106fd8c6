"""What is trained, and against what: attacks, trainings, classifiers, VAE-GANs."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from robint_tf import checks
from robint_tf.catalogue import ARCHITECTURES, DATASETS, LOSSES, NORMS, VAE_GANS
from robint_tf.checks import as_written
from robint_tf.errors import InputError
from robint_tf.registry import Registry

Variant = Literal["authors", "paper", "corrected"]
Precision = Literal["float32", "mixed_bfloat16"]

VARIANTS: tuple[str, ...] = get_args(Variant)
"""`authors`: the published code; `paper`: the text where the two differ; `corrected`: where both are doubtful."""
PRECISIONS: tuple[str, ...] = get_args(Precision)


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
        registered(self, "norm", NORMS)
        registered(self, "loss", LOSSES)
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


def with_architecture(owner: Any, *, vae_gan: bool = False) -> None:
    """Check the parts, and fill in the data set's architecture where none is named: a spec always holds one.

    owner: the spec; vae_gan: whether its architecture is a VAE-GAN's. `ValueError` where the data set has none.
    """
    checks.kinds(owner)
    if not owner.architecture:
        info = DATASETS.get(owner.dataset)
        own = info and (info.vae_gan if vae_gan else info.architecture)
        if not own:
            raise InputError(f"the data set {owner.dataset!r} has no architecture of its own; name one.")
        object.__setattr__(owner, "architecture", own)
    if vae_gan or not owner.architecture.startswith(CUSTOM):
        registered(owner, "architecture", VAE_GANS if vae_gan else ARCHITECTURES)


def registered(owner: Any, name: str, registry: Registry, *others: str) -> None:
    """Check the field `name` of owner, in registry or one of others, and give it the full name that a recipe holds."""
    object.__setattr__(owner, name, registry.full_name(getattr(owner, name), *others))


def check_trades(beta: float | None, attack: PGD | None) -> None:
    """`ValueError` unless beta, of TRADES, is None, or a number of at least 0 beside an attack."""
    if beta is None:
        return
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 <= beta < float("inf"):
        raise InputError(f"trades is {beta!r}; give beta, a number of at least 0, such as 6.")
    if attack is None:
        raise InputError("trades is given without an attack; give the attack, too.")


LATER = {"later": True}
"""Metadata of a field that older recipes lack: it is left out of a recipe where it is None, so that these keep their
names in stores."""


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """A trained classifier: dataset, its first n_train training images (None: all), training, attack and variant.

    attack: None is standard training; else the network sees adversarial images only (appendix B). architecture: a name
    in `catalogue.ARCHITECTURES`, or what `classifiers.architecture_of` says of another network; by default the study's
    for the data set. trades: beta of TRADES (`robint_tf.training.trades`), which trains on clean and adversarial
    images, with the attack's norm, eps and steps and a divergence in place of its loss; None for the paper's training.
    """

    dataset: str
    training: Training
    attack: PGD | None = None
    n_train: int | None = None
    variant: Variant = "authors"
    architecture: str = ""
    trades: float | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        with_architecture(self)
        checks.choice(self, "variant", VARIANTS)
        checks.amounts(self, "n_train")
        check_trades(self.trades, self.attack)
        if self.trades is not None:
            object.__setattr__(self, "trades", checks.canonical(self.trades))


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
        with_architecture(self, vae_gan=True)
        checks.choice(self, "variant", VARIANTS)
        checks.count(self, "epochs", 0)
        checks.count(self, "batch_size", 1)
        checks.seed(self, "seed")
        checks.amounts(self, "n_train")
