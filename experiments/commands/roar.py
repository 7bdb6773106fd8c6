"""ROAR and KAR of a user's own classifier."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.catalogue import origin
from robint_tf.specs import Training, as_dict

from ..options import NewFile, Place, Share, bounds_option, data_options, device_options, store_option, variant_option
from ..run import begin, sha256, today
from ..studies.interpretability_results import score_of
from ..studies.presets import ATTRIBUTIONS, SECTION_3_2, InterpretabilityStudy, epochs_of

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset
    from robint_tf.networks.classifiers import Network

    from ..studies.grid import Cells


@click.command("roar")
@click.argument("model", type=Place())
@click.option("--dataset", default="cifar10", show_default=True, help="mnist, fashion-mnist, cifar10, or a sample.")
@bounds_option
@click.option("--epochs", type=click.IntRange(1), help="Of each retraining.  [default: the authors' for the data set]")
@click.option("--batch-size", type=click.IntRange(1), default=100, show_default=True, help="Of each retraining.")
@click.option(
    "--fractions",
    multiple=True,
    type=Share(),
    help="Of the pixels removed or kept.  [default: 0.1, 0.3, 0.5, 0.7, 0.9]",
)
@click.option("--seeds", "n_seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Retrainings.")
@click.option("--n-train", type=click.IntRange(1), help="Use the first images only.  [default: all]")
@click.option("--n-test", type=click.IntRange(1), help="Test on the first images only.  [default: all]")
@click.option("--json", "json_path", type=NewFile(), help="Write the numbers here too.")
@variant_option
@store_option
@data_options
@device_options
def command(
    model: Path,
    dataset: str,
    bounds: tuple[float, float] | None,
    epochs: int | None,
    batch_size: int,
    fractions: tuple[float, ...],
    n_seeds: int,
    n_train: int | None,
    n_test: int | None,
    json_path: Path | None,
    variant: str,
    data_dir: Path | None,
    offline: bool,
    **places: Any,
) -> None:
    """How well the gradients of the classifier in the file MODEL tell which pixels matter: ROAR and KAR.

    Any Keras 3 classifier of Keras' own layers that returns logits for float32 images will do; unless they are in
    [-1, 1], give --bounds. It is only explained: what is trained anew, on images without its most important pixels or
    with these alone, is the data set's own network.
    """
    from robint_tf import data

    name = data.canonical_name(dataset)
    if name == "toy":
        raise click.BadParameter("toy has no pixels; choose a data set of images.", param_hint="'--dataset'")
    paper = SECTION_3_2["paper"]
    study = replace(
        paper,
        dataset=origin(name),
        sample=origin(name) != name,
        retraining=Training(epochs=epochs or epochs_of(name), batch_size=batch_size),
        fractions=tuple(sorted(set(fractions))) or paper.fractions,
        n_seeds=n_seeds,
        n_train=n_train,
        n_test=n_test,
        variant=variant,  # type: ignore[arg-type]
    )
    run = begin(variant=variant, computes=False, **places)
    from robint_tf.networks.files import models
    from robint_tf.store import results

    from ..studies.grid import Grid

    def own(dataset: "Dataset") -> "Network":
        shape, n_classes = dataset.train.x.shape[1:], len(dataset.class_names)
        return models.load(model, x_shape=shape, n_classes=n_classes, bounds=bounds)

    grid = Grid(study, run, data_dir=data_dir, offline=offline, own=own)
    explained = grid.own
    everything = [*study.cells(None), *study.cells(explained)]
    grid.announce(everything)
    grid.complete(everything)
    baseline = grid.cells(None)
    cells = grid.cells(explained)
    run.display.end()
    found = scores_of(study, cells, baseline)
    report(study, found)
    if json_path is not None:
        about = {
            "figure": None,
            "date": today(),
            "provenance": run.provenance(),
            "model": model.name,
            "model_sha256": sha256(model),
            "network_sha256": explained.sha256,
            "bounds": bounds or (-1, 1),
            "dataset": study.source,
            "train_data": grid.dataset.train.take(n_train).fingerprint.as_json(),
            "test_data": grid.dataset.test.take(n_test).fingerprint.as_json(),
            "retraining": as_dict(study.retraining),
            "n_seeds": n_seeds,
            "fractions": list(study.fractions),
        }
        results.write(json_path, about | {"tests": found})
        click.echo(f"wrote {json_path}")


def scores_of(study: InterpretabilityStudy, cells: "Cells", baseline: "Cells") -> list[dict[str, Any]]:
    """Accuracies and scores by test (ROAR, KAR)."""
    tests = []
    for occlusion, title in labels.TESTS_IN_FULL.items():
        random = baseline["random", occlusion]
        attributions = []
        for attribution in ATTRIBUTIONS:
            score, error = score_of(study, cells[attribution, occlusion], random, occlusion)
            accuracies = cells[attribution, occlusion].tolist()
            attributions.append(
                {"attribution": attribution, "score": score, "standard_error": error, "accuracies": accuracies}
            )
        tests.append({"test": title, "occlusion": occlusion, "random": random.tolist(), "attributions": attributions})
    return tests


def report(study: InterpretabilityStudy, found: list[dict[str, Any]]) -> None:
    """Print accuracies by fraction, means over the retrainings, and the scores."""
    import numpy as np

    for test in found:
        verb = "removed" if test["occlusion"] == "remove" else "kept"
        click.echo(f"\n{test['test']}: test accuracy by fraction of pixels {verb}, mean of {study.n_seeds}")
        click.echo(f"{'':8}" + "".join(f"{fraction:8.0%}" for fraction in study.fractions) + "    score")
        for row in test["attributions"]:
            error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.4f}"
            means = "".join(f"{value:8.2%}" for value in np.mean(row["accuracies"], axis=1))
            click.echo(f"{labels.ATTRIBUTIONS[row['attribution']]:8}{means} {row['score']:8.4f}{error}")
        click.echo(f"{'random':8}" + "".join(f"{value:8.2%}" for value in np.mean(test["random"], axis=1)))
