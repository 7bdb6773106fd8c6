"""Records of results files, and runs side by side."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from robint_tf.store import results
from robint_tf.store.records import Record, differ, records
from robint_tf.study.retraining import Retrained


def evaluation(accuracy, low, high):
    attacked = {"attack": {"norm": "l2", "eps": 0.4}, "accuracy": 0.5, "n": 100, "interval_95": [0.4, 0.6]}
    clean = {"attack": None, "accuracy": accuracy, "n": 100, "interval_95": [low, high]}
    return {"figure": None, "provenance": {"versions": {"threads": 3}}, "evaluations": [clean, attacked]}


def retrained(offset, seeds=3):
    rng = np.random.default_rng(0)
    table = 0.5 + 0.01 * rng.standard_normal((2, seeds))
    return Retrained(
        fractions=(0.1, 0.5),
        accuracies={"gradient": {"remove": table + offset}},
        random={"remove": table},
        accuracy=0.9,
        n_train=10,
        n_test=10,
    )


def test_records_have_the_intervals_of_the_file():
    found = {r.quantity: r for r in records(evaluation(0.9, 0.85, 0.95))}
    assert found["evaluations / clean / accuracy"] == Record("evaluations / clean / accuracy", 0.9, 0.85, 0.95)
    assert found["evaluations / l2 0.4 / accuracy"].value == 0.5
    assert found["evaluations / clean / n"].low is None
    assert not any("provenance" in name for name in found)


def test_repetitions_are_a_mean_and_its_interval():
    table = retrained(0.0).random["remove"]
    found = {r.quantity: r for r in records(retrained(0.0).content())}
    record = found["accuracies / gradient / remove / 0.5"]
    assert record.value == pytest.approx(table[1].mean())
    half = 4.302653 * table[1].std(ddof=1) / math.sqrt(3)  # Student's t, 2 degrees of freedom
    assert (record.high - record.value, record.value - record.low) == pytest.approx((half, half))
    (summary,) = records({"tilt": results.summary([1.0, 2.0, 3.0])})
    assert (summary.value, summary.quantity) == (2.0, "tilt")
    assert summary.high == pytest.approx(2 + 4.302653 / math.sqrt(3))
    (single,) = records({"tilt": results.summary([1.0])})
    assert single.low is None
    series = {"y": [0.1, 0.2], "standard_errors": [0.01, None], "score": 0.3, "standard_error": 0.1}
    y, bare, score, _ = records({**series, "n_seeds": 3})
    assert (y.low, bare.low) == (pytest.approx(0.1 - 0.04302653), None)
    assert (score.high, score.n) == (pytest.approx(0.3 + 0.4302653), 3)
    assert all(record.low is None for record in records(series))  # of how many, the file does not say


def test_every_number_of_a_list_has_a_name_of_its_own():
    def row(value, **names):
        return {**names, "moran": value}

    networks, maps = ("Standard", "l2 1"), ("gradient", "edges")
    controls = [row(0.1, network=n, norm="l2", attribution=a) for n in networks for a in maps]
    found = [r.quantity for r in records({"controls": controls, "a": controls[:1], "b": [controls[0]] * 2})]
    assert found == [
        "controls / Standard gradient l2 / moran",
        "controls / Standard edges l2 / moran",
        "controls / l2 1 gradient l2 / moran",
        "controls / l2 1 edges l2 / moran",
        "a / Standard / moran",
        "b / Standard gradient l2 (0) / moran",
        "b / Standard gradient l2 (1) / moran",
    ]


def test_a_table_with_holes_is_left_out():
    assert records({"found": {"dtype": "float64", "shape": [1, 2], "values": [1.0, None]}}) == []


@pytest.mark.parametrize("n", [2, 3, 5])
def test_intervals_over_few_seeds_cover_and_equal_runs_seldom_differ(n):
    rng, covered, apart = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        one, other = (records({"tilt": results.summary(rng.normal(7, 1, n).tolist())})[0] for _ in range(2))
        covered += one.low <= 7 <= one.high
        apart += differ(one, other)
    assert 0.93 <= covered / 1000 <= 0.97
    assert apart / 1000 <= 0.065


def test_a_difference_of_means_is_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 4), rng.normal(0, 3, 6)
    (one,) = records({"tilt": results.summary(a.tolist())})
    gap = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    half = (gap.high - gap.low) / 2
    for beyond in (0.999, 1.001):
        shifted = (b - b.mean() + a.mean() + beyond * half).tolist()
        (moved,) = records({"tilt": results.summary(shifted)})
        assert differ(one, moved) is (beyond > 1)


def test_only_the_same_fractions_are_compared():
    """10% was compared with 50%, and the cell at 50% that both files hold was not recognised."""
    one = retrained(0.0)
    other = replace(
        one,
        fractions=(0.5, 0.9),
        accuracies={"gradient": {"remove": one.accuracies["gradient"]["remove"][::-1]}},
        random={"remove": one.random["remove"][::-1]},
    )
    found = [{r.quantity: r for r in records(outcome.content())} for outcome in (one, other)]
    cells = [name for name in found[0] if name in found[1] and found[0][name].low is not None]
    assert cells == ["accuracies / gradient / remove / 0.5", "random / remove / 0.5"]
    assert all(found[0][name] == found[1][name] for name in cells)


def grid(fractions, eps, n_seeds=2):
    """A results file of section 3.2, as far as its numbers go."""
    rng = np.random.default_rng(0)
    cells = rng.random((len(fractions), n_seeds)).tolist()
    networks = [{"name": "standard", "norm": None}, *({"name": f"l2 eps {e}", "norm": "l2"} for e in eps)]
    values = list(range(1 + len(eps)))
    return {
        "fractions": list(fractions),
        "n_seeds": n_seeds,
        "baseline": {"remove": cells},
        "networks": [
            {**n, "retrained": {"gradient": {"remove": cells}}, "diff_roar": {"by_fraction": [0.1] * len(fractions)}}
            for n in [*networks, {"name": "linf eps 1", "norm": "linf"}]
        ],
        "panels": [
            {"title": "ROAR", "series": [{"name": "G", "norm": "l2", "x": [0, *eps], "y": values}]},
            {"title": "KAR", "series": [{"name": "G", "norm": "l2", "x": [0, *eps], "y": values}]},
        ],
    }


def test_the_points_of_a_series_are_called_by_their_networks():
    one, other = ({r.quantity for r in records(grid((0.1, 0.5), eps))} for eps in ((0.2, 0.4), (0.4, 0.8)))
    shared = {name for name in one & other if name.startswith("panels over 0.1, 0.5 / ROAR")}
    assert shared == {
        f"panels over 0.1, 0.5 / ROAR / series / G / {a} / {n}" for a in "xy" for n in ("standard", "l2 eps 0.4")
    }
    authors = {"panels": grid((0.5,), (0.2,))["panels"]}
    names = [record.quantity for record in records(authors)]
    assert names[:2] == ["panels / ROAR / series / G / x / 0", "panels / ROAR / series / G / x / 0.2"]


def test_scores_over_other_fractions_are_other_numbers():
    one, other = ({r.quantity: r for r in records(grid(f, (0.2,)))} for f in ((0.1, 0.5), (0.5, 0.9)))
    shared = set(one) & set(other)
    assert {name for name in shared if "over" in name} == set()
    assert {name for name in shared if name.startswith("baseline")} == {"baseline / remove / 0.5"}
    cell = one["networks / l2 eps 0.2 / retrained / gradient / remove / 0.5"]
    assert (cell.n, cell.low is not None) == (2, True)
    assert "networks / l2 eps 0.2 / diff_roar over 0.1, 0.5 / by_fraction / 0.1" in one
    assert "n_seeds" in shared


def test_areas_of_road_have_their_intervals():
    content = {"fractions": [0.1, 0.5], "areas": {"gradient": [0.2, 0.1, 0.3], "edges": [0.1, None, None]}}
    first, second = records(content)
    assert first == Record("areas over 0.1, 0.5 / gradient", 0.2, 0.1, 0.3)
    assert second.low is None


def test_what_is_beyond_the_spread():
    near, far = Record("a", 1.0, 0.9, 1.2), Record("a", 1.2, 1.0, 1.3)
    assert differ(near, far) is False  # the ends that face each other reach 0.2 each, together 0.28
    assert differ(near, Record("a", 1.3, 1.1, 1.35)) is True
    assert differ(near, Record("a", 0.8, 0.7, 1.0)) is False
    assert differ(near, Record("a", 9.0)) is None


def test_runs_side_by_side(robint, tmp_path):
    paths = []
    for i, offset in enumerate((0.0, 0.001, -0.2)):
        paths.append(retrained(offset).save(tmp_path / f"{i}.json"))
    alike = robint("compare", *paths[:2])
    assert "0 differ" in alike
    apart = robint("compare", *paths, "--csv", tmp_path / "all.csv")
    assert "2 differ" in apart
    assert "* accuracies / gradient / remove / 0.1" in apart
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert {row["differs"] for row in rows if row["quantity"].startswith("accuracies")} == {"1"}
    assert {row["differs"] for row in rows if row["quantity"].startswith("random")} == {"0"}
    assert len(rows) % 3 == 0
    assert "n_train: 10, 10" in robint("compare", *paths[:2], "--all")


def test_load_gives_rows(tmp_path):
    path = tmp_path / "a.json"
    results.write(path, evaluation(0.9, 0.85, 0.95))
    first, *_ = results.load(path)
    assert first._fields == ("quantity", "value", "low", "high", "n")


def test_wrong_input_is_one_line(robint, tmp_path):
    path = retrained(0.0).save(tmp_path / "a.json")
    results.write(tmp_path / "b.json", {"figure": None, "other": 1})
    assert "two or more" in robint("compare", path, code=2)
    assert "share no numbers" in robint("compare", path, tmp_path / "b.json", code=2)
    assert "cannot be read" in robint("compare", path, tmp_path / "none.json", code=2)
