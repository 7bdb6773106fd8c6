"""The figures of section 2.1: distances to the manifold, adversarial images, loss gradients, the VAE-GAN's images."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robint_tf.catalogue import origin
from robint_tf.labels import DATASETS, LOSSES
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look
from robint_tf.paper.verdicts import ORDERS, order_decided
from robint_tf.store import results as results_files

AUTHORS_AXES: dict[str, tuple[float, float]] = {
    "mnist": (1.0, 5.0),
    "fashion_mnist": (1.0, 8.0),
    "cifar10": (0.2, 30.0),
}
"""Ends of the axes of the published Figure 1 (notebooks 1.3, 2.3, 3.3)."""


def _title(results: dict[str, Any]) -> str:
    return DATASETS[origin(results["dataset"])]


def symmetric_range(heat_map: np.ndarray) -> tuple[float, float]:
    """Ends of a colour scale that has 0 in its middle and covers heat_map (H, W) (the authors' `pixel_range`)."""
    end = float(np.abs(heat_map).max())
    return -end, end


def distances(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Figure 1: densities of the distance to the manifold, one panel per norm and loss of training."""
    panels = results["panels"]
    figure = Figure(figsize=(4 * max(len(panels), 2), 4.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _distance_panel(axes, panel, results, look)
    sample = "" if origin(results["dataset"]) == results["dataset"] else " (packaged sample)"
    successful = "of the network itself" if results["judged_by"] == "attacked network" else "of the standard network"
    heading = (
        f"{_title(results)}{sample}: {results['n_attacked']} test images, attacked by {results['attack']}; "
        f"attacks that change the prediction {successful}; in brackets: number of images, bootstrap probability"
    )
    if results["problems"]:
        heading += "\nNo verdict, the VAE-GAN cannot stand for the manifold: " + "; ".join(results["problems"])
    elif "health" in results:  # files of version 0.1.0 lack it
        heading += f"\nthe VAE-GAN's images: {gain_words(results['health'])}"
    figure.suptitle(_wrapped(heading, figure), fontsize="medium")
    return figure


def gain_words(health: dict[str, float]) -> str:
    """How much better than a constant image a VAE-GAN reconstructs the test images; health: of a results file."""
    gain = 1 - health["error"] / health["constant_error"]
    return f"{gain:.1%} nearer to the test images than their mean image"


def _wrapped(text: str, figure: Figure) -> str:
    """The lines of a heading, broken where they would be wider than the figure."""
    width = int(14 * figure.get_figwidth())  # characters of 10 points
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, width))


def _distance_panel(axes: Axes, panel: dict[str, Any], results: dict[str, Any], look: Look) -> None:
    low, high = panel["window"]
    authors = (
        look.annotations
        and not results["problems"]
        and any(curve["mode_authors"] is not None for curve in panel["curves"])
    )
    for i, curve in enumerate(panel["curves"]):
        style = {"color": looks.COLOURS[i % len(looks.COLOURS)], "linestyle": looks.DASHES[i % len(looks.DASHES)]}
        name = _trained_name(curve["name"], panel["trained_with"])
        share = "" if curve["n"] == results["n_attacked"] else f" ({curve['n']})"
        if curve["density"] is None:
            note = look.noted(name, f": {curve['n']} of {results['n_attacked']}, no density")
            axes.plot([], [], label=note, **style)
            continue
        y = np.array(curve["density"])
        axes.plot(np.linspace(low, high, len(y)), y, label=look.noted(name, share), **style)
        if authors and curve["mode_authors"] is not None:
            mark = {"marker": "^", "color": style["color"], "markeredgecolor": "0.2", "markeredgewidth": 0.6}
            axes.plot(curve["mode_authors"], 0, clip_on=False, zorder=3, **mark)
    scale = f" ({panel['scale'][0]:.1f} at 0, {panel['scale'][1]:.1f} at 1)"
    axes.set_xlabel(look.noted("L2 Distance to Manifold", scale))
    axes.set_ylabel("Density")
    swapped = (
        "" if panel["trained_with"] == panel["loss"] else f" (networks trained with {LOSSES[panel['trained_with']]})"
    )
    verdicts = order_words(panel["order"]).replace("; ", "\n")
    axes.set_title(look.title(f"{panel['title']}{swapped}", verdicts), fontsize="medium")
    _distance_limits(axes, panel, origin(results["dataset"]))
    if authors:
        axes.plot([], [], "^", color="0.4", markeredgecolor="0.2", label="mode, authors")
    axes.legend(loc="best", fontsize="small", handlelength=2.8)
    if results["problems"]:
        axes.set_facecolor("0.88")


def _trained_name(name: str, trained_with: str) -> str:
    """The name of a network with the loss that it was trained with; version 0.1.0 wrote that of the panel."""
    kind, _, loss = name.rpartition(" ")
    return f"{kind} {LOSSES[trained_with]}" if loss in LOSSES.values() else name


def order_words(order: dict[str, Any]) -> str:
    """What a panel says of the paper's order: yes, no, or undecided, with the bootstrap probability of the order."""
    found = {of: [order.get(key) for key in keys[1:]] for of, keys in reversed(ORDERS.items())}
    if all(chance is None for chance, _ in found.values()):
        return "no verdict on the order"
    words = []
    for of, (chance, pairs) in found.items():
        told = "undecided"
        if chance is not None:
            told = f"{DECIDED[order_decided(chance, pairs and list(pairs.values()))]} ({chance:.0%})"
        words.append(f"of {of}: {told}")
    return "paper's order " + "; ".join(words)


DECIDED = {True: "yes", False: "no", None: "undecided"}


ROOM_FOR_LEGEND = 1.9
"""How much higher than the curves an axis is that is not the authors'."""


def _distance_limits(axes: Axes, panel: dict[str, Any], dataset: str) -> None:
    """The authors' axes where every curve fits, else the part of the window that holds the curves."""
    right, top = AUTHORS_AXES[dataset]
    low, high = panel["window"]
    drawn = [np.array(c["density"]) for c in panel["curves"] if c["density"] is not None]
    if not drawn:
        axes.set(xlim=(0, right), ylim=(0, top))
        return
    ticks = np.linspace(low, high, len(drawn[0]))
    envelope = np.max(drawn, axis=0)
    reach = ticks[envelope > 0.01 * envelope.max()][-1]
    fits = low == 0 and reach <= right and envelope.max() <= top
    axes.set_xlim(low, right if fits else min(high, 1.02 * reach))
    axes.set_ylim(0, top if fits else ROOM_FOR_LEGEND * envelope.max())


def adversarial_examples(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Figure 2: one image and its adversarial examples, by network."""
    images = results["images"]
    trained_with = _trained_with(results)
    figure = Figure(figsize=(2.2 * len(images), 2.7), layout="constrained")
    for axes, item in zip(figure.subplots(1, len(images)), images, strict=True):
        _image(axes, results_files.unpacked(item["image"]))
        axes.set_title(_trained_name(item["name"], trained_with), fontsize="large")
        if look.annotations:
            axes.set_xlabel(item["taken_for"], fontsize="large")
    figure.axes[0].set_ylabel(_title(results), fontsize="large")
    if not look.plain:
        figure.supxlabel(f"attack: {results['attack']}; below: what the attacked network sees", fontsize="small")
    return figure


def _trained_with(results: dict[str, Any]) -> str:
    """The loss that Figure 2's networks are trained with. Files of version 0.1.0 do not say it.

    In the authors' variant it is cw on Fashion-MNIST (notebook 2.3) and xent elsewhere.
    """
    swapped = origin(results["dataset"]) == "fashion_mnist" and results["provenance"]["variant"] == "authors"
    return results.get("trained_with") or ("cw" if swapped else "xent")


def loss_gradients(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Figure 6: images, and below them the gradients of minus the loss of each network."""
    images = results_files.unpacked(results["images"])
    networks = results["networks"]
    figure = Figure(figsize=(2 * len(images), 2 * (1 + len(networks))), layout="constrained")
    grid = figure.subplots(1 + len(networks), len(images), squeeze=False)
    for axes, image, name in zip(grid[0], images, results["classes"], strict=True):
        _image(axes, image)
        axes.set_title(name, fontsize="x-large")
    grid[0, 0].set_ylabel("Original", fontsize="x-large")
    for row, network in zip(grid[1:], networks, strict=True):
        for axes, heat_map in zip(row, np.array(network["maps"]), strict=True):
            low, high = symmetric_range(heat_map)
            axes.imshow(heat_map, cmap="bwr", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(network["name"], fontsize="x-large")
    return figure


def vae_gan(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Test images, their projections, and samples."""
    rows = [(row["name"], results_files.unpacked(row["images"])) for row in results["rows"]]
    n = len(rows[0][1])
    figure = Figure(figsize=(n, 1.05 * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for axes_row, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(axes_row, images, strict=True):
            _image(axes, image)
        axes_row[0].set_ylabel(name, fontsize="small", rotation=0, ha="right", va="center")
    health = results["health"]
    heading = (
        f"{_title(results)}: mean distance to projection {health['error']:.1f} "
        f"(to the mean image {health['constant_error']:.1f}); epochs: {results['vae_gan']['epochs']}"
    )
    if results["problems"]:
        heading += "\nCannot stand for the manifold: " + "; ".join(results["problems"])
    figure.suptitle(_wrapped(heading, figure), fontsize="medium")
    return figure


def _image(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
