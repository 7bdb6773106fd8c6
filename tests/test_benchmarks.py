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
    monkeypatch.setattr(module, "FRONT", tmp_path / "FRONT.md")
    (tmp_path / "FRONT.md").write_text("<!-- speed: a -->\n<!-- end of speed -->\n")
    (tmp_path / "README.md").write_text("before\n<!-- tables: a -->\nold\n<!-- end of tables -->\nafter\n")
    yield module
    for name in ("suite", "contenders", "document", "problem"):
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


def test_targets_are_judged(suite):
    assert [suite._judged(ratio, 1.0, 1.5) for ratio in (0.99, 1.0, 1.5)] == ["(0.99)", "1.00", "**1.50**"]
    rows = {"Keras fit": {"ours_over_this": 1.4}, suite.TESTED_AGAINST_ITSELF: {"ours_over_this": 0.5}}
    text = "\n".join(suite._targets({"a task, 1 thread": {"rows": rows}, "another": {"rows": {}}}))
    assert "| Keras fit | 1.3, 1.5 | 1.40 |" in text
    assert "| robint_tf, bfloat16 | 1.3, 2 | **2.00** |" in text
    assert "another" not in text
    assert "Foolbox" not in text


def test_another_answer_is_named(suite):
    same = {"loss": 2.0, "clean_loss": 0.5, "largest_perturbation": 1.0, "largest_pixel": 1.0}
    others = {"weaker": {"loss": 1.99}, "outside": {"largest_perturbation": 1.001}, "beyond": {"largest_pixel": 1.01}}
    assert "From a loss of 0.5000 all come to within 0.10%" in suite._agreement(
        {"robint_tf": same, "a": same | {"loss": 2.002}}, 1.0
    )
    for name, change in others.items():
        assert f"not the same answer: {name} (" in suite._agreement({"robint_tf": same, name: same | change}, 1.0)


def test_every_target_is_some_tasks_contender(suite):
    assert set(suite.TARGETS) <= {name for _, contenders in suite.TASKS.values() for name in contenders}


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
    front = (BENCHMARKS.parent / "docs" / "performance.md").read_text()
    (tmp_path / "FRONT.md").write_text(front)
    suite.write_tables(suite.read())
    assert (tmp_path / "README.md").read_text() == readme
    assert (tmp_path / "FRONT.md").read_text() == front


def test_the_cells_whose_start_is_timed_can_be_made(suite):
    startup = importlib.import_module("startup")
    assert len(startup.cells(n_train=20)) == 3
    sys.modules.pop("startup")
