"""NVIDIA's libraries as this process has them, and which of them XLA cannot work with."""

import ctypes
import functools
import re
import warnings
from importlib import metadata
from pathlib import Path

import tensorflow as tf

XLA_ABORTS = {"2.21": ((9, 3), (9, 5))}
"""By version of TensorFlow, the oldest and newest cuDNN with which its XLA aborts the process at a convolution.

Seen with 9.3 (calad0i/HGQ2#14) and 9.5.1 (aws/deep-learning-containers#6417); 9.24 works.
"""
XLA_UNKNOWN = {"2.21": ((9, 6), (9, 7))}
"""The same for those with which it may."""


def wheels() -> dict[str, str]:
    """NVIDIA's libraries that are installed as Python packages, with their versions."""
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return {name: found[name] for name in sorted(found) if name.lower().startswith("nvidia-")}


def cudnn() -> str | None:
    """The version of the cuDNN that is loaded, which TensorFlow does when it finds a GPU; else of the installed one."""
    try:
        paths = re.findall(r"(/\S*libcudnn\.so\S*)$", Path("/proc/self/maps").read_text(), re.MULTILINE)
        return version_of(ctypes.CDLL(paths[0]).cudnnGetVersion())
    except (OSError, IndexError, AttributeError):
        return next((v for name, v in wheels().items() if name.startswith("nvidia-cudnn")), None)


def version_of(number: int) -> str:
    """What cuDNN's number of its version says.

    >>> version_of(90501), version_of(8907)
    ('9.5.1', '8.9.7')
    """
    major = 10_000 if number >= 10_000 else 1_000
    return f"{number // major}.{number % major // 100}.{number % 100}"


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version.

    >>> numbers("9.3.0.75"), numbers("2.21.0rc1"), numbers("none")
    ((9, 3, 0, 75), (2, 21, 0), ())
    """
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def xla_aborts(tensorflow: str, cudnn: str | None) -> bool:
    """Whether XLA of this version of tensorflow is known to abort at a convolution with this version of cudnn."""
    return _within(XLA_ABORTS, tensorflow, cudnn)


def xla_unknown(tensorflow: str, cudnn: str | None) -> bool:
    """Whether XLA of tensorflow may abort with cudnn, a version close to those with which it does."""
    return _within(XLA_UNKNOWN, tensorflow, cudnn)


def _within(table: dict[str, tuple[tuple, tuple]], tensorflow: str, cudnn: str | None) -> bool:
    known = table.get(".".join(map(str, numbers(tensorflow)[:2])))
    return known is not None and cudnn is not None and known[0] <= numbers(cudnn)[:2] <= known[1]


@functools.cache
def xla_works() -> bool:
    """Whether nothing is known against XLA on this process's GPU; warns once where something is."""
    version = cudnn()
    if not xla_aborts(tf.__version__, version):
        return True
    warnings.warn(
        f"XLA of TensorFlow {tf.__version__} aborts on convolutions with cuDNN {version}; going on without XLA. "
        "cuDNN 9.24 or later works: pip install -U nvidia-cudnn-cu12.",
        stacklevel=3,
    )
    return False
