"""What a section would cost: work, floating-point operations, disk, time on this device or on another."""

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import writable
from .progress import duration

if TYPE_CHECKING:
    from .estimate import Costs, Estimable

SECTIONS = {
    "section-2-1": "section_2_1",
    "section-2-2": "section_2_2",
    "section-3-2": "interpretability",
    "section-3-3": "interpretability",
}
"""By section, the module whose `planned(**options)` gives its studies."""


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


@click.command("plan", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
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
    help="Seconds for measuring this device, shared among the studies of a section.",
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers here too."
)
@click.argument("section", type=click.Choice(list(SECTIONS)))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(
    device_rate: float | None, calibrate: float, json_path: Path | None, section: str, options: tuple[str, ...]
) -> None:
    """What a section costs before it is run. Trains nothing.

    Give the section's own options after its name, e.g. robint plan section-3-2 --preset paper --losses xent. What the
    store has already is not counted. Prints gradient passes (images times PGD steps), training passes (images times
    epochs), floating-point operations, disk and time, and the rate that this device reaches, for --device-rate
    elsewhere. The toy's networks are too small for such a rate: there, calls cost more than arithmetic.
    """
    from .cli import main

    if json_path is not None:
        writable(json_path.parent)
    given = main.get_command(click.get_current_context(), section)
    assert given is not None
    with given.make_context(section, list(options), parent=click.get_current_context()) as context:
        planned = importlib.import_module(f".{SECTIONS[section]}", __package__).planned
        studies = list(planned(**context.params))
    found = []
    for study in studies:
        found.append(_say(study, None if device_rate else study.seconds(calibrate / len(studies)), device_rate))
    if json_path is not None:
        from robint_tf import results

        asked = {"section": section, "options": list(options), "device_rate_tflops": device_rate}
        results.write(json_path, {"figure": None, "plan_of": asked, "studies": found})
        click.echo(f"wrote {json_path}")


def _say(study: "Estimable", costs: "Costs | None", device_rate: float | None) -> dict[str, Any]:
    """Print one study's table, and return its numbers."""
    flops, loads = study.flops(), study.loads()
    rows = []
    click.echo(f"\n{study.name}")
    click.echo(
        f"{'':20}{'all':>7}{'missing':>9}{'gradient passes':>17}{'training passes':>17}{'VAE-GAN steps':>15}"
        f"{'TFLOP':>12}{'MiB':>8}{'time':>14}"
    )
    total_seconds = total_flops = 0.0
    for load in loads:
        operations = flops.of(load)
        seconds = operations / (device_rate * 1e12) if device_rate else costs.of(load)  # type: ignore[union-attr]
        total_seconds, total_flops = total_seconds + seconds, total_flops + operations
        click.echo(
            f"{load.name:20}{load.total:7,}{load.missing:9,}{load.attack_steps:17,}{load.updates:17,}"
            f"{load.vae_gan_steps:15,}{operations / 1e12:12,.1f}{load.size / 2**20:8,.0f}{duration(seconds):>14}"
        )
        rows.append({**asdict(load), "flop": operations, "seconds": seconds})
    where = f"at {device_rate:g} TFLOP/s" if device_rate else "on this device"
    click.echo(f"{duration(total_seconds)} in all {where}, {total_flops / 1e12:,.1f} TFLOP.")
    if costs is not None:
        rates = {
            "training": (flops.update, costs.update),
            "attacks": (flops.attack_step, costs.attack_step),
            "VAE-GAN": (flops.vae_gan_step, costs.vae_gan_step),
        }
        reached = ", ".join(f"{name} {f / s / 1e12:.3g}" for name, (f, s) in rates.items() if f and s)
        click.echo(f"TFLOP/s reached here: {reached}.")
    unit = None if costs is None else asdict(costs)
    return {"study": study.name, "seconds": total_seconds, "flop": total_flops, "loads": rows, "unit_seconds": unit}
