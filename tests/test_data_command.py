"""`robint data`: what it shows, and its exit code."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_sources import make_raw, write_idx

from robint_tf.catalogue import DATASETS, Block
from robint_tf.data import datasets as data
from robint_tf.data import sources


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder with a tiny MNIST as raw files, known as the published one."""
    raws = {"train": make_raw(20, (28, 28, 1), seed=1), "test": make_raw(6, (28, 28, 1), seed=2)}
    for split, raw in raws.items():
        block = Block(0, len(raw.labels), sources.examples_sha1(raw))
        monkeypatch.setitem(DATASETS["mnist"].published, split, (block,))
    monkeypatch.setitem(DATASETS._things, "mnist", replace(DATASETS["mnist"], held_back=5))
    write_idx(tmp_path / "sets" / "MNIST_data", raws)
    return tmp_path / "sets"


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    """Nothing here may ask the network."""
    import requests

    def unreachable(*args, **kwargs):
        raise requests.ConnectionError

    monkeypatch.setattr("requests.head", unreachable)


def lines_of(output):
    """The table's lines, without the notes after it, by their first word."""
    table = output.split("\n\n")[0].splitlines()
    return {line.split()[0]: line.split() for line in table}


def test_overview_shows_what_is_here_and_how_to_get_the_rest(robint, digits):
    output = robint("data", "--data-dir", digits)
    lines = lines_of(output)
    assert lines["mnist"][1:4] == ["here", "IDX", "files"]
    assert lines["mnist"][-1] == str(digits / "MNIST_data")
    assert lines["cifar10"][1] == "missing"
    assert lines["cifar10-sample"][1] == lines["toy"][1] == "here"
    assert "robint data --download cifar10" in output
    assert "fingerprints" not in output


def test_overview_reads_no_images(robint, digits, monkeypatch):
    monkeypatch.setattr(sources, "read", lambda *args: pytest.fail("images were read"))
    robint("data", "--data-dir", digits)


def test_named_sets_are_read_and_compared(robint, digits):
    lines = lines_of(robint("data", "mnist", "toy", "--data-dir", digits))
    assert list(lines) == ["set", "mnist", "toy"]
    loaded = data.load("mnist", data_dir=digits, offline=True)
    fingerprints = [loaded.train.fingerprint.id, loaded.test.fingerprint.id]
    assert lines["mnist"][4:10] == ["original", "15", "6", *fingerprints, "yes"]


def test_json_holds_the_same(robint, digits):
    rows = json.loads(robint("data", "mnist", "cifar10", "--data-dir", digits, "--json", code=3))
    loaded = data.load("mnist", data_dir=digits, offline=True)
    assert [row["found"] for row in rows] == [True, False]
    assert rows[0]["train"] == loaded.train.fingerprint.as_json()
    assert (rows[0]["verified"], rows[0]["order"], rows[0]["source"]) == (True, "original", "IDX files")
    assert "robint data --download cifar10" in rows[1]["notes"][0]
    rows = json.loads(robint("data", "--data-dir", digits, "--json"))
    assert [row["name"] for row in rows] == list(data.DATASETS)


def test_nothing_is_downloaded_unasked(robint, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "download", lambda *args: pytest.fail("a download was begun"))
    robint("data", "--data-dir", tmp_path)
    robint("data", "cifar10", "--data-dir", tmp_path, code=3)


def test_a_missing_named_set_is_exit_code_3(robint, tmp_path):
    output = robint("data", "toy", "fashion-mnist", "--data-dir", tmp_path / "nowhere", code=3)
    assert lines_of(output)["fashion-mnist"][1] == "missing"
    assert str(tmp_path / "nowhere") in output
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_named_set_is_exit_code_3(robint, digits):
    path = digits / "MNIST_data" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    assert "its header says" in robint("data", "mnist", "--data-dir", digits, code=3)


def test_images_that_differ_from_the_published_ones_are_pointed_out(robint, digits):
    path = digits / "MNIST_data" / "t10k-images-idx3-ubyte"
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[-1] ^= 1
    path.write_bytes(content.tobytes())
    output = robint("data", "mnist", "--data-dir", digits)
    assert lines_of(output)["mnist"][-2] == "no"
    assert "only the first 0 of the 6 test images" in output


def test_unknown_names_get_a_hint(robint):
    assert "did you mean mnist?" in robint("data", "mnits", code=2)


def test_download_without_a_network_is_exit_code_3(robint, tmp_path):
    assert "cannot be reached" in robint("data", "--download", "cifar10", "--data-dir", tmp_path / "sets", code=3)


def test_download_of_what_is_here_only_checks_it(robint, digits):
    assert lines_of(robint("data", "--download", "mnist", "--data-dir", digits))["mnist"][-2] == "yes"


def test_download_and_offline_exclude_each_other(robint):
    assert "leave one out" in robint("data", "--download", "mnist", "--offline", code=2)
