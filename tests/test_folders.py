"""Files and folders published whole: permissions, flushing, errors that are none of the content's, leftovers, links."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robint_tf.specs import ClassifierSpec, Training
from robint_tf.store import artifacts, folders
from robint_tf.store.artifacts import Store
from robint_tf.store.checkpoints import Checkpoint

SPEC = ClassifierSpec(dataset="toy", training=Training(epochs=1))


def build(checkpoint=None, value=1.0):
    return {"w0": np.full(3, value)}, {}


@pytest.fixture
def store(tmp_path):
    """A store with one finished artifact."""
    found = Store(tmp_path / "store")
    found.fetch(SPEC, build)
    return found


@pytest.fixture
def failing(monkeypatch):
    """Have the next files that are opened for reading raise errors, one each."""
    monkeypatch.setattr(folders, "RETRY_SECONDS", (0, 0, 0))

    def fail(*errors):
        left = list(errors)

        def opened(path, mode="r", **options):
            if "r" in mode and left:
                raise left.pop(0)
            return open(path, mode, **options)

        monkeypatch.setattr(folders, "open", opened, raising=False)

    return fail


def error(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_permissions_are_those_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        store = Store(tmp_path / "store")
        store.fetch(SPEC, lambda checkpoint: (checkpoint.save(1, {"a": np.zeros(1)}), build())[1])
        with folders.atomic_path(tmp_path / "file") as scratch:
            scratch.touch()
    finally:
        os.umask(before)
    folder = store.folder(SPEC)
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (folder.parent, folder, *folder.iterdir(), tmp_path / "file")}
    assert modes == {p: (0o777 if p.is_dir() else 0o666) & ~umask for p in modes}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("times", [1, 3])
def test_an_error_that_passes_costs_nothing(store, failing, number, times):
    failing(*times * [error(number)])
    assert store.load(SPEC)["w0"].tolist() == [1, 1, 1]
    assert store.fetch(SPEC, lambda _: pytest.fail("made again"))["w0"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (4 * [error(errno.EIO)], "Input/output error: .* could not be read in 4 tries. It is left as it is; repeat"),
        (4 * [error(errno.ESTALE)], "Stale file handle: .* could not be read"),
        ([error(errno.EMFILE)], "Too many open files"),
        ([error(errno.ENOMEM)], "Cannot allocate memory"),
        ([MemoryError("no memory")], "no memory"),
        (
            [PermissionError(errno.EACCES, "Permission denied")],
            r"belongs to \S+\. Nothing was changed; .* chmod -R a\+rX",
        ),
    ],
    ids=["EIO", "ESTALE", "EMFILE", "ENOMEM", "MemoryError", "EACCES"],
)
@pytest.mark.parametrize("use", ["load", "fetch"])
def test_what_cannot_be_read_for_another_reason_is_not_taken_for_damaged(store, failing, fault, message, use):
    failing(*fault)
    with pytest.raises(type(fault[0]), match=message) as caught:
        store.load(SPEC) if use == "load" else store.fetch(SPEC, lambda _: pytest.fail("made again"))
    assert "\n" not in str(caught.value)
    failing()
    assert [p.name for p in store.folder(SPEC).parent.iterdir()] == [store.folder(SPEC).name]
    assert store.load(SPEC)["w0"].tolist() == [1, 1, 1]


READ_BY_ANOTHER = """
import os, sys
from robint_tf.store.artifacts import Store
from robint_tf.specs import ClassifierSpec, Training
store = Store(sys.argv[1])
os.setuid(65534)
spec = ClassifierSpec(dataset="toy", training=Training(epochs=1))
for use in (store.load, store.has, lambda s: store.fetch(s, print)):
    try:
        use(spec)
    except PermissionError as error:
        print(error)
other = ClassifierSpec(dataset="toy", training=Training(epochs=2))
try:
    store.fetch(other, lambda checkpoint: print("worked in vain"))
except PermissionError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_another_users_work_that_cannot_be_read_is_left_alone(tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:  # pytest's own folders, which are one more where it runs in several processes
        if parent.name.startswith(("pytest-", "popen-")):
            os.chmod(parent, 0o755)
    store = Store(tmp_path / "store")
    store.fetch(SPEC, build)
    store.folder(SPEC).chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_ANOTHER, store.root], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done
    assert all("cannot be read by this user" in line and "belongs to root" in line for line in lines[:3])
    assert "cannot be written by this user: it belongs to root" in lines[3]
    assert [p.name for p in store.folder(SPEC).parent.iterdir()] == [store.folder(SPEC).name]


def test_folders_are_flushed_after_what_is_in_them(tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.rename

    def named(descriptor):
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", named)
    monkeypatch.setattr(os, "rename", lambda a, b: (rename(a, b), done.append(f"rename to {b.name}")))
    monkeypatch.setattr(os, "replace", lambda a, b: (rename(a, b), done.append(f"replace {b.name}")))
    folder = tmp_path / "kind" / "key"
    folders.write_folder(folder, {"a": np.zeros(1)}, {})
    made, arrays, manifest, scratch, renamed, published = done
    assert (made, renamed, published) == (tmp_path, "rename to key", folder.parent)
    assert (arrays.name, manifest.name) == ("arrays.npz", "manifest.json")
    assert scratch == arrays.parent
    done.clear()
    with folders.atomic_path(tmp_path / "file") as path:
        path.touch()
    assert done[1:] == ["replace file", tmp_path]


def test_a_file_system_that_cannot_flush_folders_is_used_all_the_same(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    assert folders.write_folder(tmp_path / "key", {"a": np.zeros(1)}, {})


def age(path, seconds=2 * folders.ABANDONED_SECONDS):
    past = path.stat().st_mtime - seconds
    os.utime(path, (past, past))


def test_what_killed_processes_left_of_any_artifact_of_the_kind_is_swept_once_it_is_old(store):
    kind = store.folder(SPEC).parent
    old, young, link, users = (kind / f"{name}.part-12345678" for name in ("old", "young", "link", "user's"))
    for scratch in (old, young):
        scratch.mkdir()
        (scratch / "arrays.npz").write_bytes(b"half")
    users = users.with_name("my.part-of-it")
    users.write_text("kept")
    target = kind.parent / "elsewhere"
    target.mkdir()
    (target / "precious").write_text("kept")
    link.symlink_to(target)
    for path in (old, users):
        age(path)
    os.utime(link, (0, 0), follow_symlinks=False)
    store.fetch(ClassifierSpec(dataset="toy", training=Training(epochs=2)), build)
    assert not old.exists()
    assert not link.is_symlink()
    assert young.exists()
    assert users.exists()
    assert (target / "precious").exists()


def test_leases_of_the_dead_that_were_taken_away_and_not_removed_are_swept_once_they_are_old(store):
    kind = store.folder(SPEC).parent
    old, young, kept, users = (kind / f"key.lease-{name}" for name in ("0000000a", "0000000b", "0000000c", "mine"))
    for path in (old, young, users):
        path.write_text("{}")
    kept.mkdir()  # lay where a lease belongs, see `leases.Lease`
    (kept / "precious").write_text("kept")
    for path in (old, kept, users):
        age(path)
    store.fetch(ClassifierSpec(dataset="toy", training=Training(epochs=2)), build)
    assert not old.exists()
    assert young.exists()
    assert users.exists()
    assert (kept / "precious").exists()


def test_files_that_were_never_finished_are_swept_by_the_next_that_is(tmp_path):
    old, young, others = (
        tmp_path / name for name in (".a.part-0000aaaa.json", ".a.part-0000bbbb.json", "b.a.part-1.json")
    )
    for path in (old, young, others):
        path.touch()
    for path in (old, others):
        age(path)
    with folders.atomic_path(tmp_path / "a.json") as scratch:
        scratch.touch()
    assert {p.name for p in tmp_path.iterdir()} == {young.name, others.name, "a.json"}


def test_the_states_of_a_published_artifact_are_swept(store):
    checkpoint = store.checkpoint(SPEC)
    checkpoint.save(1, {"a": np.zeros(1)})  # its process was killed before it could remove it
    store.fetch(SPEC, lambda _: pytest.fail("made again"))
    assert [p.name for p in store.folder(SPEC).parent.iterdir()] == [store.folder(SPEC).name]


def test_a_link_to_an_artifact_is_followed(store, tmp_path):
    elsewhere = tmp_path / "large disk"
    os.rename(store.folder(SPEC), elsewhere)
    store.folder(SPEC).symlink_to(elsewhere)
    assert store.fetch(SPEC, lambda _: pytest.fail("made again"))["w0"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", ["nowhere", "to something else", "in a circle", "a file"])
def test_a_link_or_file_in_place_of_an_artifact_is_moved_aside_and_what_it_leads_to_left_alone(tmp_path, kind):
    store, target = Store(tmp_path / "store"), tmp_path / "precious"
    folder = store.folder(SPEC)
    folder.parent.mkdir(parents=True)
    target.mkdir()
    (target / "file").write_text("kept")
    if kind == "a file":
        folder.write_text("no folder")
    else:
        folder.symlink_to({"nowhere": tmp_path / "gone", "to something else": target, "in a circle": folder}[kind])
    with pytest.warns(UserWarning, match="made again"):
        assert store.fetch(SPEC, build)["w0"].tolist() == [1, 1, 1]
    assert (target / "file").read_text() == "kept"
    assert not folder.is_symlink()
    (aside,) = folder.parent.glob("*.damaged-*")
    assert aside.is_symlink() == (kind != "a file")
    assert store.fetch(SPEC, lambda _: pytest.fail("made again"))["w0"].tolist() == [1, 1, 1]


def test_states_are_never_kept_behind_a_link(store, tmp_path):
    (tmp_path / "precious" / "000000000001").mkdir(parents=True)
    checkpoint = store.folder(SPEC).with_name(f"{store.folder(SPEC).name}.checkpoint")
    checkpoint.symlink_to(tmp_path / "precious")
    with pytest.raises(ValueError, match=r"is a symbolic link; .* Remove it"):
        Checkpoint(checkpoint)
    store.fetch(SPEC, build)  # finds what a published artifact does not need
    assert not checkpoint.is_symlink()
    assert (tmp_path / "precious" / "000000000001").exists()


def test_only_ones_own_states_are_removed(tmp_path):
    first, second = Checkpoint(tmp_path / "x.checkpoint"), Checkpoint(tmp_path / "x.checkpoint")
    first.save(1, {"position": np.array(1)})
    second.save(2, {"position": np.array(2)})
    first.clear()
    assert int(second.load()["position"]) == 2
    second.clear()
    assert not first.folder.exists()


def test_whoever_takes_over_removes_what_was_before(tmp_path):
    first = Checkpoint(tmp_path / "x.checkpoint")
    for position in (1, 2):
        first.save(position, {"position": np.array(position)})
    (first.folder / "000000000003.part-12345678").mkdir()
    second = Checkpoint(tmp_path / "x.checkpoint")
    second.load()
    second.clear()
    assert not second.folder.exists()


def test_a_state_is_kept_although_its_folder_is_swept_while_it_is_written(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "x.checkpoint")
    savez, swept = np.savez, []

    def sweep_once(file, **arrays):
        savez(file, **arrays)
        if not swept:
            swept.append(True)
            folders.remove(checkpoint.folder)

    monkeypatch.setattr(np, "savez", sweep_once)
    checkpoint.save(7, {"position": np.array(7)})
    assert swept
    assert int(checkpoint.load()["position"]) == 7


def test_a_damaged_state_makes_way_for_one_of_the_same_position(tmp_path):
    checkpoint = Checkpoint(tmp_path / "x.checkpoint")
    for position in (1, 2):
        checkpoint.save(position, {"position": np.array(position)})
    (checkpoint.folder / f"{2:012d}" / "arrays.npz").write_bytes(b"torn")
    resumed = Checkpoint(tmp_path / "x.checkpoint")
    with pytest.warns(UserWarning, match="checkpoint before"):
        assert int(resumed.load()["position"]) == 1
    resumed.save(2, {"position": np.array(2)})
    assert int(Checkpoint(tmp_path / "x.checkpoint").load()["position"]) == 2


def test_nothing_that_is_half_written_counts_as_an_artifact(store):
    kind = store.folder(SPEC).parent
    folders.write_folder(kind / "key.part-12345678", {"a": np.zeros(1)}, {"mathematics": 1})
    folders.write_folder(kind / "older", {"a": np.zeros(1)}, {})  # version 0.1.0 did not name it
    assert store.versions() == {1: 1, artifacts.MATHEMATICS: 1}
