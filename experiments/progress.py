"""Progress of long work on standard error: one line rewritten on a terminal, a line now and then in a log file."""

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from robint_tf.training import Position
    from robint_tf.vae_gan_training import VAEGANPosition

HEARTBEAT_SECONDS = 20.0


def duration(seconds: float) -> str:
    """Seconds in words: 8 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Display:
    """Shows what a command is doing. `begin` names the work; `training` and `batches` are callbacks of the library."""

    def __init__(self) -> None:
        self._title = ""
        self._began = self._shown = time.monotonic()
        self._width = 0

    def begin(self, title: str) -> None:
        """Start a piece of work, e.g. "[2/9] weak, seed 1"."""
        self.end()
        self._title, self._began, self._shown = title, time.monotonic(), time.monotonic()

    def training(self, p: "Position") -> None:
        """Callback of `fit_classifier`."""
        last = p.epoch == p.epochs and p.batch == p.batches
        left = "" if p.seconds_left is None else f", {duration(p.seconds_left)} left"
        self._show(
            f"epoch {p.epoch}/{p.epochs}, batch {p.batch}/{p.batches}, loss {p.loss:.4f}, "
            f"accuracy {p.accuracy:.2%}{left}",
            force=last,
        )

    def vae_gan(self, p: "VAEGANPosition") -> None:
        """Callback of `fit_vae_gan`."""
        last = p.epoch == p.epochs and p.batch == p.batches
        left = "" if p.seconds_left is None else f", {duration(p.seconds_left)} left"
        losses = ", ".join(f"{part} {loss:.3f}" for part, loss in p.losses.items())
        self._show(f"epoch {p.epoch}/{p.epochs}, batch {p.batch}/{p.batches}, losses: {losses}{left}", force=last)

    def batches(self, done: int, total: int) -> None:
        """Callback of `attack_dataset`."""
        left = (time.monotonic() - self._began) * (total - done) / max(done, 1)
        self._show(f"{done}/{total} images, {duration(left)} left", force=done == total)

    def waiting(self, who: str) -> None:
        """Callback of `Store`: another process makes what this one needs."""
        self._show(f"waiting for {who}, which makes it", force=True)

    def count(self, done: int, total: int, unit: str) -> None:
        """Progress of work that other processes do."""
        self._show(f"{done}/{total} {unit} done", force=True)

    def end(self) -> None:
        """Leave the line that was last shown."""
        if self._width:
            click.echo(err=True)
        self._width = 0

    def _show(self, text: str, *, force: bool) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not force and now - self._shown < (0.2 if terminal else HEARTBEAT_SECONDS):
            return
        self._shown = now
        line = f"{self._title}: {text}"
        if terminal:
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = max(self._width, len(line))
        else:
            click.echo(line, err=True)
