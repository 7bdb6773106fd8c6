"""How a figure is to look: as the report shows it, or for a paper, plain and as wide as its column."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
"""Colours that the common kinds of colour blindness tell apart (Okabe and Ito, 2008)."""

DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2)),
    (0, (10, 2.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Dashes and markers go with the colours, so that a figure printed in grey can be read."""

REPORT_TEXT = "report text"
"""The gid of a text that a plain figure leaves out."""

FONT_SIZES = ((5.0, 7.0), (8.0, 8.5), (math.inf, 10.0))
"""Up to which width in inches which size of text in points."""

PANEL, NARROW, IMAGE = 2.4, 1.05, 1.05
"""How wide a panel of curves, one of a single box, or an image is at least, in inches, where a row of them is broken to
fit a width."""
UPRIGHT = 1.2
"""Height of a panel as a share of its width from which on it is one of a single box."""

FLATTEST = 0.8
"""Least height of a panel of curves as a share of its width, where a width is given."""


@dataclass(frozen=True)
class Look:
    """plain: without what the report writes above a figure, such as verdicts and settings.

    annotations: whether texts and marks beside the data are drawn: numbers of images, correlations, what the authors
    published. width: of the whole figure in inches, None for the figure's own; a row of panels is broken to fit it.
    """

    plain: bool = False
    annotations: bool = True
    width: float | None = None

    def title(self, name: str, report: str) -> str:
        """The title of a panel: its name, and below it what the report says of it."""
        return name if self.plain else f"{name}\n{report}"

    def noted(self, label: str, note: str) -> str:
        """A label with its annotation, the note, where annotations are drawn."""
        return label + note if self.annotations else label

    def draw(self, draw: Callable[..., Figure], results: dict[str, Any]) -> Figure:
        """The figure that `draw` makes of results and of this look."""
        size = 10.0 if self.width is None else next(size for width, size in FONT_SIZES if self.width <= width)
        with rc_context({"font.size": size}):
            figure = draw(results, self)
        if self.plain:
            _without_report_text(figure)
        if self.width is not None:
            _fit(figure, self.width)
            for axes in figure.axes:
                axes.tick_params(labelsize=size)  # ticks are made later, outside the context
        return figure


REPORT = Look()
"""As in figures/ and on the report's page."""


def _without_report_text(figure: Figure) -> None:
    if figure.get_suptitle():
        figure.suptitle("")
    for axes in figure.axes:
        if axes.title.get_gid() == REPORT_TEXT:
            axes.set_title("")


def _fit(figure: Figure, width: float) -> None:
    """Make a figure as wide as that; one row of panels becomes as many as it needs."""
    before, height = figure.get_size_inches()
    panels = figure.axes
    grid = panels[0].get_gridspec()
    if grid is None or grid.nrows > 1:
        figure.set_size_inches(width, height * width / before)
        return
    images = any(axes.images for axes in panels)
    ratio = height / (before / len(panels))
    least = IMAGE if images else NARROW if ratio > UPRIGHT else PANEL
    columns = max(1, min(len(panels), int(width // least)))
    rows = math.ceil(len(panels) / columns)
    broken = GridSpec(rows, columns, figure=figure)
    for i, axes in enumerate(panels):
        axes.set_subplotspec(broken[i])
        if not images:
            axes.tick_params(labelleft=True)  # panels that share an axis hide it except on the left
    figure.set_size_inches(width, rows * width / columns * (ratio if images else max(ratio, FLATTEST)))
