"""Which slopes of the score with attack strength a grid would find, from what the authors' published scores vary by.

Every explained network has a score of its own, and every retraining adds noise. Both are estimated from the authors'
scores: the two attributions of a network are retrained independently, so that what their scores have in common, beyond
a cubic in attack strength, belongs to the network.
"""

import math
from typing import Any

import click

from robint_tf import labels
from robint_tf.paper import published
from robint_tf.specs import FRACTIONS

from ..studies.presets import ATTRIBUTIONS, InterpretabilityStudy

TESTED = "keep"
"""KAR goes with attack strength about as a line does; ROAR saturates, so that its slope says little."""

FAMILY = len(labels.LOSSES) * len(labels.NORMS) * len(labels.ATTRIBUTIONS)
"""Series whose p-values the report corrects together, by Holm's method, also where only some of them were run."""


def sd(study: InterpretabilityStudy) -> float:
    """The standard deviation of a network's score in a study, if its networks vary as the authors' do.

    With fewer fractions each of them weighs more, with fewer retrainings less is averaged.
    """
    from robint_tf.paper.beyond import spreads

    found = spreads.authors(TESTED)
    weight = _weight(study.fractions) / _weight(FRACTIONS)
    return math.sqrt(found.between**2 + (weight * found.within) ** 2 / study.n_seeds)


def _weight(fractions: tuple[float, ...]) -> float:
    """Root of the sum of the squared weights with which the accuracies at the fractions make a score."""
    import numpy as np

    from robint_tf.interpretability import scores

    return float(
        np.linalg.norm(scores.kar_score(np.array(fractions), np.eye(len(fractions)), np.zeros(len(fractions))))
    )


def powers(study: InterpretabilityStudy) -> list[dict[str, Any]]:
    """By series of KAR: the authors' slope, the probability of finding one of that size, the least found with 80%.

    Found is what passes the first step of Holm's correction, whatever the other series of the family say.
    """
    import numpy as np

    from robint_tf.interpretability import inference
    from robint_tf.intervals import LEVEL

    alpha = (1 - LEVEL) / FAMILY
    rows = []
    for loss in study.losses:
        for norm, radii in study.eps.items():
            table = published.series(loss, norm)
            x = np.array(table.eps) / published.STRONGEST[norm]
            design = [0.0, *(eps / published.STRONGEST[norm] for eps in radii)]
            n, around = study.n_explained, sd(study)
            if n * len(design) < 3:  # no line to speak of
                continue
            for attribution in ATTRIBUTIONS:
                fit = inference.slope(x, np.array(table.scores[TESTED, attribution]))
                assert fit is not None
                rows.append(
                    {
                        "series": f"{labels.TESTS[TESTED]} {labels.NORMS[norm]} {labels.LOSSES[loss]} "
                        f"{labels.ATTRIBUTIONS[attribution]}",
                        "authors_slope": fit.value,
                        "networks_per_eps": n,
                        "sd": around,
                        "alpha": alpha,
                        "power": inference.slope_power(design, n, around, abs(fit.value), alpha=alpha),
                        "least_slope_with_80_percent": inference.least_slope(design, n, around, alpha=alpha),
                    }
                )
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the power of a study; nothing for none."""
    if not rows:
        return
    first = rows[0]
    click.echo(
        f"Power, if networks vary and scores change as the authors' do: {first['networks_per_eps']} of each eps, "
        f"standard deviation of a network's score {first['sd']:.4f}, two-sided t-test of the slope at "
        f"{first['alpha']:.2%}, the first step of Holm's correction for {FAMILY} series."
    )
    click.echo(f"{'series':20}{'authors slope':>14}{'power':>8}{'found with 80%':>16}")
    for row in rows:
        least = row["least_slope_with_80_percent"]
        click.echo(f"{row['series']:20}{row['authors_slope']:14.4f}{row['power']:8.0%}{least:16.4f}")
