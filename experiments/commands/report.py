"""Our results and the authors', with a verdict on every claim, on one page."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import robint_tf

from ..hints import command_for, cost_of
from ..options import out_option
from ..parameters import Place
from ..studies.pictures import pictures

if TYPE_CHECKING:
    from robint_tf.paper.comparison import Collection

BEGIN, END = "<!-- {}: written by `robint report` -->", "<!-- end of {} -->"


@click.command("report")
@click.option(
    "--results",
    "folder",
    type=Place(file_okay=False),
    default="figures",
    show_default=True,
    help="Folder of the results files, which the sections write next to their figures.",
)
@out_option("report")
@click.option("--allow-mixed", is_flag=True, help="Compare results of different variants or versions, and list them.")
@click.option(
    "--update",
    "documents",
    multiple=True,
    type=Place(exists=True, dir_okay=False, writable=True),
    help="Also write the tables between the marks in this document, such as README.md.",
)
def command(folder: Path, out: Path, allow_mixed: bool, documents: tuple[Path, ...]) -> None:
    """Compare with the published results: report.html (one self-contained page), report.md and report.json.

    Reads results files only and trains nothing. What is missing is listed with the command that makes it.
    """
    write(folder, out, allow_mixed=allow_mixed, documents=documents)


def write(folder: Path, out: Path, *, allow_mixed: bool = False, documents: tuple[Path, ...] = ()) -> list[Path]:
    """Write the report of a folder of results; the paths written."""
    from robint_tf.paper import claims, comparison, report, report_markdown
    from robint_tf.store import results
    from robint_tf.store.folders import atomic_path

    collection = comparison.collect(folder) if folder.is_dir() else None
    if collection is None or not (collection.content or collection.left_out):
        raise click.UsageError(
            f"{folder} holds no results; run a section first, e.g. robint section-2-2, or name their folder: --results."
        )
    commands = {claim.needs: command_for(claim.needs) for claim in claims.all_claims()}
    found = comparison.compare(collection, allow_mixed=allow_mixed, commands=commands)
    for item in found["missing"]:
        item["cost"] = cost_of(item["results"])
    drawn, undrawn = pictures(collection, set(found["left_out"]))
    updated = {path: summarised(path.read_text(encoding="utf-8"), found, collection) for path in documents}
    found["left_out"] |= undrawn | found.pop("not_shown")  # though their other numbers are taken
    header = _header(found)
    texts = {
        "report.html": report.html(found, header, drawn),
        "report.md": report_markdown.markdown(found, header),
    }
    paths = []
    for name, text in texts.items():
        paths.append(out / name)
        with atomic_path(paths[-1]) as scratch:
            scratch.write_text(text, encoding="utf-8")
    paths.append(out / "report.json")
    results.write(paths[-1], {"figure": None, "header": header, **found})
    for path, text in updated.items():
        with atomic_path(path) as scratch:
            scratch.write_text(text, encoding="utf-8")
        paths.append(path)
    compared = [row for row in found["groups"] if set(row["ours"]) != {"not run"}]
    for row in compared:
        click.echo(f"{row['group']}: {report.counts(row['ours'])}")
    if len(compared) < len(found["groups"]):
        click.echo(
            f"not run: {len(found['groups']) - len(compared)} other kinds of claims; report.md names their commands"
        )
    for row in found["beyond"]["groups"]:
        if set(row["ours"]) != {"not run"}:
            click.echo(f"beyond the paper, {row['group']} {report.counts(row['ours'])}")
    for place, reason in found["left_out"].items():
        click.echo(f"left out {place}: {reason}", err=True)
    click.echo("wrote " + ", ".join(map(str, paths)))
    return paths


def summarised(text: str, found: dict[str, Any], collection: "Collection") -> str:
    """A document with the tables between its marks, whichever of them it has. `UsageError` if it has none.

    found: what `comparison.compare` says of the collection.
    """
    from .. import tables as result_tables

    tables = result_tables.all_tables(collection, found)
    marked = [name for name in tables if BEGIN.format(name) in text or END.format(name) in text]
    if not marked:
        raise click.UsageError(f"the document needs one line {BEGIN.format('comparison')} and one line for its end.")
    for name in marked:
        begin, end = BEGIN.format(name), END.format(name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise click.UsageError(f"the document needs one line {begin} and one line {end}.")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{tables[name]()}\n\n{end}{rest.split(end)[1]}"
    return text


def _header(found: dict[str, Any]) -> dict[str, str]:
    """Variant, presets, versions and device of what was compared, and the package that compared it."""
    sources = found["sources"]

    def all_of(values: Any) -> str:
        return ", ".join(sorted({str(v) for v in values if v})) or "none"

    versions = [source["versions"] for source in sources]
    return {
        "Variant": all_of(source["variant"] for source in sources),
        "Presets": all_of(source["preset"] for source in sources),
        "Device": all_of(v.get("device") for v in versions),
        "TensorFlow, Keras": all_of(f"{v.get('tensorflow')}, {v.get('keras')}" for v in versions),
        "Package": f"robint_tf {robint_tf.__version__}" + (f", commit {commit}" if (commit := _commit()) else ""),
    }


def _commit() -> str | None:
    """The commit of a source checkout; None for an installed package."""
    root = Path(robint_tf.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
