"""The comparison as one self-contained HTML page, and what it shares with the Markdown of `report_markdown`.

comparison: what `comparison.compare` gives; header: what the report says at its top, by name.
"""

import re
from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Any

from robint_tf.paper import protocols
from robint_tf.paper.beyond import side_by_side
from robint_tf.paper.glossary import AUTHORS_CODE, GLOSSARY, PAPER
from robint_tf.paper.protocols import ANSWERS, VERDICTS, WORDS
from robint_tf.paper.report_page import Picture, contents, figures, heading, page, part_id, table

MARKS = {
    "reproduced": "✔ ",
    "not reproduced": "✘ ",
    "agrees for these networks": "≈ ",
    "differs for these networks": "≠ ",
    "agrees at this scale": "≈ ",
    "differs at this scale": "≠ ",
    "agrees on these data": "≈ ",
    "differs on these data": "≠ ",
    "inconclusive": "? ",
    "not run": "– ",
    "supported": "✔ ",
    "supported as far as visible": "≈ ",
    "contradicted": "✘ ",
}
"""Signs before the verdicts of statements; answers to the paper's questions have none."""

HEADINGS = {
    "2.1": "Distance to the image manifold",
    "2.2": "Boundary tilting",
    "A.2": "Accuracy of standard training",
    "3.2": "Interpretability and attack strength",
    "3.3": "Interpretability and accuracy",
}
SCORED = "3.2"
"""The section with our scores beside the published ones."""
RULE = (
    "Each kind of claim is judged by the rule that the summary names. Only results of the authors' protocol (preset "
    "paper, full trainings) decide, on images that are known to be the published ones: a claim is reproduced if the "
    "rule's 95% interval excludes the contrary, not reproduced if it excludes the claim. Results of other presets "
    "agree or differ at their scale, those on other data on these, by the same rule. Section 2.1 attacks one network "
    "of each kind, and its intervals are over images: how other trainings would differ is not in them, so its claims "
    "agree or differ for these networks and are not decided. Anything else is inconclusive. Beside ours stands whether "
    "the authors' own published numbers support the claim, by the rule named for them. What the paper asks without "
    "asserting it is answered yes or no."
)
BEYOND = (
    "What follows is not in the paper: other statistics of the same networks, ours and the authors'. The explained "
    "network is the unit of replication. DiffROAR is the accuracy after keeping the top k minus that after keeping "
    "the bottom k; its area is the sum of both scores, in which the random baseline cancels. “Remove f at random” and "
    "“keep 1 - f at random” are one distribution, so ROAR and KAR are compared here with all of their retrainings "
    "together; the paper's claims above keep the baseline of their own test. A question is answered by each of eight "
    "series, a family, in which p-values are corrected by Holm's method; a series that is missing counts in it."
)
CODE = re.compile("`([^`]+)`")
"""Commands in a finding's text."""


def counts(found: dict[str, int]) -> str:
    """How many of each verdict were found, in words; a dash for none.

    >>> counts({"reproduced": 3, "inconclusive": 1})
    '3 reproduced, 1 inconclusive'
    """
    return ", ".join(f"{n} {verdict}" for verdict, n in found.items()) or "–"


def judged_by(row: dict[str, Any]) -> str:
    """The rules that judge a row or group, ours and the authors' numbers."""
    if row["authors_rule"] in (None, row["rule"]):
        return ("" if row["authors_rule"] is None else "both: ") + row["rule"]
    return f"ours: {row['rule']}; the authors': {row['authors_rule']}"


def number(finding: dict[str, Any]) -> str:
    """The value and interval of a finding; empty if it has no value."""
    if finding["value"] is None:
        return ""
    text = f"{finding['value']:.4g}"
    if finding["interval"] is not None:
        low, high = finding["interval"]
        text += f" ({low:.4g} to {high:.4g})"
    return text


def sections(comparison: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The claims by section, in the page's order."""
    return {s: [row for row in comparison["claims"] if row["section"] == s] for s in HEADINGS}


def pairs(found: dict[str, Any]) -> str:
    """What was found by name, in words.

    >>> pairs({"device": "CPU", "threads": 2})
    'device CPU, threads 2'
    """
    return ", ".join(f"{key} {value}" for key, value in found.items())


def totals(comparison: dict[str, Any]) -> list[tuple[str, int, dict[str, int]]]:
    """What was run at the authors' protocol, what at smaller scale or on other data, and what not; the authors' own.

    Each with how many claims, and how many of them have which verdict. What was run at the protocol with one network of
    each kind stands apart, where there is any.
    """
    claims = comparison["claims"]
    run = [row for row in claims if row["ours"]["verdict"] != "not run"]
    alone = [row["ours"] for row in run if row["standing"] == "networks"]
    smaller = [row for row in run if row["standing"] in ("scale", "data")]
    presets = ", ".join(sorted({row["preset"] for row in smaller if row["preset"]}))
    other = ", or on data not known to be the published ones" if protocols.UNVERIFIED in presets else ""
    parts = {
        "at the authors' protocol": [row["ours"] for row in run if row["decides"]],
        **({"at the authors' protocol, of one network of each kind": alone} if alone else {}),
        "at smaller scale" + other + (f" (preset {presets})" if presets else ""): [row["ours"] for row in smaller],
        "not run": [row["ours"] for row in claims if row["ours"]["verdict"] == "not run"],
        "the authors' own numbers, where they were published": [row["authors"] for row in claims if row["authors"]],
    }
    return [(name, len(rows), tally(row["verdict"] for row in rows)) for name, rows in parts.items()]


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """How many of each of the verdicts, in the order in which they are counted, without "not run"."""
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict] and verdict != "not run"}


DECISIONS = (*WORDS["decides"].values(), *ANSWERS["decides"].values())
"""The verdicts that decide a claim."""


def sentence(comparison: dict[str, Any]) -> str:
    """How many claims there are and how many are decided, in words."""
    decided = sum(row["decides"] and row["ours"]["verdict"] in DECISIONS for row in comparison["claims"])
    return f"{decided} of {len(comparison['claims'])} claims are decided, from results of the authors' protocol."


def html(comparison: dict[str, Any], header: dict[str, str], pictures: list[Picture]) -> str:
    """The whole report as one page with its pictures: nothing is loaded from elsewhere."""
    parts: list[tuple[str, str, list[str]]] = [("summary", "Summary", [_group_table("Claim", comparison["groups"])])]
    for section, rows in sections(comparison).items():
        title = f"Section {section}: {HEADINGS[section]}"
        beside = _side_by_side(comparison["side_by_side"]) if section == SCORED else []
        parts.append((part_id(section), title, [*figures(section, pictures), _row_table("Claim", rows), *beside]))
    asked = comparison["beyond"]
    tables = [_group_table("Question", asked["groups"]), _row_table("Question", asked["claims"])]
    tables += [piece for found in asked["tables"] for piece in _text_table(found)]
    parts.append(("beyond", "Beyond the paper", [f"<p>{escape(BEYOND)}</p>", *figures("beyond", pictures), *tables]))
    if comparison["missing"]:
        parts.append(("missing", "Missing", [_missing(comparison["missing"])]))
    if comparison["left_out"]:
        reasons = [f"{escape(place)}: {_text(reason)}" for place, reason in comparison["left_out"].items()]
        parts.append(("left-out", "Left out", [_warning(reasons)]))
    if comparison["mixed"]:
        values = [(key, value, names) for key, found in comparison["mixed"].items() for value, names in found.items()]
        listed = [f"{escape(key)} {escape(value)}: {escape(', '.join(names))}" for key, value, names in values]
        parts.append(("mixed", "Mixed results", [_warning(listed)]))
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{_text(meaning)}</dd>" for term, meaning in GLOSSARY.items())
    parts.append(("glossary", "Glossary", [f"<dl>{terms}</dl>"]))
    parts.append(("sources", "Sources", [_sources(comparison["sources"])]))
    top = [
        "<h1>Comparison with the published results</h1>",
        "<p class='paper'>Kim, Seo and Jeon (2019), <cite>Bridging Adversarial Robustness and Gradient "
        f"Interpretability</cite>: <a href='{PAPER}'>the paper</a>, <a href='{AUTHORS_CODE}'>the authors’ code</a></p>",
        f"<p class='total'>{escape(sentence(comparison))}</p>",
        _totals_table(comparison),
        contents([(part, title) for part, title, _ in parts]),
        "<p>A click or tap on a figure enlarges it.</p>" if pictures else "",
        f"<p>{escape(RULE)}</p>",
        "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in header.items()) + "</dl>",
    ]
    return page(top + [piece for part, title, pieces in parts for piece in (heading(part, title), *pieces)])


def _text_table(found: dict[str, Any]) -> list[str]:
    """A table of texts with its title and note."""
    rows = [[escape(cell) for cell in row] for row in found["rows"]]
    return [f"<h3>{escape(found['title'])}</h3>", f"<p>{escape(found['note'])}</p>", table(found["heads"], rows)]


def _totals_table(comparison: dict[str, Any]) -> str:
    heads = [f"Of {len(comparison['claims'])} claims", "Number", "Of which"]
    return table(heads, [[escape(name), str(n), _chips(found)] for name, n, found in totals(comparison)])


def _side_by_side(entries: list[dict[str, Any]]) -> list[str]:
    """Our scores beside the published ones, by results file."""
    found = [f"<h3>Score by score</h3><p>{escape(side_by_side.RULE)}</p>"] if entries else []
    for entry in entries:
        found.append(f"<p>{escape(entry['results'])} ({escape(entry['protocol'])}). {escape(entry['spread'])}</p>")
        if entry["rows"]:
            rows = [[*map(escape, side_by_side.shown(row)[:-1]), _chip(row["verdict"])] for row in entry["rows"]]
            found.append(table([head.capitalize() for head in side_by_side.HEADS], rows))
    return found


def _missing(items: list[dict[str, Any]]) -> str:
    """What is not there, the command that makes it, and the one that tells what that costs."""
    rows = [[item["results"], item["command"], item.get("cost")] for item in items]
    return table(
        ["Results", "Command", "What it costs"],
        [[escape(name), *(f"<code>{escape(c)}</code>" if c else "" for c in commands)] for name, *commands in rows],
    )


def _warning(items: list[str]) -> str:
    return "<ul class='warning'>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _sources(sources: list[dict[str, Any]]) -> str:
    rows = [
        [
            escape(source["results"]),
            f"<code>{escape(source['command'] or '')}</code>",
            escape(source["variant"] or "–"),
            escape(source["preset"] or "–"),
            escape(pairs(source["versions"])),
            escape(pairs(source["data"])),
        ]
        for source in sources
    ]
    return table(["Results", "Command", "Variant", "Preset", "Versions", "Data (SHA-256)"], rows)


def _group_table(name: str, groups: list[dict[str, Any]]) -> str:
    return table(
        [name, "Number", "Ours", "Protocol", "The authors’ own numbers", "Judged by"],
        [
            [
                escape(row["group"]),
                str(row["n"]),
                _chips(row["ours"]),
                escape("; ".join(row["protocols"]) or "–"),
                _chips(row["authors"]),
                escape(judged_by(row)),
            ]
            for row in groups
        ],
    )


def _row_table(name: str, rows: list[dict[str, Any]]) -> str:
    heads = [name, "Ours", "Statistic", "Value (95% interval)", "Protocol", "Authors’ own numbers"]
    return table(heads, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    ours, authors = row["ours"], row["authors"]
    theirs = "–" if authors is None else f"{_chip(authors['verdict'])} {escape(authors['text'])}"
    return [
        escape(row["statement"]),
        _chip(ours["verdict"]),
        _text(ours["text"]),
        escape(number(ours)),
        escape(row["protocol"] or "–"),
        theirs,
    ]


def _text(text: str) -> str:
    """A text of ours, escaped, commands in it as code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _chip(verdict: str, n: int | None = None) -> str:
    count = "" if n is None else f"{n} "
    return f"<span class='verdict {verdict.replace(' ', '-')}'>{MARKS.get(verdict, '')}{count}{verdict}</span>"


def _chips(found: dict[str, int]) -> str:
    return ", ".join(_chip(verdict, n) for verdict, n in found.items()) or "–"
