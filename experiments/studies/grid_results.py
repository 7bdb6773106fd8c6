"""Sections 3.2 and 3.3 in numbers: from retrained accuracies to scores and correlations, with the authors'."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.paper import published

from .presets import ATTRIBUTIONS, STRONGEST, InterpretabilityStudy

if TYPE_CHECKING:
    import numpy as np

    from .grid import Cells, Grid

AXES = ("strength", "accuracy")
BAND_POINTS = 40


def measure(grid: "Grid") -> dict[str, Any]:
    """Every number of the grid, made where the store lacks it: the random baseline, then network by network."""
    grid.complete(grid.everything())
    baseline = grid.cells(None)
    networks = []
    for explained in grid.study.networks():
        clean, robust = grid.accuracies(explained.spec)
        networks.append((explained, clean, robust, grid.cells(explained.spec)))
    return {"baseline": baseline, "networks": networks}


def figure(study: InterpretabilityStudy, measured: dict[str, Any], loss: str, axis: str) -> dict[str, Any]:
    """The content of Figure 4 (axis "strength") or 5 ("accuracy") for the networks trained with one loss."""
    baseline = measured["baseline"]
    chosen = [row for row in measured["networks"] if row[0].loss in (None, loss)]
    return {
        "loss": loss,
        "axis": axis,
        "fractions": list(study.fractions),
        "n_seeds": study.n_seeds,
        "robust_attack": str(study.robust_attack),
        "baseline": {o: baseline["random", o].tolist() for o in labels.TESTS_IN_FULL},
        "networks": [
            {
                "name": str(explained),
                "norm": explained.norm,
                "eps": explained.eps,
                "seed": explained.spec.training.seed,
                "accuracy": clean.value,
                "accuracy_interval": list(clean.interval),
                "robust_accuracy": robust.value,
                "robust_accuracy_interval": list(robust.interval),
                "n_attacked": robust.n,
                "retrained": {a: {o: cells[a, o].tolist() for o in labels.TESTS_IN_FULL} for a in ATTRIBUTIONS},
            }
            for explained, clean, robust, cells in chosen
        ],
        "panels": [_panel(study, baseline, chosen, loss, axis, occlusion) for occlusion in labels.TESTS_IN_FULL],
    }


def _panel(
    study: InterpretabilityStudy, baseline: "Cells", chosen: list, loss: str, axis: str, occlusion: str
) -> dict[str, Any]:
    return {
        "occlusion": occlusion,
        "title": labels.TESTS_IN_FULL[occlusion],
        "series": [
            _series(study, baseline, [row for row in chosen if row[0].norm in (None, norm)], loss, norm, axis, key)
            for key in ((occlusion, "gradient_x_input"), (occlusion, "gradient"))
            for norm in study.eps
        ],
    }


def _series(
    study: InterpretabilityStudy,
    baseline: "Cells",
    rows: list,
    loss: str,
    norm: str,
    axis: str,
    key: tuple[str, str],
) -> dict[str, Any]:
    occlusion, attribution = key
    scored = [
        score_of(study, cells[attribution, occlusion], baseline["random", occlusion], occlusion) for *_, cells in rows
    ]
    return series(
        (loss, norm, occlusion, attribution),
        axis,
        eps=[explained.eps for explained, *_ in rows],
        accuracy=[clean.value for _, clean, *_ in rows],
        y=[score for score, _ in scored],
        errors=[error for _, error in scored],
    )


def series(
    key: tuple[str, str, str, str],
    axis: str,
    *,
    eps: list[float],
    accuracy: list[float],
    y: list[float],
    errors: list[float | None],
) -> dict[str, Any]:
    """One series of a panel: its points, correlations with intervals, the authors', line and band.

    key: loss, norm, occlusion, attribution. The standard networks are those with eps 0.
    """
    import numpy as np

    from robint_tf.interpretability import scores

    loss, norm, occlusion, attribution = key
    x = np.array([e / STRONGEST[norm] for e in eps] if axis == "strength" else accuracy)
    values = np.array(y)
    correlation, line = scores.correlation(x, values), scores.fit_line(x, values)
    at = np.linspace(x.min(), x.max(), BAND_POINTS)
    band = scores.fit_band(x, values, at)
    standard = np.array(eps) == 0
    return {
        "name": f"{labels.NORMS[norm]} {labels.LOSSES[loss]} {labels.ATTRIBUTIONS[attribution]}",
        "norm": norm,
        "attribution": attribution,
        "x": x.tolist(),
        "y": y,
        "standard_errors": errors,
        "correlation": correlation and asdict(correlation),
        "authors": asdict(published.printed_correlation(loss, norm, occlusion, attribution, axis)),
        "line": line and line._asdict(),
        "band": band and {"x": at.tolist(), "low": band[0].tolist(), "high": band[1].tolist()},
        "margin_over_standard": None if standard.all() else scores.margin(values[~standard], values[standard]),
    }


def authors_figure(loss: str, axis: str) -> dict[str, Any]:
    """The published Figure 4 (axis "strength") or 5 ("accuracy"), from the numbers read back from it."""
    panels = []
    for occlusion, title in labels.TESTS_IN_FULL.items():
        entries = []
        for attribution in reversed(ATTRIBUTIONS):
            for norm in labels.NORMS:
                table = published.series(loss, norm)
                y = list(table.scores[occlusion, attribution])
                entries.append(
                    series(
                        (loss, norm, occlusion, attribution),
                        axis,
                        eps=list(table.eps),
                        accuracy=list(table.accuracy),
                        y=y,
                        errors=[None] * len(y),
                    )
                )
        panels.append({"occlusion": occlusion, "title": title, "series": entries})
    return {
        "figure": "interpretability",
        "dataset": "the authors, cifar10",
        "train_data": {"count": 50_000},
        "axis": axis,
        "fractions": [0.1, 0.3, 0.5, 0.7, 0.9],
        "n_seeds": 3,
        "panels": panels,
    }


def score_of(
    study: InterpretabilityStudy, accuracies: "np.ndarray", random: "np.ndarray", occlusion: str
) -> tuple[float, float | None]:
    """A network's score from accuracies (fractions, seeds), and its standard error over the seeds if there are two."""
    import numpy as np

    from robint_tf.interpretability import scores

    return scores.score_over_seeds(np.array(study.fractions), accuracies, random, occlusion)


def print_table(figure: dict[str, Any]) -> None:
    """Print our correlations and the authors'."""
    against = {"strength": "attack strength", "accuracy": "test accuracy"}[figure["axis"]]
    for panel in figure["panels"]:
        click.echo(f"\n{panel['title']}: correlation with {against}")
        click.echo(
            f"{'series':16} {'linear (95% interval)':>26} {'authors':>8} {'rank (95% interval)':>26} {'authors':>8}"
        )
        for series in panel["series"]:
            ours = series["correlation"]
            cells = ["-", "-"]
            if ours is not None:
                cells = [
                    f"{ours[name]:.3f} ({ours[f'{name}_interval'][0]:.2f} to {ours[f'{name}_interval'][1]:.2f})"
                    for name in ("pearson", "spearman")
                ]
            authors = series["authors"]
            click.echo(
                f"{series['name']:16} {cells[0]:>26} {authors['linear']:8.3f} {cells[1]:>26} {authors['rank']:8.3f}"
            )
        above = sum((s["margin_over_standard"] or 0) > 0 for s in panel["series"])
        click.echo(f"every robust network above every standard one: in {above} of {len(panel['series'])} series")


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


def print_retrainings(study: InterpretabilityStudy, tests: list[dict[str, Any]]) -> None:
    """Print accuracies by fraction, means over the retrainings, and the scores."""
    import numpy as np

    for test in tests:
        verb = "removed" if test["occlusion"] == "remove" else "kept"
        click.echo(f"\n{test['test']}: test accuracy by fraction of pixels {verb}, mean of {study.n_seeds}")
        click.echo(f"{'':8}" + "".join(f"{fraction:8.0%}" for fraction in study.fractions) + "    score")
        for row in test["attributions"]:
            error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.4f}"
            means = "".join(f"{value:8.2%}" for value in np.mean(row["accuracies"], axis=1))
            click.echo(f"{labels.ATTRIBUTIONS[row['attribution']]:8}{means} {row['score']:8.4f}{error}")
        click.echo(f"{'random':8}" + "".join(f"{value:8.2%}" for value in np.mean(test["random"], axis=1)))
