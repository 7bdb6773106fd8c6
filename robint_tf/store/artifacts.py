"""Where results live: a folder per recipe, named by the recipe's hash, published whole or not at all.

    <root>/<kind>/<key>/arrays.npz      the artifact, a dict of arrays
    <root>/<kind>/<key>/manifest.json   the recipe in words, what it was made with, a hash of arrays.npz, notes
    <root>/<kind>/<key>.checkpoint/     an unfinished training, removed when the artifact is published
    <root>/<kind>/<key>.lease           who makes the artifact at the moment

A folder is written next to its place, flushed and renamed, so that a killed process leaves nothing half-written
(`robint_tf.store.folders`). Processes that share a store, also from several machines, make each artifact once: whoever
finds that another makes it waits, or does something else meanwhile (`robint_tf.store.leases`).
"""

import collections
import contextlib
import hashlib
import json
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from robint_tf.errors import InputError
from robint_tf.specs import MATHEMATICS, as_dict
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.store.folders import (
    MANIFEST,
    Arrays,
    DamagedError,
    explained,
    is_there,
    read_folder,
    remove,
    same,
    sweep,
    write_folder,
)
from robint_tf.store.leases import TAKEN, Lease, holder
from robint_tf.store.provenance import Description, Parts

RELEASES = {1: "0.1.0"}
"""The release that an older version of the mathematics was."""

SCRATCH = r".+\.part-\w{8}"  # names under which folders are written


def spec_key(spec: Any, *inputs: str) -> str:
    """The name of what `spec` makes from `inputs` (`data.Fingerprint.key`): 20 hexadecimal digits."""
    return key_of(as_dict(spec), inputs)


def key_of(spec: dict[str, Any], inputs: Sequence[str]) -> str:
    """The same of a spec as JSON data, which may have the fields of an older version, and of its inputs."""
    recipe = {"version": MATHEMATICS, "spec": spec, "inputs": inputs}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]


def is_in_store(path: Path) -> bool:
    """Whether a path leads through a folder that a store has named: an artifact, what is damaged, or a checkpoint.

    >>> is_in_store(Path("store/CurveSpec/0123456789abcdef0123/manifest.json")), is_in_store(Path("a/manifest.json"))
    (True, False)
    """
    return any(re.fullmatch(r"[0-9a-f]{20}(\..+)?", part) for part in path.parts[:-1])


def default_root() -> Path:
    """`ROBINT_STORE` if set, else `robint_tf` in the user's cache folder. `ValueError` for users without a home.

    An empty variable counts as not set, `~` is the user's home.
    """
    choice, cache = os.environ.get("ROBINT_STORE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(choice).expanduser() if choice else Path(cache or "~/.cache").expanduser() / "robint_tf"
    except RuntimeError as error:
        raise InputError(
            "this user has no home folder; name a folder for the store, or set ROBINT_STORE to one.", argument="store"
        ) from error


class TakenError(Exception):
    """Another process makes the artifact; raised instead of waiting for it where `Store.without_waiting` says so."""


class Store:
    """Artifacts by recipe. Reading verifies the hash: a damaged artifact is set aside and recomputed.

    spec, inputs: of every method, the recipe (`robint_tf.specs`) and the keys of its data (`data.Fingerprint.key`).

    Only what does not match its hash or cannot be parsed counts as damaged. What cannot be read for another reason,
    because it is another user's or the disk fails, is left alone: `OSError` says so.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        allow_mixed: bool = False,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        """root: folder of the store, made on first use; "." is the working folder, "" is refused with `ValueError`.

        allow_mixed: whether artifacts made with different versions, devices or settings may be used together.
        waiting: called with whom a `fetch` waits for, e.g. "process 4711 on node3"; by default that is a warning.
        """
        if root is not None and not str(root):
            raise InputError("'' names no folder for the store; give one, such as '.'.", argument="store")
        self.root = default_root() if root is None else Path(root).expanduser()
        self.parts = Parts(allow_mixed=allow_mixed)
        self._waiting = waiting or _warn_of

    def folder(self, spec: Any, *inputs: str) -> Path:
        """Where the artifact of this recipe is or would be."""
        return self.root / type(spec).__name__ / spec_key(spec, *inputs)

    def has(self, spec: Any, *inputs: str) -> bool:
        """Whether the artifact is there (its hash is checked when it is read)."""
        return is_there(self.folder(spec, *inputs) / MANIFEST)

    def is_being_made(self, spec: Any, *inputs: str) -> bool:
        """Whether a process makes this artifact; one on another machine may have died within the last minute."""
        return holder(_lease_path(self.folder(spec, *inputs))) is not None

    @contextlib.contextmanager
    def without_waiting(self) -> Iterator[None]:
        """While the block runs, `fetch` raises `TakenError` where it would wait for another process."""
        before, self._waiting = self._waiting, _refuse
        try:
            yield
        finally:
            self._waiting = before

    def load(self, spec: Any, *inputs: str) -> Arrays | None:
        """The artifact, arrays by name; None if it is missing or damaged. A damaged one is moved aside with a warning.

        `MixedError` if it was made otherwise than those that this store object has given before.
        """
        folder = self.folder(spec, *inputs)
        try:
            return self._read(folder)
        except DamagedError:
            lease = Lease(_lease_path(folder))
            if not lease.acquire():  # another process sees to it
                return None
        try:
            return self._read_or_set_aside(folder)
        finally:
            lease.release()

    def _read(self, folder: Path) -> Arrays | None:
        """The artifact in a folder; None if there is no folder. `DamagedError`, `MixedError`."""
        if not is_there(folder):
            return None
        arrays, manifest = read_folder(folder)
        self.parts.add(manifest.get("made_with", {}), f"{folder} was made otherwise than what is used with it")
        return arrays

    def _read_or_set_aside(self, folder: Path) -> Arrays | None:
        """As `_read`, but what is damaged is moved aside, so that the artifact can be made again in its place.

        A link in its place is followed, but it is the link that is moved.
        """
        while True:
            try:
                return self._read(folder)
            except DamagedError as error:
                if (aside := _set_aside(folder)) is not None:
                    warnings.warn(f"{error}; moved to {aside} and made again.", stacklevel=3)

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
        `MixedError`, before any work, if that is not what the artifacts used so far were made with. While another
        process makes the artifact, this one waits, and takes over if that one dies. Should two make it after all (one
        was stopped for a minute, say), the first to finish decides what both return; one whose own differs warns of it.
        """
        folder = self.folder(spec, *inputs)
        with contextlib.suppress(DamagedError):
            if (arrays := self._read(folder)) is not None:
                self._tidy(folder)
                return arrays
        self.parts.check(made_with or {}, f"{folder} would be made otherwise than what is used with it")
        with Lease(_lease_path(folder), waiting=self._waiting):
            arrays = self._read_or_set_aside(folder)
            if arrays is None:
                checkpoint = self.checkpoint(spec, *inputs, made_with=made_with)
                arrays, notes = build(checkpoint)
                arrays = self.publish(spec, arrays, notes, *inputs, made_with=checkpoint.made_with)
                checkpoint.clear()
                with contextlib.suppress(OSError):
                    sweep(folder.parent, SCRATCH, now := folder.stat().st_mtime)
                    sweep(folder.parent, TAKEN, now, folders=False)
        return arrays

    @staticmethod
    def _tidy(folder: Path) -> None:
        """Remove what a process left that was killed after it had published, unless another is at work there."""
        checkpoint, path = _checkpoint_path(folder), _lease_path(folder)
        with contextlib.suppress(OSError):
            if (os.path.lexists(checkpoint) or os.path.lexists(path)) and holder(path) is None:
                with Lease(path):
                    remove(checkpoint)

    def publish(
        self, spec: Any, ours: Arrays, notes: dict[str, Any], *inputs: str, made_with: Description | None = None
    ) -> Arrays:
        """Put finished work into the store. Returns what the store holds from now on.

        That is ours, unless another process has published its own before, which is kept; a damaged artifact makes way.
        spec, inputs: what names it; notes: what else is known of it; made_with: what this process computed it with.
        """
        folder, about = self.folder(spec, *inputs), {"mathematics": MATHEMATICS, "spec": as_dict(spec)}
        while not write_folder(folder, ours, {**about, "inputs": inputs, "notes": notes, "made_with": made_with or {}}):
            if (theirs := self._read_or_set_aside(folder)) is not None:
                if not same(theirs, ours):
                    warnings.warn(
                        f"another process made {folder.name} at the same time and came to other numbers, as another "
                        "device or number of threads does; its are kept.",
                        stacklevel=3,
                    )
                return theirs
        self.parts.add(made_with or {})
        return ours

    def checkpoint(self, spec: Any, *inputs: str, made_with: Description | None = None) -> "Checkpoint":
        """Where the unfinished training of this recipe is kept; made_with: what this process makes states with."""
        folder = _checkpoint_path(self.folder(spec, *inputs))
        return Checkpoint(folder, made_with, allow_mixed=self.parts.allow_mixed)

    def versions(self) -> dict[int, int]:
        """How many artifacts there are by version of the mathematics (`specs.MATHEMATICS`), those in use or not."""
        found: collections.Counter[int] = collections.Counter()
        for manifest in self.root.glob(f"*/*/{MANIFEST}"):
            if "." in manifest.parent.name:  # unfinished, or set aside
                continue
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
                found[int(json.loads(manifest.read_bytes()).get("mathematics", 1))] += 1
        return dict(sorted(found.items()))


def _warn_of(who: str) -> None:
    warnings.warn(f"{who} makes an artifact that is needed here; waiting for it.", stacklevel=2)


def _refuse(who: str) -> None:
    raise TakenError(f"{who} makes an artifact that is needed here.")


def _set_aside(folder: Path) -> Path | None:
    """Move a damaged artifact out of its place; to where, or None where another process did before.

    By its name alone what that process has put in its place might be hit, which is then put back.
    """
    aside = folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex[:8]}")
    try:
        os.replace(folder, aside)
    except FileNotFoundError:
        return None
    except OSError as refused:
        raise explained(refused, folder.parent, 0) from refused
    try:
        read_folder(aside)
    except (DamagedError, OSError):
        return aside
    with contextlib.suppress(OSError):  # a third process published the same: this copy stays aside
        os.rename(aside, folder)
    return None


def _checkpoint_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.checkpoint")


def _lease_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lease")
