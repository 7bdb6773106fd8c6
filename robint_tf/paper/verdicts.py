"""Rules by which results decide about the paper's statements: sections 2.1, 2.2 and the accuracies of appendix A.2.

A rule says whether a statement holds. It holds only if a 95% interval excludes the contrary, and fails only if the
interval excludes the statement; anything else is inconclusive. The authors' published numbers come without intervals
where the statistic is not a correlation; there the number itself decides, and the claim says so.

Section 2.1 attacks one network of each kind, and its intervals are over images: they say whether the statement holds
for these networks, while how other trainings would differ is not in them (`protocols.standing`).

results: the content of a results file. dataset, norm, loss: of a panel of Figure 1, by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy import stats

from robint_tf.errors import InputError
from robint_tf.intervals import LEVEL, wilson
from robint_tf.paper import published

Outcome = Literal["holds", "holds as far as visible", "fails", "inconclusive", "not run"]
"""What a rule says of a statement. As far as visible: of a published figure that hides a part of what is stated."""

ACCURACY_TOLERANCE = 0.01
"""How far an accuracy may lie from the stated one: the paper gives three digits, of one network."""

Results = dict[str, Any]  # the content of a results file


@dataclass(frozen=True)
class Finding:
    """What results say about a statement: its outcome, and text, the statistic in words.

    value: the statistic, and its 95% interval; None where there is none.
    """

    outcome: Outcome
    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None


def sign_rule(value: float, interval: tuple[float, float] | None, *, sign: int = 1) -> Outcome:
    """Whether value is above 0 (sign 1) or below (-1), as far as its interval allows; without one, as it stands.

    >>> sign_rule(0.2, (0.1, 0.3)), sign_rule(0.2, (-0.1, 0.5)), sign_rule(0.2, None, sign=-1)
    ('holds', 'inconclusive', 'fails')
    """
    low, high = (value, value) if interval is None else interval
    low, high = (low, high) if sign > 0 else (-high, -low)
    if low > 0:
        return "holds"
    return "fails" if high < 0 else "inconclusive"


def accuracy(stated: float, value: float, interval: tuple[float, float]) -> Finding:
    """Whether an accuracy, value, with its 95% interval equals the stated one to within ACCURACY_TOLERANCE."""
    low, high = interval[0] - stated, interval[1] - stated
    inside = low >= -ACCURACY_TOLERANCE and high <= ACCURACY_TOLERANCE
    outside = high < -ACCURACY_TOLERANCE or low > ACCURACY_TOLERANCE
    outcome: Outcome = "holds" if inside else "fails" if outside else "inconclusive"
    return Finding(outcome, f"accuracy {value:.2%}, stated {stated:.1%}", value, interval)


LEAST_SEEDS = 3
"""Networks from which on an accuracy is judged: one training tells nothing about how seeds, or last epochs, differ."""


def card_accuracy(dataset: str, stated: float, *cards: Results) -> Finding:
    """Whether the clean accuracy on networks' cards is the stated one, in the mean over their seeds.

    cards: of one recipe, each with another seed. `ValueError` for another data set's network, recipe, or test images,
    and for a seed that comes twice.
    """
    for i, card in enumerate(cards):
        if card["spec"]["dataset"] != dataset:
            raise InputError(f"its dataset is {card['spec']['dataset']}, not {dataset}")
        _check_another_seed(card, cards[:i])
    values = [card["clean_accuracy"]["value"] for card in cards]
    if cards[0]["spec"]["attack"] is not None:
        return Finding("inconclusive", "the network was trained on attacked images", values[0])
    found = _accuracy_over_seeds(stated, values, "network")
    told = dict.fromkeys([found.text, *filter(None, map(_unverified, cards))])
    return replace(found, text="; ".join(told))


def _unverified(card: Results) -> str:
    """What is not known of a card's data, in words; "" where they are known to be the published ones."""
    if card.get("test_data_verified") is True:
        return ""
    n, known = card["clean_accuracy"]["n"], card.get("test_images_verified")
    if isinstance(known, int) and known < n:
        return f"{n - known:,d} of {n:,d} test images are not known to be the published ones"
    if "test_data_verified" in card:
        return "its data are not known to be the published ones"
    return "the file does not say whether its data are the published ones"


def _check_another_seed(card: Results, others: Sequence[Results]) -> None:
    """`ValueError` unless a card is of the recipe of the others and of another seed than each of them."""
    for other in others:
        mine, theirs = _but_for_the_seed(card), _but_for_the_seed(other)
        if differing := [key for key in mine if mine[key] != theirs[key]]:
            raise InputError(f"its {', '.join(differing)} differ from those of the networks of other seeds")
        if (seed := card["spec"]["training"]["seed"]) == other["spec"]["training"]["seed"]:
            raise InputError(f"seed {seed} is counted already")


def _but_for_the_seed(card: Results) -> Results:
    spec = card["spec"]
    about = {key: card.get(key) for key in ("mathematics", "train_data", "test_data")}
    return about | {"n": card["clean_accuracy"]["n"], "spec": {**spec, "training": {**spec["training"], "seed": 0}}}


def toy_accuracy(results: Results) -> Finding:
    """Mean accuracy of the standard networks of section 2.2, with its t interval over the seeds."""
    return _accuracy_over_seeds(1.0, results["networks"][0]["accuracy"]["values"], "seed")


def _accuracy_over_seeds(stated: float, values: list[float], unit: str) -> Finding:
    """Whether the mean of accuracies, one of each seed, is the stated one by its t interval over the seeds."""
    text = f"accuracy {np.mean(values):.2%}, stated {stated:.1%}"
    if len(values) < LEAST_SEEDS:
        told = f"one {unit}: no interval over seeds" if len(values) == 1 else f"{len(values)} seeds are too few"
        return Finding("inconclusive", f"{text}; {told}, {LEAST_SEEDS} are needed", float(np.mean(values)))
    mean, half = mean_and_half_width(np.array(values))
    found = accuracy(stated, mean, (max(mean - half, 0.0), min(mean + half, 1.0)))
    text = f"{text}; mean of {len(values)} seeds, from {min(values):.2%} to {max(values):.2%}"
    return Finding(found.outcome, text, found.value, found.interval)


def mean_and_half_width(values: np.ndarray) -> tuple[float, float]:
    """Mean of two or more values (n,), and half the width of its 95% t interval."""
    return float(values.mean()), float(stats.sem(values) * stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))


def tilt_order(results: Results) -> Finding:
    """Figure 3: whether more than half of the seeds have the paper's order."""
    hits, n = results["seeds_with_tilt_standard_over_weak_over_strong"], results["n_seeds"]
    ends = wilson(hits, n)
    outcome = sign_rule(hits / n - 0.5, (ends[0] - 0.5, ends[1] - 0.5))
    return Finding(outcome, f"tilt standard > weak > strong in {hits} of {n} seeds", hits / n, ends)


def authors_tilt_order() -> Finding:
    """The same of the published figure: the three tilts as read, one network each."""
    tilts = published.TOY_TILT_DEGREES
    least = min(tilts["standard"] - tilts["weak"], tilts["weak"] - tilts["strong"])
    text = "tilts about " + ", ".join(f"{v:.0f}°" for v in tilts.values()) + ", one network each"
    return Finding(sign_rule(least, None), text)


NOT_AMONG = Finding("not run", "these networks are not among the results")


def _panel(results: Results, norm: str, loss: str) -> Results | Finding:
    """A panel of Figure 1, or why it decides nothing about the networks trained with `loss`."""
    found = next((p for p in results["panels"] if (p["norm"], p["loss"]) == (norm, loss)), None)
    if found is None:
        return NOT_AMONG
    if found["trained_with"] != loss:
        return Finding("not run", "the authors' panel shows networks trained with CW, which count under CW only")
    if results["problems"]:
        return Finding("inconclusive", "the VAE-GAN cannot stand for the manifold: " + "; ".join(results["problems"]))
    return found


ORDERS = {
    "means": ("means_hold", "means_bootstrap_probability", "means_pairs_reversed"),
    "modes": ("holds", "bootstrap_probability", "pairs_reversed"),
}
"""Keys of a panel's order in the results of section 2.1. Files of before 0.2.0 lack the last ones."""


def order_decided(rising: float, reversals: Sequence[float] | None) -> bool | None:
    """What bootstrap probabilities decide about an order: True, False, or None where they leave it open.

    rising: of the whole order, which holds from LEVEL on. reversals: by pair of neighbours, that this pair comes the
    other way round; the order does not hold if one of n pairs does from 1 - (1 - LEVEL) / n on (Bonferroni). None if
    they are not known, which leaves the contrary open: that the whole order is rare is no sign of it, see
    `manifold.OrderProbability`.

    >>> order_decided(0.96, None), order_decided(0.008, [0.5] * 4), order_decided(0.0, [0.2, 0.3, 0.9875, 0.1])
    (True, None, False)
    """
    if rising >= LEVEL:
        return True
    return False if reversals and max(reversals) >= 1 - (1 - LEVEL) / len(reversals) - 1e-12 else None


def manifold_order(norm: str, loss: str, results: Results, *, of: str = "modes") -> Finding:
    """Figure 1: the order of a panel's modes or means (of: "modes" or "means"), by its bootstrap over images."""
    panel = _panel(results, norm, loss)
    if isinstance(panel, Finding):
        return panel
    holds, probability, pairs = (panel["order"].get(key) for key in ORDERS[of])
    if probability is None:
        return Finding("inconclusive", "a network has too few successful attacks")
    decided = order_decided(probability, pairs and list(pairs.values()))
    outcome: Outcome = "inconclusive" if decided is None else "holds" if decided else "fails"
    text = f"{of} {'in' if holds else 'not in'} order, bootstrap probability {probability:.2f}"
    if pairs is None:
        text += ", of reversed pairs not in the file"
    elif max(pairs.values()) > 1 - LEVEL:
        pair = max(pairs, key=lambda name: pairs[name])
        text += f"; {pair}: {pairs[pair]:.4f}"
    return Finding(outcome, text, probability)


def authors_manifold_order(dataset: str, norm: str, loss: str) -> Finding:
    """The published panel: neighbours that are nearer than the reading error leave it open, hidden curves a part."""
    test, *falling = published.FIGURE_1_MODES[dataset][norm, loss]
    seen = [mode for mode in (*falling, test) if mode is not None]  # the farthest first
    steps = [round(far - near, 6) for far, near in pairwise(seen)]
    hidden, error = 5 - len(seen), published.FIGURE_1_READING_ERROR[dataset]
    unsure = sum(abs(step) <= error for step in steps)
    text = f"modes {'in' if min(steps) > 0 else 'not in'} order"
    if hidden:
        text += f", {hidden} of 5 curves hidden"
    if unsure:
        text += f", {unsure} of {len(steps)} pairs of neighbours within the reading error of {error:g}"
    if min(steps) < -error:
        return Finding("fails", text)
    if unsure:
        return Finding("inconclusive", text)
    return Finding("holds as far as visible" if hidden else "holds", text)


def manifold_nearer(norm: str, loss: str, results: Results) -> Finding:
    """Whether every robust network's attacked images lie nearer than the standard network's, more often than not.

    One network of each kind: the intervals are over the images on which both were attacked. It holds if all intervals
    say so. It fails if one says the contrary that is widened for their number (Bonferroni).
    """
    panel = _panel(results, norm, loss)
    if isinstance(panel, Finding):
        return panel
    rows = panel["nearer_than_standard"]
    if any(row["share"] is None for row in rows):
        return Finding("inconclusive", "a network has no successful attack")
    level = 1 - (1 - LEVEL) / len(rows)
    least = min(rows, key=lambda row: row["interval"][0])
    outcome: Outcome = "inconclusive"
    if least["interval"][0] > 0.5:
        outcome = "holds"
    elif any(wilson(round(row["share"] * row["n"]), row["n"], level).high < 0.5 for row in rows):
        outcome = "fails"
    shares = ", ".join(f"{row['share']:.0%}" for row in rows)
    low, high = least["interval"]
    return Finding(outcome, f"nearer in {shares} of pairs, weakest adversary first", least["share"], (low, high))
