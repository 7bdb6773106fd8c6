"""Finished measurements as one file, and back."""

from pathlib import Path

import click

from robint_tf.store.artifacts import Store, default_root

from ..parameters import Folder, NewFile

KINDS = {
    "cells": ("RetrainSpec",),
    "accuracies": ("AccuracySpec", "CurveSpec"),
    "distances": ("DistanceSpec",),
    "controls": ("ControlSpec",),
    "roads": ("RoadSpec",),
    "gradients": ("GradientSpec", "OwnGradientSpec"),
}

store_option = click.option(
    "--store", "store_dir", type=Folder(), help="Folder of the store.  [default: ROBINT_STORE, else the user's cache]"
)


@click.command("pack")
@click.argument("file", type=NewFile(".json"))
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(KINDS)),
    help="Retrained accuracies, accuracies of the explained networks, distances to the manifold, what maps give away, "
    "curves of ROAD, measures of gradients.  [default: all]",
)
@store_option
def command(file: Path, only: tuple[str, ...], store_dir: Path | None) -> None:
    """Write the finished measurements of a store into FILE (.json), with their recipes and without networks.

    Accuracies by epoch, scores and distances are small and travel; `robint unpack` puts them into another store, where
    a section goes on without repeating them.
    """
    from robint_tf.store import packs

    kinds = [kind for name in only or KINDS for kind in KINDS[name]]
    n = packs.write(file, Store(store_dir or default_root()), kinds)
    click.echo(f"wrote {file}: {n} measurements, {file.stat().st_size / 1024:.0f} KiB")
