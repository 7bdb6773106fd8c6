"""What section-3-2, section-3-3 and status share: the options that choose a part of the grid, and the run."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.catalogue import NORMS
from robint_tf.specs import as_dict

from ..beyond import controls as beyond
from ..beyond import schedules
from ..options import DataOptions, RunOptions, data_options, out_option, preset_option, run_options, variant_option
from ..parameters import Amount, Share
from ..parsing import Placement, chain
from ..run import begin
from ..studies.grid_results import figure, measure, print_table
from ..studies.presets import SECTION_3_2, InterpretabilityStudy

if TYPE_CHECKING:
    from ..studies.grid import Grid


class Address(click.ParamType):
    """Where a Dask scheduler listens."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"([a-z]+://)?([^\s/:]+|\[[0-9a-fA-F:]+\]):\d{1,5}", value):
            self.fail(f"{value!r} is not the address of a scheduler; give one like tcp://localhost:8786.", param, ctx)
        return value


@dataclass(frozen=True)
class StudyOptions:
    """A part of the grid: a preset, and what replaces its values; empty or None for the preset's own."""

    preset: str
    losses: tuple[str, ...]
    norms: tuple[str, ...]
    radii: tuple[float, ...]
    fractions: tuple[float, ...]
    n_seeds: int | None
    n_explained: int | None
    controls: bool
    variant: str

    def study(self) -> InterpretabilityStudy:
        """The study that was chosen. `UsageError` for --eps with more than one norm."""
        study = replace(SECTION_3_2[self.preset], controls=self.controls, variant=self.variant)  # type: ignore[arg-type]
        if self.losses:
            study = replace(study, losses=tuple(dict.fromkeys(self.losses)))
        if self.norms:
            study = replace(study, eps={norm: study.eps[norm] for norm in dict.fromkeys(self.norms)})
        if self.radii:
            if len(study.eps) != 1:
                raise click.UsageError("--eps is given for two norms; name one, e.g. --norms l2 --eps 0.8.")
            if min(self.radii) == 0:
                raise click.UsageError("--eps 0 is the standard network, which is always there; give radii above 0.")
            study = replace(study, eps={norm: tuple(sorted(set(self.radii))) for norm in study.eps})
        if self.fractions:
            study = replace(study, fractions=tuple(sorted(set(self.fractions))))
        if self.n_seeds is not None:
            study = replace(study, n_seeds=self.n_seeds)
        if self.n_explained is not None:
            study = replace(study, n_explained=self.n_explained)
        return study


study_options = chain(
    preset_option(
        "smoke: a test that it runs, on the packaged sample; quick: hours on a CPU; powered: many networks of few eps, "
        "one retraining each, enough to find slopes of the authors' size; paper: the authors' grid.",
        SECTION_3_2,
    ),
    click.option(
        "--losses",
        multiple=True,
        type=click.Choice(["xent", "cw"], case_sensitive=False),
        help="Loss of the training attacks; repeatable.  [default: the preset's]",
    ),
    click.option(
        "--norms",
        multiple=True,
        type=click.Choice(list(NORMS), case_sensitive=False),
        help="Norm of the training attacks; repeatable.  [default: both]",
    ),
    click.option(
        "--eps",
        "radii",
        multiple=True,
        type=Amount(),
        help="Radius of the training attacks, with one of --norms; repeatable.  [default: the preset's]",
    ),
    click.option(
        "--fractions",
        multiple=True,
        type=Share(),
        help="Fraction of the pixels that is removed or kept; repeatable.  [default: the preset's]",
    ),
    click.option(
        "--seeds",
        "n_seeds",
        type=click.IntRange(1, 100),
        help="Retrainings per cell; of random pixels five or more.  [default: the preset's]",
    ),
    click.option(
        "--explained-seeds",
        "n_explained",
        type=click.IntRange(1, 100),
        help="Explained networks per training attack (the authors: 1).  [default: the preset's]",
    ),
    click.option(
        "--controls",
        is_flag=True,
        help="Also retrain on maps that know no network (edges, centre), and on smoothed maps of five networks.",
    ),
    variant_option,
)


@dataclass(frozen=True)
class Options:
    """Options of section-3-2 and section-3-3. workers, scheduler: the Dask processes that do the work, if any."""

    study: StudyOptions
    dry_run: bool
    workers: int | None
    scheduler: str | None
    out: Path
    run: RunOptions
    data: DataOptions


options = chain(
    study_options,
    click.option("--dry-run", is_flag=True, help="Say what is missing and how long it takes here, then stop."),
    click.option(
        "--workers",
        cls=Placement,
        type=click.IntRange(1),
        help="Processes on this machine, one GPU each if there are any (Dask).",
    ),
    click.option(
        "--scheduler",
        cls=Placement,
        type=Address(),
        metavar="tcp://HOST:PORT",
        help="A running Dask scheduler, whose workers do the work.",
    ),
    out_option("figures"),
    run_options,
    data_options,
)


def run(axis: str, stem: str, options: Options) -> None:
    """Measure the grid and draw it against an axis, one figure per training loss."""
    from ..studies.estimate import estimate
    from ..studies.grid import Grid

    if options.workers is not None and options.scheduler is not None:
        raise click.UsageError("--workers starts processes here, --scheduler uses those elsewhere; give one of them.")
    study = options.study.study()
    handed_out = not options.dry_run and (options.workers is not None or options.scheduler is not None)
    own = replace(options.run, device="cpu") if handed_out else options.run  # a GPU is the workers'
    here = begin(own, out=options.out, variant=study.variant, preset=options.study.preset, computes=False)
    grid = Grid(study, here, data_dir=options.data.data_dir, offline=options.data.offline)
    if options.dry_run or (options.study.preset == "paper" and not handed_out):
        click.echo(estimate(grid).sentence())
    if options.dry_run:
        return
    if handed_out:
        from ..studies import cluster

        config = cluster.WorkerConfig.of(study, options.run, options.data, store=here.store.root)
        cluster.make(grid, config, cluster.Workers(options.workers, options.scheduler))
    grid.announce(grid.everything())
    measured = measure(grid)
    shapes = beyond.measure_shapes(grid)
    here.display.end()
    about = grid.about() | {"retraining": as_dict(study.retraining)}
    for loss in study.losses:
        content = about | figure(study, measured, loss, axis)
        content |= beyond.controls(study, measured, shapes, content) | schedules.compared(grid, measured, content)
        paths = here.save(f"{stem}_{loss}", content, figure="interpretability")
        print_table(content)
        schedules.print_table(content)
        beyond.print_table(content)
        click.echo("wrote " + ", ".join(map(str, paths)))


def planned(options: Options) -> "list[Grid]":
    """The study of these options, for `robint plan`."""
    from ..studies.grid import Grid

    study = options.study.study()
    here = begin(options.run, variant=study.variant, preset=options.study.preset)
    return [Grid(study, here, data_dir=options.data.data_dir, offline=options.data.offline)]
