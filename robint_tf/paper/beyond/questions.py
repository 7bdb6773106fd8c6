"""Questions about sections 3.2 and 3.3 in which the explained network is the unit of replication.

Eight series answer each: two training losses, two norms, two attributions. They are a family, within which p-values are
corrected (`inference.holm`). The paper's own statements and statistics are in `claims`.

Of every test: norm: of the attacks in training; p: the networks of a series.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from robint_tf.interpretability import inference
from robint_tf.interpretability.inference import Estimate
from robint_tf.interpretability.scores import correlation
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS
from robint_tf.paper.beyond.cells import DIFF, TESTS, strength
from robint_tf.paper.verdicts_interpretability import Key, Points

STRONG_FROM = 0.5
"""Attack strength from which on networks count as strong: ROAR saturates, and its slope there says by how much."""


@dataclass(frozen=True)
class Result:
    """What a test says of a series. text: the same in words; estimate: None where there is none, and the text says why.

    against: the p-value of the contrary, where it is another than the estimate's; a two-sided test needs none.
    """

    text: str
    estimate: Estimate | None
    against: float | None = None


Test = Callable[[str, Points], Result]  # of a norm and its networks


@dataclass(frozen=True)
class Question:
    """A question that every series answers by itself. test: ROAR, KAR or DiffROAR, by its key in `TESTS`.

    key, section: its own name and that of the paper's section; group: the question itself; rule: how it is answered;
    answer: the test that does. sign: of the estimate that means yes. needs: the start of the name of the results file;
    the training loss follows.
    """

    key: str
    section: str
    test: str
    group: str
    rule: str
    answer: Test
    needs: str
    sign: int = 1

    def series(self) -> Iterator[tuple[str, Key]]:
        """The family: training loss, then norm, test and attribution."""
        for loss, norm, attribution in product(LOSSES, NORMS, ATTRIBUTIONS):
            yield loss, (norm, self.test, attribution)


def slope(norm: str, p: Points) -> Result:
    """Least-squares slope of the score over attack strength 0 to 1."""
    found = inference.slope(strength(norm, p.eps), p.score)
    return _told("slope {:.4f}", found, p.score)


def strong_slope(norm: str, p: Points) -> Result:
    """The same among the networks of strength STRONG_FROM and more."""
    x = strength(norm, p.eps)
    strong = x >= STRONG_FROM - 1e-9
    found = inference.slope(x[strong], p.score[strong])
    return _told(f"slope from strength {STRONG_FROM:g} on {{:.4f}}", found, p.score[strong])


def rank(norm: str, p: Points) -> Result:
    """Spearman's rank correlation of the score with attack strength; beside it, whether the trend is curved."""
    x = strength(norm, p.eps)
    told = _told("rank {:.2f}", inference.rank_trend(x, p.score), p.score)
    curved = inference.curvature_p(x, p.score)
    return Result(told.text + ("" if curved is None else f", quadratic term p = {curved:.1g}"), told.estimate)


def above_standard(norm: str, p: Points) -> Result:
    """The criterion of section 3.2 as an intersection-union test against several standard networks."""
    found = inference.above_standard(p.eps, p.score)
    if found is None:
        return Result(inference.unanswered(p.eps), None)
    text = f"least difference of means {found.value:.4f}, {found.n} networks"
    return Result(text, found, inference.below_standard(p.eps, p.score))


def partial(norm: str, p: Points) -> Result:
    """Correlation of score and test accuracy at fixed attack strength, beside the plain one."""
    if len(p.eps) > 2 and np.ptp(p.accuracy) == 0:
        return Result("its accuracies are all alike", None)
    plain = correlation(p.accuracy, p.score, n_resamples=0)
    found = inference.partial_correlation(p.accuracy, p.score, strength(norm, p.eps))
    text = "" if plain is None else f"plain {plain.pearson:.2f}, "
    return _told(text + "at fixed strength {:.2f}", found, p.score, few=text)


ALIKE = "its scores are all alike"


def _told(text: str, found: Estimate | None, score: np.ndarray, *, few: str = "") -> Result:
    """An estimate from scores (n,) in words, or why there is none."""
    n = len(score)
    if n > 2 and np.ptp(score) == 0:
        return Result(few + ALIKE, None)
    if found is None:
        return Result(f"{few}{n} networks are too few", None)
    return Result(f"{text.format(found.value)}, {found.n} networks", found)


HOLM = "answered where Holm's p in the family of 8 is below 0.05"
SLOPE_RULE = f"least-squares slope over networks, Student's t interval; {HOLM}"
RANK_RULE = (
    "Spearman's rank correlation over networks, permutation test (all orders up to 8 networks), interval of Bonett and "
    f"Wright; {HOLM}"
)
ABOVE_RULE = (
    "intersection-union test: Welch's one-sided t-tests of each eps against the standard networks, at least "
    f"{inference.LEAST_OF_EACH} networks of each, the largest p; {HOLM}"
)
PARTIAL_RULE = f"linear correlation after a cubic in eps is taken out of both, Fisher's interval; {HOLM}"


def all_questions() -> list[Question]:
    """Every question, in the order of the report."""
    found = [
        Question("slope", "3.2", "keep", "does it rise with attack strength?", SLOPE_RULE, slope, "section_3_2"),
        Question("rank", "3.2", "remove", "does it rise with attack strength?", RANK_RULE, rank, "section_3_2"),
        Question(
            "strong_slope",
            "3.2",
            "remove",
            "does it still rise from half the attack strength on?",
            SLOPE_RULE,
            strong_slope,
            "section_3_2",
        ),
        Question("rank", "3.2", DIFF, "does it rise with attack strength?", RANK_RULE, rank, "section_3_2"),
    ]
    for test in TESTS:
        found.append(
            Question(
                "above_standard",
                "3.2",
                test,
                "do the robust networks of every eps score above the standard ones?",
                ABOVE_RULE,
                above_standard,
                "section_3_2",
            )
        )
    for test in ("remove", "keep"):
        found.append(
            Question(
                "partial",
                "3.3",
                test,
                "does it fall with test accuracy at fixed attack strength?",
                PARTIAL_RULE,
                partial,
                "section_3_3",
                sign=-1,
            )
        )
    return found
