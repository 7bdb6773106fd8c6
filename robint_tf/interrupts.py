"""Ctrl-C and SIGTERM, held back until a consistent state can be written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Raised by long work after it has saved its state; `exit_code` is 130 for Ctrl-C, 143 for SIGTERM.

    No `Exception`: a signal may arrive inside any library call, and `except Exception`, there or here, must not take
    it for a broken file.
    """

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


_arrived: int | None = None


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM raise `Interrupted` wherever the main thread is.

    Python drops an exception raised in a destructor or a callback; `held_back` therefore also looks whether a signal
    has arrived before it begins. In other threads than the main one, do nothing.
    """
    global _arrived
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, _raise) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception as error:
        if _arrived is not None:  # some library made an error of its own of the interruption
            raise Interrupted(_arrived) from error
        raise
    finally:
        _arrived = None
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _raise(signum: int, frame: FrameType | None) -> None:
    global _arrived
    _arrived = signum
    raise Interrupted(signum)


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
    if _arrived is not None:
        raise Interrupted(_arrived)
    before = {s: signal.signal(s, pending.handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pending
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if pending.signum is not None:
        raise Interrupted(pending.signum)
