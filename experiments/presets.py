"""The studies as data. `paper` holds the authors' numbers with their notebooks; the others differ in values only."""

from dataclasses import dataclass, replace

from robint_tf.specs import PGD, ClassifierSpec, Training, VAEGANSpec, Variant

PRESETS = ("smoke", "quick", "paper")

EPOCHS = {"toy": 10, "mnist": 5, "fashion_mnist": 5, "cifar10": 20}
"""Epochs of every classifier of a data set (notebooks 1.1, 2.1, 3.1, 4.1; appendix A.2)."""

STEP_SIZES = {"l2": 2.0, "linf": 0.02}
"""Step of every attack of the study, larger than most eps (all notebooks; the paper does not state it)."""


def epochs_of(dataset: str) -> int:
    """The authors' epochs for a data set or its sample."""
    return EPOCHS[dataset.removesuffix("_sample")]


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
    training=Training(epochs=EPOCHS["toy"]),
    train_attacks={
        "standard": None,
        "weak": PGD(norm="l2", eps=0.25, step_size=STEP_SIZES["l2"]),
        "strong": PGD(norm="l2", eps=0.5, step_size=STEP_SIZES["l2"]),
    },
    test_attack=PGD(norm="l2", eps=1.0, step_size=STEP_SIZES["l2"]),
    n_seeds=20,
)
SECTION_2_2 = {
    "paper": _TOY,
    "quick": replace(_TOY, n_seeds=3),
    "smoke": replace(_TOY, training=Training(epochs=2), n_seeds=2),
}


@dataclass(frozen=True, kw_only=True)
class ManifoldStudy:
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
    def source(self) -> str:
        """The data set as `data.load` names it."""
        return f"{self.dataset}_sample" if self.sample else self.dataset

    @property
    def standard(self) -> ClassifierSpec:
        """The standard network, which also judges whether an attack succeeded."""
        return ClassifierSpec(dataset=self.source, training=self.training, n_train=self.n_train, variant=self.variant)

    def robust(self, norm: str, loss: str, eps: float) -> ClassifierSpec:
        """A network trained against PGD."""
        attack = PGD(
            norm=norm,  # type: ignore[arg-type]
            eps=eps,
            step_size=self.step_sizes[norm],
            n_steps=self.n_steps,
            loss=LOSS_IN_TRAINING[self.variant][loss],  # type: ignore[arg-type]
        )
        return replace(self.standard, attack=attack)

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
                    f"{NORM_LABELS[norm]} {eps:g} {LOSS_LABELS[loss]}": self.robust(
                        norm, self.trained_with(norm, loss), eps
                    )
                    for eps in self.eps[norm]
                },
            }
            for norm in self.norms
            for loss in self.losses
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
        return replace(self.attack, loss=LOSS_IN_ANALYSIS[self.variant][loss])  # type: ignore[arg-type]


NORM_LABELS = {"l2": "L2", "linf": "L-Inf"}
LOSS_LABELS = {"xent": "XEnt", "cw": "CW"}

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
    training=Training(epochs=EPOCHS["mnist"]),
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
        training=Training(epochs=EPOCHS["cifar10"]),
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
_QUICK_VAE_GAN_N_TRAIN = {"mnist": None, "fashion_mnist": None, "cifar10": 20_000}
SECTION_2_1 = {
    "paper": _PAPER_2_1,
    "quick": {
        name: replace(
            study,
            training=_QUICK_TRAINING[name],
            n_train=10_000,
            step_sizes=_QUICK_STEP_SIZES[name],
            n_steps=5,
            n_test=500,
            vae_gan_epochs=1,
            vae_gan_n_train=_QUICK_VAE_GAN_N_TRAIN[name],
            vae_gan_batch_size=50,
        )
        for name, study in _PAPER_2_1.items()
    },
    "smoke": {
        name: replace(
            study,
            training=Training(epochs=1, batch_size=20),
            n_train=200,
            step_sizes=_QUICK_STEP_SIZES[name],
            n_steps=2,
            attack=replace(study.attack, n_steps=8),
            n_test=40,
            vae_gan_epochs=1,
            vae_gan_n_train=100 if name == "cifar10" else None,
            vae_gan_batch_size=20,
            sample=True,
        )
        for name, study in _PAPER_2_1.items()
    },
}
"""`quick`: 10,000 training images, PGD-5 in training, 500 attacked test images; `smoke`: the packaged sample."""


DEMO_2_1 = replace(
    SECTION_2_1["smoke"]["mnist"],
    n_train=1000,
    n_test=200,
    norms=("l2",),
    losses=("xent",),
    vae_gan_epochs=10,
)
"""One panel of Figure 1, with the least training that makes the VAE-GAN's projections better than a constant image."""

DEMO_NETWORKS = {
    "standard": ClassifierSpec(dataset="mnist_sample", training=Training(epochs=5)),
    "adversarial": ClassifierSpec(
        dataset="mnist_sample",
        training=Training(epochs=5),
        attack=PGD(norm="linf", eps=0.4, step_size=0.1, n_steps=5),
    ),
}
"""Two networks on 1,000 packaged digits: enough to see adversarial training work, too few for the paper's numbers."""

DEMO_ATTACK = PGD(norm="linf", eps=0.4, step_size=0.1)
