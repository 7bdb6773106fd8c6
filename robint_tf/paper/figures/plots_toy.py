"""Figure 3: decision boundaries of three toy networks, and the sketch of why a tilted one matters."""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from robint_tf.manifold.boundary import WINDOW
from robint_tf.paper.figures import looks
from robint_tf.paper.figures.looks import Look

CLASS_1, CLASS_2, ADVERSARIAL = looks.BLUE, looks.ORANGE, "red"
CLASS_MARKERS = ("o", "s")


def toy_boundaries(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Figure 3b: the data, then decision regions and adversarial examples of each network."""
    x, plots = np.array(results["plot"]["points"]), results["plot"]["panels"]
    half = len(x) // 2
    size = 30.0 if look.width is None else min(30.0, 30.0 * (look.width / 6.4) ** 2)  # of a point, an area
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    _points(panels[0], x, half, size)
    panels[0].scatter([], [], color=ADVERSARIAL, marker="^", s=size, label="Adv. Example")
    panels[0].legend(loc="upper left")
    panels[0].set_title("Dataset", fontsize="x-large")
    for axes, network, panel in zip(panels[1:], results["networks"], plots, strict=True):
        margin = np.array(panel["margin"])
        ticks = np.linspace(-WINDOW, WINDOW, len(margin))
        limit = max(1.0, float(np.abs(margin).max())) + 1.0
        axes.contourf(ticks, ticks, margin, levels=[-limit, 0, limit], colors=["#a7b1ea", "#e6a09c"])
        _points(axes, x, half, size)
        x_adv = np.array(panel["x_adv"])
        axes.scatter(x_adv[:, 0], x_adv[:, 1], color=ADVERSARIAL, marker="^", s=size, rasterized=True)
        tail, head = x[:half].mean(axis=0), x_adv.mean(axis=0)
        axes.arrow(*tail, *(head - tail), length_includes_head=True, width=0.01, head_width=0.07, color="k", zorder=3)
        axes.set_title(network["title"], fontsize="x-large")
        if not look.annotations:
            continue
        tilt = network["tilt_degrees"]
        spread = f" ± {tilt['sd']:.1f}°" if tilt["sd"] is not None else "°"
        axes.text(
            0.98,
            0.98,
            f"tilt {tilt['mean']:.1f}{spread} (authors ≈ {network['tilt_degrees_authors']:.0f}°)",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize="small",
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
    return figure


def _points(axes: Axes, x: np.ndarray, half: int, size: float) -> None:
    for marker, colour, name, points in zip(
        CLASS_MARKERS, (CLASS_1, CLASS_2), ("Class 1", "Class 2"), (x[:half], x[half:]), strict=True
    ):
        axes.scatter(points[:, 0], points[:, 1], color=colour, marker=marker, s=size, label=name, rasterized=True)
    axes.set(xlim=(-WINDOW, WINDOW), ylim=(-WINDOW, WINDOW), xticks=[], yticks=[], aspect="equal")


PLANES = {"manifold": "0.35", "standard": looks.RED, "robust": looks.GREEN}
"""Colours of the sketch's planes."""


def tilting_sketch(results: dict[str, Any], look: Look = looks.REPORT) -> Figure:
    """Figure 3a: why a boundary tilted along a direction of low variance sends attacks off the manifold.

    Edges behind another plane are dashed; the dotted line is where both boundaries meet.

    results["sketch"]: manifold, standard and robust planes (corners in space), class positions, attacks.
    """
    sketch = results["sketch"]
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    letters, size = ("medium", 70) if look.width is None else ("x-small", 30)
    planes = {name: np.array(sketch["planes"][name]["corners"], float) for name in PLANES}
    for name, corners in planes.items():
        colour, plane = PLANES[name], sketch["planes"][name]
        axes.add_patch(Polygon(_project(corners), closed=True, facecolor=colour, alpha=0.10, edgecolor="none"))
        others = [other for key, other in planes.items() if key != name]
        for tail, head in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            for points, hidden in _pieces(tail, head, others):
                axes.plot(*_project(points).T, "--" if hidden else "-", color=colour, linewidth=1.2 if hidden else 2)
        label_x, label_y = _project([plane["label_at"]])[0]
        style = {"color": colour, "fontsize": letters, "fontweight": "bold"}
        axes.text(label_x, label_y, plane["label"], style, ha="center", va="center")
    meeting = intersection(planes["standard"], planes["robust"])
    if meeting is not None:
        axes.plot(*_project(meeting).T, ":", color="black", linewidth=2)
    for marker, points in zip(("o", "x"), sketch["classes"], strict=True):
        across, up = _project(points).T
        facecolor = "none" if marker == "o" else None
        axes.scatter(across, up, marker=marker, s=size, color="0.25", facecolor=facecolor)
    for name, (tail, head) in sketch["attacks"].items():
        start, end = _project([tail, head])
        arrow = {"arrowstyle": "-|>", "color": PLANES[name], "linewidth": 2.2, "mutation_scale": 18}
        axes.annotate("", end, start, arrowprops=arrow)
    axes.autoscale_view()
    axes.margins(0.04)
    return figure


SIGHT = np.array([-0.5, 1.0, -0.42])
"""The direction in space that `_project` maps to nothing, away from the reader."""


def _project(points: Any) -> np.ndarray:
    """Oblique projection of points (N, 3) to the page; the second axis recedes."""
    x, depth, height = np.asarray(points, float).T
    return np.stack([x + 0.5 * depth, height + 0.42 * depth], axis=-1)


def _pieces(tail: np.ndarray, head: np.ndarray, planes: list[np.ndarray]) -> list[tuple[np.ndarray, bool]]:
    """An edge in pieces, each with whether it is hidden: the points of a piece (N, 3)."""
    points = tail + np.linspace(0, 1, 401)[:, None] * (head - tail)
    hidden = np.any([_behind(points, plane) for plane in planes], axis=0)
    ends = [0, *(np.flatnonzero(np.diff(hidden)) + 1), len(points) - 1]
    middles = [(a + b) // 2 for a, b in pairwise(ends)]
    return [(points[[a, b]], bool(hidden[m])) for (a, b), m in zip(pairwise(ends), middles, strict=True)]


def _behind(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Whether a plane, corners (4, 3) of a parallelogram, lies between each of the points (N, 3) and the reader."""
    sides = np.stack([plane[1] - plane[0], plane[3] - plane[0], SIGHT], axis=-1)
    along_1, along_2, away = np.linalg.solve(sides, (points - plane[0]).T)
    within = (along_1 > 0) & (along_1 < 1) & (along_2 > 0) & (along_2 < 1)
    return within & (away > 1e-9)


def intersection(one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """The ends (2, 3) of the line in which two parallelograms, one and the other, meet, or None.

    Each is given by its corners, (4, 3) float.
    """
    normal_one, normal_other = (np.cross(plane[1] - plane[0], plane[3] - plane[0]) for plane in (one, other))
    direction = np.cross(normal_one, normal_other)
    crossings = []
    for plane, normal, at in ((one, normal_other, other[0]), (other, normal_one, one[0])):
        found = []
        for tail, head in zip(plane, np.roll(plane, -1, axis=0), strict=True):
            before, after = normal @ (tail - at), normal @ (head - at)
            if before * after < 0:
                found.append(tail + before / (before - after) * (head - tail))
        if len(found) < 2:
            return None
        crossings.append(sorted(found, key=direction.dot))
    (low, high), (other_low, other_high) = crossings
    start, end = max(low, other_low, key=direction.dot), min(high, other_high, key=direction.dot)
    return np.stack([start, end]) if direction @ (end - start) > 0 else None
