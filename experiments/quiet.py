"""Loading TensorFlow without its notices. For commands only: the library leaves its caller's standard error alone."""

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

HAS_NVIDIA_DRIVER = Path("/proc/driver/nvidia").exists() or Path("/dev/dxg").exists()  # the latter in WSL


def load_tensorflow() -> ModuleType:
    """Load TensorFlow, and return the module that says where it runs, `robint_tf.runtime.device`.

    TensorFlow's notices (oneDNN is on, CUDA was not found) tell a researcher nothing, and no log level silences them
    all. They are shown where they may explain why a GPU is missing, and when loading fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if HAS_NVIDIA_DRIVER else "3")
    if "tensorflow" in sys.modules:
        from robint_tf.runtime import device
    else:
        with _standard_error_held(always_show=HAS_NVIDIA_DRIVER):
            from robint_tf.runtime import device
    return device


@contextlib.contextmanager
def deprecations_unsaid() -> Iterator[None]:
    """While the block runs, TensorFlow does not warn of what its own functions call and it deprecates."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _standard_error_held(*, always_show: bool) -> Iterator[None]:
    """Hold back what is written to file descriptor 2, also by C++; it is shown when the block raises."""
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        show = always_show
        try:
            yield
        except BaseException:
            show = True
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if show:
                held.seek(0)
                with contextlib.suppress(OSError):
                    os.write(2, telling(held.read()))


def telling(said: bytes) -> bytes:
    """What TensorFlow said when it was loaded, without what some versions say on every machine with a GPU.

    >>> telling(b"E0000 a.cc:1] Unable to register cuDNN factory\\nW0000 b.cc:2] Cannot dlopen a library\\n")
    b'W0000 b.cc:2] Cannot dlopen a library\\n'
    """
    noise = rb"Unable to register \w+ factory|All log messages before absl::InitializeLog"
    return b"".join(line for line in said.splitlines(keepends=True) if not re.search(noise, line))
