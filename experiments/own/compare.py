"""Runs side by side: the numbers that several results files share, and where they differ beyond their spread."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..parameters import NewFile, Place
from .vae_gan import warn_of_problems

if TYPE_CHECKING:
    from robint_tf.store.records import Record


@click.command("compare")
@click.argument("files", nargs=-1, required=True, type=Place())
@click.option("--csv", "csv_path", type=NewFile(), help="Also write all numbers to this file, a row each.")
@click.option("--all", "everything", is_flag=True, help="Print all numbers, not only those that differ.")
def command(files: tuple[Path, ...], csv_path: Path | None, everything: bool) -> None:
    """Compare results FILES (.json) of two or more runs: seeds, machines, variants, precisions.

    Prints the numbers in which any later file differs from the first by more than both 95% intervals allow, taken as
    independent. About one in twenty does by chance. Numbers without an interval are compared too if --all is given.
    """
    from robint_tf.store import records, results

    if len(files) < 2:
        raise click.UsageError("one file has nothing to be compared with; name two or more.")
    contents = [results.read(path) for path in files]
    found = [{record.quantity: record for record in records.records(content)} for content in contents]
    shared = [name for name in found[0] if all(name in other for other in found[1:])]
    if not shared:
        raise click.UsageError("the files share no numbers; name results of the same command.")
    rows = [[numbers[name] for numbers in found] for name in shared]
    verdicts = [[records.differ(row[0], other) for other in row[1:]] for row in rows]
    measured = sum(any(v is not None for v in verdict) for verdict in verdicts)
    apart = [any(v is True for v in verdict) for verdict in verdicts]
    for row, differs in zip(rows, apart, strict=True):
        if differs or everything:
            click.echo(f"{'*' if differs else ' '} {row[0].quantity}: " + ", ".join(map(_told, row)))
    click.echo(
        f"{len(shared)} numbers in all files, {measured} with an interval; {sum(apart)} differ by more than it allows."
    )
    for path, content in zip(files, contents, strict=True):
        warn_of_problems(path, content)
    only = max(len(numbers) for numbers in found) - len(shared)
    if only:
        click.echo(f"up to {only} numbers are not in all of them.")
    if csv_path is not None:
        _write(csv_path, files, rows, apart)
        click.echo(f"wrote {csv_path}")


def _told(record: "Record") -> str:
    if record.low is None:
        return f"{record.value:.4g}"
    return f"{record.value:.4g} ({record.low:.4g} to {record.high:.4g})"


def _write(path: Path, files: tuple[Path, ...], rows: "list[list[Record]]", apart: list[bool]) -> None:
    from robint_tf.store.folders import atomic_path

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["quantity", "file", "value", "low", "high", "differs"])
    for row, differs in zip(rows, apart, strict=True):
        for file, record in zip(files, row, strict=True):
            table.writerow([record.quantity, file, record.value, record.low, record.high, int(differs)])
    with atomic_path(path) as scratch:
        scratch.write_text(text.getvalue(), encoding="utf-8")
