"""How much scores vary that were made alike: the authors' by how their series scatter, ours by a results file.

Areas under the curves of accuracies vary between retrainings of one network ("within"), and scores between networks
that were trained alike ("between"). A score has both errors, and that of its random baseline.

results: the content of a results file of section 3.2 or 3.3. groups: its networks, those of one recipe but for the seed
together. test: an occlusion, "remove" or "keep".
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from robint_tf.errors import InputError
from robint_tf.interpretability.inference import Components
from robint_tf.interpretability.scores import SCORES
from robint_tf.intervals import LEVEL
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS, TESTS
from robint_tf.paper import published
from robint_tf.paper.evidence import extent
from robint_tf.paper.verdicts import Results

DEGREE = 3
"""Of the polynomial in attack strength that a published series follows."""

Groups = Collection[list[dict[str, Any]]]


class Variance(NamedTuple):
    """An estimate of a variance, value, and the degrees of freedom that it comes from."""

    value: float
    freedom: float

    def over(self, n: float) -> "Variance":
        """That of a mean of n."""
        return Variance(self.value / n, self.freedom)


def added(*parts: Variance) -> Variance:
    """The variance of a sum of independent parts, with Welch and Satterthwaite's degrees of freedom."""
    total = sum(part.value for part in parts)
    below = sum(part.value**2 / part.freedom for part in parts)
    return Variance(total, total**2 / below if below else math.inf)


def half_width(*parts: Variance) -> float:
    """Of the 95% interval, by Student's t, of a sum of independent parts."""
    total = added(*parts)
    return float(stats.t.ppf((1 + LEVEL) / 2, total.freedom)) * math.sqrt(total.value)


@dataclass(frozen=True)
class Spread:
    """How a score of ours varies. words: where that is from.

    within: of the area of one retraining; between: of networks with all of their retrainings; None where not known.
    """

    within: Variance | None
    between: Variance | None
    words: str


def authors(occlusion: str) -> Components:
    """Standard deviations of the authors' scores between networks of one eps, and between retrainings of a network.

    occlusion: "remove" or "keep". From the residuals of their series around cubics, 21 networks of 3 retrainings each:
    the two attributions of a network are retrained independently, so that the covariance of their residuals belongs to
    the network, and what it leaves of the variance to the retrainings; `within` is for one retraining.
    """
    products = []
    for loss, norm in product(LOSSES, NORMS):
        table = published.series(loss, norm)
        rest = np.stack([_rest(table.eps, table.scores[occlusion, name], norm) for name in ATTRIBUTIONS])
        products.append(rest @ rest.T / (len(table.eps) - DEGREE - 1))
    mean = np.mean(products, axis=0)
    between = max(float(mean[0, 1]), 0.0)
    within = max(float(np.trace(mean)) / 2 - between, 0.0) * published.N_RETRAININGS
    return Components(math.sqrt(between), math.sqrt(within))


def authors_accuracy() -> Variance:
    """Of the authors' test accuracies between networks of one eps, from the residuals around cubics."""
    squares = []
    for loss, norm in product(LOSSES, NORMS):
        table = published.series(loss, norm)
        squares.append(float(np.sum(np.square(_rest(table.eps, table.accuracy, norm)))) / (len(table.eps) - DEGREE - 1))
    return Variance(float(np.mean(squares)), _freedom())


def authors_errors(test: str) -> list[Variance]:
    """Of a published score: from its network, its retrainings, and as many of the random baseline."""
    found = authors(test)
    within = Variance(found.within**2 * 2 / published.N_RETRAININGS, _freedom())
    return [Variance(found.between**2, _freedom()), within]


def _rest(eps: tuple[float, ...], y: tuple[float, ...], norm: str) -> np.ndarray:
    """What a cubic in attack strength leaves."""
    x, values = np.array(eps) / published.STRONGEST[norm], np.array(y)
    return np.asarray(values - np.polynomial.Polynomial.fit(x, values, DEGREE)(x))


def _freedom() -> int:
    return sum(len(published.series(loss, norm).eps) - DEGREE - 1 for loss, norm in product(LOSSES, NORMS))


def areas(results: Results, values: Any, test: str) -> np.ndarray:
    """Areas (retrainings,) of curves of accuracies, values (fractions, retrainings), with the sign of the score.

    A score is the mean area of an attribution minus that of random pixels. `ValueError` for another form.
    """
    accuracies = np.asarray(values, float)
    if accuracies.ndim != 2 or not accuracies.shape[1]:
        raise InputError(f"accuracies have shape {accuracies.shape}; give (fractions, retrainings).")
    fractions = np.array(results["fractions"], float)
    return np.asarray(SCORES[test](fractions, accuracies.T, np.zeros(len(fractions))))


def ours(results: Results, groups: Groups, test: str) -> Spread:
    """How our scores of a test vary: from the file where it has repetitions.

    What it has none of is taken from the authors' scores: how networks vary, as soon as it is known how retrainings do;
    how retrainings vary, only where these are made as the authors'.
    """
    curves = [
        [areas(results, network["retrained"][name][test], test) for network in networks]
        for networks in groups
        for name in ATTRIBUTIONS
    ]
    n = min(len(values) for of_group in curves for values in of_group)
    random = [areas(results, values, test) for values in results["baseline"].values()]  # as noisy in both tests
    within = _pooled([*random, *(values for of_group in curves for values in of_group)])
    between = _pooled([np.array([values.mean() for values in of_group]) for of_group in curves])
    theirs, called = authors(test), TESTS[test]
    if within is not None:
        words = f"{called} {math.sqrt(within.value):.4f} between retrainings ({within.freedom:g} degrees of freedom)"
    elif between is not None:  # which holds what a retraining adds
        within = between.over(1 / n)
        words = f"{called} at most {math.sqrt(within.value):.4f} between retrainings, by its networks"
    elif made_as_theirs(results):
        within = Variance(theirs.within**2, _freedom())
        words = f"{called} {theirs.within:.4f} between retrainings, the authors', for there is one of each cell"
    else:
        return Spread(None, None, f"{called} unknown, for there is one retraining of each cell and of random pixels")
    if between is not None:
        words += f" and {math.sqrt(between.value):.4f} between networks ({between.freedom:g})"
    else:
        between = added(Variance(theirs.between**2, _freedom()), within.over(n))
        words += f" and {theirs.between:.4f} between networks, the authors', for there is one of each training"
    return Spread(within, between, words)


def our_accuracy(results: Results, groups: Groups) -> Spread:
    """How our test accuracies vary: between networks of one recipe; with one of each, as the authors' if made so."""
    found = _pooled([np.array([float(n["accuracy"]) for n in networks]) for networks in groups])
    if found is not None:
        return Spread(None, found, f"accuracy {math.sqrt(found.value):.4f} between networks ({found.freedom:g})")
    if made_as_theirs(results):
        theirs = authors_accuracy()
        words = (
            f"accuracy {math.sqrt(theirs.value):.4f} between networks, the authors', for there is one of each training"
        )
        return Spread(None, theirs, words)
    return Spread(None, None, "accuracy unknown, for there is one network of each training")


def _pooled(samples: list[np.ndarray]) -> Variance | None:
    """The variance within samples (n,) of two or more; None if there are none."""
    freedom = sum(len(sample) - 1 for sample in samples)
    squares = sum(float(np.sum(np.square(sample - sample.mean()))) for sample in samples)
    return Variance(squares / freedom, freedom) if freedom else None


def made_as_theirs(results: Results) -> bool:
    """Whether networks are trained and retrained as the authors', but for the steps of the attack in training."""
    return not lacking(results) - {"attack steps"}


def lacking(results: Results) -> set[str]:
    """The names of the parts of the authors' protocol that results lack in how each number is made."""
    other = {"variant"} if results["provenance"].get("variant", "authors") != "authors" else set()
    return other | ({part.name for part in extent.missing(results)} - extent.OF_THE_GRID)


def words(results: Results, groups: Groups) -> str:
    """The spread of ours and of theirs, and where it is from."""
    mine = [our_accuracy(results, groups), *(ours(results, groups, test) for test in TESTS)]
    theirs = [f"accuracy {math.sqrt(authors_accuracy().value):.4f} between networks"]
    for test in TESTS:
        found = authors(test)
        theirs.append(f"{TESTS[test]} {found.within:.4f} between retrainings and {found.between:.4f} between networks")
    return (
        f"Standard deviations of ours: {'; '.join(found.words for found in mine)}. Of the authors', from how their "
        f"series scatter around cubics: {'; '.join(theirs)}."
    )
