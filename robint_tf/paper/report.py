"""The comparison as one self-contained HTML page, and what it shares with the Markdown of `report_markdown`.

comparison: what `comparison.compare` gives; header: what the report says at its top, by name.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Any

MARKS = {
    "reproduced": "✔ ",
    "not reproduced": "✘ ",
    "agrees at this scale": "≈ ",
    "differs at this scale": "≠ ",
    "inconclusive": "? ",
    "not run": "– ",
    "supported": "✔ ",
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
RULE = (
    "Each kind of claim is judged by the rule that the summary names. Only results of the authors' protocol (preset "
    "paper, full trainings) decide: a claim is reproduced if the rule's 95% interval excludes the contrary, not "
    "reproduced if it excludes the claim. Results of other presets agree or differ at their scale, by the same rule. "
    "Anything else is inconclusive. Beside ours stands whether the authors' own published numbers support the claim, "
    "by the rule named for them. What the paper asks without asserting it is answered yes or no."
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


@dataclass(frozen=True)
class Picture:
    """A figure of the page: section of the paper or "beyond", title, alt text, and png, its file as base64."""

    section: str
    title: str
    alt: str
    png: str


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


def html(comparison: dict[str, Any], header: dict[str, str], pictures: list[Picture]) -> str:
    """The whole report as one page with its pictures: nothing is loaded from elsewhere."""
    body = [
        "<h1>Comparison with the published results</h1>",
        "<p class='paper'>Kim, Seo and Jeon (2019), <cite>Bridging Adversarial Robustness and Gradient "
        "Interpretability</cite></p>",
        f"<p>{escape(RULE)}</p>",
        "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in header.items()) + "</dl>",
        "<h2>Summary</h2>",
        _group_table("Claim", comparison["groups"]),
    ]
    for section, rows in sections(comparison).items():
        body.append(f"<h2>Section {section}: {escape(HEADINGS[section])}</h2>")
        body += _figures(section, pictures)
        body.append(_row_table("Claim", rows))
    body += ["<h2>Beyond the paper</h2>", f"<p>{escape(BEYOND)}</p>", *_figures("beyond", pictures)]
    body.append(_group_table("Question", comparison["beyond"]["groups"]))
    body.append(_row_table("Question", comparison["beyond"]["claims"]))
    if comparison["missing"]:
        items = "".join(
            f"<li>{escape(item['results'])}"
            + (f": <code>{escape(item['command'])}</code></li>" if item["command"] else "</li>")
            for item in comparison["missing"]
        )
        body.append(f"<h2>Missing</h2><ul>{items}</ul>")
    if comparison["left_out"]:
        items = "".join(
            f"<li>{escape(place)}: {_text(reason)}</li>" for place, reason in comparison["left_out"].items()
        )
        body.append(f"<h2>Left out</h2><ul class='warning'>{items}</ul>")
    if comparison["mixed"]:
        items = "".join(
            f"<li>{escape(key)} {escape(value)}: {escape(', '.join(names))}</li>"
            for key, values in comparison["mixed"].items()
            for value, names in values.items()
        )
        body.append(f"<h2>Mixed results</h2><ul class='warning'>{items}</ul>")
    body.append("<h2>Sources</h2>")
    body.append(
        _table(
            ["Results", "Command", "Variant", "Preset", "Versions", "Data (SHA-256)"],
            [
                [
                    escape(source["results"]),
                    f"<code>{escape(source['command'] or '')}</code>",
                    escape(source["variant"] or "–"),
                    escape(source["preset"] or "–"),
                    escape(pairs(source["versions"])),
                    escape(pairs(source["data"])),
                ]
                for source in comparison["sources"]
            ],
        )
    )
    return PAGE.replace("@STYLE@", STYLE).replace("@SCRIPT@", SCRIPT).replace("@BODY@", "\n".join(body))


def _group_table(name: str, groups: list[dict[str, Any]]) -> str:
    return _table(
        [name, "Number", "Ours", "Preset", "The authors’ own numbers", "Judged by"],
        [
            [
                escape(row["group"]),
                str(row["n"]),
                _chips(row["ours"]),
                escape(", ".join(row["presets"]) or "–"),
                _chips(row["authors"]),
                escape(judged_by(row)),
            ]
            for row in groups
        ],
    )


def _row_table(name: str, rows: list[dict[str, Any]]) -> str:
    heads = [name, "Ours", "Statistic", "Value (95% interval)", "Preset", "Authors’ own numbers"]
    return _table(heads, [_cells(row) for row in rows])


def _figures(section: str, pictures: list[Picture]) -> list[str]:
    return [
        f"<figure><img alt='{escape(p.alt, quote=True)}' src='data:image/png;base64,{p.png}'>"
        f"<figcaption>{escape(p.title)}</figcaption></figure>"
        for p in pictures
        if p.section == section
    ]


def _cells(row: dict[str, Any]) -> list[str]:
    ours, authors = row["ours"], row["authors"]
    theirs = "–" if authors is None else f"{_chip(authors['verdict'])} {escape(authors['text'])}"
    return [
        escape(row["statement"]),
        _chip(ours["verdict"]),
        _text(ours["text"]),
        escape(number(ours)),
        escape(row["preset"] or "–"),
        theirs,
    ]


def _text(text: str) -> str:
    """A text of ours, escaped, commands in it as code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _chip(verdict: str, n: int | None = None) -> str:
    count = "" if n is None else f"{n} "
    return f"<span class='verdict {verdict.replace(' ', '-')}'>{MARKS.get(verdict, '')}{count}{verdict}</span>"


def _chips(found: dict[str, int]) -> str:
    return " ".join(_chip(verdict, n) for verdict, n in found.items()) or "–"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th scope='col'><button>{escape(h)}</button></th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>Comparison with the published results</title><style>@STYLE@</style></head>
<body><main>
@BODY@
</main><script>@SCRIPT@</script></body></html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --line: #d5d9de; --soft: #f3f5f7; --link: #0b57d0;
  --good: #136c2e; --bad: #b3261e; --open: #7a5600; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #15181b; --line: #3a4047; --soft: #20252a;
  --link: #8ab4f8; --good: #7bd88f; --bad: #ff8f87; --open: #f0c75e; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { line-height: 1.2; margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.paper { margin-top: .3rem; opacity: .8; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); white-space: nowrap; } td:first-child { min-width: 12rem; }
th button { all: unset; cursor: pointer; font-weight: 600; } th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " ▲"; } th[aria-sort=descending] button::after { content: " ▼"; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { font-size: .9rem; opacity: .85; } code { overflow-wrap: anywhere; font-size: .9em; }
.verdict { white-space: nowrap; } .reproduced, .supported { color: var(--good); }
.not-reproduced, .contradicted { color: var(--bad); } .inconclusive { color: var(--open); }
.warning { color: var(--bad); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""

SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
  const column = head.cellIndex, up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const text = row => row.cells[column].textContent.trim();
  const rows = [...body.rows].sort((a, b) => text(a).localeCompare(text(b), "en", { numeric: true }));
  body.append(...(up ? rows : rows.reverse()));
});
"""
