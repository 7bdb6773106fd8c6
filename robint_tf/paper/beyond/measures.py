"""Measures beyond the paper as tables of texts, for the report and documents, from the results files that hold them.

results: the content of a results file. A table is None where that holds nothing of it, as files of older releases do.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robint_tf.catalogue import OWN, origin
from robint_tf.labels import ATTRIBUTIONS, DATASETS, LOSSES, NORMS, TESTS
from robint_tf.paper import protocols
from robint_tf.paper.verdicts import Results
from robint_tf.specs import ORDERS
from robint_tf.store.results import printable

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table: its title, a note that says what is in it, the heads of its columns, and rows of as many cells."""

    title: str
    note: str
    heads: list[str]
    rows: list[list[str]]


MEASURES = {
    "moran": "Moran's I of maps",
    "mean_mask_moran": "of masks",
    "gini": "Gini index of maps",
    "mean_leakage": "class read from masks",
    "chance_leakage": "from random masks",
}
"""Columns by what `interpretability.controls` calls them."""


def controls(results: Results) -> Table | None:
    """Scores of every network and map beside the shape of maps and masks, maps that know no network first."""
    rows = [*results.get("control_maps", ()), *results.get("controls", ())]
    if not rows:
        return None
    return _shapes(rows, f"Scores beside the shape of maps and masks, {_trained(results)}", results)


AREAS = {"diff_roar": "DiffROAR", "road": "ROAD (95% interval over images)"}
"""Columns of `methods` beside the scores that retrain."""


def methods(results: Results) -> Table | None:
    """The same of other attributions than the paper's, with DiffROAR and ROAD."""
    rows = [{"network": network["name"], **row} for network in results["networks"] for row in network["maps"]]
    found = _shapes(rows, "Scores of other attributions beside the shape of maps and masks", results)
    at = 2 + len(TESTS)
    more = [[_ranged(row[m] and row[m]["area"], row[m], ".4f") for m in AREAS] for row in rows]
    cells = [[*row[:at], *areas, *row[at:]] for row, areas in zip(found.rows, more, strict=True)]
    return replace(found, heads=[*found.heads[:at], *AREAS.values(), *found.heads[at:]], rows=cells)


def _shapes(rows: list[Results], title: str, results: Results) -> Table:
    measures = [m for m in MEASURES if any(row.get(m) is not None for row in rows)]
    return Table(
        title,
        "Means over test images; those of masks, and the share of classes that a linear classifier reads from masks "
        "alone, also over the shares of the pixels. Random masks give away no class: what is read from them is the "
        f"level of chance.{_source(results)}",
        ["network", "map", *TESTS.values(), *(MEASURES[m] for m in measures)],
        [
            [
                row["network"] or "none",
                ATTRIBUTIONS[row["attribution"]],
                *(f"{row[test]['score']:.4f}" for test in TESTS),
                *(_number(row.get(m), "{:.3f}") for m in measures),
            ]
            for row in rows
        ],
    )


def regressors(results: Results) -> Table | None:
    """How the scores of each series go with the measures of maps and masks, and with attack strength at equal ones."""
    series = results.get("regressors", ())
    measures = [m for m in MEASURES if any(m in one["measures"] for one in series)]
    if not measures:
        return None
    rows = []
    for one in series:
        cells = []
        for measure in measures:
            found = one["measures"].get(measure, {})
            partial = found.get("axis_at_equal_measure")
            cells.append(_number(found.get("correlation"), "{:.2f}"))
            cells.append(_ranged(partial and partial["value"], partial, ".2f"))
        rows.append([f"{TESTS[one['occlusion']]} {one['series']}", *cells])
    return Table(
        f"How scores go with the shape of maps and masks, {_trained(results)}",
        "Linear correlation of the score with a measure over networks, and beside it that with attack strength where "
        f"the measure is equal (95% interval).{_source(results)}",
        ["series", *(head for m in measures for head in (MEASURES[m], "strength at equal value"))],
        rows,
    )


def schedules(results: Results) -> Table | None:
    """Scores read at other epochs than the last one."""
    found = results.get("schedules")
    if found is None or len(found["readings"]) < 2:
        return None
    rows = []
    for one in found["series"]:
        name = f"{TESTS[one['occlusion']]} {NORMS[one['norm']]} {ATTRIBUTIONS[one['attribution']]}"
        for row in one["readings"]:
            ways = (row[key] for key in ("correlation", "rank_correlation", "rank_agreement"))
            differences = (row[key] for key in ("mean_difference", "mean_absolute_difference"))
            rows.append(
                [
                    name,
                    row["reading"],
                    *(_number(way, "{:.2f}") for way in ways),
                    *(_number(difference, "{:.4f}") for difference in differences),
                ]
            )
    return Table(
        f"Scores read at other epochs of the same trainings, {_trained(results)}",
        "The last epoch is the paper's. Linear and rank correlation are those with attack strength; the order is "
        f"compared with the last epoch's by ranks, a mean without that epoch.{_source(results)}",
        ["series", "epoch", "linear", "rank", "order as last", "mean difference", "mean absolute difference"],
        rows,
    )


def roads(files: Mapping[str, Results]) -> Table | None:
    """ROAD of every network and map. files: results of `road` by name."""
    if not files:
        return None
    return Table(
        "ROAD: accuracy without pixels, not retrained",
        "The area between both curves (95% interval over images): 0 is what a random order has, and the more it is "
        "above, the better the map orders the pixels. Of each curve the least and the greatest accuracy over the "
        "shares of the pixels.",
        ["network", "data", "accuracy", "map", "area", "most relevant first", "least relevant first", "results"],
        [row for name, results in files.items() for row in _road(results, name)],
    )


def _road(results: Results, name: str) -> list[list[str]]:
    clean = results["clean"]
    of_network = [results["model"], f"{data_of(results)}, {clean['n']:,d} images", f"{clean['accuracy']:.2%}"]
    return [
        [
            *of_network,
            ATTRIBUTIONS[row["attribution"]],
            _ranged(row["area"], row, ".4f"),
            *(f"{min(row[order]):.1%} to {max(row[order]):.1%}" for order in ORDERS),
            f"{name}.json",
        ]
        for row in results["attributions"]
    ]


GRADIENTS = {
    "tangent_share": "tangent share",
    "sensitivity": "change off the manifold / on it",
    "rare_share": "share in directions of least variance",
}


def gradients(results: Results) -> Table | None:
    """How the loss gradients of section 2.1's networks lie to the image manifold."""
    poor = results["problems"]
    named = [*((n["name"], n) for n in results["networks"]), ("to the nearest image of the class", results["nearest"])]
    rows = []
    for name, row in named:
        cells = [_ranged(row[m] and row[m]["mean"], row[m], ".3f") for m in GRADIENTS]
        rows.append([name, *(["not valid"] * 2 + cells[2:] if poor else cells)])
    rows.append(["by chance", *(f"{results['chance'][m]:.3f}" for m in GRADIENTS)])
    rank = results.get("rank")
    told = "" if rank is None else f" Tangent spaces: {rank['mean']:.1f} dimensions, {rank['least']:.0f} at least."
    reason = f" The VAE-GAN cannot stand for the manifold: {'; '.join(poor)}." if poor else ""
    if results.get("rare_problem"):
        reason += f" No share in directions of least variance to be relied on: {results['rare_problem']}."
    return Table(
        f"How loss gradients lie to the image manifold, {data_of(results)}",
        f"Means over {results['n_images']:,d} test images (95% intervals).{told}{reason}{_source(results)}",
        ["network", *GRADIENTS.values()],
        rows,
    )


OF_GRID: dict[str, Callable[[Results], Table | None]] = {
    "controls": controls,
    "regressors": regressors,
    "schedules": schedules,
}
"""Tables of a results file of section 3.2, by name."""


def tables(content: Mapping[str, Results], paths: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """All tables that results files hold, as plain data; and, by path, why a file's cannot be made.

    content, paths: results files by name.
    """
    reasons: dict[str, str] = {}

    def made(name: str, make: Callable[[Results], Table | None]) -> Table | None:
        try:
            return make(content[name])
        except protocols.ODD as error:
            cause = printable(f"{type(error).__name__}: {error}".replace("\n", " "))[:200]
            reasons[paths[name]] = f"its measures cannot be shown ({cause}); run its command again."
            return None

    grids = [name for loss in LOSSES if (name := f"section_3_2_{loss}") in content]
    found = [made(name, make) for make in OF_GRID.values() for name in grids]
    found += [made(name, methods) for name in ("methods",) if name in content]
    of_roads = files(content, "road")
    found.append(roads({n: r for n, r in of_roads.items() if made(n, lambda results: roads({"": results}))}))
    found += [made(name, gradients) for name in files(content, "gradients")]
    return [asdict(table) for table in found if table is not None], reasons


def files(content: Mapping[str, Results], figure: str) -> dict[str, Results]:
    """Results files whose figure is of this kind, and whose names say so, as commands call them; by name.

    content: all results files by name; figure: "road" or "gradients".
    """
    return {
        name: results
        for name, results in sorted(content.items())
        if results.get("figure") == figure and name.startswith(f"{figure}_")
    }


def data_of(results: Results) -> str:
    """The data set of results as people call it; of one's own data the file or folder."""
    dataset = results["dataset"]
    if dataset == OWN:
        return Path(results["data_source"]).name
    return DATASETS[origin(dataset)] + (" (packaged sample)" if origin(dataset) != dataset else "")


def _trained(results: Results) -> str:
    return f"networks trained with {LOSSES[results['loss']]}"


def _source(results: Results) -> str:
    return f" Preset {protocols.scale(results)}."


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


def _ranged(value: float | None, beside: Mapping[str, Any] | None, form: str) -> str:
    """A value with the interval beside it, where there is one."""
    if value is None or beside is None:
        return NONE
    if beside.get("interval") is None:
        return format(value, form)
    low, high = (format(end, form) for end in beside["interval"])
    return f"{value:{form}} ({low} to {high})"
