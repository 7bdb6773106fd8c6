"""Files and settings that would crash, fill the memory, hang, or mix numbers in silence."""

import json
import os
import pickle
import struct

import keras
import pytest

from robint_tf.data import cifar_pickle, tfds_folder
from robint_tf.errors import InputError
from robint_tf.networks.files import cards, models
from robint_tf.runtime import device
from robint_tf.store import leases, packs, results
from robint_tf.store.artifacts import Store


@pytest.mark.parametrize("name", device.SWITCHES)
def test_a_variable_that_changes_arithmetic_is_a_part_of_what_things_are_made_with(monkeypatch, name):
    for other in device.SWITCHES:
        monkeypatch.delenv(other, raising=False)
    assert "environment" not in device.describe()
    monkeypatch.setenv(name, "0")
    assert device.describe()["environment"] == f"{name}=0"


def test_threads_by_the_environment_are_those_that_are_used(monkeypatch):
    monkeypatch.setattr(device.tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert device.describe()["threads"] == 7
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "many")
    assert device.describe()["threads"] == device.n_cores()


def record(length, content):
    return struct.pack("<QI", length, 0) + content


@pytest.mark.parametrize("length", [2**62, 2**35, 101])
def test_a_record_that_leads_beyond_its_file_is_refused_before_tensorflow_reads_it(tmp_path, length):
    (tmp_path / "mnist-train.tfrecord-00000-of-00001").write_bytes(record(length, bytes(104)))
    with pytest.raises(InputError, match="beyond the end"):
        tfds_folder.read(tmp_path, "mnist", "train", n=10, shape=(28, 28, 1))


def test_a_pipe_in_place_of_records_is_refused(tmp_path):
    os.mkfifo(tmp_path / "mnist-train.tfrecord-00000-of-00001")
    with pytest.raises(InputError, match="empty or not files"):
        tfds_folder.read(tmp_path, "mnist", "train", n=10, shape=(28, 28, 1))


def test_a_list_under_many_keys_is_one_array():
    numbers = list(range(1000))
    found = cifar_pickle.read(pickle.dumps({f"k{i}": numbers for i in range(50)}, protocol=2))
    assert len(found) == 50
    assert len({id(array) for array in found.values()}) == 1


@pytest.fixture
def network():
    return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])


def test_a_results_file_in_the_place_of_a_card_is_kept(tmp_path, network):
    other = {"figure": "section_2_2", "numbers": [1, 2]}
    results.write(tmp_path / "m.json", other)
    with pytest.warns(UserWarning, match="kept as"):
        models.save(network, tmp_path / "m.keras", {"spec": {}})
    (kept,) = tmp_path.glob("m.json.kept-*")
    assert json.loads(kept.read_text())["numbers"] == [1, 2]
    assert results.read(tmp_path / "m.json")["model"]["file"] == "m.keras"


def test_a_card_that_names_no_file_is_spoken_of(tmp_path, network):
    network.save(tmp_path / "m.keras")
    results.write(tmp_path / "m.json", {"spec": {}, "clean_accuracy": {"value": 0.9}})
    with pytest.warns(UserWarning, match="does not say of which file"):
        cards.warn_of_another(tmp_path / "m.keras")


def test_a_file_whose_layers_would_fill_the_memory_is_refused(tmp_path):
    layers = [keras.layers.ZeroPadding2D(8000), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    network = keras.Sequential([keras.layers.Input((28, 28, 1)), *layers])
    network.save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="numbers for an image"):
        models.load(tmp_path / "m.keras", x_shape=(28, 28, 1), n_classes=10)


def test_arrays_of_a_pack_are_bounded_together(tmp_path):
    one = {"type": "float64", "shape": [2**20], "zlib": ""}
    entry = {"arrays": {f"a{i}": one for i in range(9)}}
    content = {"figure": None, "mathematics": packs.MATHEMATICS, "entries": [entry]}
    results.write(tmp_path / "p.json", content)
    with pytest.raises(packs.PackError, match="more than the"):
        packs.unpack(tmp_path / "p.json", Store(tmp_path / "store"))


def odd(kind, path):
    {
        "a link to nothing": lambda: path.symlink_to(path.with_name("nothing")),
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "bytes": lambda: path.write_bytes(b"\xff\xfe\x00"),
    }[kind]()


@pytest.mark.filterwarnings("ignore:.*was a folder where a lease belongs")
@pytest.mark.parametrize("kind", ["a link to nothing", "a pipe", "a folder", "bytes"])
def test_something_odd_in_the_place_of_a_lease_lapses_like_one(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(leases, "LAPSE_SECONDS", 0.2)
    path = tmp_path / "key.lease"
    odd(kind, path)
    assert str(leases.holder(path)) == "another process"
    with leases.Lease(path):
        assert leases.holder(path).pid == os.getpid()


def test_a_process_that_may_not_be_looked_at_is_not_dead(monkeypatch):
    def refuse(pid, signum):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(leases.Path, "read_text", lambda self: (_ for _ in ()).throw(PermissionError()))
    monkeypatch.setattr(leases, "_machine", lambda: "here")
    assert not leases.Holder("x", pid=4711, machine="here", started="12").is_dead()
