"""The data sets as the experiments get them: toy data, packaged samples, names, counts, fingerprints."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tracemalloc
from importlib import resources

import goldens
import numpy as np
import pytest

from robint_tf.catalogue import DATASETS, Block
from robint_tf.catalogue import origin as origin_of
from robint_tf.data import datasets as data
from robint_tf.data import sources

FULL = os.environ.get("ROBINT_DATA_DIR")

SAMPLES = {
    # name: class counts of the training images, fingerprints of both splits
    "mnist_sample": ([113, 108, 93, 115, 88, 80, 107, 101, 89, 106], "ebd1de42114e", "b04e0117095d"),
    "fashion_mnist_sample": ([103, 87, 104, 111, 96, 101, 97, 105, 100, 96], "cd17821c4d5a", "526cb201acba"),
    "cifar10_sample": ([102, 112, 99, 92, 99, 85, 107, 102, 99, 103], "3b10f9183f15", "91cfb229359e"),
}


def full(name):
    """The folder of complete sets; skips where there is none, or not this one."""
    if FULL is None or sources.find(name, sources.data_folder(FULL)) is None:
        pytest.skip(f"needs the complete {name}: set ROBINT_DATA_DIR to a folder that has it")
    return FULL


def test_toy_points_are_the_authors_to_the_last_bit():
    golden, toy = goldens.load("toy"), data.toy()
    assert np.array_equal(toy.test.x, golden["points_f64"].astype(np.float32))
    assert np.array_equal(toy.test.y, golden["labels"])
    assert np.array_equal(toy.train.x[:20], golden["train_points_head_f64"].astype(np.float32))
    assert np.array_equal(toy.train.y, golden["train_labels"])
    np.testing.assert_allclose(goldens.checksum(toy.train.x), golden["train_points_checksum"], rtol=1e-6)
    assert toy.verified is True


def test_toy_splits_hold_the_same_points_in_two_orders():
    toy = data.toy()
    assert [s.x.shape for s in (toy.train, toy.test)] == [(6000, 2), (6000, 2)]
    assert (toy.test.y == np.repeat([0, 1], 3000)).all()
    rows = [np.column_stack([s.x, s.y]) for s in (toy.train, toy.test)]
    assert np.array_equal(*(r[np.lexsort(r.T)] for r in rows))
    assert not np.array_equal(*rows)


def test_toy_scaling_uses_one_range_for_both_coordinates():
    x = data.toy().train.x
    assert (x.min(), x.max()) == (-1, 1)
    assert np.abs(x[:, 1]).max() < 0.2


def test_toy_covariance_is_the_codes_and_the_papers_is_none():
    np.testing.assert_allclose(data.TOY_FACTOR.T @ data.TOY_FACTOR, data.TOY_COVARIANCE, rtol=1e-14)
    assert np.linalg.det(data.TOY_COVARIANCE) == pytest.approx(1e-4)
    assert np.linalg.det([[0.1, -0.01], [-0.01, 0.0002]]) == pytest.approx(-8e-5)


def test_toy_matches_numpys_own_normal_draws():
    rng = np.random.RandomState(3)
    z = np.concatenate([rng.multivariate_normal(m, data.TOY_COVARIANCE, 3000) for m in data.TOY_MEANS])
    z = (z - z.min()) / (z.max() - z.min()) * 2 - 1
    ours = data.toy(seed=3)
    for c in range(2):  # NumPy may flip signs of the factor: compare what does not depend on them
        mine, numpys = ours.test.x[ours.test.y == c], z[3000 * c : 3000 * (c + 1)]
        np.testing.assert_allclose(mine.mean(0), numpys.mean(0), atol=0.02)
        np.testing.assert_allclose(np.cov(mine.T), np.cov(numpys.T), atol=1e-3)
    assert ours.verified is None
    assert ours.source == "generated, seed 3"
    assert not np.array_equal(ours.train.x, data.toy().train.x)


def test_toy_leaves_the_global_generator_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    data.toy()
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_what_they_are_said_to_be(name, recwarn):
    counts, train, test = SAMPLES[name]
    sample = data.load(name, offline=True, data_dir="nowhere")
    shape = (32, 32, 3) if name == "cifar10_sample" else (28, 28, 1)
    assert sample.train.x.shape == (1000, *shape)
    assert sample.test.x.shape == (200, *shape)
    assert list(sample.train.fingerprint.class_counts) == counts
    assert (sample.train.fingerprint.id, sample.test.fingerprint.id) == (train, test)
    assert (sample.name, sample.order, sample.verified) == (name, "original", True)
    assert len(sample.class_names) == 10
    for split in (sample.train, sample.test):
        assert (split.x.dtype, split.y.dtype) == (np.float32, np.int32)
        assert (split.x.min(), split.x.max()) == (-1, 1)
    assert not recwarn.list


def test_first_labels_of_the_samples_are_the_published_ones():
    assert data.load("mnist_sample").test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert data.load("fashion_mnist_sample").test.y[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    cifar10 = data.load("cifar10_sample")
    assert cifar10.train.y[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert [cifar10.class_names[i] for i in cifar10.test.y[:4]] == ["cat", "ship", "ship", "airplane"]


@pytest.mark.parametrize("name", SAMPLES)
def test_scaling_is_the_authors_to_the_last_bit(name):
    origin = origin_of(name)
    with np.load(resources.files("robint_tf.data.samples") / f"{origin}.npz") as arrays:
        pixels = arrays["train_images"]
    if origin == "cifar10":
        expected = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    else:
        expected = np.multiply(pixels.astype(np.float32), np.float32(1.0 / 255.0)) * np.float32(2.0) - np.float32(1)
    assert np.array_equal(data.load(name).train.x, expected)


def test_a_changed_sample_is_not_verified(monkeypatch):
    monkeypatch.setitem(DATASETS["mnist_sample"].published, "train", (Block(5000, 6000, "another"),))
    with pytest.warns(UserWarning, match=r"mnist\.npz is not the sample that comes with robint-tf") as caught:
        assert data.load("mnist_sample").verified is False
    assert caught[0].filename == __file__


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


WHOLE = (resources.files("robint_tf.data.samples") / "mnist.npz").read_bytes()
IMAGES = {f"{split}_images": np.zeros((3, 28, 28, 1), np.uint8) for split in ("train", "test")}
SAMPLE_DAMAGE = {
    "missing": None,
    "empty": b"",
    "cut short": WHOLE[:-1000],
    "another byte": WHOLE[:5000] + b"????" + WHOLE[5004:],
    "text": b"<html>not found</html>",
    "no labels": npz(**IMAGES),
    "labels for other images": npz(**IMAGES, train_labels=np.zeros(2, np.uint8), test_labels=np.zeros(3, np.uint8)),
    "a pickle": npz(**IMAGES, train_labels=np.array([None] * 3), test_labels=np.zeros(3, np.uint8)),
}


@pytest.mark.parametrize("case", SAMPLE_DAMAGE)
def test_a_damaged_sample_is_one_line_and_missing_data(robint, tmp_path, monkeypatch, case):
    (tmp_path / "samples").mkdir()
    if SAMPLE_DAMAGE[case] is not None:
        (tmp_path / "samples" / "mnist.npz").write_bytes(SAMPLE_DAMAGE[case])
    monkeypatch.setattr(data.resources, "files", lambda package: tmp_path / "samples")
    output = robint("train", "--dataset", "mnist-sample", code=3)
    (line,) = output.splitlines()
    assert "mnist.npz is damaged (" in line
    assert "install robint-tf again" in line


def test_a_changed_sample_is_shown(robint, monkeypatch):
    monkeypatch.setitem(DATASETS["mnist_sample"].published, "train", (Block(5000, 6000, "another"),))
    shown = robint("data", "mnist-sample")
    assert " no" in shown.splitlines()[1]
    assert "mnist.npz is not the sample that comes with robint-tf" in shown


def test_samples_are_small():
    files = [f for f in resources.files("robint_tf.data.samples").iterdir() if f.name.endswith(".npz")]
    assert sorted(f.name for f in files) == ["cifar10.npz", "fashion_mnist.npz", "mnist.npz"]
    assert sum(len(f.read_bytes()) for f in files) < 5_000_000


def test_readme_of_the_samples_names_the_ranges_and_licences():
    text = (resources.files("robint_tf.data.samples") / "README.md").read_text(encoding="utf-8")
    for word in ("5000 to 5999", "0 to 999", "0 to 199", "Attribution-Share Alike 3.0", "Copyright © 2017 Zalando"):
        assert word in text


@pytest.mark.parametrize(("given", "meant"), [("mnist-sample", "mnist_sample"), ("CIFAR10", "cifar10"), ("toy", "toy")])
def test_names_are_taken_in_both_spellings(given, meant):
    assert data.canonical_name(given) == meant


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("mnits", "did you mean mnist?"),
        ("fashion", "fashion_mnist"),
        ("cifar-100", "did you mean cifar10?"),
        ("", "toy"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(given, hint):
    with pytest.raises(ValueError, match=re.escape(repr(given))) as caught:
        data.load(given)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in data.DATASETS)


@pytest.mark.parametrize("n", [0, -1, 1001, 2.5, True, "10"])
def test_counts_that_the_set_does_not_have_are_refused(n):
    with pytest.raises(ValueError, match=r"n_train is .*1000 .*choose 1 to 1000"):
        data.load("mnist_sample", n_train=n)
    with pytest.raises(ValueError, match="choose 1 to 1000"):
        data.load("mnist_sample").train.take(n)


def test_counts_take_the_first():
    whole, part = data.load("mnist_sample"), data.load("mnist_sample", n_train=30, n_test=7)
    assert np.array_equal(part.train.x, whole.train.x[:30])
    assert np.array_equal(part.test.y, whole.test.y[:7])
    assert len(data.load("toy", n_train=5).train.y) == 5
    assert whole.train.take(None) is whole.train
    assert whole.train.take(3).x.base is not None  # a view, no copy


def test_fingerprint_is_the_hash_of_images_then_labels():
    split = data.Split(np.array([[0.5], [-1.0]], np.float32), np.array([2, 0], np.int32))
    # 0.5 and -1 as IEEE 754 single precision, 2 and 0 as integers, little endian
    content = bytes.fromhex("0000003f 000080bf 02000000 00000000")
    expected = hashlib.sha256(content).hexdigest()
    assert split.fingerprint == data.Fingerprint(2, (1,), (1, 0, 1), expected)
    assert split.fingerprint.id == expected[:12]
    assert split.fingerprint.as_json() == {"count": 2, "shape": [1], "class_counts": [1, 0, 1], "sha256": expected}


def test_fingerprint_does_not_depend_on_the_layout_in_memory():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3, 2)).astype(np.float32), np.arange(4, dtype=np.int32)
    expected = data.Split(x, y).fingerprint
    assert data.Split(np.asfortranarray(x), y).fingerprint == expected
    assert data.Split(x.astype(">f4"), y.astype(">i4")).fingerprint == expected
    assert data.Split(x[::-1], y).fingerprint != expected
    assert data.Split(x, y[::-1]).fingerprint != expected


def test_scaling_makes_one_float_copy_only():
    raw = sources.Raw(np.zeros((500, 32, 32, 3), np.uint8), np.zeros(500, np.uint8))
    tracemalloc.start()
    data._scaled("cifar10", raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * 4 * raw.images.size


def test_import_loads_no_tensorflow():
    code = (
        "import sys; from robint_tf import data; data.load('mnist_sample'); data.load('toy')\n"
        "assert not {'tensorflow', 'keras', 'tensorflow_datasets', 'requests'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_the_beginning_of_the_complete_sets(name, recwarn):
    origin = origin_of(name)
    sample, whole = data.load(name), data.load(origin, data_dir=full(origin), offline=True, n_train=1000, n_test=200)
    for ours, theirs in ((sample.train, whole.train), (sample.test, whole.test)):
        assert np.array_equal(ours.x, theirs.x)
        assert np.array_equal(ours.y, theirs.y)
        assert ours.fingerprint == theirs.fingerprint
    assert sample.class_names == whole.class_names
    assert (whole.order, whole.verified) == ("original", True)
    assert not [w for w in recwarn.list if w.category is UserWarning]


def test_authors_train_on_the_last_55000_images():
    folder = full("fashion_mnist")
    authors = data.load("fashion_mnist", data_dir=folder, offline=True)
    assert authors.train.x.shape == (55000, 28, 28, 1)
    assert authors.test.fingerprint.class_counts == (1000,) * 10
    whole = data.load("fashion_mnist", data_dir=folder, offline=True, all_train=True)
    assert whole.train.fingerprint.class_counts == (6000,) * 10
    assert np.array_equal(whole.train.x[5000:], authors.train.x)
