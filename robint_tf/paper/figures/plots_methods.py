"""The paper's outlook: scores of many attributions, of a standard and of robust networks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robint_tf.catalogue import origin
from robint_tf.labels import ATTRIBUTIONS, DATASETS, NORMS
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look
from robint_tf.study.figures import BELOW

COLOURS = {None: "0.2", "l2": looks.BLUE, "linf": looks.ORANGE}
MARKERS = {None: "x", "l2": "o", "linf": "s"}
ONE_ROW = 9.0
"""Width in inches from which on all panels stand beside each other."""

PANELS = {"remove": "ROAR", "keep": "KAR", "diff_roar": "DiffROAR", "road": "ROAD, not retrained"}


def methods(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """A row for each method, a mark for each network, a panel for each score; the larger, the better."""
    names = [row["attribution"] for row in results["networks"][0]["maps"]]
    panels = [test for test in PANELS if results["networks"][0]["maps"][0][test] is not None]
    columns = len(panels) if look.width is None or look.width > ONE_ROW else 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.2 * columns + 1, 0.9 + rows * (1 + 0.36 * len(names))), layout="constrained")
    every = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, test in zip(every[: len(panels)], panels, strict=True):
        axes.hlines(
            np.arange(len(names) - 1) + 0.5, 0, 1, color="0.9", linewidth=0.8, transform=axes.get_yaxis_transform()
        )
        axes.axvline(0, color="0.7", linewidth=0.8, linestyle=":")
        for i, (network, style) in enumerate(zip(results["networks"], _styles(results), strict=True)):
            y = np.arange(len(names)) + 0.6 * (i / max(len(results["networks"]) - 1, 1) - 0.5)
            _marks(axes, y, [row[test] for row in network["maps"]], label=_named(network), **style)
        axes.set(xlabel=PANELS[test])
        axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(range(len(names)), [ATTRIBUTIONS[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        *axes.get_legend_handles_labels(), loc=BELOW, ncols=min(len(results["networks"]), 5), fontsize="small"
    )
    n, retrainings = results["train_data"]["count"], results["n_seeds"]
    bars = "95% intervals over images (ROAD)"
    if retrainings > 1:
        bars = f"standard errors over retrainings, {bars}"
    figure.suptitle(
        f"{DATASETS[origin(results['dataset'])]}: {n:,} training images, {retrainings} retraining"
        f"{'s' if retrainings > 1 else ''} of each map and share; bars: {bars}",
        fontsize="medium",
        gid=looks.REPORT_TEXT,
    )
    return figure


def _styles(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of each network: colour and marker of its norm, hollow but for the strongest of the norm."""
    strongest = {network["norm"]: network["name"] for network in results["networks"]}
    for network in results["networks"]:
        norm, full = network["norm"], network["name"] == strongest[network["norm"]]
        colour = COLOURS.get(norm, looks.GREEN)
        yield {"color": colour, "marker": MARKERS.get(norm, "D"), "markerfacecolor": colour if full else "white"}


def _named(network: dict[str, Any]) -> str:
    return "Standard" if network["norm"] is None else f"{NORMS[network['norm']]} {network['eps']:g}"


def _marks(axes: Axes, y: np.ndarray, rows: list[dict[str, Any]], **style: Any) -> None:
    """Scores or areas; errors to both sides where there are some."""
    x = np.array([row["score"] if "score" in row else row["area"] for row in rows])
    errors = np.zeros((2, len(rows)))
    for i, row in enumerate(rows):
        if row.get("interval"):
            errors[:, i] = abs(np.array(row["interval"]) - x[i])
        elif row.get("standard_error") is not None:
            errors[:, i] = row["standard_error"]
    axes.errorbar(x, y, xerr=errors if errors.any() else None, linestyle="none", capsize=2, markersize=5, **style)
