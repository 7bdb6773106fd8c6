"""The studies as data. `paper` holds the authors' numbers with their notebooks; the others differ in values only."""

from dataclasses import dataclass, replace

from robint_tf.specs import PGD, ClassifierSpec, Training, Variant

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
