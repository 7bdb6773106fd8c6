"""How the loss gradients of section 2.1's networks lie to the data manifold, measured block by block."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from robint_tf.specs import ClassifierSpec, GradientSpec, as_dict

from ..progress import wrapped
from ..studies.manifold import ManifoldRunner

if TYPE_CHECKING:
    import numpy as np

    from robint_tf.data.datasets import Split
    from robint_tf.manifold.gradients import Measure
    from robint_tf.store.folders import Arrays

BLOCK = 100
"""Test images whose tangent spaces are in memory at a time; an interruption loses the work on one block."""
NEIGHBOURS = 10_000
"""Training images among which the nearest one of the same class is looked for."""
OBJECTIVE = "corrected"
"""The variant of J: the same cross entropy, whose gradient survives float32 where a network is sure."""


class GradientRunner(ManifoldRunner):
    """Measures the gradients of every network of section 2.1, those of a block of images together."""

    _rare: "np.ndarray | None" = None

    def results(self, n_test: int | None) -> dict[str, Any]:
        """The content of the results file. n_test: test images, the study's for None."""
        import numpy as np

        from robint_tf.manifold import gradients
        from robint_tf.study.gradients import no_rare_share

        study = self.study
        networks = [None, *self.classifiers()]
        n = len(self.dataset.test.take(n_test or study.n_test).y)
        self.announce([*self.classifiers(), study.vae_gan])
        for classifier in self.classifiers():  # trained one after the other, before anything is measured
            with self._networks.lend(classifier):
                pass
        health = self.health()
        found: dict[ClassifierSpec | None, list[Arrays]] = {spec: [] for spec in networks}
        for first, block in self._blocks(n):
            self.run.display.begin(f"{study.dataset}: gradients at images {first + 1} to {first + len(block.y)} of {n}")
            for spec, arrays in self._measured(networks, first, block).items():
                found[spec].append(arrays)
        self.run.display.end()
        d = int(self.dataset.test.x[0].size)
        ranks = np.concatenate([block["rank"] for block in found[None]])
        rare = float(found[None][0]["n_rare"]) / d
        return {
            **self.about(),
            "n_images": n,
            "health": vars(health),
            "problems": health.problems,
            "objective": OBJECTIVE,
            "steps": list(gradients.SENSITIVITY_EPS),
            "rare": gradients.RARE,
            "rare_problem": no_rare_share(self.dataset.train.x),
            "latent_dimensions": self.vae_gan().model.latent_dim,
            "rank": {"mean": float(ranks.mean()), "least": float(ranks.min())},
            "chance": {"tangent_share": gradients.chance_share(ranks, d), "sensitivity": 1.0, "rare_share": rare},
            "nearest": _summary(found[None]),
            "networks": [self._row(spec, found[spec]) for spec in self.classifiers()],
        }

    def _blocks(self, n: int) -> "Iterator[tuple[int, Split]]":
        """The first n test images in blocks, each with the place of its first image."""
        from robint_tf.data.datasets import Split

        test = self.dataset.test
        for first in range(0, n, BLOCK):
            last = min(first + BLOCK, n)
            yield first, Split(test.x[first:last], test.y[first:last])

    def _measured(
        self, networks: "list[ClassifierSpec | None]", first: int, block: "Split"
    ) -> "dict[ClassifierSpec | None, Arrays]":
        """The measures of each network on a block; those that the store lacks are made at once, as they share bases."""
        from robint_tf.runtime import device

        store, inputs = self.run.store, (self.dataset.train.fingerprint.key, block.fingerprint.key)
        specs = {c: GradientSpec(classifier=c, vae_gan=self.study.vae_gan, first=first) for c in networks}
        missing = [c for c, spec in specs.items() if not store.has(spec, *inputs)]
        made = self._make(missing, first, block) if missing else {}

        def made_of(c: ClassifierSpec | None) -> "Arrays":
            return made[c] if c in made else self._make([c], first, block)[c]  # one that is damaged in the store

        return {
            c: store.fetch(spec, lambda _, c=c: (made_of(c), {}), *inputs, made_with=device.describe())  # type: ignore[misc]
            for c, spec in specs.items()
        }

    def _make(
        self, networks: "list[ClassifierSpec | None]", first: int, block: "Split"
    ) -> "dict[ClassifierSpec | None, Arrays]":
        """Measures of networks on a block of images."""
        import numpy as np

        from robint_tf.interpretability import attributions
        from robint_tf.manifold import gradients, tangent

        x = block.x
        ((_, basis),) = tangent.tangent_bases(self.vae_gan().model, x, batch_size=len(x))
        directions = gradients.random_directions(basis, x.shape[1:], first=first)
        rare = self._rare_directions()
        made = {}
        for done, spec in enumerate(networks, 1):
            if spec is None:
                vectors = self._to_nearest(block)
                arrays = {"n_rare": np.array(rare.shape[1]), "rank": tangent.ranks_of(basis)}
            else:
                with self._networks.lend(spec) as network:
                    vectors = attributions.attribute(network, x, "gradient", variant=OBJECTIVE, reduction="none")
                    found = gradients.sensitivity(network, x, directions)
                arrays = {"on": found.on, "off": found.off}
            arrays["tangent_share"] = gradients.shares_in(basis, vectors)
            arrays["rare_share"] = gradients.rare_shares(rare, vectors).values
            made[spec] = arrays
            self.run.display.batches(done * len(x), len(networks) * len(x))
        return made

    def _rare_directions(self) -> "np.ndarray":
        from robint_tf.manifold import gradients

        if self._rare is None:
            self._rare = gradients.rare_directions(self.dataset.train.x)
        return self._rare

    def _to_nearest(self, block: "Split") -> "np.ndarray":
        """Differences to the nearest training image of the same class, like the images."""
        import numpy as np

        train = self.dataset.train.take(min(NEIGHBOURS, len(self.dataset.train.y)))
        rows, others = (v.reshape(len(v), -1) for v in (block.x, train.x))
        squares = np.square(others).sum(axis=1) - 2 * rows @ others.T  # but for a constant of each row
        squares[block.y[:, None] != train.y] = np.inf
        return train.x[squares.argmin(axis=1)] - block.x

    def _row(self, spec: ClassifierSpec, blocks: "list[Arrays]") -> dict[str, Any]:
        attack = spec.attack
        strongest = {norm: max(radii) for norm, radii in self.study.eps.items()}
        return {
            "name": self.classifiers()[spec],
            "norm": attack and attack.norm,
            "loss": attack and self._loss(spec),
            "eps": attack.eps if attack else 0.0,
            "strength": attack.eps / strongest[attack.norm] if attack else 0.0,
            "training_attack": attack and as_dict(attack),
            **_summary(blocks),
        }

    def _loss(self, spec: ClassifierSpec) -> str:
        """xent or cw, whatever the variant's form of it is called."""
        assert spec.attack is not None
        return spec.attack.loss.partition("_")[0]


def _summary(blocks: "list[Arrays]") -> dict[str, Any]:
    """Means over images with intervals, None for one image; None for a measure that no image has."""
    import numpy as np

    from robint_tf.manifold.gradients import Measure, Sensitivity

    arrays = {name: np.concatenate([np.atleast_1d(block[name]) for block in blocks]) for name in blocks[0]}
    row = {name: _of_measure(Measure(arrays[name])) for name in ("tangent_share", "rare_share")}
    if "on" not in arrays:
        return row | {"sensitivity": None}
    ratio = Sensitivity(arrays["on"], arrays["off"]).of_means()
    ends = list(ratio[1]) if ratio and len(arrays["on"]) > 1 else None
    means = {"on": float(arrays["on"].mean()), "off": float(arrays["off"].mean())}
    return row | {"sensitivity": ratio and {"mean": ratio[0], "interval": ends, **means}}


def _of_measure(measure: "Measure") -> dict[str, Any] | None:
    import numpy as np

    n = int(np.isfinite(measure.values).sum())
    return {"mean": measure.mean, "interval": list(measure.interval()) if n > 1 else None, "n": n} if n else None


def print_table(results: dict[str, Any]) -> None:
    """Print the measures, and what they would be by chance."""
    n = results["n_images"]
    images = f"{n} test images, 95% intervals" if n > 1 else "one test image, which gives no interval"
    click.echo(f"\n{results['dataset']}: loss gradients at {images}")
    for problem in results["problems"]:
        click.echo(f"  this VAE-GAN cannot stand for the manifold: {problem}")
    if results["rare_problem"]:
        click.echo(wrapped(f"  no share in rare directions to be relied on: {results['rare_problem']}", indent="    "))
    click.echo(f"{'network':24}{'tangent share':>26}{'change off / on':>26}{'in rare directions':>26}")
    named = [(network["name"], network) for network in results["networks"]]
    for name, row in [*named, ("to the nearest image", results["nearest"])]:
        cells = [_cell(row[measure]) for measure in ("tangent_share", "sensitivity", "rare_share")]
        if results["problems"]:
            cells[:2] = 2 * ["not valid"]
        click.echo(f"{name:24}" + "".join(f"{cell:>26}" for cell in cells))
    chance, rank = results["chance"], results["rank"]
    click.echo(
        f"{'by chance':24}{chance['tangent_share']:26.3f}{chance['sensitivity']:26.3f}{chance['rare_share']:26.3f}"
    )
    click.echo(
        "The tangent share of a random direction is sqrt(k / d), k the rank of the decoder's Jacobian: "
        f"{rank['mean']:.1f} on average, {rank['least']:.0f} at least, of {results['latent_dimensions']} latent "
        "dimensions. On a manifold that is known: 0.31 standard, 0.675 robust (Bordt et al., 2022)."
    )


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    if found["interval"] is None:
        return f"{found['mean']:.3f} (no interval)"
    low, high = found["interval"]
    return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"
