"""From results files to an answer per question, ours and the authors': plain data for the report."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from robint_tf.errors import InputError
from robint_tf.interpretability.inference import holm
from robint_tf.intervals import LEVEL
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS
from robint_tf.paper import protocols
from robint_tf.paper.beyond import cells
from robint_tf.paper.beyond.questions import ALIKE, Question, Result, all_questions
from robint_tf.paper.evidence import extent
from robint_tf.paper.verdicts import Outcome, Results
from robint_tf.paper.verdicts_interpretability import Key, Points
from robint_tf.store.results import printable

Answer = dict[str, Any]
"""outcome, text, value, interval, p and Holm's p of one series; a number is None where there is none."""

Families = Mapping[str, Mapping[Key, Points] | str]
"""By training loss: the series, or in words why there are none."""


def rows(
    content: Mapping[str, Results], paths: Mapping[str, str], commands: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """A row for every question and series, in the form of the paper's claims.

    content, paths: results files by name; commands: by such a name, the command that makes the file, named where it is
    missing.
    """
    commands = commands or {}
    read = {
        needs: {loss: _read(f"{needs}_{loss}", loss, content, commands) for loss in LOSSES}
        for needs in ("section_3_2", "section_3_3")
    }
    found = []
    for question in all_questions():
        ours, theirs = family(question, read[question.needs]), _authors(question)
        for (loss, key), mine, authors in zip(question.series(), ours, theirs, strict=True):
            name = f"{question.needs}_{loss}"
            results = content.get(name)
            standing = "decides" if results is None else protocols.standing(results)
            norm, test, attribution = key
            series = f"{NORMS[norm]} {LOSSES[loss]} {ATTRIBUTIONS[attribution]}, {cells.TESTS[test]}"
            found.append(
                {
                    "key": f"beyond.{question.key}.{loss}.{norm}.{test}.{attribution}",
                    "section": question.section,
                    "group": f"{cells.TESTS[test]}: {question.group}",
                    "statement": f"{series}: {question.group}",
                    "question": True,
                    "rule": question.rule,
                    "authors_rule": question.rule,
                    "results": paths.get(name),
                    "command": commands.get(name) if results is None else results["provenance"]["command"],
                    "preset": None if results is None else protocols.scale(results),
                    "protocol": None if results is None else extent.protocol(results),
                    "decides": results is not None and standing == "decides",
                    "ours": _worded(mine, standing),
                    "authors": _worded(authors, "authors"),
                }
            )
    return found


def _read(
    name: str, loss: str, content: Mapping[str, Results], commands: Mapping[str, str]
) -> Mapping[Key, Points] | str:
    if name not in content:
        return f"run `{commands[name]}`" if name in commands else f"make {name}.json"
    results = content[name]
    try:
        if results["loss"] != loss:
            raise InputError(f"its loss is {results['loss']}, not {loss}")
        return cells.points(results)
    except protocols.ODD as error:
        return f"its cells cannot be read ({printable(f'{type(error).__name__}: {error}')[:200]})"


@cache
def _authors(question: Question) -> tuple[Answer, ...]:
    return tuple(family(question, {loss: cells.authors_points(loss) for loss in LOSSES}))


def family(question: Question, given: Families) -> list[Answer]:
    """The answers of the eight series to a question, in the order of `Question.series`. given: the series.

    A series that is not there counts as a member with p = 1, so that what was run does not change how strict a test is.
    """
    tested = [_tested(question, given[loss], key) for loss, key in question.series()]
    results = [found if isinstance(found, Result) else None for found in tested]
    ps = [1.0 if r is None or r.estimate is None else r.estimate.p for r in results]
    contrary = [1.0 if r is None or r.against is None else r.against for r in results]
    answers = []
    for found, p_holm, against in zip(tested, holm(ps), holm(contrary), strict=True):
        if not isinstance(found, Result):
            answers.append(_answer("not run", found))
        elif found.estimate is None:
            answers.append(_answer("inconclusive", found.text))
        else:
            estimate, one_sided = found.estimate, found.against is not None
            outcome: Outcome = "inconclusive"
            if p_holm < 1 - LEVEL:
                outcome = "holds" if question.sign * estimate.value > 0 else "fails"
            elif one_sided and against < 1 - LEVEL:
                outcome = "fails"
            text = f"{found.text}, p = {estimate.p:.2g}, Holm's p = {p_holm:.2g}"
            if one_sided:
                text += f"; that an eps scores below them: Holm's p = {against:.2g}"
            interval = None if one_sided else tuple(estimate.interval)
            answers.append(_answer(outcome, text, estimate.value, interval, estimate.p, p_holm))
    return answers


def _tested(question: Question, series: Mapping[Key, Points] | str, key: Key) -> Result | str:
    """What the test says; in words why there is none."""
    if isinstance(series, str):
        return series
    if key not in series:
        return "these networks, or the fractions that it takes, are not among the results"
    found = question.answer(key[0], series[key])
    numbers = () if found.estimate is None else (found.estimate.value, found.estimate.p)
    return found if all(map(math.isfinite, numbers)) else Result(ALIKE, None)


def _answer(
    outcome: Outcome,
    text: str,
    value: float | None = None,
    interval: tuple[float, ...] | None = None,
    p: float | None = None,
    p_holm: float | None = None,
) -> Answer:
    return {"outcome": outcome, "text": text, "value": value, "interval": interval, "p": p, "p_holm": p_holm}


def _worded(answer: Answer, of: str) -> Answer:
    """An answer with its outcome under the word that every document uses."""
    rest = {name: value for name, value in answer.items() if name != "outcome"}
    return {"verdict": protocols.verdict(answer["outcome"], of, question=True), **rest}
