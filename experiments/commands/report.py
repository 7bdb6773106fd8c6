"""Our results beside the authors', a verdict per claim, on one page."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import robint_tf

from ..options import out_option

if TYPE_CHECKING:
    from robint_tf.paper.comparison import Collection
    from robint_tf.paper.report import Picture

BEGIN, END = "<!-- {}: written by `robint report` -->", "<!-- end of {} -->"
DPI = 90


@click.command("report")
@click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="figures",
    show_default=True,
    help="Folder of the results files, which the sections write beside their figures.",
)
@out_option("report")
@click.option("--allow-mixed", is_flag=True, help="Compare results of different variants or versions, and list them.")
@click.option(
    "--update",
    "documents",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, writable=True),
    help="Also write the tables between the marks in this document, such as README.md and docs/results.md here.",
)
def command(folder: Path, out: Path, allow_mixed: bool, documents: tuple[Path, ...]) -> None:
    """Compare with the published results: report.html (one self-contained page), report.md and report.json.

    Reads results files only and trains nothing. What is missing is listed with the command that makes it.
    """
    write(folder, out, allow_mixed=allow_mixed, documents=documents)


def write(folder: Path, out: Path, *, allow_mixed: bool = False, documents: tuple[Path, ...] = ()) -> list[Path]:
    """Write the report of a folder of results; the paths written."""
    from robint_tf.paper import comparison, report, report_markdown
    from robint_tf.store import results
    from robint_tf.store.folders import atomic_path

    collection = comparison.collect(folder)
    if not collection.content and not collection.left_out:
        raise click.UsageError(
            f"{folder} holds no results; run a section first, e.g. robint section-2-2, or name the folder: --results."
        )
    found = comparison.compare(collection, allow_mixed=allow_mixed)
    drawn, undrawn = pictures(collection, set(found["left_out"]))
    found["left_out"] |= undrawn
    header = _header(found)
    texts = {
        "report.html": report.html(found, header, drawn),
        "report.md": report_markdown.markdown(found, header),
    }
    updated = {path: summarised(path.read_text(encoding="utf-8"), found, collection) for path in documents}
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
    told = [row for row in found["groups"] if set(row["ours"]) != {"not run"}]
    for row in told:
        click.echo(f"{row['group']:70} {report.counts(row['ours'])}")
    if len(told) < len(found["groups"]):
        click.echo(f"not run: {len(found['groups']) - len(told)} other kinds of claims; report.md names their commands")
    for place, reason in found["left_out"].items():
        click.echo(f"left out {place}: {reason}", err=True)
    click.echo("wrote " + ", ".join(map(str, paths)))
    return paths


def summarised(text: str, found: dict[str, Any], collection: "Collection") -> str:
    """A document with the tables between its marks, whichever of them it has. `UsageError` if it has none.

    found: what `comparison.compare` says of the collection.
    """
    from robint_tf.paper import result_tables

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


def pictures(collection: "Collection", left_out: set[str]) -> "tuple[list[Picture], dict[str, str]]":
    """The figures of the results, redrawn, with the authors' Figures 4 and 5 beside ours; why others cannot be drawn.

    left_out: paths of files that the comparison did not take.
    """
    from robint_tf.paper import comparison, report
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    from ..studies.interpretability_results import authors_figure

    found, undrawn = [], {}
    drawable = [
        (name, content)
        for name, content in collection.content.items()
        if name.startswith("section_") and _kind(content) and collection.paths[name] not in left_out
    ]
    for name, content in sorted(drawable, key=lambda item: (list(KINDS).index(item[1]["figure"]), item[0])):
        section = ".".join(name.split("_")[1:3])
        try:
            png = _png(plots.FIGURES[content["figure"]](content))
            found.append(report.Picture(section, _title(name, content), _alt(name, content), png))
        except comparison.ODD as error:
            cause = results.printable(f"{type(error).__name__}: {error}")[:200]
            undrawn[collection.paths[name]] = f"its figure cannot be drawn ({cause}); run its command again."
    for section, figure, axis in (("3.2", 4, "strength"), ("3.3", 5, "accuracy")):
        for loss in ("xent", "cw"):
            drawn = plots.FIGURES["interpretability"](authors_figure(loss, axis))
            title = f"Figure {figure}, the authors' numbers, networks trained with {loss} (read back from their figure)"
            found.append(report.Picture(section, title, title, _png(drawn)))
    return found, undrawn


def _kind(content: dict[str, Any]) -> str | None:
    """What kind of figure a results file is of; None for one that has none."""
    figure = content.get("figure")
    return figure if isinstance(figure, str) and figure in KINDS else None


KINDS = {
    "manifold_distances": "Figure 1: distances of adversarial examples to the image manifold",
    "adversarial_examples": "Figure 2: adversarial examples by network",
    "loss_gradients": "Figure 6: loss gradients by network",
    "vae_gan": "what the VAE-GAN makes of test images and of noise",
    "interpretability": "ROAR and KAR scores",
    "section_2_2": "Figure 3b: decision boundaries of three toy networks",
    "section_2_2_sketch": "Figure 3a: why a tilted boundary sends attacks off the manifold",
}


def _title(name: str, content: dict[str, Any]) -> str:
    preset = content.get("provenance", {}).get("preset")
    where = content.get("dataset", "")
    return f"{KINDS[content['figure']]}{f', {where}' if where else ''}, ours (preset {preset}; {name}.json)"


def _alt(name: str, content: dict[str, Any]) -> str:
    if content["figure"] == "manifold_distances":
        from robint_tf.paper.figures import plots_manifold

        orders = (f"{p['title']}: {plots_manifold.order_words(p['order'])}" for p in content["panels"])
        return f"{KINDS[content['figure']]}, {content['dataset']}. " + "; ".join(orders)
    return _title(name, content)


def _png(figure: Any) -> str:
    import base64
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png", bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()


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
