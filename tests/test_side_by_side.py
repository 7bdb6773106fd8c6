"""Our scores beside the published ones, and how far a file's protocol is from the authors'."""

import copy
import math
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from test_interpretability import PAPER, as_the_authors

from robint_experiments import tables as result_tables
from robint_experiments.commands import report as command
from robint_experiments.studies import grid_results
from robint_experiments.studies.presets import SECTION_2_1, SECTION_2_2, SECTION_3_2
from robint_tf import data
from robint_tf.catalogue import DATASETS
from robint_tf.interpretability import scores
from robint_tf.paper import comparison, published
from robint_tf.paper.beyond import side_by_side, spreads
from robint_tf.paper.evidence import extent
from robint_tf.paper.figures import plots, plots_published
from robint_tf.specs import ClassifierSpec, as_dict
from robint_tf.store import results

COMMITTED = Path(__file__).parents[1] / "figures"
QUICK = COMMITTED / "section_3_2_xent.json"
SMALL = replace(PAPER, eps={"l2": (0.8, 1.6), "linf": (0.04,)}, losses=("xent",), n_seeds=1)


def noisy(cells, rng, *, sd=0.006, n=1):
    return {key: np.clip(values[:, :1] + rng.normal(0, sd, (5, n)), 0, 1) for key, values in cells.items()}


MADE = {}


def ours(*, n_random=10, n=1, study=SMALL):
    """A file of section 3.2 of the authors' protocol and nearly their scores, with as many retrainings."""
    key = n_random, n, repr(study)
    if key not in MADE:
        MADE[key] = made_of(n_random, n, study)
    return copy.deepcopy(MADE[key])


def made_of(n_random, n, study):
    rng = np.random.default_rng(0)
    made = as_the_authors(study)
    made["networks"] = [(e, c, r, noisy(cells, rng, n=n)) for e, c, r, cells in made["networks"]]
    random = made["baseline"]
    made["baseline"] = noisy(random, rng, n=n)
    found = grid_results.figure(replace(study, n_seeds=n), made, "xent", "strength")
    if n_random != n:
        found["baseline"] = {o: v.tolist() for (_, o), v in noisy(random, rng, n=n_random).items()}
    about = {
        "figure": "interpretability",
        "provenance": {"command": "robint section-3-2", "variant": "authors", "preset": "paper"},
        "dataset": "cifar10",
        "train_data": {"count": 50_000, "sha256": "0" * 64},
        "test_data": {"count": 10_000, "sha256": "0" * 64},
        "test_data_verified": True,
        "training": as_dict(study.training),
        "training_attack_steps": study.n_steps,
        "retraining": as_dict(study.retraining),
    }
    return about | found


def by_key(rows):
    return {(row["norm"], row["eps"], row["test"], row["attribution"]): row for row in rows}


def area(found, values, test):
    return scores.SCORES[test](np.array(found["fractions"]), np.array(values).T, np.zeros(5))


def within_random(found):
    """Of areas on random pixels, which both tests draw alike."""
    return float(np.mean([np.var(area(found, values, test), ddof=1) for test, values in found["baseline"].items()]))


def test_every_network_of_ours_stands_beside_its_published_one():
    found = by_key(side_by_side.compared(ours()))
    assert len(found) == 4 * 5
    theirs = {k: round(row["theirs"], 4) for k, row in found.items()}
    named = [("remove", "gradient"), ("remove", "gradient_x_input"), ("keep", "gradient"), ("keep", "gradient_x_input")]
    for network, expected in (
        ((None, 0.0), (0.0189, 0.0370, -0.0054, 0.0075)),
        (("linf", 0.04), (0.0642, 0.0745, 0.0006, 0.0181)),
        (("l2", 1.6), (0.0661, 0.0724, -0.0113, 0.0076)),
    ):
        assert [theirs[(*network, *key)] for key in named] == pytest.approx(expected, abs=0.00015)
    assert theirs[None, 0.0, "accuracy", None] == 0.7366
    assert theirs["linf", 0.04, "accuracy", None] == 0.6118
    assert theirs["l2", 1.6, "accuracy", None] == 0.6205


def test_a_score_is_the_papers_with_as_many_retrainings_of_either_as_there_are():
    found = ours(n=3, n_random=3)
    rows = by_key(side_by_side.compared(found))
    for panel in found["panels"]:
        for series in panel["series"]:
            of = [(None, 0.0), *((series["norm"], eps) for eps in SMALL.eps[series["norm"]])]
            mine = [rows[(*network, panel["occlusion"], series["attribution"])]["ours"] for network in of]
            np.testing.assert_allclose(mine, series["y"], atol=1e-12)
    found = ours(n=3, n_random=10)
    rows = by_key(side_by_side.compared(found))
    network = found["networks"][1]
    by_hand = area(found, network["retrained"]["gradient"]["remove"], "remove").mean()
    by_hand -= area(found, found["baseline"]["remove"], "remove").mean()
    assert rows["l2", 0.8, "remove", "gradient"]["ours"] == pytest.approx(by_hand)


def test_the_spread_of_one_retraining_is_that_of_the_random_baseline():
    found = ours()
    row = by_key(side_by_side.compared(found))["l2", 1.6, "keep", "gradient"]
    within = within_random(found)
    theirs = spreads.authors("keep")
    mine = [(theirs.between**2, 68), (within, 18), (within / 10, 18)]
    their = [(theirs.between**2, 68), (theirs.within**2 * 2 / 3, 68)]
    assert row["ours_error"] == pytest.approx(math.sqrt(sum(v for v, _ in mine)))
    assert row["theirs_error"] == pytest.approx(math.sqrt(sum(v for v, _ in their)))
    first = sum(v for v, _ in mine[:2]) ** 2 / sum(v**2 / n for v, n in mine[:2])  # network and its one retraining
    parts = [(mine[0][0] + mine[1][0], first), mine[2], *their]
    total = sum(v for v, _ in parts)
    half = stats.t.ppf(0.975, total**2 / sum(v**2 / n for v, n in parts)) * math.sqrt(total)
    assert row["interval"] == pytest.approx([row["difference"] - half, row["difference"] + half])
    assert "(18 degrees of freedom)" in side_by_side.entry(found, "x")["spread"]


def test_with_several_networks_of_a_training_the_file_tells_their_spread():
    found = ours()
    again = copy.deepcopy(found["networks"])
    for network in again:
        network["seed"] = 1
        network["accuracy"] += 0.01
        for cells in network["retrained"].values():
            cells["remove"] = (np.array(cells["remove"]) - 0.02).tolist()
    rows = by_key(side_by_side.compared(found | {"networks": found["networks"] + again}))
    assert len(rows) == 4 * 5  # still one row a training
    before = by_key(side_by_side.compared(found))
    key = ("linf", 0.04, "remove", "gradient")
    assert rows[key]["ours"] == pytest.approx(before[key]["ours"] + 0.9 * 0.01)  # 0.9: area of 1 at the five fractions
    within = within_random(found)
    between = (0.9 * 0.02) ** 2 / 2  # of two networks
    assert rows[key]["ours_error"] == pytest.approx(math.sqrt(between / 2 + within / 10))
    accuracy = rows["linf", 0.04, "accuracy", None]
    assert accuracy["ours_error"] == pytest.approx(0.01 / 2)


def shifted(found, by):
    """The file with all maps' accuracies moved, so that ROAR scores are higher by 0.9 times as much."""
    found = copy.deepcopy(found)
    for network in found["networks"]:
        for cells in network["retrained"].values():
            cells["remove"] = (np.array(cells["remove"]) - by).tolist()
    return found


def test_scores_agree_differ_or_cannot_be_told():
    rows = side_by_side.compared(ours())
    assert {row["outcome"] for row in rows if row["test"] == "remove"} == {"holds"}
    assert {row["outcome"] for row in rows if row["test"] == "accuracy"} == {"holds"}
    # The published KAR scores of the gradient lie closer together than one retraining can tell apart.
    narrow = [row for row in rows if (row["test"], row["attribution"]) == ("keep", "gradient")]
    assert {row["outcome"] for row in narrow} == {"inconclusive"}
    rows = side_by_side.compared(shifted(ours(), 0.05))
    assert {row["outcome"] for row in rows if row["test"] == "remove"} == {"fails"}
    assert {side_by_side.verdict(row) for row in rows if row["test"] == "remove"} == {"not reproduced"}
    wide = ours()
    wide["baseline"]["remove"] = (np.array(wide["baseline"]["remove"]) + 0.08 * np.arange(-5, 5)).tolist()
    assert {row["outcome"] for row in side_by_side.compared(wide) if row["test"] == "remove"} == {"inconclusive"}


def test_without_repetitions_the_authors_spread_stands_in_only_for_the_authors_training():
    full = ours(n_random=1)
    rows = side_by_side.compared(full)
    expected = spreads.authors("remove")
    row = by_key(rows)["l2", 1.6, "remove", "gradient"]
    assert row["ours_error"] == pytest.approx(math.hypot(expected.between, math.sqrt(2) * expected.within))
    assert "the authors', for there is one of each cell" in side_by_side.entry(full, "x")["spread"]
    for less in (
        {"train_data": {**full["train_data"], "count": 10_000}},
        {"retraining": full["retraining"] | {"epochs": 6}},
        {"training": full["training"] | {"precision": "bfloat16"}},
    ):
        rows = side_by_side.compared(full | less)
        assert {row["outcome"] for row in rows} == {"inconclusive"}
        assert {row["interval"] for row in rows} == {row["ours_error"] for row in rows} == {None}
        assert "unknown" in side_by_side.entry(full | less, "x")["spread"]
    assert {row["outcome"] for row in side_by_side.compared(results.read(QUICK))} == {"inconclusive"}


def test_what_decides_about_a_score_is_how_its_network_was_made():
    """Not how many others there are; and the standard network meets no attack in training."""
    part = ours()
    assert not comparison.protocols.decides(part)
    assert {row["standing"] for row in side_by_side.compared(part)} == {"decides"}
    rows = side_by_side.compared(part | {"training_attack_steps": 10})
    assert {row["norm"]: row["standing"] for row in rows} == {None: "decides", "l2": "scale", "linf": "scale"}
    words = {side_by_side.verdict(row) for row in rows if row["test"] == "remove"}
    assert words == {"reproduced", "agrees at this scale"}
    rows = side_by_side.compared(part | {"test_data_verified": False})
    assert {side_by_side.verdict(row) for row in rows if row["test"] == "remove"} == {"agrees on these data"}


def test_only_what_was_published_is_compared():
    found = ours()
    found["networks"][1]["eps"] = 0.83
    assert len(side_by_side.compared(found)) == 3 * 5
    assert side_by_side.compared(found | {"dataset": "cifar10_sample"}) == []
    assert side_by_side.compared(found | {"loss": "other"}) == []
    broken = found | {"baseline": {"remove": [0.1], "keep": 3}}
    assert side_by_side.entry(broken, "x")["rows"] == []
    assert "its cells cannot be read (" in side_by_side.entry(broken, "x")["spread"]


def test_how_far_a_files_protocol_is_from_the_papers():
    assert extent.protocol(results.read(QUICK)) == (
        "quick: 10,000 of 50,000 training images, 6 of 20 epochs, batches of 50 instead of 100, 7 of 40 steps of PGD "
        "in training, 3 of 5 fractions, 1 of 3 retrainings, 6 of 21 networks a series"
    )
    assert extent.told(results.read(COMMITTED / "section_2_1_mnist_xent.json")) == (
        "10,000 of 55,000 training images, 1 of 5 epochs, batches of 50 instead of 100, 5 of 40 steps of PGD "
        "in training, 500 of 10,000 test images, 3 of 30 epochs of the VAE-GAN"
    )
    assert extent.told(results.read(COMMITTED / "section_2_2.json")) == ""
    assert extent.told(results.read(COMMITTED / "networks" / "cifar10_standard.json")) == ""
    assert extent.told(ours(study=PAPER, n=3)) == ""
    assert extent.told(ours()) == "1 of 3 retrainings, 2 of 21 networks a series"
    found = ours(study=replace(SMALL, eps={"l2": (1.6,)}, fractions=(0.1, 0.3, 0.5, 0.7, 0.8)))
    assert extent.told(found) == "other fractions, 1 of 3 retrainings, 2 of 21 networks a series, 1 of 2 norms"
    changed = found["retraining"] | {"epochs": 5, "precision": "bfloat16"}
    told = extent.told(found | {"retraining": changed})
    assert "retrained with 5 of 20 epochs, retrained with precision bfloat16" in told


def test_the_authors_protocol_is_that_of_the_presets():
    for name, study in SECTION_2_1["paper"].items():
        about = {
            "figure": "manifold_distances",
            "dataset": name,
            "train_data": {"count": DATASETS[name].published["train"][-1].stop - DATASETS[name].held_back},
            "test_data": {"count": 10_000},
            "training": as_dict(study.training),
            "training_attack_steps": study.n_steps,
            "vae_gan": as_dict(study.vae_gan),
            "panels": [None] * 4,
        }
        assert extent.told(about) == ""
        assert study.vae_gan_epochs == published.VAE_GAN_EPOCHS[name]
        less = about | {"panels": [None], "training_attack_steps": 10}
        assert extent.told(less) == "10 of 40 steps of PGD in training, 1 of 4 panels"
    assert extent.told({"figure": "section_2_2", "epochs": SECTION_2_2["paper"].training.epochs}) == ""
    assert extent.told({"figure": "section_2_2", "epochs": 2}) == "2 of 10 epochs"
    assert SECTION_3_2["paper"].n_steps == extent.STEPS
    sample = data.load("mnist_sample")
    assert extent.told(
        {
            "spec": as_dict(ClassifierSpec(dataset="mnist_sample", training=PAPER.training)),
            "train_data": sample.train.fingerprint.as_json(),
            "clean_accuracy": {"n": 200},
        }
    ).startswith("1,000 of 55,000 training images, 200 of 10,000 test images")


@pytest.fixture
def folder(tmp_path):
    """The committed section 3.2, of preset quick."""
    (tmp_path / "figures").mkdir()
    shutil.copy(QUICK, tmp_path / "figures")
    return tmp_path / "figures"


def compared(folder):
    return comparison.compare(comparison.collect(folder), allow_mixed=True)


def test_of_two_files_of_one_name_the_more_complete_protocol_is_taken(folder):
    (folder / "paper").mkdir()
    results.write(folder / "paper" / QUICK.name, ours(study=PAPER, n=3))  # the whole grid, which decides
    found = comparison.collect(folder)
    assert found.paths["section_3_2_xent"] == f"paper/{QUICK.name}"
    assert found.content["section_3_2_xent"]["provenance"]["preset"] == "paper"
    report = compared(folder)
    assert report["left_out"] == {
        QUICK.name: f"paper/{QUICK.name} has the same name and is taken, for its protocol is nearer to the authors' "
        f"(paper; this: {extent.protocol(results.read(QUICK))}); rename one, or compare another folder."
    }
    assert {row["results"] for row in report["claims"] if row["preset"]} == {f"paper/{QUICK.name}"}
    shutil.move(folder / "paper", folder / "corrected")
    results.write(folder / "corrected" / QUICK.name, of_variant("corrected", ours(study=PAPER, n=3)))
    assert comparison.collect(folder).paths["section_3_2_xent"] == QUICK.name  # another question
    assert set(compared(folder)["left_out"]) == {f"corrected/{QUICK.name}"}
    results.write(folder / QUICK.name, {"figure": "interpretability", "provenance": 7})  # nothing that can be read
    assert comparison.collect(folder).paths["section_3_2_xent"] == f"corrected/{QUICK.name}"
    assert "this: none that can be read" in compared(folder)["left_out"][QUICK.name]


def of_variant(variant, content):
    return content | {"provenance": content["provenance"] | {"variant": variant}}


def test_where_a_part_of_the_authors_grid_has_no_answer_a_whole_smaller_one_has(folder):
    """Two networks a series make no correlation, and one norm no comparison of both."""
    results.write(folder / "paper" / QUICK.name, ours(study=replace(SMALL, eps={"linf": (0.02, 0.04)})))
    results.write(folder / "l2" / QUICK.name, ours(study=replace(SMALL, eps={"l2": (1.6,)})))
    report = compared(folder)
    claims = {row["key"]: row for row in report["claims"]}
    first, second, quick = (f"paper/{QUICK.name}", f"l2/{QUICK.name}", QUICK.name)
    assert claims["criterion.xent.linf.remove.gradient"]["results"] == first
    assert claims["criterion.xent.l2.remove.gradient"]["results"] == second
    for key in ("strength.xent.l2.remove.gradient", "strength.xent.linf.keep.gradient"):
        assert (claims[key]["results"], claims[key]["preset"]) == (quick, "quick")
    assert claims["strength.xent.l2.remove.gradient"]["ours"]["verdict"] == "agrees at this scale"
    slopes = [row for row in report["beyond"]["claims"] if row["key"].startswith("beyond.slope.xent")]
    assert {row["results"] for row in slopes} <= {first, quick}
    assert report["left_out"] == {}
    beside = report["side_by_side"]
    assert [entry["results"] for entry in beside] == [first, second, quick]
    numbers = [(row["norm"], row["eps"], row["test"], row["attribution"]) for entry in beside for row in entry["rows"]]
    assert len(set(numbers)) == len(numbers) == 11 * 5  # each from the most complete file that has it
    assert {row["norm"] for row in beside[0]["rows"]} == {None, "linf"}
    assert {(row["norm"], row["eps"]) for row in beside[1]["rows"]} == {("l2", 1.6)}
    assert sorted(source["results"] for source in report["sources"]) == sorted([first, second, quick])
    collection = comparison.collect(folder)
    tables = result_tables.all_tables(collection, report)
    assert tables["networks_xent"]().count("xent eps") == 10  # of the widest grid
    assert "10% kept: authors' code" in tables["authors_quick"]()
    unmixed = comparison.compare(made_by(2, collection))  # quick is of version 1
    assert set(unmixed["left_out"]) == {quick}
    assert {row["results"] for row in unmixed["claims"] if row["preset"]} <= {first, second}


def made_by(mathematics, collection):
    """The collection with all but the files of preset quick by this version."""
    for content in (*collection.content.values(), *(file[1] for files in collection.others.values() for file in files)):
        if content["provenance"]["preset"] != "quick":
            content["provenance"]["versions"] = {"mathematics": mathematics}
    return collection


def test_the_report_shows_both_score_by_score_and_every_claims_protocol(robint, folder, monkeypatch):
    monkeypatch.setattr(command, "pictures", lambda *args: ([], {}))
    results.write(folder / QUICK.name, ours())
    document = folder.parent / "R.md"
    document.write_text(f"{command.BEGIN.format('published_xent')}\n{command.END.format('published_xent')}\n")
    robint("report", "--update", "R.md")
    report = results.read(folder.parent / "report" / "report.json")
    (entry,) = report["side_by_side"]
    assert entry["protocol"] == "paper (changed): 1 of 3 retrainings, 2 of 21 networks a series"
    page, markdown = ((folder.parent / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    section = unescape(page).split("id='section-3-2'")[1].split("<h2")[0]
    for row in entry["rows"]:
        network, number, mine, theirs, difference, verdict = side_by_side.shown(row)
        (line,) = [
            li for li in re.findall("<tr>.*?</tr>", section) if f"<td>{network}</td>" in li and f">{number}</td>" in li
        ]
        assert all(f">{cell}</td>" in line for cell in (mine, theirs, difference))
        assert f"{verdict}</span>" in line
        cells = f"| {number} | {mine} | {theirs} | {difference} | {verdict} |"
        assert cells in markdown
        assert cells in document.read_text()
    assert entry["spread"] in section
    claims = {row["key"]: row for row in report["claims"]}
    assert claims["strength.xent.l2.remove.gradient"]["protocol"] == entry["protocol"]
    assert claims["figure_3.order"]["protocol"] is None
    assert section.count(f"<td data-head='Protocol'>{entry['protocol']}</td>") == 20  # claims of section 3.2 with XEnt
    assert markdown.count(entry["protocol"]) > 30
    beyond = [row for row in report["beyond"]["claims"] if row["results"]]
    assert {row["protocol"] for row in beyond} == {entry["protocol"]}
    assert result_tables.COMPARISONS["published_xent"]({"side_by_side": []}).startswith("Not run: `robint section-3-2")


def test_the_figure_shows_ours_against_theirs(tmp_path):
    found = ours()
    drawn = plots_published.beside_published(found)
    assert len(drawn.axes) == 2
    rows = by_key(side_by_side.compared(found))
    for axes, test in zip(drawn.axes, ("remove", "keep"), strict=True):
        assert axes.get_xlim() == axes.get_ylim()
        lines = {line.get_label(): line for line in axes.lines}
        x, y = lines["L2 XEnt G"].get_data()
        assert x.tolist() == [rows["l2", eps, test, "gradient"]["theirs"] for eps in (0.8, 1.6)]
        assert y.tolist() == [rows["l2", eps, test, "gradient"]["ours"] for eps in (0.8, 1.6)]
        across, along = lines["equal scores"].get_data()
        assert list(across) == list(along)  # the diagonal
        named = [t.get_text() for t in axes.get_legend().get_texts()]
        assert set(named) == {f"{n} {a}" for n in ("L2 XEnt", "L-Inf XEnt", "Standard") for a in ("G", "GX")} | {
            "equal scores"
        }
        points = [lines[name] for name in named if name != "equal scores"]
        assert len({line.get_marker() for line in points}) == len(points)  # told apart without colours
        drawn.canvas.draw()
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0  # covers no point
        low, high = axes.get_ylim()
        shown = [row for row in rows.values() if row["test"] == test]
        assert all(low < r["ours"] - 1.95 * r["ours_error"] < r["ours"] + 1.95 * r["ours_error"] < high for r in shown)
    assert "not known" not in drawn.get_suptitle()
    assert "of ours the spread is not known" in plots_published.beside_published(results.read(QUICK)).get_suptitle()
    written = plots.draw(found, tmp_path / "section_3_2_xent", formats=("svg",))
    assert f"{tmp_path}/section_3_2_published_xent.svg" in map(str, written)
    assert "section_3_3_published_xent" not in plots.beside(found | {"axis": "accuracy"}, "section_3_3_xent")
    with pytest.raises(ValueError, match="none of the networks is among the published ones"):
        plots_published.beside_published(found | {"dataset": "cifar10_sample"})
