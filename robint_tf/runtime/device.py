"""Where and how TensorFlow runs: device, memory, compilation, arithmetic.

Call `configure` before any model. Who does not gets its defaults at the first use of the library (`begin`).
"""

import contextlib
import functools
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robint_tf import __version__, checks
from robint_tf.errors import DeviceError, InputError
from robint_tf.runtime import cuda
from robint_tf.specs import MATHEMATICS

JIT_CHOICES = ("auto", "on", "off")
TRAINING_BLOCK = 50
"""Batches in one call of a training loop that XLA compiles for a GPU: few launches, and seconds where a GPU is slow."""


@dataclass
class _Settings:
    jit: str = "auto"
    deterministic: bool = False
    begun: bool = False


_settings = _Settings()
_XLA = ContextVar("xla", default=True)
"""Whether what is being compiled may go through XLA at all."""


def configure(
    device: str = "auto",
    *,
    jit: str = "auto",
    deterministic: bool = False,
    threads: int | None = None,
    tf32: bool = False,
) -> str:
    """Choose the device and return its name, e.g. "/device:CPU:0".

    device: "auto" (the first GPU if there is one), "cpu", "gpu" or "gpu:1". jit: whether loops are compiled by XLA;
    "auto" means on GPUs only (on CPUs its convolution gradients are about ten times slower). deterministic: switch on
    TensorFlow's op determinism, which excludes XLA: with it "auto" means off, and "on" is refused. tf32: on GPUs round
    the factors of float32 products and convolutions to 10 bits (TensorFloat-32), which is faster; numbers of the
    authors are not reached so. A GPU's memory is taken as it is needed. `ValueError` if the device does not exist,
    `DeviceError` if TensorFlow runs already with another device or number of threads: it cannot change these any more,
    nor how it takes memory. jit, tf32 and deterministic=True can be chosen at any time; "auto" then keeps the device.
    """
    index = check_name(device)
    checks.one_of("jit", jit, JIT_CHOICES)
    if deterministic and jit == "on":
        raise InputError("jit is 'on' and deterministic is True, which exclude each other; choose one of them.")
    gpus = tf.config.list_physical_devices("GPU")
    wants_gpu = device.lower().startswith("gpu")
    if wants_gpu and index >= len(gpus):
        raise InputError(
            f"device is {device!r} but TensorFlow sees {len(gpus)} GPU(s); install robint-tf[gpu] or use cpu."
        )
    wanted = [] if device.lower() == "cpu" else gpus[index : index + 1]
    visible = tf.config.get_visible_devices("GPU")
    runs_there = device.lower() == "auto" or visible[:1] == wanted  # models take the first visible one
    with contextlib.suppress(DeviceError) if runs_there else contextlib.nullcontext():
        _set("the device", visible, wanted, tf.config.set_visible_devices, wanted, "GPU")
    _let_memory_grow(gpus)
    if threads is not None:
        pools = tf.config.threading
        for now, change in (
            (pools.get_intra_op_parallelism_threads(), pools.set_intra_op_parallelism_threads),
            (pools.get_inter_op_parallelism_threads(), pools.set_inter_op_parallelism_threads),
        ):
            _set("the number of threads", now, threads, change, threads)
    _settings.jit, _settings.deterministic, _settings.begun = jit, deterministic, True
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    return name()


def begin() -> None:
    """The defaults of `configure` for whoever did not call it, at the first use of the library; later calls do nothing.

    Where there are GPUs, TensorFloat-32 is switched off, in the whole process, which a warning says; their memory is
    taken as it is needed if TensorFlow did not start before. The device stays TensorFlow's choice.
    """
    if _settings.begun:
        return
    _settings.begun = True
    gpus = tf.config.list_physical_devices("GPU")
    _let_memory_grow(gpus)
    if gpus and tf.config.experimental.tensor_float_32_execution_enabled():
        tf.config.experimental.enable_tensor_float_32_execution(False)
        warnings.warn(
            "TensorFlow's TensorFloat-32 is now off in this process: results are of float32. To choose otherwise, or "
            "to be silent, call robint_tf.runtime.device.configure(tf32=True) or configure() before anything else.",
            stacklevel=3,
        )


def _let_memory_grow(gpus: list[Any]) -> None:
    """Take memory as it is needed; where TensorFlow runs already, or was given limits, it stays as it is."""
    for gpu in gpus:
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def check_name(device: str) -> int:
    """The number of the GPU that a device's name means, 0 where it gives none. `ValueError` for what is no name."""
    match = re.fullmatch(r"auto|cpu|gpu(?::(\d+))?", device.lower())
    if match is None:
        raise InputError(f"device is {device!r}; choose auto, cpu, gpu or gpu:N.")
    return int(match[1] or 0)


def _set(what: str, now: Any, wanted: Any, change: Callable[..., None], *arguments: Any) -> None:
    """Call change(*arguments) unless the setting is as wanted; `DeviceError` where it is too late for that."""
    if now == wanted:
        return
    try:
        change(*arguments)
    except RuntimeError as error:
        raise DeviceError(
            f"TensorFlow runs already, and {what} can no longer be set to {wanted!r} (it is {now!r}); call "
            "device.configure before anything else uses TensorFlow, or start a new process."
        ) from error


def name() -> str:
    """The device that models run on."""
    logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return logical[0].name


def on_cpu() -> bool:
    """Whether models run on the CPU, by choice or because there is no GPU."""
    return not tf.config.list_logical_devices("GPU")


def jit_compile() -> bool:
    """Whether compiled loops go through XLA: the one place that decides it.

    Where nothing else was chosen, GPUs use it unless it is known to fail there (`cuda.xla_works`).
    """
    begin()
    if not _XLA.get() or _settings.deterministic or _settings.jit == "off":
        return False
    return _settings.jit == "on" or (not on_cpu() and cuda.xla_works())


@contextlib.contextmanager
def xla(allowed: bool) -> Iterator[None]:
    """What is compiled while the block runs goes through XLA only if that is allowed, whatever was chosen."""
    token = _XLA.set(allowed and _XLA.get())
    try:
        yield
    finally:
        _XLA.reset(token)


def training_block() -> int:
    """Batches that a training takes in one call where XLA compiles the loop over them; 1: one call for each."""
    return TRAINING_BLOCK if jit_compile() and not on_cpu() else 1


def tf32() -> bool:
    """Whether products of float32 numbers may be computed in TensorFloat-32, which GPUs alone have."""
    begin()
    return not on_cpu() and tf.config.experimental.tensor_float_32_execution_enabled()


def describe() -> dict[str, Any]:
    """What a result is made with: versions, device, determinism, whether loops go through XLA.

    On CPUs also the processor and its threads, which change no number that a GPU computes.
    """
    begin()
    here = {
        "processor": processor(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or _threads_by_environment() or n_cores(),
    }
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")[:1]]
    switches = {name: os.environ[name] for name in SWITCHES if os.environ.get(name)}
    return {
        "robint_tf": __version__,
        "mathematics": MATHEMATICS,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "device": ", ".join(d.get("device_name", "GPU") for d in details) or "CPU",
        **(here if on_cpu() else {}),
        "deterministic": _settings.deterministic,
        "jit": jit_compile(),
        **({} if on_cpu() else {"tf32": tf32()}),
        **({"environment": " ".join(f"{k}={v}" for k, v in switches.items())} if switches else {}),
    }


SWITCHES = (
    "TF_ENABLE_ONEDNN_OPTS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "TF_NUM_INTEROP_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
"""Variables of the environment that change the arithmetic of TensorFlow's kernels."""


def _threads_by_environment() -> int:
    """What TensorFlow takes from TF_NUM_INTRAOP_THREADS where no number of threads is set; 0 if it says none."""
    try:
        return max(int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0")), 0)
    except ValueError:
        return 0


def n_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def processor() -> str:
    """The processor's generation, as far as arithmetic depends on it: architecture and widest vector instructions."""
    flags: set[str] = set()
    with contextlib.suppress(OSError):
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        flags = set(found[1].split()) if found else set()
    known = [name for name in VECTOR_INSTRUCTIONS if name in flags]
    return " ".join([platform.machine(), *known])


VECTOR_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "sve", "sve2")
"""What TensorFlow's kernels choose their code by."""
