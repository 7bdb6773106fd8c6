"""ROAR and KAR of a user's own classifier."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robint_tf.catalogue import origin
from robint_tf.specs import Training, as_dict

from ..beyond.controls import print_shapes
from ..beyond.trial import print_completeness, tried
from ..options import RunOptions, bounds_option, run_options, variant_option
from ..own.options import OwnDataOptions, own_data_options
from ..own.retraining import Plan, roar
from ..parameters import Method, NewFile, Place, Share
from ..parsing import parsed, read
from ..run import begin, sha256, today
from ..studies.grid_results import diff_roar_of, print_retrainings, scores_of
from ..studies.presets import SECTION_3_2, InterpretabilityStudy, epochs_of

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset
    from robint_tf.networks.classifiers import Network


@dataclass(frozen=True)
class Options:
    """Options of roar."""

    model: Path
    bounds: tuple[float, float] | None
    epochs: int | None
    batch_size: int
    attributions: tuple[str, ...]
    fractions: tuple[float, ...]
    n_seeds: int
    n_train: int | None
    n_test: int | None
    json_path: Path | None
    variant: str
    run: RunOptions
    data: OwnDataOptions

    def study(self) -> InterpretabilityStudy:
        """The retrainings of the authors' study, on the chosen data set. `BadParameter` for one without pixels."""
        name = self.data.name_of_images
        paper = SECTION_3_2["paper"]
        return replace(
            paper,
            dataset=origin(name),
            sample=origin(name) != name,
            retraining=Training(epochs=self.epochs or epochs_of(name), batch_size=self.batch_size),
            methods=tuple(dict.fromkeys(self.attributions)) or paper.methods,
            fractions=tuple(sorted(set(self.fractions))) or paper.fractions,
            n_seeds=self.n_seeds,
            n_baseline=self.n_seeds,
            n_train=self.n_train,
            n_test=self.n_test,
            variant=self.variant,  # type: ignore[arg-type]
        )


@click.command("roar")
@click.argument("model", type=Place())
@bounds_option
@click.option(
    "--epochs", type=click.IntRange(1), help="Epochs of each retraining.  [default: the authors' for the data set]"
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=100, show_default=True, help="Images per batch of each retraining."
)
@click.option(
    "--attribution",
    "attributions",
    multiple=True,
    type=Method(),
    help="How it is explained, such as deeplift or integrated_gradients:steps=20; repeatable.  "
    "[default: gradient, gradient_x_input]",
)
@click.option(
    "--fractions",
    multiple=True,
    type=Share(),
    help="Fraction of the pixels that is removed or kept; repeatable.  [default: 0.1, 0.3, 0.5, 0.7, 0.9]",
)
@click.option("--seeds", "n_seeds", type=click.IntRange(1, 100), default=3, help="Retrainings per cell.  [default: 3]")
@click.option("--n-train", type=click.IntRange(1), help="Train on the first images only.  [default: all]")
@click.option("--n-test", type=click.IntRange(1), help="Test on the first images only.  [default: all]")
@click.option("--json", "json_path", type=NewFile(".json"), help="Also write the numbers to this file.")
@variant_option
@run_options
@own_data_options("mnist, fashion-mnist, cifar10, or a sample.", default="cifar10")
@parsed(Options)
def command(options: Options) -> None:
    """How well attributions of the classifier in the file MODEL tell which pixels matter: ROAR and KAR.

    Any Keras 3 classifier of Keras' own layers that returns logits for float32 images will do; unless they are in
    [-1, 1], give --bounds. It is explained, not trained: the networks that are trained, on images without the pixels
    that matter most or with these alone, have the data set's own architecture; on your own --data, that of MODEL.
    A score is the area between the accuracies of random pixels and of the attribution, over the fractions from 0 to 1:
    positive where the attribution finds pixels that matter more than random ones.
    """
    if options.data.own is not None:
        roar(read(Plan, vars(options)), options.run, options.data)
        return
    study = options.study()
    run = begin(options.run, variant=options.variant, computes=False)
    from robint_tf.networks.files import models
    from robint_tf.store import results

    from ..studies.grid import Grid

    def own(dataset: "Dataset") -> "Network":
        shape, n_classes = dataset.train.x.shape[1:], len(dataset.class_names)
        return models.load(options.model, x_shape=shape, n_classes=n_classes, bounds=options.bounds)

    grid = Grid(study, run, data_dir=options.data.data_dir, offline=options.data.offline, own=own)
    explained, completeness = grid.own, tried(grid)
    everything = [*grid.of_maps(None), *grid.of_maps(explained)]
    grid.announce(everything)
    grid.complete(everything)
    baseline, cells = grid.cells(None), grid.cells(explained)
    controls = grid.shape_rows(explained)
    run.display.end()
    tests = scores_of(study.fractions, study.methods, cells, baseline)
    diff_roar = diff_roar_of(study.fractions, study.methods, cells)
    print_retrainings(study.fractions, tests, diff_roar)
    print_completeness(completeness)
    print_shapes(controls)
    if options.json_path is not None:
        about = {
            "figure": None,
            "date": today(),
            "provenance": run.provenance(),
            "model": options.model.name,
            "model_sha256": sha256(options.model),
            "network_sha256": explained.sha256,
            "bounds": options.bounds or (-1, 1),
            "dataset": study.source,
            "train_data": grid.dataset.train.take(study.n_train).fingerprint.as_json(),
            "test_data": grid.dataset.test.take(study.n_test).fingerprint.as_json(),
            "retraining": as_dict(study.retraining),
            "n_seeds": study.n_seeds,
            "fractions": list(study.fractions),
            "completeness": completeness,
        }
        results.write(options.json_path, about | {"tests": tests, "diff_roar": diff_roar, "controls": controls})
        click.echo(f"wrote {options.json_path}")
