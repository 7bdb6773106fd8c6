"""CIFAR-10 as it was published: both versions, unpacked or not, and files that want more than to be read."""

import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest
from test_sources import equal, make_raw

from robint_tf import cifar, data, sources
from robint_tf.sources import Block, DataUnavailable

N = 4  # images of a file


@pytest.fixture
def tiny(monkeypatch):
    """A published CIFAR-10 of five files of training images and one of test images, 4 each."""
    raws = {split: make_raw(N * len(files), (32, 32, 3), seed=len(files)) for split, files in cifar.FILES.items()}
    for split, raw in raws.items():
        block = Block(0, len(raw.labels), sources.examples_sha1(raw))
        monkeypatch.setitem(sources.PUBLISHED, ("cifar10", split), (block,))
    return raws


def contents(raws, version):
    """The files of a version, by name."""
    found = {}
    for split, files in cifar.FILES.items():
        pixels = raws[split].images.transpose(0, 3, 1, 2).reshape(-1, cifar.N_BYTES)
        for i, name in enumerate(files):
            images, labels = pixels[i * N : (i + 1) * N], raws[split].labels[i * N : (i + 1) * N]
            if version == cifar.BINARY:
                found[f"{name}.bin"] = np.concatenate([labels[:, None], images], axis=1).tobytes()
            else:
                found[name] = pickle.dumps({b"data": images, b"labels": labels.tolist(), b"filenames": [b"a.png"]}, 4)
    return found


def put(folder, version, files, *, packed):
    """Write a version into a folder, unpacked or as its archive."""
    folder.mkdir(parents=True, exist_ok=True)
    if not packed:
        (folder / version).mkdir()
        for name, content in files.items():
            (folder / version / name).write_bytes(content)
        return
    (archive,) = (archive for archive, of in cifar.ARCHIVES.items() if of == version)
    with tarfile.open(folder / archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{version}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


VERSIONS = pytest.mark.parametrize("version", [cifar.BINARY, cifar.PYTHON])
PACKED = pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])


@VERSIONS
@PACKED
@pytest.mark.parametrize("below", cifar.FOLDERS)
def test_the_published_files_are_read_in_their_order(tiny, tmp_path, version, packed, below):
    put(tmp_path / below, version, contents(tiny, version), packed=packed)
    location = sources.find("cifar10", tmp_path)
    assert location.kind == "cifar"
    for split, expected in tiny.items():
        raw, order = sources.read(location, split)
        assert equal(raw, expected)
        assert order == "original"
    loaded = data.load("cifar10", data_dir=tmp_path, offline=True)
    assert loaded.verified
    np.testing.assert_array_equal(loaded.test.y, tiny["test"].labels)


class Python2(pickle._Pickler):
    """Writes as Python 2 did: text and bytes alike as strings of bytes, NumPy's modules under their old names."""

    def save_string(self, value):
        content = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch = pickle._Pickler.dispatch | {str: save_string, bytes: save_string}  # as in its base

    @classmethod
    def dumps(cls, value):
        file = io.BytesIO()
        cls(file, 2).dump(value)
        return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_the_published_pickles_are_those_of_python_2(tiny, tmp_path):
    files = {}
    for name, content in contents(tiny, cifar.PYTHON).items():
        batch = pickle.loads(content)
        files[name] = Python2.dumps({"data": batch[b"data"], "labels": batch[b"labels"], "batch_label": "a batch"})
    put(tmp_path, cifar.PYTHON, files, packed=True)
    raw, _ = sources.read(sources.find("cifar10", tmp_path), "train")
    assert equal(raw, tiny["train"])


def test_an_incomplete_folder_is_not_taken(tiny, tmp_path):
    files = contents(tiny, cifar.BINARY)
    del files["data_batch_3.bin"]
    put(tmp_path, cifar.BINARY, files, packed=False)
    assert sources.find("cifar10", tmp_path) is None


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("where", ["whole file", "label", "inside an array"])
def test_a_hostile_pickle_is_refused_by_name_and_nothing_is_run(tiny, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((N, cifar.N_BYTES), np.uint8)
    batch = {
        "whole file": Hostile(),
        "label": {b"data": pixels, b"labels": [0, 1, 2, Hostile()]},
        "inside an array": {b"data": np.array([Hostile()] * N, object), b"labels": [0] * N},
    }[where]
    files = contents(tiny, cifar.PYTHON) | {"data_batch_2": pickle.dumps(batch, 4)}
    put(tmp_path, cifar.PYTHON, files, packed=False)
    with pytest.raises(DataUnavailable, match=r"data_batch_2 is damaged \(it asks for posix.mkdir"):
        sources.read(sources.find("cifar10", tmp_path), "train")
    assert not (tmp_path / "pwned").exists()


BATCHES = {
    "no dictionary": [1, 2],
    "no images": {b"labels": [0]},
    "too few labels": {b"data": np.zeros((N, cifar.N_BYTES), np.uint8), b"labels": [0]},
    "other images": {b"data": np.zeros((N, 5), np.uint8), b"labels": [0] * N},
    "floats": {b"data": np.zeros((N, cifar.N_BYTES)), b"labels": [0] * N},
    "large labels": {b"data": np.zeros((N, cifar.N_BYTES), np.uint8), b"labels": [0, 1, 2, 300]},
    "labels of text": {b"data": np.zeros((N, cifar.N_BYTES), np.uint8), b"labels": [b"cat"] * N},
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_pickle_of_something_else_is_refused(tiny, tmp_path, name):
    put(
        tmp_path,
        cifar.PYTHON,
        contents(tiny, cifar.PYTHON) | {"test_batch": pickle.dumps(BATCHES[name], 4)},
        packed=False,
    )
    with pytest.raises(DataUnavailable, match="test_batch is damaged"):
        sources.read(sources.find("cifar10", tmp_path), "test")


@VERSIONS
@PACKED
def test_a_file_that_is_cut_short_is_refused(tiny, tmp_path, version, packed):
    files = contents(tiny, version)
    name = next(reversed(files))
    put(tmp_path, version, files | {name: files[name][:-7]}, packed=packed)
    with pytest.raises(DataUnavailable, match=f"{name} is damaged"):
        sources.read(sources.find("cifar10", tmp_path), "test")


def test_an_archive_that_is_none_is_refused(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataUnavailable, match="the archive is damaged"):
        sources.read(sources.find("cifar10", tmp_path), "test")


def test_paths_and_links_in_an_archive_lead_nowhere(tiny, tmp_path):
    """Nothing is written, whatever the members are called; a link in the place of a file is none."""
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name in ("../escaped", f"{tmp_path}/escaped"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo(f"{cifar.BINARY}/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataUnavailable, match=r"test_batch.bin is damaged \(it is no file\)"):
        sources.read(sources.find("cifar10", tmp_path), "test")
    assert [p.name for p in tmp_path.rglob("*")] == ["cifar-10-binary.tar.gz"]


def test_a_file_that_would_fill_the_memory_is_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "LARGEST", 1000)
    put(tmp_path, cifar.BINARY, contents(tiny, cifar.BINARY), packed=True)
    with pytest.raises(DataUnavailable, match="larger than 1000 bytes"):
        sources.read(sources.find("cifar10", tmp_path), "test")
