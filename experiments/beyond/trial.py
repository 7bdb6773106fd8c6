"""Attributions tried on a user's network before anything is trained, and whether they add up."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from robint_tf import labels

if TYPE_CHECKING:
    import numpy as np

    from robint_tf.networks.classifiers import Network

    from ..studies.grid import Grid

N_TRIED = 20  # test images

Completeness = dict[str, dict[str, float | None]]
"""By attribution: how far an image's sum is off, as the median of the error and as a share of what is explained, which
is None where that is nothing."""


def tried(grid: "Grid") -> Completeness:
    """`completeness_of` the user's network of a grid and the attributions of its study."""
    study, network = grid.study, grid.occluder.own
    assert network is not None
    baseline = grid.occluder.fills(study.n_train, study.variant).test
    x, begin = grid.dataset.test.x, grid.run.display.begin
    return completeness_of(network, x, study.methods, variant=study.variant, baseline=baseline, begin=begin)


def completeness_of(
    network: "Network",
    x: "np.ndarray",
    methods: Iterable[str],
    *,
    variant: str,
    baseline: "np.ndarray",
    begin: Callable[[str], None],
) -> Completeness:
    """Try every attribution on a network; `ValueError` for one that has no rule for a layer, say.

    Of those that add up to a difference from the baseline, how far the first of the images x (N, H, W, C) are off.
    begin: told what is tried.
    """
    from robint_tf.interpretability import attributions

    x = x[:N_TRIED]
    found: Completeness = {}
    for method in methods:
        begin(f"trying {method}")
        attributions.attribute(network, x[:1], method, variant=variant, baseline=baseline)
        if attributions.compares(method):
            sums = attributions.completeness(network, x, method, baseline=baseline)
            share = sums.share if sums.share == sums.share else None  # results files hold no NaN
            found[method] = {"median_error": float(sums.median), "share": share}
    return found


def print_completeness(completeness: Completeness) -> None:
    """Print how far attributions are from what they should add up to."""
    for name, off in completeness.items():
        share = "of nothing" if off["share"] is None else f"{off['share']:.2%} of what they explain"
        click.echo(
            f"{labels.ATTRIBUTIONS[name]}: sums over an image are off by {off['median_error']:.2g} (median), {share}"
        )
