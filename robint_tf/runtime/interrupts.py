"""Ctrl-C, SIGTERM and SIGHUP, answered at once and held back until a consistent state can be written."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Raised by long work after it has saved its state. signum: of the signal; exit_code: 130 for Ctrl-C (SIGINT), 143
    for SIGTERM, 129 for SIGHUP.

    Not an `Exception`: a signal may arrive inside any library call, and `except Exception`, there or here, must not
    take it for a broken file.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class Pending:
    """Whether a signal has come; the first one only sets this, a second one stops the process at once."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal signum, as Python's handlers do; `KeyboardInterrupt` for a second one. frame is not used."""
        if self.signum is not None:
            raise KeyboardInterrupt
        self.signum = signum


ANSWER = "stopping after this batch (Ctrl-\\ stops at once)"


def _signals() -> list[signal.Signals]:
    """What interrupts: SIGHUP only where it would end the process, which `nohup` prevents."""
    hangups = [s for s in signal.Signals if s.name == "SIGHUP"]  # there is none on Windows
    heard = [s for s in hangups if signal.getsignal(s) is not signal.SIG_IGN]
    return [signal.SIGINT, signal.SIGTERM, *heard]


@contextmanager
def _answered() -> Iterator[None]:
    """While the block runs, the first interrupting signal is answered on standard error within an instant.

    Python runs its handlers only between two of its own instructions, and a call into TensorFlow may take a minute; a
    thread that waits for the signal's number in a pipe answers meanwhile. Inside another such block, or where an event
    loop uses Python's only such pipe, do nothing.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    taken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    if taken != -1:
        signal.set_wakeup_fd(taken, warn_on_full_buffer=False)
        os.close(reader)
        os.close(writer)
        yield
        return
    thread = threading.Thread(target=_answer, args=(reader, set(_signals())), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        os.write(writer, END)
        thread.join(1.0)  # longer only where standard error takes nothing
        os.close(writer)


END = b"\0"  # no signal has this number


def _answer(reader: int, signals: set[signal.Signals]) -> None:
    answered = False
    with open(reader, "rb", buffering=0) as pipe:
        while (number := pipe.read(1)) and number != END:
            if number[0] in signals and not answered:
                answered = True
                with contextlib.suppress(Exception):  # nobody is there to be answered
                    sys.stderr.write(f"\n{ANSWER}\n")
                    sys.stderr.flush()


_arrived: int | None = None


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """While the block runs, SIGINT, SIGTERM and SIGHUP raise `Interrupted` wherever the main thread is.

    Python drops an exception raised in a destructor or a callback; `held_back` therefore also looks whether a signal
    has arrived before it begins. In other threads than the main one, do nothing.
    """
    global _arrived
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, _raise) for s in _signals()}
    try:
        with _answered():
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
    """While the block runs, SIGINT, SIGTERM and SIGHUP are held back; in other threads than the main one, do nothing.

    The block looks at `pending.signum` where its state is consistent, saves, and raises `Interrupted`. A signal that is
    still pending when the block ends without an error raises it here.
    """
    pending = Pending()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    if _arrived is not None:
        raise Interrupted(_arrived)
    before = {s: signal.signal(s, pending.handle) for s in _signals()}
    try:
        with _answered():
            yield pending
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if pending.signum is not None:
        raise Interrupted(pending.signum)
