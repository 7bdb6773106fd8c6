"""Measurements from a file into a store."""

from pathlib import Path

import click

from robint_tf.store.artifacts import Store, default_root

from ..parameters import Place, writable
from .pack import store_option


@click.command("unpack")
@click.argument("files", nargs=-1, required=True, type=Place())
@store_option
def command(files: tuple[Path, ...], store_dir: Path | None) -> None:
    """Put the measurements of FILES, written by `robint pack`, into the store, where it lacks them or has them damaged.

    A file that was edited, or made by another version of the mathematics, is refused by name.
    """
    from robint_tf.store import packs

    store = Store(writable(store_dir or default_root()))
    for file in files:
        moved = packs.unpack(file, store)
        older = f", {moved.older} of an older form are passed over" if moved.older else ""
        click.echo(f"{file}: {moved.new} measurements new to {store.root}, {moved.known} were there{older}")
