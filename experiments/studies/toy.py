"""Section 2.2 in numbers: networks on two Gaussians, their boundaries, and where attacks lead (notebook 4.1)."""

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..run import Run
from .estimate import Costs, Work, Workload, classifier_flops, classifier_seconds, training_work, workload
from .presets import ToyStudy
from .runner import Runner

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset
    from robint_tf.networks.classifiers import Network

TITLES = {
    "standard": "Standard Training",
    "weak": "Adv. Training (Weak)",
    "strong": "Adv. Training (Strong)",
}


NOTE = "drawn from seed 0; margin: logit of Class 2 minus that of Class 1 on a lattice over [-1.1, 1.1]^2"


class ToyRunner(Runner):
    """Fetches each network from the store, or trains it, and measures it."""

    name = "toy"

    def __init__(self, study: ToyStudy, run: Run) -> None:
        from robint_tf import data
        from robint_tf.networks import classifiers

        self.study, self.run = study, run
        self.dataset = data.load("toy")
        # one network for all: the second training compiles nothing
        self._network = classifiers.build("gaussian_mlp", variant=study.variant)

    def workloads(self) -> list[Workload]:
        """What the section consists of, and what of it the store lacks."""
        n_train, n_test = len(self.dataset.train.y), len(self.dataset.test.y)
        specs = [spec for of_name in self.study.classifiers().values() for spec in of_name]
        weights = 4 * self._network.count_params()
        attack = Work(attack_steps=n_test * self.study.test_attack.n_steps)
        return [
            workload("networks to train", specs, self.has, lambda spec: training_work(spec, n_train, weights)),
            workload("networks to attack", specs, lambda spec: False, lambda spec: attack),  # never stored
        ]

    def seconds(self, budget: float = 0.0) -> Costs:
        """What a unit of work takes on this device, measured for `budget` seconds, at least once."""
        return classifier_seconds(self._network, self.dataset.train, self.study.training.batch_size, budget)

    def flops(self) -> Costs:
        """What a unit of work takes in floating-point operations."""
        return classifier_flops(self._network, self.dataset.train.x.shape[1:])

    def measure(self) -> dict[str, Any]:
        """Train or fetch every network of the study, and take the numbers and the panels of Figure 3b."""
        from robint_tf import recipes
        from robint_tf.paper import published
        from robint_tf.store import results

        study, run, dataset, network = self.study, self.run, self.dataset, self._network
        networks: list[dict[str, Any]] = []
        panels = []
        self.announce((spec for specs in study.classifiers().values() for spec in specs), unit="network")
        for name, specs in study.classifiers().items():
            seeds = []
            for spec in specs:
                run.display.begin(f"{TITLES[name]}, seed {spec.training.seed}", spec)
                trained = recipes.classifier(spec, dataset, run.store, network=network, progress=run.display.training)
                seeds.append(_panel(trained.network, dataset, study))
            networks.append(
                {
                    "name": name,
                    "title": TITLES[name],
                    "training_attack": specs[0].attack and str(specs[0].attack),
                    "accuracy": results.summary([s["accuracy"] for s in seeds]),
                    "tilt_degrees": results.summary([s["tilt"] for s in seeds]),
                    "tilt_degrees_authors": published.TOY_TILT_DEGREES[name],
                    "attack_direction": [s["direction"] for s in seeds],
                    "attack_degrees_from_horizontal": results.summary([s["attack_angle"] for s in seeds]),
                    "attack_success": results.summary([s["success"] for s in seeds]),
                }
            )
            panels.append({"margin": seeds[0]["margin"], "x_adv": seeds[0]["x_adv"]})
        run.display.end()
        standard, weak, strong = (n["tilt_degrees"]["values"] for n in networks)
        ordered = [a > b > c for a, b, c in zip(standard, weak, strong, strict=True)]
        return {
            "attack": str(study.test_attack),
            "epochs": study.training.epochs,
            "n_seeds": study.n_seeds,
            "data": dataset.train.fingerprint.as_json(),
            "networks": networks,
            "seeds_with_tilt_standard_over_weak_over_strong": sum(ordered),
            "plot": {
                "note": NOTE,
                "points": results.rounded(dataset.test.x, 4),
                "panels": panels,
            },
        }


def _panel(network: "Network", dataset: "Dataset", study: ToyStudy) -> dict[str, Any]:
    """The numbers of one network; `dataset.test` is in the order of generation, the first half Class 1."""
    from robint_tf import attacks
    from robint_tf.manifold import boundary
    from robint_tf.store import results

    x, y = dataset.test.x, dataset.test.y
    lattice = attacks.predict(network, boundary.grid(), batch_size=50_000)
    margin = lattice[:, 1] - lattice[:, 0]
    attacked = attacks.attack_dataset(network, x, y, study.test_attack, batch_size=len(x))
    half = len(x) // 2  # the authors draw the attacks on the first class only
    direction = (attacked.x_adv - x)[:half].mean(axis=0)
    coarse = margin.reshape(221, 221)[::2, ::2]
    return {
        "accuracy": float(np.mean(attacked.clean_logits.argmax(axis=-1) == y)),
        "success": float(np.mean(attacked.logits.argmax(axis=-1) != y)),
        "tilt": boundary.tilt(boundary.crossings(margin)),
        "direction": results.rounded(direction, 6),
        "attack_angle": boundary.angle_from_horizontal(direction),
        "margin": results.rounded(coarse, 3),
        "x_adv": results.rounded(attacked.x_adv[:half], 4),
    }


def print_table(results: dict[str, Any]) -> None:
    """Print our numbers and the authors'."""
    click.echo(
        f"{'network':10} {'accuracy':>9} {'tilt in degrees: mean ± sd (range)':>36} {'authors':>8} {'attack angle':>13}"
    )
    for network in results["networks"]:
        tilt = network["tilt_degrees"]
        spread = f"{tilt['mean']:.1f} ± {tilt['sd'] or 0:.1f} ({tilt['min']:.1f} to {tilt['max']:.1f})"
        click.echo(
            f"{network['name']:10} {network['accuracy']['mean']:9.2%} {spread:>36} "
            f"{'≈ ' + format(network['tilt_degrees_authors'], '.0f'):>8} "
            f"{network['attack_degrees_from_horizontal']['mean']:12.1f}°"
        )
    count = results["seeds_with_tilt_standard_over_weak_over_strong"]
    click.echo(f"tilt standard > weak > strong in {count} of {results['n_seeds']} seeds")


SKETCH: dict[str, Any] = {
    "planes": {
        "manifold": {
            "corners": [[-4, -2, 0], [4, -2, 0], [4, 2, 0], [-4, 2, 0]],
            "label": "Image manifold",
            "label_at": [-4.5, 2, 0.45],
        },
        "standard": {
            "corners": [[-3.2, -2, -1.06], [-3.2, 2, -1.06], [4.0, 2, 1.32], [4.0, -2, 1.32]],
            "label": "Standard decision boundary",
            "label_at": [3.1, 2, 1.75],
        },
        "robust": {
            "corners": [[0, -2, -2.2], [0, 2, -2.2], [0, 2, 2.2], [0, -2, 2.2]],
            "label": "Robust decision boundary",
            "label_at": [-0.6, 2, 2.5],
        },
    },
    "classes": [
        [[-3.2, -1.0, 0], [-2.4, 0.9, 0], [-1.9, -0.6, 0], [-1.1, 1.2, 0], [-1.0, -1.2, 0], [-0.7, 0.2, 0]],
        [[0.8, -0.7, 0], [1.3, 1.0, 0], [1.9, -1.3, 0], [2.4, 0.3, 0], [2.9, -0.9, 0], [3.3, 1.2, 0]],
    ],
    "attacks": {
        "standard": [[1.3, 1.0, 0.05], [0.75, 1.0, 1.72]],
        "robust": [[0.8, -0.7, 0.0], [-1.1, -0.7, 0.0]],
    },
}
"""Figure 3a in space: the third axis is the direction of low variance; the standard plane rises by one in three."""
