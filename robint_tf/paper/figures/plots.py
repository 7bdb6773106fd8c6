"""One function per figure: the content of a results file in, a matplotlib `Figure` out."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from robint_tf.manifold.boundary import WINDOW
from robint_tf.paper.figures import plots_beyond, plots_interpretability, plots_manifold
from robint_tf.paper.figures.series import diff_roar_panel
from robint_tf.store.folders import atomic_path
from robint_tf.study.figures import DRAWN

CLASS_1, CLASS_2, ADVERSARIAL = "tab:blue", "tab:orange", "red"
FIXED_METADATA = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}


def save(figure: Figure, stem: Path, *, dpi: int = 160) -> list[Path]:
    """Write `<stem>.png` and `<stem>.pdf` atomically, equal byte for byte for equal figures. Returns both paths.

    dpi: dots an inch of the PNG.
    """
    paths = [stem.with_name(stem.name + suffix) for suffix in FIXED_METADATA]
    for path in paths:
        drawn = io.BytesIO()  # matplotlib, writing to a full disk, loses the disk's error for one of zlib's
        with rc_context({"svg.hashsalt": "robint"}):
            kind, metadata = path.suffix[1:], FIXED_METADATA[path.suffix]
            figure.savefig(drawn, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
        with atomic_path(path) as scratch:
            scratch.write_bytes(drawn.getvalue())
    return paths


def toy_boundaries(results: dict[str, Any]) -> Figure:
    """Figure 3b: the data, then decision regions and adversarial examples of each network."""
    x, plots = np.array(results["plot"]["points"]), results["plot"]["panels"]
    half = len(x) // 2
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    _points(panels[0], x, half)
    panels[0].scatter([], [], color=ADVERSARIAL, s=30, label="Adv. Example")
    panels[0].legend(loc="upper left")
    panels[0].set_title("Dataset", fontsize=14)
    for axes, network, panel in zip(panels[1:], results["networks"], plots, strict=True):
        margin = np.array(panel["margin"])
        ticks = np.linspace(-WINDOW, WINDOW, len(margin))
        limit = max(1.0, float(np.abs(margin).max())) + 1.0
        axes.contourf(ticks, ticks, margin, levels=[-limit, 0, limit], colors=["#a7b1ea", "#e6a09c"])
        _points(axes, x, half)
        x_adv = np.array(panel["x_adv"])
        axes.scatter(x_adv[:, 0], x_adv[:, 1], color=ADVERSARIAL, s=30, rasterized=True)
        tail, head = x[:half].mean(axis=0), x_adv.mean(axis=0)
        axes.arrow(*tail, *(head - tail), length_includes_head=True, width=0.01, head_width=0.07, color="k", zorder=3)
        axes.set_title(network["title"], fontsize=14)
        tilt = network["tilt_degrees"]
        spread = f" ± {tilt['sd']:.1f}°" if tilt["sd"] is not None else "°"
        axes.text(
            0.98,
            0.98,
            f"tilt {tilt['mean']:.1f}{spread} (authors ≈ {network['tilt_degrees_authors']:.0f}°)",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=8.5,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
    return figure


def _points(axes: Axes, x: np.ndarray, half: int) -> None:
    axes.scatter(x[:half, 0], x[:half, 1], color=CLASS_1, s=30, label="Class 1", rasterized=True)
    axes.scatter(x[half:, 0], x[half:, 1], color=CLASS_2, s=30, label="Class 2", rasterized=True)
    axes.set(xlim=(-WINDOW, WINDOW), ylim=(-WINDOW, WINDOW), xticks=[], yticks=[], aspect="equal")


def tilting_sketch(results: dict[str, Any]) -> Figure:
    """Figure 3a: why a boundary tilted along a direction of low variance sends attacks off the manifold.

    results["sketch"]: manifold, standard and robust planes (corners in space), class positions, attacks.
    """
    sketch = results["sketch"]
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    colors = {"manifold": "0.35", "standard": "tab:red", "robust": "tab:green"}
    for name in ("manifold", "robust", "standard"):
        plane = sketch["planes"][name]
        corners = _project(plane["corners"])
        axes.add_patch(Polygon(corners, closed=True, facecolor=colors[name], alpha=0.10))
        axes.add_patch(Polygon(corners, closed=True, fill=False, edgecolor=colors[name], linewidth=2))
        label_x, label_y = _project([plane["label_at"]])[0]
        axes.text(
            label_x,
            label_y,
            plane["label"],
            color=colors[name],
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold",
        )
    for marker, points in zip(("o", "x"), sketch["classes"], strict=True):
        across, up = _project(points).T
        axes.scatter(
            across,
            up,
            marker=marker,
            s=70,
            color="0.25",
            facecolor="none" if marker == "o" else None,
        )
    for name, (tail, head) in sketch["attacks"].items():
        start, end = _project([tail, head])
        arrow = {"arrowstyle": "-|>", "color": colors[name], "linewidth": 2.2, "mutation_scale": 18}
        axes.annotate("", end, start, arrowprops=arrow)
    axes.autoscale_view()
    axes.margins(0.04)
    return figure


def _project(points: Any) -> np.ndarray:
    """Oblique projection of points (N, 3) to the page; the second axis recedes."""
    x, depth, height = np.asarray(points, float).T
    return np.stack([x + 0.5 * depth, height + 0.42 * depth], axis=-1)


FIGURES: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "manifold_distances": plots_manifold.distances,
    "adversarial_examples": plots_manifold.adversarial_examples,
    "loss_gradients": plots_manifold.loss_gradients,
    "vae_gan": plots_manifold.vae_gan,
    "interpretability": plots_interpretability.interpretability,
    "road": plots_beyond.road,
    "gradients": plots_beyond.gradients,
    "section_2_2": toy_boundaries,
    "section_2_2_sketch": tilting_sketch,
    **DRAWN,
}
"""What draws the results file that names it as its figure."""


def beside(results: dict[str, Any], name: str) -> dict[str, Figure]:
    """Further figures of a results file, beyond the paper, by their names; name: of the file, without .json.

    DiffROAR of sections 3.2 and 3.3: `section_3_2_diffroar_xent` beside `section_3_2_xent`.
    """
    if results["figure"] != "interpretability" or diff_roar_panel(results) is None:
        return {}
    stem, loss = name.removesuffix(f"_{results['loss']}"), results["loss"]
    return {f"{stem}_diffroar_{loss}": plots_interpretability.diff_roar(results)}


def draw(results: dict[str, Any], stem: Path) -> list[Path]:
    """Draw results and write what `save` writes of their figure, and of those `beside` it.

    stem: path and name of the files, without suffix. Returns the paths written.
    """
    figures = {stem.name: FIGURES[results["figure"]](results), **beside(results, stem.name)}
    return [path for name, figure in figures.items() for path in save(figure, stem.with_name(name))]
