"""`--data`: evaluate, train, roar and road on one's own images, with a network that has BatchNorm and takes bytes."""

import json
import shlex

import keras
import numpy as np
import pytest

from robint_tf import data, study
from robint_tf.networks import Bounded
from robint_tf.networks.files import cards
from robint_tf.paper.figures import plots
from robint_tf.specs import PGD, Training
from robint_tf.store import results
from robint_tf.study import given
from robint_tf.training import fit_classifier

SHAPE, N_CLASSES = (8, 8, 3), 3


def pictures(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n)
    x = rng.integers(0, 120, (n, *SHAPE))
    for k in range(N_CLASSES):
        x[y == k, ..., k] += 130
    return x.astype(np.uint8), y


@pytest.fixture
def place(tmp_path):
    """Pictures in a file, and a network beside it."""
    (x, y), (x_test, y_test) = pictures(60, 0), pictures(30, 1)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    network = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(N_CLASSES),
        ]
    )
    network.save(tmp_path / "own.keras")
    return tmp_path


OWN = ("--data", "own.npz", "--bounds", "0,255")
EPOCHS = ("--epochs", "1", "--batch-size", "10")


def test_a_network_is_trained_attacked_and_explained_on_own_images(robint, place):
    train = ("train", "own.keras", *OWN, "--epochs", "4", "--batch-size", "10", "--eps", "0.1", "--n-steps", "2")
    said = robint(*train, "--save", "robust.keras")
    assert "epoch 4" in said
    card = json.loads((place / "robust.json").read_text())
    assert card["spec"]["dataset"] == "own"
    assert card["spec"]["architecture"].startswith("custom-")
    saved = keras.saving.load_model(place / "robust.keras")
    assert [type(layer).__name__ for layer in saved.layers][:2] == ["Rescaling", "Conv2D"]
    assert "trained before" in robint(*train, "--save", "robust.keras")
    assert "another network" in robint(*train, "--save", "robust.keras", "--n-train", "50", code=2)
    assert cards.recipe_of(place / "robust.keras")["spec"] == card["spec"]

    said = robint("evaluate", "robust.keras", *OWN, "--eps", "0.1", "--json", "e.json")
    found = json.loads((place / "e.json").read_text())
    x, y = pictures(30, 1)
    right = np.mean(saved.predict(x.astype(np.float32), verbose=0).argmax(axis=-1) == y)
    assert found["evaluations"][0]["accuracy"] == pytest.approx(right)
    assert right > 0.5

    roar = ("roar", "robust.keras", *OWN, *EPOCHS, "--seeds", "1", "--fractions", "0.5", "--json", "r.json")
    said = robint(*roar)
    assert "Remove and Retrain" in said
    assert "(DiffROAR): difference of test accuracies" in said
    assert (place / "r.png").exists()
    found = study.load(place / "r.json")
    assert {row["attribution"] for row in found.table()} == {"gradient", "gradient_x_input", "random"}
    before = (place / "r.json").read_bytes()
    assert "retraining 1 of" not in robint(*roar)
    assert json.loads(before)["accuracies"] == json.loads((place / "r.json").read_text())["accuracies"]
    (place / "r.png").unlink()
    robint("redraw", "r.json")
    assert (place / "r.png").exists()


def test_the_precision_is_that_of_the_layers(robint, place):
    layers = [keras.layers.Input(SHAPE), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    low = keras.Sequential([*layers, keras.layers.Dense(4, "relu", dtype="mixed_bfloat16"), keras.layers.Dense(3)])
    low.save(place / "low.keras")
    said = robint("train", "low.keras", *OWN, *EPOCHS, "--save", "trained.keras", code=2)
    assert "give precision='mixed_bfloat16'" in " ".join(said.split())
    roar = ("roar", "low.keras", *OWN, *EPOCHS, "--seeds", "1", "--fractions", "0.5", "--attribution", "gradient")
    robint(*roar, "--json", "r.json")
    assert json.loads((place / "r.json").read_text())["retraining"]["precision"] == "mixed_bfloat16"


def test_own_networks_are_trained_by_trades(robint, place):
    train = ("train", "own.keras", *OWN, *EPOCHS, "--eps", "0.1", "--n-steps", "2", "--save", "t.keras")
    assert "epoch 1" in robint(*train, "--trades", "6")
    card = json.loads((place / "t.json").read_text())
    assert card["spec"]["trades"] == 6
    assert "--trades 6" in card["provenance"]["command"]
    assert "trained before" in robint(*shlex.split(card["provenance"]["command"])[1:])
    assert "its spec.trades is 6.0, not 1.0" in " ".join(robint(*train, "--trades", "1", code=2).split())
    assert "its spec.trades is 6.0, not none" in " ".join(robint(*train, code=2).split())
    trained = keras.saving.load_model(place / "t.keras")
    images, like = data.load_own(str(place / "own.npz")), keras.saving.load_model(place / "own.keras")
    by_hand = given.untrained(Bounded(like, (0, 255)), None, None, images.train.x)
    attack = PGD(norm="l2", eps=0.1, step_size=2.0, n_steps=2)
    training = Training(epochs=1, batch_size=10)
    fit_classifier(by_hand, images.train.x, images.train.y, training, attack, trades=6, initialise=True)
    for ours, theirs in zip(trained.get_weights(), by_hand.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_roar_of_own_images_is_told_as_of_the_published_ones(robint, place):
    """Names of any length, DiffROAR, and whether attributions add up."""
    roar = ("roar", "own.keras", *OWN, *EPOCHS, "--seeds", "1", "--fractions", "0.5", "--json", "r.json")
    said = robint(*roar, "--attribution", "integrated_gradients:steps=2", "--n-train", "20", "--n-test", "20")
    assert "IG (steps 2): sums over an image are off by" in said
    found = results.read(place / "r.json")
    assert "shape of maps and masks" in said
    assert plots.FIGURES["retraining_curves"](found).get_suptitle().startswith("own.keras, own.npz, 20 test images\n")
    assert found["controls"].keys() == found["diff_roar"].keys()
    assert all(0 <= row["mean_leakage"] <= 1 for row in found["controls"].values())
    ((name, table),) = study.load(place / "r.json").accuracies.items()
    assert found["completeness"].keys() == found["diff_roar"].keys() == {name}
    assert found["diff_roar"][name]["by_fraction"] == pytest.approx(table["keep"][:, 0] - table["remove"][:, 0])
    heads = [line for line in said.splitlines() if line.endswith("50%    score")]
    rows = [line for line in said.splitlines() if line.startswith("IG (steps 2) ") and "%" in line]
    assert len(heads) == 2
    assert {line.index("%") for line in rows} == {line.index("%") for line in heads}


def test_road_of_own_images(robint, place):
    method = "integrated_gradients:steps=3,baseline=zero"
    args = ("road", "own.keras", *OWN, "--n-test", "20", "--attribution", method)
    said = robint(*args, "--fractions", "0.3", "--fractions", "0.6")
    assert "own.keras on 20 images" in said
    head, most, least = said.splitlines()[-4:-1]
    assert head.index("first") == most.index("most") == least.index("least")
    found = results.read(place / "figures" / "road_own.json")
    assert (found["dataset"], found["n_classes"], found["bounds"]) == ("own", N_CLASSES, [0, 255])
    assert "own.npz" in found["data_source"]
    assert "own.keras, own.npz, 20 images" in plots.FIGURES["road"](found).axes[0].get_title()
    network = keras.saving.load_model(place / "own.keras")
    test = data.load_own(str(place / "own.npz"), n_test=20).test
    by_array = study.road(Bounded(network, (0, 255)), test, method, fractions=(0.3, 0.6), variant="authors")
    (name,) = by_array.areas
    (row,) = found["attributions"]
    assert (row["area"], *row["interval"]) == pytest.approx(by_array.areas[name])
    loaded = study.load(place / "figures" / "road_own.json")
    assert (loaded.areas[name], loaded.n_test, loaded.fractions) == ((row["area"], *row["interval"]), 20, (0.3, 0.6))
    assert loaded.accuracy == found["clean"]["accuracy"]
    for order in ("most", "least"):
        assert row[order] == pytest.approx(by_array.accuracies[name][order])
        np.testing.assert_array_equal(loaded.accuracies[name][order], row[order])
    assert study.load(loaded.save(place / "again.json")).table() == loaded.table()
    loaded.plot()


def test_road_of_one_image_has_no_interval(robint, place):
    (x, y), (x_test, y_test) = pictures(6, 0), pictures(1, 1)
    np.savez(place / "single.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    args = ("road", "own.keras", "--data", "single.npz", "--bounds", "0,255", "--fractions", "0.5")
    assert "(one image has no interval)" in robint(*args)
    (row, _) = results.read(place / "figures" / "road_own.json")["attributions"]
    assert row["interval"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("evaluate", "own.keras"), "give --dataset, or --data"),
        (("evaluate", "own.keras", "--data", "own.npz", "--dataset", "toy"), "give one of them"),
        (("evaluate", "own.keras", "--data", "missing.npz"), "neither a folder"),
        (("evaluate", "own.keras", "--data", ""), "names no data set"),
        (("evaluate", "own.keras", "--data", "own.keras"), "has no x_train"),
        (("road", "own.keras", *OWN, "--dataset", "mnist"), "give one of them"),
        (("road", "own.keras", "--data", "missing.npz"), "neither a folder"),
        (("roar", "own.keras", *OWN), "give --epochs"),
        (("roar", "own.keras", "--data", "own.npz", "--dataset", "mnist", *EPOCHS), "give one of them"),
        (("train", "own.keras", *OWN, *EPOCHS, "--trades", "6"), "--trades trains against an attack; add its --eps"),
        (
            ("train", "own.keras", *OWN, *EPOCHS, "--trades", "6", "--eps", "1", "--attack-loss", "cw"),
            "leave --attack-loss out",
        ),
        (("train", "own.keras", *OWN, *EPOCHS, "--trades", "-1", "--eps", "1"), "give a finite number of at least 0"),
        (("train", *OWN, "--epochs", "1"), "the file of a network"),
        (("train", "own.keras", *OWN), "give --epochs"),
        (("train", "own.keras", "--dataset", "toy"), "give --data, or leave it out"),
        (("train", "absent.keras", *OWN, "--epochs", "1"), "does not exist"),
        (("train", "small.keras", *OWN, "--epochs", "1"), "does not fit"),
    ],
)
def test_wrong_input_is_one_line(robint, place, args, message):
    keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]).save(
        place / "small.keras"
    )
    code = 3 if "neither" in message else 2
    said = robint(*args, code=code)
    assert message in " ".join(said.split())
