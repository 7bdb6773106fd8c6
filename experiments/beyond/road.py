"""ROAD of a user's own classifier: a preview of what an attribution is worth, without retraining."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.specs import FRACTIONS, ORDERS

from ..options import RunOptions, bounds_option, out_option, run_options
from ..own.options import OwnDataOptions, own_data_options, own_variant_option
from ..parameters import Method, Place, Seed, Share
from ..parsing import parsed
from ..run import Run, begin, sha256, today

if TYPE_CHECKING:
    from robint_tf.study.imputation import Imputations, Imputed

MOST = 1000
"""Test images unless told otherwise: a preview of about a minute."""


@dataclass(frozen=True)
class Options:
    """Options of road."""

    model: Path
    bounds: tuple[float, float] | None
    attributions: tuple[str, ...]
    fractions: tuple[float, ...]
    n_test: int
    seed: int
    variant: str
    out: Path
    run: RunOptions
    data: OwnDataOptions


@click.command("road")
@click.argument("model", type=Place())
@bounds_option
@click.option(
    "--attribution",
    "attributions",
    multiple=True,
    type=Method(ignorant=True),
    default=("gradient", "gradient_x_input"),
    show_default=True,
    help="Maps that order the pixels; repeatable.",
)
@click.option(
    "--fractions",
    multiple=True,
    type=Share(),
    default=FRACTIONS,
    show_default=True,
    help="Fraction of the pixels that is imputed; repeatable.",
)
@click.option(
    "--n-test", type=click.IntRange(2), default=MOST, show_default=True, help="Test on the first images, or on all."
)
@click.option("--seed", type=Seed(), default=0, show_default=True, help="Of the noise, and of what breaks ties.")
@own_variant_option
@out_option("figures")
@run_options
@own_data_options("mnist, fashion-mnist, cifar10, or a sample.", default="cifar10")
@parsed(Options)
def command(options: Options) -> None:
    """How well the gradients of the classifier in the file MODEL tell which pixels matter, without retraining: ROAD.

    Removes pixels by noisy linear imputation, the most relevant first and the least relevant first (Rong et al.,
    2022), and measures the accuracy of the network itself. The score is the area between both curves; 0 is what a
    random order has. Takes a minute where `roar` takes hours. Any Keras 3 classifier of Keras' own layers that returns
    logits for float32 images will do; unless they are in [-1, 1], give --bounds. Writes road_MODEL.png, .pdf and .json.
    """
    name = options.data.name_of_images
    run = begin(options.run, out=options.out, variant=options.variant)
    loaded = options.data.read(bounds=options.bounds)
    from robint_tf.attacks import evaluation
    from robint_tf.networks import classifiers
    from robint_tf.study.given import from_file
    from robint_tf.study.imputation import Imputations

    network = from_file(options.model, loaded, options.bounds)
    test = loaded.test.take(min(options.n_test, len(loaded.test.y)))
    clean = evaluation.accuracy(network, test.x, test.y)
    work = Imputations(
        network,
        test,
        {attribution: attribution for attribution in options.attributions},
        dataset=name,
        fractions=options.fractions,
        seed=options.seed,
        variant=options.variant,  # type: ignore[arg-type]
        store=run.store,
        progress=run.display.batches,
    )
    found = _measured(work, clean.value, run)
    content = {
        "date": today(),
        "model": options.model.name,
        "model_sha256": sha256(options.model),
        "network_sha256": classifiers.fingerprint(network),
        "bounds": options.bounds or (-1, 1),
        "dataset": loaded.name,
        "data_source": loaded.source,
        "n_classes": len(loaded.class_names),
        "test_data": test.fingerprint.as_json(),
        "clean": {"accuracy": clean.value, "interval_95": clean.interval, "n": clean.n},
        "seed": options.seed,
        "fractions": found.fractions,
        "attributions": _rows(found),
    }
    paths = run.save(f"road_{options.model.stem}", content, figure="road")
    print_table(content, options.variant)
    click.echo("wrote " + ", ".join(map(str, paths)))


def _measured(work: "Imputations", accuracy: float, run: Run) -> "Imputed":
    """All points, those that the store lacks measured now; accuracy: on the images as they are."""
    missing: dict[Any, float] = {point: 1.0 for point in work.points if not work.has(point)}
    run.display.job("point", len(work.points), missing)
    hits = {}
    for point in work.points:
        run.display.begin(f"{point.attribution}, {point.order} relevant {point.fraction:g}", point)
        hits[point] = work.hits(point)
    run.display.end()
    return work.result(hits, accuracy)


def _rows(found: "Imputed") -> list[dict[str, Any]]:
    """By attribution: accuracies of both orders, and the area between them."""
    rows = []
    for name, (area, low, high) in found.areas.items():
        curves: dict[str, Any] = {order: found.accuracies[name][order].tolist() for order in ORDERS}
        rows.append({"attribution": name, **curves, "area": area, "interval": None if low is None else [low, high]})
    return rows


def print_table(content: dict[str, Any], variant: str) -> None:
    """Print accuracies by share of imputed pixels, and the areas; variant: of what is explained."""
    clean = content["clean"]
    click.echo(
        f"\n{content['model']} on {clean['n']} images, variant {variant}: accuracy {clean['accuracy']:.2%}; "
        "by share of imputed pixels"
    )
    width = max(22, *(1 + len(labels.ATTRIBUTIONS[row["attribution"]]) for row in content["attributions"]))
    click.echo(
        f"{'':{width}}{'first':8}" + "".join(f"{fraction:8.0%}" for fraction in content["fractions"]) + "    area"
    )
    for row in content["attributions"]:
        ends = (
            "(one image has no interval)" if row["interval"] is None else "({:.4f} to {:.4f})".format(*row["interval"])
        )
        name = labels.ATTRIBUTIONS[row["attribution"]]
        for order in ORDERS:
            area = f"{row['area']:8.4f} {ends}" if order == ORDERS[-1] else ""
            click.echo(f"{name:{width}}{order:8}" + "".join(f"{value:8.2%}" for value in row[order]) + area)
            name = ""
