"""Access to the golden vectors in `tests/golden/` (its README says how they were made)."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden"
sys.path.insert(0, str(FOLDER))

import recipe  # noqa: E402  (lives beside the vectors, not in a package)

checksum, weights = recipe.checksum, recipe.weights
__all__ = ["atol", "checksum", "load", "meta", "recipe", "set_weights", "weights"]


@cache
def load(name):
    """All arrays of `<name>.npz` as a dict."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


@cache
def meta(name):
    """The settings that a file was made with."""
    return json.loads(str(load(name)["meta"]))


@cache
def _spread():
    return json.loads((FOLDER / "spread.json").read_text())


def atol(name, key, relative=1e-5):
    """Absolute tolerance of one array: ten times its spread under rounding, at least `relative` of its size."""
    magnitude = float(np.abs(load(name)[key]).max())
    spread = _spread().get(f"{name}.npz", {}).get(key, [0.0])[0]
    return max(10 * spread, relative * magnitude, 1e-12)


def set_weights(network, values):
    """Put recipe weights into a network whose variables are called `<layer>/<variable>`."""
    for variable in network.variables:
        layer, name = variable.path.split("/")[-2:]
        variable.assign(values[f"{layer}/{name}"])
