"""How the outcomes of the study are drawn: content: of a results file; a matplotlib `Figure` comes out."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robint_tf import labels
from robint_tf.study.packing import restored

DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P")
SHOWN = 8  # images whose maps are drawn
BELOW: Literal["outside lower center"] = "outside lower center"  # where a legend covers nothing


def retraining_curves(content: dict[str, Any]) -> Figure:
    """Accuracy after retraining by fraction, a panel for each test, a line for each attribution."""
    accuracies, random = restored(content["accuracies"]), restored(content["random"])
    fractions = 100 * np.array(content["fractions"])
    figure = Figure(figsize=(5 * len(random), 3.9 + 0.2 * len(accuracies)), layout="constrained")
    for axes, occlusion in zip(np.atleast_1d(figure.subplots(1, len(random), sharey=True)), random, strict=True):
        _curves(axes, fractions, {name: found[occlusion] for name, found in accuracies.items()})
        _curve(axes, fractions, random[occlusion], "random", color="0.5", marker="x")
        axes.axhline(content["accuracy"], color="0.8", linewidth=1, zorder=0, label="explained network")
        axes.set_title(labels.TESTS_IN_FULL[occlusion])
        axes.set_xlabel(f"Pixels {'removed' if occlusion == 'remove' else 'kept'} (%)")
        axes.set_ylabel("Test accuracy after retraining")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc=BELOW)
    heading = []
    if "model" in content:  # of a command: an outcome of arrays has no names
        heading = [f"{content['model']}, {Path(content['dataset']).name}, {content['n_test']} test images"]
    told = [
        f"{labels.ATTRIBUTIONS[name]}: Moran's I {_number(row['moran'])}, "
        f"of masks {_number(row.get('mean_mask_moran'))}, Gini index {_number(row['gini'])}, "
        f"classes read from masks alone {_number(row['mean_leakage'])}, "
        f"from random ones {_number(row.get('chance_leakage'))}"
        for name, row in content.get("controls", {}).items()
    ]
    if told:
        heading += ["Shape of maps and masks:", *told]
    if heading:
        figure.suptitle(_wrapped(heading, 70 * len(random)), fontsize=8, gid="report text")
    return figure


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def imputation_curves(content: dict[str, Any]) -> Figure:
    """Accuracy by fraction of imputed pixels, a panel for each order, a line for each attribution."""
    accuracies, fractions = restored(content["accuracies"]), 100 * np.array(content["fractions"])
    figure = Figure(figsize=(10, 3.7 + 0.2 * len(accuracies)), layout="constrained")
    for axes, order in zip(figure.subplots(1, 2, sharey=True), ("most", "least"), strict=True):
        _curves(axes, fractions, {name: found[order][:, None] for name, found in accuracies.items()})
        axes.axhline(content["accuracy"], color="0.8", linewidth=1, zorder=0, label="all pixels")
        axes.set_title(f"{order.capitalize()} relevant pixels first")
        axes.set_xlabel("Pixels removed (%)")
        axes.set_ylabel("Test accuracy")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc=BELOW)
    return figure


def _curves(axes: Axes, x: np.ndarray, by_name: dict[str, np.ndarray]) -> None:
    """Lines told apart by dash and marker as well as colour."""
    for i, (name, accuracies) in enumerate(by_name.items()):
        style = {"linestyle": DASHES[i % len(DASHES)], "marker": MARKERS[i % len(MARKERS)], "color": f"C{i}"}
        _curve(axes, x, accuracies, labels.ATTRIBUTIONS[name], **style)


def _curve(axes: Axes, x: np.ndarray, accuracies: np.ndarray, label: str, **style: Any) -> None:
    """The mean over the seeds, (K, seeds), and from the least to the greatest."""
    axes.plot(x, accuracies.mean(axis=1), label=label, **style)
    ends = accuracies.min(axis=1), accuracies.max(axis=1)
    axes.fill_between(x, *ends, color=style["color"], alpha=0.15, linewidth=0)
    if len(x) == 1:  # an area of no width
        axes.vlines(x, *ends, color=style["color"], alpha=0.5)


def attribution_maps(content: dict[str, Any]) -> Figure:
    """The maps of the first images."""
    values = restored(content["values"])[:SHOWN]
    figure = Figure(figsize=(1.6 * len(values), 2), layout="constrained")
    for i, axes in enumerate(np.atleast_1d(figure.subplots(1, len(values)))):
        shown = values[i] if values.ndim == 3 else values[i].sum(axis=-1)
        limit = float(np.abs(shown).max()) or 1.0
        signed = shown.min() < 0
        axes.imshow(shown, cmap="coolwarm" if signed else "gray", vmin=-limit if signed else 0, vmax=limit)
        axes.set(xticks=[], yticks=[], title=f"image {i}")
    figure.suptitle(labels.ATTRIBUTIONS[content["method"]])
    return figure


def distances(content: dict[str, Any]) -> Figure:
    """How many images lie how far from their projections, before and under the attack."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    both = {name: restored(content[name]) for name in ("clean", "attacked")}
    edges = np.histogram_bin_edges(np.concatenate([*both.values()]), bins=30)
    for (name, values), dash in zip(both.items(), DASHES, strict=False):
        axes.hist(
            values,
            edges.tolist(),
            histtype="step",
            linestyle=dash,
            linewidth=1.8,
            label=f"{name} (mean {values.mean():.3g})",
        )
    axes.set(xlabel="Distance to the projection (l2 over [-1, 1] pixels)", ylabel="Images")
    axes.set_title(_wrapped(_with_problems(content["attack"], content, "projector"), 80), fontsize=9, gid="report text")
    figure.legend(loc=BELOW)
    return figure


def distances_by_network(content: dict[str, Any]) -> Figure:
    """How many images lie how far from their projections: test images, and successful attacks on each network."""
    values = restored(content["plot"])
    figure = Figure(figsize=(7, 3.4 + 0.3 * len(values)), layout="constrained")
    axes = figure.subplots()
    edges = np.histogram_bin_edges(np.concatenate([*values.values()]), bins=30)
    for i, (name, found) in enumerate(values.items()):
        told = f"{name}: {len(found)}, mean {found.mean():.3g}" if len(found) else f"{name}: none"
        dash = DASHES[i % len(DASHES)]
        axes.hist(found, edges.tolist(), histtype="step", linestyle=dash, color=f"C{i}", linewidth=1.8, label=told)
    axes.set(xlabel="Distance to the projection (l2 over [-1, 1] pixels)", ylabel="Images")
    axes.set_title(_wrapped(_with_problems(content["attack"], content), 90), fontsize=9, gid="report text")
    figure.legend(loc=BELOW)
    return figure


def _with_problems(heading: str, content: dict[str, Any], what: str = "VAE-GAN") -> list[str]:
    """A heading, and why what is drawn is not valid, if it is not."""
    problems = content.get("problems")
    return [heading, f"The {what} cannot stand for the manifold:", *problems] if problems else [heading]


def _wrapped(sentences: list[str], width: int) -> str:
    return "\n".join(line for text in sentences for line in textwrap.wrap(text, width))


def gradient_measures(content: dict[str, Any]) -> Figure:
    """The distribution of each measure over the images, and what a random direction has."""
    values, chance = restored(content["values"]), content["chance"]
    figure = Figure(figsize=(2.6 * len(values), 3.6), layout="constrained")
    for axes, (name, found) in zip(np.atleast_1d(figure.subplots(1, len(values))), values.items(), strict=True):
        axes.boxplot(found[np.isfinite(found)], whis=(2.5, 97.5), showfliers=False)
        if chance[name] is not None:
            axes.axhline(chance[name], color="0.5", linestyle="--")
            axes.set_xlabel("dashed: chance", fontsize="small")  # a legend would cover the box of a narrow panel
        axes.set_title(name.replace("_", " "), fontsize="medium")
        axes.set_xticks([])
    n = len(next(iter(values.values())))
    heading = ", ".join(filter(None, [content.get("model"), f"{n} images: half in the box, 95% in the whiskers"]))
    figure.suptitle(_wrapped(_with_problems(heading, content), 30 * len(values)), fontsize=9, gid="report text")
    return figure


DRAWN: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "retraining_curves": retraining_curves,
    "imputation_curves": imputation_curves,
    "attribution_maps": attribution_maps,
    "distances": distances,
    "distances_by_network": distances_by_network,
    "gradient_measures": gradient_measures,
}
"""What draws the results file that names it as its figure."""
