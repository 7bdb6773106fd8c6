"""Our scores against the published ones, network by network."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from robint_tf.errors import InputError
from robint_tf.intervals import LEVEL
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS, TESTS, TESTS_IN_FULL
from robint_tf.paper.beyond import side_by_side
from robint_tf.paper.beyond.side_by_side import Row
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look
from robint_tf.paper.figures.plots_interpretability import STYLES, note

STANDARD = {"gradient_x_input": ("0.1", "P"), "gradient": ("0.1", "D")}
"""Colour and marker of the standard network, which is in the series of both norms, by attribution."""


def beside_published(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """ROAR on the left, KAR on the right: a point per network and attribution, published score across, ours upwards.

    On the diagonal both are equal. Bars: 1.96 standard errors, where the spread is known. `ValueError` without a
    published network.
    """
    rows = [row for row in side_by_side.compared(results) if row["test"] in TESTS]
    if not rows:
        raise InputError("none of the networks is among the published ones.")
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    for axes, test in zip(figure.subplots(1, len(TESTS)), TESTS, strict=True):
        _panel(axes, test, [row for row in rows if row["test"] == test], results["loss"], look)
    unknown = "" if any(row["ours_error"] is not None for row in rows) else " (of ours the spread is not known)"
    figure.suptitle(f"{note(results)}; bars: 1.96 standard errors{unknown}", fontsize="medium")
    return figure


def _panel(axes: Axes, test: str, rows: list[Row], loss: str, look: Look) -> None:
    size, letters = (6.0, "small") if look.width is None else (4.0, "x-small")
    reach = float(ndtri((1 + LEVEL) / 2))
    ends: list[float] = []
    for key in dict.fromkeys((row["norm"], row["attribution"]) for row in _in_order(rows)):
        norm, attribution = key
        colour, marker = STANDARD[attribution] if norm is None else STYLES[key][:2]
        chosen = [row for row in rows if (row["norm"], row["attribution"]) == key]
        x, y = (np.array([row[name] for row in chosen]) for name in ("theirs", "ours"))
        across = reach * np.array([row["theirs_error"] for row in chosen])
        upwards = reach * np.array([row["ours_error"] or 0.0 for row in chosen])
        name = f"{'Standard' if norm is None else f'{NORMS[norm]} {LOSSES[loss]}'} {ATTRIBUTIONS[attribution]}"
        bars = upwards if upwards.any() else None
        axes.errorbar(x, y, bars, across, fmt="none", ecolor=colour, alpha=0.4, elinewidth=0.7, zorder=2)
        axes.plot(x, y, color=colour, marker=marker, markersize=size, linestyle="none", zorder=3, label=name)
        ends += [*(x - across), *(x + across), *(y - upwards), *(y + upwards)]
    margin = 0.03 * (max(ends) - min(ends))
    low, high = min(ends) - margin, max(ends) + margin
    axes.plot([low, high], [low, high], color="0.5", linestyle="--", linewidth=1, zorder=1, label="equal scores")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="Published Score", ylabel="Our Score")
    axes.set_title(TESTS_IN_FULL[test], fontsize="large" if look.width is None else "medium")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12 if look.width is None else -0.18),  # below the axis, where it covers nothing
        ncols=2,
        fontsize=letters,
    )


def _in_order(rows: list[Row]) -> list[Row]:
    """As in the figures' legends: gradient * input first, the norms in turn; the standard network at the end."""
    norms, attributions = [*NORMS, None], [*reversed(ATTRIBUTIONS)]
    return sorted(rows, key=lambda row: (norms.index(row["norm"]), attributions.index(row["attribution"])))
