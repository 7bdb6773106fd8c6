"""Figures 4 and 5: ROAR and KAR scores against attack strength or test accuracy; DiffROAR in a figure of its own."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robint_tf.errors import InputError
from robint_tf.labels import DATASETS, LOSSES
from robint_tf.paper.beyond.cells import DIFF, authors_points, strength
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look
from robint_tf.paper.figures.series import diff_roar_panel

STYLES = {
    ("l2", "gradient_x_input"): (looks.GREEN, "o", looks.DASHES[1]),
    ("linf", "gradient_x_input"): (looks.RED, "X", looks.DASHES[2]),
    ("l2", "gradient"): (looks.BLUE, "s", looks.DASHES[3]),
    ("linf", "gradient"): (looks.ORANGE, "^", looks.DASHES[0]),
}
"""Colour, marker and dash by norm and attribution, the colours near the authors'; others are grey."""

AUTHORS_SCORES = {"remove": (0.005, 0.085), "keep": (-0.04, 0.025)}
"""Ends of the published figures' vertical axes (notebook 3.5)."""

AXES = {"strength": ("Attack Strength", 0.05), "accuracy": ("Test Accuracy", 0.01)}
"""Name of the horizontal axis, and how far it reaches beyond the networks (notebook 3.5)."""

AREA = {
    "remove": "Interpretability\n(Attribution AOC) - (Random AOC)",
    "keep": "Interpretability\n(Attribution AUC) - (Random AUC)",
    DIFF: "DiffROAR\narea of (Top Kept) - (Bottom Kept)",
}
"""Name of the vertical axis."""


def interpretability(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """ROAR on the left, KAR on the right; a point per network, a line and its 95% band per series."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(results["panels"])), results["panels"], strict=True):
        _panel(axes, panel, results, look)
    figure.suptitle(f"{note(results)}; in brackets, the authors' correlations", fontsize="medium")
    return figure


def diff_roar(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """DiffROAR of the same networks, beyond the paper. `ValueError` where the fractions allow none."""
    panel = diff_roar_panel(results)
    if panel is None:
        raise InputError(f"fractions are {results['fractions']}; DiffROAR needs 1 - k for every k.")
    figure = Figure(figsize=(6.8, 6), layout="constrained")
    _panel(figure.subplots(), panel, results, look)
    figure.suptitle(f"{note(results)};\nin brackets, of the authors' published scores", fontsize="medium")
    return figure


def note(results: dict[str, Any]) -> str:
    """How much of the grid the results hold, in words."""
    n_seeds, n = results["n_seeds"], results["train_data"]["count"]
    retrainings = f"{n_seeds} retraining{'s' if n_seeds > 1 else ''} each"
    return f"{DATASETS[results['dataset']]}: {len(results['fractions'])} fractions, {retrainings}, {n} images"


def _panel(axes: Axes, panel: dict[str, Any], results: dict[str, Any], look: Look) -> None:
    name, margin = AXES[results["axis"]]
    theirs = _published(panel, results) if look.annotations else {}
    everything = [x for series in panel["series"] for x in series["x"]] + [x for xs, _ in theirs.values() for x in xs]
    left, right = min(everything) - margin, max(everything) + margin
    size, letters = (6.0, "small") if look.width is None else (4.0, "x-small")
    handles = []
    for series in panel["series"]:
        key = series["norm"], series["attribution"]
        colour, marker, dash = STYLES.get(key, ("0.4", ".", ":"))
        x, y = np.array(series["x"]), np.array(series["y"])
        axes.scatter(x, y, color=colour, marker=marker, s=size**2, zorder=3)
        (handle,) = axes.plot([], [], color=colour, marker=marker, markersize=size, linestyle=dash)
        handles.append(handle)
        errors = [np.nan if e is None else e for e in series["standard_errors"]]
        axes.errorbar(x, y, errors, fmt="none", ecolor=colour, alpha=0.5, linewidth=1)
        if series["line"] is not None:
            ends = np.array([x.min() - margin, x.max() + margin])
            axes.plot(ends, series["line"]["slope"] * ends + series["line"]["intercept"], linestyle=dash, color=colour)
        if series["band"] is not None:
            band = series["band"]
            axes.fill_between(band["x"], band["low"], band["high"], color=colour, alpha=0.08, linewidth=0)
        if key in theirs:
            axes.scatter(
                *theirs[key], facecolor="none", edgecolor=colour, marker=marker, s=(size - 1) ** 2, linewidth=0.9
            )
    rows = [_label(series) if look.annotations else series["name"] for series in panel["series"]]
    if theirs:
        handles.append(
            Line2D([], [], color="0.4", marker="o", markerfacecolor="none", markersize=size - 1, linestyle="none")
        )
        rows.append("hollow: the authors' networks")
    axes.set_xlim(left, right)
    axes.set_ylim(*_limits(panel, [y for _, ys in theirs.values() for y in ys]))
    axes.set_xlabel(name)
    axes.set_ylabel(AREA[panel["occlusion"]])
    axes.set_title(panel["title"], fontsize="large" if look.width is None else "medium")
    axes.legend(
        handles,
        rows,
        title=f"{'':14}{'Linear Corr.':>18}{'Rank Corr.':>18}" if look.annotations else None,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14 if look.width is None else -0.24),  # below the axis, where it covers nothing
        handlelength=3,
        prop={"family": "monospace", "size": letters},
        title_fontproperties={"family": "monospace", "size": letters},
    )


def _published(panel: dict[str, Any], results: dict[str, Any]) -> dict[tuple[str, str], tuple[Any, Any]]:
    """The authors' networks and scores by norm and attribution, where they published any of what a panel shows.

    Of DiffROAR they did not: the sum of their scores holds the difference of their random baselines.
    """
    loss, test = results["loss"], panel["occlusion"]
    if results["dataset"] != "cifar10" or loss not in LOSSES or test not in AUTHORS_SCORES:
        return {}
    found = {}
    for (norm, of, attribution), points in authors_points(loss).items():
        if of == test and any((s["norm"], s["attribution"]) == (norm, attribution) for s in panel["series"]):
            x = strength(norm, points.eps) if results["axis"] == "strength" else points.accuracy
            found[norm, attribution] = (x, points.score)
    return found


def _label(series: dict[str, Any]) -> str:
    ours, authors = series["correlation"], series["authors"]
    cells = (("pearson", "linear"), ("spearman", "rank"))
    texts = [
        f"{'-' if ours is None else format(ours[a], '.3f')} ({'-' if authors is None else format(authors[b], '.3f')})"
        for a, b in cells
    ]
    return f"{series['name']:14}" + "".join(f"{text:>18}" for text in texts)


def _limits(panel: dict[str, Any], theirs: list[float]) -> tuple[float, float]:
    """The authors' axis, longer where a point lies beyond it; for DiffROAR, which they do not draw, the points'.

    theirs: scores of the authors that are drawn, too.
    """
    scores = [y for series in panel["series"] for y in series["y"]] + theirs
    if panel["occlusion"] not in AUTHORS_SCORES:
        lowest, highest = min(scores), max(scores)
        return lowest - 0.005, highest + 0.005
    low, high = AUTHORS_SCORES[panel["occlusion"]]
    lowest, highest = min(scores), max(scores)
    return low if lowest > low else lowest - 0.005, high if highest < high else highest + 0.005
