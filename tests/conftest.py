"""Shared fixtures."""

import os
import random
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `robint` does: two processes share two cores
if "PYTEST_XDIST_WORKER" in os.environ:  # there is one of them for each core
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import settings

# A test that passed once passes again, in this process and in those that it starts. TensorFlow cannot switch this off
# in a process that has it on; `test_default_mode.py` repeats some tests in a process without it, as users run.
if os.environ.get("ROBINT_TEST_MODE") != "default":
    tf.config.experimental.enable_op_determinism()
    os.environ["ROBINT_DETERMINISTIC"] = "1"

tf.config.experimental.enable_tensor_float_32_execution(False)  # the authors' numbers are float32
if "ROBINT_TEST_JIT" in os.environ:  # on, off: whether XLA compiles where these tests run on a GPU
    from robint_tf.runtime import device

    device.configure("auto", jit=os.environ["ROBINT_TEST_JIT"])

# The same examples on every run, so that a test that passed here passes elsewhere; `--hypothesis-profile search` looks
# for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, max_examples=1000)
settings.load_profile("repeatable")


LONGEST = ("commands", "interpretability", "cluster", "section_2_1", "xla", "attacks", "provenance", "recipes")


def pytest_collection_modifyitems(items):
    """Files that take longest come first, so that no process is left with one of them at the end."""
    rank = {f"test_{name}.py": i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


SPENT = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[SPENT] = []


def pytest_sessionfinish(session):
    """Of each process of pytest: CPU seconds of its own, and of the processes that its tests started."""
    own, started = (sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["spent"] = own, started
    elif not session.config.stash[SPENT]:
        session.config.stash[SPENT].append((own, started))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    if "spent" in getattr(node, "workeroutput", {}):
        node.config.stash[SPENT].append(node.workeroutput["spent"])


def pytest_terminal_summary(terminalreporter, config):
    own, started = (sum(seconds) for seconds in zip(*config.stash[SPENT], strict=True))
    terminalreporter.write_line(f"CPU: {own:.0f} s in the tests' own processes, {started:.0f} s in those they started")


@pytest.fixture(autouse=True, scope="module")
def seeded_module():
    """Keras draws the seeds of what has none from here: a test that passed once passes again, also by itself."""
    random.seed(0)


@pytest.fixture(autouse=True)
def seeded():
    """The same for each test, after what its module shares was made."""
    random.seed(0)


@pytest.fixture
def linear_network():
    """Logits x W + b over a 3 x 3 x 1 image: gradients and attacks can be worked by hand."""
    network = keras.Sequential([keras.layers.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=(9, 3)).astype("float32"), rng.normal(size=3).astype("float32")])
    return network


@pytest.fixture
def images():
    """Ten small images in [-0.5, 0.5] and their labels."""
    rng = np.random.default_rng(1)
    return rng.uniform(-0.5, 0.5, (10, 3, 3, 1)).astype("float32"), rng.integers(0, 3, 10).astype("int32")


@pytest.fixture
def robint(tmp_path, monkeypatch):
    """Run `robint` in this process, in an empty folder with a store of its own."""
    from robint_experiments.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBINT_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("ROBINT_DATA_DIR", raising=False)

    def run(*args, code=0):
        result = CliRunner().invoke(main, [str(a) for a in args])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result.output

    return run
