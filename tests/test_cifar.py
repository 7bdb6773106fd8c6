"""CIFAR-10 as it was published: both versions, unpacked or not, and files that want more than to be read."""

import contextlib
import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sources import equal, make_raw

from robint_tf.catalogue import DATASETS, Block
from robint_tf.data import cifar, cifar_pickle, sources
from robint_tf.data import datasets as data
from robint_tf.data.sources import DataUnavailable

N = 4  # images of a file


@pytest.fixture
def tiny(monkeypatch):
    """A published CIFAR-10 of five files of training images and one of test images, 4 each."""
    raws = {split: make_raw(N * len(files), (32, 32, 3), seed=len(files)) for split, files in cifar.FILES.items()}
    for split, raw in raws.items():
        block = Block(0, len(raw.labels), sources.examples_sha1(raw))
        monkeypatch.setitem(DATASETS["cifar10"].published, split, (block,))
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
    refused = "it makes something that is no array" if where == "inside an array" else "it asks for posix.mkdir"
    with pytest.raises(DataUnavailable, match=rf"data_batch_2 is damaged \({refused}"):
        sources.read(sources.find("cifar10", tmp_path), "train")
    assert not (tmp_path / "pwned").exists()


def reconstructed(
    dtype, state, shape=(N, cifar.N_BYTES), content=b"\0" * (N * cifar.N_BYTES), around=lambda array: array
):
    """A pickled batch whose images are an array of this dtype (its name and state), shape and content."""

    class Dtype:
        def __reduce__(self):
            return np.dtype, (dtype, False, True), state

    class Array:
        def __reduce__(self):
            reconstruct = np.empty(0).__reduce__()[0]
            return reconstruct, (np.ndarray, (0,), b"b"), (1, shape, Dtype(), False, content)

    return pickle.dumps({b"data": around(Array()), b"labels": [0] * N}, 4)


PLAIN = (3, "|", None, None, None, -1, -1, 0)
ADDRESSES = b"\x41" * (8 * N * cifar.N_BYTES)
HOSTILE_ARRAYS = {
    # without the flags of a dtype of objects, NumPy takes the content for their addresses
    "objects without flags": reconstructed("O8", PLAIN, content=ADDRESSES),
    "bytes that become objects": reconstructed("u1", (3, "|", ("O8", (1,)), None, None, 1, 1, 0)),
    "fields beyond the item": reconstructed("V1", (3, "|", None, ("a",), {"a": (np.dtype("i8"), 4096)}, 1, 1, 0)),
    "another state": reconstructed("u1", (9, "|", None, None, None, -1, -1, 0)),
    "too little content": reconstructed("u1", PLAIN, content=b"\0" * 7),
    "too much content": reconstructed("u1", PLAIN, shape=(1, 1)),
    "a negative shape": reconstructed("u1", PLAIN, shape=(-1, -N * cifar.N_BYTES)),
    "a shape that overflows": reconstructed("u1", PLAIN, shape=(2**62, 8)),
    "many dimensions": reconstructed("u1", PLAIN, shape=(1,) * 1000, content=b"\0"),
    "an array in an array": reconstructed("u1", PLAIN, around=lambda array: [array] * 2),
    "content that is no bytes": reconstructed("u1", PLAIN, content=[0] * N * cifar.N_BYTES),
    "a state of its own": pickle.dumps(np.zeros(3), 4)[:-1] + b"(K\x01tb.",
}
STATE = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
FLAGS_THAT_CHANGE = (  # the content has become the addresses of objects when the array is given up
    b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x08\x85"
    + (b"cnumpy\ndtype\nU\x02O8\x89\x88\x87Rq\x01" + STATE + b"K\x00tb")
    + (b"\x89U\x40" + b"\x41" * 64 + b"tb")
    + (b"U\x06labelsh\x01" + STATE + b"K\x3ftbu.")
)
TUPLES_IN_TUPLES = b"\x80\x02})" + b"\x85" * 150_000 + b"K\x00s."  # as a key: its hash would overflow the stack
HOSTILE_STREAMS = {
    "flags that change": FLAGS_THAT_CHANGE,
    "no instructions": b"",
    "an empty stack": b"\x80\x02b.",
    "a key of nested tuples": TUPLES_IN_TUPLES,
    "a memo of 32 GiB": b"\x80\x02}r\xff\xff\xff\x7f.",
    "32 GiB to come": b"\x80\x05\x96" + struct.pack("<Q", 2**35) + b".",
    "lists without end": b"\x80\x02" + b"]" * 300_000 + b".",
    "labels in labels": b"\x80\x02}(U\x06labels](K\x00" + b"e](h\x00" * 3 + b".",
    "the state of a word": b"\x80\x02cnumpy\nndarray\n}b.",
    "a line without end": b"\x80\x02S" + b"a" * 10_000,
    "a number of a million digits": b"I" + b"1" * 10**6 + b"\n.",
}


@pytest.mark.parametrize("name", [*HOSTILE_ARRAYS, *HOSTILE_STREAMS])
def test_no_pickle_reaches_the_memory_of_numpy_or_takes_more_than_its_size(tiny, tmp_path, name):
    """In a process of its own: a reader that follows such a pickle may take the process with it."""
    files = contents(tiny, cifar.PYTHON) | {"test_batch": (HOSTILE_ARRAYS | HOSTILE_STREAMS)[name]}
    put(tmp_path, cifar.PYTHON, files, packed=False)
    done = subprocess.run([sys.executable, "-c", READ_WITH_LITTLE_MEMORY, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-300:]
    assert "test_batch is damaged" in done.stdout
    assert done.stdout.count("\n") == 1
    assert len(done.stdout) < 500


READ_WITH_LITTLE_MEMORY = """
import os, resource, sys
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread reserves memory of its own
from robint_tf.data import cifar

before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (before + 2**28,) * 2)
try:
    images, labels = cifar.read(cifar.find(Path(sys.argv[1])), "test")
    print(images.sum(), repr(images), labels)
except ValueError as error:
    print(error)
"""


WORKING = pickle.dumps({b"data": np.zeros((2, cifar.N_BYTES), np.uint8), b"labels": [3, 4]}, 4)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_bytes_end_otherwise_than_in_arrays_of_numbers_or_an_error(data):
    """Pickles of which parts are cut out, repeated or replaced, above all where instructions are."""
    content = bytearray(WORKING)
    for _ in range(data.draw(st.integers(1, 4))):
        near = st.integers(0, 120) | st.integers(len(WORKING) - 40, len(WORKING))
        start, stop = sorted((data.draw(near), data.draw(near)))
        content[start:stop] = data.draw(st.binary(max_size=12) | st.just(bytes(content[start:stop]) * 2))
    with contextlib.suppress(ValueError):
        found = cifar_pickle.read(bytes(content)).values()
        assert all(array.dtype.kind in "iu" for array in found)
        assert sum(array.nbytes for array in found) < 10 * len(content)


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
    with pytest.raises(DataUnavailable, match=r"the archive is damaged \(.*test_batch.bin is no file\)"):
        sources.read(sources.find("cifar10", tmp_path), "test")
    assert [p.name for p in tmp_path.rglob("*")] == ["cifar-10-binary.tar.gz"]


def test_a_file_that_would_fill_the_memory_is_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "LARGEST", 1000)
    put(tmp_path, cifar.BINARY, contents(tiny, cifar.BINARY), packed=True)
    with pytest.raises(DataUnavailable, match="larger than 1000 bytes"):
        sources.read(sources.find("cifar10", tmp_path), "test")


def header(name, kind, size):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


CLAIMS = {
    "a long name": header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 3 * 2**30),
    "a long link": header("././@LongLink", tarfile.GNUTYPE_LONGLINK, 3 * 2**30),
    "an extended header": header("pax", tarfile.XHDTYPE, 3 * 2**30),
    "a file": header(f"{cifar.BINARY}/test_batch.bin", tarfile.REGTYPE, 3 * 2**30),
    "another file": header("readme.html", tarfile.REGTYPE, 3 * 2**30),
    "a size below zero": header(f"{cifar.BINARY}/test_batch.bin", tarfile.REGTYPE, -512),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_a_header_claims_is_checked_before_anything_is_read(tmp_path, monkeypatch, name):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(CLAIMS[name] + bytes(10_000)))
    read = gzip.GzipFile.read

    def bounded(self, size=-1):
        assert 0 <= size <= cifar.LARGEST
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", bounded)
    with pytest.raises(DataUnavailable, match=r"the archive is damaged \(it claims .* of (3221225472|-512) bytes"):
        sources.read(sources.find("cifar10", tmp_path), "test")


def test_an_archive_without_end_is_left(tmp_path, monkeypatch):
    """Members of which each is small enough."""
    monkeypatch.setattr(cifar, "LARGEST_ARCHIVE", 100_000)
    members = (header("a", tarfile.REGTYPE, 10_000) + bytes(10_240)) * 10
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(members))
    with pytest.raises(DataUnavailable, match=r"the archive is damaged .*10000 bytes, which no archive"):
        sources.read(sources.find("cifar10", tmp_path), "test")


def test_an_archive_without_a_file_names_it(tiny, tmp_path):
    files = contents(tiny, cifar.BINARY)
    del files["test_batch.bin"]
    put(tmp_path, cifar.BINARY, files, packed=True)
    with pytest.raises(DataUnavailable, match=r"test_batch\.bin is damaged \(no '.*test_batch\.bin'\)"):
        sources.read(sources.find("cifar10", tmp_path), "test")


@PACKED
def test_a_file_of_more_than_cifar10_has_is_refused_before_it_is_read(tmp_path, packed):
    put(tmp_path, cifar.BINARY, dict.fromkeys(("test_batch.bin",), b""), packed=False)
    (tmp_path / cifar.BINARY / "test_batch.bin").write_bytes(b"")
    os.truncate(tmp_path / cifar.BINARY / "test_batch.bin", 2**40 if not packed else cifar.LARGEST + 1)
    path = tmp_path / cifar.BINARY
    if packed:
        with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as tar:
            tar.add(path / "test_batch.bin", f"{cifar.BINARY}/test_batch.bin")
        path = tmp_path / "cifar-10-binary.tar.gz"
    with pytest.raises(ValueError, match="larger than 33554432 bytes"):
        cifar.read(path, "test")
