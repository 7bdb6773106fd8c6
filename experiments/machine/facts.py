"""Versions of what computes here, the driver, and the GPUs."""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from ..quiet import load_tensorflow


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is installed and found.

    cuda_build: whether TensorFlow was built for CUDA; built_cuda, built_cudnn: which. cudnn: the one that is used.
    driver_cuda: the newest CUDA that the driver knows. driver_gpus: as the driver names them; gpus: as TensorFlow does.
    unopened: libraries that do not open where TensorFlow misses a GPU that the driver has.
    """

    python: str
    tensorflow: str
    keras: str
    cuda_build: bool = False
    built_cuda: str | None = None
    built_cudnn: str | None = None
    cudnn: str | None = None
    wheels: dict[str, str] = field(default_factory=dict)
    driver: str | None = None
    driver_cuda: str | None = None
    driver_gpus: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    unopened: tuple[str, ...] = ()


def gather() -> Facts:
    """The facts of this machine. Loads TensorFlow, and uses no GPU."""
    load_tensorflow()
    import keras
    import tensorflow as tf

    from robint_tf.runtime import cuda

    build: dict[str, Any] = dict(tf.sysconfig.get_build_info())
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    of_driver = driver(said_by_nvidia_smi())
    missed = bool(of_driver["driver_gpus"]) and not gpus and bool(build.get("is_cuda_build"))
    return Facts(
        python=platform.python_version(),
        tensorflow=tf.__version__,
        keras=keras.__version__,
        cuda_build=bool(build.get("is_cuda_build")),
        built_cuda=build.get("cuda_version"),
        built_cudnn=build.get("cudnn_version"),
        cudnn=cuda.cudnn(),
        wheels=cuda.wheels(),
        gpus=tuple(d.get("device_name", gpu.name) for d, gpu in zip(details, gpus, strict=True)),
        unopened=unopened(said_by_tensorflow()) if missed else (),
        **of_driver,
    )


LOOKING = "import tensorflow as tf; tf.config.list_physical_devices('GPU')"


def said_by_tensorflow() -> str:
    """What TensorFlow says while it looks for GPUs, in a process that lets it say everything."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "3"}
    command = [sys.executable, "-P", "-c", LOOKING]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stderr


def unopened(said: str) -> tuple[str, ...]:
    """The libraries that TensorFlow could not load, by what it said.

    >>> unopened("I0000 dso_loader.cc:144] Could not load dynamic library 'libcudnn.so.9'; dlerror: no such file")
    ('libcudnn.so.9',)
    """
    return tuple(dict.fromkeys(re.findall(r"Could not load dynamic library '([^']+)'", said)))


def said_by_nvidia_smi() -> str:
    """What `nvidia-smi` prints, then its list of GPUs; nothing where there is none or it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    text = ""
    for options in ([], ["-L"]):
        try:
            text += subprocess.run([program, *options], capture_output=True, text=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return text
    return text


def driver(said: str) -> dict[str, Any]:
    """Version of the driver, the CUDA that it knows, and its GPUs, from what `nvidia-smi` said.

    >>> driver("| Driver Version: 560.35.03  CUDA Version: 12.6 |\\nGPU 0: NVIDIA H200 (UUID: GPU-1)")
    {'driver': '560.35.03', 'driver_cuda': '12.6', 'driver_gpus': ('NVIDIA H200',)}
    """
    version, cuda = (re.search(rf"{what} Version:\s*([\d.]+)", said) for what in ("Driver", "CUDA"))
    return {
        "driver": version and version[1],
        "driver_cuda": cuda and cuda[1],
        "driver_gpus": tuple(re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*\))?$", said, re.MULTILINE)),
    }
