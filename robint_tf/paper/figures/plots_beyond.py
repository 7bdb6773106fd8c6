"""What the paper does not show: ROAD's curves, and measures of gradients against attack strength."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robint_tf.catalogue import OWN, origin
from robint_tf.labels import ATTRIBUTIONS, DATASETS, LOSSES, NORMS
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look
from robint_tf.study.figures import BELOW

STYLES = {
    ("l2", "xent"): (looks.BLUE, "o", looks.DASHES[0]),
    ("linf", "xent"): (looks.ORANGE, "s", looks.DASHES[1]),
    ("l2", "cw"): (looks.GREEN, "^", looks.DASHES[2]),
    ("linf", "cw"): (looks.RED, "D", looks.DASHES[3]),
}
"""Colour, marker and line by norm and loss of the training attacks."""


def road(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Accuracy against the share of imputed pixels, the least relevant ones first (above) and the most relevant."""
    figure = Figure(figsize=(6.4, 4.9 + 0.22 * len(results["attributions"])), layout="constrained")
    axes = figure.subplots()
    x = [0.0, *results["fractions"]]
    clean = results["clean"]["accuracy"]
    for i, row in enumerate(results["attributions"]):
        ends = " ({:.3f} to {:.3f})".format(*row["interval"]) if row["interval"] else ""  # one image has none
        name = look.noted(ATTRIBUTIONS[row["attribution"]], f": {row['area']:.3f}{ends}")
        n = i % len(looks.COLOURS)
        colour = looks.COLOURS[n]
        style = {"color": colour, "linestyle": looks.DASHES[n], "marker": looks.MARKERS[n], "markersize": 5}
        axes.plot(x, [clean, *row["least"]], markerfacecolor="white", **style)
        axes.plot(x, [clean, *row["most"]], label=name, **style)
        axes.fill_between(x, [clean, *row["most"]], [clean, *row["least"]], color=colour, alpha=0.08, linewidth=0)
    orders: dict[str, Any] = {"color": "0.4", "marker": "o", "markersize": 5, "linestyle": "none"}
    axes.plot([], [], label="filled: most relevant first", **orders)
    axes.plot([], [], label="hollow: least relevant first", markerfacecolor="white", **orders)
    axes.axhline(1 / results["n_classes"], color="0.6", linewidth=0.8, linestyle=":", label="chance")
    axes.set(xlabel="share of the pixels that is imputed", ylabel="test accuracy, not retrained", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    heading = look.noted("", "area between the curves (95% interval)")
    figure.legend(loc=BELOW, title=heading, fontsize="small", title_fontsize="small", handlelength=3)
    shown = Path(results["data_source"]).name if results["dataset"] == OWN else DATASETS[origin(results["dataset"])]
    axes.set_title(
        f"ROAD, {results['model']}, {shown}, {results['clean']['n']} images",
        fontsize="medium",
        gid=looks.REPORT_TEXT,
    )
    return figure


def gradients(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Tangent share, sensitivity off and on the manifold, and share in rare directions, by attack strength."""
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    chance = results["chance"]
    panels = (
        ("tangent_share", "tangent share of the loss gradient", "between images of a class"),
        ("sensitivity", "change off the manifold / on it", None),
        ("rare_share", "share of |g|² in directions of least variance", "between images of a class"),
    )
    rank = f" (rank {results['rank']['mean']:.1f})" if "rank" in results else ""  # files of old count latent dimensions
    for axes, (measure, label, reference) in zip(figure.subplots(1, 3), panels, strict=True):
        _measure(axes, results, measure)
        told = f"by chance: {chance[measure]:.3f}{rank if measure == 'tangent_share' else ''}"
        axes.axhline(chance[measure], color="0.5", linestyle=":", label=told)
        if reference and results["nearest"][measure] is not None:
            level = results["nearest"][measure]["mean"]
            axes.axhline(level, color="0.3", linestyle="-.", linewidth=1, label=f"{reference}: {level:.3f}")
        axes.set(xlabel="Attack Strength", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")
    figure.axes[0].set_title(
        "on a manifold that is known (Bordt et al., 2022):\n0.31 standard, 0.675 trained against l2 attacks",
        fontsize="small",
        gid=looks.REPORT_TEXT,
    )
    figure.axes[1].set_title(
        "below 1: less sensitive off the manifold than on it", fontsize="small", gid=looks.REPORT_TEXT
    )
    figure.axes[2].set_title(
        f"directions that hold the last {results['rare']:.0%} of the images' variance",
        fontsize="small",
        gid=looks.REPORT_TEXT,
    )
    heading = f"{DATASETS[origin(results['dataset'])]}: {_images(results['n_images'])}"
    if results["problems"]:
        heading += "\nThe VAE-GAN cannot stand for the manifold (left and middle): " + "; ".join(results["problems"])
    if results.get("rare_problem"):
        heading += f"\nNo share in directions of least variance (right) to be relied on: {results['rare_problem']}"
    figure.suptitle(
        "\n".join(part for line in heading.splitlines() for part in textwrap.wrap(line, 190)), fontsize="medium"
    )
    return figure


def _images(n: int) -> str:
    return f"{n} test images, 95% intervals over images" if n > 1 else "one test image, which gives no interval"


def _measure(axes: Axes, results: dict[str, Any], measure: str) -> None:
    """A line for each norm and loss of training; each begins at the standard network."""
    (standard,) = (network for network in results["networks"] if network["norm"] is None)
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for network in results["networks"]:
        if network["norm"] is not None:
            series.setdefault((network["norm"], network["loss"]), []).append(network)
    for i, (key, networks) in enumerate(series.items()):
        rows = [row for row in (standard, *networks) if row[measure] is not None]
        if not rows:
            continue
        colour, marker, line = STYLES.get(key, ("0.4", ".", ":"))
        x = np.array([row["strength"] for row in rows]) + 0.012 * (i - (len(series) - 1) / 2)
        y = np.array([row[measure]["mean"] for row in rows])
        ends = np.array([row[measure]["interval"] or 2 * [np.nan] for row in rows]).T  # one image has none
        errors = np.abs(ends - y)
        label = f"{NORMS[key[0]]} {LOSSES[key[1]]}"
        axes.errorbar(x, y, errors, color=colour, marker=marker, linestyle=line, capsize=2, markersize=5, label=label)
