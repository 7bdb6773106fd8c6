"""What a command has at hand while it runs: store, device, data, output folder; and how it saves what it made."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from robint_tf.store.artifacts import Store, default_root

from .machine import first_use
from .options import RunOptions
from .parameters import writable
from .parsing import command_line
from .progress import Display
from .quiet import load_tensorflow


@dataclass(frozen=True)
class Run:
    """The surroundings of one command."""

    store: Store
    display: Display
    about: dict[str, Any]
    out: Path | None = None

    def provenance(self) -> dict[str, Any]:
        """The command, and what all parts of its results were made with, whichever process made them."""
        return {**self.about, "versions": self.store.parts.summary()}

    def save(self, name: str, results: dict[str, Any], *, figure: str | None = None) -> list[Path]:
        """Write results and the figures that are drawn from them; the paths written.

        name: of the files; figure: what draws them, a key of `plots.FIGURES`, by default of that name.
        """
        from robint_tf.paper.figures import plots
        from robint_tf.store import results as results_files

        assert self.out is not None
        path = self.out / f"{name}.json"
        results_files.write(path, {"figure": figure or name, "provenance": self.provenance(), **results})
        return [path, *plots.draw(results_files.read(path), self.out / name)]


def today() -> str:
    """The date, in UTC: of a run, for people; it decides nothing, and files that must repeat do not hold it."""
    return datetime.now(UTC).date().isoformat()


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def configured(options: RunOptions) -> None:
    """Start TensorFlow as the options say, after the check of a GPU that was never used."""
    devices = load_tensorflow()
    devices.check_name(options.device)
    devices.configure(
        options.device,
        jit=first_use.jit(options),
        threads=options.threads,
        deterministic=options.deterministic,
        tf32=options.tf32,
    )


def begin(
    options: RunOptions,
    *,
    variant: str = "authors",
    preset: str | None = None,
    out: Path | None = None,
    computes: bool = True,
) -> Run:
    """Start TensorFlow on the chosen device, open the store, and note what the results are made with.

    computes: whether this process computes numbers of the results itself, beyond what it puts into the store.
    """
    root = writable(options.store_dir or default_root())
    configured(options)
    about = {"command": command_line(click.get_current_context()), "variant": variant, "preset": preset}
    display = Display()
    store = Store(root, allow_mixed=options.allow_mixed, waiting=display.waiting)
    if computes:
        store.parts.add(load_tensorflow().describe())
    return Run(store, display, {k: v for k, v in about.items() if v is not None}, out)
