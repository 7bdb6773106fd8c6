"""States of an unfinished training, from which the next process continues.

Each state is a folder `<root>/<kind>/<key>.checkpoint/<position>/`, as `robint_tf.store.folders` publishes them.
"""

import contextlib
import os
import time
import warnings
from pathlib import Path

from robint_tf.errors import InputError
from robint_tf.store.folders import Arrays, DamagedError, read_folder, remove, write_folder
from robint_tf.store.provenance import Description, Parts, merged


class Checkpoint:
    """The last two states of an unfinished training. A torn or damaged state is skipped in favour of the one before.

    folder: where they are kept. made_with: what this process makes states with, and, after `load`, those before it.
    allow_mixed: whether a state that was made otherwise may be continued.
    """

    def __init__(self, folder: Path, made_with: Description | None = None, *, allow_mixed: bool = False) -> None:
        """`ValueError` where `ROBINT_CHECKPOINT_SECONDS` is not a number of seconds, or the folder is a link."""
        if folder.is_symlink():
            raise InputError(f"{folder} is a symbolic link; states are kept in folders of the store's own. Remove it.")
        self.folder = folder
        self.made_with: Description = made_with or {}
        self._allow_mixed = allow_mixed
        self._seconds = _checkpoint_seconds()
        self._last_save = time.monotonic()
        self._own: set[Path] = set()  # made by this object, or found when it took over

    def due(self) -> bool:
        """Whether the last state, or the beginning, lies further back than a training should lose."""
        return time.monotonic() - self._last_save >= self._seconds

    def save(self, position: int, arrays: Arrays) -> None:
        """Keep a state, arrays by name; `position` (batches done) orders the states."""
        state, about = self.folder / f"{position:012d}", {"made_with": self.made_with}
        try:
            published = write_folder(state, arrays, about)
        except FileNotFoundError:  # a process that finished the same training swept the folder at this moment
            published = write_folder(state, arrays, about)
        if not published and not _is_whole(state):
            remove(state)
            write_folder(state, arrays, about)
        self._own.add(state)
        self._last_save = time.monotonic()
        for old in self._states()[:-2]:
            remove(old)

    def load(self) -> Arrays | None:
        """The newest whole state, or None. `MixedError` if it was made otherwise than this process makes states."""
        if self.folder.is_dir():
            self._own.update(self.folder.iterdir())
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
        """Forget the states that are this process's: not those that another, on the same training, has made since."""
        for state in self._own:
            remove(state)
        self._own.clear()
        with contextlib.suppress(OSError):  # others' states are in it
            self.folder.rmdir()

    def _states(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("*") if p.name.isdigit()) if self.folder.exists() else []


def _is_whole(state: Path) -> bool:
    try:
        read_folder(state)
    except DamagedError:
        return False
    return True


def _checkpoint_seconds() -> float:
    """Seconds between two states of a training: `ROBINT_CHECKPOINT_SECONDS`, else a minute."""
    text = os.environ.get("ROBINT_CHECKPOINT_SECONDS") or "60"
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) >= 0:
            return seconds
    raise InputError(f"ROBINT_CHECKPOINT_SECONDS is {text!r}; give a number of seconds from 0 up, e.g. 60.")
