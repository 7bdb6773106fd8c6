"""One contender, one task, one fresh process: `suite.py` starts it and reads the one line of JSON it prints."""

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    job = json.loads(sys.argv[1])
    cores = job["cores"]
    os.sched_setaffinity(0, cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(len(cores))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    out = {"probe": probe, "judge": judge, "time": measure, "profile": profile, "start": start, "losses": losses}
    print(json.dumps(out[job["do"]](job)))


def _threads(n: int, module: str) -> None:
    if module == "pytorch":
        import torch

        torch.set_num_threads(n)
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(n)


def prepared(job: dict, *more: Any) -> tuple[Callable, Any]:
    """What a contender runs, and the problem; `more` goes to the contender's function."""
    import importlib

    import contenders
    import problem

    module, function = job["contender"].split(":")
    _threads(len(job["cores"]), module)
    task = contenders.Job(**job["task"])
    given = problem.load(task.architecture, Path(job["problem"]))
    return getattr(importlib.import_module(f"contenders.{module}"), function)(given, task, *more), given


def inputs(job: dict, given: Any) -> tuple:
    """The images that one run takes, and what belongs to each."""
    import numpy as np

    repeat = np.resize(np.arange(len(given.x)), job["task"]["n_images"])
    x, y = given.x[repeat], given.y[repeat]
    if job["task"]["kind"] == "occlusion":
        y = np.random.default_rng(0).random(x.shape[:3]).astype(np.float32)
    return x, y


def measure(job: dict) -> dict:
    """Seconds of each timed run, after one to warm up."""
    import numpy as np

    run, given = prepared(job)
    x, y = inputs(job, given)
    result = run(x, y)
    seconds = []
    for _ in range(job["runs"]):
        began, busy = time.perf_counter(), time.process_time()
        result = run(x, y)
        seconds.append(time.perf_counter() - began)
        busy = (time.process_time() - busy) / seconds[-1]
    if job.get("keep"):
        np.save(job["keep"], result)
    return {"seconds": seconds, "cores_busy": busy}


def profile(job: dict) -> dict:
    """Seconds of each run, as `measure` takes them; `job["mark"]` is printed before the first and after the last.

    Between the two stands what oneDNN prints of its primitives where ONEDNN_VERBOSE is set.
    """
    run, given = prepared(job)
    x, y = inputs(job, given)
    run(x, y)
    print(job["mark"], flush=True)
    seconds = []
    for _ in range(job["runs"]):
        began = time.perf_counter()
        run(x, y)
        seconds.append(time.perf_counter() - began)
    ctypes.CDLL(None).fflush(None)
    print(job["mark"], flush=True)
    return {"seconds": seconds}


def start(job: dict) -> dict:
    """Writes what the compared losses of a VAE-GAN start from."""
    import problem

    problem.make_start(job["task"]["architecture"], job["task"]["n_images"], Path(job["start"]))
    return {}


def losses(job: dict) -> dict:
    """The losses of a VAE-GAN's training step, in the order of its runs, from the weights and the noise of a file."""
    import numpy as np

    with np.load(job["start"]) as file:
        weights = {name: file[name] for name in file.files}
    noise = weights.pop("noise")
    run, given = prepared(job, weights)
    return {"losses": [float(loss) for loss in run(given.x[: noise.shape[1]], noise)]}


def probe(job: dict) -> dict:
    """GFLOP/s of a square matmul, the best of some: what the machine can give right now."""
    _threads(len(job["cores"]), "tf")
    import tensorflow as tf

    rates = {}
    for dtype in (tf.float32, tf.bfloat16):
        a = tf.cast(tf.random.stateless_uniform([2048, 2048], [0, 0]), dtype)
        tf.matmul(a, a)
        took = []
        for _ in range(8):
            began = time.perf_counter()
            tf.matmul(a, a).numpy()
            took.append(time.perf_counter() - began)
        rates[dtype.name] = 2 * 2048**3 / min(took) / 1e9
    return rates


def judge(job: dict) -> dict:
    """Largest perturbation and mean loss of kept adversarial examples, by the float32 Keras network."""
    import numpy as np
    import problem
    import tensorflow as tf

    given = problem.load(job["task"]["architecture"], Path(job["problem"]))
    network = given.network()
    verdicts = {}
    for name, file in job["files"].items():
        x_adv = np.load(file)
        x, y = given.x[: len(x_adv)], given.y[: len(x_adv)]
        delta = np.abs(x_adv - x).reshape(len(x), -1)
        length = np.sqrt((delta**2).sum(axis=1)) if job["task"]["norm"] == "l2" else delta.max(axis=1)
        clean, loss = (
            float(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, network(images))))
            for images in (x, x_adv)
        )
        verdicts[name] = {
            "largest_perturbation": float(length.max()),
            "largest_pixel": float(np.abs(x_adv).max()),
            "clean_loss": clean,
            "loss": loss,
        }
    return verdicts


if __name__ == "__main__":
    main()
