"""What is trained, and against what: attacks, trainings, classifiers, VAE-GANs."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from robint_tf import checks
from robint_tf.catalogue import ARCHITECTURES, DATASETS, LOSSES, NORMS
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

    `eps` and `step_size` are in units of the [-1, 1] pixel range, twice the number of a [0, 1] range. A step
    larger than eps is allowed: the authors attack with it, so that most iterates lie on the sphere. eps 0 or no steps
    leave the image as it is. `ValueError` for a number that is negative, NaN or too large to be squared, and an unknown
    norm or loss.
    """

    norm: str
    eps: float
    step_size: float
    n_steps: int = 40
    loss: str = "xent"
    random_start: bool = False
    seed: int = 0  # of the random start

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
            f"{self.norm} PGD, eps {checks.told(self.eps)} on [-1, 1] pixels ({checks.told(self.eps / 2)} on [0, 1]), "
            f"{self.n_steps} steps of {checks.told(self.step_size)}, loss {self.loss}{start}"
        )


def fgsm(eps: float, *, loss: str = "xent") -> PGD:
    """The fast gradient sign method (Goodfellow et al., 2015): one l_inf step of length eps."""
    return PGD(norm="linf", eps=eps, step_size=eps, n_steps=1, loss=loss)


def bim(eps: float, *, n_steps: int = 10, step_size: float | None = None, loss: str = "xent") -> PGD:
    """The basic iterative method (Kurakin et al., 2016): l_inf steps of eps / n_steps unless told otherwise."""
    step = eps / max(n_steps, 1) if step_size is None else step_size
    return PGD(norm="linf", eps=eps, step_size=step, n_steps=n_steps, loss=loss)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a classifier is trained. The defaults are the authors' (their `trainers.py` and `classifiers.py`)."""

    epochs: int
    batch_size: int = 100
    learning_rate: float = 1e-3
    shuffle: bool = False  # the authors visit the examples in file order, in every epoch
    seed: int = 0  # of the initial weights and, with shuffle, of every epoch's order
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
    """Check the parts, and fill in the data set's architecture where none is named: a spec always holds one."""
    checks.kinds(owner)
    if not owner.architecture:
        info = DATASETS.get(owner.dataset)
        own = info and (info.vae_gan if vae_gan else info.architecture)
        if not own:
            raise InputError(f"the data set {owner.dataset!r} has no architecture of its own; name one.")
        object.__setattr__(owner, "architecture", own)
    if not vae_gan and not owner.architecture.startswith(CUSTOM):
        registered(owner, "architecture", ARCHITECTURES)


def registered(owner: Any, name: str, registry: Registry, *others: str) -> None:
    """Check a name, and give it the version that makes it a recipe if it is not the package's own."""
    object.__setattr__(owner, name, registry.full_name(getattr(owner, name), *others))


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """A trained classifier: data set, how many of its first training images, training, and the attack trained against.

    `attack` None is standard training; with an attack the network sees adversarial images only (appendix B).
    architecture: a name in `catalogue.ARCHITECTURES`, or what `classifiers.architecture_of` says of another network;
    by default the study's for the data set.
    """

    dataset: str
    training: Training
    attack: PGD | None = None
    n_train: int | None = None
    variant: Variant = "authors"
    architecture: str = ""

    def __post_init__(self) -> None:
        with_architecture(self)
        checks.choice(self, "variant", VARIANTS)
        checks.amounts(self, "n_train")


@dataclass(frozen=True, kw_only=True)
class VAEGANSpec:
    """A trained VAE-GAN: data set, how many of its first training images, epochs and batch size.

    Images are visited in file order, `round(N / batch_size)` batches an epoch (notebooks 1.1, 2.1, 3.1); networks,
    optimisers and weights of the losses are those of architecture and variant.
    """

    dataset: str
    epochs: int
    batch_size: int = 100
    n_train: int | None = None
    seed: int = 0  # of the initial weights and the noise
    variant: Variant = "authors"
    architecture: str = ""

    def __post_init__(self) -> None:
        with_architecture(self, vae_gan=True)
        checks.choice(self, "variant", VARIANTS)
        checks.count(self, "epochs", 0)
        checks.count(self, "batch_size", 1)
        checks.seed(self, "seed")
        checks.amounts(self, "n_train")
