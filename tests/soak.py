"""Torments `robint` and sees that nothing is lost; the figures go into docs/reliability.md.

    python tests/soak.py faults --minutes 60 --write docs/reliability.md
    python tests/soak.py pair --minutes 60 --write docs/reliability.md
    python tests/soak.py memory --cells 200 --write docs/reliability.md

`faults` runs the smoke presets again and again, and stops them at random moments: SIGKILL, SIGTERM, SIGINT, and, where
it may mount a small disk (root), a full and a read-only disk. `pair` has two processes at a time run each of them on
one store, under SIGKILL, a full disk, and files whose opening fails now and then. `memory` makes many tiny cells in
one process.
"""

import collections
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

COMMANDS = {
    "section-2-2": ["section-2-2", "--preset", "smoke"],
    "section-2-1": ["section-2-1", "--dataset", "mnist", "--preset", "smoke"],
    "section-3-2": ["section-3-2", "--preset", "smoke", "--norms", "l2"],
}
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
EXIT_CODES = {"SIGKILL": {-9}, "SIGTERM": {143}, "SIGINT": {130}, "full disk": {1}, "read-only disk": {1, 2}}
"""What a command that a fault has stopped may end with; 0 only where it was done before it felt the fault."""
SWIFT_CHECKPOINTS = {"ROBINT_CHECKPOINT_SECONDS": "0.5"}  # so that most kills find a state to continue from
EIO_SHARE = 0.03  # of the files opened by a process whose disk fails now and then
PAIR_EXIT_CODES = {"SIGKILL": {-9}, "full disk": {1}, "EIO": {1}}
STARTING_SECONDS = 2.0  # loading TensorFlow, when a signal finds no handler yet and nothing to lose


@dataclass
class Tally:
    """What happened: faults by kind, commands that came to their end, and everything that should be zero."""

    faults: collections.Counter = field(default_factory=collections.Counter)
    finished: int = 0
    artifacts: int = 0
    lost: int = 0
    different: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, fault: str, code: int, errors: str, allowed: dict[str, set[int]] = EXIT_CODES) -> None:
        """Count a fault, and what is wrong with how the process ended."""
        self.faults[fault] += 1
        if code not in allowed[fault] or "Traceback" in errors:
            self.wrong.append(f"{fault}: exit code {code}, {errors[-500:]}")


CHILD = """
import os, random
from robint_tf.store import artifacts, folders, leases

write, dice, share = artifacts.write_folder, random.Random(), float(os.environ["SOAK_EIO"])

def noted(folder, arrays, manifest):
    published = write(folder, arrays, manifest)
    with open(os.environ["SOAK_MADE"], "a") as log:
        log.write(folder.name + "\\n")
    return published

def failing_now_and_then(path, mode="r", **options):
    if dice.random() < share:
        raise OSError(5, "Input/output error", str(path))
    return open(path, mode, **options)

artifacts.write_folder, folders.open, leases.open = noted, failing_now_and_then, failing_now_and_then
from robint_experiments.cli import main
main()
"""
"""`robint`, noting what it makes."""


class Place:
    """A folder in which commands run, with the store and the figures inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, args: list[str], eio_share: float = 0.0) -> subprocess.Popen:
        """`robint` in this folder, as a process of its own. eio_share: of the files opened, how many fail to be."""
        environment = os.environ | {"ROBINT_STORE": str(self.folder / "store"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"SOAK_EIO": str(eio_share), "SOAK_MADE": str(self.folder / "made")}
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, *args],
            cwd=self.folder,
            env=environment | SWIFT_CHECKPOINTS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def artifacts(self) -> dict[Path, int]:
        """Finished artifacts, and when they were."""
        manifests = (self.folder / "store").glob("*/*/manifest.json")
        return {p: p.stat().st_mtime_ns for p in manifests if ".part-" not in p.parent.name}

    def figures(self, folder: str = "figures") -> dict[str, bytes]:
        """Every file of the figures folder."""
        return {p.name: p.read_bytes() for p in sorted((self.folder / folder).glob("[!.]*"))}

    def made_again(self) -> int:
        """How many artifacts were made more than once."""
        return sum(n - 1 for n in collections.Counter((self.folder / "made").read_text().split()).values())

    def clear(self) -> None:
        """Start anew."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Disk(Place):
    """A small disk of its own, which can be filled and locked."""

    def __init__(self, folder: Path, megabytes: int = 3000) -> None:
        super().__init__(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)

    @contextlib.contextmanager
    def full(self):
        """No byte is left while the block runs."""
        ballast = self.folder / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**16))
        try:
            yield
        finally:
            ballast.unlink()

    @contextlib.contextmanager
    def read_only(self):
        """Nothing can be written while the block runs; waits until no file is being written."""
        while subprocess.run(["mount", "-o", "remount,ro", self.folder], capture_output=True).returncode:
            time.sleep(0.05)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)

    def unmount(self) -> None:
        """Give the disk up."""
        subprocess.run(["umount", "-l", self.folder], check=True)


@dataclass
class Undisturbed:
    """What a command does when it is left alone."""

    seconds: float
    figures: dict[str, bytes]


def undisturbed(place: Place, args: list[str]) -> Undisturbed:
    """Run a command to its end in an empty place."""
    place.clear()
    began = time.monotonic()
    process = place.start(args)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{args} ended with {process.returncode}: {errors[-2000:]}")
    return Undisturbed(time.monotonic() - began, place.figures())


def torment(
    place: Place, args: list[str], expected: Undisturbed, dice: random.Random, faults: list[str], tally: Tally
) -> None:
    """Run a command from an empty place, stopping it until it ends by itself; compare with the undisturbed run."""
    place.clear()
    code = None
    while code != 0:
        before = place.artifacts()
        process = place.start(args)
        fault, errors = dice.choice(faults), None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STARTING_SECONDS + dice.uniform(0, expected.seconds))
        if process.poll() is None and fault in SIGNALS:
            process.send_signal(SIGNALS[fault])
        elif process.poll() is None:
            with place.full() if fault == "full disk" else place.read_only():
                _, errors = process.communicate()  # until it needs to write
        else:
            fault = ""
        if errors is None:
            _, errors = process.communicate()
        code = process.returncode
        if fault and code:
            tally.note(fault, code, errors or "")
        elif code:
            tally.wrong.append(f"undisturbed, exit code {code}, {errors[-500:]}")
            break
        after = place.artifacts()
        tally.lost += sum(after.get(path) != when for path, when in before.items())
    tally.finished += 1
    tally.artifacts += len(place.artifacts())
    found = place.figures()
    tally.different += sum(found.get(name) != content for name, content in expected.figures.items())
    tally.different += len(found.keys() - expected.figures.keys())


def torment_pair(
    place: Place, args: list[str], expected: Undisturbed, dice: random.Random, faults: list[str], tally: Tally
) -> None:
    """Have two processes run a command on one store, stopping them until both end by themselves; compare both."""
    place.clear()
    running: dict[str, tuple[subprocess.Popen, str]] = {}
    left = {"a", "b"}
    while left:
        for name in left - running.keys():
            fault = dice.choice(faults)
            share = EIO_SHARE if fault == "EIO" else 0.0
            running[name] = place.start([*args, "--out", f"figures_{name}"], share), fault
        before = place.artifacts()
        deadline = time.monotonic() + STARTING_SECONDS + dice.uniform(0, expected.seconds)
        while time.monotonic() < deadline and all(process.poll() is None for process, _ in running.values()):
            time.sleep(0.05)
        victim = dice.choice(sorted(running))
        process, fault = running[victim]
        ended = {name for name, (other, _) in running.items() if other.poll() is not None}
        if not ended and fault == "SIGKILL":
            process.kill()
            ended = {victim}
        elif not ended and fault == "full disk" and isinstance(place, Disk):
            with place.full():
                for other, _ in running.values():
                    other.wait()
            ended = set(running)
            running = {name: (other, fault) for name, (other, _) in running.items()}
        for name in ended:
            process, fault = running.pop(name)
            _, errors = process.communicate()
            if process.returncode == 0:
                left.discard(name)
            else:
                tally.note(fault, process.returncode, errors, PAIR_EXIT_CODES)
        after = place.artifacts()
        tally.lost += sum(after.get(path) != when for path, when in before.items())
    tally.finished += 2
    tally.artifacts += len(place.artifacts())
    tally.lost += place.made_again()
    for name in ("a", "b"):
        found = place.figures(f"figures_{name}")
        tally.different += sum(found.get(file) != content for file, content in expected.figures.items())
        tally.different += len(found.keys() - expected.figures.keys())


def replace_between(path: Path, mark: str, text: str) -> None:
    """Put a text between two marks of a document."""
    pattern = rf"(<!-- {mark}.*?-->\n).*?(<!-- end of {mark} -->)"
    new, n = re.subn(pattern, lambda m: m[1] + text + m[2], path.read_text(), flags=re.S)
    if not n:
        raise click.UsageError(f"{path} has no marks <!-- {mark} --> and <!-- end of {mark} -->.")
    path.write_text(new)


@click.group()
def main() -> None:
    """Torments robint and sees that nothing is lost."""


def options(command):
    """Options of the commands that stop others."""
    for option in (
        click.option("--minutes", type=click.FloatRange(0), default=60, show_default=True),
        click.option("--seed", type=int, default=0, show_default=True),
        click.option("--only", type=click.Choice(list(COMMANDS)), multiple=True, default=list(COMMANDS)),
        click.option("--write", type=click.Path(path_type=Path, exists=True), help="Document to put the figures into."),
    ):
        command = option(command)
    return command


@main.command()
@options
def faults(minutes: float, seed: int, only: tuple[str, ...], write: Path | None) -> None:
    """Stop the smoke presets at random moments for a while; then no artifact is lost and no byte differs."""
    _soak(torment, list(EXIT_CODES), "faults", ",", minutes, seed, only, write)


@main.command()
@options
def pair(minutes: float, seed: int, only: tuple[str, ...], write: Path | None) -> None:
    """The same with two processes at a time on one store, each of which is stopped; also, nothing is made twice."""
    _soak(
        torment_pair, list(PAIR_EXIT_CODES), "pair", ", run by two processes on one store,", minutes, seed, only, write
    )


def _soak(
    stop: Callable[..., None],
    kinds: list[str],
    mark: str,
    how: str,
    minutes: float,
    seed: int,
    only: tuple[str, ...],
    write: Path | None,
) -> None:
    folder = Path(tempfile.mkdtemp())
    dice, tally = random.Random(seed), Tally()
    mounts = os.geteuid() == 0
    place = Disk(folder) if mounts else Place(folder)
    if not mounts:
        kinds = [kind for kind in kinds if "disk" not in kind]
    began = time.monotonic()
    try:
        expected = {name: undisturbed(place, COMMANDS[name]) for name in only}
        while time.monotonic() - began < 60 * minutes:
            for name in only:
                stop(place, COMMANDS[name], expected[name], dice, kinds, tally)
                click.echo(f"{(time.monotonic() - began) / 60:.0f} min, {name}: {tally}", err=True)
    finally:
        if isinstance(place, Disk):
            place.unmount()
        shutil.rmtree(folder, ignore_errors=True)
    counts = ", ".join(f"{tally.faults[kind]} {kind}" for kind in kinds)
    text = (
        f"In {(time.monotonic() - began) / 60:.0f} minutes, {sum(tally.faults.values())} stops ({counts}) hit the "
        f"smoke presets of {', '.join(f'`{name}`' for name in only)}{how} which came to their end {tally.finished} "
        f"times and made {tally.artifacts} artifacts. Finished artifacts lost or made twice: {tally.lost}. Files that "
        f"differ from those of an undisturbed run: {tally.different}. Wrong exit codes or tracebacks: "
        f"{len(tally.wrong)}.\n"
    )
    click.echo(text + "\n".join(tally.wrong))
    if write:
        replace_between(write, mark, text)
    sys.exit(bool(tally.lost or tally.different or tally.wrong))


@main.command()
@click.option("--cells", type=click.IntRange(20), default=200, show_default=True)
@click.option("--write", type=click.Path(path_type=Path, exists=True), help="Document to put the figures into.")
def memory(cells: int, write: Path | None) -> None:
    """Make many tiny cells of the grid in one process, and watch its resident memory."""
    from robint_experiments.options import RunOptions
    from robint_experiments.run import begin
    from robint_experiments.studies.grid import Grid
    from robint_experiments.studies.presets import SECTION_3_2

    networks_per_seed, cells_per_network = 2, 8
    study = replace(
        SECTION_3_2["smoke"],
        eps={"l2": (1.6,)},
        n_train=60,
        n_test=40,
        n_explained=-(-cells // (networks_per_seed * cells_per_network)),
    )
    found = []
    with tempfile.TemporaryDirectory() as folder:
        run = begin(RunOptions(store_dir=Path(folder), device="cpu"))
        grid = Grid(study, run)
        grid.cells(None)
        for explained in study.networks():
            grid.accuracies(explained.spec)
            assert sum(map(len, grid.cells(explained.spec).values())) == cells_per_network
            found.append(resident())
    early, n = len(found) // 5, len(found)
    text = (
        f"{n} networks trained, attacked and explained with {cells_per_network} retrainings each, in one process: "
        f"{found[early] / 2**20:.0f} MiB resident after {(early + 1) * cells_per_network} cells, "
        f"{found[-1] / 2**20:.0f} MiB after {n * cells_per_network} (most in between: {max(found) / 2**20:.0f} MiB).\n"
    )
    click.echo(text)
    if write:
        replace_between(write, "memory", text)


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
