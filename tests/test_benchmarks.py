"""The benchmark suite's own arithmetic and tables; what it measures is no matter for tests."""

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """`benchmarks/suite.py`, with results and README of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("suite")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "SAMPLES", tmp_path / "samples.jsonl")
    monkeypatch.setattr(module, "HERE", tmp_path)
    (tmp_path / "README.md").write_text(f"before\n{module.BEGIN}\nold\n{module.END}\nafter\n")
    yield module
    for name in ("suite", "contenders", "problem"):
        sys.modules.pop(name, None)


def sample(suite, contender, process, seconds, **more):
    task = next(iter(suite.TASKS))
    return {"task": task, "contender": contender, "process": process, "cores": [0], "seconds": seconds, **more}


def test_every_contender_names_a_function(suite):
    for _, contenders in suite.TASKS.values():
        for where in contenders.values():
            module, function = where.split(":")
            tree = ast.parse((BENCHMARKS / "contenders" / f"{module}.py").read_text())
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, where


def test_ratios_are_of_medians_over_processes_of_medians_over_runs(suite):
    name, (job, _) = next(iter(suite.TASKS.items()))
    samples = [sample(suite, "robint_tf", i, [2.0, s, 2.0]) for i, s in enumerate((9.0, 2.0, 2.0))]
    samples += [sample(suite, "torchattacks 3.5.1", i, [4.0]) for i in range(3)]
    rows = suite.summary(samples, name, 1)
    assert rows["robint_tf"]["median"] == job.n_images / 2
    assert rows["torchattacks 3.5.1"]["ours_over_this"] == 2
    assert suite.summary(samples, name, 2) == {}


def test_tables_go_between_the_marks_and_a_failure_is_said(suite, tmp_path):
    samples = [sample(suite, "robint_tf", 0, [2.0]), sample(suite, "probe", 0, [], float32=100.0)]
    failed = sample(suite, "Foolbox 3.3.4 (TF)", 0, [])
    del failed["seconds"]
    suite.write_tables([*samples, {**failed, "error": "no such module"}])
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| robint_tf | 50.0 (50.0 to 50.0) | 1.00 | 213% |" in text  # 50 images/s of 2 * 40 * 53.16 MFLOP each
    assert "| Foolbox 3.3.4 (TF) | failed: no such module |" in text
    assert json.loads((tmp_path / "summary.json").read_text())["tasks"]


def test_a_torn_sample_is_skipped(suite, tmp_path, capsys):
    suite.append(sample(suite, "robint_tf", 0, [2.0]))
    with suite.SAMPLES.open("a") as file:
        file.write('{"task": "PG')
    suite.append(sample(suite, "robint_tf", 1, [2.0]))
    assert [s["process"] for s in suite.read()] == [0, 1]
    assert "torn" in capsys.readouterr().err


def test_the_committed_tables_are_those_of_the_committed_samples(monkeypatch, suite, tmp_path):
    committed = BENCHMARKS / "results"
    if not (committed / "samples.jsonl").exists():
        pytest.skip("no samples are committed yet")
    readme = (BENCHMARKS / "README.md").read_text()
    (tmp_path / "README.md").write_text(readme)
    for file in committed.glob("*.json*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    machine = json.loads((committed / "summary.json").read_text())["machine"]
    monkeypatch.setattr(suite, "_machine", lambda: machine)
    suite.write_tables(suite.read())
    assert (tmp_path / "README.md").read_text() == readme
