"""Attributions against Captum and Zennit, whose numbers `tools/attribution_oracles.py` has put on file."""

import importlib.util
import sys
from pathlib import Path

import goldens
import keras
import numpy as np
import pytest
from keras import layers

from robint_tf.interpretability import attributions

GOLDEN = goldens.load("attribution_oracles")
PARTS = ("x", "colour", "image", *(f"w{i}" for i in range(20)))
KEYS = sorted(key for key in GOLDEN if key != "meta" and key.partition("/")[2] not in PARTS)
TOLERANCES = {"lrp_epsilon": 5e-4, "lrp_composite": 1e-3}
"""Of the largest value: LRP divides by sums that may nearly cancel. Ours are float32, the oracles' float64."""
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def networks():
    """The Keras networks of the oracles, with their weights."""
    stacks = {
        "pooled": [
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="relu"),
            layers.Dense(4),
        ],
        "averaged": [
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.AveragePooling2D(2),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(4),
        ],
    }
    found = {name: keras.Sequential([layers.Input((8, 8, 3)), *stack]) for name, stack in stacks.items()}
    for name, network in found.items():
        network.set_weights([GOLDEN[f"{name}/w{i}"] for i in range(len(network.weights))])
    return found


@pytest.mark.parametrize("key", KEYS)
def test_attributions_equal_the_oracles(networks, key):
    name, _, method = key.partition("/")
    method, _, other = method.partition(" ")
    found = attributions.attribute(
        networks[name], GOLDEN[f"{name}/x"], method, baseline=GOLDEN[f"{name}/{other or 'colour'}"], reduction="none"
    )
    tolerance = TOLERANCES.get(method.partition("(")[0], TOLERANCE)
    np.testing.assert_allclose(found, GOLDEN[key], rtol=0, atol=tolerance * np.abs(GOLDEN[key]).max())


def test_every_new_method_is_on_file():
    methods = {key.partition("/")[2].partition("(")[0].partition(" ")[0] for key in KEYS}
    assert methods == set(attributions.ATTRIBUTIONS) - {"gradient", "gradient_x_input"}


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("captum", "zennit", "torch"))), reason="the extra `oracles` is not installed"
)
@pytest.mark.filterwarnings("ignore")
def test_the_file_holds_what_the_oracles_compute():
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    import attribution_oracles

    found = attribution_oracles.everything()
    assert set(found) == set(GOLDEN)
    for key in set(found) - {"meta"}:
        np.testing.assert_allclose(found[key], GOLDEN[key], rtol=0, atol=1e-6 * np.abs(GOLDEN[key]).max(), err_msg=key)
