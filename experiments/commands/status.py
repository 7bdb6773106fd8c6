"""How far the grid of sections 3.2 and 3.3 is, also while another process works on it."""

from dataclasses import dataclass

import click

from robint_tf.specs import MATHEMATICS

from ..options import DataOptions, RunOptions, data_options, run_options
from ..parsing import parsed
from ..sections.interpretability import StudyOptions, study_options


@dataclass(frozen=True)
class Options:
    """Options of status."""

    study: StudyOptions
    run: RunOptions
    data: DataOptions


@click.command("status")
@study_options
@run_options
@data_options
@parsed(Options)
def command(options: Options) -> None:
    """How much of the grid of section-3-2 is in the store, network by network. Trains nothing.

    Give the options that section-3-2 runs with. A network's artifacts are itself, its two accuracies, and its
    retrainings.
    """
    from robint_tf.store.artifacts import RELEASES

    from ..run import begin
    from ..studies.grid import Grid

    study = options.study.study()
    run = begin(options.run)
    grid = Grid(study, run, data_dir=options.data.data_dir, offline=options.data.offline)
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
