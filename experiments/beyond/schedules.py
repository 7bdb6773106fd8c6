"""The scores of sections 3.2 and 3.3 read at other epochs than the last one, without another training.

The learning rate is constant, and images come in file order, so the first e epochs of a training are the training of e
epochs. The last epoch, which the paper takes, is one draw of an accuracy that moves by a point from epoch to epoch.
"""

import math
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.paper import published

from ..studies.grid_results import score_of
from ..studies.presets import ATTRIBUTIONS, InterpretabilityStudy

if TYPE_CHECKING:
    import numpy as np

    from ..studies.grid import Grid

LAST = "last epoch"
AVERAGED = 5
SHARES = (0.25, 0.5, 0.75)

Hits = dict[tuple[str, str], "np.ndarray"]
"""By attribution and occlusion: right answers, (fractions, seeds, epochs) int64."""


def readings(epochs: int) -> dict[str, slice]:
    """Ways to read accuracies by epoch, and the epochs whose mean each takes; the last epoch first."""
    found = {LAST: slice(epochs - 1, epochs)}
    if epochs > 1:
        found[f"mean of the last {min(AVERAGED, epochs)}"] = slice(max(epochs - AVERAGED, 0), epochs)
    shorter = sorted({math.ceil(share * epochs) for share in SHARES} - {epochs})
    return found | {f"after {epoch} of {epochs}": slice(epoch - 1, epoch) for epoch in shorter}


def hits_of(grid: "Grid", source: Any) -> Hits:
    """Right answers by epoch of the retrainings on the paper's maps of a network, or on random pixels for None."""
    import numpy as np

    study = grid.study
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for spec in study.cells(source):
        if spec.attribution in ("random", *ATTRIBUTIONS):
            found.setdefault((spec.attribution, spec.occlusion), []).append(grid.hits(spec))
    shape = (len(study.fractions), -1, study.retraining.epochs)
    return {key: np.array(rows).reshape(shape) for key, rows in found.items()}


def compared(grid: "Grid", measured: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """What a results file holds of accuracies by epoch, and of scores by reading.

    content: the figure, whose networks these are, and whose axis decides what the correlations are with. Accuracies of
    the explained networks are on all test images; None where the store does not know them. rank_agreement: the rank
    correlation with the scores of the last epoch; a mean that contains it is taken without it there, as everything
    agrees with a part of itself.
    """
    study = grid.study
    n_test = len(grid.dataset.test.take(study.n_test).y)
    baseline = hits_of(grid, None)
    shown = {network["name"] for network in content["networks"]}
    rows = []
    for explained, *_ in measured["networks"]:
        if str(explained) in shown:
            curve = grid.curve(explained.spec)
            rows.append((explained, None if curve is None else curve.tolist(), hits_of(grid, explained.spec)))
    epochs = study.retraining.epochs
    ways = readings(epochs)
    apart = {way: without_last(part, epochs) for way, part in ways.items()}

    def read(hits: Hits, parts: dict[str, slice]) -> dict[str, dict[str, dict[str, float]]]:
        return {
            a: {
                o: {
                    way: score(study, hits[a, o], baseline["random", o], o, part, n_test) for way, part in parts.items()
                }
                for o in labels.TESTS
            }
            for a in ATTRIBUTIONS
        }

    others = {str(explained): read(hits, apart) for explained, _, hits in rows}
    scored = [
        {
            "name": str(explained),
            "accuracy_by_epoch": curve,
            "hits_by_epoch": {a: {o: hits[a, o].tolist() for o in labels.TESTS} for a in ATTRIBUTIONS},
            "scores": read(hits, ways),
        }
        for explained, curve, hits in rows
    ]
    xs = {str(e): (e, _x(e, curve, study, content["axis"])) for e, curve, _ in rows}
    return {
        "schedules": {
            "test_images": n_test,
            "readings": list(ways),
            "baseline_hits_by_epoch": {o: baseline["random", o].tolist() for o in labels.TESTS},
            "networks": scored,
            "series": [
                _series(scored, others, xs, norm, attribution, occlusion, list(ways))
                for occlusion in labels.TESTS
                for attribution in ATTRIBUTIONS
                for norm in study.eps
            ],
        }
    }


def without_last(part: slice, epochs: int) -> slice:
    """A part of the epochs without the last one; that itself, if it is all."""
    return slice(part.start, epochs - 1) if part.start < epochs - 1 and part.stop == epochs else part


def score(
    study: InterpretabilityStudy, hits: "np.ndarray", random: "np.ndarray", occlusion: str, part: slice, n_test: int
) -> float:
    """A network's score, of accuracies that are means over a part of the epochs."""
    accuracies, baseline = (h[..., part].mean(axis=-1) / n_test for h in (hits, random))
    return score_of(study, accuracies, baseline, occlusion)[0]


def _x(explained: Any, curve: list[float] | None, study: InterpretabilityStudy, axis: str) -> dict[str, float] | None:
    """A network's place on the axis by reading; its accuracy is read as the retrained ones are."""
    ways = readings(study.retraining.epochs)
    if axis == "strength":
        return dict.fromkeys(ways, explained.eps / published.STRONGEST[explained.norm] if explained.norm else 0.0)
    if curve is None:
        return None
    means = [sum(curve[part]) / len(curve[part]) for part in readings(len(curve)).values()]
    return dict(zip(ways, means, strict=True)) if len(means) == len(ways) else None  # of trainings of unlike lengths


def _series(
    scored: list[dict[str, Any]],
    others: dict[str, Any],
    xs: dict[str, Any],
    norm: str,
    attribution: str,
    occlusion: str,
    ways: list[str],
) -> dict[str, Any]:
    """A series by reading; others: by network, its scores from other epochs than the last."""
    import numpy as np

    from robint_tf.interpretability import scores

    rows = [row for row in scored if xs[row["name"]][0].norm in (None, norm)]
    y = {way: np.array([row["scores"][attribution][occlusion][way] for row in rows]) for way in ways}
    found = []
    for way in ways:
        places = [xs[row["name"]][1] for row in rows]
        with_axis = None
        if all(place is not None for place in places):
            with_axis = scores.correlation(np.array([place[way] for place in places]), y[way])
        apart = np.array([others[row["name"]][attribution][occlusion][way] for row in rows])
        with_last = scores.correlation(y[LAST], apart)
        found.append(
            {
                "reading": way,
                "correlation": with_axis and with_axis.pearson,
                "rank_correlation": with_axis and with_axis.spearman,
                "rank_agreement": with_last and with_last.spearman,
                "mean_difference": float((y[way] - y[LAST]).mean()),
                "mean_absolute_difference": float(np.abs(y[way] - y[LAST]).mean()),
            }
        )
    return {"norm": norm, "attribution": attribution, "occlusion": occlusion, "readings": found}


def print_table(content: dict[str, Any]) -> None:
    """Print how the scores of every reading go with those of the last epoch, and with the axis."""
    found = content["schedules"]
    if len(found["readings"]) < 2:
        return
    click.echo("\nbeyond the paper: scores read at other epochs of the same trainings (the last epoch decides)")
    click.echo(
        f"{'series':22}{'reading':22}{'linear':>8}{'rank':>8}{'order as last':>15}{'mean difference':>17}"
        f"{'absolute':>10}"
    )
    for series in found["series"]:
        test, norm, attribution = series["occlusion"], series["norm"], series["attribution"]
        name = f"{labels.TESTS[test]} {labels.NORMS[norm]} {labels.ATTRIBUTIONS[attribution]}"
        for row in series["readings"]:
            cells = [_cell(row[key]) for key in ("correlation", "rank_correlation", "rank_agreement")]
            click.echo(
                f"{name:22}{row['reading']:22}{cells[0]:>8}{cells[1]:>8}{cells[2]:>15}"
                f"{row['mean_difference']:17.4f}{row['mean_absolute_difference']:10.4f}"
            )
            name = ""
    click.echo(
        "order as last: rank correlation with the last epoch, which a mean that contains it is then taken without"
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
