"""How far the grid of sections 3.2 and 3.3 is, also while another process works on it."""

from pathlib import Path
from typing import Any

import click

from robint_tf.specs import MATHEMATICS

from ..options import data_options, device_options, store_option
from ..studies.interpretability import STUDY, chosen_study, study_options


@click.command("status")
@study_options
@store_option
@data_options
@device_options
def command(data_dir: Path | None, offline: bool, **given: Any) -> None:
    """How much of the grid of section-3-2 is in the store, network by network. Trains nothing.

    Give the options that section-3-2 runs with. A network's artifacts are itself, its two accuracies, and its
    retrainings.
    """
    from robint_tf.store.artifacts import RELEASES

    from ..run import begin
    from ..studies.grid import Grid

    study = chosen_study(**{name: given.pop(name) for name in STUDY})
    run = begin(**given)
    grid = Grid(study, run, data_dir=data_dir, offline=offline)
    done = total = 0
    for name, there, of in grid.inventory():
        done, total = done + there, total + of
        click.echo(f"{name:28} {there:4} of {of:4}{'' if there < of else '  complete'}")
    begun = run.store.root.glob("*/*.checkpoint")
    unfinished = sum(not path.with_suffix("").exists() for path in begun)
    click.echo(f"{'all':28} {done:4} of {total:4} ({done / total:.1%}); {unfinished} trainings begun, not finished")
    for version, count in run.store.versions().items():
        if version != MATHEMATICS:
            release = f"version {RELEASES[version]}" if version in RELEASES else "another version of this package"
            click.echo(f"{count} artifacts of mathematics {version} ({release}) are not used")
