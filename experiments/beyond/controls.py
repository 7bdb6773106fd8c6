"""What the scores of section 3.2 owe to the shape of maps: measures beside the scores, and maps that are controls.

Without retraining: how clustered (Moran's I) and how sparse (Gini index) the maps of every network are, how clustered
the masks that are made of them, and how well a linear classifier tells the class from these alone, beside what it tells
from random masks. With retraining: smoothed maps, which know no more than the maps that they are made of, and maps that
know no network.
"""

from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.specs import RANDOM

from ..studies.grid_results import score_of
from ..studies.presets import ATTRIBUTIONS, UNAWARE, InterpretabilityStudy

if TYPE_CHECKING:
    from robint_tf.interpretability.controls import Controls

    from ..studies.grid import Grid

Shapes = dict[str | None, "dict[str, Controls]"]
"""By name of the network, None for none, and by attribution; "random", of none, are the masks of the baseline."""


def measure_shapes(grid: "Grid") -> Shapes:
    """What the maps of every network give away, from the store."""
    shapes: Shapes = {None: grid.shapes(None)}
    return shapes | {str(explained): grid.shapes(explained.spec) for explained in grid.study.networks()}


def controls(
    study: InterpretabilityStudy, measured: dict[str, Any], shapes: Shapes, content: dict[str, Any]
) -> dict[str, Any]:
    """What a results file holds of controls: a row for each map of each network of the figure `content`.

    "controls": scores and shape of the networks' maps. "control_maps": the same of maps that are controls, empty unless
    they were asked for. "control_masks": shares of the pixels in the masks, and by share what random masks give away.
    "regressors": by series, how scores go with each measure, and with the axis at equal measure.
    """
    shown = {network["name"] for network in content["networks"]}
    baseline = measured["baseline"]
    rows: list[dict[str, Any]] = []
    maps: list[dict[str, Any]] = []
    for attribution in [a for a in UNAWARE if (a, "keep") in baseline]:
        maps.append(_row(study, None, None, attribution, baseline, baseline, shapes))
    for explained, *_, cells in measured["networks"]:
        name = str(explained)
        if name in shown:
            for attribution in study.attributions(explained.spec):
                row = _row(study, name, explained.norm, attribution, cells, baseline, shapes)
                (rows if attribution in ATTRIBUTIONS else maps).append(row)
    masks = {"fractions": study.shapes(None)[0].fractions, "random_leakage": shapes[None][RANDOM].leakage}
    return {
        "controls": rows,
        "control_maps": maps,
        "control_masks": masks,
        "regressors": _regressors(rows, content),
    }


def _row(
    study: InterpretabilityStudy,
    name: str | None,
    norm: str | None,
    attribution: str,
    cells: Any,
    baseline: Any,
    shapes: Shapes,
) -> dict[str, Any]:
    scores = {}
    for occlusion in labels.TESTS:
        value, error = score_of(study, cells[attribution, occlusion], baseline["random", occlusion], occlusion)
        scores[occlusion] = {"score": value, "standard_error": error}
    return {
        "network": name,
        "norm": norm,
        "attribution": attribution,
        **scores,
        **shapes[name][attribution].row(shapes[None][RANDOM]),
        "retrained": {o: cells[attribution, o].tolist() for o in labels.TESTS},
    }


MEASURES = {"moran": "Moran's I", "mean_mask_moran": "of masks", "gini": "Gini", "mean_leakage": "leakage"}
SHOWN = MEASURES | {"chance_leakage": "by chance"}
"""Columns of a table; what is so by chance explains no score."""


def _regressors(rows: list[dict[str, Any]], content: dict[str, Any]) -> list[dict[str, Any]]:
    """By series of the figure: correlation of the score with each measure, and with the axis at equal measure."""
    import numpy as np

    from robint_tf.interpretability import inference, scores

    found = []
    for panel in content["panels"]:
        for series in panel["series"]:
            chosen = [
                r for r in rows if r["norm"] in (None, series["norm"]) and r["attribution"] == series["attribution"]
            ]
            x, y = np.array(series["x"]), np.array(series["y"])
            by_measure = {}
            for measure in MEASURES:
                z = [row[measure] for row in chosen]
                if any(value is None for value in z):
                    continue
                plain = scores.correlation(np.array(z), y)
                partial = inference.partial_correlation(x, y, np.array(z), degree=1) if np.ptp(z) > 0 else None
                by_measure[measure] = {
                    "correlation": plain and plain.pearson,
                    "axis_at_equal_measure": partial and {"value": partial.value, "interval": list(partial.interval)},
                }
            found.append({"series": series["name"], "occlusion": panel["occlusion"], "measures": by_measure})
    return found


def print_table(content: dict[str, Any]) -> None:
    """Print scores with the shape of maps and masks, and the controls apart."""
    click.echo("\nbeyond the paper: scores beside the shape of maps and masks (test images) and what masks give away")
    _print_rows(content["controls"])
    leaks = content["control_masks"]["random_leakage"]
    if leaks:
        click.echo(f"Random masks give away {min(leaks):.3f} to {max(leaks):.3f}, by share of the pixels.")
    if content["control_maps"]:
        click.echo("\nbeyond the paper: maps that are controls, retrained on like the others")
        _print_rows(content["control_maps"])
    lines = []
    for row in content["regressors"]:
        cells = []
        for measure in MEASURES:
            found = row["measures"].get(measure)
            partial = found and found["axis_at_equal_measure"]
            cells.append(
                f"{_cell(found and found['correlation'], '.2f')} / {_cell(partial and partial['value'], '.2f')}"
            )
        lines.append(f"{labels.TESTS[row['occlusion']]} {row['series']:18}" + "".join(f"{c:>18}" for c in cells))
    click.echo("\ncorrelation of the score with a measure / with the figure's axis where that measure is equal")
    click.echo(f"{'':23}" + "".join(f"{name:>18}" for name in MEASURES.values()))
    for line in lines:
        click.echo(line)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    click.echo(f"{'network':28}{'map':16}{'ROAR':>9}{'KAR':>9}" + "".join(f"{name:>11}" for name in SHOWN.values()))
    for row in rows:
        shown = "".join(f"{_cell(row[measure], '.3f'):>11}" for measure in SHOWN)
        click.echo(
            f"{row['network'] or 'no network':28}{labels.ATTRIBUTIONS[row['attribution']]:16}"
            f"{row['remove']['score']:9.4f}{row['keep']['score']:9.4f}{shown}"
        )


def print_shapes(shapes: dict[str, dict[str, Any]]) -> None:
    """Print the shape of the maps of one network, `Controls.row` by attribution."""
    click.echo("\nbeyond the paper: shape of maps and masks (test images), and what masks give away")
    width = max(16, *(1 + len(labels.ATTRIBUTIONS[attribution]) for attribution in shapes))
    click.echo(f"{'':{width}}" + "".join(f"{name:>11}" for name in SHOWN.values()))
    for attribution, row in shapes.items():
        click.echo(
            f"{labels.ATTRIBUTIONS[attribution]:{width}}" + "".join(f"{_cell(row[m], '.3f'):>11}" for m in SHOWN)
        )


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
