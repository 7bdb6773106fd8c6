"""What a section would cost: work, floating-point operations, disk, time on this device or on another."""

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..beyond import power
from ..parameters import NewFile
from ..parsing import read
from ..progress import duration

if TYPE_CHECKING:
    from ..studies.estimate import Costs, Estimate

SECTIONS = {
    "section-2-1": "sections.section_2_1",
    "section-2-2": "sections.section_2_2",
    "section-3-2": "sections.interpretability",
    "section-3-3": "sections.interpretability",
    "methods": "beyond.methods",
}
"""By section, the module that has its `Options`, and `planned(options)`, which gives its studies."""


class Rate(click.ParamType):
    """A positive number of TFLOP/s."""

    name = "TFLOP/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            self.fail(f"{value!r} is not allowed; give a number of TFLOP/s above 0, e.g. 10.", param, ctx)
        return number


class PlanCommand(click.Command):
    """Takes its own options and the section's in any order, before or after the section's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        places = [i for i, word in enumerate(args) if word.replace("_", "-") in SECTIONS]
        if places:
            args = [args[places[0]].replace("_", "-"), *args[: places[0]], *args[places[0] + 1 :]]
        elif args and args[0].startswith("-") and not {"-h", "--help"} & set(args):
            ctx.fail(f"no section is named; choose one of {', '.join(SECTIONS)}.")
        return super().parse_args(ctx, args)


@click.command(
    "plan",
    cls=PlanCommand,
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--device-rate",
    type=Rate(),
    help="TFLOP/s that another device reaches in this work (not its peak); nothing is measured here then.",
)
@click.option(
    "--calibrate",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    help="Seconds at most for measuring this device, all studies of a section together, and no more than 2% of what it "
    "predicts.",
)
@click.option("--json", "json_path", type=NewFile(".json"), help="Also write the numbers to this file.")
@click.argument("section", type=click.Choice(list(SECTIONS)), metavar="SECTION")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF THE SECTION]")
def command(
    device_rate: float | None, calibrate: float, json_path: Path | None, section: str, options: tuple[str, ...]
) -> None:
    """What a section costs before it is run: section-2-1, 2-2, 3-2 or 3-3, or methods. Trains nothing.

    Give the section's own options, too, e.g. robint plan section-3-2 --preset paper --losses xent; robint section-3-2
    --help lists them. Work that the store holds is not counted. Prints gradient passes (images times PGD steps),
    training passes (images times epochs), floating-point operations, disk and time, and the rate that this device
    reaches, for --device-rate elsewhere. The toy's networks are too small for such a rate: there, calls cost more than
    arithmetic.
    """
    from ..cli import main
    from ..studies.estimate import Estimate, estimate

    here = click.get_current_context()
    given = main.get_command(here, section)
    assert given is not None
    with given.make_context(section, list(options), parent=here.parent) as context:  # errors name the section's help
        module = importlib.import_module(f"..{SECTIONS[section]}", __package__)
        studies = module.planned(read(module.Options, context.params))
    plans = []
    for study in studies:
        flops = study.flops()
        if device_rate:
            plan = Estimate(study.name, study.workloads(), flops / (device_rate * 1e12))
        else:
            plan = estimate(study, calibrate / len(studies))
        print_table(plan, flops, device_rate)
        powers = study.powers()
        power.print_table(powers)
        plans.append(content(plan, flops, device_rate) | {"power": powers})
    if json_path is not None:
        from robint_tf.store import results

        asked = {"section": section, "options": list(options), "device_rate_tflops": device_rate}
        results.write(json_path, {"figure": None, "plan_of": asked, "studies": plans})
        click.echo(f"wrote {json_path}")


def content(plan: "Estimate", flops: "Costs", device_rate: float | None) -> dict[str, Any]:
    """A study's part of the plan's file."""
    return {
        "study": plan.name,
        "seconds": plan.seconds,
        "flop": sum(map(flops.of, plan.workloads)),
        "loads": [{**asdict(w), "flop": flops.of(w), "seconds": plan.costs.of(w)} for w in plan.workloads],
        "unit_seconds": None if device_rate else asdict(plan.costs),
    }


def print_table(plan: "Estimate", flops: "Costs", device_rate: float | None) -> None:
    """Print one study's table. flops: floating-point operations of a unit of work."""
    click.echo(f"\n{plan.name}")
    click.echo(
        f"{'':20}{'all':>7}{'missing':>9}{'gradient passes':>17}{'training passes':>17}{'VAE-GAN steps':>15}"
        f"{'TFLOP':>12}{'MiB':>8}{'time':>14}"
    )
    for load in plan.workloads:
        click.echo(
            f"{load.name:20}{load.total:7,}{load.missing:9,}{load.attack_steps:17,}{load.updates:17,}"
            f"{load.vae_gan_steps:15,}{flops.of(load) / 1e12:12,.1f}{load.size / 2**20:8,.0f}"
            f"{duration(plan.costs.of(load)):>14}"
        )
    where = f"at {device_rate:g} TFLOP/s" if device_rate else "on this device"
    click.echo(f"{duration(plan.seconds)} in all {where}, {sum(map(flops.of, plan.workloads)) / 1e12:,.1f} TFLOP.")
    if device_rate is None:
        rates = {
            "training": (flops.update, plan.costs.update),
            "attacks": (flops.attack_step, plan.costs.attack_step),
            "VAE-GAN": (flops.vae_gan_step, plan.costs.vae_gan_step),
        }
        reached = ", ".join(f"{name} {f / s / 1e12:.3g}" for name, (f, s) in rates.items() if f and s)
        if reached:
            click.echo(f"TFLOP/s reached here: {reached}.")
