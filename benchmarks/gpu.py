"""Everything that is to be known of a GPU, in one command of less than ten minutes.

    python benchmarks/gpu.py [--seconds 560] [--device gpu]

`robint doctor`; the authors' numbers (`tests/golden`) on the GPU; times of steps with XLA and without, with TF32 and in
bfloat16; several networks at once; PyTorch beside them where it is installed; memory; and the hours of each section at
the scale of the paper. Writes `benchmarks/results/gpu.json` and a table into `benchmarks/README.md`. Each group of
measurements is a process of its own; what fails is reported, and the rest goes on. What time does not suffice for is
named. `--smoke` shows that it runs: on a CPU, with networks so small that its numbers mean nothing.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import document  # noqa: E402  # the folder of this script is no package
import gpu_measures  # noqa: E402

GROUPS: dict[str, dict[str, Any]] = {
    "float32, XLA": {"jit": "on"},
    "float32": {"jit": "off"},
    "TF32, XLA": {"jit": "on", "tf32": True},
    "bfloat16, XLA": {"jit": "on", "precision": "mixed_bfloat16"},
}
"""What each group of measurements is made with."""
MOST = {"float32, XLA": 170.0, "float32": 80.0, "TF32, XLA": 60.0, "bfloat16, XLA": 60.0}
"""Seconds for each group."""
FEWER = ("TF32, XLA", "bfloat16, XLA")
"""Groups of the measurements alone that the hours of section 3.2 need."""
PROCESSES = 4
GOLDENS = ("test_classifiers.py", "test_attributions.py", "test_attacks.py", "test_training.py", "test_vae_gan.py")
CHOSEN = "authors and not n40 and (classifiers or attributions or attacks or std or MIXNORM or (vae_gan and mnist))"
"""Of these tests: all but the long ones, and the chaotic steps of adversarial training."""
GOLDEN_SECONDS = 90


class Clock:
    """How much of the time is left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()


def measured(
    names: Iterable[str], setting: dict[str, Any], clock: Clock, folder: Path, *, most: float = 1e9
) -> dict[str, Any]:
    """By name, what was measured, or {"error": one line}; in a process, and in another where one dies.

    most: seconds for all of them.
    """
    from robint_experiments.machine.probes import telling_line

    names, clock = list(names), Clock(min(clock.left(), most))
    found: dict[str, Any] = {}
    while left := [name for name in names if name not in found]:
        seconds = clock.left()
        if seconds < 20:
            return found | {name: {"error": "no time was left"} for name in left}
        job = json.dumps({**setting, "names": left, "seconds": seconds - 10, "folder": str(folder)})
        command = [sys.executable, str(HERE / "gpu_measures.py"), job]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
            )
            said, log = done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            said, log = (s.decode() if isinstance(s, bytes) else s or "" for s in (late.stdout, late.stderr))
            log += "\nit took too long"
        for line in said.splitlines():
            if line.startswith(gpu_measures.MARK):
                name, value = json.loads(line.removeprefix(gpu_measures.MARK))
                found[name] = value
        if died := next((name for name in names if name not in found), None):
            found[died] = {"error": telling_line(log)}
    return found


def here(names: Iterable[str], setting: dict[str, Any], clock: Clock, folder: Path, *, most: float = 1e9) -> dict:
    """`measured`, in this process, which is quicker and may die."""
    return dict(gpu_measures.done({**setting, "names": list(names), "folder": str(folder), "seconds": clock.left()}))


def goldens(clock: Clock, files: Iterable[str], chosen: str) -> dict[str, Any]:
    """The tests against the authors' numbers on this device, without TF32; XLA as the package chooses it."""
    seconds = min(clock.left(), GOLDEN_SECONDS)
    environment = os.environ | {"NVIDIA_TF32_OVERRIDE": "0", "ROBINT_TEST_MODE": "default"}
    tests = HERE.parent / "tests"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-v", "-k", chosen]
    try:
        done = subprocess.run(
            [*command, *(str(tests / file) for file in files)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            cwd=HERE.parent,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        return {**tally(said), "unfinished": f"not over within {seconds:.0f} seconds"}
    return tally(done.stdout + done.stderr)


def tally(said: str) -> dict[str, Any]:
    """How many tests passed and failed, and the first that failed, from what pytest said until its end or before.

    >>> tally("a.py::test_a PASSED [ 50%]\\na.py::test_b[x] FAILED [100%]\\nFAILED a.py::test_b[x] - AssertionError")
    {'passed': 1, 'failed': 1, 'first': 'a.py::test_b[x]'}
    """
    outcomes = re.findall(r"^(\S+::.+?) (PASSED|FAILED|ERROR)\b", said, re.MULTILINE)
    if not outcomes:
        return {"error": (said.strip().splitlines() or ["pytest said nothing"])[-1][:200]}
    failed = [name for name, outcome in outcomes if outcome != "PASSED"]
    return {"passed": len(outcomes) - len(failed), "failed": len(failed), **({"first": failed[0]} if failed else {})}


def hours(group: dict[str, Any], loads: list[dict[str, Any]]) -> dict[str, float]:
    """Hours of each section at the scale of the paper where a group has what it takes.

    loads: of each study its section, architecture, VAE-GAN or None, and its images through training, attack steps, and
    VAE-GAN steps.
    """
    found: dict[str, float] = {}
    lacking: set[str] = set()
    for load in loads:
        network = load["architecture"]
        attack = group.get(f"PGD-40, {network}, batch 100", {}).get("image_step_seconds")
        update = group.get(f"training, {network}", {}).get("image_seconds")
        vae_gan = group.get(f"VAE-GAN, {load['vae_gan']}", {}).get("seconds") if load["vae_gan"] else 0.0
        if None in (attack, update, vae_gan):
            lacking.add(load["section"])
            continue
        seconds = load["attack_steps"] * attack + load["updates"] * update + load["vae_gan_steps"] * vae_gan
        found[load["section"]] = found.get(load["section"], 0.0) + seconds / 3600
    return {section: value for section, value in found.items() if section not in lacking}


def table(results: dict[str, Any]) -> list[str]:
    """The results as lines of Markdown."""
    facts, groups = results["doctor"]["facts"], results["groups"]
    where = ", ".join(facts["gpus"]) or "CPU"
    tests = results["goldens"]
    said = tests.get("error") or f"{tests['passed']} passed, {tests['failed']} failed"
    said += f"; {tests['unfinished']}" if "unfinished" in tests else ""
    lines = [
        f"Measured on {where}, driver {facts['driver'] or 'none'}, TensorFlow {facts['tensorflow']}, cuDNN "
        f"{facts['cudnn'] or 'none'}; {results['seconds']:.0f} seconds in all.",
        "",
        f"Doctor: {results['doctor']['verdict']['line']}",
        "",
        f"The authors' numbers, without TF32: {said}"
        + (f" (first: `{tests['first']}`)." if tests.get("first") else "."),
        "",
        f"| milliseconds | {' | '.join(groups)} |",
        f"| --- |{' --- |' * len(groups)}",
    ]
    for name in dict.fromkeys(name for group in groups.values() for name in group):
        cells = [_cell(group.get(name)) for group in groups.values()]
        lines.append(f"| {gpu_measures.TITLES.get(name, name)} | {' | '.join(cells)} |")
    lines += ["", f"| hours at the paper's scale | {' | '.join(groups)} |", f"| --- |{' --- |' * len(groups)}"]
    estimated = results["hours"]
    for section in dict.fromkeys(section for found in estimated.values() for section in found):
        cells = [f"{found[section]:,.1f}" if section in found else "" for found in estimated.values()]
        lines.append(f"| {section} | {' | '.join(cells)} |")
    lines += ["", "| several at once, retraining | images/s |", "| --- | --- |"]
    for name, value in results["at_once"].items():
        lines.append(f"| {name} | {value.get('error') or format(value['images_per_second'], ',.0f')} |")
    if results["torch"]:
        lines += ["", "| PyTorch, channels last | milliseconds |", "| --- | --- |"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in results["torch"].items()]
    return lines


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    if "error" in value:
        return f"failed: {value['error'][:60]}".replace("|", "/")
    memory = f", {value['peak_bytes'] / 2**30:.1f} GiB" if value.get("peak_bytes") else ""
    return f"{1000 * value['seconds']:.3g}{memory}"


def examine(device: str, stages: Iterable[str] | None = None) -> dict[str, Any]:
    """What `robint doctor` finds."""
    from robint_experiments.machine import facts, probes, verdict

    found = facts.gather()
    outcomes = probes.run(device, None if stages is None else list(stages))
    judged = verdict.judge(found, outcomes, device)
    return {
        "facts": asdict(found),
        "probes": {name: asdict(outcome) for name, outcome in outcomes.items()},
        "verdict": asdict(judged),
    }


@click.command()
@click.option("--device", default="gpu", show_default=True, help="gpu or gpu:N.")
@click.option("--seconds", default=560.0, show_default=True, help="For everything.")
@click.option("--smoke", is_flag=True, help="On a CPU, with tiny networks; writes no table.")
@click.option("--json", "path", type=click.Path(path_type=Path), default=HERE / "results" / "gpu.json")
def main(device: str, seconds: float, smoke: bool, path: Path) -> None:
    """Measure a GPU, write a file and a table."""
    clock = Clock(seconds)
    device = "cpu" if smoke else device
    results: dict[str, Any] = {"smoke": smoke, "doctor": examine(device, ["convolution"] if smoke else None)}
    measure = here if smoke else measured
    click.echo(results["doctor"]["verdict"]["line"])
    if not smoke and not results["doctor"]["verdict"]["computes"]:
        raise click.ClickException("without a GPU that computes there is nothing to measure; --smoke runs on a CPU.")
    names = gpu_measures.names(smoke)
    setting = {"device": device, "smoke": smoke}
    results["goldens"] = goldens(clock, GOLDENS[:1] if smoke else GOLDENS, CHOSEN)
    click.echo(f"the authors' numbers: {results['goldens']}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results["groups"] = {}
        for group, choice in GROUPS.items():
            taken = gpu_measures.needed_for_3_2(smoke)[: 1 if smoke else None] if group in FEWER else names
            found = measure(taken, {**setting, **choice}, clock, folder, most=MOST[group])
            results["groups"][group] = found
            click.echo(f"{group}: {len(taken) - sum('error' in v for v in found.values())} of {len(taken)} measured")
        results["at_once"] = gpu_measures.at_once(
            1 if smoke else PROCESSES, {**setting, "jit": "on"}, clock, measure, folder
        )
        results["torch"] = {} if smoke else measure(gpu_measures.TORCH, setting, clock, folder, most=90)
        loads = measure(["workloads"], {**setting, "device": "cpu"}, Clock(120), folder)["workloads"]
    results["workloads"] = loads.get("loads", [])
    results["hours"] = {group: hours(found, results["workloads"]) for group, found in results["groups"].items()}
    results["seconds"] = seconds - clock.left()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    lines = table(results)
    if not smoke:
        document.write("gpu", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
