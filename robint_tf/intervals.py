"""The interval that every result is given with: 95%, two ends."""

import math
from typing import NamedTuple

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
    gained_, lost_, n_ = gained + 0.5, lost + 0.5, n + 2
    middle = (gained_ - lost_) / n_
    half = float(ndtri((1 + LEVEL) / 2)) * math.sqrt((gained_ + lost_) / n_ - middle**2) / math.sqrt(n_)
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))
