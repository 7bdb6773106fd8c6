"""What `robint plan` promises and what the command then takes, on this machine.

    python benchmarks/plan.py --data-dir FOLDER [--only TEXT]

Each case is planned with a store of its own, then run with it. Writes its table into `benchmarks/README.md`; cases that
are not chosen keep their rows.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import document

CASES = [
    "section-2-2 --preset quick",
    "section-2-1 --preset quick --dataset mnist",
    "section-3-2 --preset quick --norms l2 --eps 0.8 --fractions 0.5",
]
ROBINT = [sys.executable, "-c", "from robint_experiments.cli import main; main()"]


def measure(case: str, data_dir: Path) -> tuple[float, float]:
    """Planned and real seconds of a command, the latter from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        data = [] if case.startswith("section-2-2") else ["--data-dir", str(data_dir), "--offline"]  # it makes its own
        command = [*case.split(), *data, "--store", f"{folder}/store", "--out", f"{folder}/out"]
        subprocess.run([*ROBINT, "plan", "--json", f"{folder}/plan.json", *command], check=True, capture_output=True)
        plan = json.loads(Path(folder, "plan.json").read_text())
        began = time.monotonic()
        subprocess.run([*ROBINT, *command], check=True, capture_output=True)
        return sum(study["seconds"] for study in plan["studies"]), time.monotonic() - began


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Folder with prepared TFDS data sets.")
@click.option("--only", default="", help="Only the cases whose command contains this.")
def main(data_dir: Path, only: str) -> None:
    """Plan, run, compare."""
    rows = {line.split("`")[1]: line for line in document.part("plan").splitlines() if "`" in line}
    for case in CASES:
        if only in case:
            planned, took = measure(case, data_dir)
            rows[f"robint {case}"] = f"| `robint {case}` | {planned:,.0f} s | {took:,.0f} s | {planned / took:.2f} |"
            click.echo(rows[f"robint {case}"])
    document.write("plan", ["| command | planned | took | planned / took |", "|---|---|---|---|", *rows.values()])


if __name__ == "__main__":
    main()
