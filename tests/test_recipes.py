from dataclasses import replace

import numpy as np

from robint_tf import classifiers, data, recipes, training
from robint_tf.artifacts import Store
from robint_tf.specs import ClassifierSpec, Training

SPEC = ClassifierSpec(dataset="toy", training=Training(epochs=1, seed=3))


def count_trainings(monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        return training.fit_classifier(*args, **kwargs)

    monkeypatch.setattr(recipes, "fit_classifier", counted)
    return calls


def test_a_classifier_is_trained_once_and_comes_back_the_same(tmp_path, monkeypatch):
    calls = count_trainings(monkeypatch)
    toy = data.load("toy")
    first = recipes.classifier(SPEC, toy, Store(tmp_path))
    spare = classifiers.build("gaussian_mlp", seed=77)
    again = recipes.classifier(SPEC, toy, Store(tmp_path), network=spare)
    assert len(calls) == 1
    assert again.network is spare
    for a, b in zip(first.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.epoch_loss == again.epoch_loss
    assert len(first.epoch_loss) == len(first.epoch_accuracy) == 1


def test_other_data_or_another_recipe_is_another_network(tmp_path, monkeypatch):
    calls = count_trainings(monkeypatch)
    toy, other = data.toy(), data.toy(seed=1)
    recipes.classifier(SPEC, toy, Store(tmp_path))
    recipes.classifier(SPEC, other, Store(tmp_path))
    recipes.classifier(replace(SPEC, n_train=100), toy, Store(tmp_path))
    recipes.classifier(replace(SPEC, variant="paper"), toy, Store(tmp_path))
    assert len(calls) == 4


def test_a_smaller_training_set_is_the_first_images_of_the_whole(tmp_path):
    toy = data.load("toy")
    few = replace(toy, train=toy.train.take(100))
    spec = replace(SPEC, n_train=100)
    a = recipes.classifier(spec, toy, Store(tmp_path / "a")).network.get_weights()
    b = recipes.classifier(spec, few, Store(tmp_path / "b")).network.get_weights()
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
