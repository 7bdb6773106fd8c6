"""Our hot loops beside what a user would pick instead, timed in one run.

    python benchmarks/suite.py --environment ~/robint-peers [--processes 5] [--cores 0] [--only TEXT]

Makes a virtual environment with the peers (once), then times every contender of every task in fresh processes,
interleaved: process 1 of each contender, then process 2 of each, with a matmul probe in every round. Each process warms
up once and times a few runs; a task's table shows medians over processes and the ratio of ours to theirs. Samples are
appended to `benchmarks/results/samples.jsonl`, so that an interrupted run continues; `--table` only writes the tables
of `benchmarks/README.md` again.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import document  # noqa: E402  # the folder of this script is no package
from contenders import TARGETS, TASKS, TESTED_AGAINST_ITSELF, VAE_GAN_LOSSES  # noqa: E402
from problem import EPS  # noqa: E402

RESULTS = HERE / "results"
SAMPLES = RESULTS / "samples.jsonl"
FRONT = HERE.parent / "docs" / "performance.md"
"""Shows the table of ratios, too."""
# This package as it is now, not as it was when the peers were installed.
THIS_PACKAGE = os.environ | {"PYTHONPATH": str(HERE.parent)}
LOSS_TOLERANCE, BALL_TOLERANCE = 0.002, 1e-5
MFLOP_FORWARD = {"cifar_cnn": 53.16, "mnist_cnn": 107.25}  # convolutions and dense layers, padding counted as work
MFLOP_VAE_GAN_STEP = {"cifar_cnn": 14549.3, "mnist_cnn": 864.7}
"""Of an image, in the passes that our step makes; without the power iteration, which is the same for any batch."""
STEP_TOLERANCE = {"encoder": 1e-5, "decoder": 2e-4, "discriminator": 3e-2}
"""Of the losses of a VAE-GAN's first step, relative: Adam's first step follows the sign of a gradient, even of one that
is nothing but rounding, so that the losses of later runs differ more."""


def environment(folder: Path) -> Path:
    """The Python of a virtual environment that holds this package and the peers, made if it is missing."""
    python = folder / "bin" / "python"
    ready = folder / "robint-peers-ready"
    if not ready.exists():
        click.echo(f"Installing the peers into {folder} (TensorFlow and PyTorch: some minutes and 4 GB).", err=True)
        venv.create(folder, with_pip=True, clear=folder.exists())
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", HERE / "peers.txt", HERE.parent], check=True)
        subprocess.run([*pip, "--no-deps", "-r", HERE / "peers-without-dependencies.txt"], check=True)
        ready.touch()
    return python


def child(python: Path, job: dict) -> dict:
    """What `child.py` answers; a contender that fails gives {"error": its last line}."""
    command = [python, HERE / "child.py", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=THIS_PACKAGE)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def read() -> list[dict]:
    """All samples so far; a torn last line is no sample."""
    samples = []
    for line in SAMPLES.read_text().splitlines() if SAMPLES.exists() else []:
        try:
            samples.append(json.loads(line))
        except json.JSONDecodeError:
            click.echo(f"{SAMPLES}: skipped a torn line.", err=True)
    return samples


def append(sample: dict) -> None:
    torn = SAMPLES.exists() and not SAMPLES.read_bytes().endswith(b"\n")
    with SAMPLES.open("a") as file:
        file.write("\n" * torn + json.dumps(sample) + "\n")


@click.command()
@click.option("--environment", "folder", type=click.Path(path_type=Path), help="Virtual environment of the peers.")
@click.option("--processes", type=click.IntRange(1), default=5, show_default=True, help="Fresh processes of each.")
@click.option("--runs", type=click.IntRange(1), default=2, show_default=True, help="Timed runs in each process.")
@click.option("--cores", default="0", show_default=True, help="Cores to run on, a thread each: 0 or 0,1.")
@click.option("--only", default="", help="Only the tasks whose name contains this.")
@click.option("--table", is_flag=True, help="Time nothing; write the tables from the samples.")
def main(folder: Path | None, processes: int, runs: int, cores: str, only: str, table: bool) -> None:
    """Time this package beside its peers."""
    RESULTS.mkdir(exist_ok=True)
    if not table:
        if folder is None:
            raise click.UsageError("give --environment, a folder for the peers' virtual environment.")
        chosen = {name: task for name, task in TASKS.items() if only in name}
        if not chosen:
            raise click.BadParameter(f"{only!r} is in no task's name; there are: {'; '.join(TASKS)}.")
        measure(environment(folder), chosen, processes, runs, [int(core) for core in cores.split(",")])
    write_tables(read())


def measure(python: Path, tasks: dict, processes: int, runs: int, cores: list[int]) -> None:
    """Take every sample that is missing."""
    problems = {}
    for architecture in {job.architecture for job, _ in tasks.values()}:
        problems[architecture] = RESULTS / f"{architecture}.npz"
        if not problems[architecture].exists():
            subprocess.run(
                [python, HERE / "problem.py", architecture, problems[architecture]], check=True, env=THIS_PACKAGE
            )
    done = {(s["task"], s["contender"], s["process"], tuple(s["cores"])) for s in read()}
    for process in range(processes):
        for name, (job, contenders) in tasks.items():
            verdict_file = RESULTS / f"{_slug(name)}.json"
            common = {"cores": cores, "task": asdict(job), "problem": str(problems[job.architecture]), "runs": runs}
            files = {}
            for contender, function in {"probe": "probe", **contenders}.items():
                key = (name, contender, process, tuple(cores))
                keep = RESULTS / f"{function.replace(':', '_')}.npy" if job.kind == "attack" and not process else None
                if key not in done:
                    do = {"do": "probe"} if contender == "probe" else {"do": "time", "contender": function}
                    kept = {"keep": str(keep)} if keep and contender != "probe" else {}
                    load = os.getloadavg()[0]
                    answer = child(python, common | do | kept)
                    append(
                        {
                            **dict(zip(("task", "contender", "process", "cores"), key, strict=True)),
                            **answer,
                            "load": load,
                        }
                    )
                    click.echo(
                        f"{process + 1}/{processes}  {name}  {contender}: {_short(answer, job.n_images)}", err=True
                    )
                if keep and keep.exists():
                    files[contender] = str(keep)
            if files:
                verdicts = child(python, common | {"do": "judge", "files": files})
                verdict_file.write_text(json.dumps(verdicts, indent=1) + "\n")
                for file in files.values():
                    Path(file).unlink()
            if job.kind == "vae_gan" and not process:
                verdicts = first_step(python, common)
                verdict_file.write_text(json.dumps(verdicts, indent=1) + "\n")


def first_step(python: Path, common: dict) -> dict[str, dict]:
    """The losses of a VAE-GAN's first step by every contender, from the same weights, batch and noise."""
    with tempfile.TemporaryDirectory() as folder:
        common = common | {"start": str(Path(folder) / "start.npz")}
        child(python, common | {"do": "start"})
        return {
            contender: child(python, common | {"do": "losses", "contender": function})
            for contender, function in VAE_GAN_LOSSES.items()
        }


def _short(answer: dict, n_images: int) -> str:
    if "seconds" in answer:
        return f"{n_images / statistics.median(answer['seconds']):,.1f} images/s"
    return str(answer)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def summary(samples: list[dict], name: str, cores: int) -> dict[str, dict]:
    """Per contender: images/s of every process, their median, and the ratio of our median to it."""
    job, contenders = TASKS[name]
    rows: dict[str, dict] = {}
    for contender in contenders:
        mine = [s for s in samples if (s["task"], s["contender"], len(s["cores"])) == (name, contender, cores)]
        rates = [job.n_images / statistics.median(s["seconds"]) for s in mine if "seconds" in s]
        if rates:
            rows[contender] = {"rates": rates, "median": statistics.median(rates)}
        elif mine:
            rows[contender] = {"error": mine[-1]["error"]}
    ours = rows.get("robint_tf", {}).get("median")
    for row in rows.values():
        if ours and "median" in row:
            row["ours_over_this"] = ours / row["median"]
    return rows


def write_tables(samples: list[dict]) -> None:
    """The tables of the README, and the same as `results/summary.json`."""
    lines, everything = [], {}
    for cores in sorted({len(s["cores"]) for s in samples}):
        for name, (job, _) in TASKS.items():
            rows = summary(samples, name, cores)
            if not rows:
                continue
            probes = [s for s in samples if (s["task"], s["contender"], len(s["cores"])) == (name, "probe", cores)]
            peak = statistics.median(s["float32"] for s in probes if "float32" in s) if probes else float("nan")
            verdict_file = RESULTS / f"{_slug(name)}.json"
            verdicts = json.loads(verdict_file.read_text()) if verdict_file.exists() else {}
            everything[f"{name}, {cores} thread(s)"] = {"probe_gflops": peak, "rows": rows, "equality": verdicts}
            lines += _table(name, job, cores, rows, peak, verdicts)
    (RESULTS / "summary.json").write_text(json.dumps({"machine": _machine(), "tasks": everything}, indent=1) + "\n")
    machine, targets = f"Measured on {_machine()}.", _targets(everything)
    document.write("tables", [machine, "", *targets, "", *lines[:-1]], HERE / "README.md")
    document.write("speed", [machine, "", *targets], FRONT)


def _targets(everything: dict[str, dict]) -> list[str]:
    """How many times as fast as each peer we are, by task, and whether that is what we aim at."""
    judged = {name: task for name, task in everything.items() if task["rows"].keys() & TARGETS.keys()}
    shown = {name.rsplit(", ", 1)[1] for name in judged}
    heads = [name.rsplit(", ", 1)[0] if len(shown) == 1 else name for name in judged]
    lines = [
        "How many times as fast as what stands on the left (bfloat16: as our float32): **the goal is reached**, the "
        "floor is, (neither is).",
        "",
        f"| beside | floor, goal | {' | '.join(heads)} |",
        f"|{' --- |' * (2 + len(judged))}",
    ]
    for contender, (floor, goal) in TARGETS.items():
        cells = []
        for task in judged.values():
            ratio = task["rows"].get(contender, {}).get("ours_over_this")
            if ratio is not None and contender == TESTED_AGAINST_ITSELF:
                ratio = 1 / ratio
            cells.append("" if ratio is None else _judged(ratio, floor, goal))
        if any(cells):
            lines.append(f"| {contender} | {floor:g}, {goal:g} | {' | '.join(cells)} |")
    return lines


def _judged(ratio: float, floor: float, goal: float) -> str:
    if ratio < floor:
        return f"({ratio:.2f})"
    return f"**{ratio:.2f}**" if ratio >= goal else f"{ratio:.2f}"


def _machine() -> str:
    model = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    return f"{model or platform.processor()}, {os.cpu_count()} cores, no GPU"


def _table(name: str, job, cores: int, rows: dict, peak: float, verdicts: dict) -> list[str]:
    flops = _flops(job)
    n = max((len(row["rates"]) for row in rows.values() if "rates" in row), default=0)
    threads = f"{cores} thread{'s' if cores > 1 else ''}"
    head = f"**{name}**, {threads}, {n} processes; matmul probe {peak:,.0f} GFLOP/s in float32."
    columns = ["contender", "images/s, median (min to max)", "ours / this"]
    columns += ["share of the probe"] if flops else []
    columns += ["mean loss reached", "largest perturbation"] if verdicts and job.kind == "attack" else []
    lines = [head, "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for contender, row in rows.items():
        if "error" in row:
            lines.append(f"| {contender} | failed: {row['error'][:80]} |{' |' * (len(columns) - 2)}")
            continue
        cells = [
            contender,
            f"{row['median']:,.1f} ({min(row['rates']):,.1f} to {max(row['rates']):,.1f})",
            f"{row['ours_over_this']:.2f}" if "ours_over_this" in row else "",
        ]
        if flops:
            cells.append(f"{100 * row['median'] * flops / 1e9 / peak:.0f}%")
        if verdicts and job.kind == "attack":
            verdict = verdicts.get(contender)
            cells += [f"{verdict['loss']:.4f}", f"{verdict['largest_perturbation']:.6f}"] if verdict else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    if verdicts and job.kind == "attack":
        lines += ["", _agreement(verdicts, EPS[job.architecture, job.norm])]
    elif verdicts:
        lines += ["", _same_step(verdicts)]
    return [*lines, ""]


def _flops(job) -> float | None:
    """Of one image, where it is counted."""
    if job.kind == "vae_gan":
        return MFLOP_VAE_GAN_STEP[job.architecture] * 1e6
    return 2 * job.n_steps * MFLOP_FORWARD[job.architecture] * 1e6 if job.kind == "attack" else None


def _agreement(verdicts: dict[str, dict], eps: float) -> str:
    """Whether all contenders found as strong examples as we did, in the same ball and box."""
    ours = verdicts["robint_tf"]["loss"]
    others = {
        name: v["loss"] / ours - 1
        for name, v in verdicts.items()
        if abs(v["loss"] / ours - 1) > LOSS_TOLERANCE
        or v["largest_perturbation"] > eps * (1 + BALL_TOLERANCE)
        or v["largest_pixel"] > 1
    }
    alike = [abs(v["loss"] / ours - 1) for name, v in verdicts.items() if name not in others]
    text = (
        f"From a loss of {verdicts['robint_tf']['clean_loss']:.4f} {'all' if not others else 'the others'} come to "
        f"within {100 * max(alike):.2f}% of ours, inside the ball of radius {eps:g} and the box"
    )
    if others:
        text += f"; not the same answer: {', '.join(f'{name} ({100 * d:+.2f}%)' for name, d in others.items())}"
    return text + "."


def _same_step(verdicts: dict[str, dict]) -> str:
    """Whether the losses of a VAE-GAN's first step are ours, run by run."""
    if "error" in verdicts["robint_tf"]:
        return f"The losses of a first step were not compared: {verdicts['robint_tf']['error'][:80]}."
    ours, texts = verdicts["robint_tf"]["losses"], []
    runs = ["encoder", "decoder", *["discriminator"] * (len(ours) - 2)]
    for name, verdict in verdicts.items():
        if "error" in verdict:
            texts.append(f"{name} failed: {verdict['error'][:80]}")
        elif name != "robint_tf":
            gaps = [abs(a / b - 1) for a, b in zip(verdict["losses"], ours, strict=True)]
            within = all(gap <= STEP_TOLERANCE[run] for run, gap in zip(runs, gaps, strict=True))
            by_run = ", ".join(f"{run} {gap:.0e}" for run, gap in zip(runs, gaps, strict=True))
            texts.append(f"{name}: {'the same' if within else 'not the same'}, off by {by_run}")
    allowed = ", ".join(f"{run} {tolerance:.0e}" for run, tolerance in STEP_TOLERANCE.items())
    return (
        f"The losses of a first step's runs, {', '.join(f'{loss:.4f}' for loss in ours)}, from the same weights, batch "
        f"and noise (relative; allowed: {allowed}). {'; '.join(texts)}."
    )


if __name__ == "__main__":
    main()
