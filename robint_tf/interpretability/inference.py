"""Statistics in which the explained network is the unit of replication (sections 3.2 and 3.3).

The eps of the networks are a design, chosen and not drawn. KAR goes with attack strength about as a line does; ROAR
saturates, so its trend is a matter of ranks, and of the slope among the strong networks. Families of tests are
corrected by Holm's method.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from robint_tf.errors import InputError
from robint_tf.interpretability.scores import SCORES, bonett_wright_interval
from robint_tf.interpretability.welch import Uncertain, difference, mean
from robint_tf.intervals import LEVEL, Interval

EXACT_UP_TO = 8
"""Points whose orders are all tried in a permutation test: 8! = 40,320."""


@dataclass(frozen=True)
class Estimate:
    """A statistic, value, with its 95% interval, the two-sided p-value p of no effect, and the number n of networks."""

    value: float
    interval: Interval
    p: float
    n: int


def slope(x: np.ndarray, y: np.ndarray) -> Estimate | None:
    """Least-squares slope of y on x (n,) each, with Student's t interval on n - 2 degrees of freedom.

    None for fewer than three networks or constant x. One network a point; repeated x are networks of one design point.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    fit = stats.linregress(x, y)
    half = float(fit.stderr * stats.t.ppf((1 + LEVEL) / 2, len(x) - 2))
    return Estimate(
        float(fit.slope), Interval(float(fit.slope) - half, float(fit.slope) + half), float(fit.pvalue), len(x)
    )


def rank_trend(x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Estimate | None:
    """Spearman's rank correlation of y with x (n,) each; the p-value by permutation, exact up to EXACT_UP_TO networks.

    seed: of the permutations. The interval is Bonett and Wright's (2000), also where networks repeat an x, as a design
    makes them: there it covers in 95% of the cases or more, while drawing networks anew within each x covers far less,
    since the few networks of an x are nearer to their mean than to the true one. None for fewer than three networks, or
    where x or y is constant.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    rho = float(stats.spearmanr(x, y)[0])
    return Estimate(rho, bonett_wright_interval(rho, len(x)), _permutation_p(x, y, rho, seed), len(x))


def _permutation_p(x: np.ndarray, y: np.ndarray, rho: float, seed: int) -> float:
    """Two-sided share of orders of y whose rank correlation with x is at least as large."""
    rx, ry = (r - r.mean() for r in (stats.rankdata(x), stats.rankdata(y)))
    scale = float(np.linalg.norm(rx) * np.linalg.norm(ry))
    if len(x) <= EXACT_UP_TO:
        orders = np.array(list(itertools.permutations(ry)))
        extra = 0
    else:
        rng = np.random.default_rng(seed)
        orders = np.stack([rng.permutation(ry) for _ in range(10_000)])
        extra = 1  # the order that was seen is one of the draws (Phipson and Smyth, 2010)
    found = np.abs(orders @ rx) / scale >= abs(rho) - 1e-12
    return float((found.sum() + extra) / (len(orders) + extra))


def curvature_p(x: np.ndarray, y: np.ndarray) -> float | None:
    """p-value of the quadratic term in y on 1, x, x² (n,): small where a line is a wrong summary.

    None below n = 4, for fewer than three different x, and for constant y.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 4 or len(np.unique(x)) < 3 or np.ptp(y) == 0:
        return None
    design = np.vander((x - x.mean()) / x.std(), 3)
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    variance = float(np.sum(np.square(y - design @ coefficients))) / (len(x) - 3)
    error = math.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0])
    return float(2 * stats.t.sf(abs(coefficients[0]) / error, len(x) - 3)) if error else 0.0


def partial_correlation(x: np.ndarray, y: np.ndarray, given: np.ndarray, *, degree: int = 3) -> Estimate | None:
    """Correlation of x and y (n,) at fixed `given`: of what a polynomial in `given` leaves of each.

    Fisher's interval with n - degree - 3 in place of n - 3. None where too few networks are left for it.
    """
    x, y, given = (np.asarray(v, float) for v in (x, y, given))
    n = len(x)
    if n - degree - 3 < 1 or len(np.unique(given)) <= degree:
        return None
    design = np.vander((given - given.mean()) / given.std(), degree + 1)
    x, y = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y))
    if np.allclose(x, 0) or np.allclose(y, 0):
        return None
    r = float(np.clip(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)), -1 + 1e-15, 1 - 1e-15))
    z, half = math.atanh(r), stats.norm.ppf((1 + LEVEL) / 2) / math.sqrt(n - degree - 3)
    p = float(2 * stats.norm.sf(abs(z) * math.sqrt(n - degree - 3)))
    return Estimate(r, Interval(math.tanh(z - half), math.tanh(z + half)), p, n)


LEAST_OF_EACH = 5
"""Networks of every eps, 0 among them, that the question "every robust network above every standard one" needs.

From fewer the variance is known so badly that `below_standard`, which asks many eps at once, errs too often: from two
of each of five eps in 14% of the cases instead of 5%, if robust networks vary twice as much as standard ones.
"""


def unanswered(eps: np.ndarray) -> str:
    """Why networks of these eps (n,) do not answer `above_standard`, in words; "" where they do."""
    radii, counts = np.unique(np.asarray(eps, float), return_counts=True)
    standard = int(counts[radii == 0].sum())
    if standard < LEAST_OF_EACH:
        return f"needs {LEAST_OF_EACH} standard networks, there {'is' if standard == 1 else 'are'} {standard}"
    if len(radii) == 1:
        return "there is no robust network"
    i = int(np.argmin(counts))
    if counts[i] < LEAST_OF_EACH:
        there = f"there {'is' if counts[i] == 1 else 'are'} {counts[i]} of eps {radii[i]:g}"
        return f"needs {LEAST_OF_EACH} networks of every eps, {there}"
    return ""


def above_standard(eps: np.ndarray, score: np.ndarray) -> Estimate | None:
    """Whether the networks of *every* eps above 0 score higher, on average, than standard networks (eps 0).

    eps, score: (n,) each. An intersection-union test (Berger, 1982): Welch's one-sided t-test of each eps against the
    standard networks, whose variances are their own, and as p-value the largest of theirs; no correction is due.
    value: the smallest difference of means; interval: one-sided, its lower end that of the eps with the largest
    p-value. None where `unanswered` says why.
    """
    if unanswered(eps):
        return None
    gaps = _against_standard(eps, score)
    ps = [gap.p_above() for gap in gaps]
    low = gaps[int(np.argmax(ps))].interval(2 * LEVEL - 1).low  # one-sided, at LEVEL
    return Estimate(min(gap.value for gap in gaps), Interval(low, math.inf), max(ps), len(np.asarray(eps)))


def below_standard(eps: np.ndarray, score: np.ndarray) -> float | None:
    """The contrary of `above_standard`: p-value of the networks of *some* eps scoring lower than the standard ones.

    eps, score: as there. The smallest p-value of the same t-tests the other way round, times their number (Bonferroni).
    None as there.
    """
    if unanswered(eps):
        return None
    gaps = _against_standard(eps, score)
    return min(1.0, len(gaps) * min(gap.p_below() for gap in gaps))


def _against_standard(eps: np.ndarray, score: np.ndarray) -> list[Uncertain]:
    """Mean score of each eps above 0 minus that of the standard networks."""
    eps, score = np.asarray(eps, float), np.asarray(score, float)
    standard = mean(score[eps == 0])
    return [difference(mean(score[eps == e]), standard) for e in np.unique(eps[eps > 0])]


def holm(ps: Sequence[float]) -> list[float]:
    """p-values of a family, ps, corrected by Holm's (1979) step-down method, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(ps)
    corrected, running = np.empty(len(ps)), 0.0
    for rank, i in enumerate(order):
        running = max(running, (len(ps) - rank) * ps[i])
        corrected[i] = min(running, 1.0)
    return corrected.tolist()


def slope_power(eps: Sequence[float], networks: int, sd: float, true_slope: float, *, alpha: float = 0.05) -> float:
    """Probability that a two-sided t-test at level alpha finds the slope true_slope, by the noncentral t distribution.

    eps: the design points on the scale of the slope; networks: at each of them; sd: standard deviation of a network's
    score around the line.
    """
    x = np.repeat(np.asarray(eps, float), networks)
    freedom = len(x) - 2
    shift = true_slope * math.sqrt(float(np.sum(np.square(x - x.mean())))) / sd
    bound = stats.t.ppf(1 - alpha / 2, freedom)
    below = np.nan_to_num(stats.nct.cdf(-bound, freedom, shift))  # SciPy gives NaN where it is all but 0
    return float(stats.nct.sf(bound, freedom, shift) + below)


def least_slope(eps: Sequence[float], networks: int, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest slope that is found with probability `power`; eps, networks, sd, alpha: as of `slope_power`."""
    x = np.repeat(np.asarray(eps, float), networks)
    scale = sd / math.sqrt(float(np.sum(np.square(x - x.mean()))))
    high = scale
    while slope_power(eps, networks, sd, high, alpha=alpha) < power:  # the noncentral t overflows far beyond
        high *= 1.5
    return float(brentq(lambda s: slope_power(eps, networks, sd, s, alpha=alpha) - power, 0.0, high))


@dataclass(frozen=True)
class Components:
    """Where the variance of scores at one eps comes from: standard deviations between networks and within them."""

    between: float
    within: float


def variance_components(scores: np.ndarray) -> Components:
    """From scores of networks (groups, networks, retrainings) at several eps, by analysis of variance.

    Negative estimates of the variance between networks count as 0. `ValueError` for fewer than two retrainings or two
    networks.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 3 or min(scores.shape[1:]) < 2:
        raise InputError(
            f"scores have shape {scores.shape}; give (groups, networks, retrainings), two of each or more."
        )
    means = scores.mean(axis=2)
    within = float(scores.var(axis=2, ddof=1).mean())
    between = float(means.var(axis=1, ddof=1).mean()) - within / scores.shape[2]
    return Components(math.sqrt(max(between, 0.0)), math.sqrt(within))


def score_over_seeds(
    fractions: np.ndarray, accuracies: np.ndarray, random: np.ndarray, occlusion: str
) -> tuple[float, float | None]:
    """The score of mean accuracies (K, seeds) against those of random pixels (K, draws), and its standard error.

    fractions: (K,), as in `roar_score`; occlusion: "remove" or "keep", which names the score. The error is that of both
    means, which are drawn independently; None unless there are two of each.
    """
    score, nothing = SCORES[occlusion], np.zeros(len(fractions))
    value = float(score(fractions, accuracies.mean(axis=1), random.mean(axis=1)))
    if min(accuracies.shape[1], random.shape[1]) < 2:
        return value, None
    areas = [score(fractions, found.T, nothing) for found in (accuracies, random)]
    return value, float(np.sqrt(sum(area.var(ddof=1) / len(area) for area in areas)))
