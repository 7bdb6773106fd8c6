"""Section 2.1 on one data set: its networks, its VAE-GAN, the distances of attacks, and what is drawn of them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from robint_tf.specs import ClassifierSpec, DistanceSpec, as_dict

from ..run import Run
from .estimate import (
    Costs,
    Work,
    Workload,
    classifier_flops,
    classifier_seconds,
    training_work,
    vae_gan_bytes,
    vae_gan_flops,
    vae_gan_seconds,
    workload,
)
from .manifold_results import Measured, figure_1, print_table
from .presets import ManifoldStudy
from .runner import ImageRunner

if TYPE_CHECKING:
    import numpy as np

    from robint_tf.data.datasets import Dataset
    from robint_tf.manifold import Health
    from robint_tf.recipes import Distances, TrainedVAEGAN

SHEET_IMAGES = 10


class ManifoldRunner(ImageRunner):
    """Fetches each part from the store, or makes it; nothing is trained twice."""

    study: ManifoldStudy

    def __init__(
        self, study: ManifoldStudy, run: Run, loss: str, *, data_dir: Path | None = None, offline: bool = False
    ) -> None:
        from robint_tf import data, recipes

        self.study, self.run, self.loss = study, run, loss
        self.dataset: Dataset = data.load(study.source, data_dir=data_dir, offline=offline or study.sample)
        self._networks = recipes.Networks(
            self.dataset, run.store, announce=self._announce_training, progress=run.display.training
        )
        self._vae_gan: TrainedVAEGAN | None = None

    def classifiers(self) -> dict[ClassifierSpec, str]:
        """Every network of the section once, and its name."""
        named: dict[ClassifierSpec, str] = {}
        for networks in (*self.study.panels().values(), self.study.gradient_networks()):
            for spec_name, spec in networks.items():
                name = (
                    spec_name if spec.attack is None else str(spec.attack).split(" PGD, ")[0] + f" {spec.attack.eps:g}"
                )
                named.setdefault(spec, name if spec.attack is None else f"{name} {spec.attack.loss}")
        return named

    def _announce_training(self, spec: ClassifierSpec) -> None:
        self.run.display.begin(f"{self.study.dataset}: training {self.classifiers()[spec]}", spec)

    def vae_gan(self) -> "TrainedVAEGAN":
        """The trained VAE-GAN."""
        from robint_tf import recipes

        if self._vae_gan is None:
            self.run.display.begin(f"{self.study.dataset}: VAE-GAN", self.study.vae_gan)
            self._vae_gan = recipes.trained_vae_gan(
                self.study.vae_gan, self.dataset, self.run.store, progress=self.run.display.training
            )
        return self._vae_gan

    def distances(self, spec: DistanceSpec) -> "Distances":
        """The distances of `spec`."""
        from robint_tf import recipes

        with self._networks.lend(spec.classifier):  # trained before the attack is announced
            self.run.display.begin(f"{self.study.dataset}: attacking {self.classifiers()[spec.classifier]}", spec)
            return recipes.distances(spec, self._networks, lambda _: self.vae_gan(), progress=self.run.display.batches)

    @property
    def name(self) -> str:
        """As an estimate calls it."""
        return self.study.dataset

    def workloads(self) -> list[Workload]:
        """What the data set's part of the section consists of, and what of it the store lacks."""
        from robint_tf import recipes
        from robint_tf.training import vae_gan as vae_gan_training

        study = self.study
        n_train, n_test = len(self.dataset.train.take(study.n_train).y), len(self.dataset.test.take(study.n_test).y)
        n_images = len(self.dataset.train.take(study.vae_gan_n_train).y)
        weights = 4 * recipes.build(study.standard).count_params()
        return [
            workload(
                "networks to train", self.classifiers(), self.has, lambda spec: training_work(spec, n_train, weights)
            ),
            workload(
                "VAE-GANs to train",
                [study.vae_gan],
                self.has,
                lambda spec: Work(
                    vae_gan_steps=spec.epochs * vae_gan_training.n_batches(n_images, spec.batch_size),
                    size=vae_gan_bytes(spec),
                ),
            ),
            workload(
                "networks to attack",
                self.attacked(),
                self.has,
                lambda spec: Work(attack_steps=n_test * spec.attack.n_steps if spec.attack else 0, size=16 * n_test),
            ),
        ]

    def seconds(self, budget: float = 0.0) -> Costs:
        """What a unit of work takes on this device, measured for `budget` seconds, at least once."""
        from robint_tf import recipes

        study = self.study
        self.run.display.begin(f"{study.dataset}: measuring this device")
        train, images = self.dataset.train.take(study.n_train), self.dataset.train.take(study.vae_gan_n_train)
        costs = classifier_seconds(recipes.build(study.standard), train, study.training.batch_size, budget / 2)
        return replace(costs, vae_gan_step=vae_gan_seconds(study.vae_gan, images, budget / 2))

    def flops(self) -> Costs:
        """What a unit of work takes in floating-point operations."""
        from robint_tf import recipes

        shape = self.dataset.train.x.shape[1:]
        costs = classifier_flops(recipes.build(self.study.standard), shape)
        return replace(costs, vae_gan_step=vae_gan_flops(self.study.vae_gan, shape))

    def figures(self, scale: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Everything this section draws of the data set: file name, kind of figure, content."""
        self.announce([*self.classifiers(), self.study.vae_gan, *self.attacked()])
        measured = self.measure()
        vae_gan = self.vae_gan_sheet()
        about = self.about()
        dataset = self.study.dataset
        figures = [
            (
                f"section_2_1_{dataset}_{self.loss}",
                "manifold_distances",
                about | {"health": vae_gan["health"]} | figure_1(measured, vae_gan["problems"], scale),
            ),
            (f"section_2_1_attacks_{dataset}_{self.loss}", "adversarial_examples", about | self.attacks(measured)),
            (f"section_2_1_gradients_{dataset}", "loss_gradients", about | self.gradients()),
            (f"section_2_1_vae_gan_{dataset}", "vae_gan", about | vae_gan),
        ]
        self.run.display.end()
        print_table(dataset, figures[0][2])
        return figures

    def attacked(self) -> list[DistanceSpec]:
        """The distances of Figure 1's attacks, one for each network in its panels."""
        attack = self.study.test_attack(self.loss)
        shown = {spec: None for panel in self.study.panels().values() for spec in panel.values()}
        return [self.distance_spec(spec, attack=attack) for spec in shown]

    def about(self) -> dict[str, Any]:
        """What every results file says of its networks, data and VAE-GAN."""
        return super().about() | {"vae_gan": as_dict(self.study.vae_gan)}

    def measure(self) -> Measured:
        """Every distance of the data set, trained and attacked for where the store lacks it."""
        study, standard, spec = self.study, self.study.standard, self.distance_spec
        attack = study.test_attack(self.loss)
        with self._networks.lend(standard):
            pass
        self.vae_gan()
        panels = {
            key: {name: self.distances(spec(classifier, attack=attack)) for name, classifier in networks.items()}
            for key, networks in study.panels().items()
        }
        tests = [self.distances(spec(standard, seed=panel)) for panel in range(len(panels))]
        return Measured(study, self.loss, tests, panels)

    def distance_spec(self, classifier: ClassifierSpec, **options: Any) -> DistanceSpec:
        """Distances of the study's test images, attacked on a network."""
        study = self.study
        return DistanceSpec(
            classifier=classifier, reference=study.standard, vae_gan=study.vae_gan, n_test=study.n_test, **options
        )

    def attacks(self, measured: Measured) -> dict[str, Any]:
        """Figure 2: one test image, and its adversarial examples by network of the l2 cross-entropy panel."""
        from robint_tf.store import results

        names, i = self.dataset.class_names, self.study.pictured
        rows = {"Original": measured.tests[0], **measured.panels["l2", "xent"]}
        return {
            "attack": str(self.study.test_attack(self.loss)),
            "trained_with": self.study.trained_with("l2", "xent"),
            "test_image": i,
            "true_class": names[self.dataset.test.y[i]],
            "images": [
                {"name": name, "taken_for": names[d.labels[i]], "image": results.packed(d.shown[i])}
                for name, d in rows.items()
            ],
        }

    def gradients(self) -> dict[str, Any]:
        """Figure 6: gradients of minus the loss on a few test images, capped, each scaled by its largest magnitude."""
        import numpy as np

        from robint_tf.interpretability import attributions
        from robint_tf.store import results

        chosen = list(self.study.explained)
        x, y = self.dataset.test.x[chosen], self.dataset.test.y[chosen]
        rows = []
        for name, spec in self.study.gradient_networks().items():
            with self._networks.lend(spec) as network:
                gradient = attributions.attribute(network, x, "gradient", variant=self.study.variant, reduction="none")
            maps = attributions.heat_map(-gradient)
            largest = np.abs(maps).max(axis=(1, 2))
            scaled = maps / np.where(largest > 0, largest, 1)[:, None, None]
            rows.append(
                {
                    "name": name,
                    "training_attack": spec.attack and str(spec.attack),
                    "largest": largest.tolist(),
                    "maps": results.rounded(scaled, 3),
                }
            )
        return {
            "test_images": chosen,
            "classes": [self.dataset.class_names[label] for label in y],
            "images": results.packed(x),
            "networks": rows,
        }

    def health(self) -> "Health":
        """Whether the VAE-GAN can stand for the manifold."""
        from robint_tf import manifold

        trained = self.vae_gan()
        corrected = self.study.variant == "corrected"
        project = manifold.Projector(trained.model, z="mean" if corrected else "sample")
        x = self.dataset.test.take(self.study.n_test).x
        return manifold.health(x, project, trained.losses["discriminator"][-1])

    def vae_gan_sheet(self) -> dict[str, Any]:
        """What the VAE-GAN makes of test images and of noise, and whether it has collapsed."""
        from robint_tf.store import results

        trained, health = self.vae_gan(), self.health()
        shown = self.dataset.test.take(self.study.n_test).x[:SHEET_IMAGES]
        return {
            "losses": {part: results.rounded(losses, 4) for part, losses in trained.losses.items()},
            "health": vars(health),
            "problems": health.problems,
            "rows": [
                {"name": "test image", "images": results.packed(shown)},
                {"name": "projection\n(random z)", "images": results.packed(self._projected(shown, "sample"))},
                {"name": "projection\n(mean z)", "images": results.packed(self._projected(shown, "mean"))},
                {"name": "sample", "images": results.packed(trained.model.sample(len(shown)).numpy())},
            ],
        }

    def _projected(self, x: "np.ndarray", z: Literal["sample", "mean"]) -> "np.ndarray":
        from robint_tf import manifold

        return manifold.Projector(self.vae_gan().model, z=z)(x)
