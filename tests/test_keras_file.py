"""Files of networks that want more than to be read: code, other files, or more memory than they take on the disk."""

import io
import json
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend.common.global_state import get_global_attribute

from robint_tf.networks import classifiers
from robint_tf.networks.files import keras_file, models

CONFIG, WEIGHTS = keras_file.CONFIG, keras_file.WEIGHTS


@pytest.fixture
def path(linear_network, tmp_path):
    linear_network.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def repacked(path, *, compression=zipfile.ZIP_STORED, **changes):
    """Pack the file again; `config` and `weights` change these members, `added` is one more."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if "config" in changes:
        config = json.loads(members[CONFIG])
        changes["config"](config)
        members[CONFIG] = json.dumps(config)
    if "weights" in changes:
        file = io.BytesIO(members[WEIGHTS])
        with h5py.File(file, "r+") as weights:
            changes["weights"](weights)
        members[WEIGHTS] = file.getvalue()
    members |= changes.get("members", {})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def first(weights):
    """The group and the name of the first array."""
    names = []
    weights.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return weights[names[0].rpartition("/")[0]], names[0].rpartition("/")[2]


def replaced(**options):
    def change(weights):
        group, name = first(weights)
        del group[name]
        group.create_dataset(name, dtype="f4", **options)

    return change


def linked(link):
    def change(weights):
        group, name = first(weights)
        del group[name]
        group[name] = link

    return change


def layer(**changes):
    """Change the last layer."""
    return lambda config: config["config"]["layers"][-1].update(changes)


def units(n):
    return lambda config: config["config"]["layers"][-1]["config"].update(units=n)


HOSTILE = {
    "compressed": ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
    "a compressed bomb": (
        {"compression": zipfile.ZIP_DEFLATED, "members": {WEIGHTS: bytes(50_000_000)}},
        "is compressed",
    ),
    "another member": ({"members": {"assets/vocabulary.txt": b"a"}}, "it does not hold just"),
    "weights of another kind": ({"members": {"model.weights.npz": b"a"}}, "it does not hold just"),
    "a long configuration": ({"members": {CONFIG: b" " * (2**24 + 1)}}, "its members claim"),
    "a deep configuration": ({"members": {CONFIG: b'{"a": ' + b"[" * 100_000}}, "recursion"),
    "a wide layer": ({"config": units(10**9)}, r"its layers need 40000000000 bytes .* of which it holds \d+"),
    "a Lambda": ({"config": layer(class_name="Lambda")}, r"it names keras\.layers\.Lambda"),
    "a SavedModel": ({"config": layer(class_name="TFSMLayer", config={"filepath": "x"})}, r"keras\.layers\.TFSMLayer"),
    "a vocabulary": ({"config": layer(class_name="TextVectorization")}, r"keras\.layers\.TextVectorization"),
    "a function of Python": (
        {"config": layer(module="os", class_name="function", config="mkdir", registered_name="function")},
        r"it names os\.function",
    ),
    "a function of Keras": (
        {"config": layer(module="keras.utils", class_name="get_file", config={})},
        r"it names keras\.utils\.get_file",
    ),
    "code as text": ({"config": layer(module="builtins", class_name="__lambda__")}, r"it names builtins\.__lambda__"),
    "a link to another file": ({"weights": linked(h5py.ExternalLink("other.h5", "/x"))}, "are a link"),
    "a link within": ({"weights": linked(h5py.SoftLink("/x"))}, "are a link"),
    "an array in another file": (
        {"weights": replaced(shape=(9, 3), external=[("other.bin", 0, 108)])},
        "in a way that Keras does not use",
    ),
    "a compressed array": (
        {"weights": replaced(shape=(10**4, 10**4), compression="gzip", chunks=(10**4, 10**4))},
        "in a way that Keras does not use",
    ),
    "an array that was never written": ({"weights": replaced(shape=(10**6, 10**4))}, r"claim 400000000\d+ bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_wants_more_than_to_be_read_is_refused_in_one_line(path, tmp_path, monkeypatch, case):
    changes, message = HOSTILE[case]
    repacked(path, **changes)
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **options: pytest.fail("Keras was asked"))
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as caught:
        models.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


class OneLayer(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(2)

    def call(self, x):
        return self.layer(x)


def test_keras_does_not_make_the_weights_of_a_refused_file_for_the_next_network(path):
    """It would make all that a scope without values has listed, here 40 GB, before those of a subclassed model."""
    repacked(path, config=units(10**9))
    with pytest.raises(ValueError, match="its layers need"):
        models.load(path)
    assert not get_global_attribute("uninitialized_variables")
    network = OneLayer()
    network(np.zeros((1, 3), np.float32))
    assert [w.shape for w in network.get_weights()] == [(3, 2), (2,)]


def test_a_size_that_the_archive_claims_is_not_believed(path):
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(WEIGHTS.encode()))
    content[entry + 20 : entry + 28] = b"\xff\xff\xff\x7f" * 2  # both sizes in the central directory
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its members claim 214748"):
        models.load(path)


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "model"])
def test_only_files_of_keras_3_are_read(path, name):
    """An HDF5 file of Keras 2 may hold code, which some versions of Keras run even in safe mode."""
    other = path.rename(path.with_name(name))
    with pytest.raises(ValueError, match=r"is in Keras' older format|does not end in \.keras"):
        models.load(other)
    other.rename(path)
    path.rename(path.with_name("content"))
    path.mkdir()
    with pytest.raises(ValueError, match="is not a Keras model"):
        models.load(path)


def functional():
    x = keras.Input((3, 3, 1))
    y = keras.layers.Conv2D(2, 2, activation=keras.activations.relu, kernel_regularizer="l2")(x)
    y = keras.layers.BatchNormalization()(keras.ops.relu(y * 2 + 1))
    y = keras.layers.add([y, keras.layers.Dropout(0.5)(y)])
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(y)))


def preprocessing():
    stack = [keras.layers.Rescaling(0.5), keras.layers.RandomFlip(), keras.layers.Normalization(mean=0, variance=1)]
    return keras.Sequential([keras.layers.Input((3, 3, 1)), *stack, keras.layers.Flatten(), keras.layers.Dense(3)])


@pytest.mark.parametrize("make", [functional, preprocessing])
@pytest.mark.parametrize("trained", [False, True])
def test_the_usual_classifiers_are_read(tmp_path, images, make, trained):
    x, y = images
    network = make()
    if trained:
        keras.utils.set_random_seed(0)
        network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        network.fit(x, y, verbose=0)
    network.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras", x_shape=(3, 3, 1), n_classes=3)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), network.predict(x, verbose=0))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_our_own_classifiers_are_read(tmp_path, precision):
    network = classifiers.build("gaussian_mlp", precision=precision)
    network.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    for ours, theirs in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_classes_that_the_caller_has_registered_are_read(tmp_path):
    @keras.saving.register_keras_serializable(package="mine")
    class Mine(keras.layers.ReLU):
        pass

    stack = [keras.layers.Input((2,)), Mine(), keras.layers.Dense(3)]
    keras.Sequential(stack).save(tmp_path / "model.keras")
    assert models.load(tmp_path / "model.keras").output_shape == (None, 3)
