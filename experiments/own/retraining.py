"""ROAR and KAR of a user's own classifier on the user's own data: `robint roar MODEL --data ...`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.specs import FRACTIONS, RANDOM, Training, as_dict

from ..beyond.controls import print_shapes
from ..beyond.trial import completeness_of, print_completeness
from ..options import RunOptions
from ..run import Run, begin, sha256, today
from ..studies.grid_results import diff_roar_of, print_retrainings, scores_of
from .options import OwnDataOptions

if TYPE_CHECKING:
    from robint_tf.study.retraining import Retrained, Retrainings


@dataclass(frozen=True)
class Plan:
    """What is retrained: options of `robint roar`. attributions, fractions: empty for the study's."""

    model: Path
    bounds: tuple[float, float] | None
    epochs: int | None
    batch_size: int
    attributions: tuple[str, ...]
    n_train: int | None
    n_test: int | None
    fractions: tuple[float, ...]
    n_seeds: int
    variant: str
    json_path: Path | None

    @property
    def training(self) -> Training:
        """Of each network. `UsageError` without epochs, which nobody knows for the user's own data."""
        if self.epochs is None:
            raise click.UsageError("nobody knows for how many epochs to train on your data; give --epochs.")
        return Training(epochs=self.epochs, batch_size=self.batch_size, shuffle=True)


def roar(plan: Plan, options: RunOptions, place: OwnDataOptions) -> None:
    """Retrain what the store lacks, print accuracies and scores, write results and their figure if asked to.

    The networks that are trained are like the one that is explained, from fresh weights.
    """
    training, _ = plan.training, place.name  # refused before TensorFlow starts
    run = begin(options, variant=plan.variant)
    dataset = place.read(n_train=plan.n_train, n_test=plan.n_test, bounds=plan.bounds)
    from robint_tf.study.given import from_file, precision_of
    from robint_tf.study.retraining import Retrainings

    network = from_file(plan.model, dataset, plan.bounds)
    training = replace(training, precision=precision_of(network))
    with Retrainings(
        network,
        dataset.train,
        dataset.test,
        list(plan.attributions or ("gradient", "gradient_x_input")),
        fractions=plan.fractions or FRACTIONS,
        seeds=plan.n_seeds,
        training=training,
        variant=plan.variant,  # type: ignore[arg-type]
        store=run.store,
    ) as work:
        completeness = completeness_of(
            network,
            dataset.test.x,
            list(work.methods),
            variant=plan.variant,
            baseline=work.baseline,
            begin=run.display.begin,
        )
        found = _made(work, run)
        tests, diff_roar = _tested(found)
        click.echo(
            f"explained: {plan.model.name}, variant {plan.variant}, accuracy {found.accuracy:.2%} of {found.n_test} "
            "test images"
        )
        print_retrainings(found.fractions, tests, diff_roar)
        print_completeness(completeness)
        print_shapes(found.controls)
        if plan.json_path is not None:
            about = {
                "date": today(),
                "provenance": run.provenance(),
                "model": plan.model.name,
                "model_sha256": sha256(plan.model),
                "network_sha256": work.source.sha256,
                "bounds": plan.bounds or (-1, 1),
                "dataset": dataset.source,
                "train_data": dataset.train.fingerprint.as_json(),
                "test_data": dataset.test.fingerprint.as_json(),
                "retraining": as_dict(training),
                "n_seeds": plan.n_seeds,
                "diff_roar": diff_roar,
                "completeness": completeness,
            }
            _write(found, about, plan.json_path)


def _made(work: "Retrainings", run: Run) -> "Retrained":
    missing = {cell: cell.training.epochs for cell in work.cells if not work.has(cell)}
    run.display.job("retraining", len(work.cells), missing)
    for cell in work.cells:
        run.display.begin(f"{cell.attribution}, {cell.occlusion} {cell.fraction:g}", cell)
        work.make(cell, progress=run.display.training)
    found = work.result()
    run.display.end()
    return found


def _tested(found: "Retrained") -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Accuracies and scores by test, and DiffROAR, as of the grid."""
    cells = {(name, o): values for name, by_test in found.accuracies.items() for o, values in by_test.items()}
    baseline = {(RANDOM, o): values for o, values in found.random.items()}
    methods = list(found.accuracies)
    return scores_of(found.fractions, methods, cells, baseline), diff_roar_of(found.fractions, methods, cells)


def _write(found: "Retrained", about: dict, path: Path) -> None:
    """The results file, which `robint_tf.study.load` reads too, and the figure beside it."""
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    results.write(path, {**found.content(), **about})
    written = [path, *plots.draw(results.read(path), path.with_suffix(""))]
    click.echo("wrote " + ", ".join(map(str, written)))
