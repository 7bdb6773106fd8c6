"""How sure the order of several groups of distances is, of which each image has one in every group (Figure 1)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from robint_tf.manifold.distance import KDE_FACTOR, density


@dataclass(frozen=True)
class OrderProbability:
    """How sure the order of groups is: shares of resamples of the images, in [0, 1].

    rising: in which the groups rise in the order given; reversals: for each two neighbours, in which the second lies
    below the first. Where nothing can be told apart, n groups rise in 1 of n! resamples only: a small share of rising
    ones is no sign of the contrary, which `reversals` have to show.
    """

    rising: float
    reversals: tuple[float, ...]


def order_probability(
    groups: Sequence[np.ndarray], *, n_resamples: int = 1000, seed: int = 0
) -> OrderProbability | None:
    """Bootstrap of the order of the groups' modes. None if a group has no density.

    groups: distances (N,) of the same N images in the same order, NaN where one does not count. Images are resampled
    with replacement, n_resamples times from `seed`, the same for all groups: what the groups owe to the draw of the
    images cancels. Modes are found on a lattice of BINS points over the range of all groups, with counts in place of
    values.
    """
    values = np.stack(groups)
    limits = float(np.nanmin(values)), float(np.nanmax(values))
    if any(density(g[np.isfinite(g)], limits) is None for g in values):
        return None
    bins = np.clip(np.digitize(values, np.linspace(*limits, BINS + 1)) - 1, 0, BINS - 1)
    bins[np.isnan(values)] = BINS  # a bin of their own, which is left out
    return _order([_modes(_histograms(g[drawn])) for g in bins] for drawn in _draws(values.shape[1], n_resamples, seed))


def mean_order_probability(
    groups: Sequence[np.ndarray], *, n_resamples: int = 1000, seed: int = 0
) -> OrderProbability | None:
    """As `order_probability`, of the means of the groups (N,); None for an empty group. n_resamples, seed: as there.

    Means are far less noisy than modes: with 500 images they order what the modes leave open.
    """
    values = np.stack(groups)
    counted = np.isfinite(values)
    if not counted.any(axis=1).all():
        return None
    values = np.where(counted, values, 0)
    with np.errstate(invalid="ignore"):  # a resample may hold no image of a group, whose mean is NaN
        return _order(
            [v[drawn].sum(axis=1) / c[drawn].sum(axis=1) for v, c in zip(values, counted, strict=True)]
            for drawn in _draws(values.shape[1], n_resamples, seed)
        )


BINS = 2000
BLOCK = 100  # resamples at a time: bounded memory


def _draws(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks (up to BLOCK, n) of resamples of the images 0 to n - 1."""
    rng = np.random.default_rng(seed)
    for first in range(0, n_resamples, BLOCK):
        yield rng.integers(n, size=(min(BLOCK, n_resamples - first), n))


def _order(blocks: Iterable[list[np.ndarray]]) -> OrderProbability:
    """From blocks of the statistics of all groups, (resamples,) each; NaN is neither above nor below."""
    steps = np.diff(np.concatenate([np.stack(block) for block in blocks], axis=1), axis=0)
    return OrderProbability(float(np.mean(np.all(steps > 0, axis=0))), tuple(np.mean(steps < 0, axis=1).tolist()))


def _histograms(bins: np.ndarray) -> np.ndarray:
    """Counts (n, BINS) of n resamples given by the bins (n, N) of their images; the bin BINS is left out."""
    rows = (BINS + 1) * np.arange(len(bins))[:, None]
    return np.bincount((bins + rows).ravel(), minlength=len(bins) * (BINS + 1)).reshape(-1, BINS + 1)[:, :BINS]


def _modes(histograms: np.ndarray) -> np.ndarray:
    """Where the densities of resamples with these histograms (n, BINS) peak, (n,), in bins; NaN for an empty one."""
    total, places = histograms.sum(axis=1), np.arange(BINS)
    filled = np.maximum(total, 1)
    spread = np.sqrt(np.maximum(histograms @ places**2 / filled - np.square(histograms @ places / filled), 0))
    counts = np.zeros((len(histograms), 2 * BINS))  # the other half keeps the ends from meeting
    counts[:, :BINS] = histograms
    frequencies = np.fft.rfftfreq(2 * BINS)
    kernels = np.exp(-2 * np.square(np.pi * np.outer(KDE_FACTOR * spread, frequencies)))
    peaks = np.fft.irfft(np.fft.rfft(counts) * kernels)[:, :BINS].argmax(axis=1)
    return np.where(total > 0, peaks, np.nan)
