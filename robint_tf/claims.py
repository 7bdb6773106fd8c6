"""The paper's claims as data: where each stands, which results decide about it, and by which rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from robint_tf import published, verdicts
from robint_tf.verdicts import Finding, Results

DATASETS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
NORMS = {"l2": "L2", "linf": "L-Inf"}
LOSSES = {"xent": "XEnt", "cw": "CW"}
TESTS = {"remove": "ROAR", "keep": "KAR"}
ATTRIBUTIONS = {"gradient": "G", "gradient_x_input": "GX"}


@dataclass(frozen=True)
class Claim:
    """A statement of the paper. `needs`: name of the results file that decides, made by `command`.

    evaluate: from that file's content to a finding. authors: the same from the published numbers, None where these do
    not decide.
    """

    key: str
    section: str
    group: str  # claims of one kind, e.g. a figure's panels
    statement: str
    needs: str
    command: str
    evaluate: Callable[[Results], Finding]
    authors: Callable[[], Finding] | None = None


def all_claims() -> list[Claim]:
    """Every claim, in the paper's order."""
    return [*_figure_1(), *_figure_3(), *_accuracies(), *_figures_4_and_5()]


def _figure_1() -> Iterator[Claim]:
    for dataset, title in DATASETS.items():
        command = f"robint section-2-1 --dataset {dataset} --preset paper"
        for norm in NORMS:
            for loss in LOSSES:
                panel = f"{title}, {NORMS[norm]} {LOSSES[loss]}"
                needs = f"section_2_1_{dataset}_xent"
                yield Claim(
                    key=f"figure_1.order.{dataset}.{norm}.{loss}",
                    section="2.1",
                    group=f"Figure 1, {title}: order of the modes",
                    statement=f"{panel}: test < strong < middle < weak < standard, in distance to the manifold",
                    needs=needs,
                    command=command,
                    evaluate=partial(verdicts.manifold_order, norm, loss),
                    authors=partial(verdicts.authors_manifold_order, dataset, norm, loss),
                )
                yield Claim(
                    key=f"figure_1.means.{dataset}.{norm}.{loss}",
                    section="2.1",
                    group=f"Figure 1, {title}: order of the mean distances",
                    statement=f"{panel}: the same order of mean distances",
                    needs=needs,
                    command=command,
                    evaluate=partial(verdicts.manifold_order, norm, loss, of="means"),
                )
                yield Claim(
                    key=f"figure_1.nearer.{dataset}.{norm}.{loss}",
                    section="2.1",
                    group=f"Figure 1, {title}: robust networks nearer, pair by pair",
                    statement=f"{panel}: attacks on every robust network end nearer than those on the standard one",
                    needs=needs,
                    command=command,
                    evaluate=partial(verdicts.manifold_nearer, norm, loss),
                )


def _figure_3() -> Iterator[Claim]:
    tilts = published.TOY_TILT_DEGREES
    yield Claim(
        key="figure_3.order",
        section="2.2",
        group="Figure 3: tilt of the boundary",
        statement="adversarial training takes the tilt out of the boundary, a stronger adversary more of it",
        needs="section_2_2",
        command="robint section-2-2 --preset paper",
        evaluate=verdicts.tilt_order,
        authors=lambda: Finding(
            verdicts.judge(min(tilts["standard"] - tilts["weak"], tilts["weak"] - tilts["strong"]), None),
            "tilts about " + ", ".join(f"{v:.0f}°" for v in tilts.values()) + ", one network each",
        ),
    )


def _accuracies() -> Iterator[Claim]:
    for dataset, stated in published.STATED_ACCURACY.items():
        toy = dataset == "toy"
        yield Claim(
            key=f"accuracy.{dataset}",
            section="A.2",
            group="Accuracy of standard training",
            statement=f"standard training on {DATASETS.get(dataset, 'the toy data')} reaches {stated:.1%}",
            needs="section_2_2" if toy else f"{dataset}_standard",
            command="robint section-2-2 --preset paper" if toy else f"robint train --dataset {dataset}",
            evaluate=verdicts.toy_accuracy if toy else partial(verdicts.card_accuracy, stated),
        )


def _figures_4_and_5() -> Iterator[Claim]:
    for loss in LOSSES:
        for axis, (section, stem) in GRID_FIGURES.items():
            for norm, occlusion, attribution in product(NORMS, TESTS, ATTRIBUTIONS):
                yield _correlation(loss, axis, section, stem, (norm, occlusion, attribution))
        for norm, occlusion, attribution in product(NORMS, TESTS, ATTRIBUTIONS):
            key = (norm, occlusion, attribution)
            yield _grid_claim(
                loss,
                "3.2",
                "Section 3.2: every robust network above every standard one, " + TESTS[occlusion],
                f"criterion.{loss}.{norm}.{occlusion}.{attribution}",
                f"{_name(loss, key)}: every robust network scores above every standard one",
                partial(verdicts.above_standard, key),
                authors_rule=partial(verdicts.above_standard, key, exact=True),
            )
        for norm, occlusion in product(NORMS, TESTS):
            yield _grid_claim(
                loss,
                "3.2",
                "Section 3.2: gradient * input above the gradient",
                f"gx_above_g.{loss}.{norm}.{occlusion}",
                f"{NORMS[norm]} {LOSSES[loss]}, {TESTS[occlusion]}: gradient * input scores above the gradient",
                partial(verdicts.gx_above_g, norm, occlusion),
            )
        for occlusion, attribution in product(TESTS, ATTRIBUTIONS):
            better, worse = ("L2", "L-Inf") if occlusion == "remove" else ("L-Inf", "L2")
            yield _grid_claim(
                loss,
                "3.3",
                f"Section 3.3: {better} training better at equal accuracy, {TESTS[occlusion]}",
                f"resistance.{loss}.{occlusion}.{attribution}",
                f"{LOSSES[loss]} {ATTRIBUTIONS[attribution]}, {TESTS[occlusion]}: "
                f"at equal accuracy, {better} training scores above {worse} training",
                partial(verdicts.l2_above_linf, occlusion, attribution),
            )


GRID_FIGURES = {"strength": ("3.2", "section_3_2"), "accuracy": ("3.3", "section_3_3")}
EXCEPTION = ("l2", "keep", "gradient")
"""The series that the text excepts from its trends, in 3.2 and in 3.3."""


def _name(loss: str, key: verdicts.Key) -> str:
    norm, occlusion, attribution = key
    return f"{NORMS[norm]} {LOSSES[loss]} {ATTRIBUTIONS[attribution]}, {TESTS[occlusion]}"


def _correlation(loss: str, axis: str, section: str, stem: str, key: verdicts.Key) -> Claim:
    usual = 1 if axis == "strength" else -1
    against = "attack strength" if axis == "strength" else "test accuracy"
    word = "positive" if usual > 0 else "negative"
    sign = 0 if key == EXCEPTION else usual
    claimed = f"{word} correlation with {against}" if sign else f"no {word} correlation with {against} (the exception)"
    return Claim(
        key=f"{axis}.{loss}.{'.'.join(key)}",
        section=section,
        group=f"Figure {4 if axis == 'strength' else 5}: correlation with {against}, {TESTS[key[1]]}",
        statement=f"{_name(loss, key)}: {claimed}",
        needs=f"{stem}_{loss}",
        command=f"robint section-{section.replace('.', '-')} --preset paper --losses {loss}",
        evaluate=lambda results: verdicts.correlation(key, axis, sign, verdicts.points(results)),
        authors=lambda: verdicts.correlation(key, axis, sign, verdicts.authors_points(loss)),
    )


Rule = Callable[[dict[verdicts.Key, verdicts.Points]], Finding]


def _grid_claim(
    loss: str,
    section: str,
    group: str,
    key: str,
    statement: str,
    rule: Rule,
    authors_rule: Rule | None = None,
) -> Claim:
    return Claim(
        key=key,
        section=section,
        group=group,
        statement=statement,
        needs=f"section_3_2_{loss}",
        command=f"robint section-3-2 --preset paper --losses {loss}",
        evaluate=lambda results: rule(verdicts.points(results)),
        authors=lambda: (authors_rule or rule)(verdicts.authors_points(loss)),
    )
