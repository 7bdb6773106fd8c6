"""Rules by which results decide about sections 3.2 and 3.3; what `verdicts` says of rules holds here, too.

key: of a series, norm, occlusion, attribution: its parts; series: all of them, as `points` or `authors_points` give
them. axis: what the scores are set against, "strength" (section 3.2) or "accuracy" (3.3).
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from robint_tf.interpretability import scores, welch
from robint_tf.intervals import LEVEL, Interval
from robint_tf.labels import ATTRIBUTIONS, NORMS
from robint_tf.paper import published
from robint_tf.paper.verdicts import NOT_AMONG, Finding, Outcome, Results, mean_and_half_width, sign_rule

Key = tuple[str, str, str]  # norm, occlusion, attribution


class Points(NamedTuple):
    """The networks of one series of Figures 4 and 5, (n,) each: eps, test accuracy and score.

    errors: standard errors of the scores, None if unknown. The standard networks are those with eps 0. n_retrainings:
    how many scores each standard error comes from.
    """

    eps: np.ndarray
    accuracy: np.ndarray
    score: np.ndarray
    errors: np.ndarray | None
    n_retrainings: int = 1


def points(results: Results) -> dict[Key, Points]:
    """The series of a results file of section 3.2 or 3.3."""
    found = {}
    for panel in results["panels"]:
        for series in panel["series"]:
            networks = [n for n in results["networks"] if n["norm"] in (None, series["norm"])]
            errors = series["standard_errors"]
            found[series["norm"], panel["occlusion"], series["attribution"]] = Points(
                np.array([n["eps"] for n in networks]),
                np.array([n["accuracy"] for n in networks]),
                np.array(series["y"]),
                None if None in errors else np.array(errors),
                results["n_seeds"],
            )
    return found


def authors_points(loss: str) -> dict[Key, Points]:
    """The authors' series for one training loss."""
    found = {}
    for norm in NORMS:
        table = published.series(loss, norm)
        for (occlusion, attribution), values in table.scores.items():
            arrays = (np.array(table.eps), np.array(table.accuracy), np.array(values))
            found[norm, occlusion, attribution] = Points(*arrays, None)
    return found


USUAL = {"strength": 1, "accuracy": -1}
"""Sign of the correlation that the text asserts of a series, by what the scores are set against."""


def _axis(p: Points, axis: str) -> np.ndarray:
    return p.eps if axis == "strength" else p.accuracy


def correlation(key: Key, axis: str, series: dict[Key, Points]) -> Finding:
    """Figures 4 and 5: the sign of a series' linear correlation, by Fisher's interval."""
    if key not in series:
        return NOT_AMONG
    p = series[key]
    found = _correlation(_axis(p, axis), p.score)
    if found is None:
        return Finding("inconclusive", f"{len(p.eps)} networks are too few")
    low, high = found.pearson_interval
    text = f"linear {found.pearson:.3f}, rank {found.spearman:.3f}, {found.n} networks"
    return Finding(sign_rule(found.pearson, (low, high), sign=USUAL[axis]), text, found.pearson, (low, high))


def _correlation(x: np.ndarray, y: np.ndarray) -> scores.Correlation | None:
    """As the figures show it, without the bootstrap, which no rule uses; None where it has no interval."""
    return scores.correlation(x, y, n_resamples=0) if len(x) > 3 else None


STRONG = 0.5
"""What counts as a strong correlation (Cohen, 1988): section 3.2 excepts a series from a "strong positive" one."""


def exception(key: Key, axis: str, series: dict[Key, Points]) -> Finding:
    """Figures 4 and 5: whether a series is the exception from the trend that the other series of its test follow.

    An exception needs both sides. It holds if (1) the series' own interval leaves no room for a strong correlation of
    the usual sign: the end on that side is below STRONG, which 0 over 41 networks satisfies, and over 21; (2) the
    others follow the trend together: the interval of their mean Fisher z lies on its side; (3) the series lies below
    each other one by the 95% interval of the difference (Zou, 2007). It fails where an interval shows the contrary of
    one of them: the series has the usual sign itself, the others together have the opposite one (then all go alike),
    or one of them lies still lower.
    """
    if key not in series:
        return NOT_AMONG
    others = [(norm, key[1], a) for norm in NORMS for a in ATTRIBUTIONS if (norm, key[1], a) != key]
    if any(other not in series for other in others):
        return Finding("inconclusive", "the series that it would be an exception from are not all among the results")
    sign = USUAL[axis]
    found = {k: _correlation(_axis(series[k], axis), series[k].score) for k in (key, *others)}
    r = {k: correlation.pearson for k, correlation in found.items() if correlation is not None}
    if len(r) < len(found):
        return Finding("inconclusive", "a series has too few networks for a correlation, or scores that are all alike")
    usual = {k: sign * value for k, value in r.items()}
    n = {k: len(series[k].eps) for k in usual}
    interval = scores.fisher_interval(usual[key], n[key])
    trend = _mean_interval([usual[k] for k in others], min(n[k] for k in others))
    gaps = [difference_interval(usual[k], usual[key], (n[k], n[key]), between=_between(k, key, series)) for k in others]
    outcome: Outcome = "inconclusive"
    if interval.low > 0 or trend.high < 0 or any(gap.high < 0 for gap in gaps):
        outcome = "fails"
    elif interval.high < STRONG and trend.low > 0 and all(gap.low > 0 for gap in gaps):
        outcome = "holds"
    text = f"linear {r[key]:.3f}, {n[key]} networks; the other series {', '.join(f'{r[k]:.3f}' for k in others)}"
    ends = (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)
    return Finding(outcome, text, r[key], ends)


def _mean_interval(correlations: list[float], n: int) -> Interval:
    """Of the mean of correlations over n networks, as wide as that of one: their networks are partly the same."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of exact lines; opposite ones have no mean, which is NaN
        return scores.fisher_interval(float(np.tanh(np.mean(np.arctanh(correlations)))), n)


def _between(one: Key, other: Key, series: dict[Key, Points]) -> float | None:
    """How the scores of two series go together; None for series of different networks."""
    found = _correlation(series[one].score, series[other].score) if one[0] == other[0] else None
    return None if found is None else found.pearson


def above_standard(key: Key, series: dict[Key, Points], *, exact: bool = False) -> Finding:
    """The criterion of section 3.2. exact: the scores are taken as they are, where their errors are unknown.

    The standard error of a score is pooled over the networks, since each comes from a few retrainings only.
    """
    if key not in series:
        return NOT_AMONG
    p = series[key]
    standard = p.eps == 0
    margin = scores.margin(p.score[~standard], p.score[standard])
    text = f"lowest robust minus highest standard score {margin:.4f}"
    if p.errors is None:
        if exact:
            return Finding(sign_rule(margin, None), text, margin)
        return Finding("inconclusive", text + ", one retraining each: no interval", margin)
    degrees = len(p.errors) * (p.n_retrainings - 1)
    pooled = float(np.sqrt(np.mean(np.square(p.errors))))
    half = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * pooled
    interval = (margin - 2 * half, margin + 2 * half)
    return Finding(sign_rule(margin, interval), text, margin, interval)


def gx_above_g(norm: str, occlusion: str, series: dict[Key, Points]) -> Finding:
    """Section 3.2: mean difference of the two attributions over the networks, with its t interval."""
    if (norm, occlusion, "gradient") not in series:
        return NOT_AMONG
    gap = series[norm, occlusion, "gradient_x_input"].score - series[norm, occlusion, "gradient"].score
    if len(gap) < 2:
        return Finding("inconclusive", "one network is too few")
    mean, half = mean_and_half_width(gap)
    text = f"GX minus G: {mean:.4f} over {len(gap)} networks"
    return Finding(sign_rule(mean, (mean - half, mean + half)), text, mean, (mean - half, mean + half))


def l2_above_linf(occlusion: str, attribution: str, series: dict[Key, Points]) -> Finding:
    """Section 3.3: gap of the lines of score against accuracy, in the middle of the accuracies that both norms reach.

    Of the robust networks: the standard ones, which Figure 5 shows in both series, are trained in neither norm, and
    without them the two lines are independent. Each height has the standard error of its own regression, their
    difference Welch's t interval. The statement is l2 above l_inf for ROAR, and below for KAR.
    """
    if any((norm, occlusion, attribution) not in series for norm in NORMS):
        return NOT_AMONG
    of_norm = [series[norm, occlusion, attribution] for norm in NORMS]
    robust = [(p.accuracy[p.eps > 0], p.score[p.eps > 0]) for p in of_norm]
    if min(len(accuracy) for accuracy, _ in robust) < 3:
        return Finding("inconclusive", "too few robust networks for a line with an interval")
    low = max(accuracy.min() for accuracy, _ in robust)
    high = min(accuracy.max() for accuracy, _ in robust)
    if low > high:
        return Finding("inconclusive", "the norms reach no common accuracy")
    middle = float(low + high) / 2
    first, second = (welch.line_at(accuracy, score, middle) for accuracy, score in robust)
    if first is None or second is None:
        return Finding("inconclusive", "networks of one norm are all of the same accuracy")
    gap = welch.difference(first, second)
    interval = gap.interval()
    text = f"{' minus '.join(NORMS.values())} at accuracy {middle:.1%}: {gap.value:.4f}"
    return Finding(sign_rule(gap.value, interval, sign=1 if occlusion == "remove" else -1), text, gap.value, interval)


def difference_interval(first: float, second: float, n: tuple[int, int], *, between: float | None = None) -> Interval:
    """Interval of the difference first - second of two linear correlations over n[0] and n[1] points.

    between: the linear correlation of the two quantities, where both are correlated with one third quantity over the
    same points; None for points that have nothing in common. Zou (2007), Toward using confidence intervals to compare
    correlations: the distances of each correlation from the ends of its Fisher interval, combined as standard errors.
    """
    (low_1, high_1), (low_2, high_2) = scores.fisher_interval(first, n[0]), scores.fisher_interval(second, n[1])
    shared = 0.0 if between is None else _shared(first, second, between)

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(a**2 + b**2 - 2 * shared * a * b, 0.0)))

    gap = first - second
    return Interval(gap - reach(first - low_1, high_2 - second), gap + reach(high_1 - first, second - low_2))


def _shared(first: float, second: float, between: float) -> float:
    """Correlation of two sample correlations that share one quantity and their points."""
    free = (1 - first**2) * (1 - second**2)
    if free <= 0:  # an exact line: its interval has no width to share
        return 0.0
    found = (between - first * second / 2) * (1 - first**2 - second**2 - between**2) + between**3
    return float(np.clip(found / free, -1, 1))
