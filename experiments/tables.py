"""Our own numbers as Markdown tables by name, each from the results files that hold them; for `docs/results.md`.

A table whose results files are not there says by which command they are made.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from robint_tf.errors import InputError
from robint_tf.paper import published, report_markdown
from robint_tf.paper.beyond import measures
from robint_tf.paper.beyond import tables as beyond
from robint_tf.paper.claims import DATASETS, TESTS
from robint_tf.paper.comparison import Collection
from robint_tf.paper.protocols import ODD
from robint_tf.paper.report_markdown import code, table, text
from robint_tf.paper.verdicts import ORDERS
from robint_tf.store.results import printable

NONE = "–"


def toy(collection: Collection) -> str:
    """Section 2.2: accuracy, tilt and angle of the attack of the three networks, over their seeds."""
    found = collection.content.get("section_2_2")
    if found is None:
        return _not_run("robint section-2-2 --preset paper")
    heads = ["network", "accuracy", "tilt of the boundary", "authors' tilt", "angle of the attack from the horizontal"]
    rows = []
    for network in found["networks"]:
        tilt, angle = network["tilt_degrees"], network["attack_degrees_from_horizontal"]
        attack = network["training_attack"]
        rows.append(
            [
                text(network["title"]) + (f": {text(attack)}" if attack else ""),
                f"{network['accuracy']['mean']:.2%}",
                f"{tilt['mean']:.1f}° ± {tilt['sd']:.1f}° ({tilt['min']:.1f}° to {tilt['max']:.1f}°)",
                _number(network["tilt_degrees_authors"], "≈ {:.0f}°"),
                f"{angle['mean']:.1f}°",
            ]
        )
    hits, n = found["seeds_with_tilt_standard_over_weak_over_strong"], found["n_seeds"]
    return table(heads, rows) + f"\n\nThe order standard > weak > strong holds in {hits:d} of {n:d} seeds."


def classifiers(collection: Collection) -> str:
    """Appendix A.2: accuracy of standard training on whole test sets, and on the first images of CIFAR-10's."""
    heads = ["data set", "command", "test images", "test accuracy", "authors'", "training accuracy of the last epoch"]
    rows = []
    for dataset, title in DATASETS.items():
        stated = f"{published.STATED_ACCURACY[dataset]:.1%}"
        if f"{dataset}_standard" not in collection.content:
            rows.append([title, code(f"robint train --dataset {dataset}"), "", "not run", stated, ""])
            continue
        for name in collection.seeds_of(f"{dataset}_standard"):
            card = collection.content[name]
            clean, last = card["clean_accuracy"], card["epoch_accuracy"][-1]
            shown = _with_interval(clean["value"], clean["interval_95"])
            command = code(card["provenance"]["command"])
            rows.append([title, command, f"{clean['n']:,d}", shown, stated, f"{last:.1%}"])
        evaluated = collection.content.get(f"{dataset}_standard_evaluation")
        if evaluated is not None:
            first = evaluated["evaluations"][0]
            shown = _with_interval(first["accuracy"], first["interval_95"])
            rows.append(
                [title, code(evaluated["provenance"]["command"]), f"the first {first['n']:,d}", shown, stated, ""]
            )
    return table(heads, rows)


def adversarial_mnist(collection: Collection) -> str:
    """Accuracy under attack of a network trained on clean images and of one trained on adversarial images."""
    heads: list[str] = []
    rows = []
    for name, train in (
        ("mnist_10000_standard", "robint train --dataset mnist --n-train 10000"),
        ("mnist_10000_l2_2", "robint train --dataset mnist --norm l2 --eps 2 --n-steps 10 --n-train 10000"),
    ):
        card, found = (collection.content.get(n) for n in (name, f"{name}_evaluation"))
        if card is None or found is None:
            return _not_run(f"{train} --save {name}.keras")
        attacks = [e["attack"] for e in found["evaluations"]]
        heads = ["trained by", *("clean" if a is None else text(f"{a['norm']}, eps {a['eps']:g}") for a in attacks)]
        accuracies = [_with_interval(e["accuracy"], e["interval_95"]) for e in found["evaluations"]]
        rows.append([code(card["provenance"]["command"]), *accuracies])
    return table(heads, rows)


def manifold(dataset: str, collection: Collection) -> str:
    """Figure 1 of a data set: a row for each curve of each panel."""
    found = collection.content.get(f"section_2_1_{dataset}_xent")
    if found is None:
        return _not_run(f"robint section-2-1 --dataset {dataset} --preset paper")
    heads = ["panel", "curve", "mean distance", "mode", "authors' mode", "nearer than on the standard network"]
    rows = []
    for panel in found["panels"]:
        nearer = {row["name"]: row for row in panel["nearer_than_standard"]}
        for i, curve in enumerate(panel["curves"]):
            pair = nearer.get(curve["name"])
            rows.append(
                [
                    text(panel["title"]) if i == 0 else "",
                    text(curve["name"]),
                    _number(curve["distance_mean"], "{:.2f}"),
                    _number(curve["mode"], "{:.3f}"),
                    _number(curve["mode_authors"], "{:.3f}", none="hidden"),
                    "" if pair is None else _with_interval(pair["share"], pair["interval"], digits=1),
                ]
            )
    return table(heads, rows)


def orders(collection: Collection) -> str:
    """Figure 1: whether means and modes come in the paper's order, and how sure that is."""
    heads = ["data set", "panel"]
    for of in ORDERS:
        heads += [f"{of} in order", "bootstrap probability", "surest reversal of two neighbours"]
    rows = []
    for dataset, title in DATASETS.items():
        found = collection.content.get(f"section_2_1_{dataset}_xent")
        if found is None:
            command = code(f"robint section-2-1 --dataset {dataset} --preset paper")
            rows.append([title, f"not run: {command}", *[""] * (len(heads) - 2)])
            continue
        for panel in found["panels"]:
            cells = [title, text(panel["title"])]
            for keys in ORDERS.values():
                holds, probability, pairs = (panel["order"].get(key) for key in keys)
                cells += [_yes(holds), _number(probability, "{:.1%}"), _number(pairs and max(pairs.values()), "{:.1%}")]
            rows.append(cells)
    return table(heads, rows)


def _widest(name: str, collection: Collection) -> dict[str, Any] | None:
    """Of the files of a grid that with the most networks, the nearest to the authors' protocol among equals."""
    files = [content for _, content in collection.files_of(name)]
    return max(files, key=lambda content: len(content["networks"]), default=None)


AXES = {"section_3_2": "attack strength", "section_3_3": "test accuracy"}


def correlations(loss: str, collection: Collection) -> str:
    """Figures 4 and 5: linear correlations of a loss's eight series, ours with Fisher's interval and the authors'."""
    heads = ["series"]
    rows: dict[str, list[str]] = {}
    for section, axis in AXES.items():
        found = _widest(f"{section}_{loss}", collection)
        if found is None:
            return _not_run(f"robint {section.replace('_', '-')} --preset paper --losses {loss}")
        for panel in found["panels"]:
            heads += [f"{TESTS[panel['occlusion']]}, {axis}", "authors'"]
            for series in panel["series"]:
                ours, authors = series["correlation"], series["authors"]
                cells = rows.setdefault(series["name"], [text(series["name"])])
                shown = (
                    NONE if ours is None else _with_interval(ours["pearson"], ours["pearson_interval"], form="{:.2f}")
                )
                cells.append(shown)
                cells.append(_number(authors and authors["linear"], "{:.2f}"))
    return table(heads, list(rows.values()))


def grid_networks(loss: str, collection: Collection) -> str:
    """Sections 3.2 and 3.3: test accuracy of the explained networks, clean and under attack."""
    found = _widest(f"section_3_2_{loss}", collection)
    if found is None:
        return _not_run(f"robint section-3-2 --preset paper --losses {loss}")
    heads = ["network", "test accuracy", f"under {text(found['robust_attack'])}"]
    rows = [
        [
            text(network["name"]),
            _with_interval(network["accuracy"], network["accuracy_interval"]),
            _with_interval(network["robust_accuracy"], network["robust_accuracy_interval"]),
        ]
        for network in found["networks"]
    ]
    return table(heads, rows)


def attack_steps(collection: Collection) -> str:
    """What an attack of 7 steps and one of 40 reach on two networks of the grid."""
    rows = []
    for network in ("cifar10_10000_l2_0.8", "cifar10_10000_linf_0.02"):
        for steps in (7, 40):
            found = collection.content.get(f"{network}_pgd{steps}")
            if found is None:
                return _not_run(f"robint evaluate {network}.keras --dataset cifar10 --n-steps {steps}")
            attacked = found["evaluations"][-1]
            rows.append(
                [
                    code(found["provenance"]["command"]),
                    f"{attacked['attack']['n_steps']:d}",
                    _with_interval(attacked["accuracy"], attacked["interval_95"]),
                    f"{attacked['loss']:.4f}",
                ]
            )
    return table(["command", "steps", "accuracy under attack", "mean loss"], rows)


def beyond_scores(loss: str, collection: Collection) -> str:
    """Beyond the paper: scores of every network against the pooled baseline, and DiffROAR."""
    found = _widest(f"section_3_2_{loss}", collection)
    return _not_run(f"robint section-3-2 --preset paper --losses {loss}") if found is None else beyond.scores(found)


def beside_published(loss: str, found: dict[str, Any]) -> str:
    """Section 3.2: our test accuracies and scores beside the published ones, one by one."""
    entries = [entry for entry in found["side_by_side"] if entry["loss"] == loss]
    if not entries:
        return _not_run(f"robint section-3-2 --preset paper --losses {loss}")
    return "\n\n".join(map(report_markdown.beside_published, entries))


def of_grid(name: str, loss: str, collection: Collection) -> str:
    """Beyond the paper: a table of section 3.2's controls or schedules; name: in `measures.OF_GRID`."""
    found = collection.content.get(f"section_3_2_{loss}")
    if found is None:
        return _not_run(f"robint section-3-2 --preset paper --losses {loss}")
    made = measures.OF_GRID[name](found)
    if made is None:
        return f"These results hold none: repeat {code(found['provenance']['command'])}"
    return _with_note(made)


def road(collection: Collection) -> str:
    """Beyond the paper: ROAD of every network for which it was measured."""
    made = measures.roads(measures.files(collection.content, "road"))
    return _not_run("robint road MODEL.keras --dataset cifar10") if made is None else _with_note(made)


def _with_note(made: measures.Table) -> str:
    return f"{text(made.note)}\n\n{report_markdown.text_table(asdict(made))}"


def methods(collection: Collection) -> str:
    """Beyond the paper: scores of other attributions of the standard and the most robust networks."""
    made = "methods" in collection.content and measures.methods(collection.content["methods"])
    return _with_note(made) if made else _not_run("robint methods --preset quick")


def authors_quick(collection: Collection) -> str:
    """What the authors' code gives at the scale of `quick`, beside our results of that preset."""
    for _, found in collection.files_of("section_3_2_xent"):
        if found["provenance"].get("preset") == "quick":
            return beyond.authors_quick(found)
    return _not_run("robint section-3-2 --preset quick")


def authors_epochs(collection: Collection) -> str:
    """Accuracy by epoch of the authors' code on CIFAR-10, beside our network's."""
    card = collection.content.get("cifar10_standard")
    if card is None:
        return _not_run("robint train --dataset cifar10")
    return beyond.authors_epochs(card, collection.content.get("cifar10_standard_evaluation"))


RESULTS: dict[str, Callable[[Collection], str]] = {
    "toy": toy,
    "classifiers": classifiers,
    "authors_epochs": authors_epochs,
    "adversarial_mnist": adversarial_mnist,
    **{f"manifold_{dataset}": partial(manifold, dataset) for dataset in DATASETS},
    "orders": orders,
    "correlations_xent": partial(correlations, "xent"),
    "networks_xent": partial(grid_networks, "xent"),
    "attack_steps": attack_steps,
    "scores_xent": partial(beyond_scores, "xent"),
    **{f"{name}_xent": partial(of_grid, name, "xent") for name in measures.OF_GRID},
    "road": road,
    "methods": methods,
    "authors_quick": authors_quick,
}
"""Tables of our own numbers by the name in their marks."""

COMPARISONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "totals": report_markdown.totals_table,
    "comparison": report_markdown.group_table,
    "sources": report_markdown.source_table,
    "beyond": report_markdown.beyond_table,
    "published_xent": partial(beside_published, "xent"),
    "trends_xent": partial(beyond.trends, "xent"),
    "partials_xent": partial(beyond.partials, "xent"),
}
"""Tables of a comparison by the name in their marks."""


def all_tables(collection: Collection, found: dict[str, Any]) -> dict[str, Callable[[], str]]:
    """Every table that a document may show, by name. found: what `comparison.compare` says of the collection.

    Making a table raises `InputError` if one of its results files holds something else than its name promises.
    """
    names = {place: name for name, place in collection.paths.items()}
    reasons = {names[place]: why for place, why in found["left_out"].items() if place in names}
    taken = collection.without(reasons).without_others(found["left_out"])
    tables: dict[str, Callable[[], str]] = {name: partial(make, found) for name, make in COMPARISONS.items()}
    return tables | {name: partial(_checked, name, make, taken) for name, make in RESULTS.items()}


def _checked(name: str, make: Callable[[Collection], str], collection: Collection) -> str:
    try:
        return make(collection)
    except ODD as error:
        cause = printable(f"{type(error).__name__}: {error}".replace("\n", " "))[:200]
        raise InputError(
            f"the table {name} cannot be made of its results files ({cause}); repeat their commands."
        ) from None


def _not_run(command: str) -> str:
    return f"Not run: {code(command)}"


def _number(value: float | None, form: str, none: str = NONE) -> str:
    return none if value is None else form.format(value)


def _yes(value: bool | None) -> str:
    return NONE if value is None else "yes" if value else "no"


def _with_interval(value: float | None, ends: list[float] | None, *, digits: int = 2, form: str | None = None) -> str:
    form = form or f"{{:.{digits}%}}"
    shown = _number(value, form)
    return shown if value is None or ends is None else f"{shown} ({form.format(ends[0])} to {form.format(ends[1])})"
