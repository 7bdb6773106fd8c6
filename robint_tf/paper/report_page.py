"""The frame of the report's page: its style, its script, which only sorts tables, figures and the table of contents."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Picture:
    """A figure of the page: section of the paper or "beyond", title, alt text, and png, its file as base64."""

    section: str
    title: str
    alt: str
    png: str


def part_id(section: str) -> str:
    """The id of a section's heading.

    >>> part_id("2.1"), part_id("beyond")
    ('section-2-1', 'beyond')
    """
    return f"section-{section.replace('.', '-')}" if "." in section else section


def heading(part: str, title: str) -> str:
    """A heading, the title, that the table of contents can lead to; part: its id."""
    return f"<h2 id='{part}'>{escape(title)}</h2>"


def contents(parts: Sequence[tuple[str, str]]) -> str:
    """The table of contents; parts: ids and titles."""
    items = "".join(f"<li><a href='#{part}'>{escape(title)}</a></li>" for part, title in parts)
    return f"<nav aria-label='Contents'><h2 id='contents'>Contents</h2><ul>{items}</ul></nav>"


def figures(section: str, pictures: Sequence[Picture]) -> list[str]:
    """Those of the pictures that belong to a section.

    Each links to itself, and what is linked to is shown enlarged, without a script.
    """
    drawn = []
    for i, picture in enumerate(pictures):
        if picture.section == section:
            alt, title = escape(picture.alt, quote=True), escape(picture.title)
            drawn.append(
                f"<div id='place-{i}'><figure id='figure-{i}'><a class='close' href='#place-{i}'>Close</a>"
                f"<a class='enlarge' href='#figure-{i}' title='Enlarge'>"
                f"<img alt='{alt}' src='data:image/png;base64,{picture.png}'></a>"
                f"<figcaption>{title}</figcaption></figure></div>"
            )
    return drawn


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; rows: of cells that are HTML already. On a narrow screen they stand one below the other, with heads."""
    head = "".join(f"<th scope='col'><button>{escape(h)}</button></th>" for h in heads)
    labels = ["", *(f" data-head='{escape(h, quote=True)}'" for h in heads[1:])]
    body = "".join(
        "<tr>" + "".join(f"<td{label}>{cell}</td>" for label, cell in zip(labels, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def page(body: Sequence[str]) -> str:
    """The whole document around the body."""
    return PAGE.replace("@STYLE@", STYLE).replace("@SCRIPT@", SCRIPT).replace("@BODY@", "\n".join(body))


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
main { max-width: 76rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; } a { color: var(--link); }
h1 { line-height: 1.2; margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.paper { margin-top: .3rem; } .total { font-size: 1.2rem; }
nav h2 { font-size: 1rem; margin: 1rem 0 0; border: 0; }
nav ul { columns: 18rem; margin: .2rem 0; padding-left: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); white-space: nowrap; } td:first-child { min-width: 12rem; }
th button { all: unset; cursor: pointer; font-weight: 600; } th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " ▲"; } th[aria-sort=descending] button::after { content: " ▼"; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.enlarge { display: inline-block; max-width: 100%; cursor: zoom-in; } .close { display: none; }
figure:target { position: fixed; inset: 0; z-index: 1; margin: 0; padding: 1rem; overflow: auto;
  background: var(--paper); }
figure:target .enlarge { max-width: none; cursor: default; pointer-events: none; }
figure:target img { max-width: none; min-width: min(100%, 60rem); }
figure:target .close { display: block; position: sticky; left: 0; top: 0; width: max-content; padding: .3rem .8rem;
  margin-bottom: .5rem; background: var(--soft); border: 1px solid var(--line); border-radius: 4px; }
figcaption { font-size: .9rem; } code { overflow-wrap: anywhere; font-size: .9em; }
.verdict { white-space: nowrap; } .reproduced, .supported { color: var(--good); }
.not-reproduced, .contradicted { color: var(--bad); } .inconclusive { color: var(--open); }
.warning { color: var(--bad); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; }
  table, tbody, tr, td { display: block; } tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  td { padding: .1rem .3rem; border: 0; overflow-wrap: anywhere; } td:empty { display: none; }
  td:first-child { font-weight: 600; } td[data-head]::before { content: attr(data-head) ": "; opacity: .8; }
  .verdict { white-space: normal; } }
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
