"""Small computations on a device, in processes of their own: some errors of CUDA's libraries end the process.

`run` starts them; as a program, this module does the stages that its arguments name, after the device.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robint_tf.specs import Precision

SECONDS = 600
"""For one process: drivers compile kernels at the first use, which may take minutes."""
NOISE = re.compile(r"Unable to register \w+ factory|All log messages before absl::InitializeLog")
"""What versions of TensorFlow say at every start on a machine with a GPU, of which nothing follows."""
TRAINED = 3  # batches of the stages that train, in one call
PROGRAM = f"import {__name__} as probes; probes.main()"


@dataclass(frozen=True)
class Outcome:
    """How a stage went. seconds: with compiling; error: one line."""

    ok: bool
    seconds: float | None = None
    error: str | None = None


def run(
    device: str, stages: "Collection[str] | None" = None, *, seconds: float | None = None, program: str = PROGRAM
) -> dict[str, Outcome]:
    """The outcomes of stages on a device. seconds: for all of them together; program: what a process runs."""
    left = list(STAGES if stages is None else stages)
    outcomes: dict[str, Outcome] = {}
    end_of_all = time.monotonic() + (1e9 if seconds is None else seconds)
    while left:
        found, end = _process(device, left, program, min(SECONDS, max(1.0, end_of_all - time.monotonic())))
        outcomes |= found
        left = [stage for stage in left if stage not in found]
        if left:  # the process ended within this stage
            outcomes[left.pop(0)] = Outcome(False, error=end)
    return outcomes


def _process(device: str, stages: list[str], program: str, seconds: float) -> tuple[dict[str, Outcome], str]:
    """The outcomes of the stages that one process finished, and one line about how it ended."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-P", "-c", program, device, *stages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
        said, log, end = done.stdout, done.stderr, _ending(done.returncode)
    except subprocess.TimeoutExpired as late:
        said, log = (part.decode() if isinstance(part, bytes) else part or "" for part in (late.stdout, late.stderr))
        end = f"no answer within {seconds:.0f} seconds"
    outcomes = {}
    for line in said.splitlines():
        try:
            name, outcome = json.loads(line)
        except (json.JSONDecodeError, ValueError, TypeError):
            continue  # not ours
        outcomes[name] = Outcome(**outcome)
    return outcomes, f"{end}: {telling_line(log)}"


def _ending(code: int) -> str:
    if code >= 0:
        return f"the process ended with exit code {code}"
    try:
        return f"the process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the process was ended by signal {-code}"


def telling_line(log: str) -> str:
    """The line of a log that says most: a fatal one, else the last error, else the last; without date and place.

    >>> telling_line("E0000 00:00:1.2   3 a.cc:1] first\\nF0000 00:00:1.2   3 b.cc:2] Autotuner failed\\n*** stack")
    'Autotuner failed'
    >>> telling_line("E0000 00:00:1.2   3 a.cc:1] Unable to register cuDNN factory")
    'it said nothing'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip() and not NOISE.search(line)]
    for pattern in (r"^F\d{4} |^20\S+ \S+ F ", r"rror: |^E\d{4} |^20\S+ \S+ E "):
        if telling := [line for line in lines if re.search(pattern, line)]:
            return telling[-1].split("] ", 1)[-1][:400]
    return lines[-1][:400] if lines else "it said nothing"


def _convolution(device_name: str) -> None:
    """A convolution with bias and ReLU, and its gradients, beside the CPU's."""
    import numpy as np
    import tensorflow as tf

    from robint_tf.runtime import device

    device.configure(device_name, jit="off")
    rng = np.random.default_rng(0)
    x, kernel, bias = (rng.normal(size=s).astype("float32") for s in ((8, 16, 16, 8), (3, 3, 8, 16), (16,)))

    def values() -> list:
        with tf.GradientTape() as tape:
            given = [tf.constant(a) for a in (x, kernel, bias)]
            tape.watch(given)
            loss = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(given[0], given[1], 1, "SAME") + given[2]) ** 2)
        return [loss.numpy(), *(g.numpy() for g in tape.gradient(loss, given))]

    found = values()
    with tf.device("CPU:0"):
        expected = values()
    for a, b in zip(found, expected, strict=True):
        if not np.abs(a - b).max() <= 1e-3 * np.abs(b).max():
            raise ArithmeticError(f"its values differ from the CPU's by {np.abs(a - b).max() / np.abs(b).max():.1e}")


def _attack(device_name: str, jit: str) -> None:
    """Three steps of PGD on the CIFAR-10 network, as `attack_dataset` compiles them."""
    import numpy as np

    from robint_tf.attacks import pgd
    from robint_tf.networks import classifiers
    from robint_tf.runtime import device
    from robint_tf.specs import PGD

    device.configure(device_name, jit=jit)
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 32, 32, 3)).astype("float32")
    attack = PGD(norm="l2", eps=1.0, step_size=0.5, n_steps=3)
    found = pgd.attack_dataset(classifiers.build("cifar_cnn"), x, np.arange(4), attack, check=False)
    lengths = np.linalg.norm((found.x_adv - x).reshape(4, -1), axis=1)
    if not np.abs(lengths - 1).max() < 0.01:
        raise ArithmeticError(f"an attack of radius 1 moved the images by {lengths.min():.3g} to {lengths.max():.3g}")


def _training(device_name: str, precision: "Precision") -> None:
    """Three batches of adversarial training in one call, of the CIFAR-10 network with batch normalisation, by XLA.

    What an attack does not need: gradients to kernels, biases and statistics, Adam, and a loop in a loop.
    """
    import keras
    import numpy as np

    from robint_tf.networks import classifiers
    from robint_tf.runtime import device
    from robint_tf.specs import PGD, Training
    from robint_tf.training import fit_classifier

    device.configure(device_name, jit="on")
    device.TRAINING_BLOCK = TRAINED
    stages = classifiers.cifar_cnn()
    n = 100 * TRAINED  # as in the study: a GPU's libraries choose their code by shape
    if device.on_cpu():  # commands use no XLA there
        stages, n = [stages[0], stages[2], stages[6], stages[-1]], 4 * TRAINED
    stages.insert(1, keras.layers.BatchNormalization())
    for layer in stages[:-1]:
        layer.dtype_policy = keras.DTypePolicy(precision)
    stages.insert(0, keras.layers.Input((32, 32, 3)))
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (n, 32, 32, 3)).astype("float32")
    settings = Training(epochs=1, batch_size=n // TRAINED, shuffle=True, precision=precision)
    attack = PGD(norm="linf", eps=0.1, step_size=0.05, n_steps=3)
    found = fit_classifier(keras.Sequential(stages), x, np.arange(n) % 10, settings, attack, initialise=True)
    if not 0.5 < found.loss[0] < 50:
        raise ArithmeticError(f"the loss of a training that begins is {found.loss[0]:.3g}, not about 2.3")


STAGES: dict[str, Callable[[str], None]] = {
    "convolution": _convolution,
    "attack": lambda device: _attack(device, "off"),
    "attack_xla": lambda device: _attack(device, "on"),
    "training_xla": lambda device: _training(device, "float32"),
    "training_bfloat16": lambda device: _training(device, "mixed_bfloat16"),
}
"""In this order; what each needs, those before it have shown."""


def main() -> None:
    """Do stages, and print a line of JSON for each that is over: its name and its outcome."""
    device, *stages = sys.argv[1:]
    for name in stages:
        began = time.monotonic()
        try:
            STAGES[name](device)
            outcome = Outcome(True, round(time.monotonic() - began, 2))
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            outcome = Outcome(False, error=f"{type(error).__name__}: {first}"[:400])
        print(json.dumps([name, asdict(outcome)]), flush=True)
