"""One function per figure: the content of a results file in, a matplotlib `Figure` out."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from robint_tf.paper.beyond import side_by_side
from robint_tf.paper.figures import (
    looks,
    plots_beyond,
    plots_interpretability,
    plots_manifold,
    plots_methods,
    plots_published,
    plots_toy,
)
from robint_tf.paper.figures.looks import Look
from robint_tf.paper.figures.series import diff_roar_panel
from robint_tf.store.folders import atomic_path
from robint_tf.study.figures import DRAWN

FIXED_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
}
"""By format, what matplotlib would write of the day and of itself."""

FORMATS = ("png", "pdf")
"""Written unless others are asked for."""


def save(
    figure: Figure, stem: Path, *, dpi: int = 160, formats: Sequence[str] = FORMATS, exact: bool = False
) -> list[Path]:
    """Write `<stem>.png` and `<stem>.pdf` atomically, equal byte for byte for equal figures. Returns the paths.

    dpi: dots an inch of the PNG. formats: keys of `FIXED_METADATA`. exact: keep the figure's size, where otherwise
    empty margins are cut off.
    """
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
    for path, kind in zip(paths, formats, strict=True):
        drawn = io.BytesIO()  # matplotlib, writing to a full disk, loses the disk's error for one of zlib's
        with rc_context({"svg.hashsalt": "robint"}):
            bounds = None if exact else "tight"
            figure.savefig(drawn, format=kind, dpi=dpi, bbox_inches=bounds, metadata=FIXED_METADATA[kind])
        with atomic_path(path) as scratch:
            scratch.write_bytes(drawn.getvalue())
    return paths


def _of_any_look(draw: Callable[[dict[str, Any]], Figure]) -> Callable[..., Figure]:
    return lambda results, look=looks.REPORT: draw(results)  # what is plain or wide, `Look.draw` sees to


FIGURES: dict[str, Callable[..., Figure]] = {
    "manifold_distances": plots_manifold.distances,
    "adversarial_examples": plots_manifold.adversarial_examples,
    "loss_gradients": plots_manifold.loss_gradients,
    "vae_gan": plots_manifold.vae_gan,
    "interpretability": plots_interpretability.interpretability,
    "road": plots_beyond.road,
    "gradients": plots_beyond.gradients,
    "methods": plots_methods.methods,
    "section_2_2": plots_toy.toy_boundaries,
    "section_2_2_sketch": plots_toy.tilting_sketch,
    **{name: _of_any_look(draw) for name, draw in DRAWN.items()},
}
"""What draws the results file that names it as its figure, of its content and, if wanted, a `Look`."""


def beside(results: dict[str, Any], name: str, look: Look = looks.REPORT) -> dict[str, Figure]:
    """Further figures of a results file by their names; name: of the file, without .json.

    DiffROAR of sections 3.2 and 3.3, `section_3_2_diffroar_xent` beside `section_3_2_xent`; and of section 3.2, where
    networks of it were published, `section_3_2_published_xent`, our scores against theirs.
    """
    if results["figure"] != "interpretability":
        return {}
    stem, loss = name.removesuffix(f"_{results['loss']}"), results["loss"]
    found = {}
    if results["axis"] == "strength" and side_by_side.comparable(results):
        found[f"{stem}_published_{loss}"] = look.draw(plots_published.beside_published, results)
    if diff_roar_panel(results) is not None:
        found[f"{stem}_diffroar_{loss}"] = look.draw(plots_interpretability.diff_roar, results)
    return found


def draw(
    results: dict[str, Any],
    stem: Path,
    *,
    look: Look = looks.REPORT,
    formats: Sequence[str] = FORMATS,
) -> list[Path]:
    """Draw results and write what `save` writes of their figure, and of those `beside` it.

    stem: path and name of the files, without suffix. Returns the paths written. A plain figure's PNG has 300 dots an
    inch, as journals ask for.
    """
    figures = {stem.name: look.draw(FIGURES[results["figure"]], results), **beside(results, stem.name, look)}
    dpi, exact = 300 if look.plain else 160, look.width is not None
    return [
        path
        for name, figure in figures.items()
        for path in save(figure, stem.with_name(name), dpi=dpi, formats=formats, exact=exact)
    ]
