"""Score by score: ours beside the published one, with the spread of either, and whether they agree.

results: the content of a results file of section 3.2 or 3.3.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from robint_tf.errors import InputError
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS, TESTS
from robint_tf.paper import protocols, published
from robint_tf.paper.beyond import spreads
from robint_tf.paper.beyond.spreads import Variance
from robint_tf.paper.evidence import extent
from robint_tf.paper.verdicts import Outcome, Results
from robint_tf.store.results import printable

RULE = (
    "Test accuracies and scores of ours beside the published ones of the same training. A score is the paper's, "
    "against the random baseline of its own test; ± is a standard error. Two differ where the 95% interval of their "
    "difference (Welch's t) excludes 0. They agree where it holds 0 and is narrower than the range of the published "
    "numbers of the same kind, so that it could tell networks of other strengths apart. Otherwise, or without a spread "
    "of ours, it cannot be told: inconclusive. A number decides if its network and retrainings are made as the "
    "authors', whatever part of the grid was run. Of numbers that agree one in twenty differs by chance, and all "
    "scores of one test share the error of their baseline."
)

ACCURACY = "accuracy"
"""Beside the occlusions "remove" and "keep": test accuracy of the explained network."""

Row = dict[str, Any]
"""network, loss, norm, eps, test, attribution (None of an accuracy), ours, theirs, their standard errors (None: not
known), difference and its 95% interval, outcome, and standing, a key of `protocols.WORDS`."""

Column = tuple[str, str | None]  # test and attribution


def comparable(results: Results) -> bool:
    """Whether results hold scores of networks that the authors published, too: of CIFAR-10, and of one of their eps."""
    return (
        results.get("figure") == "interpretability"
        and results.get("dataset") == "cifar10"
        and results.get("loss") in LOSSES
        and bool(_networks(results))
    )


def compared(results: Results) -> list[Row]:
    """A row for each test accuracy and score, network by network, in the order of the results file.

    Networks of several seeds are one row, their mean. None of results that are not `comparable`. `ValueError` and its
    like for a file of another form.
    """
    if not comparable(results):
        return []
    groups = _networks(results)
    accuracy, theirs = spreads.our_accuracy(results, groups.values()).between, [spreads.authors_accuracy()]
    spread = {test: (spreads.ours(results, groups.values(), test), spreads.authors_errors(test)) for test in TESTS}
    rows = []
    for (norm, eps), networks in groups.items():
        name = "standard" if norm is None else f"{NORMS[norm]} {eps:g} {LOSSES[results['loss']]}"
        about = {"network": name, "loss": results["loss"], "norm": norm, "eps": eps}
        about["standing"] = _standing(results, robust=norm is not None)
        found = _published(results["loss"], norm, eps)
        value = float(np.mean([float(network["accuracy"]) for network in networks]))
        errors = None if accuracy is None else [accuracy.over(len(networks))]
        rows.append(about | _row((ACCURACY, None), value, errors, found, theirs))
        for test, attribution in product(TESTS, ATTRIBUTIONS):
            our_spread, their_errors = spread[test]
            score, errors = _score(results, networks, (test, attribution), our_spread)
            rows.append(about | _row((test, attribution), score, errors, found, their_errors))
    if not all(math.isfinite(row["difference"]) for row in rows):
        raise InputError("a score is no number")
    return rows


def _row(
    column: Column,
    ours: float,
    ours_errors: list[Variance] | None,
    found: dict[Column, tuple[float, float]],
    theirs_errors: list[Variance],
) -> Row:
    """Ours and theirs, the difference with its interval, and the outcome. found: as of `_published`."""
    theirs, span = found[column]
    difference = ours - theirs
    outcome: Outcome = "inconclusive"
    interval = None
    if ours_errors is not None:
        half = spreads.half_width(*ours_errors, *theirs_errors)
        interval = [difference - half, difference + half]
        if abs(difference) > half:
            outcome = "fails"
        elif 2 * half < span:
            outcome = "holds"
    return {
        "test": column[0],
        "attribution": column[1],
        "ours": ours,
        "ours_error": None if ours_errors is None else math.sqrt(spreads.added(*ours_errors).value),
        "theirs": theirs,
        "theirs_error": math.sqrt(spreads.added(*theirs_errors).value),
        "difference": difference,
        "interval": interval,
        "outcome": outcome,
    }


def _networks(results: Results) -> dict[tuple[str | None, float], list[dict[str, Any]]]:
    """The explained networks that the authors published, too, by norm and eps; those of several seeds together."""
    found: dict[tuple[str | None, float], list[dict[str, Any]]] = {}
    for network in results.get("networks", []):
        norm, eps = network["norm"], round(float(network["eps"]), 6)
        known = [0.0] if norm is None else published.series(results["loss"], norm).eps if norm in NORMS else []
        if any(abs(eps - theirs) < 1e-6 for theirs in known):
            found.setdefault((norm, eps), []).append(network)
    return found


def _published(loss: str, norm: str | None, eps: float) -> dict[Column, tuple[float, float]]:
    """The published accuracy and scores of a network, and the range of those of all networks of its loss.

    The standard network stands in the figures of both norms; it has the mean of the two readings.
    """
    tables = [published.series(loss, name) for name in NORMS]
    of_network = tables if norm is None else [published.series(loss, norm)]

    def both(values: list[tuple[float, ...]], here: list[tuple[float, ...]]) -> tuple[float, float]:
        at = [table.eps.index(min(table.eps, key=lambda theirs: abs(theirs - eps))) for table in of_network]
        return float(np.mean([v[i] for v, i in zip(here, at, strict=True)])), float(np.ptp(np.concatenate(values)))

    found: dict[Column, tuple[float, float]] = {}
    found[ACCURACY, None] = both([t.accuracy for t in tables], [t.accuracy for t in of_network])
    for key in product(TESTS, ATTRIBUTIONS):
        found[key] = both([t.scores[key] for t in tables], [t.scores[key] for t in of_network])
    return found


def _score(
    results: Results, networks: list[dict[str, Any]], key: tuple[str, str], spread: spreads.Spread
) -> tuple[float, list[Variance] | None]:
    """The mean score of networks of one recipe, and the parts of its error; None if these are not known."""
    test, attribution = key
    random = spreads.areas(results, results["baseline"][test], test)
    means = [spreads.areas(results, n["retrained"][attribution][test], test).mean() for n in networks]
    score = float(np.mean(means) - random.mean())
    if spread.within is None or spread.between is None:
        return score, None
    return score, [spread.between.over(len(means)), spread.within.over(len(random))]


def _standing(results: Results, *, robust: bool) -> str:
    """What a network's numbers can say, a key of `protocols.WORDS`: the same for any part of the authors' grid."""
    if spreads.lacking(results) - (set() if robust else {"attack steps"}):
        return "scale"
    return "decides" if results.get("test_data_verified") is True else "data"


HEADS = ("network", "number", "ours", "theirs", "difference (95% interval)", "verdict")


def shown(row: Row) -> list[str]:
    """A row in words, the cells below HEADS."""
    name = "test accuracy" if row["test"] == ACCURACY else f"{TESTS[row['test']]} {ATTRIBUTIONS[row['attribution']]}"

    def number(value: float, error: float | None) -> str:
        return f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")

    difference = f"{row['difference']:+.4f}"
    if row["interval"] is not None:
        difference += " ({:+.4f} to {:+.4f})".format(*row["interval"])
    ours, theirs = number(row["ours"], row["ours_error"]), number(row["theirs"], row["theirs_error"])
    return [row["network"], name, ours, theirs, difference, verdict(row)]


def verdict(row: Row) -> str:
    """The word of every document for a row's outcome."""
    return protocols.verdict(row["outcome"], row["standing"])


def entries(contents: Sequence[Mapping[str, Results]], paths: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """An `entry` for each file of section 3.2 that tells of a number first.

    contents, paths: results files by name; of several of one name, those nearest to the authors' protocol come first.
    """
    found = []
    for loss in LOSSES:
        seen: set[tuple[Any, ...]] = set()
        for content, places in zip(contents, paths, strict=True):
            if (name := f"section_3_2_{loss}") not in content:
                continue
            told = entry(content[name], places[name])
            rows = [row for row in told["rows"] if _key(row) not in seen]
            seen |= {_key(row) for row in rows}
            if rows or not told["rows"]:
                found.append(told | {"rows": rows})
    return found


def _key(row: Row) -> tuple[Any, ...]:
    return row["norm"], row["eps"], row["test"], row["attribution"]


def entry(results: Results, place: str) -> dict[str, Any]:
    """What a report holds of `compared`: place, the file, its loss and protocol, the rows, and the spread in words.

    Of a file of another form there are no rows, and `spread` says why.
    """
    try:
        rows = [row | {"verdict": verdict(row)} for row in compared(results)]
        words = "none of its networks is among the published ones"
        if rows:
            words = spreads.words(results, _networks(results).values())
    except protocols.ODD as error:
        rows, words = [], f"its cells cannot be read ({printable(f'{type(error).__name__}: {error}')[:200]})"
    return {
        "results": place,
        "loss": results.get("loss"),
        "protocol": extent.protocol(results),
        "spread": words,
        "rows": rows,
    }
