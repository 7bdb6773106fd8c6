"""Standard streams that cannot end a training: a log on a full disk, a terminal that is gone, a closed descriptor."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator


class Unfailing(io.RawIOBase):
    """A file descriptor to write to; what cannot be written is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        rest = memoryview(data).cast("B")
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        return len(data)


@contextlib.contextmanager
def safe() -> Iterator[None]:
    """While the block runs, messages to standard error that cannot be written are dropped, and 0 to 2 are open.

    A closed descriptor would be given to the next file that is opened, for example to an artifact, into which
    TensorFlow's C++ would then write its notices. Streams that a caller has put in the place of the process's own, as
    tests do, stay as they are.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    before = sys.stderr
    if before is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(
            Unfailing(2),
            encoding=getattr(before, "encoding", None) or "utf-8",
            errors="backslashreplace",
            write_through=True,
        )
    try:
        yield
    finally:
        sys.stderr = before
