"""Where results live: a folder per recipe, named by the recipe's hash, published whole or not at all.

    <root>/<kind>/<key>/arrays.npz      the artifact, a dict of arrays
    <root>/<kind>/<key>/manifest.json   the recipe in words, what it was made with, a hash of arrays.npz, notes
    <root>/<kind>/<key>.checkpoint/     an unfinished training, removed when the artifact is published

A folder is written beside its place, flushed and renamed, so that a killed process leaves nothing half-written, and two
processes that make the same artifact do not disturb each other.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robint_tf.errors import InputError
from robint_tf.provenance import Description, Parts, merged
from robint_tf.specs import MATHEMATICS, as_dict

Arrays = dict[str, np.ndarray]
ARRAYS, MANIFEST = "arrays.npz", "manifest.json"


def spec_key(spec: Any, *inputs: str) -> str:
    """The name of what `spec` makes from `inputs` (`data.Fingerprint.key`): 20 hexadecimal digits."""
    recipe = {"version": MATHEMATICS, "spec": as_dict(spec), "inputs": inputs}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]


def default_root() -> Path:
    """`ROBINT_STORE` if set, else `robint_tf` in the user's cache folder. `InputError` for users without a home.

    An empty variable counts as none, `~` is the user's home.
    """
    choice, cache = os.environ.get("ROBINT_STORE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(choice).expanduser() if choice else Path(cache or "~/.cache").expanduser() / "robint_tf"
    except RuntimeError as error:
        raise InputError("this user has no home folder; give --store, or set ROBINT_STORE to a folder.") from error


class Store:
    """Artifacts by recipe. Reading verifies the hash: a damaged artifact is set aside and made again."""

    def __init__(self, root: Path | str | None = None, *, allow_mixed: bool = False) -> None:
        """root: folder of the store, made on first use. `OSError` where it cannot be made or written.

        allow_mixed: whether artifacts made with different versions, devices or settings may be used together.
        """
        self.root = default_root() if root is None else Path(root).expanduser()
        self.parts = Parts(allow_mixed=allow_mixed)

    def folder(self, spec: Any, *inputs: str) -> Path:
        """Where the artifact of this recipe is or would be."""
        return self.root / type(spec).__name__ / spec_key(spec, *inputs)

    def has(self, spec: Any, *inputs: str) -> bool:
        """Whether the artifact is there (its hash is checked when it is read)."""
        return (self.folder(spec, *inputs) / MANIFEST).exists()

    def load(self, spec: Any, *inputs: str) -> Arrays | None:
        """The artifact, or None if it is missing or damaged; a damaged one is moved aside with a warning.

        `MixedError` if it was made otherwise than those that this store object has given before.
        """
        folder = self.folder(spec, *inputs)
        if not folder.exists():
            return None
        try:
            arrays, manifest = read_folder(folder)
        except DamagedError as error:
            aside = folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex[:8]}")
            with contextlib.suppress(FileNotFoundError):  # another process has moved it already
                os.replace(folder, aside)
            warnings.warn(f"{error}; moved to {aside} and made again.", stacklevel=2)
            return None
        self.parts.add(manifest.get("made_with", {}), f"{folder} was made otherwise than what is used with it")
        return arrays

    def notes(self, spec: Any, *inputs: str) -> dict[str, Any]:
        """The notes stored beside an artifact; empty if there is none."""
        try:
            return json.loads((self.folder(spec, *inputs) / MANIFEST).read_text())["notes"]
        except (OSError, ValueError, KeyError):
            return {}

    def fetch(
        self,
        spec: Any,
        build: Callable[["Checkpoint"], tuple[Arrays, dict[str, Any]]],
        *inputs: str,
        made_with: Description | None = None,
    ) -> Arrays:
        """The artifact of this recipe, made by `build(checkpoint) -> (arrays, notes)` only if the store lacks it.

        checkpoint: where the unfinished work of this recipe is kept. made_with: what this process makes things with;
        `MixedError`, before any work, if that is not what the artifacts used so far were made with. Of several
        processes that make one artifact at the same time, the first to finish decides what all of them return; one
        whose own differs warns of it.
        """
        arrays = self.load(spec, *inputs)
        if arrays is None:
            folder = self.folder(spec, *inputs)
            self.parts.check(made_with or {}, f"{folder} would be made otherwise than what is used with it")
            checkpoint = self.checkpoint(spec, *inputs, made_with=made_with)
            arrays, notes = build(checkpoint)
            manifest = {"mathematics": MATHEMATICS, "spec": as_dict(spec), "inputs": inputs, "notes": notes}
            if write_folder(folder, arrays, {**manifest, "made_with": checkpoint.made_with}):
                self.parts.add(checkpoint.made_with)
            else:
                arrays = self._first(folder, self.load(spec, *inputs), arrays)
            checkpoint.clear()
            _sweep(folder)
        return arrays

    @staticmethod
    def _first(folder: Path, theirs: Arrays | None, ours: Arrays) -> Arrays:
        """What another process has published meanwhile, if it can be read."""
        if theirs is None:
            return ours
        if theirs.keys() != ours.keys() or not all(np.array_equal(theirs[k], ours[k]) for k in ours):
            warnings.warn(
                f"another process made {folder.name} at the same time and came to other numbers, as another device or "
                "number of threads does; its are kept.",
                stacklevel=3,
            )
        return theirs

    def checkpoint(self, spec: Any, *inputs: str, made_with: Description | None = None) -> "Checkpoint":
        """Where the unfinished training of this recipe is kept."""
        folder = self.folder(spec, *inputs)
        return Checkpoint(folder.with_name(f"{folder.name}.checkpoint"), made_with, allow_mixed=self.parts.allow_mixed)


class Checkpoint:
    """The last two states of an unfinished training. A torn or damaged state is skipped in favour of the one before.

    made_with: what this process makes states with, and, after `load`, those before it.
    """

    def __init__(self, folder: Path, made_with: Description | None = None, *, allow_mixed: bool = False) -> None:
        """`ValueError` where `ROBINT_CHECKPOINT_SECONDS` is not a number of seconds."""
        self.folder = folder
        self.made_with: Description = made_with or {}
        self._allow_mixed = allow_mixed
        self._seconds = _checkpoint_seconds()
        self._last_save = time.monotonic()

    def due(self) -> bool:
        """Whether the last state, or the beginning, lies further back than a training should lose."""
        return time.monotonic() - self._last_save >= self._seconds

    def save(self, position: int, arrays: Arrays) -> None:
        """Keep a state; `position` (batches done) orders the states."""
        write_folder(self.folder / f"{position:012d}", arrays, {"made_with": self.made_with})
        self._last_save = time.monotonic()
        for old in self._states()[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> Arrays | None:
        """The newest whole state, or None. `MixedError` if it was made otherwise than this process makes states."""
        for folder in reversed(self._states()):
            try:
                arrays, manifest = read_folder(folder)
            except DamagedError as error:
                warnings.warn(f"{error}; using the checkpoint before it.", stacklevel=2)
                continue
            parts = Parts(allow_mixed=self._allow_mixed)
            for description in (manifest.get("made_with", {}), self.made_with):
                parts.add(description, f"{self.folder} was begun otherwise than it would be continued")
            self.made_with = merged(parts.descriptions)
            return arrays
        return None

    def clear(self) -> None:
        """Forget all states."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("*") if p.name.isdigit()) if self.folder.exists() else []


def _checkpoint_seconds() -> float:
    """Seconds between two states of a training: `ROBINT_CHECKPOINT_SECONDS`, else a minute."""
    text = os.environ.get("ROBINT_CHECKPOINT_SECONDS") or "60"
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) >= 0:
            return seconds
    raise InputError(f"ROBINT_CHECKPOINT_SECONDS is {text!r}; give a number of seconds from 0 up, e.g. 60.")


class DamagedError(Exception):
    """A folder of the store that does not hold what its manifest says."""


def read_folder(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the manifest of a folder; `DamagedError` unless they match."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if _sha256(folder / ARRAYS) != manifest["sha256"]:
            raise DamagedError(f"{folder / ARRAYS} does not match its hash")
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}, manifest
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{folder} cannot be read ({type(error).__name__}: {error})") from error


def write_folder(folder: Path, arrays: Arrays, manifest: dict[str, Any]) -> bool:
    """Publish a folder with arrays.npz and manifest.json atomically; if it exists already, the first one stays.

    Returns whether it was this call that published it. `OSError` that names the size where the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        with open(scratch / ARRAYS, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            _flush(file)
        with open(scratch / MANIFEST, "w") as file:
            json.dump({**manifest, "sha256": _sha256(scratch / ARRAYS)}, file, indent=1)
            _flush(file)
        try:
            os.rename(scratch, folder)
        except OSError:  # a rename onto a folder that is not empty; asked afterwards, as others may publish meanwhile
            if not folder.exists():
                raise
            return False
        return True
    except OSError as error:
        if error.errno in FULL:
            size = sum(np.asarray(array).nbytes for array in arrays.values())
            raise OSError(
                f"{os.strerror(error.errno)}: {folder.parent} must take {size / 2**20:.1f} MiB more. Finished work is "
                "kept; free some space, or name a --store on another disk, and repeat the command."
            ) from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A scratch path to write a single file to; it takes the place of `path` when the block ends without an error.

    `OSError` that names path and size where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.part-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield scratch
        with scratch.open("rb") as file:
            _flush(file)
        os.replace(scratch, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        size = scratch.stat().st_size / 2**20 if scratch.exists() else 0.0
        raise OSError(
            f"{os.strerror(error.errno)}: {path} needs more than the {size:.1f} MiB that fitted. Finished work is kept "
            "in the store; free some space, or name a place on another disk, and repeat the command."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left of their tries at this folder; the tries of running ones are younger."""
    for scratch in folder.parent.glob(f"{folder.name}.part-*"):
        with contextlib.suppress(OSError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)


ABANDONED_SECONDS = 3600.0


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
