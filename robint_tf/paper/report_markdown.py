"""The comparison as Markdown. What comes from results files is escaped, so that no file can write into the document.

comparison, header: as in `report`.
"""

import re
from html import escape
from typing import Any

from robint_tf.paper.beyond import side_by_side
from robint_tf.paper.glossary import AUTHORS_CODE, GLOSSARY, PAPER
from robint_tf.paper.report import (
    BEYOND,
    CODE,
    HEADINGS,
    MARKS,
    RULE,
    SCORED,
    counts,
    judged_by,
    pairs,
    sections,
    sentence,
    totals,
)
from robint_tf.store.results import printable

MEANING = re.compile(r"[\\`\[\]|~$]|\*(?=\S)|(?<=\S)\*|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown would read as more than a character; an underscore inside a word and a star by itself are not."""

PLAIN_CODE = re.compile(r"[^`<>&|]*")


def text(value: str) -> str:
    """The text `value` as Markdown shows it, on one line: no markup, no HTML, no end of a cell; our `commands` as code.

    >>> print(text("a|b, see `c|d`"))
    a\\|b, see <code>c\\|d</code>
    """
    pieces = CODE.split(_on_a_line(value))
    return "".join(code(piece) if i % 2 else _escaped(piece) for i, piece in enumerate(pieces))


def code(value: str) -> str:
    """The text `value` as code, on one line."""
    value = _on_a_line(value)
    if PLAIN_CODE.fullmatch(value):
        return f"`{value}`" if value else ""
    return f"<code>{_escaped(value)}</code>"  # in which Markdown and entities are read as elsewhere


def _on_a_line(value: str) -> str:
    return printable(re.sub(r"\s+", " ", value))


def _escaped(value: str) -> str:
    return MEANING.sub(r"\\\g<0>", escape(value, quote=False))


def group_table(comparison: dict[str, Any]) -> str:
    """The claims by kind, as a Markdown table."""
    return _groups("claim", comparison["groups"])


def beyond_table(comparison: dict[str, Any]) -> str:
    """The questions beyond the paper by kind, as a Markdown table."""
    return _groups("question", comparison["beyond"]["groups"])


def _groups(name: str, groups: list[dict[str, Any]]) -> str:
    rows = [
        [
            row["group"],
            str(row["n"]),
            counts(row["ours"]),
            "; ".join(row["protocols"]) or "–",
            counts(row["authors"]),
            judged_by(row),
        ]
        for row in groups
    ]
    heads = [name, "number", "ours", "protocol", "the authors' own numbers", "judged by"]
    return table(heads, [[text(cell) for cell in row] for row in rows])


def totals_table(comparison: dict[str, Any]) -> str:
    """How many statements there are, and what was found of how many, as a Markdown table."""
    rows = [[name, str(n), counts(found) if found else ""] for name, n, found in totals(comparison)]
    heads = [f"of {len(comparison['claims'])} statements", "number", "of which"]
    return table(heads, [[text(cell) for cell in row] for row in rows])


def source_table(comparison: dict[str, Any]) -> str:
    """The results files that decide, and the command that makes each, as a Markdown table."""
    return table(
        ["results", "command", "preset", "made with", "data (SHA-256)"],
        [
            [
                code(s["results"]),
                code(s["command"]),
                text(s["preset"]),
                text(pairs(s["versions"])),
                text(pairs(s["data"])),
            ]
            for s in comparison["sources"]
        ],
    )


def markdown(comparison: dict[str, Any], header: dict[str, str]) -> str:
    """The whole report as Markdown."""
    parts = [
        "# Comparison with the published results",
        "",
        f"The paper: <{PAPER}>; the authors' code: <{AUTHORS_CODE}>.",
    ]
    parts += ["", sentence(comparison), "", totals_table(comparison), "", RULE, ""]
    parts += [f"- {name}: {text(value)}" for name, value in header.items()]
    parts += ["", group_table(comparison)]
    heads = ["claim", "ours", "statistic", "protocol", "authors' own numbers"]
    for section, rows in sections(comparison).items():
        parts += ["", f"## Section {section}: {HEADINGS[section]}", "", table(heads, [_cells(row) for row in rows])]
        for entry in comparison["side_by_side"] if section == SCORED else []:
            parts += ["", f"Score by score. {side_by_side.RULE}", "", beside_published(entry)]
    heads[0] = "question"
    asked = table(heads, [_cells(row) for row in comparison["beyond"]["claims"]])
    parts += ["", "## Beyond the paper", "", BEYOND, "", beyond_table(comparison), "", asked]
    for found in comparison["beyond"]["tables"]:
        parts += ["", f"### {text(found['title'])}", "", text(found["note"]), "", text_table(found)]
    if comparison["missing"]:
        parts += ["", "## Missing", ""]
        for item in comparison["missing"]:
            cost = f"; its cost: {code(item['cost'])}" if item.get("cost") else ""
            parts.append(f"- {code(item['results'])}" + (f": {code(item['command'])}{cost}" if item["command"] else ""))
    if comparison["left_out"]:
        parts += ["", "## Left out", ""]
        parts += [f"- {code(place)}: {text(reason)}" for place, reason in comparison["left_out"].items()]
    parts += ["", "## Glossary", ""]
    parts += [f"- **{text(term)}**: {text(meaning)}" for term, meaning in GLOSSARY.items()]
    parts += ["", "## Sources", "", source_table(comparison)]
    for key, values in comparison["mixed"].items():
        for value, names in values.items():
            parts.append(f"\nMixed: {text(key)} {text(value)}: {text(', '.join(names))}")
    return "\n".join(parts) + "\n"


def beside_published(entry: dict[str, Any]) -> str:
    """Our scores beside the published ones; entry: as `side_by_side.entry` gives it. A network is named once."""
    rows, before = [], None
    for row in entry["rows"]:
        network, *cells = map(text, side_by_side.shown(row))
        rows.append(["" if network == before else network, *cells])
        before = network
    source = f"{code(entry['results'])} ({text(entry['protocol'])}). {text(entry['spread'])}"
    return f"{table(list(side_by_side.HEADS), rows)}\n\n{source}" if rows else source


def text_table(found: dict[str, Any]) -> str:
    """A table of texts, found: of `heads` and `rows`, as a Markdown table."""
    return table([text(head) for head in found["heads"]], [[text(cell) for cell in row] for row in found["rows"]])


def _cells(row: dict[str, Any]) -> list[str]:
    ours, authors = row["ours"], row["authors"]
    return [
        text(row["statement"]),
        _marked(ours["verdict"]),
        f"{text(ours['text'])} {_brackets(ours)}".strip(),
        text(row["protocol"] or "–"),
        "–" if authors is None else f"{_marked(authors['verdict'])}: {text(authors['text'])}",
    ]


def _marked(verdict: str) -> str:
    return MARKS.get(verdict, "") + verdict


def _brackets(finding: dict[str, Any]) -> str:
    return "" if finding["interval"] is None else f"({finding['interval'][0]:.3g} to {finding['interval'][1]:.3g})"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table. heads, and the cells of each of the rows: Markdown already."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])
