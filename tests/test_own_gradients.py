"""`robint gradients MODEL`: what it measures at own images, what it keeps, what it refuses; and the same on arrays."""

import json
import shlex

import keras
import numpy as np
import pytest

from robint_tf import data, manifold, study
from robint_tf.errors import InputError
from robint_tf.interpretability import controls
from robint_tf.networks import Bounded, vae_gan
from robint_tf.networks.files import vae_gans
from robint_tf.paper.figures import plots
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import VAEGANSpec, as_dict
from robint_tf.store.artifacts import Store
from robint_tf.study import gradients

SHAPE, N_CLASSES = (8, 8, 3), 3


def pictures(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n)
    x = rng.integers(0, 120, (n, *SHAPE))
    for k in range(N_CLASSES):
        x[y == k, ..., k] += 130
    return x.astype(np.uint8), y


(X_TRAIN, Y_TRAIN), (X, Y) = pictures(40, 0), pictures(30, 1)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([keras.layers.Input(SHAPE), *layers, keras.layers.Dense(N_CLASSES)])


@pytest.fixture
def place(tmp_path, network, monkeypatch):
    """Pictures in a file, and a network beside it; measured ten at a time."""
    np.savez(tmp_path / "own.npz", x_train=X_TRAIN, y_train=Y_TRAIN, x_test=X, y_test=Y)
    network.save(tmp_path / "own.keras")
    monkeypatch.setattr(gradients, "BLOCK", 10)
    return tmp_path


COMMAND = ("gradients", "own.keras", "--data", "own.npz", "--bounds", "0,255")


def test_gradients_at_own_images_are_measured_once_and_drawn(robint, place, network, monkeypatch):
    said = robint(*COMMAND, "--n-test", "20")
    assert "own.keras: loss gradients at 20 test images, of which it gets" in said
    path = place / "figures" / "gradient_measures_own.json"
    before, found = path.read_bytes(), json.loads(path.read_text())
    assert (found["dataset"], found["bounds"], found["provenance"]["variant"]) == ("own", [0, 255], "corrected")
    own = data.load_own(str(place / "own.npz"), n_test=20)
    by_array = study.gradient_measures(Bounded(network, (0, 255)), own.test.x, train=own.train.x)
    loaded = study.load(path)
    assert loaded.values.keys() == by_array.values.keys() == {"sparseness", "smoothness", "rare_share"}
    for name, values in by_array.values.items():
        np.testing.assert_allclose(loaded.values[name], values, rtol=1e-4)
    for row, mean in zip(by_array.scores(), found["means"], strict=True):
        assert mean["mean"] == pytest.approx(row["mean"], rel=1e-4)
        assert f"{row['mean']:.3f}" in said
        assert row["low"] <= row["mean"] <= row["high"]
    assert len(list((place / "store" / "OwnGradientSpec").rglob("manifest.json"))) == 2  # blocks

    monkeypatch.setattr(gradients, "maps_of", None)  # nothing is measured again
    robint(*shlex.split(found["provenance"]["command"])[1:])
    assert path.read_bytes() == before
    robint("redraw", path, "--out", "again")
    assert (place / "again" / "gradient_measures_own.pdf").exists()


@pytest.fixture
def digits(tmp_path):
    """Packaged digits in a file, a network beside it, and a VAE-GAN that has learnt nothing of them."""
    sample = data.load("mnist_sample", offline=True)
    train, test = sample.train.take(20), sample.test.take(6)
    np.savez(tmp_path / "own.npz", x_train=train.x, y_train=train.y, x_test=test.x, y_test=test.y)
    keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]).save(
        tmp_path / "two.keras"
    )
    spec = VAEGANSpec(dataset="own", epochs=1, architecture="mnist")
    card = {"figure": None, "spec": as_dict(spec), "losses": {"discriminator": [0.7]}}
    vae_gans.save(vae_gan.build("mnist"), tmp_path / "vae.keras", card | {"train_data": {"sha256": "of others"}})
    return data.load_own(str(tmp_path / "own.npz"))


def test_gradients_are_measured_along_the_manifold_of_a_vae_gan(robint, tmp_path, digits, monkeypatch):
    model, x = vae_gans.load(tmp_path / "vae.keras"), digits.test.x
    monkeypatch.setattr(vae_gans, "load", lambda path, **shape: model)  # traced once
    command = ("gradients", "two.keras", "--vae-gan", "vae.keras", "--data", "own.npz", "--seed", "3")
    said = " ".join(robint(*command).split())
    assert "too poor to measure anything" in said
    assert "was trained on other images" in said
    path = tmp_path / "figures" / "gradient_measures_two.json"
    before, found = path.read_bytes(), json.loads(path.read_text())
    assert found["vae_gan"]["file"] == "vae.keras"
    assert found["vae_gan"]["health"]["discriminator_loss"] == 0.7
    assert found["problems"]
    assert "tangent share - not valid" in said
    assert "sensitivity ratio - not valid" in said
    assert "smoothness - not valid" not in said
    warning = f"Warning: {path}: its VAE-GAN or projector cannot stand for the manifold"
    assert robint("redraw", path, "--out", "plain", "--plain").count(warning) == 1
    assert robint("compare", path, path).count(warning) == 2
    network = keras.saving.load_model(tmp_path / "two.keras")
    with pytest.warns(UserWarning, match="the VAE-GAN cannot stand for the manifold"):
        by_array = study.gradient_measures(
            network, x, vae_gan=model.model, train=digits.train.x, seed=3, store=tmp_path / "store"
        )
    assert len(list((tmp_path / "store" / "OwnGradientSpec").glob("*/manifest.json"))) == 1  # one recipe on both sides
    loaded = study.load(path)
    for name, values in by_array.values.items():
        np.testing.assert_array_equal(loaded.values[name], values)
    gradient = study.attribute(network, x, reduction="none").values
    ((_, basis),) = manifold.tangent.tangent_bases(model.model, x)
    shares = manifold.gradients.shares_in(basis, gradient)
    np.testing.assert_allclose(by_array.values["tangent_share"], shares, rtol=1e-4)
    ranks = manifold.tangent.ranks_of(basis)
    np.testing.assert_array_equal(loaded.ranks, ranks)
    assert found["rank"] == {"mean": ranks.mean(), "least": ranks.min()}
    assert f"tangent spaces: {ranks.mean():.1f} on average, {ranks.min()} at least" in said
    assert found["chance"]["tangent_share"] == pytest.approx(np.sqrt(ranks / 784).mean())
    directions = manifold.gradients.random_directions(basis, x.shape[1:], seed=3)
    changes = manifold.gradients.sensitivity(network, x, directions).of_means()
    (row,) = [row for row in by_array.scores() if row["measure"] == "sensitivity_ratio"]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((changes[0], *changes[1]), rel=1e-4)
    robint(*shlex.split(found["provenance"]["command"])[1:])
    assert path.read_bytes() == before
    told = plots.FIGURES["gradient_measures"](found).get_suptitle()
    assert told.startswith("two.keras, 6 images: half in the box, 95% in the whiskers\nThe VAE-GAN cannot stand")


def test_a_vae_gan_is_not_judged_by_one_image(robint, tmp_path, digits):
    command = ("gradients", "two.keras", "--vae-gan", "vae.keras", "--data", "own.npz", "--n-test", "1")
    assert "has one test image" in robint(*command, code=2)


def test_an_interrupted_measurement_goes_on(robint, place, monkeypatch):
    measure, made = gradients.maps_of, []

    def stopping(network, x, *args, **settings):
        if len(made) == 2:
            raise Interrupted(2)
        made.append(len(x))
        return measure(network, x, *args, **settings)

    monkeypatch.setattr(gradients, "maps_of", stopping)
    assert "continues from here" in robint(*COMMAND, code=130)
    monkeypatch.setattr(gradients, "maps_of", measure)
    seen = []
    monkeypatch.setattr("robint_experiments.progress.Display.batches", lambda self, *counts: seen.append(counts))
    robint(*COMMAND)
    assert made == [10, 10]
    assert seen == [(10, 10)]


def test_other_loss_images_and_directions_are_other_recipes(place, network):
    store, settings = Store(place / "store"), {"bounds": (0, 255), "store": place / "store"}
    seen = []
    for change in ({}, {"variant": "authors"}, {"train": X_TRAIN}, {"train": X_TRAIN[:30]}, {"seed": 1}, {}):
        study.gradient_measures(network, X[:10], **settings, **change)
        seen.append(len(list((store.root / "OwnGradientSpec").rglob("manifest.json"))))
    assert seen == [1, 2, 3, 4, 5, 5]
    by_network = study.gradient_measures(network, X[:10], **settings)
    alone = study.gradient_measures(network, X[:10], bounds=(0, 255))
    for name, values in alone.values.items():
        np.testing.assert_array_equal(by_network.values[name], values)


def test_measures_that_no_image_has_are_none():
    """Equal logits for all images: no gradient, so neither a shape nor a share of it."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(2, kernel_initializer="zeros")]
    constant = keras.Sequential([keras.layers.Input(SHAPE), *layers])
    found = study.gradient_measures(constant, X[:4], train=X_TRAIN, bounds=(0, 255))
    assert [(row["mean"], row["low"], row["high"]) for row in found.scores()] == 3 * [(None, None, None)]
    found.plot()


def test_one_image_has_no_interval(network):
    found = study.gradient_measures(network, X[:1], bounds=(0, 255))
    assert [(row["low"], row["high"]) for row in found.scores()] == 2 * [(None, None)]
    assert found.scores()[0]["mean"] == pytest.approx(float(found.values["sparseness"][0]))


def test_sparseness_and_smoothness_are_those_of_the_gradient(network):
    maps = study.attribute(network, X[:5], "gradient", bounds=(0, 255)).values
    found = study.gradient_measures(network, X[:5], bounds=(0, 255))
    np.testing.assert_allclose(found.values["sparseness"], controls.gini(maps), rtol=1e-5)
    np.testing.assert_allclose(found.values["smoothness"], controls.moran(maps), rtol=1e-5)


def test_large_images_have_no_rare_share(robint, place, network, monkeypatch):
    monkeypatch.setattr(gradients, "MOST_VALUES", 191)
    with pytest.raises(InputError, match="an image has 192 values"):
        study.gradient_measures(network, X, train=X_TRAIN, bounds=(0, 255))
    said = " ".join(robint(*COMMAND, "--n-test", "10").split())
    assert "no rare share: an image has 192 values" in said
    found = json.loads((place / "figures" / "gradient_measures_own.json").read_text())
    assert found["values"].keys() == {"sparseness", "smoothness"}
    assert found["train_data"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--data", "own.npz"), "--data is of your own network; add its file"),
        (("--vae-gan", "vae.keras"), "--vae-gan is of your own network"),
        (("--bounds", "0,1"), "--bounds is of your own network"),
        (("--seed", "1"), "--seed is of your own network"),
        (("--dataset", "toy"), "choose one of mnist, fashion_mnist, cifar10"),
        (("--dataset", "mnist-sample"), "or name your own network"),
        (("own.keras", "--data", "own.npz", "--preset", "smoke"), "--preset is of the networks of section-2-1"),
        (("own.keras", "--data", "own.npz", "--dataset", "mnist"), "give one of them"),
        (("own.keras", "--dataset", "toy"), "toy has no pixels"),
        (("own.keras", "--data", "missing.npz"), "neither a folder"),
        (("absent.keras", "--data", "own.npz"), "does not exist"),
        (("own.keras", "--data", "own.npz", "--vae-gan", "own.keras"), "names no recipe"),
        (("own.keras", "--dataset", "mnist-sample"), "does not fit"),
    ],
)
def test_wrong_input_is_one_line(robint, place, args, message):
    said = robint("gradients", *args, code=3 if "neither" in message else 2)
    assert message in " ".join(said.split())
