"""Our hot loops at two revisions of this repository, in turn: did a change cost speed?

    python benchmarks/revisions.py REVISION [--only CIFAR-10] [--processes 5]

Checks REVISION out beside the working tree and times our rows of the suite's tasks with both, in fresh processes that
take turns. Writes the medians and their ratio, today's rate over that of REVISION, into `benchmarks/README.md`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import document  # noqa: E402  # the folder of this script is no package
from contenders import TASKS  # noqa: E402


def time_one(root: Path, job: dict) -> list[float]:
    """Seconds of each timed run of a task in a fresh process, with the package and the benchmarks below `root`."""
    done = subprocess.run(
        [sys.executable, root / "benchmarks" / "child.py", json.dumps({"do": "time"} | job)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    if done.returncode:
        raise click.ClickException(f"{root}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def problems(folder: Path, architectures: set[str]) -> dict[str, str]:
    """Networks and images, made once by the working tree, for both revisions."""
    made = {name: folder / f"{name}.npz" for name in sorted(architectures)}
    for name, path in made.items():
        command = [sys.executable, HERE / "problem.py", name, path]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(HERE.parent)}, capture_output=True)
    return {name: str(path) for name, path in made.items()}


@click.command()
@click.argument("revision")
@click.option("--only", default="CIFAR-10", show_default=True, help="Only the tasks whose name contains this.")
@click.option("--skip", default="VAE-GAN", show_default=True, help="Not the tasks whose name contains this.")
@click.option("--processes", type=click.IntRange(1), default=5, show_default=True, help="Fresh processes of each.")
@click.option("--runs", type=click.IntRange(1), default=2, show_default=True, help="Timed runs in each process.")
@click.option("--cores", default="0", show_default=True, help="Cores to run on, a thread each: 0 or 0,1.")
def main(revision: str, only: str, skip: str, processes: int, runs: int, cores: str) -> None:
    """Time REVISION and the working tree in turn."""
    chosen = [name for name, (_, contenders) in TASKS.items() if only in name and "robint_tf" in contenders]
    tasks = {name: TASKS[name][0] for name in chosen if not skip or skip not in name}
    if not tasks:
        raise click.BadParameter(f"{only!r} is in no task's name; there are: {'; '.join(TASKS)}.")
    git = ["git", "-C", str(HERE.parent)]
    name = subprocess.run([*git, "rev-parse", "--short", revision], check=True, capture_output=True, text=True).stdout
    rates: dict[str, dict[str, list[float]]] = {task: {"then": [], "now": []} for task in tasks}
    with tempfile.TemporaryDirectory() as scratch:
        then = Path(scratch) / "then"
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(then), revision], check=True)
        try:
            given = problems(Path(scratch), {job.architecture for job in tasks.values()})
            for process in range(processes):
                for task, job in tasks.items():
                    contender = TASKS[task][1]["robint_tf"]
                    what = {"contender": contender, "task": asdict(job), "problem": given[job.architecture]}
                    what |= {"cores": [int(core) for core in cores.split(",")], "runs": runs}
                    for side, root in (("then", then), ("now", HERE.parent)):
                        rates[task][side] += [job.n_images / seconds for seconds in time_one(root, what)]
                    click.echo(f"{process + 1}/{processes}  {task}", err=True)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(then)], check=True)
    lines = [
        f"Revision {name.strip()} and the tree that wrote this table, {len(cores.split(','))} thread(s), "
        f"{processes} processes of each in turn.",
        "",
        "| task | then, images/s | now, images/s (min to max) | now / then |",
        "|---|---|---|---|",
    ]
    for task, by_side in rates.items():
        then_, now = (statistics.median(by_side[side]) for side in ("then", "now"))
        spread = f"{min(by_side['now']):,.1f} to {max(by_side['now']):,.1f}"
        lines.append(f"| {task} | {then_:,.1f} | {now:,.1f} ({spread}) | {now / then_:.2f} |")
    document.write("revisions", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
