"""Files and folders that are published whole or not at all, stay when the power fails, and are read with a hash.

What is written lies beside its place under a name with `.part-` in it, is flushed, renamed, and the folder around it is
flushed. What a killed process leaves of that is swept by later ones. Permissions are those of the user's umask.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Arrays = dict[str, np.ndarray]
ARRAYS, MANIFEST = "arrays.npz", "manifest.json"
FULL = (errno.ENOSPC, errno.EDQUOT)
PASSING = (errno.EIO, errno.ESTALE)
RETRY_SECONDS = (0.1, 0.5, 2.0)
"""Pauses after errors that may pass, as a network's file system gives when its server restarts."""
ABANDONED_SECONDS = 3600.0
T = TypeVar("T")


class DamagedError(Exception):
    """A folder that does not hold what its manifest says."""


def read_folder(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays, by name, and the manifest of a folder.

    `DamagedError` unless they are there, can be parsed, and match: this alone says that the content is bad.
    `PermissionError` for what another user has not opened to this one; `OSError` where the disk fails, again and again
    if that may pass; `MemoryError` where it does not fit.
    """
    try:
        return persistently(lambda: _read(folder), folder)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedError(f"{folder} is not whole ({error.strerror}: {error.filename})") from error
    except PermissionError as error:
        raise PermissionError(unreadable(folder)) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedError(f"{folder} is a link that leads in a circle") from error
        raise


def _read(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    content, sha256 = (folder / MANIFEST).read_bytes(), sha256_of(folder / ARRAYS)
    try:
        manifest = json.loads(content)
        if sha256 != manifest["sha256"]:
            raise DamagedError(f"{folder / ARRAYS} does not match its hash")
        if not isinstance(manifest.get("made_with", {}), dict):
            raise DamagedError(f"{folder / MANIFEST} does not say what the folder was made with")
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}, manifest
    except PARSING as error:
        raise DamagedError(f"{folder} cannot be read ({type(error).__name__}: {error})") from error


PARSING = (ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def persistently(action: Callable[[], T], path: Path) -> T:
    """What `action` returns, which is tried again after errors that may pass.

    If they do not, `OSError` that names `path` and says what to do; other errors of `action` as they are.
    """
    for pause in (*RETRY_SECONDS, None):
        try:
            return action()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            if pause is None:
                raise OSError(
                    f"{os.strerror(error.errno)}: {path} could not be read in {len(RETRY_SECONDS) + 1} tries. It is "
                    "left as it is; repeat the command when the disk answers again.",
                ) from error
        time.sleep(pause)
    raise AssertionError


def is_there(path: Path) -> bool:
    """Whether something, also a link, is at `path`. `PermissionError` where this user may not know."""
    try:
        persistently(path.lstat, path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise PermissionError(unreadable(path)) from error
    return True


def unreadable(path: Path) -> str:
    """Whose a path is that this user may not read, and what to do."""
    seen = next((p for p in (path, *path.parents) if os.path.lexists(p)), path)
    return (
        f"{path} cannot be read by this user: {seen} belongs to {_owner(seen)}. Nothing was changed; have it opened "
        "with chmod -R a+rX, or choose another store."
    )


def explained(error: OSError, folder: Path, size: int) -> OSError:
    """The error of writing `size` bytes into a folder, in one line that says what to do where that is known."""
    if error.errno in FULL:
        return OSError(
            f"{os.strerror(error.errno)}: {folder} must take {size / 2**20:.1f} MiB more. Finished work is kept; free "
            "some space, or name a store on another disk, and repeat the command."
        )
    if isinstance(error, PermissionError) and error.errno is not None:
        return PermissionError(
            f"{folder} cannot be written by this user: it belongs to {_owner(folder)}. Have it opened with chmod g+ws "
            "and work with umask 002, or choose another store."
        )
    return error


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError, NotImplementedError):
        with contextlib.suppress(OSError):
            return f"user {path.lstat().st_uid}"
    return "another user"


def write_folder(folder: Path, arrays: Arrays, manifest: dict[str, Any]) -> bool:
    """Publish a folder with arrays.npz and manifest.json atomically; if it exists already, the first one stays.

    arrays: by name; manifest: JSON data. Returns whether it was this call that published it. `OSError` as `explained`
    words it, with the size where the disk is full.
    """
    scratch = folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex[:8]}")
    try:
        make_folder(folder.parent)
        scratch.mkdir()
        with open(scratch / ARRAYS, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            flush(file)
        with open(scratch / MANIFEST, "w") as file:
            json.dump({**manifest, "sha256": sha256_of(scratch / ARRAYS)}, file, indent=1)
            flush(file)
        flush_folder(scratch)
        if not _renamed(scratch, folder):
            return False
        flush_folder(folder.parent)
        return True
    except OSError as error:
        raise explained(error, folder.parent, sum(np.asarray(array).nbytes for array in arrays.values())) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _renamed(scratch: Path, folder: Path) -> bool:
    """Whether a folder took its place, which it does unless something is there.

    What was there may be gone when it is looked for, as another process moves what is damaged aside: then once more.
    """
    for _ in range(3):
        try:
            os.rename(scratch, folder)
            return True
        except OSError as error:
            if os.path.lexists(folder):
                return False
            refused = error
    raise refused


def same(a: Arrays, b: Arrays) -> bool:
    """Whether the arrays a and b of two folders are equal; NaN equals NaN."""
    return a.keys() == b.keys() and all(
        np.array_equal(a[name], b[name], equal_nan=np.asarray(a[name]).dtype.kind in "fc") for name in a
    )


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, as far as they are missing; `OSError` as `explained` words it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise explained(error, folder.parent, 0) from error
    flush_folder(folder.parent)


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
            flush(file)
        os.replace(scratch, path)
        flush_folder(path.parent)
        names = rf"\.{re.escape(path.stem)}\.part-[0-9a-f]{{8}}{re.escape(path.suffix)}"
        sweep(path.parent, names, path.stat().st_mtime)
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


def sweep(folder: Path, names: str, now: float, *, folders: bool = True) -> None:
    """Remove what killed processes left in a folder; what running ones write is younger than ABANDONED_SECONDS.

    names: a regular expression for the whole name. now: the time of a file just written there, since the clock of a
    shared disk need not be that of this machine. folders: whether folders of that name are removed, too.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not re.fullmatch(names, entry.name):
                continue
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and not folders:
                    continue
                if now - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS:
                    remove(Path(entry.path))


def remove(path: Path) -> None:
    """Remove the file or folder at `path` as far as possible; of a link the link, never what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def flush(file: Any) -> None:
    """Have what was written to a file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, so that a rename outlasts a power failure, where systems can do that."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one that may be written but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file at `path`, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
