"""Attributions tried on a user's network before anything is trained, and whether they add up."""

from typing import TYPE_CHECKING

import click

from robint_tf import labels

if TYPE_CHECKING:
    from ..studies.grid import Grid

N_TRIED = 20  # test images


def tried(grid: "Grid") -> dict[str, dict[str, float]]:
    """Try every attribution on the user's network; `ValueError` for one that has no rule for a layer, say.

    By attribution that adds up to a difference from a baseline: how far the first test images are off, as the median of
    the error and as a share of what is explained.
    """
    from robint_tf.interpretability import attributions

    study, network, x = grid.study, grid.occluder.own, grid.dataset.test.x[:N_TRIED]
    assert network is not None
    baseline = grid.occluder.fills(study.n_train, study.variant).test
    found = {}
    for method in study.methods:
        grid.run.display.begin(f"trying {method}")
        attributions.attribute(network, x[:1], method, variant=study.variant, baseline=baseline)
        if attributions.compares(method):
            sums = attributions.completeness(network, x, method, baseline=baseline)
            found[method] = {"median_error": float(sums.median), "share": sums.share}
    return found


def print_completeness(completeness: dict[str, dict[str, float]]) -> None:
    """Print how far attributions are from what they should add up to, by name as `tried` gives it."""
    for name, off in completeness.items():
        click.echo(
            f"{labels.ATTRIBUTIONS[name]}: sums over an image are off by {off['median_error']:.2g} (median), "
            f"{off['share']:.2%} of what they explain"
        )
