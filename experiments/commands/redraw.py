"""Draw figures again from their results files, without computing anything."""

from pathlib import Path

import click

from ..own.vae_gan import warn_of_problems
from ..parameters import Folder, Place


@click.command("redraw")
@click.argument("files", nargs=-1, required=True, type=Place())
@click.option("--out", type=Folder(), help="Folder for the figures.  [default: beside each file]")
@click.option("--plain", is_flag=True, help="For a paper: no verdicts or settings above the panels; PNG at 300 dpi.")
@click.option("--width", type=click.FloatRange(1, 40), help="Inches; a row of panels is broken to fit, e.g. 3.25.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["pdf", "png", "svg"]),
    multiple=True,
    default=("png", "pdf"),
    show_default=True,
    help="Repeat it for several.",
)
@click.option("--no-annotations", is_flag=True, help="No counts, correlations or authors' numbers beside the data.")
def command(
    files: tuple[Path, ...],
    out: Path | None,
    plain: bool,
    width: float | None,
    formats: tuple[str, ...],
    no_annotations: bool,
) -> None:
    """Draw the figures of results FILES (.json) again, as the report shows them or for a paper.

    E.g. robint redraw --plain --width 3.25 --format pdf --out paper figures/section_3_2_xent.json
    """
    from robint_tf.paper.figures import plots
    from robint_tf.paper.figures.looks import Look
    from robint_tf.store import results

    look = Look(plain=plain, annotations=not no_annotations, width=width)
    for path in files:
        content = results.read(path)
        name = content.get("figure")
        if name is None:
            raise click.UsageError(
                f"{path} holds numbers of which no figure is drawn; name those of a section, of roar, road, "
                "distance or gradients."
            )
        if not isinstance(name, str) or name not in plots.FIGURES:
            raise click.UsageError(f"{path} draws {name!r}; figures there are: {', '.join(plots.FIGURES)}.")
        stem = (out or path.parent) / path.stem
        written = plots.draw(content, stem, look=look, formats=tuple(dict.fromkeys(formats)))
        click.echo("wrote " + ", ".join(map(str, written)))
        warn_of_problems(path, content)
