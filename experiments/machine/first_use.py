"""The check of a GPU before a command uses it: once for each set of versions, and silent where all is well."""

import contextlib
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from robint_tf import __version__
from robint_tf.errors import DeviceError

from ..options import RunOptions
from . import facts, probes, verdict


def jit(options: RunOptions) -> str:
    """The choice of XLA that a command is to use: its own, but "off" where the check finds that XLA fails on the GPU.

    `DeviceError` where the GPU does not compute at all. What was found is kept in the user's cache.
    """
    device = options.device.lower()
    if device == "cpu" or options.jit != "auto" or options.deterministic:
        return options.jit
    if not _gpus():
        return options.jit
    found = facts.gather()
    path = _kept_in(found, device)
    known = _read(path)
    if known is None:
        click.echo("first use of this GPU with these versions: checking it, some two minutes.", err=True)
        known = verdict.judge(found, probes.run(device), device)
        if not known.passing:
            _write(path, known)
    if not known.computes:
        raise DeviceError(known.line)
    if not known.ok:
        click.echo(f"Warning: {known.line}", err=True)
    return options.jit if known.jit else "off"


def _gpus() -> list:
    import tensorflow as tf

    return tf.config.list_physical_devices("GPU")


def _kept_in(found: facts.Facts, device: str) -> Path | None:
    """The file of these versions on this device; None for users without a home."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "robint_tf_doctor"
    except RuntimeError:
        return None
    kinds = {"gpus": sorted(set(found.gpus)), "driver_gpus": sorted(set(found.driver_gpus))}  # not how many
    tried = [__version__, device, asdict(found) | kinds, os.environ.get("XLA_FLAGS"), list(probes.STAGES)]
    text = json.dumps(tried, sort_keys=True)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _read(path: Path | None) -> verdict.Verdict | None:
    """What was found before; None where nothing was, or what was is not readable."""
    try:
        return None if path is None else verdict.Verdict(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path | None, found: verdict.Verdict) -> None:
    if path is None:
        return
    with contextlib.suppress(OSError):  # checked again the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".part-{os.getpid()}")
        part.write_text(json.dumps(asdict(found)))
        part.replace(path)
