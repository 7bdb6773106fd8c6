"""Scores of every explained network from the retrained accuracies in a results file, with one random baseline.

"Remove the share f at random" and "keep 1 - f at random" replace every pixel with the same probability: they are one
distribution. So where a file has both, the scores here take all of their retrainings as the baseline. The paper's own
scores, which a results file holds, compare with the baseline of their own test.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robint_tf import labels
from robint_tf.errors import InputError
from robint_tf.interpretability import scores
from robint_tf.paper import published
from robint_tf.paper.verdicts_interpretability import Key, Points, Results
from robint_tf.paper.verdicts_interpretability import authors_points as authors_published

DIFF = "diff"
"""DiffROAR beside the occlusions "remove" and "keep": the third test of a network's maps."""

TESTS = {**labels.TESTS, DIFF: "DiffROAR"}
TITLES = {**labels.TESTS_IN_FULL, DIFF: "Keep the Top minus Keep the Bottom (DiffROAR)"}


def strength(norm: str, eps: Sequence[float] | np.ndarray) -> np.ndarray:
    """The attack strength (n,) of eps (n,) in a norm: 1 for the strongest attack of the published grid."""
    return np.asarray(eps, float) / published.STRONGEST[norm]


def has_diff_roar(results: Results) -> bool:
    """Whether the fractions of results hold 1 - k for every k, so that there is DiffROAR."""
    return all(_mirror(results["fractions"], i) is not None for i in range(len(results["fractions"])))


def baseline(results: Results) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By occlusion: the random baseline of results at each fraction (K,), and the number of its retrainings (K,)."""
    fractions = results["fractions"]
    own = {occlusion: _accuracies(results, results["baseline"][occlusion]) for occlusion in labels.TESTS}
    found = {}
    for occlusion, other in zip(labels.TESTS, reversed(labels.TESTS), strict=True):
        draws = []
        for i in range(len(fractions)):
            j = _mirror(fractions, i)
            draws.append(own[occlusion][i] if j is None else np.concatenate([own[occlusion][i], own[other][j]]))
        found[occlusion] = np.array([d.mean() for d in draws]), np.array([len(d) for d in draws])
    return found


def points(results: Results) -> dict[Key, Points]:
    """The series of a results file of section 3.2 or 3.3, as `verdicts_interpretability.points` gives them.

    Scores of ROAR and KAR are against the pooled baseline, whose error their networks share; only DiffROAR, which needs
    none, has errors: over the retrainings, where there are two or more. Without `has_diff_roar` it is not among them.
    `ValueError` and its like for a file of another form.
    """
    fractions = np.array(results["fractions"], float)
    random = baseline(results)
    norms = list(dict.fromkeys(n["norm"] for n in results["networks"] if n["norm"] is not None))
    found = {}
    for norm in norms:
        networks = [n for n in results["networks"] if n["norm"] in (None, norm)]
        eps, accuracy = (np.array([n[name] for n in networks], float) for name in ("eps", "accuracy"))
        for attribution in networks[0]["retrained"]:
            retrained = {
                occlusion: np.stack([_accuracies(results, n["retrained"][attribution][occlusion]) for n in networks])
                for occlusion in labels.TESTS
            }
            for occlusion, values in retrained.items():
                score = scores.SCORES[occlusion](fractions, values.mean(axis=2), random[occlusion][0])
                found[norm, occlusion, attribution] = Points(eps, accuracy, score, None)
            if has_diff_roar(results):
                by_seed = _diff_by_seed(fractions, retrained)
                n_seeds = by_seed.shape[1]
                errors = by_seed.std(axis=1, ddof=1) / np.sqrt(n_seeds) if n_seeds > 1 else None
                found[norm, DIFF, attribution] = Points(eps, accuracy, by_seed.mean(axis=1), errors, n_seeds)
    return found


def authors_points(loss: str) -> dict[Key, Points]:
    """The authors' series of a training loss, with DiffROAR: the sum of both published scores, but for a constant.

    Their two random baselines are not published, so the sum holds their difference, the same for every network.
    """
    found = authors_published(loss)
    for norm, occlusion, attribution in list(found):
        if occlusion == "remove":
            one, other = found[norm, "remove", attribution], found[norm, "keep", attribution]
            found[norm, DIFF, attribution] = one._replace(score=one.score + other.score)
    return found


def diff_roar(fractions: Sequence[float], cells: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """DiffROAR of one map as plain data; None where 1 - k is not there for every k.

    cells: accuracies (fractions, retrainings) by occlusion. by_fraction: means over the retrainings at each share kept.
    """
    if not has_diff_roar({"fractions": fractions}):
        return None
    shares = np.array(fractions, float)
    by_seed = _diff_by_seed(shares, {occlusion: values[None] for occlusion, values in cells.items()})[0]
    kept, removed = (np.mean(cells[occlusion], axis=1) for occlusion in ("keep", "remove"))
    return {
        "by_fraction": scores.diff_roar(shares, kept, removed).tolist(),
        "area": float(by_seed.mean()),
        "standard_error": float(by_seed.std(ddof=1) / np.sqrt(len(by_seed))) if len(by_seed) > 1 else None,
    }


def _diff_by_seed(fractions: np.ndarray, retrained: dict[str, np.ndarray]) -> np.ndarray:
    """Areas (networks, retrainings) from accuracies (networks, fractions, retrainings) by occlusion."""
    kept, removed = (np.moveaxis(retrained[occlusion], 2, 1) for occlusion in ("keep", "remove"))
    return scores.diff_roar_score(fractions, kept, removed)


def _mirror(fractions: Sequence[float], i: int) -> int | None:
    """Where 1 - fractions[i] stands."""
    return next((j for j, f in enumerate(fractions) if abs(f + fractions[i] - 1) < 1e-9), None)


def _accuracies(results: Results, values: Any) -> np.ndarray:
    """Accuracies (fractions, retrainings) of a cell. `ValueError` for another form."""
    found = np.asarray(values, float)
    if found.ndim != 2 or len(found) != len(results["fractions"]) or not found.shape[1]:
        raise InputError(f"accuracies have shape {found.shape}; there are {len(results['fractions'])} fractions.")
    return found
