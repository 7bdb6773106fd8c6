"""The interval that every result is given with: 95%, two ends."""

from typing import NamedTuple

from scipy.stats import binomtest

LEVEL = 0.95  # of every interval


class Interval(NamedTuple):
    """A 95% confidence interval, low to high, in the units of what it is given for."""

    low: float
    high: float


def wilson(hits: int, n: int) -> Interval:
    """Wilson's (1927) interval of a share, hits of n independent trials, in [0, 1]; n of at least 1.

    >>> low, high = wilson(48, 50)
    >>> f"{low:.3f} to {high:.3f}"
    '0.865 to 0.989'
    """
    found = binomtest(hits, n).proportion_ci(method="wilson")
    return Interval(float(found.low), float(found.high))
