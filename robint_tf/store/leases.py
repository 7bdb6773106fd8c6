"""Who makes what, among processes that share a folder: a lease is a file that its holder keeps touching.

    <name>.lease    {"host": ..., "pid": ..., "machine": ..., "started": ..., "id": ...}

A lease only saves work that would be done twice: whoever publishes first is kept with or without one. It is made by an
exclusive creation, and ends when the holder removes it or has died: on one machine this is known from the process
table of Linux, elsewhere from a lease that nobody has touched for LAPSE_SECONDS. These are counted by the clock of the
process that waits, from change to change, so that no clock is compared with that of another machine.
"""

import contextlib
import json
import os
import socket
import stat
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from robint_tf.store.folders import explained, make_folder, persistently

BEAT_SECONDS = 5.0
FIRST_POLL_SECONDS, POLL_SECONDS = 0.01, 0.5
LAPSE_SECONDS = 60.0
TAKEN = r".+\.lease-[0-9a-f]{8}"
"""The names that leases of the dead get before they are removed; a folder of such a name is not a lease."""


@dataclass(frozen=True)
class Holder:
    """A process, as the file of its lease names it.

    id: of its lease; host: name of its machine; pid: its number; machine: which start of which machine, empty where
    processes cannot be looked up; started: when it did, by that machine's clock.
    """

    id: str
    host: str = "another machine"
    pid: int = 0
    machine: str = ""
    started: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.pid else "another process"

    def is_dead(self) -> bool:
        """Whether it is known to be dead; False for processes of other machines."""
        here = bool(self.machine) and self.machine == _machine()
        return here and _started(self.pid) not in (self.started, HIDDEN)


def _machine() -> str:
    """This start of this machine and this table of processes (a container has its own); empty if there is no /proc."""
    with contextlib.suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _started(pid: int) -> str:
    """When a process of this machine started; empty if there is none or it has ended."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    except (OSError, IndexError):
        return HIDDEN if _runs(pid) else ""


HIDDEN = "hidden"


def _runs(pid: int) -> bool:
    """Whether there is such a process, also one of another user that may not be looked at."""
    if pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not permitted: it runs
        return True
    return True


def holder(path: Path) -> Holder | None:
    """Who holds the lease at `path`; None if nobody does, or its holder is known to be dead."""
    seen = _look(path)
    return None if seen is None or seen[0].is_dead() else seen[0]


def _look(path: Path) -> tuple[Holder, int] | None:
    """The holder of a lease, and when it was last touched, in the file system's own time."""
    try:
        text, touched = persistently(lambda: _read(path), path)
    except FileNotFoundError:
        return None
    try:
        return Holder(**json.loads(text)), touched
    except (ValueError, TypeError, RecursionError):  # half-written: its maker died, or writes it this moment
        return Holder(id=""), touched


def _read(path: Path) -> tuple[bytes, int]:
    """The content of a lease and when it was touched; nothing where something else lies in its place."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode):  # a link, a folder, a pipe that nobody writes
        return b"", about.st_mtime_ns
    try:
        # opening a file has a network's file system ask its server again
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return b"", about.st_mtime_ns
    try:
        return os.read(file, 4096), os.fstat(file).st_mtime_ns
    finally:
        os.close(file)


class Lease:
    """The lease of a file name, held while the block runs; entering waits for whoever else holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Lease(Path(folder) / "key.lease") as lease:
    ...     lease.path.exists()
    True
    """

    def __init__(self, path: Path, *, waiting: Callable[[str], None] = lambda who: None) -> None:
        """waiting: called once with whom this process waits for, e.g. "process 4711 on node3"."""
        self.path = path
        self._waiting = waiting
        self._me = Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), _machine(), _started(os.getpid()))
        self._ended = threading.Event()
        self._changing = threading.Lock()  # of the file, by this thread or by the one that touches it

    def __enter__(self) -> "Lease":
        told: str | None = None
        watch, pause = _Watch(), FIRST_POLL_SECONDS
        try:
            while not self.acquire():
                if (seen := _look(self.path)) is None:
                    time.sleep(FIRST_POLL_SECONDS)
                    continue
                if seen[0].is_dead() or watch.lapsed(*seen):
                    self._evict(seen[0])
                    continue
                if told != seen[0].id:
                    told = seen[0].id
                    self._waiting(str(seen[0]))
                time.sleep(pause)
                pause = min(2 * pause, POLL_SECONDS)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> bool:
        """Take the lease if nobody has one. Returns whether this process has it now; `OSError` if none can be made."""
        make_folder(self.path.parent)
        if not self._create():
            return False
        threading.Thread(target=self._beat, name=f"lease of {self.path.name}", daemon=True).start()
        return True

    def release(self) -> None:
        """Give the lease back; do nothing if another process has it."""
        with self._changing, contextlib.suppress(OSError):
            self._ended.set()
            if (seen := _look(self.path)) is not None and seen[0].id == self._me.id:
                self.path.unlink()

    def _create(self) -> bool:
        try:
            with open(self.path, "x") as file:
                try:
                    file.write(json.dumps(vars(self._me)))
                    file.flush()
                except BaseException:
                    self.path.unlink(missing_ok=True)
                    raise
        except FileExistsError:
            return False
        except OSError as error:
            raise explained(error, self.path.parent, 0) from error
        return True

    def _evict(self, dead: Holder) -> None:
        """Take away the lease of a dead process. By its name alone another's might be hit, which is then put back."""
        taken = self.path.with_name(f"{self.path.name}-{self._me.id[:8]}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.path, taken)
            found = _look(taken)
            if found is not None and found[0].id != dead.id:
                os.rename(taken, self.path)
            elif taken.is_dir() and not taken.is_symlink():
                # Nobody's lease is a folder, and what lies in one is not ours to take: it stays, under its new name.
                warnings.warn(f"{self.path} was a folder where a lease belongs; it is kept as {taken}", stacklevel=2)
            else:
                taken.unlink()

    def _beat(self) -> None:
        """Touch the lease until it is given back, create it again if it vanished, and stop if it is another's now."""
        while not self._ended.wait(BEAT_SECONDS):
            with self._changing, contextlib.suppress(OSError):
                if self._ended.is_set():
                    return
                seen = _look(self.path)
                if seen is None:
                    self._create()
                elif seen[0].id == self._me.id:
                    os.utime(self.path)
                else:
                    return


class _Watch:
    """How long a lease has not been touched, by this process's own clock."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._since = 0.0

    def lapsed(self, holder: Holder, touched: int) -> bool:
        now = time.monotonic()
        if self._seen != (holder.id, touched):
            self._seen, self._since = (holder.id, touched), now
        return now - self._since > LAPSE_SECONDS
