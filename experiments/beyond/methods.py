"""The paper's outlook: other attributions than its two, of a standard and the most robust networks of its grid."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.catalogue import ATTRIBUTIONS, NORMS
from robint_tf.specs import FRACTIONS, ORDERS, RANDOM, as_dict

from ..options import DataOptions, RunOptions, data_options, out_option, preset_option, run_options, variant_option
from ..parameters import Method, Share
from ..parsing import parsed
from ..run import begin
from ..studies.grid_results import diff_roar_of, scores_of
from ..studies.presets import SECTION_3_2, InterpretabilityStudy
from .road import MOST

if TYPE_CHECKING:
    from robint_tf.study.imputation import Imputed

    from ..studies.grid import Grid
    from ..studies.presets import ExplainedNetwork

METHODS = (
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "smoothgrad",
    "smoothgrad_squared",
    "vargrad",
    "deeplift",
    "lrp_composite",
    "guided_backpropagation",
)
"""LRP-epsilon is left out: in these networks it is the gradient times the input. Guided backpropagation is a negative
control, whose maps hardly know what the network has learnt.
"""


@dataclass(frozen=True)
class Options:
    """Options of methods."""

    preset: str
    attributions: tuple[str, ...]
    norms: tuple[str, ...]
    strongest: int
    fractions: tuple[float, ...]
    n_seeds: int | None
    n_road: int
    variant: str
    out: Path
    run: RunOptions
    data: DataOptions

    def study(self) -> InterpretabilityStudy:
        """The strongest networks of the grid that are trained against cross entropy, and all methods."""
        study = SECTION_3_2[self.preset]
        names = self.attributions or tuple(ATTRIBUTIONS.full_name(name) for name in METHODS)
        return replace(
            study,
            eps={norm: study.eps[norm][-self.strongest :] for norm in dict.fromkeys(self.norms or study.eps)},
            losses=("xent",),
            methods=tuple(dict.fromkeys(names)),
            fractions=tuple(sorted(set(self.fractions))) or study.fractions,
            n_seeds=self.n_seeds or study.n_seeds,
            n_explained=1,
            variant=self.variant,  # type: ignore[arg-type]
        )


@click.command("methods")
@preset_option("The networks and retrainings are those of section-3-2 of this preset, and shared with it.", SECTION_3_2)
@click.option(
    "--attribution",
    "attributions",
    multiple=True,
    type=Method(),
    help=f"Repeatable.  [default: {', '.join(METHODS)}]",
)
@click.option(
    "--norms",
    multiple=True,
    type=click.Choice(list(NORMS), case_sensitive=False),
    help="Norm of the training attacks; repeatable.  [default: both]",
)
@click.option(
    "--strongest", type=click.IntRange(1, 20), default=2, show_default=True, help="Robust networks of each norm."
)
@click.option(
    "--fractions",
    multiple=True,
    type=Share(),
    help="Fraction of the pixels that is removed or kept; repeatable.  [default: the preset's]",
)
@click.option(
    "--seeds",
    "n_seeds",
    type=click.IntRange(1, 100),
    help="Retrainings per cell; of random pixels five or more.  [default: the preset's]",
)
@click.option(
    "--n-road", type=click.IntRange(2), default=MOST, show_default=True, help="Test images for ROAD, or fewer."
)
@variant_option
@out_option("figures")
@run_options
@data_options
@parsed(Options)
def command(options: Options) -> None:
    """Do other attributions say more, and of robust networks more than of a standard one? The paper's outlook.

    Explains the standard network of section-3-2 and its most robust ones by nine methods, and scores the maps by ROAR,
    KAR and DiffROAR, which retrain, and by ROAD, which does not. Continues section-3-2: what that has made is not made
    again. Writes methods.png, .pdf and .json.
    """
    (grid,) = planned(options)
    study, run, everything = grid.study, grid.run, grid.everything()
    grid.announce(everything)
    grid.complete(everything)
    baseline, networks = grid.cells(None), []
    for explained in study.networks():
        networks.append({**_about(grid, explained), "maps": list(_maps(grid, explained, baseline, options.n_road))})
    run.display.end()
    content = grid.about() | {
        "retraining": as_dict(study.retraining),
        "n_seeds": study.n_seeds,
        "fractions": list(study.fractions),
        "road_fractions": list(FRACTIONS),
        "baseline": {test: baseline[RANDOM, test].tolist() for test in labels.TESTS},
        "networks": networks,
    }
    paths = run.save("methods", content)
    print_table(content)
    click.echo("wrote " + ", ".join(map(str, paths)))


def planned(options: Options) -> "list[Grid]":
    """The study of these options, also for `robint plan`."""
    from ..studies.grid import Grid

    run = begin(options.run, out=options.out, variant=options.variant, preset=options.preset)
    return [Grid(options.study(), run, data_dir=options.data.data_dir, offline=options.data.offline)]


def _about(grid: "Grid", explained: "ExplainedNetwork") -> dict[str, Any]:
    clean, _ = grid.accuracies(explained.spec)
    return {
        "name": str(explained),
        "norm": explained.norm,
        "eps": explained.eps,
        "accuracy": clean.value,
        "accuracy_interval": list(clean.interval),
    }


def _maps(grid: "Grid", explained: "ExplainedNetwork", baseline: Any, n_road: int) -> Iterator[dict[str, Any]]:
    """For each method of a network: its scores, with what they rest on, and the shape of its maps."""
    study, cells, shapes = grid.study, grid.cells(explained.spec), grid.shape_rows(explained.spec)
    tests = scores_of(study.fractions, study.methods, cells, baseline)
    diff_roar, road = diff_roar_of(study.fractions, study.methods, cells), _road(grid, explained, n_road)
    for i, method in enumerate(study.methods):
        area, low, high = road.areas[method]
        yield {
            "attribution": method,
            **{test["occlusion"]: test["attributions"][i] for test in tests},
            "diff_roar": None if diff_roar is None else diff_roar[method],
            "road": {
                "area": area,
                "interval": [low, high],
                "n": road.n_test,
                **{order: road.accuracies[method][order].tolist() for order in ORDERS},
            },
            **shapes[method],
        }


def _road(grid: "Grid", explained: "ExplainedNetwork", n_test: int) -> "Imputed":
    """ROAD of all methods of a network, from the store."""
    from robint_tf.attacks import evaluation
    from robint_tf.study.imputation import Imputations

    study, run = grid.study, grid.run
    test = grid.dataset.test.take(min(n_test, len(grid.dataset.test.y)))
    with grid.lent(explained.spec) as network:
        work = Imputations(
            network,
            test,
            {method: method for method in study.methods},
            dataset=study.source,
            variant=study.variant,
            store=run.store,
            progress=run.display.batches,
        )
        hits = {}
        for point in work.points:
            run.display.begin(f"{explained}, {point.attribution}, {point.order} relevant {point.fraction:g}")
            hits[point] = work.hits(point)
        return work.result(hits, evaluation.accuracy(network, test.x, test.y).value)


COLUMNS = (("ROAR", "remove", "score"), ("KAR", "keep", "score"), ("DiffROAR", "diff_roar", "area"))


def print_table(content: dict[str, Any]) -> None:
    """Print the scores by network and method."""
    shown = [map_["attribution"] for map_ in content["networks"][0]["maps"]]
    width = 2 + max(len(labels.ATTRIBUTIONS[name]) for name in shown)
    for network in content["networks"]:
        click.echo(f"\n{network['name']}: test accuracy {network['accuracy']:.2%}")
        click.echo(f"{'':{width}}" + "".join(f"{head:>10}" for head, *_ in COLUMNS) + "      ROAD (95% interval)")
        for row in network["maps"]:
            cells = [row[test] and row[test][value] for _, test, value in COLUMNS]
            told = "".join(f"{'-' if cell is None else format(cell, '.4f'):>10}" for cell in cells)
            road = row["road"]
            ends = "{:.4f} to {:.4f}".format(*road["interval"])
            click.echo(f"{labels.ATTRIBUTIONS[row['attribution']]:{width}}{told}{road['area']:10.4f} ({ends})")
