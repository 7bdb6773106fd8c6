"""`robint report`: what it collects, refuses and writes, and the page in a real browser."""

import base64
import os
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from robint_experiments import tables as result_tables
from robint_experiments.commands import report as command
from robint_tf.paper import claims, comparison, glossary, protocols, report, report_markdown, report_page
from robint_tf.store import results

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "figures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def folder(tmp_path):
    """Two of the committed results, one section and one network, as if versions alike had made them."""
    (tmp_path / "figures" / "networks").mkdir(parents=True)
    shutil.copy(COMMITTED / "section_2_2.json", tmp_path / "figures")
    shutil.copy(COMMITTED / "networks" / "mnist_standard.json", tmp_path / "figures" / "networks")
    versions = results.read(COMMITTED / "networks" / "mnist_standard.json")["provenance"]["versions"]
    change(tmp_path / "figures" / "section_2_2.json", versions=versions)
    return tmp_path / "figures"


@pytest.fixture
def undrawn(monkeypatch):
    """Reports without figures, which take most of the time."""
    monkeypatch.setattr(command, "pictures", lambda *args: ([], {}))


def change(path, **changes):
    content = results.read(path)
    content["provenance"] |= changes
    results.write(path, content)


def test_the_report_of_a_part_lists_what_is_missing(robint, folder):
    text = robint("report")
    assert "Figure 3: tilt of the boundary" in text
    found = results.read(folder.parent / "report" / "report.json")
    by_key = {row["key"]: row for row in found["claims"]}
    assert by_key["figure_3.order"]["ours"]["verdict"] == "reproduced"
    assert by_key["figure_3.order"]["results"] == "section_2_2.json"
    assert by_key["accuracy.mnist"]["results"] == "networks/mnist_standard.json"
    assert by_key["strength.xent.l2.remove.gradient"]["ours"]["verdict"] == "not run"
    commands = {item["results"]: item["command"] for item in found["missing"]}
    assert commands["section_3_2_cw"] == "robint section-3-2 --preset paper --losses cw"
    costs = {item["results"]: item["cost"] for item in found["missing"]}
    assert costs["section_3_2_cw"] == "robint plan section-3-2 --preset paper --losses cw"
    assert costs["cifar10_standard"] is None
    for name in ("report.html", "report.md"):
        text = (folder.parent / "report" / name).read_text()
        assert commands["section_3_2_cw"] in text
        assert costs["section_3_2_cw"] in text
    assert (folder.parent / "report" / "report.md").read_text().count("\n| ") > 93


def test_a_page_loads_nothing_from_elsewhere(robint, folder):
    robint("report")
    page = (folder.parent / "report" / "report.html").read_text()
    loaded = re.sub(r"<a [^>]*>", "", page)  # what a reader may follow is not loaded
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", loaded)
    outside = set(re.findall(r"<a href='(https?:[^']*)'", page))
    assert outside == {glossary.PAPER, glossary.AUTHORS_CODE}
    images = re.findall(r"<img alt='([^']*)' src='data:image/png;base64,([^']+)'", page)
    assert len(images) >= 5  # Figure 3, and the authors' Figures 4 and 5 for both losses
    for alt, data in images:
        assert len(alt) > 20
        assert base64.b64decode(data)[:4] == b"\x89PNG"


class Page(HTMLParser):
    """What a page has: ids, links, tables with the classes of what holds them, cells of tables by heading."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tables, self.rows, self.terms = [], [], [], [], {}, []
        self.part = "top"
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "h2":
            self.part = attrs["id"]
        if tag == "table":
            self.tables.append([found.get("class") for _, found in self.open])
        if tag == "tr":
            self.rows.setdefault(self.part, []).append([])
        if tag in ("td", "th"):
            self.rows[self.part][-1].append("")
        if tag == "dt" and self.part == "glossary":
            self.terms.append("")
        if tag not in ("meta", "link", "img", "br"):
            self.open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if "td" in tags or "th" in tags:
            self.rows[self.part][-1][-1] += data
        if tags[-1:] == ["dt"] and self.part == "glossary":
            self.terms[-1] += data


@pytest.fixture(scope="module")
def committed_page():
    """The page of the committed results, with two figures, and the comparison that it shows."""
    found = comparison.compare(
        comparison.collect(COMMITTED), allow_mixed=True, commands={"section_3_2_cw": "robint section-3-2"}
    )
    found["missing"][0]["cost"] = "robint plan section-3-2"
    drawn = [report.Picture(section, "A <title>", "An 'alt' <text>", "AAAA") for section in ("2.2", "beyond")]
    text = report.html(found, {"Variant": "authors"}, drawn)
    page = Page(text)
    assert not page.open
    return page, found


def test_every_link_of_the_page_leads_somewhere(committed_page):
    page, _ = committed_page
    assert len(set(page.ids)) == len(page.ids)
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    wanted = {"summary", "beyond", "missing", "glossary", "sources"} | {
        f"section-{s.replace('.', '-')}" for s in report.HEADINGS
    }
    assert wanted <= inside
    assert {glossary.PAPER, glossary.AUTHORS_CODE} <= set(page.links)


def test_every_table_of_the_page_scrolls(committed_page):
    page, _ = committed_page
    assert len(page.tables) >= 9
    assert all("scroll" in holders for holders in page.tables)
    assert all(len(set(map(len, rows))) == 1 for part, rows in page.rows.items() if part not in ("beyond", "top"))


def test_figures_can_be_enlarged_and_left_again_without_a_script(committed_page):
    page, _ = committed_page
    for i in range(2):
        assert f"#figure-{i}" in page.links
        assert f"#place-{i}" in page.links
    assert "figure:target" in report_page.STYLE


def test_the_totals_are_those_of_the_verdicts(committed_page):
    page, found = committed_page
    head, *rows = page.rows["top"]
    assert head[0] == f"Of {len(found['claims'])} claims"
    ours, theirs = rows[:3], rows[3]
    assert sum(int(n) for _, n, _ in ours) == len(found["claims"])
    for name, n, of_which in rows:
        numbers = [int(word) for word in re.findall(r"\d+", of_which)]
        assert sum(numbers) == int(n) or name == "not run"
    verdicts = [row["ours"]["verdict"] for row in found["claims"]]
    assert int(ours[2][1]) == verdicts.count("not run")
    assert f"{verdicts.count('reproduced')} reproduced" in ours[0][2]
    assert f"{verdicts.count('agrees at this scale')} agrees at this scale" in ours[1][2]
    assert int(theirs[1]) == sum(row["authors"] is not None for row in found["claims"])
    decided = sum(verdicts.count(v) for v in ("reproduced", "not reproduced", "yes", "no"))
    assert report.sentence(found).startswith(f"{decided} of {len(verdicts)} claims are decided")


def test_one_network_of_each_kind_agrees_for_these_networks_at_whatever_scale(tmp_path):
    path = tmp_path / "section_2_1_mnist_xent.json"
    shutil.copy(COMMITTED / path.name, path)
    change(path, preset="paper")
    found = comparison.compare(comparison.collect(tmp_path))
    ours = {row["key"]: row for row in found["claims"]}["figure_1.nearer.mnist.l2.xent"]
    assert (ours["ours"]["verdict"], ours["decides"], ours["preset"]) == ("agrees for these networks", False, "paper")
    totals = {name: (n, words) for name, n, words in report.totals(found)}
    n, words = totals["at the authors' protocol, of one network of each kind"]
    assert n == 12
    assert set(words) == {"agrees for these networks", "inconclusive"}
    assert totals["at smaller scale"][0] == totals["at the authors' protocol"][0] == 0
    assert report.sentence(found).startswith("0 of ")
    assert sum(n for _, n, _ in report.totals(found)[:-1]) == len(found["claims"])
    assert "agrees for these networks" in report.html(found, {}, [])


def test_every_verdict_of_a_statement_has_a_sign():
    words = {word for of in protocols.WORDS.values() for word in of.values()}
    assert set(report.MARKS) == words | {"inconclusive", "not run"}


def test_the_glossary_explains_the_words_of_the_page(committed_page):
    page, _ = committed_page
    words = {word for term in page.terms for word in term.split(", ")}
    assert {"XEnt", "CW", "G", "GX", "mode", "preset", "variant", "ROAR", "KAR", "DiffROAR", "ROAD"} <= words
    assert not any("`" in cell for rows in page.rows.values() for row in rows for cell in row)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"variant": "paper"}, "variant: authors, paper"), ({"versions": {"mathematics": 2}}, "mathematics: 1, 2")],
)
def test_variants_and_versions_are_not_mixed_unasked(robint, undrawn, folder, changes, named):
    change(folder / "section_2_2.json", **changes)
    text = robint("report", code=2)
    assert named in text
    assert "--allow-mixed" in text
    assert not (folder.parent / "report" / "report.html").exists()
    robint("report", "--allow-mixed")
    assert "Mixed results" in (folder.parent / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    "damage", [lambda text: "{", lambda text: text.replace("20,", "19,", 1)], ids=["torn", "edited"]
)
def test_a_damaged_or_edited_file_is_left_out_and_named(robint, undrawn, folder, damage):
    path = folder / "section_2_2.json"
    path.write_text(damage(path.read_text()))
    text = robint("report")
    assert "left out section_2_2.json" in text
    found = results.read(folder.parent / "report" / "report.json")
    assert {row["ours"]["verdict"] for row in found["claims"] if row["section"] == "2.2"} == {"not run"}


def test_a_store_among_the_results_is_passed_over(robint, undrawn, folder):
    entry = folder / "store" / "CurveSpec" / "0123456789abcdef0123"
    for place in (entry, entry.with_name(f"{entry.name}.damaged-0123abcd")):
        place.mkdir(parents=True)
        (place / "manifest.json").write_text("{}")
    assert "left out" not in robint("report", "--results", folder)


def test_no_results_folder_is_one_line(robint):
    assert "run a section first" in robint("report", "--results", "nowhere", code=2)


def test_the_summary_goes_between_the_marks_of_a_document(robint, undrawn, folder):
    document = folder.parent / "R.md"
    blocks = (f"{command.BEGIN.format(n)}\nold\n{command.END.format(n)}\n" for n in ("comparison", "sources"))
    document.write_text("before\n" + "between\n".join(blocks) + "after\n")
    robint("report", "--update", "R.md")
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| Figure 3: tilt of the boundary | 1 | 1 reproduced | paper | 1 supported | ours: share of seeds" in text
    assert "| `section_2_2.json` | `robint section-2-2" in text
    assert "between" in text
    assert "old" not in text
    document.write_text("no marks")
    robint("report", "--update", "R.md", code=2)
    assert document.read_text() == "no marks"


@pytest.mark.parametrize("document", ["README.md", "docs/results.md"])
def test_the_documents_show_the_committed_results(document):
    collection = comparison.collect(COMMITTED)
    text = (ROOT / document).read_text(encoding="utf-8")
    expected = command.summarised(text, comparison.compare(collection, allow_mixed=True), collection)
    assert text == expected, "stale: run `robint report --allow-mixed --update README.md --update docs/results.md`"


def test_every_table_of_results_is_generated_and_every_generated_one_is_shown():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for name in result_tables.RESULTS:
        begin, end = command.BEGIN.format(name), command.END.format(name)
        assert begin in text, f"no document shows the table {name}"
        before, rest = text.split(begin)
        text = before + rest.split(end)[1]
    for name in result_tables.COMPARISONS:
        text = re.sub(f"{command.BEGIN.format(name)}.*{command.END.format(name)}", "", text, flags=re.DOTALL)
    assert not re.findall(r"^\|.*", text, re.MULTILINE)


def document_of(folder, names=result_tables.RESULTS):
    document = folder.parent / "R.md"
    document.write_text("".join(f"{command.BEGIN.format(n)}\n{command.END.format(n)}\n" for n in names))
    return document


def test_tables_without_their_results_name_the_command_that_makes_them(robint, undrawn, folder):
    document = document_of(folder)
    robint("report", "--update", "R.md")
    text = document.read_text()
    assert "| Standard Training | 100.00% | 42.0° ± 1.3°" in text
    assert "| MNIST | `robint train --dataset mnist` | 10,000 | 98.66% (98.42% to 98.87%) |" in text
    assert "Not run: `robint section-2-1 --dataset cifar10 --preset paper`" in text
    assert "Not run: `robint section-3-2 --preset paper --losses xent`" in text
    assert "| `robint train --dataset cifar10` |  | not run | 73.6% |" in text
    (folder / "section_2_2.json").write_text("{")  # left out, and named
    assert "left out section_2_2.json" in robint("report", "--update", "R.md")
    assert "Not run: `robint section-2-2 --preset paper`" in document.read_text()


def of_seed(folder, seed, value, *, name=None, **changes):
    """A card of MNIST's standard training from a seed, on data that are known to be the published ones."""
    found = results.read(COMMITTED / "networks" / "mnist_standard.json")
    found["spec"]["training"]["seed"] = seed
    found["clean_accuracy"]["value"] = value
    path = folder / "networks" / f"mnist_standard{name if name is not None else f'_{seed}' if seed else ''}.json"
    results.write(path, found | {"test_data_verified": True, "test_images_verified": 10_000} | changes)


def test_networks_of_several_seeds_are_judged_together(robint, undrawn, folder):
    for seed, value in enumerate((0.985, 0.986, 0.987, 0.986)):
        of_seed(folder, seed, value)
    of_seed(folder, 3, 0.9, name="_10")  # a copy, or a seed that was trained twice
    of_seed(folder, 4, 0.9, name="_11", mathematics=2)
    document = document_of(folder)
    text = robint("report", "--update", "R.md")
    assert "left out networks/mnist_standard_10.json: it does not hold what its name promises (" in text
    assert "seed 3 is counted already); make mnist_standard_10.json." in text
    assert "networks/mnist_standard_11.json" in text
    found = results.read(folder.parent / "report" / "report.json")
    (row,) = [row for row in found["claims"] if row["key"] == "accuracy.mnist"]
    assert (row["ours"]["verdict"], row["decides"], row["preset"]) == ("reproduced", True, "full")
    assert row["ours"]["value"] == pytest.approx(0.986)
    assert "mean of 4 seeds" in row["ours"]["text"]
    names = [source["results"] for source in found["sources"]]
    assert names[:4] == [f"networks/mnist_standard{n}.json" for n in ("", "_1", "_2", "_3")]
    shown = [line.split(" | ")[3] for line in document.read_text().splitlines() if line.startswith("| MNIST | `robint")]
    assert [cell.split()[0] for cell in shown[:4]] == ["98.50%", "98.60%", "98.70%", "98.60%"]
    of_seed(folder, 2, 0.987, test_data_verified=False, test_images_verified=1000)
    robint("report")
    found = results.read(folder.parent / "report" / "report.json")
    (row,) = [row for row in found["claims"] if row["key"] == "accuracy.mnist"]
    assert (row["ours"]["verdict"], row["decides"]) == ("agrees on these data", False)
    assert row["preset"] == "full (data not verified)"
    assert "9,000 of 10,000 test images are not known to be the published ones" in row["ours"]["text"]
    (name,) = [name for name, *_ in report.totals(found) if "scale" in name]
    assert name == "at smaller scale, or on data not known to be the published ones (preset full (data not verified))"


def test_a_table_of_a_file_of_another_form_is_refused_in_one_line(robint, undrawn, folder):
    shutil.copy(COMMITTED / "networks" / "cifar10_standard.json", folder / "networks")
    results.write(folder / "networks" / "cifar10_standard_evaluation.json", {"figure": None, "evaluations": 7})
    document = document_of(folder)
    before = document.read_text()
    text = robint("report", "--update", "R.md", code=2)
    assert "the table classifiers cannot be made of its results files (" in text
    assert "Traceback" not in text
    assert document.read_text() == before


def test_a_table_shows_texts_of_results_files_as_they_are(robint, undrawn, folder):
    content = results.read(folder / "section_2_2.json")
    content["networks"][0]["title"] = MARKUP
    results.write(folder / "section_2_2.json", content)
    document = document_of(folder)
    robint("report", "--update", "R.md")
    (line,) = [line for line in document.read_text().splitlines() if line.startswith(r"| a\|b")]
    assert len(re.findall(r"(?<!\\)\|", line)) == 6
    assert "<script>" not in line
    assert document.read_text().count(command.END.format("toy")) == 1


def test_every_document_says_the_same_words(robint, undrawn, folder):
    """The verdicts of report.json stand on the page, in report.md and, counted, in the README's table."""
    for name in ("section_2_1_cifar10_xent", "section_3_2_xent"):  # both of preset quick
        shutil.copy(COMMITTED / f"{name}.json", folder)
    text = robint("report")
    found = results.read(folder.parent / "report" / "report.json")
    page, document = ((folder.parent / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    page = unescape(page)
    for row in found["claims"]:
        verdicts = [row["ours"]["verdict"]] + ([row["authors"]["verdict"]] if row["authors"] else [])
        (line,) = [li for li in re.findall("<tr>.*?</tr>", page) if f"<td>{row['statement']}</td>" in li]
        cells = re.findall(r"<span class='verdict [a-z-]+'>(?:\S )?([^<]+)</span>", line)
        assert cells == verdicts
        (line,) = [li for li in document.splitlines() if li.startswith(f"| {report_markdown.text(row['statement'])} |")]
        assert all(f"{verdict}" in line for verdict in verdicts)
        if row["preset"] == "quick":
            assert row["ours"]["verdict"] not in ("reproduced", "not reproduced", "yes", "no")
    quick = [row for row in found["groups"] if row["presets"] == ["quick"]]
    assert {verdict for row in quick for verdict in row["ours"]} >= {"agrees at this scale", "differs at this scale"}
    for row in found["groups"]:
        told = [report_markdown.text(cell) for cell in (row["group"], report.judged_by(row))]
        (line,) = [li for li in document.splitlines() if li.startswith(f"| {told[0]} |")]
        assert told[1] in line
        assert report.judged_by(row) in page
        assert (row["group"] in text) == (set(row["ours"]) != {"not run"})
    assert "contradicted" not in page.split("<style>")[0] + page.split("</style>")[1]  # they assert nothing refuted
    red = re.search(r"([^}]*)\{ color: var\(--bad\); \}", page).group(1)
    assert "scale" not in red


def test_the_rules_for_ours_and_for_theirs_are_told_apart():
    found = comparison.compare(comparison.collect(COMMITTED), allow_mixed=True)
    by_group = {row["group"]: report.judged_by(row) for row in found["groups"]}
    assert by_group["Figure 1, MNIST: order of the modes"] == (
        f"ours: {claims.ORDER_RULE}; the authors': {claims.MODES_READ}"
    )
    assert by_group["Figure 1, MNIST: order of the mean distances"] == claims.ORDER_RULE  # nothing is published
    assert by_group["Figure 4: correlation with attack strength, ROAR"] == f"both: {claims.CORRELATION_RULE}"


HOSTILE = {
    "nan.json": '{"schema": 1, "a": NaN}',
    "section_3_2_cw.json": '{"schema": 1, "a": 1e999}',
    "surrogate.json": '{"schema": 1, "a": "\\ud800"}',
    "deep/section_3_2_xent.json": "[" * 100_000 + "]" * 100_000,
    os.fsdecode(b"\xff.json"): "{",
}


def test_hostile_files_are_named_and_left_out_and_the_rest_is_compared(robint, undrawn, folder):
    (folder / "deep").mkdir()
    for name, text in HOSTILE.items():
        (folder / name).write_text(text)
    text = robint("report")
    assert "Figure 3: tilt of the boundary" in text
    found = results.read(folder.parent / "report" / "report.json")
    names = {results.printable(name) for name in HOSTILE}
    assert set(found["left_out"]) == names
    page, document = ((folder.parent / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    for name in names:
        assert f"left out {name}: " in text
        assert name in unescape(page)
        assert name in document
    assert "Left out" in page
    assert "## Left out" in document
    for name in HOSTILE:
        assert (folder / name).exists()


ODD = {
    "empty": {},
    "no provenance": {"figure": "section_2_2", "n_seeds": 3},
    "provenance of another form": {"figure": "section_2_2", "provenance": ["robint"]},
    "numbers for texts": {"figure": "section_2_2", "provenance": {"command": 5, "versions": {"keras": [1]}}},
    "no networks": {"figure": "section_2_2", "provenance": {"command": "c", "preset": "paper"}, "networks": []},
    "texts for numbers": {
        "figure": "section_2_2",
        "provenance": {"command": "c", "preset": "paper"},
        "networks": [{"accuracy": {"values": ["x", "y"]}}],
        "n_seeds": "many",
        "seeds_with_tilt_standard_over_weak_over_strong": None,
    },
    "numbers at the end of the range": {
        "figure": "section_2_2",
        "provenance": {"command": "c", "preset": "paper"},
        "networks": [{"accuracy": {"values": [1.0, 1.0]}}],
        "n_seeds": 10**400,
        "seeds_with_tilt_standard_over_weak_over_strong": 10**400,
    },
    "another section": {"figure": "interpretability", "provenance": {"command": "c"}, "panels": 7},
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_a_valid_file_of_another_form_is_named_and_left_out(robint, undrawn, folder, content):
    results.write(folder / "section_2_2.json", content)
    text = robint("report")
    assert "left out section_2_2.json: it does not hold what its name promises (" in text
    found = results.read(folder.parent / "report" / "report.json")
    by_key = {row["key"]: row for row in found["claims"]}
    assert by_key["figure_3.order"]["ours"]["verdict"] == by_key["accuracy.toy"]["ours"]["verdict"] == "not run"
    assert by_key["accuracy.mnist"]["ours"]["verdict"] == "inconclusive"
    assert "section_2_2" in {item["results"] for item in found["missing"]}


def test_what_a_file_says_of_its_making_may_be_numbers_and_mixed(robint, undrawn, folder):
    """As `provenance.Parts.summary` writes it."""
    made = {**results.read(folder / "section_2_2.json")["provenance"]["versions"], "threads": 2, "jit": False}
    change(folder / "section_2_2.json", versions={**made, "device": "CPU + GPU", "mixed": {"device": ["CPU", "GPU"]}})
    assert "left out" not in robint("report")
    assert "device CPU + GPU, threads 2, jit False |" in (folder.parent / "report" / "report.md").read_text()


def test_a_figure_that_cannot_be_drawn_is_named(robint, folder):
    content = results.read(folder / "section_2_2.json")
    del content["plot"]
    results.write(folder / "section_2_2.json", content)
    text = robint("report")
    assert "left out section_2_2.json: its figure cannot be drawn (KeyError: 'plot')" in text
    assert "1 reproduced" in text


def test_of_two_files_of_one_name_none_is_dropped_in_silence(robint, undrawn, folder):
    content = results.read(folder / "section_2_2.json")
    for place, hits in (("a/section_2_2.json", 1), ("networks/deeper/section_2_2.json", 0)):
        (folder / place).parent.mkdir(parents=True)
        results.write(folder / place, {**content, "seeds_with_tilt_standard_over_weak_over_strong": hits})
    text = robint("report")
    for place in ("a/section_2_2.json", "networks/deeper/section_2_2.json"):
        assert f"left out {place}: section_2_2.json has the same name and is taken" in text
    found = results.read(folder.parent / "report" / "report.json")
    (row,) = [row for row in found["claims"] if row["key"] == "figure_3.order"]
    assert (row["results"], row["ours"]["value"]) == ("section_2_2.json", 1.0)
    (folder / "section_2_2.json").write_text("{")
    text = robint("report")  # a readable one takes the place of one that is not
    assert "left out section_2_2.json: " in text
    assert "left out networks/deeper/section_2_2.json: a/section_2_2.json has the same name" in text


MARKUP = "a|b `c` <script>alert(1)</script> <!-- end of comparison --> **d** [e](http://f)\n| g"


def test_no_results_file_writes_markup_into_a_document(robint, undrawn, folder):
    change(folder / "section_2_2.json", command=MARKUP, variant=MARKUP, versions={"robint_tf": MARKUP, MARKUP: "1"})
    content = results.read(folder / "section_2_2.json")
    content["data"]["sha256"] = MARKUP
    results.write(folder / "section_2_2.json", content)
    document = folder.parent / "R.md"
    blocks = (f"{command.BEGIN.format(n)}\n{command.END.format(n)}\n" for n in ("comparison", "sources"))
    document.write_text("before\n" + "".join(blocks) + "after\n")
    for _ in range(2):  # what was written once can be written again
        robint("report", "--allow-mixed", "--update", "R.md")
    for text in (document.read_text(), (folder.parent / "report" / "report.md").read_text()):
        assert "<script>" not in text
        assert not re.search(r"(?<!\\)\]\(http", text)
        assert "**d**" not in text
        assert not re.search(r"^\| g", text, re.M)
        for line in text.splitlines():
            if line.startswith("| "):
                assert len(re.findall(r"(?<!\\)\|", line)) in (4, 6, 7), line  # three, five or six cells
    assert document.read_text().count(command.END.format("comparison")) == 1
    assert "<script>alert" not in (folder.parent / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("value", "text", "code"),
    [
        ("robint_tf 0.1.0", "robint_tf 0.1.0", "`robint_tf 0.1.0`"),
        ("gradient * input", "gradient * input", "`gradient * input`"),
        ("a | b", r"a \| b", r"<code>a \| b</code>"),
        ("a < b & c", "a &lt; b &amp; c", "<code>a &lt; b &amp; c</code>"),
        ("_a_ *b* ~c~ $d$", r"\_a\_ \*b\* \~c\~ \$d\$", "`_a_ *b* ~c~ $d$`"),
        ("a\r\n\tb\x1b[2J", r"a b\\x1b\[2J", r"`a b\x1b[2J`"),
        ("run `robint demo`", "run `robint demo`", r"<code>run \`robint demo\`</code>"),
        ("one ` only", r"one \` only", r"<code>one \` only</code>"),
        ("`<b>`", "<code>&lt;b&gt;</code>", r"<code>\`&lt;b&gt;\`</code>"),
    ],
)
def test_markdown_shows_texts_as_they_are(value, text, code):
    assert report_markdown.text(value) == text
    assert report_markdown.code(value) == code


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(robint, folder, width):
    robint("report")
    page = folder.parent / "report" / "report.html"
    probe = """<script>addEventListener("load", () => {
      const images = [...document.images], seen = images.filter(i => i.naturalWidth > 0 && i.clientWidth > 0);
      document.querySelector("th button").click();
      const outside = performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:"));
      document.body.dataset.probe = [images.length, seen.length, outside.length,
        document.documentElement.scrollWidth <= innerWidth,
        document.querySelector("th").getAttribute("aria-sort")].join(" ");
    });</script>"""
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</body>", probe + "</body>"))
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder.parent / 'profile'}",
            f"--window-size={width},900",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
            probed.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (probe_text,) = re.findall(r'data-probe="([^"]+)"', done.stdout)
    images, seen, outside, fits, order = probe_text.split()
    assert images == seen
    assert int(images) >= 5
    assert outside == "0"
    assert fits == "true"
    assert order == "ascending"
    assert "CONSOLE" not in done.stderr
