"""Image sets on disk: raw files, folders prepared by TFDS's own builders, what is missing or damaged."""

import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest

from robint_tf.catalogue import DATASETS, Block
from robint_tf.data import datasets as data
from robint_tf.data import idx, sources, tfds_folder
from robint_tf.data.sources import DataUnavailable, Raw

SIZES = {"train": 40, "test": 12}


def make_raw(n, shape, seed):
    rng = np.random.default_rng(seed)
    return Raw(rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 10, n, np.uint8))


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, raws, *, gz=False):
    folder.mkdir(parents=True, exist_ok=True)
    for split, names in sources.IDX_FILES.items():
        for name, array in zip(names, (raws[split].images[..., 0], raws[split].labels), strict=True):
            content = idx_bytes(array)
            (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(content) if gz else content)


def equal(a, b):
    return all(np.array_equal(p, q) and p.dtype == q.dtype for p, q in zip(a, b, strict=True))


@pytest.fixture
def tiny(monkeypatch):
    """A published MNIST of 40 + 12 images, of which the first 10 are held back."""
    raws = {split: make_raw(n, (28, 28, 1), seed=n) for split, n in SIZES.items()}
    for split, raw in raws.items():
        block = Block(0, len(raw.labels), sources.examples_sha1(raw))
        monkeypatch.setitem(DATASETS["mnist"].published, split, (block,))
    monkeypatch.setitem(DATASETS._things, "mnist", replace(DATASETS["mnist"], held_back=10))
    return raws


@pytest.fixture
def prepared_mnist(tiny, tmp_path, monkeypatch):
    """The folder into which TFDS's own builder has prepared the tiny MNIST."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.image_classification import mnist

    write_idx(tmp_path / "published", tiny)
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", SIZES["train"])
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", SIZES["test"])
    files = lambda self, urls: {k: tmp_path / "published" / u.split("/")[-1][:-3] for k, u in urls.items()}  # noqa: E731
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", files)
    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    sources.download("mnist", tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.fixture
def no_network(monkeypatch):
    """Fail the test if anything opens a connection."""

    def refuse(*args, **kwargs):
        pytest.fail("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)


@pytest.mark.parametrize("gz", [False, True])
def test_idx_files_are_read_as_written(tmp_path, gz):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = b"\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04"
    path = tmp_path / ("a.gz" if gz else "a")
    path.write_bytes(gzip.compress(header + bytes(range(24))) if gz else header + bytes(range(24)))
    read = idx.read(path, n_dims=3)
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


LABELS = idx_bytes(np.array([3, 1], np.uint8))
BAD_IDX = {
    "empty": (b"", "0 bytes"),
    "shorter than a header": (LABELS[:6], "6 bytes"),
    "cut short": (LABELS[:-1], "1 bytes of data, its header says 2"),
    "too long": (LABELS + b"\x00", "more bytes of data, its header says 2"),
    "larger than any published": (b"\0\0\x08\1" + struct.pack(">I", 60_001), r"its shape is \(60001,\)"),
    "4 GiB": (b"\0\0\x08\1\xff\xff\xff\xff", r"its shape is \(4294967295,\)"),
    "images for labels": (idx_bytes(np.zeros((1, 2, 2), np.uint8)), "00000803"),
    "floats": (b"\x00\x00\x0d\x01" + LABELS[4:], "00000d01"),
    "text": (b"<html>not found</html>", b"<htm".hex()),
}


@pytest.mark.parametrize("case", BAD_IDX)
@pytest.mark.parametrize("gz", [False, True])
def test_bad_idx_files_are_refused_in_one_line(tmp_path, case, gz):
    content, message = BAD_IDX[case]
    path = tmp_path / ("labels.gz" if gz else "labels")
    path.write_bytes(gzip.compress(content) if gz else content)
    with pytest.raises(ValueError, match=message) as caught:
        idx.read(path, n_dims=1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(LABELS)[:-9], LABELS, gzip.compress(LABELS)[:5]],
    ids=["cut", "plain", "five bytes"],
)
def test_broken_gzip_is_refused(tmp_path, content):
    (tmp_path / "labels.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a complete gzip file"):
        idx.read(tmp_path / "labels.gz", n_dims=1)


@pytest.mark.parametrize("said", [1000, 2**31])
def test_no_more_is_decompressed_than_an_idx_file_can_hold(tmp_path, monkeypatch, said):
    """Of a small file that would become a large one, whether its header admits that or not."""
    read, n_read = gzip.GzipFile.read, []

    def counted(self, size=-1):
        content = read(self, size)
        n_read.append(len(content))
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    (tmp_path / "labels.gz").write_bytes(gzip.compress(b"\0\0\x08\1" + struct.pack(">I", said) + bytes(10_000_000)))
    with pytest.raises(ValueError, match=r"more bytes of data, its header says 1000|its shape is \(2147483648,\)"):
        idx.read(tmp_path / "labels.gz", n_dims=1)
    assert sum(n_read) < 2000


def test_tfds_order_sorts_by_the_md5_of_split_and_position():
    # md5sum of test0, test1, test2, test3
    digests = [
        "f6f4061a1bddc1c04d8109b39f581270",
        "5a105e8b9d40e1329780d62ea2265d8a",
        "ad0234829205b9033196ba818f7a872b",
        "8ad8757baa8564dc136c1e07507f4a98",
    ]
    assert digests == [hashlib.md5(f"test{i}".encode()).hexdigest() for i in range(4)]
    assert sources.tfds_order("test", 4).tolist() == [1, 3, 2, 0]


def test_examples_hash_is_that_of_a_cifar10_binary_file():
    raw = Raw(np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), np.array([7], np.uint8))
    record = bytes([7, 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11])  # label, red, green, blue
    assert sources.examples_sha1(raw) == hashlib.sha1(record).hexdigest()


def test_published_images_are_counted_from_the_first(monkeypatch):
    raw = make_raw(30, (2, 2, 3), seed=0)
    blocks = [
        Block(a, b, sources.examples_sha1(Raw(raw.images[a:b], raw.labels[a:b])))
        for a, b in ((0, 10), (10, 20), (20, 30))
    ]
    monkeypatch.setitem(DATASETS["cifar10"].published, "train", tuple(blocks))
    assert sources.n_published("cifar10", "train", raw) == 30
    raw.images[25, 0, 0, 0] ^= 1
    assert sources.n_published("cifar10", "train", raw) == 20
    raw.labels[3] ^= 1
    assert sources.n_published("cifar10", "train", raw) == 0


def test_tfds_folder_is_brought_back_to_the_order_of_the_files(tiny, prepared_mnist):
    location = sources.find("mnist", prepared_mnist)
    assert (location.kind, str(location)) == ("tfds", "TFDS mnist:3.0.1")
    images, _, ids = tfds_folder.read(location.folder, "mnist", "train", n=SIZES["train"], shape=(28, 28, 1))
    assert ids is None
    assert not np.array_equal(images, tiny["train"].images)
    for split in SIZES:
        raw, order = sources.read(location, split)
        assert order == "original"
        assert equal(raw, tiny[split])


def test_tensorflow_says_nothing_of_its_own_while_a_prepared_folder_is_read(prepared_mnist):
    """In a process of its own: TensorFlow says once in a process what it deprecates."""
    code = (
        "import sys; from pathlib import Path; from robint_tf.data import tfds_folder\n"
        "print(tfds_folder.read(Path(sys.argv[1]), 'mnist', 'test', n=12, shape=(28, 28, 1))[0].shape)"
    )
    folder = sources.find("mnist", prepared_mnist).folder
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "(12, 28, 28, 1)\n"
    assert "deprecated" not in done.stderr


def test_cifar10_order_comes_from_its_ids(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    raws = {"train": make_raw(50, (32, 32, 3), seed=1), "test": make_raw(9, (32, 32, 3), seed=2)}
    folder = tmp_path / "published" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("\n".join(DATASETS["cifar10"].class_names))
    parts = {f"data_batch_{i + 1}": Raw(*(a[10 * i : 10 * i + 10] for a in raws["train"])) for i in range(5)}
    for name, raw in (parts | {"test_batch": raws["test"]}).items():
        records = [bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(*raw, strict=True)]
        (folder / f"{name}.bin").write_bytes(b"".join(records))
    for split, raw in raws.items():
        monkeypatch.setitem(DATASETS["cifar10"].published, split, (Block(0, len(raw.labels), "another"),))
    published = lambda self, url: folder.parent  # noqa: E731
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", published)
    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    location = sources.download("cifar10", tmp_path)
    assert location == sources.find("cifar10", tmp_path)
    for split in raws:
        raw, order = sources.read(location, split)
        assert order == "original"  # even where the content is not the published one
        assert equal(raw, raws[split])


def test_raw_files_and_prepared_folder_give_the_same_data_set(tiny, prepared_mnist, tmp_path, no_network):
    write_idx(tmp_path / "MNIST_data", tiny, gz=True)
    from_raw = data.load("mnist", data_dir=tmp_path, offline=True)
    from_tfds = data.load("mnist", data_dir=prepared_mnist, offline=True)
    assert (from_raw.source, from_tfds.source) == ("IDX files", "TFDS mnist:3.0.1")
    for dataset in (from_raw, from_tfds):
        assert dataset.order == "original"
        assert dataset.verified is True
        assert dataset.train.x.shape == (30, 28, 28, 1)
        assert np.array_equal(dataset.train.y, tiny["train"].labels[10:])
        pixels = tiny["test"].images.astype(np.float32)
        assert np.array_equal(dataset.test.x, np.multiply(pixels, np.float32(1 / 255)) * 2 - 1)
    assert from_raw.train.fingerprint == from_tfds.train.fingerprint


def test_all_train_keeps_the_images_held_back(tiny, tmp_path):
    write_idx(tmp_path / "mnist", tiny)
    whole = data.load("mnist", data_dir=tmp_path, offline=True, all_train=True).train
    assert np.array_equal(whole.y, tiny["train"].labels)
    part = data.load("mnist", data_dir=tmp_path, offline=True, n_train=7, n_test=5)
    assert np.array_equal(part.train.x, whole.x[10:17])
    assert len(part.test.y) == 5
    with pytest.raises(ValueError, match=r"n_train is 31; mnist has 30 train images, choose 1 to 30\."):
        data.load("mnist", data_dir=tmp_path, offline=True, n_train=31)


def test_order_is_not_claimed_where_the_content_is_unknown(tiny, prepared_mnist, monkeypatch):
    monkeypatch.setitem(DATASETS["mnist"].published, "train", (Block(0, SIZES["train"], "another"),))
    with pytest.warns(UserWarning, match="only the first 0 of the 40 train images") as caught:
        dataset = data.load("mnist", data_dir=prepared_mnist, offline=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert dataset.order == "tfds"
    assert dataset.verified is False
    folder = prepared_mnist / "mnist" / "3.0.1"
    _, labels, _ = tfds_folder.read(folder, "mnist", "train", n=SIZES["train"], shape=(28, 28, 1))
    assert np.array_equal(dataset.train.y, labels[10:])


def test_images_beyond_the_known_ones_are_not_counted_as_verified(tiny, tmp_path, monkeypatch):
    test = tiny["test"]
    known = Block(0, 5, sources.examples_sha1(Raw(test.images[:5], test.labels[:5])))
    monkeypatch.setitem(DATASETS["mnist"].published, "test", (known, Block(0, 12, "another")))
    write_idx(tmp_path / "mnist", tiny)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = data.load("mnist", data_dir=tmp_path, offline=True, n_test=5)
    assert (part.verified, part.verified_test) == (True, 5)
    with pytest.warns(UserWarning, match="only the first 5 of the 6 test images"):
        more = data.load("mnist", data_dir=tmp_path, offline=True, n_test=6)
    assert (more.verified, more.verified_test) == (False, 5)


FOLDERS = {
    "mnist": ["mnist", "mnist/raw", "MNIST/raw", "MNIST_data"],
    "fashion_mnist": ["fashion_mnist", "fashion_mnist/raw", "FashionMNIST/raw", "FMNIST_data", "fashion-mnist"],
}


@pytest.mark.parametrize(("name", "folder"), [(n, f) for n, folders in FOLDERS.items() for f in folders])
def test_raw_files_are_found_under_the_usual_names(tiny, tmp_path, name, folder):
    write_idx(tmp_path / folder, tiny)
    other = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}[name]
    assert sources.find(name, tmp_path).folder == tmp_path / folder
    assert sources.find(other, tmp_path) is None
    assert sources.find(name, (tmp_path / folder.split("/")[0])).folder == tmp_path / folder


def test_raw_files_without_a_telling_folder_are_not_taken(tiny, tmp_path):
    write_idx(tmp_path, tiny)
    assert sources.find("mnist", tmp_path) is sources.find("fashion_mnist", tmp_path) is None


def test_prepared_folder_comes_first_and_of_its_versions_the_newest(tiny, tmp_path):
    write_idx(tmp_path / "mnist", tiny)
    for version in ("3.0.1", "3.0.10", "3.0.9", "incomplete.X_4.0.0"):
        (tmp_path / "mnist" / version).mkdir()
        (tmp_path / "mnist" / version / "dataset_info.json").write_text("{}")
    assert sources.find("mnist", tmp_path).folder.name == "3.0.10"


def test_data_folder_is_argument_then_environment_then_tfds(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBINT_DATA_DIR", "/robint")
    monkeypatch.setenv("TFDS_DATA_DIR", "/tfds")
    assert str(sources.data_folder("/given")) == "/given"
    assert str(sources.data_folder()) == "/robint"
    monkeypatch.setenv("ROBINT_DATA_DIR", "")
    assert str(sources.data_folder()) == "/tfds"
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.data_folder() == tmp_path / "tensorflow_datasets"
    assert str(sources.data_folder(".")) == "."
    with pytest.raises(ValueError, match="'' names no folder of data"):
        sources.data_folder("")


@pytest.mark.parametrize("name", sources.IMAGE_SETS)
def test_offline_says_what_is_missing_and_how_to_get_it(tmp_path, no_network, name):
    with pytest.raises(DataUnavailable) as caught:
        data.load(name, data_dir=tmp_path / "nowhere", offline=True)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / "nowhere" / name) in message
    assert "robint" not in message
    assert caught.value.dataset == name
    assert ("train-images-idx3-ubyte" in message) == (name != "cifar10")
    assert not (tmp_path / "nowhere").exists()


def test_without_a_network_the_download_ends_in_one_line(tmp_path, monkeypatch):
    import requests

    def unreachable(*args, **kwargs):
        raise requests.ConnectionError("no route\nto host")

    monkeypatch.setattr("requests.head", unreachable)
    with pytest.raises(DataUnavailable, match=r"www\.cs\.toronto\.edu cannot be reached") as caught:
        data.load("cifar10", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing_that_looks_complete(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def broken(self, urls):
        raise tfds.download.DownloadError("Artifact has wrong checksum.\nExpected: ...")

    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", broken)
    with pytest.raises(DataUnavailable, match="Artifact has wrong checksum") as caught:
        data.load("mnist", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert sources.find("mnist", tmp_path) is None


def test_a_folder_that_cannot_be_written_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataUnavailable, match="could not be downloaded"):
        data.load("mnist", data_dir=tmp_path / "file")


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE = {
    "records cut short": ("mnist-test.tfrecord-00000-of-00001", cut),
    "records missing": ("mnist-test.tfrecord-00000-of-00001", lambda p: p.unlink()),
    "no records": ("mnist-test.tfrecord-00000-of-00001", lambda p: p.write_bytes(b"")),
    "records of the other split": (
        "mnist-test.tfrecord-00000-of-00001",
        lambda p: p.write_bytes((p.parent / "mnist-train.tfrecord-00000-of-00001").read_bytes()),
    ),
    "a shard missing": (
        "mnist-test.tfrecord-00000-of-00001",
        lambda p: p.rename(p.with_name("mnist-test.tfrecord-00000-of-00002")),
    ),
    "as large as never": ("mnist-test.tfrecord-00000-of-00001", lambda p: os.truncate(p, 2**40)),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_prepared_folder_is_refused_in_one_line(prepared_mnist, case):
    name, damage = DAMAGE[case]
    damage(prepared_mnist / "mnist" / "3.0.1" / name)
    with pytest.raises(DataUnavailable, match=r"3\.0\.1 .*get it again") as caught:
        data.load("mnist", data_dir=prepared_mnist, offline=True)
    assert "\n" not in str(caught.value)


CODE = "from pathlib import Path; Path('imported').touch()"
NAMES = {
    "a feature": ("features.json", ["featuresDict", "features", "label"], "pythonClassName"),
    "the features": ("features.json", [], "pythonClassName"),
    "the builder": ("dataset_info.json", [], "moduleName"),
}


@pytest.mark.parametrize("name", NAMES)
def test_no_module_that_a_prepared_folder_names_is_imported(tiny, prepared_mnist, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile.py").write_text(CODE)
    file, path, key = NAMES[name]
    content = json.loads((prepared_mnist / "mnist" / "3.0.1" / file).read_text())
    inner = content
    for step in path:
        inner = inner[step]
    inner[key] = "hostile" if key == "moduleName" else "hostile.Class"
    (prepared_mnist / "mnist" / "3.0.1" / file).write_text(json.dumps(content))
    raw, _ = sources.read(sources.find("mnist", prepared_mnist), "test")
    assert not (tmp_path / "imported").exists()
    assert equal(raw, tiny["test"])


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_what_a_prepared_folder_says_of_itself_is_not_read(tiny, prepared_mnist, name):
    (prepared_mnist / "mnist" / "3.0.1" / name).write_text('{"a": ' + "[" * 100_000)
    raw, _ = sources.read(sources.find("mnist", prepared_mnist), "test")
    assert equal(raw, tiny["test"])


def record(image, label):
    import tensorflow as tf

    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature={"image": image, "label": label})).SerializeToString()


def png(height, width):
    """A PNG file that claims this size, and holds a few bytes of it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = header, b"IDAT" + zlib.compress(bytes(height)), b"IEND"
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


RECORDS = {
    "an image of 100 megapixels": (png(10_000, 10_000), 1, "no PNG of"),
    "an image of another shape": (png(28, 29), 1, "no PNG of"),
    "an image cut short": (png(28, 28), 1, "PNG"),
    "text": (b"image", 1, "no PNG of"),
    "a BMP": (b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 28, 28, 1, 24) + bytes(2400), 1, "no PNG of"),
    "a label that fits ten classes in a byte": (None, 257, "no label"),
    "a label below zero": (None, -255, "no label"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_records_of_other_images_are_refused_before_they_are_decoded(prepared_mnist, case):
    import tensorflow as tf

    path = prepared_mnist / "mnist" / "3.0.1" / "mnist-test.tfrecord-00000-of-00001"
    image, label, reason = RECORDS[case]
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    stored = tf.train.Example.FromString(records[5]).features.feature["image"].bytes_list.value[0]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in [*records[:5], record(image or stored, label), *records[6:]]:
            writer.write(each)
    with pytest.raises(DataUnavailable, match=r"3\.0\.1 is damaged \(InvalidArgumentError\)") as caught:
        sources.read(sources.find("mnist", prepared_mnist), "test")
    assert reason in str(caught.value.__cause__.__cause__)


def test_raw_files_that_do_not_fit_each_other_are_refused(tiny, tmp_path):
    write_idx(tmp_path / "mnist", tiny)
    path = tmp_path / "mnist" / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(tiny["test"].labels[:-1]))
    with pytest.raises(DataUnavailable, match="12 test images but 11 labels"):
        data.load("mnist", data_dir=tmp_path, offline=True)
    path.write_bytes(idx_bytes(tiny["test"].labels + 10))
    with pytest.raises(DataUnavailable, match=r"labels up to 1[0-9]"):
        data.load("mnist", data_dir=tmp_path, offline=True)
    path.write_bytes(b"")
    with pytest.raises(DataUnavailable, match="t10k-labels-idx1-ubyte holds 0 bytes"):
        data.load("mnist", data_dir=tmp_path, offline=True)
    path.unlink()
    with pytest.raises(DataUnavailable, match="mnist is not in"):
        data.load("mnist", data_dir=tmp_path, offline=True)


def test_a_set_of_another_size_is_refused(tiny, tmp_path, monkeypatch):
    write_idx(tmp_path / "mnist", tiny)
    monkeypatch.setitem(DATASETS["mnist"].published, "train", (Block(0, 60000, "another"),))
    with pytest.raises(DataUnavailable, match=r"holds 40 train images, .* the published set 60000"):
        data.load("mnist", data_dir=tmp_path, offline=True)
