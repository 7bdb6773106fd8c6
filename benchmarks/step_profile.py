"""Where the time of a VAE-GAN's training step goes: oneDNN's primitives by kind, beside TensorFlow 1's graph.

    python benchmarks/step_profile.py [--cores 0] [--runs 3] [--only CIFAR-10]

Runs each contender in a fresh process in which oneDNN says what it executes (ONEDNN_VERBOSE=1). Writes the share of
each kind of primitive in the time of the step, and its rate as a share of a large matrix product's, into
`benchmarks/README.md`.
"""

import json
import math
import os
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import document  # noqa: E402  # the folder of this script is no package
from contenders import TASKS  # noqa: E402

OURS = "robint_tf"
MARK = "robint: a step begins or ends"
FORWARD, DATA, WEIGHTS = "convolution", "convolution, gradient to its input", "convolution, gradient to its kernel"
KINDS = {
    FORWARD: FORWARD,
    DATA: "the same, gradient to its input, or a transposed convolution",
    WEIGHTS: "the same, gradient to its kernel",
    "one image": "the three for a batch of one: the power iteration",
    "matmul": "matrix product",
    "batch_normalization": "batch normalisation",
    "reorder": "reordering of arrays",
    "other": "other primitives of oneDNN",
    "rest": "everything else: TensorFlow's own kernels",
}


@dataclass(frozen=True)
class Primitive:
    """What oneDNN executed: its kind in `KINDS`, seconds, and the operations in it where they are counted."""

    kind: str
    seconds: float
    flops: float


def read(line: str) -> Primitive | None:
    """A line of ONEDNN_VERBOSE=1, if it tells of something that was executed.

    >>> start = "onednn_verbose,v1,primitive,exec,cpu,"
    >>> read(start + "matmul,brg,undef,src_f32 wei_f32 dst_f32,,,100x4096:4096x20,0.5")
    Primitive(kind='matmul', seconds=0.0005, flops=16384000)
    >>> read(start + "inner_product,gemm,forward_training,src_f32,,,mb100ic4096oc20,0.5").flops
    16384000
    """
    fields = line.strip().split(",")
    if not line.startswith("onednn_verbose") or "exec" not in fields:
        return None
    at = fields.index("exec")
    name, direction, problem, seconds = fields[at + 2], fields[at + 4], fields[-2], float(fields[-1]) / 1e3
    if name in ("convolution", "deconvolution"):
        size = {key: int(n) for key, n in re.findall(r"(mb|ic|oc|oh|ow|kh|kw)(\d+)", problem)}
        kinds = {"backward_data": DATA, "backward_weights": WEIGHTS}
        kind = "one image" if size["mb"] == 1 else kinds.get(direction, FORWARD)
        return Primitive(kind, seconds, 2 * math.prod(size.values()))
    if name == "inner_product":
        return Primitive("matmul", seconds, 2 * math.prod(int(n) for n in re.findall(r"(?:mb|ic|oc)(\d+)", problem)))
    if name in ("matmul", "gemm_api"):
        left, right = ([int(n) for n in part.split("x")] for part in problem.split(":")[:2])
        return Primitive("matmul", seconds, 2 * math.prod(left) * right[-1])
    return Primitive(name if name in KINDS else "other", seconds, 0)


@dataclass(frozen=True)
class Profile:
    """A step: its seconds, and by kind the seconds and operations in it."""

    seconds: float
    by_kind: dict[str, float]
    flops: dict[str, float]


def summed(lines: Iterable[str], seconds: list[float]) -> Profile:
    """The profile of the mean step, of what was printed in these steps."""
    by_kind: dict[str, float] = defaultdict(float)
    flops: dict[str, float] = defaultdict(float)
    for line in lines:
        if primitive := read(line):
            by_kind[primitive.kind] += primitive.seconds / len(seconds)
            flops[primitive.kind] += primitive.flops / len(seconds)
    step = statistics.mean(seconds)
    return Profile(step, {**by_kind, "rest": step - sum(by_kind.values())}, flops)


def profiled(job: dict) -> Profile:
    """A profile of a contender in a fresh process."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "ONEDNN_VERBOSE": "1"}
    command = [sys.executable, HERE / "child.py", json.dumps({"do": "profile", "mark": MARK, **job})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise click.ClickException((done.stderr.strip().splitlines() or ["no message"])[-1])
    _, steps, after = done.stdout.split(f"{MARK}\n")
    return summed(steps.splitlines(), json.loads(after.splitlines()[-1])["seconds"])


def table(name: str, profiles: dict[str, Profile], peak: float) -> list[str]:
    """peak: operations per second of a large matrix product."""
    heads = [f"{contender}: share of the time | of the probe's rate" for contender in profiles]
    lines = [f"| {name} | {' | '.join(heads)} |", f"|{'---|' * (1 + 2 * len(heads))}"]
    for kind, title in KINDS.items():
        cells = []
        for profile in profiles.values():
            seconds, flops = profile.by_kind.get(kind, 0.0), profile.flops.get(kind, 0.0)
            rate = f"{100 * flops / seconds / peak:.0f}%" if flops else ""
            cells += [f"{100 * seconds / profile.seconds:.1f}%", rate]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    whole = [
        f"{profile.seconds:.2f} s | {100 * sum(profile.flops.values()) / profile.seconds / peak:.0f}%"
        for profile in profiles.values()
    ]
    return [*lines, f"| a step | {' | '.join(whole)} |"]


def bound(profiles: dict[str, Profile]) -> str:
    """What of our step no change around the convolutions could save."""
    ours = sum(profiles[OURS].by_kind.get(kind, 0.0) for kind in (FORWARD, DATA, WEIGHTS, "one image"))
    others = [f"{found.seconds / ours:.1f} times as fast as {who}" for who, found in profiles.items() if who != OURS]
    return f"Were all but our convolutions free, we should be {', '.join(others)}."


@click.command()
@click.option("--cores", default="0", show_default=True, help="Cores to run on, a thread each: 0 or 0,1.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Steps that are taken together.")
@click.option("--only", default="VAE-GAN", help="Only the tasks of VAE-GANs whose name contains this.")
def main(cores: str, runs: int, only: str) -> None:
    """Write where the time of a VAE-GAN's training step goes into benchmarks/README.md."""
    tasks = {name: task for name, task in TASKS.items() if task[0].kind == "vae_gan" and only in name}
    if not tasks:
        raise click.BadParameter(f"{only!r} is in the name of no task of VAE-GANs.")
    where = [int(core) for core in cores.split(",")]
    lines = [f"{len(where)} thread(s), {runs} steps in one process of each."]
    for name, (job, contenders) in tasks.items():
        problem = HERE / "results" / f"{job.architecture}.npz"
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        if not problem.exists():
            subprocess.run(
                [sys.executable, HERE / "problem.py", job.architecture, problem], check=True, env=environment
            )
        common = {"cores": where, "task": asdict(job), "problem": str(problem), "runs": runs}
        command = [sys.executable, HERE / "child.py", json.dumps({"do": "probe", "cores": where})]
        found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        peak = json.loads(found.stdout.splitlines()[-1])["float32"] * 1e9
        profiles = {who: profiled({**common, "contender": function}) for who, function in contenders.items()}
        lines += ["", *table(f"{name} (probe {peak / 1e9:.0f} GFLOP/s)", profiles, peak), "", bound(profiles)]
    document.write("step", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
