"""Differences of independent estimates whose variances are not the same, after Welch (1947)."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from robint_tf.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Uncertain:
    """An estimate, value, with its standard error and the degrees of freedom of that error, whole or not."""

    value: float
    error: float
    freedom: float

    def interval(self, level: float = LEVEL) -> Interval:
        """Student's t interval that covers in a share `level` of the cases; a point where the error is 0."""
        half = self.error * float(stats.t.ppf((1 + level) / 2, self.freedom)) if self.error else 0.0
        return Interval(self.value - half, self.value + half)

    def p_above(self) -> float:
        """One-sided p-value of the true value being above 0."""
        if not self.error:  # what it comes from does not vary
            return float(self.value <= 0)
        return float(stats.t.sf(self.value / self.error, self.freedom))

    def p_below(self) -> float:
        """One-sided p-value of the true value being below 0."""
        return Uncertain(-self.value, self.error, self.freedom).p_above()


def mean(values: np.ndarray) -> Uncertain:
    """The mean of values (n,), two or more."""
    return Uncertain(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)), len(values) - 1)


def line_at(x: np.ndarray, y: np.ndarray, at: float) -> Uncertain | None:
    """The height at x = at of the least-squares line through x, y (n,); None for fewer than 3 points or constant x."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    centred = x - x.mean()
    squares = float(centred @ centred)
    slope = float(centred @ y) / squares
    rest = y - y.mean() - slope * centred
    variance = float(rest @ rest) / (len(x) - 2) * (1 / len(x) + (at - x.mean()) ** 2 / squares)
    return Uncertain(float(y.mean() + slope * (at - x.mean())), math.sqrt(variance), len(x) - 2)


def difference(first: Uncertain, second: Uncertain) -> Uncertain:
    """first - second, which are independent: their variances add up, and the degrees of freedom are Satterthwaite's."""
    one, other = first.error**2, second.error**2
    divisor = one**2 / first.freedom + other**2 / second.freedom
    freedom = (one + other) ** 2 / divisor if divisor else first.freedom + second.freedom
    return Uncertain(first.value - second.value, math.sqrt(one + other), freedom)
