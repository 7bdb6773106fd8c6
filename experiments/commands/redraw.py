"""Draw figures again from their results files, without computing anything."""

from pathlib import Path

import click

from ..parameters import Folder, Place


@click.command("redraw")
@click.argument("files", nargs=-1, required=True, type=Place())
@click.option("--out", type=Folder(), help="Folder for the figures.  [default: beside each file]")
def command(files: tuple[Path, ...], out: Path | None) -> None:
    """Draw the figures of results FILES (.json) again."""
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    for path in files:
        content = results.read(path)
        name = content.get("figure")
        if name not in plots.FIGURES:
            raise click.UsageError(f"{path} draws {name!r}; figures there are: {', '.join(plots.FIGURES)}.")
        written = plots.draw(content, (out or path.parent) / path.stem)
        click.echo("wrote " + ", ".join(map(str, written)))
