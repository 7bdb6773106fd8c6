"""What the authors published, as numbers to compare ours with.

Most were read back from their figures; `authors_results.json` holds them and says how exactly.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

STATED_ACCURACY = {"toy": 1.0, "mnist": 0.986, "fashion_mnist": 0.906, "cifar10": 0.736}
"""Test accuracy of standard training, appendix A.2."""

N_RETRAININGS = 3
"""Networks retrained for each attribution and fraction, whose accuracies are averaged (section 3.2)."""

VAE_GAN_EPOCHS = {"mnist": 30, "fashion_mnist": 60, "cifar10": 150}
"""Epochs of the VAE-GAN that approximates each data set's manifold (notebooks 1.1, 2.1, 3.1)."""

STRONGEST = {"l2": 1.6, "linf": 0.04}
"""The eps that is attack strength 1 (notebook 3.5), whatever part of the grid is run."""

TOY_TILT_DEGREES = {"standard": 40.0, "weak": 15.0, "strong": 4.0}
"""Angle between boundary and vertical axis, read off the published Figure 3b to about one degree; one network each."""

FIGURE_1_MODES: dict[str, dict[tuple[str, str], tuple[float | None, ...]]] = {
    "mnist": {
        ("l2", "xent"): (None, 0.627, 0.591, 0.5, 0.419),
        ("l2", "cw"): (None, 0.663, 0.595, 0.521, 0.436),
        ("linf", "xent"): (None, 0.654, 0.589, 0.56, 0.536),
        ("linf", "cw"): (None, 0.62, 0.575, 0.561, 0.509),
    },
    "fashion_mnist": {
        ("l2", "xent"): (0.195, 0.619, 0.591, 0.528, 0.422),
        ("l2", "cw"): (0.198, 0.676, 0.637, 0.58, 0.463),
        ("linf", "xent"): (0.202, 0.657, None, 0.6, 0.517),
        ("linf", "cw"): (0.179, 0.647, 0.619, 0.577, 0.528),
    },
    "cifar10": {
        ("l2", "xent"): (None, 0.1142, 0.1118, 0.106, 0.0932),
        ("l2", "cw"): (0.088, 0.1402, 0.1396, 0.1282, 0.1176),
        ("linf", "xent"): (None, 0.1286, 0.1258, 0.1214, 0.12),
        ("linf", "cw"): (None, None, 0.1254, 0.1242, 0.118),
    },
}
"""Where the curves of Figure 1 peak, by data set and by norm and loss of the panel's networks.

In each panel: test images, standard network, then the weakest to the strongest adversary. Read back from the published
figures, in the units of the plot: the nearest test image at 0, the farthest at 1. Neighbours can lie within
FIGURE_1_READING_ERROR. None where the legend hides part of the curve.
"""

FIGURE_1_READING_ERROR = {"mnist": 0.01, "fashion_mnist": 0.01, "cifar10": 0.002}
"""A hundredth of the axis, which ends at 1, for CIFAR-10 at 0.2: about how far two readings of a mode differ."""


@dataclass(frozen=True)
class Series:
    """One network per eps, standard training (eps 0) first: accuracies and scores of Figures 4 and 5.

    scores: by occlusion ("remove", "keep") and attribution ("gradient", "gradient_x_input"). Two independent readings
    of the figures agree within 0.00015 in every score and 0.0001 in every accuracy.
    """

    eps: tuple[float, ...]
    accuracy: tuple[float, ...]
    scores: dict[tuple[str, str], tuple[float, ...]]


@dataclass(frozen=True)
class PrintedCorrelation:
    """As printed in the legend of a figure; recomputed from `Series` within 0.003 (linear) and 0.011 (rank)."""

    linear: float
    rank: float


_OCCLUSION = {"remove": "roar", "keep": "kar"}
_ATTRIBUTION = {"gradient": "g", "gradient_x_input": "gx"}


@cache
def _tables() -> dict:
    return json.loads(resources.files("robint_tf.paper").joinpath("authors_results.json").read_text(encoding="utf-8"))


@cache
def series(loss: str, norm: str) -> Series:
    """The authors' networks trained against PGD on a loss ("xent", "cw") in a norm ("l2", "linf")."""
    table = _tables()["figures_4_and_5"][loss][norm]
    return Series(
        eps=tuple(table["eps"]),
        accuracy=tuple(table["test_accuracy"]),
        scores={(o, a): tuple(table[f"{_OCCLUSION[o]}_{_ATTRIBUTION[a]}"]) for o in _OCCLUSION for a in _ATTRIBUTION},
    )


def printed_correlation(loss: str, norm: str, occlusion: str, attribution: str, axis: str) -> PrintedCorrelation:
    """Correlation of scores with attack strength (axis "strength", Figure 4) or accuracy ("accuracy", Figure 5).

    loss, norm: of the networks, as of `series`; occlusion, attribution: of the scores, as in `Series`.
    """
    tables = _tables()["figures_4_and_5_printed_correlations"]
    found = tables[loss][_OCCLUSION[occlusion]][axis][f"{norm}_{_ATTRIBUTION[attribution]}"]
    return PrintedCorrelation(found["linear"], found["rank"])
