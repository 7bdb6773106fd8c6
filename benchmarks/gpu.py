"""Everything that is to be known of a GPU, in one command of less than ten minutes, or in several.

    python benchmarks/gpu.py [--seconds 560] [--device gpu] [--json FILE]

`robint doctor`; times of steps with XLA and without, with TF32 and in bfloat16; several networks at once; the authors'
numbers (`tests/golden`) on the GPU; PyTorch beside them where it is installed; memory; and the hours of each section at
the scale of the paper. What matters most comes first. Each group of measurements is a process of its own; what fails is
reported, and the rest goes on. Every measurement is written to the file (`benchmarks/results/gpu.json`) as soon as it
is made, so that a call that is killed loses none: the same command goes on with what is missing, on the same GPU with
the same versions (`--fresh` begins anew, and keeps the old file beside it). The table goes into `benchmarks/README.md`;
`--only-table` writes it from the file on any machine. `--smoke` shows that it runs: on a CPU, with networks so small
that its numbers mean nothing.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import document  # noqa: E402  # the folder of this script is no package
import gpu_measures  # noqa: E402

from robint_tf.specs import MATHEMATICS  # noqa: E402

GROUPS: dict[str, dict[str, Any]] = {
    "float32, XLA": {"jit": "on"},
    "float32": {"jit": "off"},
    "TF32, XLA": {"jit": "on", "tf32": True},
    "bfloat16, XLA": {"jit": "on", "precision": "mixed_bfloat16"},
}
"""What each group of measurements is made with."""
FIRST = "float32, XLA"
PROCESSES = 4
GOLDENS = ("test_classifiers.py", "test_attributions.py", "test_attacks.py", "test_training.py", "test_vae_gan.py")
CHOSEN = "authors and not n40 and (classifiers or attributions or attacks or std or MIXNORM or (vae_gan and mnist))"
"""Of these tests: all but the long ones, and the chaotic steps of adversarial training."""
UNDER_XLA = "(signed_attributions_equal_the_authors and authors) or (training_steps_equal_the_authors and std)"
"""Of the chosen ones, those that are also made by XLA, which compiles a program for each."""
LEAST = 20.0
"""Seconds for which nothing is begun any more."""
MARGIN = 15.0
"""Seconds that are kept for what cannot be ended at once."""
NO_TIME = "no time was left"


class Clock:
    """How much of the time is left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()


class Kept:
    """Results in a file, which is written anew after each of them."""

    def __init__(self, path: Path, about: dict[str, Any], *, fresh: bool = False) -> None:
        """about: what results must have in common; those of another kind are kept in a file beside this one."""
        self.path = path
        found = json.loads(path.read_text()) if path.exists() else {"about": about}
        if path.exists() and (fresh or found.get("about") != about):
            path.replace(next(p for i in itertools.count(1) if not (p := path.with_stem(f"{path.stem}-{i}")).exists()))
            found = {"about": about}
        self.results: dict[str, Any] = found

    def put(self, value: Any, *names: str) -> None:
        """Keep a value under a name, or a name within a name."""
        place = self.results
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.results, indent=1) + "\n")
        part.replace(self.path)

    def lacking(self, names: Iterable[str], *place: str) -> list[str]:
        """Those of the names for which nothing is kept at a place but that there was no time."""
        there = self.results
        for name in place:
            there = there.get(name, {})
        return [n for n in names if there.get(n, {"error": NO_TIME}).get("error", "").startswith(NO_TIME)]


Keep = Callable[[dict[str, Any], str], None]
"""Called with each measurement and its name."""


def measured(
    names: Iterable[str], setting: dict[str, Any], clock: Clock, folder: Path, keep: Keep, *, most: float = 1e9
) -> None:
    """Measure in a process, and in another where one dies. `keep` is given each value, or {"error": one line}.

    most: seconds for all of them.
    """
    from robint_experiments.machine.probes import telling_line

    names, clock = list(names), Clock(min(clock.left(), most))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    while names and (seconds := clock.left()) >= LEAST:
        job = json.dumps({**setting, "names": names, "seconds": seconds - 10, "folder": str(folder)})
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "gpu_measures.py"), job],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
            late = threading.Event()
            timer = threading.Timer(seconds, lambda late=late, process=process: (late.set(), process.kill()))
            timer.start()
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if line.startswith(gpu_measures.MARK):
                        name, value = json.loads(line.removeprefix(gpu_measures.MARK))
                        keep(value, name)
                        names.remove(name)
                process.wait()
            finally:  # also after Ctrl-C
                timer.cancel()
                process.kill()
            log.seek(0)
            said = log.read()
        if names and not late.is_set():
            keep({"error": telling_line(said)}, names.pop(0))
    for name in names:
        keep({"error": NO_TIME}, name)


def here(
    names: Iterable[str], setting: dict[str, Any], clock: Clock, folder: Path, keep: Keep, *, most: float = 1e9
) -> None:
    """`measured`, in this process, which is quicker and may die."""
    job = {**setting, "names": list(names), "folder": str(folder), "seconds": clock.left()}
    for name, value in gpu_measures.done(job):
        keep(value, name)


def goldens(clock: Clock, files: Iterable[str], chosen: str, jit: str, most: float) -> dict[str, Any]:
    """The tests against the authors' numbers on this device, without TF32; jit: how it is compiled."""
    seconds = min(clock.left(), most)
    if seconds < LEAST:
        return {"error": NO_TIME}
    environment = os.environ | {"NVIDIA_TF32_OVERRIDE": "0", "ROBINT_TEST_MODE": "default", "ROBINT_TEST_JIT": jit}
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
    VAE-GAN steps; of retrainings also the images that are occluded and taken to the device, and the test images that
    are counted. What a processor does beside that (ranks of maps, controls) is not in it.
    """
    found: dict[str, float] = {}
    lacking: set[str] = set()
    for load in loads:
        network, vae_gan = load["architecture"], load["vae_gan"]
        of_cells = group.get(f"host work, {network}", {})
        costs = {
            "attack_steps": group.get(f"PGD-40, {network}, batch 100", {}).get("image_step_seconds"),
            "updates": group.get(f"training, {network}", {}).get("image_seconds"),
            "vae_gan_steps": group.get(f"VAE-GAN, {vae_gan}", {}).get("seconds"),
            "occluded": of_cells.get("occluded_seconds"),
            "counted": of_cells.get("counted_seconds"),
        }
        needed = {what: load[what] for what in costs if load[what]}
        if any(costs[what] is None for what in needed):
            lacking.add(load["section"])
            continue
        seconds = sum(amount * costs[what] for what, amount in needed.items())
        found[load["section"]] = found.get(load["section"], 0.0) + seconds / 3600
    return {section: value for section, value in found.items() if section not in lacking}


def table(results: dict[str, Any]) -> list[str]:
    """The results, as far as they are there, as lines of Markdown."""
    facts, groups = results["doctor"]["facts"], results.get("groups", {})
    where = ", ".join(facts["gpus"]) or "CPU"
    lines = [
        f"Measured on {where}, driver {facts['driver'] or 'none'}, TensorFlow {facts['tensorflow']}, cuDNN "
        f"{facts['cudnn'] or 'none'}; {sum(results.get('calls', [])):.0f} seconds in all.",
        "",
        f"Doctor: {results['doctor']['verdict']['line']}",
        "",
    ]
    for name, tests in results.get("goldens", {}).items():
        said = tests.get("error") or f"{tests['passed']} passed, {tests['failed']} failed"
        said += f"; {tests['unfinished']}" if "unfinished" in tests else ""
        said += f" (first: `{tests['first']}`)" if tests.get("first") else ""
        lines += [f"The authors' numbers, without TF32, {name}: {said}.", ""]
    lines += [f"| milliseconds | {' | '.join(groups)} |", f"| --- |{' --- |' * len(groups)}"]
    for name in dict.fromkeys(name for group in groups.values() for name in group):
        cells = [_cell(group.get(name)) for group in groups.values()]
        lines.append(f"| {gpu_measures.TITLES.get(name, name)} | {' | '.join(cells)} |")
    estimated = {group: hours(found, results.get("workloads", [])) for group, found in groups.items()}
    lines += ["", f"| hours at the paper's scale | {' | '.join(groups)} |", f"| --- |{' --- |' * len(groups)}"]
    for section in dict.fromkeys(section for found in estimated.values() for section in found):
        cells = [f"{found[section]:,.1f}" if section in found else "" for found in estimated.values()]
        lines.append(f"| {section} | {' | '.join(cells)} |")
    lines += ["", "| several at once, retraining | images/s |", "| --- | --- |"]
    for name, value in results.get("at_once", {}).items():
        lines.append(f"| {name} | {value.get('error') or format(value['images_per_second'], ',.0f')} |")
    if results.get("torch"):
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


def examine(device: str, stages: Iterable[str] | None = None, seconds: float | None = None) -> dict[str, Any]:
    """What `robint doctor` finds; no stages: facts alone."""
    from robint_experiments.machine import facts, probes, verdict

    found = facts.gather()
    outcomes = probes.run(device, None if stages is None else list(stages), seconds=seconds)
    judged = verdict.judge(found, outcomes, device)
    return {
        "facts": asdict(found),
        "probes": {name: asdict(outcome) for name, outcome in outcomes.items()},
        "verdict": asdict(judged),
    }


STAGES = ("convolution", "attack", "attack_xla")
"""Of the doctor's; what the others try, the measurements do."""


class Examination:
    """All measurements of a GPU in their order, each kept as soon as it is made; those that are kept are left out."""

    def __init__(self, kept: Kept, clock: Clock, device: str, folder: Path, *, smoke: bool) -> None:
        self.kept, self.clock, self.folder, self.smoke = kept, clock, folder, smoke
        self.setting = {"device": device, "smoke": smoke}
        self.measure = here if smoke else measured

    def everything(self) -> None:
        """In the order of importance, with at most so many seconds for each."""
        smoke, of_3_2 = self.smoke, gpu_measures.needed_for_3_2(self.smoke)
        self.group(FIRST, gpu_measures.names(smoke), 200)
        self.at_once(1 if smoke else PROCESSES)
        self.workloads()
        self.goldens("without XLA", "off", CHOSEN, 70)
        self.group("float32", of_3_2, 60)
        self.group("TF32, XLA", of_3_2[: 1 if smoke else None], 60)
        self.group("bfloat16, XLA", of_3_2[: 1 if smoke else None], 60)
        self.goldens("with XLA", "on", UNDER_XLA, 60)
        self.group(FIRST, gpu_measures.more(smoke), 80)
        if not smoke:
            self.mps()
            self.group("float32", [n for n in gpu_measures.names(False) if n not in of_3_2], 120)
            self.some(gpu_measures.TORCH, ("torch",), {}, 90)

    def group(self, name: str, measurements: Iterable[str], most: float) -> None:
        """A group of measurements; those that are kept are left out."""
        self.some(measurements, ("groups", name), GROUPS[name], most)

    def some(self, names: Iterable[str], place: tuple[str, ...], choice: dict[str, Any], most: float) -> None:
        """Measurements that go to a place in the results."""
        if not (missing := self.kept.lacking(names, *place)):
            return

        def keep(value: dict[str, Any], name: str) -> None:
            self.kept.put(value, *place, name)
            click.echo(f"{', '.join(place)}: {name}: {value.get('error') or 'measured'}")

        self.measure(missing, {**self.setting, **choice}, self.clock, self.folder, keep, most=most)

    def goldens(self, name: str, jit: str, chosen: str, most: float) -> None:
        """The authors' numbers, compiled one way."""
        if self.kept.lacking([name], "goldens"):
            files = GOLDENS[:1] if self.smoke else GOLDENS
            self.kept.put(goldens(self.clock, files, chosen, jit, most), "goldens", name)
            click.echo(f"the authors' numbers, {name}: {self.kept.results['goldens'][name]}")

    def at_once(self, k: int) -> None:
        """Retraining one network, k in one graph, and k in processes of their own."""
        rows = {"one network": "rate, 1 network"}
        if k > 1:
            rows[f"{k} networks in one graph"] = f"rate, {k} networks"
        missing = {rows[row]: row for row in self.kept.lacking(rows, "at_once")}
        if missing:

            def keep(value: dict[str, Any], name: str) -> None:
                self.kept.put(value, "at_once", missing[name])

            self.measure(missing, {**self.setting, "jit": "on"}, self.clock, self.folder, keep, most=80)
        if k > 1:
            self._together(f"{k} processes", k, {})

    def mps(self) -> None:
        """The same processes under NVIDIA's MPS, where it starts."""
        row = f"{PROCESSES} processes, MPS"
        if self.kept.lacking([row], "at_once"):
            with gpu_measures.mps(self.folder) as environment:
                if isinstance(environment, str):
                    self.kept.put({"error": environment}, "at_once", row)
                else:
                    self._together(row, PROCESSES, environment)

    def _together(self, row: str, k: int, environment: dict[str, str]) -> None:
        if self.kept.lacking([row], "at_once"):
            setting = {**self.setting, "jit": "on"}
            value = gpu_measures.processes(k, setting, self.clock, self.folder / f"{row} {time.time()}", environment)
            self.kept.put(value, "at_once", row)

    def workloads(self) -> None:
        """What the sections consist of, for which no GPU is needed."""
        if not self.kept.results.get("workloads"):
            self.measure(
                ["workloads"],
                {**self.setting, "device": "cpu"},
                self.clock,
                self.folder,
                lambda value, _: self.kept.put(value.get("loads", []), "workloads"),
                most=120,
            )


@click.command()
@click.option("--device", default="gpu", show_default=True, help="gpu or gpu:N.")
@click.option("--seconds", default=560.0, show_default=True, help="For this call.")
@click.option("--fresh", is_flag=True, help="Leave what was measured before.")
@click.option("--only-table", is_flag=True, help="Write the table from the file; needs no GPU.")
@click.option("--smoke", is_flag=True, help="On a CPU, with tiny networks; writes no table.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="The file.  [default: results/gpu.json]")
def main(device: str, seconds: float, fresh: bool, only_table: bool, smoke: bool, path: Path | None) -> None:
    """Measure a GPU, write a file and a table."""
    clock, began = Clock(seconds - MARGIN), time.monotonic()
    path = path or HERE / "results" / ("gpu-smoke.json" if smoke else "gpu.json")
    device = "cpu" if smoke else device
    if only_table:
        if not path.exists():
            raise click.ClickException(f"{path} does not exist; measure a GPU first.")
        kept = Kept(path, json.loads(path.read_text())["about"])
        smoke = kept.results["about"].get("smoke", False)  # no table of numbers that mean nothing
    else:
        facts = examine(device, [])["facts"]
        about = {"smoke": smoke, "facts": facts, "mathematics": MATHEMATICS}
        kept = Kept(path, json.loads(json.dumps(about)), fresh=fresh)
        doctor = kept.results.get("doctor") or examine(device, STAGES[:1] if smoke else STAGES, 100)
        click.echo(doctor["verdict"]["line"])
        if not smoke and not doctor["verdict"]["computes"]:
            raise click.ClickException(
                "without a GPU that computes there is nothing to measure; --smoke runs on a CPU."
            )
        kept.put(doctor, "doctor")
    with tempfile.TemporaryDirectory() as name:
        examination = Examination(kept, Clock(300) if only_table else clock, device, Path(name), smoke=smoke)
        if only_table:
            examination.workloads()
        else:
            examination.everything()
            kept.put([*kept.results.get("calls", []), round(time.monotonic() - began, 1)], "calls")
    lines = table(kept.results)
    if not smoke:
        document.write("gpu", lines)
    click.echo("\n".join(lines))
    if NO_TIME in json.dumps(kept.results):
        click.echo(f"some had no time: the same command goes on with them ({path}).")


if __name__ == "__main__":
    main()
