"""The studies as data. `paper` holds the authors' numbers with their notebooks; the others differ in values only."""

import json
import zlib
from dataclasses import dataclass, replace

from robint_tf import labels
from robint_tf.catalogue import DATASETS, sample_of
from robint_tf.checks import canonical
from robint_tf.errors import InputError
from robint_tf.paper import published
from robint_tf.registry import Registry
from robint_tf.specs import (
    FRACTIONS,
    OCCLUSIONS,
    PGD,
    RANDOM,
    ClassifierSpec,
    ControlSpec,
    RetrainSpec,
    SavedNetwork,
    Training,
    VAEGANSpec,
    Variant,
    as_dict,
)

STEP_SIZES = {"l2": 2.0, "linf": 0.02}
"""Step of every attack of the study, larger than most eps (all notebooks; the paper does not state it)."""


def epochs_of(dataset: str) -> int:
    """The authors' epochs for a data set or its sample. `ValueError` for a data set that they did not train on."""
    epochs = DATASETS[dataset].epochs
    if epochs is None:
        raise InputError(f"the record of the data set {dataset!r} names no epochs; give --epochs.")
    return epochs


@dataclass(frozen=True, kw_only=True)
class ToyStudy:
    """Section 2.2 (notebook 4.1): three networks, each trained from several seeds, and one attack on all."""

    training: Training
    train_attacks: dict[str, PGD | None]
    test_attack: PGD
    n_seeds: int
    variant: Variant = "authors"

    def classifiers(self) -> dict[str, list[ClassifierSpec]]:
        """The specs of each network, one per seed."""
        return {
            name: [
                ClassifierSpec(
                    dataset="toy",
                    training=replace(self.training, seed=seed),
                    attack=attack,
                    variant=self.variant,
                )
                for seed in range(self.n_seeds)
            ]
            for name, attack in self.train_attacks.items()
        }


_TOY = ToyStudy(
    training=Training(epochs=epochs_of("toy")),
    train_attacks={
        "standard": None,
        "weak": PGD(norm="l2", eps=0.25, step_size=STEP_SIZES["l2"]),
        "strong": PGD(norm="l2", eps=0.5, step_size=STEP_SIZES["l2"]),
    },
    test_attack=PGD(norm="l2", eps=1.0, step_size=STEP_SIZES["l2"]),
    n_seeds=20,
)
SECTION_2_2: Registry[ToyStudy] = Registry(
    "preset",
    {
        "smoke": replace(
            _TOY,
            training=Training(epochs=2),
            train_attacks={
                name: attack and replace(attack, step_size=attack.eps / 4, n_steps=8)
                for name, attack in _TOY.train_attacks.items()
            },
            n_seeds=2,
        ),
        "quick": replace(_TOY, n_seeds=3),
        "paper": _TOY,
    },
    versioned=False,
)


class Study:
    """What the studies on images share: the data set, the networks' training, and the attack in it. A base class."""

    dataset: str
    sample: bool
    training: Training
    n_steps: int
    step_sizes: dict[str, float]
    n_train: int | None
    n_test: int | None
    variant: Variant

    @property
    def source(self) -> str:
        """The data set as `data.load` names it."""
        return sample_of(self.dataset) if self.sample else self.dataset

    @property
    def standard(self) -> ClassifierSpec:
        """The standard network; in section 2.1 also the reference that decides whether an attack succeeded."""
        return ClassifierSpec(dataset=self.source, training=self.training, n_train=self.n_train, variant=self.variant)

    def robust(self, norm: str, loss: str, eps: float, *, seed: int | None = None) -> ClassifierSpec:
        """A network trained against PGD; seed: of the training, None for the study's own."""
        attack = PGD(
            norm=norm,
            eps=eps,
            step_size=self.step_sizes[norm],
            n_steps=self.n_steps,
            loss=LOSS_IN_TRAINING[self.variant][loss],
        )
        training = self.training if seed is None else replace(self.training, seed=seed)
        return replace(self.standard, training=training, attack=attack)


@dataclass(frozen=True, kw_only=True)
class ManifoldStudy(Study):
    """Section 2.1 on one data set (notebooks 1.1 to 1.3, 2.1 to 2.3, 3.1 to 3.3): 13 networks and a VAE-GAN.

    eps: of the networks' training attacks, weakest first, by norm. attack: made on every network, with either loss.
    """

    dataset: str
    training: Training
    eps: dict[str, tuple[float, float, float]]
    vae_gan_epochs: int
    step_sizes: dict[str, float]
    attack: PGD
    n_steps: int = 40
    n_train: int | None = None
    n_test: int | None = None
    vae_gan_n_train: int | None = None
    vae_gan_batch_size: int = 100
    pictured: int = 0  # test image of Figure 2
    explained: tuple[int, ...] = ()  # test images of Figure 6
    norms: tuple[str, ...] = ("l2", "linf")  # of Figure 1's panels
    losses: tuple[str, ...] = ("xent", "cw")
    sample: bool = False  # take the packaged sample instead of the data set
    variant: Variant = "authors"

    @property
    def vae_gan(self) -> VAEGANSpec:
        """The VAE-GAN that approximates the data set's manifold."""
        return VAEGANSpec(
            dataset=self.source,
            epochs=self.vae_gan_epochs,
            batch_size=self.vae_gan_batch_size,
            n_train=self.vae_gan_n_train,
            variant=self.variant,
        )

    def trained_with(self, norm: str, loss: str) -> str:
        """The loss that the networks of a panel are trained with.

        Notebook 2.3 loads the CW networks for the l2 XEnt panel of Fashion-MNIST; the authors' published panel shows
        them, too (its curves are those of the l2 CW panel on another scale).
        """
        swapped = self.variant == "authors" and (self.dataset, norm, loss) == ("fashion_mnist", "l2", "xent")
        return "cw" if swapped else loss

    def panels(self) -> dict[tuple[str, str], dict[str, ClassifierSpec]]:
        """Figure 1's panels by norm and loss; in each, the networks by their names in the legend, weakest first."""
        return {
            (norm, loss): {
                "Standard": self.standard,
                **{
                    f"{labels.NORMS[norm]} {eps:g} {labels.LOSSES[trained_with]}": self.robust(norm, trained_with, eps)
                    for eps in self.eps[norm]
                },
            }
            for norm in self.norms
            for loss in self.losses
            for trained_with in [self.trained_with(norm, loss)]
        }

    def gradient_networks(self) -> dict[str, ClassifierSpec]:
        """The networks of Figure 6: the standard one and the strongest against cross entropy of each norm."""
        return {
            "Standard": self.standard,
            "L-Inf Trained": self.robust("linf", "xent", self.eps["linf"][-1]),
            "L2 Trained": self.robust("l2", "xent", self.eps["l2"][-1]),
        }

    def test_attack(self, loss: str) -> PGD:
        """The attack that is analysed, with the loss named."""
        return replace(self.attack, loss=LOSS_IN_ANALYSIS[self.variant][loss])


LOSS_IN_TRAINING = {
    "authors": {"xent": "xent", "cw": "cw"},
    "paper": {"xent": "xent", "cw": "cw"},
    "corrected": {"xent": "xent", "cw": "cw_masked"},
}
LOSS_IN_ANALYSIS = {
    "authors": {"xent": "xent", "cw": "cw_unclamped"},
    "paper": {"xent": "xent", "cw": "cw_unclamped"},
    "corrected": {"xent": "xent", "cw": "cw_masked"},
}
"""The forms of the CW objective: the authors' `attacks.py` has one for training, and one as a comment for analysis."""

_ANALYSED = PGD(norm="l2", eps=12.0, step_size=STEP_SIZES["l2"])
_DIGITS = ManifoldStudy(  # notebooks 1.1 to 1.3
    dataset="mnist",
    training=Training(epochs=epochs_of("mnist")),
    eps={"l2": (1.0, 2.0, 4.0), "linf": (0.05, 0.1, 0.2)},
    step_sizes=STEP_SIZES,
    attack=_ANALYSED,
    vae_gan_epochs=30,
    explained=(1, 3, 5),
)
_PAPER_2_1 = {
    "mnist": _DIGITS,
    "fashion_mnist": replace(_DIGITS, dataset="fashion_mnist", vae_gan_epochs=60, explained=(1, 3, 7)),  # 2.1 to 2.3
    "cifar10": ManifoldStudy(  # notebooks 3.1 to 3.3; eps of l_inf from 3.3, which 3.2 does not train
        dataset="cifar10",
        training=Training(epochs=epochs_of("cifar10")),
        eps={"l2": (0.1, 0.4, 1.6), "linf": (0.005, 0.01, 0.02)},
        step_sizes=STEP_SIZES,
        attack=_ANALYSED,
        vae_gan_epochs=150,
        pictured=1,
        explained=(2, 10, 28),
    ),
}
_QUICK_TRAINING = {
    "mnist": Training(epochs=1, batch_size=50),
    "fashion_mnist": Training(epochs=1, batch_size=50),
    "cifar10": Training(epochs=3, batch_size=50),
}
_QUICK_STEP_SIZES = {
    "mnist": {"l2": 2.0, "linf": 0.08},
    "fashion_mnist": {"l2": 2.0, "linf": 0.08},
    "cifar10": STEP_SIZES,
}
_QUICK_VAE_GAN_EPOCHS = {"mnist": 3, "fashion_mnist": 1, "cifar10": 1}
"""With one, MNIST's is hardly better than a mean image."""
_QUICK_VAE_GAN_N_TRAIN = {"mnist": None, "fashion_mnist": None, "cifar10": 20_000}
_SECTION_2_1 = {
    "quick": {
        name: replace(
            study,
            training=_QUICK_TRAINING[name],
            n_train=10_000,
            step_sizes=_QUICK_STEP_SIZES[name],
            n_steps=5,
            n_test=500,
            vae_gan_epochs=_QUICK_VAE_GAN_EPOCHS[name],
            vae_gan_n_train=_QUICK_VAE_GAN_N_TRAIN[name],
            vae_gan_batch_size=50,
        )
        for name, study in _PAPER_2_1.items()
    },
    "smoke": {
        name: replace(
            study,
            training=Training(epochs=1, batch_size=20),
            losses=("xent",),
            n_train=100,
            step_sizes=_QUICK_STEP_SIZES[name],
            n_steps=2,
            attack=replace(study.attack, n_steps=4),
            n_test=20,
            vae_gan_epochs=1,
            vae_gan_n_train=200 if name != "cifar10" else 60,
            vae_gan_batch_size=20,
            sample=True,
        )
        for name, study in _PAPER_2_1.items()
    },
}
SECTION_2_1: Registry[dict[str, ManifoldStudy]] = Registry(
    "preset", {"smoke": _SECTION_2_1["smoke"], "quick": _SECTION_2_1["quick"], "paper": _PAPER_2_1}, versioned=False
)
"""By data set. `quick`: 10,000 training images, PGD-5 in training, 500 test images; `smoke`: the packaged sample."""


@dataclass(frozen=True, kw_only=True)
class ExplainedNetwork:
    """One network of the grid: the loss and norm it was trained against (None: standard training), eps and seed."""

    loss: str | None
    norm: str | None
    eps: float
    spec: ClassifierSpec

    def __str__(self) -> str:
        seed = self.spec.training.seed
        name = "standard" if self.loss is None else f"{self.norm} {self.loss} eps {self.eps:g}"
        return name + (f", seed {seed}" if seed else "")


@dataclass(frozen=True, kw_only=True)
class InterpretabilityStudy(Study):
    """Sections 3.2 and 3.3 (notebooks 3.4 and 3.5): ROAR and KAR of standard and adversarially trained networks.

    training: of the explained networks; retraining: of those that are trained on occluded images, from other seeds, see
    `retraining_seed`. fractions: of pixels removed or kept. methods: by which networks are explained. n_seeds:
    retrainings of a cell; n_baseline: of a cell of random pixels, where that is more. controls: whether maps that know
    no network are retrained on, too, and smoothed maps of the networks that `controlled` names.
    """

    training: Training
    retraining: Training
    eps: dict[str, tuple[float, ...]]
    losses: tuple[str, ...] = ("xent", "cw")
    methods: tuple[str, ...] = tuple(labels.ATTRIBUTIONS)
    fractions: tuple[float, ...] = FRACTIONS
    n_seeds: int = published.N_RETRAININGS
    n_baseline: int = 0
    n_explained: int = 1
    n_steps: int = 40
    step_sizes: dict[str, float]
    robust_attack: PGD
    dataset: str = "cifar10"
    n_train: int | None = None
    n_test: int | None = None
    n_attacked: int | None = None  # test images for robust accuracy
    controls: bool = False
    sample: bool = False
    variant: Variant = "authors"

    def networks(self) -> list[ExplainedNetwork]:
        """The explained networks: for each seed the standard one, then by loss and norm the weakest first."""
        networks = []
        for seed in range(self.n_explained):
            standard = replace(self.standard, training=replace(self.training, seed=seed))
            networks.append(ExplainedNetwork(loss=None, norm=None, eps=0.0, spec=standard))
            for loss in self.losses:
                for norm, radii in self.eps.items():
                    for eps in radii:
                        spec = self.robust(norm, loss, eps, seed=seed)
                        networks.append(ExplainedNetwork(loss=loss, norm=norm, eps=eps, spec=spec))
        return networks

    def controlled(self) -> set[ClassifierSpec]:
        """The networks whose smoothed maps are a control: standard, half as strong as the strongest, the strongest.

        Of the first seed and the first loss, in each norm.
        """
        chosen = {replace(self.standard, training=replace(self.training, seed=0))}
        for norm, radii in self.eps.items():
            half = min(radii, key=lambda eps: abs(eps - max(radii) / 2))
            chosen |= {self.robust(norm, self.losses[0], eps, seed=0) for eps in (half, max(radii))}
        return chosen

    def attributions(self, source: ClassifierSpec | SavedNetwork | None) -> tuple[str, ...]:
        """Whose pixels are removed and kept: of an explained network, or without one."""
        if source is None:
            return (RANDOM, *UNAWARE) if self.controls else (RANDOM,)
        return self.methods + (SMOOTHED if self.controls and source in self.controlled() else ())

    def shapes(self, source: ClassifierSpec | SavedNetwork | None) -> list[ControlSpec]:
        """What is measured of maps and masks themselves."""
        return [
            ControlSpec(
                dataset=self.source,
                source=source,
                attribution=attribution,
                n_train=self.n_train,
                n_test=self.n_test,
                variant=self.variant,
            )
            for attribution in self.attributions(source)
        ]

    def cells(self, source: ClassifierSpec | SavedNetwork | None) -> list[RetrainSpec]:
        """The retrainings of one explained network, or of what knows none for None, best order for `Occluder`.

        Every score has the random baseline in it, so that is drawn more often, each time with other pixels.
        """
        seeds = [retraining_seed(source, i) for i in range(max(self.n_seeds, self.n_baseline))]
        return [
            RetrainSpec(
                dataset=self.source,
                source=source,
                attribution=attribution,
                occlusion=occlusion,  # type: ignore[arg-type]
                fraction=fraction,
                training=replace(self.retraining, seed=seed),
                n_train=self.n_train,
                n_test=self.n_test,
                mask_seed=i if attribution == RANDOM else 0,  # maps are ranked once
                variant=self.variant,
            )
            for attribution in self.attributions(source)
            for occlusion in OCCLUSIONS
            for fraction in self.fractions
            for i, seed in enumerate(seeds if attribution == RANDOM else seeds[: self.n_seeds])
        ]


def retraining_seed(source: ClassifierSpec | SavedNetwork | None, i: int) -> int:
    """The seed of the i-th retraining on maps of a network, another one for each network; None: of what knows none.

    From one seed for all, what these initial weights make of rough or smooth maps would go with attack strength, and no
    number of networks would show it in an interval.
    """
    if source is None:
        return FIRST_RETRAINING_SEED + i
    from robint_tf.runtime.seeds import derive_seed

    recipe = json.dumps(as_dict(source), sort_keys=True)
    return derive_seed(FIRST_RETRAINING_SEED, zlib.crc32(recipe.encode()), i)


ATTRIBUTIONS = tuple(labels.ATTRIBUTIONS)
SMOOTHED = ("gradient_maximum", "gradient_gaussian")
UNAWARE = ("edges", "centre")
"""Controls: smoothed maps of a network, and maps that know none."""
FIRST_RETRAINING_SEED = 1000
"""Apart from the seeds of the explained networks, which would otherwise start from the same weights."""

_GRID = InterpretabilityStudy(  # notebook 3.4; the paper's text says l_inf up to 0.4, its networks go to 0.04
    training=Training(epochs=epochs_of("cifar10")),
    retraining=Training(epochs=epochs_of("cifar10")),
    eps={
        "l2": tuple(canonical(0.08 * i) for i in range(1, 21)),
        "linf": tuple(canonical(0.002 * i) for i in range(1, 21)),
    },
    step_sizes=STEP_SIZES,
    robust_attack=PGD(norm="l2", eps=0.4, step_size=STEP_SIZES["l2"]),
    n_baseline=5,  # with those of the other test, which is the same distribution, ten
)
_POWERED = replace(
    _GRID,
    eps={
        "l2": tuple(canonical(0.32 * i) for i in range(1, 6)),
        "linf": tuple(canonical(0.008 * i) for i in range(1, 6)),
    },
    losses=("xent",),
    n_steps=7,
    n_explained=13,
    n_seeds=1,
    n_attacked=1000,
)
"""More networks, fewer retrainings of each: the network is what is replicated, and a retraining costs as much as it.

A fifth of the authors' eps, at which the many networks find a slope of the size of the authors' KAR (G) with cross
entropy with a probability of 80%, by the test that the report makes, see `beyond.power`. Attacks of 7 steps reach about
the same loss as those of 40 (docs/results.md shows it of two networks).
"""
_SECTION_3_2 = {
    "quick": replace(
        _GRID,
        training=Training(epochs=6, batch_size=50),
        retraining=Training(epochs=6, batch_size=50),
        eps={"l2": (0.16, 0.4, 0.8, 1.2, 1.6), "linf": (0.004, 0.01, 0.02, 0.03, 0.04)},
        losses=("xent",),
        fractions=(0.1, 0.5, 0.9),
        n_seeds=1,
        n_steps=7,
        n_train=10_000,
        n_attacked=500,
    ),
    "smoke": replace(
        _GRID,
        training=Training(epochs=1, batch_size=50),
        retraining=Training(epochs=1, batch_size=50),
        eps={"l2": (0.8, 1.6), "linf": (0.02, 0.04)},
        losses=("xent",),
        fractions=(0.1, 0.9),
        n_seeds=1,
        n_baseline=1,
        n_steps=2,
        n_train=100,
        n_test=50,
        n_attacked=20,
        sample=True,
    ),
}
SECTION_3_2: Registry[InterpretabilityStudy] = Registry(
    "preset",
    {"smoke": _SECTION_3_2["smoke"], "quick": _SECTION_3_2["quick"], "powered": _POWERED, "paper": _GRID},
    versioned=False,
)
"""`quick`: 10,000 training images, 5 eps a norm, cross entropy, 3 fractions, one retraining each."""


DEMO_2_1 = replace(
    SECTION_2_1["smoke"]["mnist"],
    training=Training(epochs=2, batch_size=20),
    n_train=1000,
    step_sizes={"l2": 2.0, "linf": 0.1},  # two steps reach the largest eps
    attack=replace(SECTION_2_1["smoke"]["mnist"].attack, n_steps=10),
    n_test=100,
    norms=("l2",),
    losses=("xent",),
    vae_gan_n_train=None,
)
"""One panel of Figure 1, and Figures 2 and 6. Its VAE-GAN is too weak to stand for the manifold, as the demo says."""

DEMO_3_2 = InterpretabilityStudy(
    training=DEMO_2_1.training,
    retraining=DEMO_2_1.training,
    eps={"l2": DEMO_2_1.eps["l2"][-1:]},
    losses=("xent",),
    methods=("gradient",),
    fractions=(0.1,),
    n_seeds=1,
    n_steps=DEMO_2_1.n_steps,
    step_sizes=DEMO_2_1.step_sizes,
    robust_attack=PGD(norm="linf", eps=0.4, step_size=0.1, n_steps=10),
    dataset="mnist",
    n_train=DEMO_2_1.n_train,
    sample=True,
)
"""Two of these networks, attacked and explained: enough to see adversarial training work, too few for a figure."""
