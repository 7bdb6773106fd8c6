"""Progress of long work on standard error: one line rewritten on a terminal, a line a minute in a log file."""

import contextlib
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from robint_tf.training.state import Position

HEARTBEAT_SECONDS = 60.0
REDRAW_SECONDS = 0.2
TELLING_SHARE = 0.02  # of what is left, that must be done before the time for it is told
NARROWEST = 20  # columns; on less than that, lines may wrap


def duration(seconds: float) -> str:
    """Seconds in words: 8 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def left(seconds: float | None) -> str:
    """What is left of some work, or nothing where that is unknown, or where nothing is left."""
    return "" if seconds is None or seconds < 0.5 else f"{duration(seconds)} left"


def _measure(name: str, mean: float) -> str:
    return f"{mean:.2%}" if name == "accuracy" else f"{mean:.4f}"


@dataclass
class Job:
    """Work of many pieces. missing: what each piece takes that is still to be made, in any one unit."""

    unit: str
    total: int
    missing: dict[Hashable, float]
    began: float = field(default_factory=lambda: time.monotonic())
    made: float = 0.0
    piece: Hashable = None  # in work now
    share: float = 0.0  # of it that is done

    def finish(self) -> None:
        """The piece in work is done."""
        self.made += self.missing.pop(self.piece, 0.0)
        self.piece, self.share = None, 0.0

    def __str__(self) -> str:
        """Which piece it is at, and the time left if the rest goes as fast as what was made so far.

        That is not said of the first few batches, most of whose time TensorFlow took to compile.
        """
        done = self.total - len(self.missing)
        now = self.share * self.missing.get(self.piece, 0.0)
        made, rest = self.made + now, sum(self.missing.values()) - now
        seconds = (time.monotonic() - self.began) * rest / made if made > TELLING_SHARE * rest else None
        return ", ".join(filter(None, [f"{self.unit} {min(done + 1, self.total)} of {self.total}", left(seconds)]))


class Display:
    """Shows what a command is doing. `begin` names the work; `training` and `batches` are callbacks of the library.

    `job` tells of the whole of which the pieces of work are parts; each is then named by a key of its own at `begin`.
    """

    shown: "Display | None" = None  # the one whose line stands on the terminal

    def __init__(self) -> None:
        self._title = ""
        self._job: Job | None = None
        self._began = time.monotonic()
        self._shown = -HEARTBEAT_SECONDS
        self._width = 0  # of what stands on the terminal's line
        self._worth_keeping = False

    def job(self, unit: str, total: int, missing: Mapping[Any, float]) -> None:
        """Say what all the work is: pieces in all, and those still to be made with what each takes in any one unit."""
        self._job = Job(unit, total, dict(missing)) if missing else None

    def begin(self, title: str, piece: Hashable = None) -> None:
        """Start a piece of work, e.g. "weak, seed 1"; the piece begun before is done. piece: its key in the job."""
        if self._job is None:
            self._leave_line()
        elif piece is not None:
            self._job.finish()
            self._job.piece = piece
        self._title, self._began = title, time.monotonic()
        self._show("", force=True)

    def training(self, p: "Position") -> None:
        """Callback of `fit_classifier` and `fit_vae_gan`."""
        self._at(p.epoch - 1 + p.batch / p.batches, p.epochs)
        means = [f"{name.replace('_', ' ')} {_measure(name, mean)}" for name, mean in p.means.items()]
        self._show(
            f"epoch {p.epoch}/{p.epochs}",
            left(p.seconds_left),
            f"batch {p.batch}/{p.batches}",
            *means,
            force=p.epoch == p.epochs and p.batch == p.batches,
        )

    def batches(self, done: int, total: int) -> None:
        """Callback of `attack_dataset`."""
        seconds = (time.monotonic() - self._began) * (total - done) / max(done, 1)
        self._show(f"{done}/{total} images", left(seconds), force=done == total)

    def waiting(self, who: str) -> None:
        """Callback of `Store`: another process makes what this one needs."""
        self._show(f"waiting for {who}, which makes it", force=True)

    def count(self, done: int, total: int, unit: str) -> None:
        """Progress of work that other processes do."""
        self._show(f"{done}/{total} {unit} done", force=True)

    def end(self) -> None:
        """All is done; leave the line that was last shown."""
        self._job = None
        self._leave_line()

    def _at(self, done: float, total: float) -> None:
        if self._job is not None:
            self._job.share = done / total

    def _leave_line(self) -> None:
        if self._width and not self._worth_keeping:  # a title alone
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
        elif self._width:
            click.echo(err=True)
        self._width, self._worth_keeping = 0, False
        Display.shown = None

    def _show(self, *parts: str, force: bool) -> None:
        """Show the work and these parts, the most important one first. force: now, if this is a terminal."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not (force and terminal) and now - self._shown < (REDRAW_SECONDS if terminal else HEARTBEAT_SECONDS):
            return
        self._shown = now
        job = "" if self._job is None else f"[{self._job}] "
        known = [part for part in parts if part]
        if terminal:
            line = fitted(job, self._title, known, columns() - 1)
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width, self._worth_keeping = len(line), self._worth_keeping or bool(known)
            Display.shown = self
        else:
            click.echo(job + ": ".join(filter(None, [self._title, ", ".join(known)])), err=True)


def wrapped(text: str, indent: str = "") -> str:
    """A sentence of a table, on lines that a terminal of 80 columns shows whole; indent: of those after the first."""
    return textwrap.fill(text, 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def interrupt() -> None:
    """Begin a new line for what is not progress: a warning, or why a command ends."""
    if Display.shown is not None:
        Display.shown._leave_line()


def columns() -> int:
    """Of the terminal that standard error is, as it is now; standard output may be a pipe."""
    with contextlib.suppress(OSError, ValueError):
        if found := os.get_terminal_size(sys.stderr.fileno()).columns:
            return found
    return shutil.get_terminal_size().columns


def fitted(job: str, title: str, parts: list[str], columns: int) -> str:
    """A line of at most so many columns: parts are left out from the last one on, then the title is shortened."""
    columns = max(columns, NARROWEST)
    for n in range(len(parts), 0, -1):
        line = f"{job}{title}: {', '.join(parts[:n])}"
        if len(line) <= columns:
            return line
    rest = f": {parts[0]}" if parts else ""
    room = columns - len(job) - len(rest)
    if room >= len(title):
        return f"{job}{title}{rest}"
    return (f"{job}{title[: room - 1]}…{rest}" if room > 8 else f"{job}{title}")[:columns]
