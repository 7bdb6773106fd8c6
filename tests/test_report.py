"""`robint report`: what it collects, refuses and writes, and the page in a real browser."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from robint_experiments import report as command
from robint_tf import comparison, results

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "figures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def folder(tmp_path):
    """Two of the committed results: one section and one network."""
    (tmp_path / "figures" / "networks").mkdir(parents=True)
    shutil.copy(COMMITTED / "section_2_2.json", tmp_path / "figures")
    shutil.copy(COMMITTED / "networks" / "mnist_standard.json", tmp_path / "figures" / "networks")
    return tmp_path / "figures"


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
    assert {"results": "section_3_2_cw", "command": "robint section-3-2 --preset paper --losses cw"} in found["missing"]
    page = (folder.parent / "report" / "report.html").read_text()
    assert "robint section-3-2 --preset paper --losses cw" in page
    assert (folder.parent / "report" / "report.md").read_text().count("\n| ") > 93


def test_a_page_loads_nothing_from_elsewhere(robint, folder):
    robint("report")
    page = (folder.parent / "report" / "report.html").read_text()
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", page)
    images = re.findall(r"<img alt='([^']*)' src='data:image/png;base64,([^']+)'", page)
    assert len(images) >= 5  # Figure 3, and the authors' Figures 4 and 5 for both losses
    for alt, data in images:
        assert len(alt) > 20
        assert base64.b64decode(data)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"variant": "paper"}, "variant: authors, paper"), ({"versions": {"robint_tf": "9"}}, "robint_tf: 0.1.0, 9")],
)
def test_variants_and_versions_are_not_mixed_unasked(robint, folder, changes, named):
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
def test_a_damaged_or_edited_file_is_left_out_and_named(robint, folder, damage):
    path = folder / "section_2_2.json"
    path.write_text(damage(path.read_text()))
    text = robint("report")
    assert "left out section_2_2.json" in text
    found = results.read(folder.parent / "report" / "report.json")
    assert {row["ours"]["verdict"] for row in found["claims"] if row["section"] == "2.2"} == {"not run"}


def test_no_results_folder_is_one_line(robint):
    assert "run a section first" in robint("report", "--results", "nowhere", code=2)


def test_the_summary_goes_between_the_marks_of_a_document(robint, folder):
    document = folder.parent / "R.md"
    blocks = (f"{command.BEGIN.format(n)}\nold\n{command.END.format(n)}\n" for n in ("comparison", "sources"))
    document.write_text("before\n" + "between\n".join(blocks) + "after\n")
    robint("report", "--readme", "R.md")
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| Figure 3: tilt of the boundary | 1 | 1 reproduced | paper | 1 supported |" in text
    assert "| `section_2_2.json` | `robint section-2-2" in text
    assert "between" in text
    assert "old" not in text
    document.write_text("no marks")
    robint("report", "--readme", "R.md", code=2)
    assert document.read_text() == "no marks"


def test_the_readme_shows_the_committed_results():
    found = comparison.compare(comparison.collect(COMMITTED))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    expected = command.summarised(text, found)
    assert text == expected, "the README is stale: run `robint report --readme README.md`"


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
