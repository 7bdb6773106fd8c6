"""Rules by which results decide about the paper's claims.

A claim is reproduced only if its interval excludes the contrary, and not reproduced only if the interval excludes the
claim; anything else is inconclusive. The same rules read the authors' own published numbers, which come without
intervals where the statistic is not a correlation; there the number itself decides, and the finding says so.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from scipy import stats

from robint_tf import published, scores

Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not run"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

ACCURACY_TOLERANCE = 0.01
"""How far an accuracy may lie from the stated one: the paper gives three digits, of one network."""

Results = dict[str, Any]  # the content of a results file

NORMS = ("l2", "linf")
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Finding:
    """What results say about a claim. `text`: the statistic in words; `interval`: 95%, None where there is none."""

    verdict: Verdict
    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None


class Points(NamedTuple):
    """The networks of one series of Figures 4 and 5, (n,) each; errors: standard errors of the scores, None if unknown.

    The standard networks are those with eps 0.
    """

    eps: np.ndarray
    accuracy: np.ndarray
    score: np.ndarray
    errors: np.ndarray | None


Key = tuple[str, str, str]  # norm, occlusion, attribution


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


def judge(value: float, interval: tuple[float, float] | None, *, sign: int = 1) -> Verdict:
    """Whether a number is above 0 (sign 1) or below (-1), as far as its interval allows; without one, as it stands."""
    low, high = (value, value) if interval is None else interval
    low, high = (low, high) if sign > 0 else (-high, -low)
    if low > 0:
        return "reproduced"
    return "not reproduced" if high < 0 else "inconclusive"


def accuracy(stated: float, value: float, interval: tuple[float, float]) -> Finding:
    """Whether an accuracy equals the stated one to within ACCURACY_TOLERANCE."""
    low, high = interval[0] - stated, interval[1] - stated
    inside = low >= -ACCURACY_TOLERANCE and high <= ACCURACY_TOLERANCE
    outside = high < -ACCURACY_TOLERANCE or low > ACCURACY_TOLERANCE
    verdict: Verdict = "reproduced" if inside else "not reproduced" if outside else "inconclusive"
    return Finding(verdict, f"accuracy {value:.2%}, stated {stated:.1%}", value, interval)


def card_accuracy(stated: float, results: Results) -> Finding:
    """The clean accuracy on the card of a saved network."""
    found = results["clean_accuracy"]
    low, high = found["interval_95"]
    if results["spec"]["n_train"] is not None or results["spec"]["attack"] is not None:
        return Finding("inconclusive", "the network has seen a part of the images, or attacked ones", found["value"])
    return accuracy(stated, found["value"], (low, high))


def toy_accuracy(results: Results) -> Finding:
    """Mean and range over the seeds of the standard networks of section 2.2."""
    values = results["networks"][0]["accuracy"]["values"]
    return accuracy(1.0, float(np.mean(values)), (min(values), max(values)))


def tilt_order(results: Results) -> Finding:
    """Figure 3: whether more than half of the seeds have the paper's order."""
    hits, n = results["seeds_with_tilt_standard_over_weak_over_strong"], results["n_seeds"]
    interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
    ends = (float(interval.low), float(interval.high))
    verdict = judge(hits / n - 0.5, (ends[0] - 0.5, ends[1] - 0.5))
    return Finding(verdict, f"tilt standard > weak > strong in {hits} of {n} seeds", hits / n, ends)


NOT_AMONG = Finding("not run", "these networks are not among the results")


def _panel(results: Results, norm: str, loss: str) -> Results | None:
    return next((p for p in results["panels"] if (p["norm"], p["loss"]) == (norm, loss)), None)


ORDERS = {"modes": ("holds", "bootstrap_probability"), "means": ("means_hold", "means_bootstrap_probability")}
"""Keys of a panel's order in the results of section 2.1."""


def manifold_order(norm: str, loss: str, results: Results, *, of: str = "modes") -> Finding:
    """Figure 1: the order of a panel's modes or means, judged by its bootstrap probability."""
    if results["problems"]:
        return Finding("inconclusive", "the VAE-GAN is invalid: " + "; ".join(results["problems"]))
    panel = _panel(results, norm, loss)
    if panel is None:
        return NOT_AMONG
    holds, probability = (panel["order"][key] for key in ORDERS[of])
    if probability is None:
        return Finding("inconclusive", "a network has too few successful attacks")
    verdict: Verdict = "inconclusive"
    if probability >= scores.LEVEL:
        verdict = "reproduced"
    elif probability <= 1 - scores.LEVEL:
        verdict = "not reproduced"
    return Finding(
        verdict, f"{of} {'in' if holds else 'not in'} order, bootstrap probability {probability:.2f}", probability
    )


def authors_manifold_order(dataset: str, norm: str, loss: str) -> Finding:
    """The published panel, as far as its curves are not hidden."""
    test, *falling = published.FIGURE_1_MODES[dataset][norm, loss]
    known = [m for m in falling if m is not None]
    ordered = all(a > b for a, b in pairwise(known)) and (test is None or test < known[-1])
    hidden = sum(m is None for m in (test, *falling))
    text = f"modes {'in' if ordered else 'not in'} order" + (f" ({hidden} of 5 curves hidden)" if hidden else "")
    return Finding("reproduced" if ordered else "not reproduced", text)


def manifold_nearer(norm: str, loss: str, results: Results) -> Finding:
    """Whether every robust network's attacked images lie nearer than the standard network's, more often than not."""
    if results["problems"]:
        return Finding("inconclusive", "the VAE-GAN is invalid: " + "; ".join(results["problems"]))
    panel = _panel(results, norm, loss)
    if panel is None:
        return NOT_AMONG
    rows = panel["nearer_than_standard"]
    if any(row["share"] is None for row in rows):
        return Finding("inconclusive", "a network has no successful attack")
    least = min(rows, key=lambda row: row["interval"][0])
    verdicts = {judge(r["share"] - 0.5, (r["interval"][0] - 0.5, r["interval"][1] - 0.5)) for r in rows}
    verdict: Verdict = "inconclusive"
    if verdicts == {"reproduced"}:
        verdict = "reproduced"
    elif "not reproduced" in verdicts:
        verdict = "not reproduced"
    shares = ", ".join(f"{row['share']:.0%}" for row in rows)
    low, high = least["interval"]
    return Finding(verdict, f"nearer in {shares} of pairs, weakest adversary first", least["share"], (low, high))


def correlation(key: Key, axis: str, sign: int, series: dict[Key, Points]) -> Finding:
    """Figures 4 and 5: the sign of a linear correlation; sign 0 asks for an exception, that it is not the usual one."""
    if key not in series:
        return NOT_AMONG
    p = series[key]
    usual = 1 if axis == "strength" else -1
    x = p.eps if axis == "strength" else p.accuracy
    found = scores.correlation(x, p.score)
    if found is None:
        return Finding("inconclusive", f"{len(p.eps)} networks are too few")
    interval = found.pearson_interval
    wanted = -usual if sign == 0 else sign
    text = f"linear {found.pearson:.3f}, rank {found.spearman:.3f}, {found.n} networks"
    return Finding(judge(found.pearson, interval, sign=wanted), text, found.pearson, (interval.low, interval.high))


def above_standard(key: Key, series: dict[Key, Points], *, exact: bool = False) -> Finding:
    """The criterion of section 3.2. exact: the scores are taken as they are, where their errors are unknown."""
    if key not in series:
        return NOT_AMONG
    p = series[key]
    standard = p.eps == 0
    margin = scores.margin(p.score[~standard], p.score[standard])
    text = f"lowest robust minus highest standard score {margin:.4f}"
    if p.errors is None:
        if exact:
            return Finding(judge(margin, None), text, margin)
        return Finding("inconclusive", text + ", one retraining each: no interval", margin)
    half = stats.norm.ppf((1 + scores.LEVEL) / 2) * p.errors
    low = float((p.score - half)[~standard].min() - (p.score + half)[standard].max())
    high = float((p.score + half)[~standard].min() - (p.score - half)[standard].max())
    return Finding(judge(margin, (low, high)), text, margin, (low, high))


def gx_above_g(norm: str, occlusion: str, series: dict[Key, Points]) -> Finding:
    """Section 3.2: mean difference of the two attributions over the networks, with its t interval."""
    if (norm, occlusion, "gradient") not in series:
        return NOT_AMONG
    gap = series[norm, occlusion, "gradient_x_input"].score - series[norm, occlusion, "gradient"].score
    if len(gap) < 2:
        return Finding("inconclusive", "one network is too few")
    mean, half = float(gap.mean()), float(stats.sem(gap) * stats.t.ppf((1 + scores.LEVEL) / 2, len(gap) - 1))
    text = f"GX minus G: {mean:.4f} over {len(gap)} networks"
    return Finding(judge(mean, (mean - half, mean + half)), text, mean, (mean - half, mean + half))


def l2_above_linf(occlusion: str, attribution: str, series: dict[Key, Points]) -> Finding:
    """Section 3.3: gap of the lines of score against accuracy, in the middle of the accuracies that both norms reach.

    Bootstrap over networks. The claim is l2 above l_inf for ROAR, and below for KAR.
    """
    if any((norm, occlusion, attribution) not in series for norm in NORMS):
        return NOT_AMONG
    a, b = (series[norm, occlusion, attribution] for norm in NORMS)
    low = max(a.accuracy.min(), b.accuracy.min())
    high = min(a.accuracy.max(), b.accuracy.max())
    if low > high:
        return Finding("inconclusive", "the norms reach no common accuracy")
    middle = np.array([(low + high) / 2])
    lines = [scores.fit_line(p.accuracy, p.score) for p in (a, b)]
    if None in lines:
        return Finding("inconclusive", "too few networks for a line")
    gap = float(np.subtract(*(line.slope * middle[0] + line.intercept for line in lines if line)))
    draws = [scores.line_resamples(p.accuracy, p.score, middle, N_RESAMPLES, i)[:, 0] for i, p in enumerate((a, b))]
    n = min(map(len, draws))
    ends = np.quantile(draws[0][:n] - draws[1][:n], [(1 - scores.LEVEL) / 2, (1 + scores.LEVEL) / 2])
    interval = (float(ends[0]), float(ends[1]))
    text = f"L2 minus L-Inf at accuracy {middle[0]:.1%}: {gap:.4f}"
    return Finding(judge(gap, interval, sign=1 if occlusion == "remove" else -1), text, gap, interval)
