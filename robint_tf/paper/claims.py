"""The paper's claims as data: where each stands, which results decide about it, and by which rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from robint_tf.catalogue import origin
from robint_tf.errors import InputError
from robint_tf.labels import ATTRIBUTIONS, DATASETS, LOSSES, NORMS, TESTS
from robint_tf.paper import published, verdicts
from robint_tf.paper import verdicts_interpretability as grid
from robint_tf.paper.verdicts import Finding, Results


@dataclass(frozen=True)
class Claim:
    """A statement of the paper. key: its name; section: of the paper; needs: the results file that decides, without
    .json. group: its kind, such as a figure's panels, all of which one pair of rules decides. evaluate: from that
    file's content to a finding; `ValueError` if the file is of something else. authors: the same from the published
    numbers, None where these do not decide. rule, authors_rule: how either is decided, in words; "" for the authors'
    where it is the same. question: the paper asks whether it is so, and does not assert it. seeds: files of the same
    name with a number behind it, such as NAME_1, are networks of further seeds, which `evaluate` takes after the first.
    """

    key: str
    section: str
    group: str
    statement: str
    needs: str
    rule: str
    evaluate: Callable[..., Finding]
    authors: Callable[[], Finding] | None = None
    authors_rule: str = ""
    question: bool = False
    seeds: bool = False


POINTS = "the points read off the figure, without an interval"
MODES_READ = (
    f"{POINTS}; neighbours within the reading error, a hundredth of the axis, leave it open, and where curves are "
    "hidden it is supported as far as visible"
)
ONE_EACH = "one network of each kind, so that how trainings differ is not in the interval"
ORDER_RULE = (
    "bootstrap over images: the whole order in 95% of the resamples or more; against it, two neighbours the other way "
    f"round in 98.75% or more (Bonferroni over the 4 pairs); {ONE_EACH}"
)
PAIRS_RULE = (
    "share of images, above 50% for every robust network: Wilson's 95% intervals; against it, below 50% for one "
    f"network: 98.3% intervals (Bonferroni over the 3 networks); {ONE_EACH}"
)
TILT_RULE = "share of seeds in this order, above 50%: Wilson's 95% interval"
ACCURACY_RULE = (
    "mean over seeds within one point of the stated accuracy: Student's 95% t interval over the seeds, at least "
    f"{verdicts.LEAST_SEEDS}"
)
CORRELATION_RULE = "sign of the linear correlation over networks: Fisher's 95% interval"
EXCEPTION_RULE = (
    "95% intervals: no strong correlation of the usual sign (below 0.5; Fisher), while the other KAR series together "
    "have that sign (mean Fisher z) and each of them differs from this one (Zou)"
)
MARGIN_RULE = "lowest robust minus highest standard score: 95% intervals over retrainings, pooled over networks"
GAP_RULE = "mean difference over networks: 95% t interval"
LINES_RULE = (
    "gap of the lines fitted to the robust networks at the middle of the common accuracies: Welch's 95% t interval"
)


def all_claims() -> list[Claim]:
    """Every claim, in the paper's order."""
    return [*_figure_1(), *_figure_3(), *_accuracies(), *_figures_4_and_5()]


Rule = Callable[[Results], Finding]


def _of(rule: Rule, **expected: str) -> Rule:
    """The rule for results that name what it is about; `ValueError` for others, e.g. a file that was renamed."""

    def evaluate(results: Results) -> Finding:
        for name, value in expected.items():
            if origin(str(results[name])) != value:
                raise InputError(f"its {name} is {results[name]}, not {value}")
        return rule(results)

    return evaluate


def _figure_1() -> Iterator[Claim]:
    for dataset, norm, loss in product(DATASETS, NORMS, LOSSES):
        # The published panel of these networks shows others, those trained with CW (notebook 2.3).
        shown = (dataset, norm, loss) != ("fashion_mnist", "l2", "xent")
        yield _panel_claim(
            ("order", dataset, norm, loss),
            "order of the modes",
            "the figure's order, test < strong < middle < weak < standard in distance to the manifold",
            ORDER_RULE,
            partial(verdicts.manifold_order, norm, loss),
            authors=partial(verdicts.authors_manifold_order, dataset, norm, loss) if shown else None,
        )
        yield _panel_claim(
            ("means", dataset, norm, loss),
            "order of the mean distances",
            "the same order of mean distances",
            ORDER_RULE,
            partial(verdicts.manifold_order, norm, loss, of="means"),
        )
        yield _panel_claim(
            ("nearer", dataset, norm, loss),
            "robust networks nearer, pair by pair",
            "attacks on every robust network end nearer than those on the standard one",
            PAIRS_RULE,
            partial(verdicts.manifold_nearer, norm, loss),
        )


def _panel_claim(
    of: tuple[str, str, str, str],
    group: str,
    statement: str,
    rule: str,
    ours: Rule,
    *,
    authors: Callable[[], Finding] | None = None,
) -> Claim:
    """A claim about a panel of Figure 1; of: its kind, data set, norm and loss."""
    _, dataset, norm, loss = of
    return Claim(
        key="figure_1." + ".".join(of),
        section="2.1",
        group=f"Figure 1, {DATASETS[dataset]}: {group}",
        statement=f"{DATASETS[dataset]}, {NORMS[norm]} {LOSSES[loss]}: {statement}",
        needs=f"section_2_1_{dataset}_xent",
        rule=rule,
        evaluate=_of(ours, figure="manifold_distances", dataset=dataset),
        authors=authors,
        authors_rule=MODES_READ,
    )


def _figure_3() -> Iterator[Claim]:
    yield Claim(
        key="figure_3.order",
        section="2.2",
        group="Figure 3: tilt of the boundary",
        statement="adversarial training takes the tilt out of the boundary, a stronger adversary more of it",
        needs="section_2_2",
        rule=TILT_RULE,
        evaluate=_of(verdicts.tilt_order, figure="section_2_2"),
        authors=verdicts.authors_tilt_order,
        authors_rule=POINTS,
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
            rule=ACCURACY_RULE,
            evaluate=_of(verdicts.toy_accuracy, figure="section_2_2")
            if toy
            else partial(verdicts.card_accuracy, dataset, stated),
            seeds=not toy,
        )


def _figures_4_and_5() -> Iterator[Claim]:
    for loss in LOSSES:
        for axis in GRID_FIGURES:
            for key in sorted(product(NORMS, TESTS, ATTRIBUTIONS), key=EXCEPTION.__eq__):  # the exception last
                yield _correlation(loss, axis, key)
        for key in product(NORMS, TESTS, ATTRIBUTIONS):
            yield _grid_claim(
                loss,
                "3.2",
                "Section 3.2 asks: every robust network above every standard one, " + TESTS[key[1]],
                f"criterion.{loss}.{'.'.join(key)}",
                f"{_name(loss, key)}: does every robust network score above every standard one?",
                MARGIN_RULE,
                partial(grid.above_standard, key),
                theirs=partial(grid.above_standard, key, exact=True),
                authors_rule=POINTS,
                question=True,
            )
        for norm, occlusion in product(NORMS, TESTS):
            yield _grid_claim(
                loss,
                "3.2",
                "Section 3.2: gradient * input above the gradient",
                f"gx_above_g.{loss}.{norm}.{occlusion}",
                f"{NORMS[norm]} {LOSSES[loss]}, {TESTS[occlusion]}: gradient * input scores above the gradient",
                GAP_RULE,
                partial(grid.gx_above_g, norm, occlusion),
            )
        for occlusion, attribution in product(TESTS, ATTRIBUTIONS):
            better, worse = NORMS.values() if occlusion == "remove" else reversed(NORMS.values())
            yield _grid_claim(
                loss,
                "3.3",
                f"Section 3.3: {better} training better at equal accuracy, {TESTS[occlusion]}",
                f"resistance.{loss}.{occlusion}.{attribution}",
                f"{LOSSES[loss]} {ATTRIBUTIONS[attribution]}, {TESTS[occlusion]}: "
                f"at equal accuracy, {better} training scores above {worse} training",
                LINES_RULE,
                partial(grid.l2_above_linf, occlusion, attribution),
            )


GRID_FIGURES = {"strength": ("3.2", 4, "attack strength"), "accuracy": ("3.3", 5, "test accuracy")}
EXCEPTION = ("l2", "keep", "gradient")
"""The series that the text excepts from its trends, in 3.2 and in 3.3."""


def _name(loss: str, key: grid.Key) -> str:
    norm, occlusion, attribution = key
    return f"{NORMS[norm]} {LOSSES[loss]} {ATTRIBUTIONS[attribution]}, {TESTS[occlusion]}"


def _correlation(loss: str, axis: str, key: grid.Key) -> Claim:
    section, figure, against = GRID_FIGURES[axis]
    excepted = key == EXCEPTION
    word = f"{'positive' if grid.USUAL[axis] > 0 else 'negative'} correlation with {against}"
    group = f"Figure {figure}: correlation with {against}, {TESTS[key[1]]}"
    return _grid_claim(
        loss,
        section,
        f"{group}, the exception" if excepted else group,
        f"{axis}.{loss}.{'.'.join(key)}",
        f"{_name(loss, key)}: " + (f"no {word}, unlike the other KAR series" if excepted else word),
        EXCEPTION_RULE if excepted else CORRELATION_RULE,
        partial(grid.exception if excepted else grid.correlation, key, axis),
        axis=axis,
    )


SeriesRule = Callable[[dict[grid.Key, grid.Points]], Finding]


def _grid_claim(
    loss: str,
    section: str,
    group: str,
    key: str,
    statement: str,
    rule: str,
    ours: SeriesRule,
    *,
    theirs: SeriesRule | None = None,
    authors_rule: str = "",
    question: bool = False,
    axis: str = "strength",
) -> Claim:
    return Claim(
        key=key,
        section=section,
        group=group,
        statement=statement,
        needs=f"section_{GRID_FIGURES[axis][0].replace('.', '_')}_{loss}",
        rule=rule,
        evaluate=_of(lambda results: ours(grid.points(results)), figure="interpretability", loss=loss, axis=axis),
        authors=lambda: (theirs or ours)(grid.authors_points(loss)),
        authors_rule=authors_rule,
        question=question,
    )
