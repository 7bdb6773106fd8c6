"""The interval that every result is given with: 95%, two ends."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import binomtest

LEVEL = 0.95  # of every interval


class Interval(NamedTuple):
    """A 95% confidence interval, low to high, in the units of what it is given for."""

    low: float
    high: float


def wilson(hits: int, n: int, level: float = LEVEL) -> Interval:
    """Wilson's (1927) interval of a share, hits of n independent trials, in [0, 1]; n of at least 1.

    level: how often it covers; other than 95% where one of several intervals is to decide.

    >>> low, high = wilson(48, 50)
    >>> f"{low:.3f} to {high:.3f}"
    '0.865 to 0.989'
    """
    found = binomtest(hits, n).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def paired(gained: int, lost: int, n: int) -> Interval:
    """Agresti and Min's (2005) interval of the difference of two shares of the same n trials, in [-1, 1]; n at least 1.

    gained: trials with the second outcome alone, lost: with the first alone; the difference is (gained - lost) / n.
    Half a trial is added to each of the four cells, so that no interval is a point.

    >>> low, high = paired(10, 30, 1000)
    >>> f"{low:.4f} to {high:.4f}"
    '-0.0324 to -0.0075'
    """
    return _with_two_trials_more(gained - lost, gained + lost, n, 1.0)


def paired_mean(values: np.ndarray, bound: float) -> Interval:
    """The same for a mean of differences: values (n,) in [-bound, bound], one of each trial; n of at least 1.

    What `paired` adds are two trials: half of one at either bound, and one without a difference.

    >>> low, high = paired_mean(np.zeros(5), 0.5)
    >>> f"{low:.3f} to {high:.3f}"
    '-0.140 to 0.140'
    """
    return _with_two_trials_more(float(values.sum()), float(np.square(values).sum()), len(values), bound)


def _with_two_trials_more(total: float, squares: float, n: int, bound: float) -> Interval:
    """Normal interval of a mean from the sum and the sum of squares of n differences, and the two trials added."""
    middle = total / (n + 2)
    variance = (squares + bound**2) / (n + 2) - middle**2
    half = float(ndtri((1 + LEVEL) / 2)) * math.sqrt(variance) / math.sqrt(n + 2)
    return Interval(max(-bound, middle - half), min(bound, middle + half))
