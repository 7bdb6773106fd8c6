"""Show which data sets are at hand, check them, and get missing ones."""

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import click

from robint_tf import data
from robint_tf.data import sources
from robint_tf.errors import DeviceError

from ..hints import hinted
from ..options import data_options
from ..parameters import DatasetName
from ..quiet import load_tensorflow

COLUMNS = ("set", "state", "source", "order", "train", "test", "fingerprints", "verified", "folder")


@click.command("data")
@click.argument("names", nargs=-1, type=DatasetName(), metavar="[NAME]...")
@click.option("--download", multiple=True, type=DatasetName(), help="Download this set if it is missing; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_options
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    download: tuple[str, ...],
    as_json: bool,
    data_dir: Path | None,
    offline: bool,
) -> None:
    """Show which data sets are at hand, and how to get the others.

    Sets that are named are loaded, too: their images are counted, fingerprinted and compared with the published ones.
    Exit code 3 if one of them is missing or damaged. Nothing is downloaded without --download.
    """
    if download and offline:
        raise click.UsageError("--download needs the network, --offline forbids it; leave one out.")
    named = dict.fromkeys((*names, *download))
    folder = sources.data_folder(data_dir)
    rows = [_row(name, folder, load=bool(named), get=name in download) for name in named or data.DATASETS]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    if named and not all(row["found"] for row in rows):
        ctx.exit(3)


def _row(name: str, folder: Path, *, load: bool, get: bool) -> dict[str, Any]:
    """What is known about one set: where it is and, with `load`, what it holds."""
    source = "registered" if data.DATASETS[name].load else "in the package"
    row: dict[str, Any] = {"name": name, "found": True, "source": source, "folder": None, "notes": []}
    try:
        if name in sources.IMAGE_SETS:
            location = sources.find(name, folder) or (sources.download(name, folder) if get else None)
            if location is None:
                raise data.DataUnavailable(sources.how_to_get(name, folder), dataset=name)
            row |= {"source": str(location), "folder": str(location.folder)}
            if load and location.kind == "tfds":
                device = load_tensorflow()
                with contextlib.suppress(DeviceError):  # where TensorFlow runs already, it decodes where it runs
                    device.configure("cpu")  # decoding images needs no GPU
        return row | _content(name, folder) if load else row
    except data.DataUnavailable as error:
        return row | {"found": False, "source": None, "notes": [hinted(str(error), error)]}


def _content(name: str, folder: Path) -> dict[str, Any]:
    """Order, fingerprints and comparison with the published set."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = data.load(name, data_dir=folder, offline=True)
    return {
        "source": dataset.source,
        "order": dataset.order,
        "verified": dataset.verified,
        "train": dataset.train.fingerprint.as_json(),
        "test": dataset.test.fingerprint.as_json(),
        "class_names": dataset.class_names,
        "notes": [str(w.message) for w in caught if w.category is UserWarning],
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = [COLUMNS, *map(_cells, rows)]
    shown = [i for i in range(len(COLUMNS)) if any(line[i] for line in table[1:])]
    widths = {i: max(len(line[i]) for line in table) for i in shown}
    for line in table:
        click.echo("  ".join(line[i].ljust(widths[i]) for i in shown).rstrip())
    for row in rows:
        for note in row["notes"]:
            click.echo(f"\n{note}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    splits = [row[split] for split in ("train", "test") if split in row]
    return (
        row["name"].replace("_", "-"),
        "here" if row["found"] else "missing",
        row["source"] or "",
        row.get("order", ""),
        *(f"{split['count']}" for split in splits or [{"count": ""}] * 2),
        " ".join(split["sha256"][:12] for split in splits),
        {True: "yes", False: "no", None: ""}[row.get("verified")],
        row["folder"] or "",
    )
