import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from robint_tf import recipes
from robint_tf.attacks import evaluation
from robint_tf.data import datasets as data
from robint_tf.runtime import device
from robint_tf.specs import PGD, AccuracySpec, ClassifierSpec, Training
from robint_tf.store.artifacts import Store


def test_accuracy_by_hand(linear_network, images):
    x, y = images
    logits = linear_network(x).numpy()
    found = evaluation.accuracy(linear_network, x, y, batch_size=3)
    hits = int(np.sum(logits.argmax(axis=1) == y))
    assert (found.value, found.n) == (hits / 10, 10)
    z, n, p = 1.959963984540054, 10, hits / 10
    centre, half = (p + z**2 / (2 * n)), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found.interval == pytest.approx(((centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)))
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(10), y]
    assert found.loss == pytest.approx(losses.mean(), rel=1e-5)


def test_an_attack_lowers_the_accuracy_of_a_linear_network_to_what_its_margin_allows(linear_network, images):
    x, _ = images
    w, _ = linear_network.get_weights()
    logits = linear_network(x).numpy()
    y = logits.argmax(axis=1)
    others = np.delete(np.arange(3)[None].repeat(10, 0).ravel(), np.arange(10) * 3 + y).reshape(10, 2)
    margins = [
        [(row[true] - row[other]) / np.linalg.norm(w[:, true] - w[:, other]) for other in pair]
        for row, true, pair in zip(logits, y, others, strict=True)
    ]
    eps = float(np.median(np.min(margins, axis=1)))
    attack = PGD(norm="l2", eps=eps, step_size=0.1 * eps, n_steps=60, loss="cw_masked")
    found = evaluation.accuracy(linear_network, x, y, attack)
    assert evaluation.accuracy(linear_network, x, y).value == 1
    assert found.value == pytest.approx(np.mean(np.min(margins, axis=1) > eps), abs=0.11)
    assert "interval" in str(found)


def test_a_difference_is_paired_and_told_with_its_interval(linear_network, images):
    """By hand: of ten images two are gained and one is lost; Agresti and Min add half a trial to each of four cells."""
    x, _ = images
    changed = x[::-1].copy()
    before, after = (np.asarray(linear_network(each)).argmax(axis=-1) for each in (x, changed))
    (differ,) = np.nonzero(before != after)
    y = np.where(before == after, before, 3 - before - after)  # right in both, or in none
    y[differ[:2]], y[differ[2]] = after[differ[:2]], before[differ[2]]
    found = evaluation.difference(linear_network, x, changed, y[:, None])
    assert (found.value, found.n) == (pytest.approx(0.1), 10)
    assert found.before.value == np.mean(before == y)
    assert found.after.value == pytest.approx(found.before.value + 0.1)
    middle, sd = (2.5 - 1.5) / 12, np.sqrt((2.5 + 1.5) / 12 - (1 / 12) ** 2)
    np.testing.assert_allclose(found.interval, [middle - 1.959964 * sd / 12**0.5, middle + 1.959964 * sd / 12**0.5])
    assert str(found).startswith("+10.00 points of accuracy (95% interval -")
    with pytest.raises(ValueError, match="give one for each"):
        evaluation.difference(linear_network, x, changed[:5], y)


def test_saturated_images_are_reported():
    network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    network.set_weights([np.array([[1e6, -1e6], [0, 0]], np.float32), np.zeros(2, np.float32)])
    x = np.full((3, 2), 0.5, np.float32)
    found = evaluation.accuracy(network, x, np.zeros(3, np.int32), PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=2))
    assert (found.n_saturated, found.n_unchanged) == (3, 3)
    assert "the attack left 3 images unchanged; 3 images had a gradient of zero at every step" in str(found)


def test_unchanged_images_are_kept_with_an_accuracy_and_unknown_where_nobody_counted(tmp_path):
    toy, store = data.load("toy"), Store(tmp_path)
    networks = recipes.Networks(toy, store)
    weak = AccuracySpec(
        classifier=ClassifierSpec(dataset="toy", training=Training(epochs=0)),
        attack=PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=1),
        n_test=20,
    )
    found = recipes.measured_accuracy(weak, networks)
    assert found.n_unchanged == 0
    assert recipes.measured_accuracy(weak, networks) == found
    older = replace(weak, n_test=10)
    kept = {name: np.array(value) for name, value in vars(found).items() if name != "n_unchanged"}
    inputs = toy.train.fingerprint.key, toy.test.take(10).fingerprint.key
    store.fetch(older, lambda _: (kept, {}), *inputs, made_with=device.describe())
    found = recipes.measured_accuracy(older, networks)
    assert found.n_unchanged is None
    assert "unchanged" not in str(found)


LATE = """
import numpy as np, tensorflow as tf
from robint_tf.runtime import device
from robint_tf.errors import DeviceError

device.configure("cpu", threads=3)
tf.zeros([]).numpy()  # now it runs
device.configure("cpu", threads=3)  # nothing changes
try:
    device.configure("cpu", threads=2)
except DeviceError as error:
    print(error)
"""


def test_settings_that_come_too_late_are_refused_and_those_in_force_are_not():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert "the number of threads can no longer be set to 2 (it is 3)" in done.stdout


def test_importing_the_library_leaves_standard_error_alone():
    code = (
        "import os\nmoved = []\nos.dup2 = lambda *a, **k: moved.append(a)\n"
        "import robint_tf.runtime.device\nassert not moved and 'TF_CPP_MIN_LOG_LEVEL' not in os.environ"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_device_settings():
    assert device.configure("cpu") == device.name()
    assert device.name().endswith("CPU:0")
    assert not device.jit_compile()
    device.configure("cpu", jit="on")
    assert device.jit_compile()
    device.configure("cpu")
    with pytest.raises(ValueError, match="jit is 'maybe'"):
        device.configure("cpu", jit="maybe")
    with pytest.raises(ValueError, match=r"'gpu:9' but TensorFlow sees"):
        device.configure("gpu:9")
    about = device.describe()
    assert about["device"] == "CPU"
    assert about["threads"] >= 1
    assert about["processor"].split()[0] in ("x86_64", "aarch64", "arm64", "AMD64")
