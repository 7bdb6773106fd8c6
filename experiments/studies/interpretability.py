"""What section-3-2, section-3-3 and status share: the options that choose a part of the grid, and the run."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.catalogue import NORMS
from robint_tf.specs import as_dict

from ..options import (
    Amount,
    Share,
    chain,
    data_options,
    device_options,
    out_option,
    preset_option,
    store_option,
    variant_option,
)
from ..run import RUN_OPTIONS, begin
from .interpretability_results import figure, measure, report
from .presets import SECTION_3_2, InterpretabilityStudy

if TYPE_CHECKING:
    from .grid import Grid


class Address(click.ParamType):
    """Where a Dask scheduler listens."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"([a-z]+://)?([^\s/:]+|\[[0-9a-fA-F:]+\]):\d{1,5}", value):
            self.fail(f"{value!r} is not the address of a scheduler; give one like tcp://localhost:8786.", param, ctx)
        return value


study_options = chain(
    preset_option(
        "smoke: does it run, on the packaged sample; quick: some hours of a CPU; paper: the authors' grid.",
        SECTION_3_2,
    ),
    click.option(
        "--losses",
        multiple=True,
        type=click.Choice(["xent", "cw"]),
        help="Training losses, once each.  [default: the preset's]",
    ),
    click.option(
        "--norms", multiple=True, type=click.Choice(list(NORMS)), help="Of the training attacks.  [default: both]"
    ),
    click.option(
        "--eps",
        "radii",
        multiple=True,
        type=Amount(),
        help="Only for one of --norms: train against these.  [default: the preset's]",
    ),
    click.option(
        "--fractions",
        multiple=True,
        type=Share(),
        help="Of the pixels removed or kept, between 0 and 1.  [default: the preset's]",
    ),
    click.option(
        "--seeds", "n_seeds", type=click.IntRange(1, 100), help="Retrainings per cell.  [default: the preset's]"
    ),
    click.option(
        "--explained-seeds",
        "n_explained",
        type=click.IntRange(1, 100),
        help="Explained networks per training attack (the authors: 1).  [default: the preset's]",
    ),
    variant_option,
)

options = chain(
    study_options,
    click.option("--dry-run", is_flag=True, help="Say what is missing and how long it takes here, then stop."),
    click.option(
        "--workers", type=click.IntRange(1), help="Processes on this machine, one GPU each if there are any (Dask)."
    ),
    click.option(
        "--scheduler",
        type=Address(),
        metavar="tcp://HOST:PORT",
        help="A running Dask scheduler, whose workers do the work.",
    ),
    out_option("figures"),
    store_option,
    data_options,
    device_options,
)


def chosen_study(
    *,
    preset: str,
    losses: tuple[str, ...],
    norms: tuple[str, ...],
    radii: tuple[float, ...],
    fractions: tuple[float, ...],
    n_seeds: int | None,
    n_explained: int | None,
    variant: str,
) -> InterpretabilityStudy:
    """The preset's study with what was chosen on the command line. `UsageError` for --eps with more than one norm."""
    study = replace(SECTION_3_2[preset], variant=variant)  # type: ignore[arg-type]
    if losses:
        study = replace(study, losses=tuple(dict.fromkeys(losses)))
    if norms:
        study = replace(study, eps={norm: study.eps[norm] for norm in dict.fromkeys(norms)})
    if radii:
        if len(study.eps) != 1:
            raise click.UsageError("--eps is given for two norms; name one, e.g. --norms l2 --eps 0.8.")
        if min(radii) == 0:
            raise click.UsageError("--eps 0 is the standard network, which is always there; give radii above 0.")
        study = replace(study, eps={norm: tuple(sorted(set(radii))) for norm in study.eps})
    if fractions:
        study = replace(study, fractions=tuple(sorted(set(fractions))))
    if n_seeds is not None:
        study = replace(study, n_seeds=n_seeds)
    if n_explained is not None:
        study = replace(study, n_explained=n_explained)
    return study


STUDY = ("preset", "losses", "norms", "radii", "fractions", "n_seeds", "n_explained", "variant")


def run(
    axis: str,
    stem: str,
    *,
    dry_run: bool,
    workers: int | None,
    scheduler: str | None,
    out: Path,
    data_dir: Path | None,
    offline: bool,
    **given: Any,
) -> None:
    """Measure the grid and draw it against an axis, one figure per training loss."""
    from .estimate import sentence
    from .grid import Grid

    if workers is not None and scheduler is not None:
        raise click.UsageError("--workers starts processes here, --scheduler uses those elsewhere; give one of them.")
    study = chosen_study(**{name: given.pop(name) for name in STUDY})
    surroundings = begin(out=out, variant=study.variant, preset=_preset_name(), computes=False, **given)
    grid = Grid(study, surroundings, data_dir=data_dir, offline=offline)
    if dry_run or _preset_name() == "paper":
        click.echo(sentence(grid))
    if dry_run:
        return
    if workers is not None or scheduler is not None:
        from . import cluster

        site = cluster.Site(
            study=study,
            store=surroundings.store.root.absolute(),
            data_dir=data_dir and data_dir.absolute(),
            offline=offline,
            **{name: given[name] for name in ("allow_mixed", "device", "jit", "threads", "deterministic")},
        )
        cluster.make(grid, site, cluster.Workers(workers, scheduler))
    grid.announce(grid.everything())
    measured = measure(grid)
    surroundings.display.end()
    about = {
        "dataset": study.source,
        "train_data": grid.dataset.train.take(study.n_train).fingerprint.as_json(),
        "test_data": grid.dataset.test.take(study.n_test).fingerprint.as_json(),
        "test_data_verified": grid.dataset.verified,
        "training": as_dict(study.training),
        "training_attack_steps": study.n_steps,
        "training_attack_step_sizes": study.step_sizes,
        "retraining": as_dict(study.retraining),
    }
    for loss in study.losses:
        found = about | figure(study, measured, loss, axis)
        paths = surroundings.save(f"{stem}_{loss}", found, figure="interpretability")
        report(found)
        click.echo("wrote " + ", ".join(map(str, paths)))


def planned(*, data_dir: Path | None, offline: bool, **given: Any) -> "list[Grid]":
    """The study of these options, for `robint plan`."""
    from .grid import Grid

    study = chosen_study(**{name: given[name] for name in STUDY})
    run = begin(variant=study.variant, preset=given["preset"], **{name: given[name] for name in RUN_OPTIONS})
    return [Grid(study, run, data_dir=data_dir, offline=offline)]


def _preset_name() -> str:
    return click.get_current_context().params["preset"]
