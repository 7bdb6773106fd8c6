"""Figures 4 and 5: ROAR and KAR scores against attack strength or test accuracy; DiffROAR in a figure of its own."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robint_tf.errors import InputError
from robint_tf.paper.beyond.cells import DIFF
from robint_tf.paper.figures.series import diff_roar_panel

STYLES = {
    ("l2", "gradient_x_input"): ("tab:green", "o"),
    ("linf", "gradient_x_input"): ("tab:red", "x"),
    ("l2", "gradient"): ("tab:blue", "o"),
    ("linf", "gradient"): ("tab:orange", "x"),
}
"""The authors' colours and markers, by norm and attribution; others are grey."""

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


def interpretability(results: dict[str, Any]) -> Figure:
    """ROAR on the left, KAR on the right; a point per network, a line and its 95% band per series."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(results["panels"])), results["panels"], strict=True):
        _panel(axes, panel, results["axis"])
    figure.suptitle(f"{_note(results)}; in brackets, the authors' correlations", fontsize=10)
    return figure


def diff_roar(results: dict[str, Any]) -> Figure:
    """DiffROAR of the same networks, beyond the paper. `ValueError` where the fractions allow none."""
    panel = diff_roar_panel(results)
    if panel is None:
        raise InputError(f"fractions are {results['fractions']}; DiffROAR needs 1 - k for every k.")
    figure = Figure(figsize=(6.8, 5), layout="constrained")
    _panel(figure.subplots(), panel, results["axis"])
    figure.suptitle(f"{_note(results)};\nin brackets, of the authors' published scores", fontsize=10)
    return figure


def _note(results: dict[str, Any]) -> str:
    n_seeds, n = results["n_seeds"], results["train_data"]["count"]
    retrainings = f"{n_seeds} retraining{'s' if n_seeds > 1 else ''} each"
    return f"{results['dataset']}: {len(results['fractions'])} fractions, {retrainings}, {n} images"


def _panel(axes: Axes, panel: dict[str, Any], axis: str) -> None:
    name, margin = AXES[axis]
    everything = [x for series in panel["series"] for x in series["x"]]
    left, right = min(everything) - margin, max(everything) + margin
    handles = []
    for series in panel["series"]:
        colour, marker = STYLES.get((series["norm"], series["attribution"]), ("0.4", "."))
        x, y = np.array(series["x"]), np.array(series["y"])
        handles.append(axes.scatter(x, y, color=colour, marker=marker, zorder=3))
        errors = [np.nan if e is None else e for e in series["standard_errors"]]
        axes.errorbar(x, y, errors, fmt="none", ecolor=colour, alpha=0.5, linewidth=1)
        if series["line"] is not None:
            ends = np.array([left, right])
            axes.plot(ends, series["line"]["slope"] * ends + series["line"]["intercept"], "--", color=colour)
        if series["band"] is not None:
            band = series["band"]
            axes.fill_between(band["x"], band["low"], band["high"], color=colour, alpha=0.12, linewidth=0)
    axes.set_xlim(left, right)
    axes.set_ylim(*_limits(panel))
    axes.set_xlabel(name)
    axes.set_ylabel(AREA[panel["occlusion"]])
    axes.set_title(panel["title"], fontsize=13)
    axes.legend(
        handles,
        [_label(series) for series in panel["series"]],
        title=f"{'':14}{'Linear Corr.':>18}{'Rank Corr.':>18}",
        loc="best",
        prop={"family": "monospace", "size": 8},
        title_fontproperties={"family": "monospace", "size": 8},
    )


def _label(series: dict[str, Any]) -> str:
    ours, authors = series["correlation"], series["authors"]
    cells = (("pearson", "linear"), ("spearman", "rank"))
    texts = [
        f"{'-' if ours is None else format(ours[a], '.3f')} ({'-' if authors is None else format(authors[b], '.3f')})"
        for a, b in cells
    ]
    return f"{series['name']:14}" + "".join(f"{text:>18}" for text in texts)


def _limits(panel: dict[str, Any]) -> tuple[float, float]:
    """The authors' axis, longer where a point lies beyond it; for DiffROAR, which they do not draw, the points'."""
    scores = [y for series in panel["series"] for y in series["y"]]
    if panel["occlusion"] not in AUTHORS_SCORES:
        lowest, highest = min(scores), max(scores)
        return lowest - 0.005 - 0.4 * (highest - lowest), highest + 0.005  # the legend goes below
    low, high = AUTHORS_SCORES[panel["occlusion"]]
    lowest, highest = min(scores), max(scores)
    return low if lowest > low else lowest - 0.005, high if highest < high else highest + 0.005
