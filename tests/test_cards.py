"""Saved networks and their cards: published as one, bound by a hash, repaired by the command that was killed."""

import hashlib
import os

import keras
import pytest

from robint_tf.networks.files import cards, models
from robint_tf.specs import ClassifierSpec, Training, as_dict
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


def test_a_file_of_the_users_in_the_cards_place_is_kept(linear_network, tmp_path):
    (tmp_path / "m.json").write_text('{"mine": 1}')
    with pytest.warns(UserWarning, match="it is kept as"):
        models.save(linear_network, tmp_path / "m.keras", {"figure": None, "spec": None})
    (kept,) = tmp_path.glob("m.json.kept-*")
    assert kept.read_text() == '{"mine": 1}'
