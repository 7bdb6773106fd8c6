"""Numbers do not move unless `specs.MATHEMATICS` does: a store would mix them in silence."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import mathematics  # noqa: E402


def test_small_runs_compute_what_is_on_file():
    """In a process of its own: settings of this one, and what ran in it before, must not matter."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "mathematics.py")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def found():
    return {"run": {"a": np.linspace(0, 1, 50, dtype=np.float32)}}


def filed(found, **changes):
    return {
        "mathematics": mathematics.MATHEMATICS,
        "digests": {mathematics.machine(): {name: mathematics.digest(arrays) for name, arrays in found.items()}},
        "summaries": {name: mathematics.summary(arrays) for name, arrays in found.items()},
    } | changes


def test_a_number_that_moved_is_found(found):
    moved = {"run": {"a": found["run"]["a"] * np.float32(1.01)}}
    last_bit = {"run": {"a": np.nextafter(found["run"]["a"], np.float32(2))}}
    elsewhere = {"digests": {"another kind of machine": {"run": "0"}}}
    assert mathematics.problems(found, filed(found)) == []
    assert mathematics.problems(found, filed(found, **elsewhere)) == []
    assert mathematics.problems(last_bit, filed(found, **elsewhere)) == []
    assert len(mathematics.problems(last_bit, filed(found))) == 1
    assert len(mathematics.problems(moved, filed(found, **elsewhere))) == 1


def test_a_version_without_numbers_on_file_is_found(found):
    (message,) = mathematics.problems(found, filed(found, mathematics=mathematics.MATHEMATICS - 1))
    assert "write it anew" in message


def test_every_kind_of_recipe_is_on_file():
    names = json.loads((ROOT / "tests" / "golden" / "mathematics.json").read_text())["summaries"]
    for kind in ("classifier", "attack", "distances", "occluded images"):
        assert any(name.startswith(kind) for name in names)
