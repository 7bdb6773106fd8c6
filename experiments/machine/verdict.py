"""What is wrong with a machine, and what to do, in one line: from its facts and the outcomes of its probes."""

import re
from dataclasses import dataclass

from .facts import Facts
from .probes import Outcome

INSTALL = "pip install 'robint-tf[gpu]'"


@dataclass(frozen=True)
class Verdict:
    """What is wrong, and what to do: one line.

    ok: nothing is. computes: the device does, if not with XLA. jit: it does with XLA, too. passing: the reason may be
    gone at the next try.
    """

    ok: bool
    computes: bool
    jit: bool
    line: str
    passing: bool = False


def judge(facts: Facts, outcomes: dict[str, Outcome], device: str) -> Verdict:
    """The verdict on a machine whose probes ran on `device`: auto, cpu, gpu or gpu:N."""
    wants_gpu = device.startswith("gpu")
    if device != "cpu" and not facts.gpus and (wants_gpu or facts.driver_gpus or facts.driver):
        return Verdict(False, False, False, _no_gpu(facts))
    where = f"on {', '.join(facts.gpus)}" if facts.gpus and device != "cpu" else "on the CPU"
    for stage, what in (("convolution", "a convolution"), ("attack", "an attack without XLA")):
        if stage in outcomes and not outcomes[stage].ok:
            return _broken(facts, what, where, outcomes[stage].error or "")
    for stage in ("attack_xla", "training_xla"):
        if stage in outcomes and not outcomes[stage].ok:
            return _without_xla(facts, where, outcomes[stage].error or "")
    if where == "on the CPU":
        line = "ok: there is no GPU here that could be used, and the CPU works."
    else:
        line = f"ok: attacks and training work {where}, with XLA and without." + _not_known(facts)
    bfloat16 = outcomes.get("training_bfloat16")
    if bfloat16 is not None and not bfloat16.ok:
        line += f" Not with --precision mixed_bfloat16, though ({bfloat16.error}): leave that out."
    return Verdict(True, True, True, line)


def _not_known(facts: Facts) -> str:
    """A sentence about a cuDNN with which nobody is known to have tried all that XLA does."""
    from robint_tf.runtime.cuda import xla_unknown

    if not xla_unknown(facts.tensorflow, facts.cudnn):
        return ""
    return (
        f' cuDNN {facts.cudnn} is little known with XLA: if a command ends with "Autotuner", '
        "pip install -U 'nvidia-cudnn-cu12>=9.24', or --jit off."
    )


def _no_gpu(facts: Facts) -> str:
    """Why TensorFlow sees no GPU."""
    from robint_tf.runtime.cuda import numbers

    if not facts.driver_gpus:
        return (
            "no GPU: nvidia-smi lists none. Is there one, is its driver installed and, in a container, was it started "
            "with GPUs (docker run --gpus all)?"
        )
    seen = f"the driver has {', '.join(facts.driver_gpus)}, but TensorFlow sees no GPU"
    if not facts.cuda_build:
        return f"{seen}: this TensorFlow {facts.tensorflow} was built without CUDA. {INSTALL}"
    if facts.driver_cuda and facts.built_cuda and numbers(facts.driver_cuda)[:1] < numbers(facts.built_cuda)[:1]:
        return (
            f"{seen}: driver {facts.driver} knows CUDA {facts.driver_cuda} at most, and TensorFlow needs "
            f"{facts.built_cuda}. Install a newer driver."
        )
    if facts.cudnn is None:
        return f"{seen}: it finds no cuDNN. {INSTALL}"
    if facts.unopened:
        return f"{seen}: {facts.unopened[0]} does not open. {INSTALL} brings all libraries of CUDA."
    return f"{seen}: CUDA_VISIBLE_DEVICES hides it, or a library of CUDA does not open. {INSTALL} brings all of them."


def _broken(facts: Facts, what: str, where: str, error: str) -> Verdict:
    if re.search(r"RESOURCE_EXHAUSTED|ResourceExhausted|[Oo]ut of memory|OOM", error):
        advice = "another process holds the GPU's memory (nvidia-smi lists them): end it, or choose another --device."
        return Verdict(False, False, False, f"{what} {where} ran out of memory; {advice}", passing=True)
    advice = "Choose --device cpu until then."
    if re.search(r"no kernel image|NO_BINARY|[Ii]nvalid ?[Dd]evice", error):
        advice = f"TensorFlow {facts.tensorflow} has no code for this GPU: use another version of it. {advice}"
    elif re.search(r"(?i)cudnn", error):
        advice = f"cuDNN {facts.cudnn} does not work with TensorFlow {facts.tensorflow}: {INSTALL}. {advice}"
    elif re.search(r"driver version is insufficient|unsupported toolchain|UNSUPPORTED_PTX", error):
        advice = f"Driver {facts.driver} is too old: install a newer one. {advice}"
    return Verdict(False, False, False, f"{what} {where} failed ({error}). {advice}")


def _without_xla(facts: Facts, where: str, error: str) -> Verdict:
    """Where only XLA fails; commands then run without it unless --jit on is given."""
    from robint_tf.runtime.cuda import xla_aborts

    if re.search(r"RESOURCE_EXHAUSTED|[Oo]ut of memory|OOM", error):
        advice = "another process holds the GPU's memory (nvidia-smi lists them)."
        return Verdict(False, True, False, f"XLA {where} ran out of memory; {advice} Until then: --jit off.", True)
    advice = "Until that is repaired: --jit off, which --jit auto means here."
    if xla_aborts(facts.tensorflow, facts.cudnn) or "Autotuner could not find any supported configs" in error:
        advice = f"cuDNN {facts.cudnn} is too old for XLA: pip install -U 'nvidia-cudnn-cu12>=9.24'. {advice}"
    elif re.search(r"libdevice|[Pp]txas", error):
        advice = f"XLA needs CUDA's ptxas and libdevice: pip install -U nvidia-cuda-nvcc-cu12. {advice}"
    return Verdict(False, True, False, f"XLA fails {where} ({error}); everything works without it. {advice}")
