"""A series of Figures 4 and 5 as numbers: the networks' scores, what they go with, and how the authors' do.

DiffROAR has a panel of its own in the same form. Results files of earlier releases lack it; it comes from their cells.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from robint_tf import labels
from robint_tf.interpretability import scores
from robint_tf.paper import published
from robint_tf.paper.beyond import cells

BAND_POINTS = 40

Key = tuple[str, str, str, str]  # loss, norm, test, attribution


def series(
    key: Key,
    axis: str,
    *,
    eps: list[float],
    accuracy: list[float],
    y: list[float],
    errors: list[float | None],
    n_resamples: int = 10_000,
) -> dict[str, Any]:
    """One series of a panel: its points, correlations with intervals, the authors', line and band.

    key: which series; eps, accuracy, y, errors: of each network the radius in training (0: a standard network), test
    accuracy, score and standard error. axis: "strength" or "accuracy". n_resamples: of the correlations' bootstrap
    intervals, which 0 leaves out.
    """
    loss, norm, _, attribution = key
    x = np.array(cells.strength(norm, eps) if axis == "strength" else accuracy, float)
    values = np.array(y)
    correlation, line = scores.correlation(x, values, n_resamples=n_resamples), scores.fit_line(x, values)
    at = np.linspace(x.min(), x.max(), BAND_POINTS)
    band = scores.fit_band(x, values, at)
    standard = np.array(eps) == 0
    return {
        "name": f"{labels.NORMS[norm]} {labels.LOSSES[loss]} {labels.ATTRIBUTIONS[attribution]}",
        "norm": norm,
        "attribution": attribution,
        "x": x.tolist(),
        "y": y,
        "standard_errors": errors,
        "correlation": correlation and asdict(correlation),
        "authors": _authors(key, axis),
        "line": line and line._asdict(),
        "band": band and {"x": at.tolist(), "low": band[0].tolist(), "high": band[1].tolist()},
        "margin_over_standard": None if standard.all() else scores.margin(values[~standard], values[standard]),
    }


def _authors(key: Key, axis: str) -> dict[str, float] | None:
    """The authors' correlations, where they have any: as printed, or for DiffROAR from their published scores."""
    loss, norm, test, attribution = key
    if loss not in labels.LOSSES or norm not in labels.NORMS or attribution not in labels.ATTRIBUTIONS:
        return None
    if test != cells.DIFF:
        return asdict(published.printed_correlation(loss, norm, test, attribution, axis))
    theirs = cells.authors_points(loss)[norm, test, attribution]
    found = scores.correlation(theirs.eps if axis == "strength" else theirs.accuracy, theirs.score, n_resamples=0)
    assert found is not None
    return {"linear": found.pearson, "rank": found.spearman}


def authors_panel(loss: str, axis: str, test: str) -> dict[str, Any]:
    """A panel of the authors' networks, from the numbers read back from their figures.

    loss: of their training; axis: "strength" or "accuracy"; test: a key of `cells.TESTS`.
    """
    theirs = cells.authors_points(loss)
    entries = []
    for attribution in reversed(labels.ATTRIBUTIONS):
        for norm in labels.NORMS:
            eps, accuracy, y, _, _ = theirs[norm, test, attribution]
            given = {"eps": eps.tolist(), "accuracy": accuracy.tolist(), "y": y.tolist(), "errors": [None] * len(y)}
            entries.append(series((loss, norm, test, attribution), axis, **given, n_resamples=0))
    return {"occlusion": test, "title": cells.TITLES[test], "series": entries}


def diff_roar_panel(results: dict[str, Any]) -> dict[str, Any] | None:
    """The panel of DiffROAR of a results file of section 3.2 or 3.3; None where its fractions allow none."""
    if "diff_roar" in results:
        found: dict[str, Any] | None = results["diff_roar"]
        return found
    if not cells.has_diff_roar(results):
        return None
    entries = []
    for key, (eps, accuracy, y, errors, _) in cells.points(results).items():
        norm, test, attribution = key
        if test == cells.DIFF:
            entries.append(
                series(
                    (results["loss"], norm, test, attribution),
                    results["axis"],
                    eps=eps.tolist(),
                    accuracy=accuracy.tolist(),
                    y=y.tolist(),
                    errors=[None] * len(y) if errors is None else errors.tolist(),
                )
            )
    order = {name: i for i, name in enumerate(reversed(labels.ATTRIBUTIONS))}
    entries.sort(key=lambda entry: order.get(entry["attribution"], len(order)))  # as in the other panels
    return {"occlusion": cells.DIFF, "title": cells.TITLES[cells.DIFF], "series": entries}
