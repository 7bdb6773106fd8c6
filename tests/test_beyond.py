"""Beyond the paper: scores from cells, questions and their families, reference runs, and how the report shows them."""

import itertools
import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from robint_experiments.commands import report as command
from robint_experiments.studies import grid_results
from robint_experiments.studies.presets import SECTION_3_2
from robint_tf.interpretability import inference, scores
from robint_tf.labels import ATTRIBUTIONS, LOSSES, NORMS
from robint_tf.paper import comparison, published
from robint_tf.paper.beyond import answers, cells, questions, reference, tables
from robint_tf.paper.figures import plots, series
from robint_tf.paper.verdicts_interpretability import Points
from robint_tf.store import results

COMMITTED = Path(__file__).parents[1] / "figures"
QUICK = COMMITTED / "section_3_2_xent.json"
QUESTIONS = {(q.key, q.test): q for q in questions.all_questions()}


def grid(fractions=(0.25, 0.5, 0.75), n_seeds=2, eps=(0.0, 0.8, 1.6), seed=0):
    """A results file of cells drawn at random, with the keys that release 0.1.0 wrote."""
    rng = np.random.default_rng(seed)

    def cell():
        return rng.uniform(0.2, 0.6, (len(fractions), n_seeds)).tolist()

    networks = [
        {
            "name": f"l2 {e:g}" if e else "standard",
            "norm": "l2" if e else None,
            "eps": e,
            "seed": i,
            "accuracy": 0.7 - e / 10,
            "retrained": {a: {o: cell() for o in ("remove", "keep")} for a in ATTRIBUTIONS},
        }
        for i, e in enumerate(eps)
    ]
    return {
        "figure": "interpretability",
        "loss": "xent",
        "axis": "strength",
        "fractions": list(fractions),
        "n_seeds": n_seeds,
        "baseline": {o: cell() for o in ("remove", "keep")},
        "networks": networks,
    }


def test_both_halves_of_the_random_baseline_are_pooled_where_both_are_there():
    found = grid(fractions=(0.1, 0.5, 0.9))
    found["baseline"] = {"remove": [[0.5, 0.6], [0.4, 0.4], [0.3, 0.1]], "keep": [[0.4, 0.2], [0.6, 0.2], [0.7, 0.6]]}
    pooled = cells.baseline(found)
    np.testing.assert_allclose(pooled["remove"][0], [(0.5 + 0.6 + 0.7 + 0.6) / 4, 0.4, (0.3 + 0.1 + 0.4 + 0.2) / 4])
    np.testing.assert_allclose(pooled["keep"][0], pooled["remove"][0][::-1])
    assert pooled["remove"][1].tolist() == [4, 4, 4]
    found = grid(fractions=(0.1, 0.5))
    found["baseline"] = {"remove": [[0.5], [0.4]], "keep": [[0.2], [0.6]]}
    pooled = cells.baseline(found)
    np.testing.assert_allclose(pooled["remove"][0], [0.5, 0.5])  # only half is removed and kept
    assert pooled["keep"][1].tolist() == [1, 2]


def test_scores_are_against_the_pooled_baseline_and_add_up_to_diff_roar():
    found = grid()
    points = cells.points(found)
    assert set(points) == {("l2", t, a) for t in ("remove", "keep", "diff") for a in ATTRIBUTIONS}
    fractions, random = np.array(found["fractions"]), cells.baseline(found)
    for attribution in ATTRIBUTIONS:
        remove, keep, diff = (points["l2", t, attribution] for t in ("remove", "keep", "diff"))
        np.testing.assert_allclose(remove.score + keep.score, diff.score)
        for i, network in enumerate(found["networks"]):
            removed, kept = (np.array(network["retrained"][attribution][o]) for o in ("remove", "keep"))
            expected = scores.roar_score(fractions, removed.mean(axis=1), random["remove"][0])
            assert remove.score[i] == pytest.approx(expected)
            by_hand = [0.25 * np.sum(k - r[::-1]) for k, r in zip(kept.T, removed.T, strict=True)]  # 0 at both ends
            assert diff.score[i] == pytest.approx(np.mean(by_hand))
            assert diff.errors[i] == pytest.approx(abs(by_hand[0] - by_hand[1]) / 2)
            told = cells.diff_roar(found["fractions"], {"remove": removed, "keep": kept})
            assert (told["area"], told["standard_error"]) == pytest.approx((diff.score[i], diff.errors[i]))
            np.testing.assert_allclose(told["by_fraction"], kept.mean(axis=1) - removed.mean(axis=1)[::-1])


def test_the_papers_own_scores_keep_their_own_baseline():
    """What Figures 4 and 5 hold is not touched by pooling."""
    found = results.read(QUICK)
    ours = cells.points(found)["l2", "keep", "gradient"].score
    (papers,) = [s["y"] for s in found["panels"][1]["series"] if (s["norm"], s["attribution"]) == ("l2", "gradient")]
    own = scores.kar_score(
        np.array(found["fractions"]),
        np.array([n["retrained"]["gradient"]["keep"] for n in found["networks"] if n["norm"] in (None, "l2")])[..., 0],
        np.array(found["baseline"]["keep"])[:, 0],
    )
    np.testing.assert_allclose(papers, own)
    assert np.ptp(ours - papers) < 1e-12  # another baseline moves all networks alike
    assert abs(ours[0] - papers[0]) > 1e-3


def test_without_opposite_fractions_there_is_no_diff_roar():
    found = grid(fractions=(0.1, 0.5))
    assert not any(key[1] == "diff" for key in cells.points(found))
    assert cells.diff_roar((0.1, 0.5), {}) is None
    assert series.diff_roar_panel(found) is None
    assert plots.beside(found, "section_3_2_xent") == {}
    with pytest.raises(ValueError, match="1 - k for every k"):
        plots.plots_interpretability.diff_roar(found)


def test_the_authors_336_scores_rise_in_diff_roar_in_all_eight_series():
    n, rising, still = 0, [], []
    for loss, norm, attribution in itertools.product(LOSSES, NORMS, ATTRIBUTIONS):
        points = cells.authors_points(loss)
        n += sum(len(points[norm, test, attribution].score) for test in ("remove", "keep"))
        diff = points[norm, "diff", attribution]
        table = published.series(loss, norm)
        np.testing.assert_allclose(
            diff.score, np.add(table.scores["remove", attribution], table.scores["keep", attribution])
        )
        rising.append(stats.spearmanr(diff.eps, diff.score)[0])
        strong = questions.strong_slope(norm, points[norm, "remove", attribution]).estimate
        x = np.array(table.eps) / table.eps[-1]
        line = stats.linregress(x[10:], np.array(table.scores["remove", attribution])[10:])
        assert (strong.n, strong.value, strong.p) == (11, pytest.approx(line.slope), pytest.approx(line.pvalue))
        still.append(strong.value > 0 and strong.p < 0.02)
    assert n == 336
    assert min(rising) > 0.9
    assert sum(still) == 7


def asked(key, test, of=None):
    """Answers of the family: the authors' series, or `of` in place of all."""
    given = {loss: cells.authors_points(loss) for loss in LOSSES}
    if of is not None:
        given = {loss: dict.fromkeys(given[loss], of) for loss in LOSSES}
    return answers.family(QUESTIONS[key, test], given)


def test_a_family_is_corrected_by_holm_and_a_missing_series_counts():
    question = QUESTIONS["slope", "keep"]
    found = asked("slope", "keep")
    ps = [stats.linregress(p.eps, p.score).pvalue for p in (cells.authors_points(lo)[k] for lo, k in question.series())]
    assert [a["p"] for a in found] == pytest.approx(ps)
    assert [a["p_holm"] for a in found] == pytest.approx(inference.holm(ps))
    fewer = answers.family(question, {"xent": cells.authors_points("xent"), "cw": "run it"})
    assert [a["outcome"] for a in fewer[4:]] == ["not run"] * 4
    assert [a["text"] for a in fewer[4:]] == ["run it"] * 4
    assert [a["p_holm"] for a in fewer[:4]] == pytest.approx(inference.holm([*ps[:4], 1, 1, 1, 1])[:4])


def test_what_the_authors_scores_answer():
    def outcomes(key, test):
        return [a["outcome"] for a in asked(key, test)]

    assert outcomes("rank", "remove") == ["holds"] * 8
    assert outcomes("rank", "diff") == ["holds"] * 8
    # l2 G falls with either loss; l-inf G after CW is open, as its correlation with strength is
    series_of = [(loss, norm, a) for loss, (norm, _, a) in QUESTIONS["slope", "keep"].series()]
    kar = dict(zip(series_of, outcomes("slope", "keep"), strict=True))
    assert {key for key, outcome in kar.items() if outcome == "fails"} == {(loss, "l2", "gradient") for loss in LOSSES}
    assert {key for key, outcome in kar.items() if outcome == "inconclusive"} == {("cw", "linf", "gradient")}
    for test in ("remove", "keep"):
        assert outcomes("partial", test) == ["inconclusive"] * 8
    for test in cells.TESTS:
        for answer in asked("above_standard", test):
            assert answer["outcome"] == "inconclusive"
            assert answer["text"] == "needs 5 standard networks, there is 1"
            assert answer["value"] is None


def test_the_strength_of_a_slope_is_a_part_of_the_strongest_attack():
    p = Points(np.array([0.0, 0.8, 1.6]), np.full(3, 0.5), np.array([0.0, 0.3, 0.5]), None)
    assert questions.slope("l2", p).estimate.value == pytest.approx(0.5)
    with_linf = p._replace(eps=np.array([0.0, 0.02, 0.04]))
    assert questions.slope("linf", with_linf).estimate.value == pytest.approx(0.5)
    assert questions.strong_slope("l2", p).text == "2 networks are too few"


def replicated(gap, n=5, noise=0.01):
    rng = np.random.default_rng(0)
    eps = np.repeat([0.0, 0.4, 0.8, 1.2, 1.6], n)
    return Points(eps, 0.7 - eps / 10, np.where(eps > 0, gap, 0.0) + rng.normal(0, noise, len(eps)), None)


@pytest.mark.parametrize(("gap", "outcome"), [(0.1, "holds"), (-0.1, "fails"), (0.0, "inconclusive")])
def test_every_robust_network_against_five_standard_ones(gap, outcome):
    found = asked("above_standard", "remove", replicated(gap))
    assert {answer["outcome"] for answer in found} == {outcome}
    assert all(answer["interval"] is None for answer in found)  # one-sided


def test_one_eps_below_the_standard_networks_is_enough_for_a_no():
    p = replicated(0.1)
    score = np.where(p.eps == 0.8, p.score - 0.2, p.score)
    (answer, *_) = asked("above_standard", "remove", p._replace(score=score))
    assert answer["outcome"] == "fails"
    p_below = inference.below_standard(p.eps, score)
    least = stats.ttest_ind(score[p.eps == 0.8], score[p.eps == 0], alternative="less", equal_var=False).pvalue
    assert p_below == pytest.approx(4 * least)  # of four eps
    assert p_below < 1e-5
    assert inference.below_standard(p.eps, p.score) == 1.0
    assert inference.below_standard(p.eps[1:], p.score[1:]) is None


def test_the_tests_against_standard_networks_equal_scipys_for_one_eps():
    rng = np.random.default_rng(1)
    eps, score = np.repeat([0.0, 1.0], [6, 5]), rng.normal(size=11) * np.repeat([1, 3], [6, 5])
    for function, side in ((inference.below_standard, "less"), (inference.above_standard, "greater")):
        found = function(eps, score)
        expected = stats.ttest_ind(score[6:], score[:6], alternative=side, equal_var=False).pvalue
        assert getattr(found, "p", found) == pytest.approx(expected)


def test_an_eps_with_one_network_leaves_it_open():
    p = replicated(0.1)
    keep = (p.eps < 1.6) | (np.arange(len(p.eps)) == 20)
    fewer = Points(p.eps[keep], p.accuracy[keep], p.score[keep], None)
    (answer, *_) = asked("above_standard", "remove", fewer)
    assert (answer["outcome"], answer["p"]) == ("inconclusive", None)
    assert answer["text"] == "needs 5 networks of every eps, there is 1 of eps 1.6"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda q: f"{q.key} {q.test}")
def test_scores_that_are_all_alike_have_no_trend(question):
    eps = np.linspace(0, 1.6, 21)
    p = Points(eps, 0.7 - eps / 10 + np.random.default_rng(0).normal(0, 0.01, 21), np.full(21, 0.1), None)
    (answer, *_) = asked(question.key, question.test, p)
    assert answer["outcome"] == "inconclusive"
    if question.key != "above_standard":  # which has one standard network only
        assert answer["text"] == "its scores are all alike"
        assert answer["p"] is None


def test_networks_that_share_an_eps_count_one_by_one():
    p = replicated(0.01)
    found = questions.rank("l2", p).estimate
    assert found.interval == scores.bonett_wright_interval(stats.spearmanr(p.eps, p.score)[0], len(p.eps))


def test_at_fixed_strength_only_what_strength_leaves_counts():
    """Accuracy and score that both follow eps, and apart from that go opposite ways."""
    rng, eps = np.random.default_rng(2), np.linspace(0, 1.6, 21)
    common = rng.normal(0, 0.01, 21)
    tied = Points(eps, 0.7 - eps / 10 + common, 0.05 * eps - common, None)
    found = questions.partial("l2", tied)
    assert found.estimate.value < -0.99
    assert found.text.startswith(f"plain {stats.pearsonr(tied.accuracy, tied.score)[0]:.2f}, at fixed strength -1.00")
    assert asked("partial", "remove", tied)[0]["outcome"] == "holds"  # falls with accuracy
    free = tied._replace(score=0.05 * eps + rng.normal(0, 0.01, 21))
    assert asked("partial", "remove", free)[0]["outcome"] == "inconclusive"
    assert questions.partial("l2", Points(*(v[:6] for v in tied[:3]), None)).text.endswith("6 networks are too few")


def test_the_committed_cells_are_judged_without_training():
    found = comparison.compare(comparison.collect(COMMITTED), allow_mixed=True)
    beyond = {row["key"]: row for row in found["beyond"]["claims"]}
    assert len(beyond) == 9 * 8
    kar = beyond["beyond.slope.xent.linf.keep.gradient"]
    points = cells.points(results.read(QUICK))["linf", "keep", "gradient"]
    line = stats.linregress(points.eps / 0.04, points.score)
    half = line.stderr * stats.t.ppf(0.975, 4)
    assert kar["ours"]["value"] == pytest.approx(line.slope)
    assert kar["ours"]["interval"] == pytest.approx((line.slope - half, line.slope + half))
    assert kar["ours"]["verdict"] == "no at this scale"
    assert kar["authors"]["verdict"] == "yes"
    roar = beyond["beyond.rank.xent.l2.remove.gradient"]["ours"]
    every = [stats.spearmanr(range(6), order)[0] for order in itertools.permutations(range(6))]
    assert roar["p"] == pytest.approx(np.mean(np.abs(every) >= roar["value"] - 1e-9))  # exact, six networks
    missing = beyond["beyond.slope.cw.l2.keep.gradient"]
    assert (missing["ours"]["verdict"], missing["preset"]) == ("not run", None)
    assert sum(row["n"] for row in found["beyond"]["groups"]) == len(beyond)
    assert not any(row["key"].startswith("beyond") for row in found["claims"])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "figures").mkdir()
    shutil.copy(QUICK, tmp_path / "figures")
    return tmp_path / "figures"


def test_cells_of_another_form_answer_nothing_and_the_claims_stand(folder):
    content = results.read(QUICK)
    for damage in ("baseline", "networks"):
        broken = json.loads(json.dumps(content))
        if damage == "baseline":
            broken["baseline"]["keep"] = [0.4, 0.5]
        else:
            broken["networks"][3]["retrained"]["gradient"]["keep"][0] = [1.4]
        results.write(folder / QUICK.name, {k: v for k, v in broken.items() if k != "schema"})
        found = comparison.compare(comparison.collect(folder))
        ours = [row["ours"] for row in found["beyond"]["claims"] if row["key"].startswith("beyond.slope.xent")]
        assert {answer["verdict"] for answer in ours} == {"not run"}
        assert all("its cells cannot be read" in answer["text"] for answer in ours)
        by_key = {row["key"]: row["ours"]["verdict"] for row in found["claims"]}
        assert by_key["strength.xent.l2.remove.gradient"] == "agrees at this scale"
        assert found["left_out"] == {}


def test_the_report_shows_what_is_beyond_the_paper_apart(robint, folder):
    text = robint("report")
    assert re.search(r"beyond the paper, DiffROAR: does it rise .*\? 4 inconclusive, 4 not run", text)
    page, document = ((folder.parent / "report" / f"report.{kind}").read_text() for kind in ("html", "md"))
    claimed, beyond = unescape(page).split("<h2 id='beyond'>Beyond the paper</h2>")
    statement = "L2 XEnt G, DiffROAR: does it rise with attack strength?"
    assert statement not in claimed
    assert statement in beyond
    assert "Holm" in beyond
    alts = re.findall("<img alt='([^']*)'", beyond)
    assert len(alts) == 1 + 4  # ours, and the authors' by strength and by accuracy for both losses
    assert all("DiffROAR" in alt for alt in alts)
    assert statement in document.split("## Beyond the paper")[1]
    found = results.read(folder.parent / "report" / "report.json")
    assert {"claims", "groups"} <= set(found["beyond"])


def test_older_results_files_are_drawn_with_diff_roar(robint, folder):
    assert "diff_roar" not in results.read(QUICK)
    robint("redraw", "figures/section_3_2_xent.json", "--out", "again")
    names = {p.name for p in (folder.parent / "again").iterdir()}
    stems = ("section_3_2_xent", "section_3_2_diffroar_xent", "section_3_2_published_xent")
    assert names == {stem + suffix for stem in stems for suffix in (".png", ".pdf")}


def test_the_panel_of_diff_roar_has_the_papers_axis_and_the_authors_correlations():
    drawn = plots.plots_interpretability.diff_roar(results.read(QUICK))
    (axes,) = drawn.axes
    assert axes.get_xlim() == pytest.approx((-0.05, 1.05))
    assert "DiffROAR" in axes.get_title()
    theirs = [re.findall(r"\((-?\d\.\d+)\)", t.get_text()) for t in axes.get_legend().get_texts()]
    for (linear, _), entry in zip(theirs, series.diff_roar_panel(results.read(QUICK))["series"], strict=True):
        table = published.series("xent", entry["norm"])
        both = np.add(table.scores["remove", entry["attribution"]], table.scores["keep", entry["attribution"]])
        assert float(linear) == pytest.approx(stats.pearsonr(table.eps, both)[0], abs=5e-4)


def test_what_a_results_file_holds_of_diff_roar_is_what_its_cells_say(tmp_path):
    from test_interpretability import PAPER, as_the_authors

    found = grid_results.figure(PAPER, as_the_authors(), "xent", "strength")
    older = {k: v for k, v in found.items() if k not in ("diff_roar", "pooled_baseline")}
    assert series.diff_roar_panel(older) == found["diff_roar"]
    for entry in found["diff_roar"]["series"]:
        network = next(n for n in found["networks"] if n["norm"] == entry["norm"])
        assert entry["y"][1] == pytest.approx(network["diff_roar"][entry["attribution"]]["area"])
    assert found["pooled_baseline"]["remove"]["n"] == [6] * 5


def test_the_printed_tables_hold_diff_roar(capsys):
    from test_interpretability import PAPER, as_the_authors

    grid_results.print_table(grid_results.figure(PAPER, as_the_authors(), "xent", "strength"))
    part = capsys.readouterr().out.split("(DiffROAR): correlation with attack strength")[1]
    (row,) = [line.split() for line in part.splitlines() if line.startswith("L2 XEnt G ")]
    table = published.series("xent", "l2")
    both = np.add(table.scores["remove", "gradient"], table.scores["keep", "gradient"])
    assert row[3] == row[7] == f"{stats.pearsonr(table.eps, both)[0]:.3f}"
    study = SECTION_3_2["smoke"]
    made = {(a, o): np.array([[0.3], [0.5]]) for a in (*ATTRIBUTIONS, "random") for o in ("remove", "keep")}
    of = study.fractions, study.methods
    tests, diff_roar = grid_results.scores_of(*of, made, made), grid_results.diff_roar_of(*of, made)
    grid_results.print_retrainings(study.fractions, tests, diff_roar)
    part = capsys.readouterr().out.split("(DiffROAR)")[1]
    assert re.search(r"GX +-20\.00% +20\.00% +-?0\.0000", part)  # 0.3 - 0.5 and 0.5 - 0.3


def test_the_authors_code_at_our_scale():
    """Keep and retrain at 10%: the robust network's maps lie below the standard one's in the authors' pipeline, too."""
    run = reference.quick()
    standard, robust = run.networks
    assert (standard.eps, robust.norm, robust.eps) == (0.0, "linf", 0.04)
    assert standard.kept["gradient"][0] - robust.kept["gradient"][0] == pytest.approx(0.040)
    assert standard.kept["gradient_x_input"][0] - robust.kept["gradient_x_input"][0] == pytest.approx(0.028)
    text = tables.authors_quick(results.read(QUICK))
    (row,) = [line for line in text.splitlines() if line.startswith("| G | linf xent eps 0.04")]
    cell = next(n for n in results.read(QUICK)["networks"] if n["name"] == "linf xent eps 0.04")["retrained"]
    assert row.split(" | ")[4:6] == ["0.391", f"{cell['gradient']['keep'][0][0]:.3f}"]


def test_the_authors_code_by_epoch():
    run = reference.standard_training()
    assert len(run.all) == len(run.first_1000) == 20
    assert max(run.all) - min(run.all[10:]) == pytest.approx(0.025)
    card = {"clean_accuracy": {"value": 0.7301, "n": 10_000}}
    text = tables.authors_epochs(card, None)
    assert "| 20 | 0.723 | 0.739 |" in text
    assert "0.7301 (ours)" in text
    assert "Of the last 10 epochs of the authors' code, 6 are more accurate" in text


def test_tables_of_what_is_not_there_name_the_command(robint, folder, monkeypatch):
    monkeypatch.setattr(command, "pictures", lambda *args: ([], {}))
    (folder / QUICK.name).unlink()
    shutil.copy(COMMITTED / "section_2_2.json", folder)
    names = ("scores_xent", "authors_quick", "authors_epochs", "trends_xent", "partials_xent")
    marks = "".join(f"{command.BEGIN.format(n)}\n{command.END.format(n)}\n" for n in names)
    (folder.parent / "R.md").write_text(marks)
    robint("report", "--update", "R.md")
    text = (folder.parent / "R.md").read_text()
    assert "Not run: `robint section-3-2 --preset paper --losses xent`" in text
    assert "Not run: `robint section-3-2 --preset quick`" in text
    assert "Not run: `robint train --dataset cifar10`" in text
    assert "| L2 G | run `robint section-3-2 --preset paper --losses xent` | -0.005 (-0.008 to -0.001)" in text
