"""Scores, answers and reference runs as Markdown tables, from results files, for a document of results.

results: of section 3.2, as `store.results.read` gives them; loss: of the networks' training; comparison: what
`comparison.compare` says.
"""

from typing import Any

import numpy as np

from robint_tf.labels import ATTRIBUTIONS, NORMS
from robint_tf.paper.beyond import cells, reference
from robint_tf.paper.report_markdown import table, text
from robint_tf.paper.verdicts import Results

NONE = "–"


def scores(results: Results) -> str:
    """By network: ROAR and KAR against the pooled baseline, and DiffROAR; G and GX."""
    points = cells.points(results)
    tests = [test for test in cells.TESTS if any(key[1] == test for key in points)]
    heads = ["network", *(f"{cells.TESTS[t]} {ATTRIBUTIONS[a]}" for t in tests for a in ATTRIBUTIONS)]
    rows: dict[str, list[str]] = {}
    for norm in dict.fromkeys(key[0] for key in points):
        networks = [n for n in results["networks"] if n["norm"] in (None, norm)]
        for i, network in enumerate(networks):
            series = [points[norm, t, a].score[i] for t in tests for a in ATTRIBUTIONS]
            rows.setdefault(network["name"], [text(network["name"]), *(f"{score:.4f}" for score in series)])
    shares = zip(results["fractions"], *cells.baseline(results)["keep"], strict=True)
    draws = ", ".join(f"{share:.0%}: {accuracy:.4f} of {n}" for share, accuracy, n in shares)
    return table(heads, list(rows.values())) + f"\n\nThe pooled baseline, by share kept: {draws} retrainings."


TRENDS = (("slope", "keep"), ("rank", "remove"), ("strong_slope", "remove"), ("rank", cells.DIFF))
TREND_HEADS = {
    "slope": "{}: slope",
    "rank": "{}: rank correlation",
    "strong_slope": "{}: slope from half strength on",
}


def trends(loss: str, comparison: dict[str, Any]) -> str:
    """How scores go with attack strength, by series: ours, and the authors' scores under the same test."""
    heads = ["series"]
    for question, test in TRENDS:
        heads += [TREND_HEADS[question].format(cells.TESTS[test]), "authors'"]
    rows = _by_series(loss, comparison, TRENDS)
    return table(heads, [[name, *(_shown(row) for pair in found for row in pair)] for name, found in rows.items()])


def partials(loss: str, comparison: dict[str, Any]) -> str:
    """Correlation of score and test accuracy, at fixed attack strength beside the plain one, in the test's words."""
    of = (("partial", "remove"), ("partial", "keep"))
    heads = ["series"]
    for _, test in of:
        heads += [cells.TESTS[test], "authors'"]
    rows = _by_series(loss, comparison, of)
    return table(
        heads, [[name, *(text(one["text"]) for pair in found for one in pair)] for name, found in rows.items()]
    )


def _by_series(
    loss: str, comparison: dict[str, Any], of: tuple[tuple[str, str], ...]
) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """By the name of a series: our answer and the authors' to each question."""
    rows = {row["key"]: row for row in comparison["beyond"]["claims"]}
    found = {}
    for attribution in reversed(ATTRIBUTIONS):
        for norm in NORMS:
            keys = [f"beyond.{question}.{loss}.{norm}.{test}.{attribution}" for question, test in of]
            found[f"{NORMS[norm]} {ATTRIBUTIONS[attribution]}"] = [(rows[k]["ours"], rows[k]["authors"]) for k in keys]
    return found


def _shown(answer: dict[str, Any]) -> str:
    if answer["value"] is None:
        return text(answer["text"])
    low, high = answer["interval"]
    return f"{answer['value']:.3f} ({low:.3f} to {high:.3f}), p {answer['p']:.2g}, Holm {answer['p_holm']:.2g}"


def authors_quick(results: Results) -> str:
    """A table of keep and retrain by the authors' code at the scale of `quick`, beside ours."""
    run = reference.quick()
    fractions = list(results["fractions"])
    at = [fractions.index(share) for share in run.kept]
    heads = ["map", "of the network", "its accuracy: authors' code", "ours"]
    for share in run.kept:
        heads += [f"{share:.0%} kept: authors' code", "ours"]
    ours = np.mean(results["baseline"]["keep"], axis=1)
    rows = [["random", "", "", "", *_pairs(run.random, ours[at])]]
    kept: dict[tuple[str, float], tuple[np.ndarray, np.ndarray]] = {}
    for network in run.networks:
        of = (network.norm, network.eps, 0)
        (found,) = [n for n in results["networks"] if (n["norm"], n["eps"], n["seed"]) == of]
        for attribution, theirs in network.kept.items():
            mine = np.mean(found["retrained"][attribution]["keep"], axis=1)[at]
            kept[attribution, network.eps] = np.array(theirs), mine
            accuracies = _pairs([network.accuracy], [found["accuracy"]])
            rows.append([ATTRIBUTIONS[attribution], text(found["name"]), *accuracies, *_pairs(theirs, mine)])
    first, last = run.networks[0].eps, run.networks[-1].eps
    for attribution in ATTRIBUTIONS:
        theirs, mine = (a - b for a, b in zip(kept[attribution, last], kept[attribution, first], strict=True))
        rows.append([ATTRIBUTIONS[attribution], "robust minus standard", "", "", *_pairs(theirs, mine, "{:+.3f}")])
    return f"Authors' code: {run.protocol}.\n\n" + table(heads, rows)


def authors_epochs(card: Results, first_1000: Results | None) -> str:
    """Accuracy by epoch of the authors' standard training, beside ours after the last epoch.

    card: of our standard network; first_1000: its evaluation on the first 1,000 test images.
    """
    run = reference.standard_training()
    columns = [np.array(run.all), np.array(run.first_1000)]
    clean = card["clean_accuracy"]
    ours = [f"{clean['value']:.4f} (ours)", NONE]
    if first_1000 is not None:
        evaluated = first_1000["evaluations"][0]
        ours[1] = f"{evaluated['accuracy']:.4f} (ours, {evaluated['n']:,d} images)"
    rows = [[str(epoch), *(f"{v:.3f}" for v in values)] for epoch, values in enumerate(zip(*columns, strict=True), 1)]
    half = len(run.all) // 2
    rows.append(["mean of the last five", *(f"{c[-5:].mean():.3f}" for c in columns)])
    rows.append([f"range of the last {half}", *(f"{c[half:].min():.3f} to {c[half:].max():.3f}" for c in columns)])
    rows.append(["our last epoch", *ours])
    rows.append(["their Figure 5", f"{run.published:.4f}", ""])
    heads = ["authors' code, epoch", "all 10,000 test images", "the first 1,000"]
    above = int(np.sum(np.array(run.all[half:]) > clean["value"]))
    told = f"Of the last {half} epochs of the authors' code, {above} are more accurate on all images than our last."
    return f"Authors' code: {run.protocol}.\n\n{table(heads, rows)}\n\n{told}"


def _pairs(theirs: Any, mine: Any, form: str = "{:.3f}") -> list[str]:
    return [form.format(value) for pair in zip(theirs, mine, strict=True) for value in pair]
