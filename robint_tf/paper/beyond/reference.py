"""What the authors' code gave where we ran it as published: by epoch, and keep and retrain at our `quick` scale.

`authors_code_runs.json` holds the numbers and says how they came about.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class StandardTraining:
    """Test accuracy after every epoch of one standard training: on all test images, and on the first 1,000.

    protocol: what was run, in words; all, first_1000: by epoch; published: of their standard network in Figure 5.
    """

    protocol: str
    all: tuple[float, ...]
    first_1000: tuple[float, ...]
    published: float


@dataclass(frozen=True)
class ExplainedNetwork:
    """A network that is explained, its test accuracy, and kept: by attribution, accuracies after keeping some pixels.

    norm, eps: of the attack in its training; None and 0 for the standard network.
    """

    norm: str | None
    eps: float
    accuracy: float
    kept: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class QuickRun:
    """KAR at the scale of the preset `quick`.

    protocol: what was run, in words; kept: shares of the pixels; random: accuracy of the baseline at each; networks:
    those that are explained.
    """

    protocol: str
    kept: tuple[float, ...]
    random: tuple[float, ...]
    networks: tuple[ExplainedNetwork, ...]


@cache
def _tables() -> dict:
    return json.loads(resources.files("robint_tf.paper").joinpath("authors_code_runs.json").read_text(encoding="utf-8"))


def standard_training() -> StandardTraining:
    """The authors' standard training on CIFAR-10."""
    table = _tables()["standard_training"]
    return StandardTraining(table["protocol"], tuple(table["all"]), tuple(table["first_1000"]), table["published"])


def quick() -> QuickRun:
    """The authors' keep and retrain, with the images and epochs of `quick`."""
    table = _tables()["quick"]
    networks = tuple(
        ExplainedNetwork(n["norm"], n["eps"], n["accuracy"], {a: tuple(v) for a, v in n["kept"].items()})
        for n in table["networks"]
    )
    return QuickRun(table["protocol"], tuple(table["kept"]), tuple(table["random"]), networks)
