"""Several processes on the grid of sections 3.2 and 3.3: they divide the work, and none of it is done twice."""

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from robint_experiments.studies.grid import Grid
from robint_experiments.studies.presets import SECTION_3_2
from robint_tf.specs import AccuracySpec, RetrainSpec
from robint_tf.store import leases
from robint_tf.store.artifacts import Store, TakenError

STUDY = SECTION_3_2["smoke"]
SECONDS = 0.01


class Sketch(Grid):
    """A grid without data and networks: making an artifact takes a moment, and what it needs is made first."""

    def __init__(self, root):
        self.study, self.run, self.made = STUDY, SimpleNamespace(store=Store(root, waiting=self.waiting)), []
        self.waited = 0

    def waiting(self, who):
        self.waited += 1

    def _inputs(self, spec):
        return ()

    def make(self, spec):
        def build(checkpoint):
            needed = spec.classifier if isinstance(spec, AccuracySpec) else getattr(spec, "source", None)
            if needed is not None:
                self.make(needed)
            time.sleep(SECONDS)
            self.made.append(spec)
            return {"a": np.zeros(1)}, {}

        self.run.store.fetch(spec, build)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "POLL_SECONDS", 0.02)


def hold(grid, spec):
    """A lease of another machine."""
    folder = grid.run.store.folder(spec)
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.lease")
    path.write_text(json.dumps({"id": "theirs", "host": "node3", "pid": 4711, "machine": "another", "started": "1"}))
    return path


def test_two_processes_make_each_part_of_the_grid_once_and_both_work(tmp_path):
    grids = [Sketch(tmp_path), Sketch(tmp_path)]
    everything = grids[0].everything()
    threads = [threading.Thread(target=grid.complete, args=(everything,)) for grid in grids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = (grid.made for grid in grids)
    assert len(first) + len(second) == len(everything)
    assert set(first) | set(second) == set(everything)
    assert min(len(first), len(second)) > len(everything) / 4


def test_what_another_process_makes_is_left_to_it_with_all_that_needs_it_until_nothing_else_is_left(tmp_path):
    grid = Sketch(tmp_path)
    everything = grid.everything()
    network = STUDY.networks()[1].spec
    cell = STUDY.cells(None)[0]
    paths = [hold(grid, spec) for spec in (network, cell)]
    theirs = {a for a in everything if network in (a, getattr(a, "classifier", None), getattr(a, "source", None))}
    theirs.add(cell)
    thread = threading.Thread(target=grid.complete, args=(everything,))
    thread.start()
    deadline = time.monotonic() + 30
    while grid.waited == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert set(grid.made) == set(everything) - theirs
    for path in paths:
        path.unlink()
    thread.join()
    assert len(grid.made) == len(everything)
    assert set(grid.made) == set(everything)


def test_a_network_that_is_taken_at_this_moment_holds_nobody_up(tmp_path, monkeypatch):
    grid = Sketch(tmp_path)
    cell = next(a for a in grid.everything() if isinstance(a, RetrainSpec) and a.source is not None)
    path = hold(grid, cell.source)
    monkeypatch.setattr(Sketch, "_is_others", lambda self, spec: False)  # asked a moment before
    assert not grid._make_if_free(cell)
    assert [p.name for p in path.parent.parent.rglob("*.lease")] == [path.name]
    with grid.run.store.without_waiting(), pytest.raises(TakenError):
        grid.make(cell)
    path.unlink()
    assert grid._make_if_free(cell)


def test_an_artifact_that_cannot_be_kept_ends_the_work_all_the_same(tmp_path, monkeypatch):
    grid = Sketch(tmp_path)
    monkeypatch.setattr(Sketch, "has", lambda self, spec: False)
    grid.complete(grid.everything())
    assert len(grid.made) == len(grid.everything())
