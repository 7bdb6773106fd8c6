"""Ctrl-C and SIGTERM, held back until a consistent state can be written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Raised by long work after it has saved its state; `exit_code` is 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class Pending:
    """Whether a signal has come; the first one only sets this, a second one stops the process at once."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None:
            raise KeyboardInterrupt
        self.signum = signum


@contextmanager
def held_back() -> Iterator[Pending]:
    """Hold SIGINT and SIGTERM back while the block runs; in other threads than the main one, do nothing.

    The block looks at `pending.signum` where its state is consistent, saves, and raises `Interrupted`. A signal that is
    still pending when the block ends without an error raises it here.
    """
    pending = Pending()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {s: signal.signal(s, pending.handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pending
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if pending.signum is not None:
        raise Interrupted(pending.signum)
