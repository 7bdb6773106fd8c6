"""Processes that share a store: each artifact is made once, and what a dead one held is taken over."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest

from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import ClassifierSpec, Training
from robint_tf.store import folders, leases
from robint_tf.store.artifacts import Store, TakenError
from robint_tf.store.leases import Lease

SPEC = ClassifierSpec(dataset="toy", training=Training(epochs=1))

WORKER = """
import sys, time
import numpy as np
from robint_tf.store.artifacts import Store, TakenError
from robint_tf.specs import ClassifierSpec, Training

root, seconds, n = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
store = Store(root, waiting=lambda who: print("waiting for", who, flush=True))

def build(checkpoint):
    print("began", flush=True)
    time.sleep(seconds)
    with open(f"{root}.log", "a") as log:
        log.write(f"{spec.training.epochs}\\n")
    return {"a": np.array(spec.training.epochs)}, {}

for epochs in range(n):
    spec = ClassifierSpec(dataset="toy", training=Training(epochs=epochs))
    assert int(store.fetch(spec, build)["a"]) == epochs
"""


def worker(store, seconds, n=1):
    """A process that fetches n artifacts, each of which takes some seconds to make."""
    command = [sys.executable, "-c", WORKER, str(store.root), str(seconds), str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def path(store):
    """The lease of SPEC."""
    folder = store.folder(SPEC)
    folder.parent.mkdir(parents=True)
    return folder.with_name(f"{folder.name}.lease")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "POLL_SECONDS", 0.02)


def build(checkpoint=None, value=1.0):
    return {"a": np.full(3, value)}, {}


def pretend(path, **changes):
    """A lease of another process: on another machine, unless told otherwise."""
    about = {"id": "theirs", "host": "node3", "pid": 4711, "machine": "another", "started": "1"}
    path.write_text(json.dumps({**about, **changes}))


def test_processes_on_one_store_make_each_artifact_once(store):
    workers = [worker(store, 0.1, 8) for _ in range(3)]
    outputs = [process.communicate(timeout=120) for process in workers]
    assert [process.returncode for process in workers] == [0, 0, 0], outputs
    made = Counter((store.root.parent / "store.log").read_text().split())
    assert made == {str(epochs): 1 for epochs in range(8)}
    assert any("waiting for process" in text for text, _ in outputs)
    assert all(p.is_dir() and "." not in p.name for p in (store.root / "ClassifierSpec").iterdir())


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_process_is_taken_over_from_at_once(store, reaped):
    """Also while it is a zombie, as in a container whose first process waits for nobody."""
    process = worker(store, 1000)
    assert process.stdout.readline() == "began\n"
    spec = ClassifierSpec(dataset="toy", training=Training(epochs=0))
    assert store.is_being_made(spec)
    process.kill()
    if reaped:
        process.wait()
    began = time.monotonic()
    assert Store(store.root, waiting=lambda who: None).fetch(spec, build)["a"].tolist() == [1, 1, 1]
    assert time.monotonic() - began < 5
    assert not store.is_being_made(spec)
    process.communicate()


def test_a_lease_of_another_machine_lapses_when_nobody_touches_it_whatever_its_clock_says(store, path, monkeypatch):
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 0.5)
    for clock in (0, 2**32):
        pretend(path)
        os.utime(path, (clock, clock))
        began = time.monotonic()
        with Lease(path):
            assert 0.4 < time.monotonic() - began < 5
        assert not path.exists()


def test_a_lease_that_is_touched_is_waited_for(store, path, monkeypatch):
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 0.4)
    pretend(path)

    def other_machine():
        for i in range(10):
            time.sleep(0.1)
            os.utime(path, (i, i))
        folders.write_folder(store.folder(SPEC), *build(value=2.0))
        path.unlink()

    told = []
    store = Store(store.root, waiting=told.append)
    thread = threading.Thread(target=other_machine)
    thread.start()
    assert store.is_being_made(SPEC)
    assert store.fetch(SPEC, lambda _: pytest.fail("made twice"))["a"].tolist() == [2, 2, 2]
    thread.join()
    assert told == ["process 4711 on node3"]


def test_waiting_is_said_where_nobody_listens(store, path, monkeypatch):
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 0.1)
    pretend(path)
    with pytest.warns(UserWarning, match="process 4711 on node3 makes an artifact that is needed here"):
        store.fetch(SPEC, build)


@pytest.mark.skipif(not leases._machine(), reason="no table of processes")
def test_a_process_that_has_anothers_number_is_not_taken_for_it(path):
    pretend(path, machine=leases._machine(), pid=os.getpid(), started="1")
    assert leases.holder(path) is None
    pretend(path, machine=leases._machine(), pid=os.getpid(), started=leases._started(os.getpid()))
    assert leases.holder(path).pid == os.getpid()


@pytest.mark.parametrize("content", ["", '{"id": ', "[]", '{"id": "x", "more": 1}'])
def test_a_lease_that_was_cut_off_lapses_too(store, path, content, monkeypatch):
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 0.2)
    path.write_text(content)
    assert store.is_being_made(SPEC)
    with pytest.warns(UserWarning, match="another process makes"):
        assert store.fetch(SPEC, build)["a"].tolist() == [1, 1, 1]
    assert not path.exists()


def test_a_lease_that_was_taken_meanwhile_is_put_back(path):
    pretend(path, id="alive")
    Lease(path)._evict(leases.Holder("dead"))
    assert leases.holder(path).id == "alive"
    assert os.listdir(path.parent) == [path.name]
    Lease(path)._evict(leases.Holder("alive"))
    assert not os.listdir(path.parent)


def test_a_holder_touches_its_lease_and_makes_it_again_if_it_vanishes(path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.05)
    with Lease(path):
        os.utime(path, (0, 0))
        wait_until(lambda: path.stat().st_mtime > 0)
        path.unlink()
        wait_until(path.exists)
        assert leases.holder(path).pid == os.getpid()
    time.sleep(0.2)
    assert not path.exists()


def test_a_holder_that_was_thought_dead_leaves_the_lease_to_its_successor(path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.05)
    with Lease(path):
        pretend(path)
        os.utime(path, (0, 0))
        time.sleep(0.2)
        assert path.stat().st_mtime == 0
    assert leases.holder(path).id == "theirs"


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM), KeyboardInterrupt(), RuntimeError()])
def test_an_interruption_gives_the_lease_back(store, path, error):
    def stop(checkpoint):
        assert path.exists()
        raise error

    with pytest.raises(type(error)):
        store.fetch(SPEC, stop)
    assert not path.exists()


def test_an_interruption_while_waiting_leaves_the_lease_to_its_holder(store, path):
    pretend(path)

    def stop(who):
        raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        Store(store.root, waiting=stop).fetch(SPEC, build)
    assert leases.holder(path).id == "theirs"


def test_whoever_does_not_wait_is_told_and_holds_nothing(store, path):
    pretend(path)

    def outer(checkpoint):
        return store.fetch(SPEC, build), {}

    other = ClassifierSpec(dataset="toy", training=Training(epochs=2))
    with store.without_waiting():
        for spec, make in ((SPEC, build), (other, outer)):
            with pytest.raises(TakenError, match="process 4711 on node3 makes"):
                store.fetch(spec, make)
    assert os.listdir(path.parent) == [path.name]
    path.unlink()
    assert store.fetch(other, outer)["a"].tolist() == [1, 1, 1]


def test_threads_of_one_process_make_an_artifact_once(store):
    calls = []

    def slow(checkpoint):
        calls.append(1)
        time.sleep(0.3)
        return build()

    quiet = Store(store.root, waiting=lambda who: None)
    threads = [threading.Thread(target=quiet.fetch, args=(SPEC, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_an_artifact_is_made_within_another(store):
    def outer(checkpoint):
        other = ClassifierSpec(dataset="toy", training=Training(epochs=2))
        return {"a": 2 * store.fetch(other, build)["a"]}, {}

    assert store.fetch(SPEC, outer)["a"].tolist() == [2, 2, 2]


def test_a_damaged_artifact_that_another_process_sees_to_is_left_to_it(store, path):
    store.fetch(SPEC, build)
    (store.folder(SPEC) / "arrays.npz").write_bytes(b"damaged")
    pretend(path)
    assert store.load(SPEC) is None
    assert store.folder(SPEC).exists()
    path.unlink()
    with pytest.warns(UserWarning, match="moved to"):
        assert store.load(SPEC) is None
    assert not store.folder(SPEC).exists()


def test_what_a_process_left_that_was_killed_after_publishing_is_removed_but_not_under_one_at_work(store, path):
    store.fetch(SPEC, build)
    store.checkpoint(SPEC).save(1, {"a": np.zeros(1)})
    pretend(path)
    store.fetch(SPEC, build)
    assert len(os.listdir(path.parent)) == 3
    pretend(path, machine=leases._machine() or "another", host=socket.gethostname())
    store.fetch(SPEC, build)
    assert os.listdir(path.parent) == [store.folder(SPEC).name] or not leases._machine()


def test_a_full_disk_is_said_before_the_work(store, monkeypatch):
    def full(path, mode="r", **options):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(leases, "open", full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: .*ClassifierSpec must take .* free some space"):
        store.fetch(SPEC, lambda _: pytest.fail("worked in vain"))
    with contextlib.suppress(FileNotFoundError):
        assert not os.listdir(store.folder(SPEC).parent)
