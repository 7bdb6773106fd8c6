"""The comparison as Markdown and as one self-contained HTML page."""

import re
from dataclasses import dataclass
from html import escape
from typing import Any

MARKS = {"reproduced": "✔", "not reproduced": "✘", "inconclusive": "?", "not run": "–"}
OF_THE_AUTHORS = {"reproduced": "supported", "not reproduced": "contradicted"}
"""What the verdicts are called where the authors' own numbers are read."""

HEADINGS = {
    "2.1": "Distance to the image manifold",
    "2.2": "Boundary tilting",
    "A.2": "Accuracy of standard training",
    "3.2": "Interpretability and attack strength",
    "3.3": "Interpretability and accuracy",
}
RULE = (
    "A claim is reproduced only if its 95% interval excludes the contrary, and not reproduced only if the interval "
    "excludes the claim. Results of presets other than paper are compared in direction only. Beside ours stands what "
    "the same rules say of the authors' own published numbers."
)
CODE = re.compile("`([^`]+)`")
"""Commands in a finding's text."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page: PNG as base64."""

    section: str
    title: str
    alt: str
    png: str


def counts(found: dict[str, int], names: dict[str, str] | None = None) -> str:
    """A phrase such as "3 reproduced, 1 inconclusive", a dash for none; names: other words for verdicts."""
    return ", ".join(f"{n} {(names or {}).get(verdict, verdict)}" for verdict, n in found.items()) or "–"


def number(finding: dict[str, Any]) -> str:
    """The value and interval of a finding; empty if it has no value."""
    if finding["value"] is None:
        return ""
    text = f"{finding['value']:.4g}"
    if finding["interval"] is not None:
        low, high = finding["interval"]
        text += f" ({low:.4g} to {high:.4g})"
    return text


def group_table(comparison: dict[str, Any]) -> str:
    """The claims by kind, as a Markdown table."""
    lines = ["| claim | number | ours | preset | the authors' own numbers |", "|---|---|---|---|---|"]
    for row in comparison["groups"]:
        presets = ", ".join(row["presets"]) or "–"
        cells = (row["group"], str(row["n"]), counts(row["ours"]), presets, counts(row["authors"], OF_THE_AUTHORS))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def source_table(comparison: dict[str, Any]) -> str:
    """The results files that decide, and how to make each again, as a Markdown table."""
    lines = ["| results | command | preset | made with | data (SHA-256) |", "|---|---|---|---|---|"]
    for source in comparison["sources"]:
        cells = (f"`{source['results']}`", f"`{source['command']}`", source["preset"])
        lines.append(f"| {' | '.join(cells)} | {_pairs(source['versions'])} | {_pairs(source['data'])} |")
    return "\n".join(lines)


def markdown(comparison: dict[str, Any], header: dict[str, str]) -> str:
    """The whole report as Markdown."""
    parts = ["# Comparison with the published results", "", RULE, ""]
    parts += [f"- {name}: {value}" for name, value in header.items()]
    parts += ["", group_table(comparison)]
    for section, rows in sections(comparison).items():
        parts += ["", f"## Section {section}: {HEADINGS[section]}", ""]
        parts += ["| claim | ours | statistic | preset | authors' own numbers |", "|---|---|---|---|---|"]
        for row in rows:
            ours, authors = row["ours"], row["authors"]
            theirs = "–" if authors is None else f"{MARKS[authors['verdict']]} {authors['text']}"
            cells = [
                row["statement"],
                f"{MARKS[ours['verdict']]} {ours['verdict']}",
                f"{ours['text']} {_brackets(ours)}".strip(),
                row["preset"] or "–",
                theirs,
            ]
            parts.append(f"| {' | '.join(cells)} |")
    if comparison["missing"]:
        parts += ["", "## Missing", ""]
        parts += [f"- `{item['results']}`: `{item['command']}`" for item in comparison["missing"]]
    parts += ["", "## Sources", "", source_table(comparison)]
    for key, values in comparison["mixed"].items():
        for value, names in values.items():
            parts.append(f"\nMixed: {key} {value}: {', '.join(names)}")
    return "\n".join(parts) + "\n"


def sections(comparison: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The claims by section, in the page's order."""
    return {s: [row for row in comparison["claims"] if row["section"] == s] for s in HEADINGS}


def _brackets(finding: dict[str, Any]) -> str:
    return "" if finding["interval"] is None else f"[{finding['interval'][0]:.3g}, {finding['interval'][1]:.3g}]"


def _pairs(found: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in found.items())


def html(comparison: dict[str, Any], header: dict[str, str], pictures: list[Picture]) -> str:
    """The whole report as one page: nothing is loaded from elsewhere."""
    body = [
        "<h1>Comparison with the published results</h1>",
        "<p class='paper'>Kim, Seo and Jeon (2019), <cite>Bridging Adversarial Robustness and Gradient "
        "Interpretability</cite></p>",
        f"<p>{escape(RULE)}</p>",
        "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in header.items()) + "</dl>",
        "<h2>Summary</h2>",
        _table(
            ["Claim", "Number", "Ours", "Preset", "The authors’ own numbers"],
            [
                [
                    escape(row["group"]),
                    str(row["n"]),
                    _chips(row["ours"]),
                    escape(", ".join(row["presets"]) or "–"),
                    _chips(row["authors"], OF_THE_AUTHORS),
                ]
                for row in comparison["groups"]
            ],
        ),
    ]
    for section, rows in sections(comparison).items():
        body.append(f"<h2>Section {section}: {escape(HEADINGS[section])}</h2>")
        body += [
            f"<figure><img alt='{escape(p.alt, quote=True)}' src='data:image/png;base64,{p.png}'>"
            f"<figcaption>{escape(p.title)}</figcaption></figure>"
            for p in pictures
            if p.section == section
        ]
        body.append(
            _table(
                ["Claim", "Ours", "Statistic", "Value (95% interval)", "Preset", "Authors’ own numbers"],
                [_cells(row) for row in rows],
            )
        )
    if comparison["missing"]:
        items = "".join(
            f"<li>{escape(item['results'])}: <code>{escape(item['command'])}</code></li>"
            for item in comparison["missing"]
        )
        body.append(f"<h2>Missing</h2><ul>{items}</ul>")
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
                    escape(_pairs(source["versions"])),
                    escape(_pairs(source["data"])),
                ]
                for source in comparison["sources"]
            ],
        )
    )
    return PAGE.replace("@STYLE@", STYLE).replace("@SCRIPT@", SCRIPT).replace("@BODY@", "\n".join(body))


def _cells(row: dict[str, Any]) -> list[str]:
    ours, authors = row["ours"], row["authors"]
    theirs = "–" if authors is None else f"{_chip(authors['verdict'], OF_THE_AUTHORS)} {escape(authors['text'])}"
    return [
        escape(row["statement"]),
        _chip(ours["verdict"]),
        CODE.sub(r"<code>\1</code>", escape(ours["text"])),
        escape(number(ours)),
        escape(row["preset"] or "–"),
        theirs,
    ]


def _chip(verdict: str, names: dict[str, str] | None = None, n: int | None = None) -> str:
    word = (names or {}).get(verdict, verdict)
    count = "" if n is None else f"{n} "
    return f"<span class='{verdict.replace(' ', '-')}'>{MARKS[verdict]} {count}{word}</span>"


def _chips(found: dict[str, int], names: dict[str, str] | None = None) -> str:
    return " ".join(_chip(verdict, names, n) for verdict, n in found.items()) or "–"


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
.reproduced { color: var(--good); } .not-reproduced { color: var(--bad); } .inconclusive { color: var(--open); }
.reproduced, .not-reproduced, .inconclusive, .not-run { white-space: nowrap; }
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
