"""Sections 3.2 and 3.3 in numbers: from retrained accuracies to scores and correlations, with the authors'."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.paper import published
from robint_tf.specs import FRACTIONS

from .presets import ATTRIBUTIONS, InterpretabilityStudy

if TYPE_CHECKING:
    import numpy as np

    from .grid import Cells, Grid

AXES = ("strength", "accuracy")


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
    """The content of Figure 4 (axis "strength") or 5 ("accuracy") for the networks trained with one loss.

    Beyond the paper it holds DiffROAR, by network and as a panel, and the pooled random baseline.
    """
    baseline = measured["baseline"]
    chosen = [row for row in measured["networks"] if row[0].loss in (None, loss)]
    found = {
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
                "diff_roar": diff_roar_of(study.fractions, study.methods, cells),
            }
            for explained, clean, robust, cells in chosen
        ],
        "panels": [_panel(study, baseline, chosen, loss, axis, occlusion) for occlusion in labels.TESTS_IN_FULL],
    }
    return found | _beyond(found)


def _beyond(found: dict[str, Any]) -> dict[str, Any]:
    """What a figure holds beyond the paper's own: the pooled random baseline, and the panel of DiffROAR."""
    from robint_tf.paper.beyond import cells
    from robint_tf.paper.figures.series import diff_roar_panel

    pooled = {
        occlusion: {"accuracy": mean.tolist(), "n": n.tolist()}
        for occlusion, (mean, n) in cells.baseline(found).items()
    }
    return {"pooled_baseline": pooled, "diff_roar": diff_roar_panel(found)}


def diff_roar_of(fractions: Sequence[float], methods: Iterable[str], cells: "Cells") -> "dict[str, Any] | None":
    """DiffROAR of a network by attribution, as `cells.diff_roar` gives it; None where the fractions allow none."""
    from robint_tf.paper.beyond.cells import diff_roar

    found = {a: diff_roar(fractions, {o: cells[a, o] for o in labels.TESTS_IN_FULL}) for a in methods}
    return None if None in found.values() else found


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
    from robint_tf.paper.figures.series import series

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


def authors_figure(loss: str, axis: str) -> dict[str, Any]:
    """The published Figure 4 (axis "strength") or 5 ("accuracy"), from the numbers read back from it; with DiffROAR."""
    from robint_tf.paper.beyond.cells import DIFF
    from robint_tf.paper.figures.series import authors_panel

    return {
        "figure": "interpretability",
        "dataset": f"the authors, {labels.DATASETS['cifar10']}",
        "train_data": {"count": 50_000},
        "loss": loss,
        "axis": axis,
        "fractions": list(FRACTIONS),
        "n_seeds": published.N_RETRAININGS,
        "panels": [authors_panel(loss, axis, test) for test in labels.TESTS_IN_FULL],
        "diff_roar": authors_panel(loss, axis, DIFF),
    }


def score_of(
    study: InterpretabilityStudy, accuracies: "np.ndarray", random: "np.ndarray", occlusion: str
) -> tuple[float, float | None]:
    """A network's score from accuracies (fractions, seeds), and its standard error over the seeds if there are two."""
    import numpy as np

    from robint_tf.interpretability import inference

    return inference.score_over_seeds(np.array(study.fractions), accuracies, random, occlusion)


def print_table(figure: dict[str, Any]) -> None:
    """Print our correlations and the authors', of ROAR and KAR and, beyond the paper, of DiffROAR."""
    against = {"strength": "attack strength", "accuracy": "test accuracy"}[figure["axis"]]
    beyond = [figure["diff_roar"]] if figure["diff_roar"] else []
    for panel in [*figure["panels"], *beyond]:
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
            linear, rank = (f"{authors[name]:.3f}" if authors else "-" for name in ("linear", "rank"))
            click.echo(f"{series['name']:16} {cells[0]:>26} {linear:>8} {cells[1]:>26} {rank:>8}")
        above = sum((s["margin_over_standard"] or 0) > 0 for s in panel["series"])
        click.echo(f"every robust network above every standard one: in {above} of {len(panel['series'])} series")
    if not beyond:
        click.echo("\nno DiffROAR: it needs the fraction 1 - k for every fraction k")


def scores_of(
    fractions: Sequence[float], methods: Iterable[str], cells: "Cells", baseline: "Cells"
) -> list[dict[str, Any]]:
    """Accuracies and scores by test (ROAR, KAR)."""
    import numpy as np

    from robint_tf.interpretability import inference

    tests = []
    for occlusion, title in labels.TESTS_IN_FULL.items():
        random = baseline["random", occlusion]
        attributions = []
        for attribution in methods:
            accuracies = cells[attribution, occlusion]
            score, error = inference.score_over_seeds(np.array(fractions), accuracies, random, occlusion)
            row = {"attribution": attribution, "score": score, "standard_error": error}
            attributions.append({**row, "accuracies": accuracies.tolist()})
        tests.append({"test": title, "occlusion": occlusion, "random": random.tolist(), "attributions": attributions})
    return tests


def print_retrainings(
    fractions: Sequence[float], tests: list[dict[str, Any]], diff_roar: dict[str, Any] | None
) -> None:
    """Print accuracies by fraction, means over the retrainings, and the scores; then DiffROAR, where there is one."""
    import numpy as np

    from robint_tf.paper.beyond.cells import DIFF, TITLES

    def error_of(row: dict[str, Any]) -> str:
        return "" if row["standard_error"] is None else f" ± {row['standard_error']:.4f}"

    methods = [row["attribution"] for row in tests[0]["attributions"]]
    width = max(8, *(1 + len(labels.ATTRIBUTIONS[name]) for name in methods))
    heads = "".join(f"{fraction:8.0%}" for fraction in fractions)
    for test in tests:
        verb = "removed" if test["occlusion"] == "remove" else "kept"
        click.echo(f"\n{test['test']}: test accuracy by fraction of pixels {verb}, mean of {len(test['random'][0])}")
        click.echo(f"{'':{width}}{heads}    score")
        for row in test["attributions"]:
            means = "".join(f"{value:8.2%}" for value in np.mean(row["accuracies"], axis=1))
            click.echo(f"{labels.ATTRIBUTIONS[row['attribution']]:{width}}{means} {row['score']:8.4f}{error_of(row)}")
        click.echo(f"{'random':{width}}" + "".join(f"{value:8.2%}" for value in np.mean(test["random"], axis=1)))
    if diff_roar is not None:
        click.echo(f"\n{TITLES[DIFF]}: difference of test accuracies by fraction of pixels kept")
        click.echo(f"{'':{width}}{heads}     area")
        for attribution, row in diff_roar.items():
            means = "".join(f"{value:8.2%}" for value in row["by_fraction"])
            click.echo(f"{labels.ATTRIBUTIONS[attribution]:{width}}{means} {row['area']:8.4f}{error_of(row)}")
