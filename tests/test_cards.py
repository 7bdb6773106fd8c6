"""Saved networks and their cards: published as one, bound by a hash, repaired by the command that was killed."""

import dataclasses
import hashlib
import os

import keras
import pytest

from robint_tf.data import datasets
from robint_tf.networks.files import cards, models
from robint_tf.specs import MATHEMATICS, ClassifierSpec, Training, as_dict
from robint_tf.store import results

TRAIN = ["train", "--dataset", "toy", "--epochs", "1", "--n-train", "100", "--save", "m.keras"]


def recipe(seed):
    return as_dict(ClassifierSpec(dataset="toy", training=Training(epochs=1, seed=seed), n_train=100))


class KilledError(BaseException):
    """Nothing after it runs, and nothing catches it."""


def fits(folder):
    """Whether the card is that of the file: by the hash and by the recipe."""
    card = results.read(folder / "m.json")
    same = card["model"]["sha256"] == hashlib.sha256((folder / "m.keras").read_bytes()).hexdigest()
    return same and card["spec"] == named(folder / "m.keras")


def named(path):
    """The spec that a file names as its own."""
    return cards.recipe_of(path)["spec"]


def kill(monkeypatch, moment):
    """Have the next writing of a network and its card end at a moment."""
    replace, seen = os.replace, []

    def replaced(source, target):
        if str(target).endswith(("m.keras", "m.json")):
            seen.append(target)
            if len(seen) == {"file": 1, "card": 2}.get(moment.split()[1]) and moment.startswith("before"):
                raise KilledError
        replace(source, target)
        if str(target).endswith("m.keras") and moment == "after file":
            raise KilledError

    monkeypatch.setattr(os, "replace", replaced)
    if moment == "while network":
        monkeypatch.setattr(keras.Model, "save", lambda *args: (_ for _ in ()).throw(KilledError))


@pytest.mark.parametrize("moment", ["while network", "before file", "after file", "before card"])
@pytest.mark.parametrize("replaces", [False, True])
def test_no_moment_leaves_a_card_beside_another_network(linear_network, tmp_path, monkeypatch, moment, replaces):
    path, old, new = tmp_path / "m.keras", recipe(seed=0), recipe(seed=1)
    if replaces:
        models.save(linear_network, path, {"figure": None, "spec": old})
    with monkeypatch.context() as patch:
        kill(patch, moment)
        with pytest.raises(KilledError):
            models.save(linear_network, path, {"figure": None, "spec": new})
    if moment in ("after file", "before card"):
        assert named(path) == new
        assert not (tmp_path / "m.json").exists()
    elif replaces:
        assert named(path) == old
        assert not (tmp_path / "m.json").exists() or fits(tmp_path)
    else:
        assert not list(tmp_path.iterdir())
    models.save(linear_network, path, {"figure": None, "spec": new})
    assert fits(tmp_path)
    assert named(path) == new


def test_a_killed_train_is_repaired_by_its_repeat(robint, tmp_path, monkeypatch):
    for args in (TRAIN, [*TRAIN, "--seed", "1", "--overwrite"]):
        with monkeypatch.context() as patch:
            kill(patch, "after file")
            with pytest.raises(KilledError):
                robint(*args)
        assert not (tmp_path / "m.json").exists()
        robint(*[a for a in args if a != "--overwrite"])  # the file is this network's already
        assert fits(tmp_path)


def test_a_card_says_whether_its_data_are_the_published_ones(robint, tmp_path, monkeypatch):
    load = datasets.load

    def unverified(name, **options):
        return dataclasses.replace(load(name, **options), verified=False, verified_test=1000)

    robint(*TRAIN)
    card = results.read(tmp_path / "m.json")
    assert (card["test_data_verified"], card["test_images_verified"]) == (True, None)
    monkeypatch.setattr("robint_tf.data.load", unverified)
    robint(*TRAIN)
    card = results.read(tmp_path / "m.json")
    assert (card["test_data_verified"], card["test_images_verified"]) == (False, 1000)


def test_the_recipe_in_a_file_is_nothing_to_keras(linear_network, tmp_path):
    path = tmp_path / "m.keras"
    models.save(linear_network, path, {"figure": None, "spec": recipe(seed=3)})
    assert named(path) == recipe(seed=3)
    loaded = models.load(path)
    assert cards.card_path(path).exists()
    loaded.save(path)  # by Keras, as another network
    assert cards.recipe_of(path) is None
    with pytest.warns(UserWarning, match="is not the card of"):
        models.load(path)


def test_a_file_that_names_no_recipe_holds_another_network(robint, tmp_path, linear_network):
    linear_network.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()
    assert "holds another network" in robint(*TRAIN, code=2)
    (tmp_path / "m.keras").write_bytes(b"cut off")
    assert "holds another network" in robint(*TRAIN, code=2)
    (tmp_path / "m.keras").write_bytes(before)
    robint(*TRAIN, "--overwrite")
    assert fits(tmp_path)


def test_a_file_trained_on_other_data_or_by_other_mathematics_is_neither_replaced_nor_taken_for_found(
    robint, tmp_path, monkeypatch
):
    robint(*TRAIN)
    before = (tmp_path / "m.keras").read_bytes()
    load = datasets.load

    def other(name, **options):
        found = load(name, **options)
        return dataclasses.replace(found, train=datasets.Split(-found.train.x, found.train.y))

    with monkeypatch.context() as patch:
        patch.setattr("robint_tf.data.load", other)
        text = robint(*TRAIN, code=2)
    assert "m.keras holds another network: its train_data.sha256 is " in text
    with monkeypatch.context() as patch:
        patch.setattr("robint_experiments.commands.train.MATHEMATICS", MATHEMATICS + 1)
        text = robint(*TRAIN, code=2)
    assert f"holds another network: its mathematics is {MATHEMATICS}, not {MATHEMATICS + 1}; give --save" in text
    text = robint(*TRAIN, "--learning-rate", "0.5", "--bounds", "0,255", code=2)
    assert "its spec.training.learning_rate is 0.001, not 0.5, its bounds is [-1, 1], not [0.0, 255.0]; give" in text
    assert "it names no spec.attack; give" in robint(*TRAIN, "--eps", "0.1", code=2)
    assert (tmp_path / "m.keras").read_bytes() == before
    cards.name_recipe(tmp_path / "m.keras", {"spec": recipe(seed=0), "bounds": [-1, 1]})  # as before data were named
    assert "it names no mathematics; give" in robint(*TRAIN, code=2)
    robint(*TRAIN, "--overwrite")
    assert "trained before" in robint(*TRAIN)


def test_a_file_of_the_users_in_the_cards_place_is_kept(linear_network, tmp_path):
    (tmp_path / "m.json").write_text('{"mine": 1}')
    with pytest.warns(UserWarning, match="it is kept as"):
        models.save(linear_network, tmp_path / "m.keras", {"figure": None, "spec": None})
    (kept,) = tmp_path.glob("m.json.kept-*")
    assert kept.read_text() == '{"mine": 1}'
