"""Whether what a GPU needs is here and works, and what to do where it does not."""

import json
from dataclasses import asdict

import click

from ..quiet import load_tensorflow
from . import facts, probes, verdict

STAGES = {
    "convolution": "convolution, forward and backward",
    "attack": "attack, compiled without XLA",
    "attack_xla": "attack, compiled by XLA",
    "training_xla": "training, compiled by XLA",
    "training_bfloat16": "the same in bfloat16",
}


@click.command("doctor")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, device: str, as_json: bool) -> None:
    """Check TensorFlow, CUDA and cuDNN by computing with them, and say in one line what is wrong and what to do.

    Each computation runs in a process of its own, for some errors of these libraries end the process. Exit code 0 if
    all is well, 1 if not. Commands that use a GPU do the same at its first use, and go on without XLA where it fails.
    """
    device = device.lower()
    load_tensorflow().check_name(device)
    found = facts.gather()
    usable = device == "cpu" or found.gpus or not (device.startswith("gpu") or found.driver_gpus or found.driver)
    outcomes = probes.run(device) if usable else {}
    judged = verdict.judge(found, outcomes, device)
    if as_json:
        probed = {name: asdict(outcome) for name, outcome in outcomes.items()}
        click.echo(json.dumps({"facts": asdict(found), "probes": probed, "verdict": asdict(judged)}, indent=1))
    else:
        for name, value in lines(found).items():
            click.echo(f"{name:34}{value}")
        for name, outcome in outcomes.items():
            click.echo(f"{STAGES[name]:34}{f'{outcome.seconds} s' if outcome.ok else outcome.error}")
        click.echo(judged.line)
    ctx.exit(0 if judged.ok else 1)


def lines(found: facts.Facts) -> dict[str, str]:
    """The facts, as people read them."""
    built = f"for CUDA {found.built_cuda} and cuDNN {found.built_cudnn}" if found.cuda_build else "without CUDA"
    driver = f"{found.driver}, for CUDA {found.driver_cuda} at most" if found.driver else "none found"
    return {
        "Python, Keras": f"{found.python}, {found.keras}",
        "TensorFlow": f"{found.tensorflow}, built {built}",
        "NVIDIA's driver": driver,
        "cuDNN": found.cudnn or "none found",
        "other packages of NVIDIA": ", ".join(f"{k} {v}" for k, v in found.wheels.items()) or "none",
        "GPUs of the driver": ", ".join(found.driver_gpus) or "none",
        "GPUs of TensorFlow": ", ".join(found.gpus) or "none",
    }
