"""Records of results files, and runs side by side."""

import csv
import math

import numpy as np
import pytest

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
    record = found["accuracies / gradient / remove / 1"]
    assert record.value == pytest.approx(table[1].mean())
    half = 1.959964 * table[1].std(ddof=1) / math.sqrt(3)
    assert (record.high - record.value, record.value - record.low) == pytest.approx((half, half))
    (summary,) = records({"tilt": results.summary([1.0, 2.0, 3.0])})
    assert (summary.value, summary.quantity) == (2.0, "tilt")
    assert summary.high == pytest.approx(2 + 1.959964 / math.sqrt(3))
    (single,) = records({"tilt": results.summary([1.0])})
    assert single.low is None
    series = {"y": [0.1, 0.2], "standard_errors": [0.01, None], "score": 0.3, "standard_error": 0.1}
    y, bare, score = records(series)
    assert (y.low, bare.low) == (pytest.approx(0.1 - 0.01959964), None)
    assert score.high == pytest.approx(0.3 + 0.1959964)


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
    assert "* accuracies / gradient / remove / 0" in apart
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert {row["differs"] for row in rows if row["quantity"].startswith("accuracies")} == {"1"}
    assert {row["differs"] for row in rows if row["quantity"].startswith("random")} == {"0"}
    assert len(rows) % 3 == 0
    assert "n_train: 10, 10" in robint("compare", *paths[:2], "--all")


def test_load_gives_rows(tmp_path):
    path = tmp_path / "a.json"
    results.write(path, evaluation(0.9, 0.85, 0.95))
    first, *_ = results.load(path)
    assert first._fields == ("quantity", "value", "low", "high")


def test_wrong_input_is_one_line(robint, tmp_path):
    path = retrained(0.0).save(tmp_path / "a.json")
    results.write(tmp_path / "b.json", {"figure": None, "other": 1})
    assert "two or more" in robint("compare", path, code=2)
    assert "share no numbers" in robint("compare", path, tmp_path / "b.json", code=2)
    assert "cannot be read" in robint("compare", path, tmp_path / "none.json", code=2)
