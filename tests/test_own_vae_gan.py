"""VAE-GANs for square images of one's own, their files, and distances of attacks to the manifold."""

import json
import os
import shutil
import signal
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from robint_tf import data, recipes, study
from robint_tf.catalogue import OWN, VAE_GANS
from robint_tf.data.arrays import from_splits, split
from robint_tf.errors import InputError
from robint_tf.manifold import Health
from robint_tf.networks import vae_gan, vae_gan_networks
from robint_tf.networks.files import cards, models, vae_gans
from robint_tf.networks.layers import Block
from robint_tf.networks.vae_gan_networks import networks_for, settings_for, square_name
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import PGD, ClassifierSpec, Training, VAEGANSpec, as_dict, from_dict
from robint_tf.store.artifacts import Store
from robint_tf.training import loop

N_CLASSES = 3


def pictures(n, seed, shape=(28, 28, 1)):
    """Stripes: each class is bright in rows of its own."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_CLASSES
    x = rng.integers(0, 60, (n, *shape))
    for k in range(N_CLASSES):
        x[y == k, 9 * k : 9 * k + 9] += 190
    return x.astype(np.uint8), y


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 31, 32, 40, 64])
def test_there_is_a_vae_gan_for_every_square_shape(size, channels):
    shape = (size, size, channels)
    name = square_name(shape)
    parts = networks_for(name, replace(settings_for(name), latent_dim=4))
    x = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype("float32")
    latent = parts["encoder"](x)
    assert latent.shape == (2, 8)
    made = parts["decoder"](latent[:, :4])
    assert made.shape == x.shape
    assert np.abs(made).max() <= 1
    realness = np.asarray(parts["discriminator"](x))
    assert realness.shape == (2, 1)
    assert ((realness > 0) & (realness < 1)).all()


@pytest.mark.parametrize(("size", "least"), [(28, 7), (31, 8), (32, 4), (33, 5), (48, 6), (63, 8), (64, 4)])
def test_the_smallest_map_is_as_small_in_both_networks(size, least):
    name = square_name((size, size, 3))
    record, settings = VAE_GANS[name], settings_for(name)
    reshape = next(layer for layer in record.decoder(settings) if layer.name == "reshape")
    assert reshape.target_shape[:2] == (least, least)
    shape = (None, size, size, 3)
    layers = record.discriminator(settings)
    for layer in layers[: layers.index(next(block for block in layers if block.name == "flatten"))]:
        shape = layer.compute_output_shape(shape)
    assert shape[1:3] == (least, least)


def test_at_its_shape_it_is_that_of_cifar10():
    for variant in ("authors", "paper", "corrected"):
        assert settings_for("square@32x3", variant) == settings_for("cifar10", variant)
    settings = replace(settings_for("cifar10"), latent_dim=4)
    ours, theirs = (networks_for(name, settings, seed=3) for name in ("square@32x3", "cifar10"))
    for part in ours:
        a, b = ours[part].blocks, theirs[part].blocks
        assert [(type(block), block.name) for block in a] == [(type(block), block.name) for block in b]
        for x, y in zip(ours[part].get_weights(), theirs[part].get_weights(), strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_weight_of_the_reconstruction_follows_the_number_of_values():
    found = settings_for("square@64x1")
    assert found.reconstruction_weight == pytest.approx(settings_for("cifar10").reconstruction_weight * 3 / 4)


def test_seeds_and_layers_with_weights_are_told_by_their_positions():
    """Of a shape that is cut: the layer that cuts has no weights and no number."""
    blocks = networks_for("square@40x3", replace(settings_for("square@40x3"), latent_dim=4))["decoder"].blocks
    names = [block.name for block in blocks if isinstance(block, Block)]
    assert names == ["dense1", "deconv2", "deconv3", "deconv4", "conv5"]


@pytest.mark.parametrize("shape", [(27, 27, 1), (65, 65, 3), (32, 40, 3), (32, 32, 2), (32, 32, 4), (2,), (32, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="square ones of 28 to 64 pixels with 1 or 3 channels"):
        square_name(shape)


@pytest.mark.parametrize("name", ["square@27x1", "square@32x2", "square@x", "square@", "square@32", "square@32x3x3"])
def test_a_recipe_of_another_shape_is_refused_when_it_is_built(name):
    with pytest.raises(InputError, match="square ones of 28 to 64 pixels"):
        vae_gan.build(name)


def test_a_shape_has_one_name_and_nobody_else_takes_it():
    with pytest.raises(InputError, match="write square@32x3"):
        vae_gan.build("square@032x3")
    with pytest.raises(InputError, match="comes with the package"):
        VAE_GANS.register("square", VAE_GANS["mnist"], version="40x3")
    recipe = VAEGANSpec(dataset=OWN, epochs=1, architecture="square@40x3")
    assert from_dict(as_dict(recipe)) == recipe
    assert VAE_GANS["square@40x3"] is VAE_GANS["square@40x3"]


@pytest.fixture(scope="module")
def narrow():
    """VAE-GANs with few channels, which are trained in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae_gan_networks, "_features", lambda level: 8)
        yield


@pytest.fixture(scope="module")
def own():
    """A data set of one's own in memory."""
    (x, y), (x_test, y_test) = pictures(6, 0), pictures(6, 1)
    return from_splits(OWN, train=split(x, y), test=split(x_test, y_test))


SPEC = VAEGANSpec(dataset=OWN, epochs=2, batch_size=3, architecture="square@28x1")


@pytest.fixture(scope="module")
def trained(own, narrow, tmp_path_factory):
    return recipes.trained_vae_gan(SPEC, own, Store(tmp_path_factory.mktemp("store")))


def test_a_training_that_was_stopped_continues_to_the_same_weights(own, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)

    def stop(position):
        if (position.epoch, position.batch) == (1, 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        recipes.trained_vae_gan(SPEC, own, Store(tmp_path), progress=stop)
    seen = []
    resumed = recipes.trained_vae_gan(SPEC, own, Store(tmp_path), progress=seen.append)
    assert (seen[0].epoch, seen[0].batch) == (2, 1)
    assert resumed.losses == trained.losses
    for a, b in zip(resumed.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def saved(trained, own, tmp_path_factory):
    """The file of a VAE-GAN."""
    path = tmp_path_factory.mktemp("saved") / "vae.keras"
    card = {"figure": None, "spec": as_dict(SPEC), "losses": trained.losses}
    vae_gans.save(trained.model, path, card | {"train_data": own.train.fingerprint.as_json()})
    return path


def test_a_vae_gan_comes_back_from_its_file_with_recipe_and_data(saved, trained, own):
    found = vae_gans.load(saved, x_shape=(28, 28, 1))
    assert found.spec == SPEC
    assert found.train_data["sha256"] == own.train.fingerprint.sha256
    assert found.discriminator_loss == trained.losses["discriminator"][-1]
    x = own.test.x
    np.testing.assert_array_equal(found.model.reconstruct(x, z="mean"), trained.model.reconstruct(x, z="mean"))
    for a, b in zip(found.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert saved.stat().st_size < 1.1 * 4 * trained.model.count_params()  # without the optimisers' two copies


def test_the_study_takes_it_as_a_projector(saved, own):
    model = vae_gans.load(saved).model
    network = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    attack = PGD(norm="l2", eps=1.0, step_size=1.0, n_steps=1)
    with pytest.warns(UserWarning, match="cannot stand for the manifold"):
        found = study.manifold_distance(network, model, own.test.x, own.test.y, attack)
    assert found.clean.shape == (6,)


def test_a_lost_or_foreign_card_leaves_the_discriminator_unjudged(saved, tmp_path):
    path = tmp_path / "vae.keras"
    shutil.copy(saved, path)
    assert vae_gans.load(path).discriminator_loss is None
    vae_gan_card = json.loads(cards.card_path(saved).read_text())
    models.cards.write_card(path, {"losses": {"discriminator": "none"}})
    assert vae_gan_card["losses"]
    assert vae_gans.load(path).discriminator_loss is None


def altered(path, to, comment):
    """A copy of a file that names another recipe."""
    shutil.copy(path, to)
    with zipfile.ZipFile(to, "a") as archive:
        archive.comment = json.dumps(comment).encode()
    return to


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "names no recipe"),
        ([1], "names no recipe"),
        (as_dict(ClassifierSpec(dataset="mnist", training=Training(epochs=1))), "the recipe of a ClassifierSpec"),
        ({"kind": "VAEGANSpec"}, "that can be loaded"),
        ({"kind": "VAEGANSpec", "dataset": OWN, "epochs": 1, "architecture": "square@99x1"}, "square ones of 28 to 64"),
        ({"kind": "VAEGANSpec", "dataset": OWN, "epochs": 1, "architecture": "theirs@1"}, "that can be loaded"),
        ({"kind": "VAEGANSpec", "dataset": OWN, "epochs": 1, "architecture": "square@64x3"}, "that can be loaded"),
        ({"kind": "VAEGANSpec", "dataset": OWN, "epochs": "many"}, "that can be loaded"),
    ],
)
def test_what_is_no_vae_gan_is_refused_in_one_line(saved, tmp_path, spec, message):
    path = altered(saved, tmp_path / "other.keras", {"robint_tf": {"spec": spec}})
    with pytest.raises(InputError, match=message) as refused:
        vae_gans.load(path)
    assert "\n" not in str(refused.value)


def test_files_that_are_cut_off_or_not_there_are_refused(saved, tmp_path):
    path = tmp_path / "cut.keras"
    path.write_bytes(saved.read_bytes()[:-1000])
    with pytest.raises(InputError, match="names no recipe"):
        vae_gans.load(path)
    with pytest.raises(InputError, match="is not a file"):
        vae_gans.load(tmp_path)
    with pytest.raises(InputError, match="is not a file"):
        vae_gans.load(tmp_path / "absent.keras")
    with pytest.raises(InputError, match=r"takes images of shape \(28, 28, 1\), the data set has \(32, 32, 3\)"):
        vae_gans.load(saved, x_shape=(32, 32, 3))


def test_a_vae_gan_is_no_classifier(saved):
    with pytest.raises(InputError, match="holds a VAE-GAN; name the file of a classifier"):
        models.load(saved)


@pytest.fixture
def place(tmp_path):
    """Pictures in a file, and two networks beside it, that do not know them."""
    (x, y), (x_test, y_test) = pictures(6, 0), pictures(6, 1)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    for name in ("one", "two"):
        layers = [keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(N_CLASSES)]
        network = keras.Sequential(layers)
        rows = np.zeros((28, 28, N_CLASSES))
        for k in range(N_CLASSES):
            rows[9 * k : 9 * k + 9, :, k] = 0.01 if name == "one" else 0.02
        network.set_weights([rows.reshape(784, N_CLASSES), np.zeros(N_CLASSES)])
        network.save(tmp_path / f"{name}.keras")
    return tmp_path


TRAIN = ("vae-gan", "train", "--data", "own.npz", "--epochs", "1", "--batch-size", "6", "--save", "vae.keras")
DISTANCE = ("distance", "one.keras", "two.keras", "--vae-gan", "vae.keras", "--data", "own.npz")
ATTACK = ("--norm", "l2", "--eps", "60", "--step-size", "30", "--n-steps", "3", "--json", "d.json")


def test_a_vae_gan_is_trained_and_distances_to_its_manifold_are_measured(robint, place, narrow, monkeypatch):
    said = robint(*TRAIN)
    assert "too poor to measure anything" in said
    card = json.loads((place / "vae.json").read_text())
    assert card["spec"] == as_dict(VAEGANSpec(dataset=OWN, epochs=1, batch_size=6, architecture="square@28x1"))
    assert card["problems"]
    assert card["provenance"]["command"].startswith("robint vae-gan train --save vae.keras --epochs 1")
    assert "another network" in robint(*TRAIN, "--seed", "1", code=2)

    monkeypatch.setattr(Health, "problems", [])  # of a VAE-GAN that has seen more than six images
    monkeypatch.setattr(loop, "train", None)  # nothing is trained again
    said = robint(*DISTANCE, *ATTACK)
    assert "nearer than one" in said
    found = json.loads((place / "d.json").read_text())
    model = vae_gans.load(place / "vae.keras").model
    x = data.load_own(str(place / "own.npz")).test.x
    delta = x - model.reconstruct(x, z="mean").numpy()
    assert found["clean"]["mean"] == pytest.approx(np.sqrt((delta.reshape(6, -1) ** 2).sum(axis=1)).mean(), rel=1e-5)
    one, two = found["networks"]
    assert found["health"]["discriminator_loss"] == pytest.approx(card["losses"]["discriminator"][-1], abs=1e-4)
    low, high = one["mean_interval"]
    assert low <= one["mean"] <= high
    assert one["n"] == two["n"] == two["nearer_than"]["n"] == 6
    attacked = {name: np.array(found["plot"][name]["values"]) for name in ("one", "two")}
    assert two["nearer_than"]["share"] == np.mean(attacked["two"] < attacked["one"])
    assert (place / "d.png").exists()
    loaded = study.load(place / "d.json")
    for name, values in attacked.items():
        np.testing.assert_array_equal(loaded.distances[name], values)
    assert len(loaded.table()) == 3 * 6
    assert loaded.clean["mean"] == found["clean"]["mean"]
    assert [row["mean"] for row in loaded.networks] == [one["mean"], two["mean"]]
    assert study.load(loaded.save(place / "again.json")).table() == loaded.table()
    assert loaded.plot().axes[0].get_title() == found["attack"]
    for name in ("d", "vae"):
        (place / f"{name}.png").unlink()
    robint("redraw", "d.json", "vae.json")
    assert (place / "d.png").exists()
    assert (place / "vae.png").exists()


def test_a_vae_gan_that_is_too_poor_gives_no_verdict(robint, place, saved, narrow):
    """Nor does one without its card know about its discriminator; it was trained on other images, too."""
    shutil.copy(saved, place / "vae.keras")
    (x, y), (x_test, y_test) = pictures(6, 2), pictures(6, 1)
    np.savez(place / "own.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    said = " ".join(robint(*DISTANCE, *ATTACK).split())
    assert "was trained on other images" in said
    assert "its card is not beside it" in said
    assert "too poor to measure anything" in said
    assert "no verdict on distances; successful attacks on one 6, two 6" in said
    assert "nearer than one" not in said
    found = json.loads((place / "d.json").read_text())
    assert [row["nearer_than"] for row in found["networks"]] == [None, None]
    assert found["problems"]
    assert found["health"]["discriminator_loss"] is None
    robint("redraw", "d.json", "--out", "told", "--format", "svg")
    robint("redraw", "d.json", "--out", "plain", "--format", "svg", "--plain")
    assert "l2 PGD" in (place / "told" / "d.svg").read_text()
    assert "l2 PGD" not in (place / "plain" / "d.svg").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("vae-gan", "train"), "give --dataset, or --data"),
        (("vae-gan", "look", "--data", "own.npz"), "'look' is not 'train'"),
        (("vae-gan", "train", "--data", "own.npz"), "give --epochs"),
        (("vae-gan", "train", "--dataset", "toy"), "toy has no pixels"),
        (("vae-gan", "train", "--data", "own.npz", "--epochs", "1", "--save", "v.h5"), "does not end in .keras"),
        (("vae-gan", "train", "--data", "wide.npz", "--epochs", "1"), "square ones of 28 to 64 pixels"),
        (("vae-gan", "train", "--data", "single.npz", "--epochs", "1"), "has one test image"),
        (("gradients", "one.keras", "--vae-gan", "v.keras", "--data", "own.npz"), "is not a file"),
        (("distance", "one.keras", "--data", "own.npz", "--eps", "1"), "Missing option '--vae-gan'"),
        (("distance", "--vae-gan", "one.keras", "--data", "own.npz", "--eps", "1"), "Missing argument 'MODEL...'"),
        (("distance", "one.keras", "--vae-gan", "one.keras", "--data", "own.npz"), "give --eps"),
        (("distance", "one.keras", "--vae-gan", "one.keras", "--data", "own.npz", "--eps", "1"), "names no recipe"),
        (("distance", "one.keras", "one.keras", "--vae-gan", "v.keras", "--data", "own.npz", "--eps", "1"), "twice"),
        (("distance", "one.keras", "--vae-gan", "v.keras", "--data", "single.npz", "--eps", "1"), "has one test image"),
        (("distance", "one.keras", "--vae-gan", "v.keras", "--data", "own.npz", "--eps", "1"), "is not a file"),
    ],
)
def test_wrong_input_is_one_line(robint, place, args, message):
    x, y = pictures(6, 0, (32, 28, 3))
    np.savez(place / "wide.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    x, y = pictures(6, 0)
    np.savez(place / "single.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    said = robint(*args, code=2)
    assert message in " ".join(said.split())
