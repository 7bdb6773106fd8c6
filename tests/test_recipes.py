from dataclasses import replace

import keras
import numpy as np
import pytest

from robint_tf import recipes
from robint_tf.attacks import pgd as attacks
from robint_tf.data import datasets as data
from robint_tf.manifold import distance as manifold
from robint_tf.networks import classifiers
from robint_tf.networks.vae_gan import PARTS
from robint_tf.specs import PGD, ClassifierSpec, DistanceSpec, Training, VAEGANSpec
from robint_tf.store.artifacts import Store
from robint_tf.training import classifier as training

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
    spare = classifiers.build("gaussian_mlp", seed=77)  # another object of the same architecture
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


def test_a_recipe_with_trades_trains_by_trades(tmp_path):
    toy, attack = data.load("toy"), PGD(norm="l2", eps=0.2, step_size=0.1, n_steps=2)
    spec = replace(SPEC, attack=attack, trades=6, n_train=200)
    found = recipes.classifier(spec, toy, Store(tmp_path))
    network, train = recipes.build(spec), toy.train.take(200)
    history = training.fit_classifier(network, train.x, train.y, spec.training, attack, trades=6)
    assert found.epoch_loss == history.loss
    for ours, theirs in zip(found.network.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with recipes.Networks(toy, Store(tmp_path)).lend(spec) as lent:
        np.testing.assert_array_equal(lent.get_weights()[0], network.get_weights()[0])


def test_a_smaller_training_set_is_the_first_images_of_the_whole(tmp_path):
    toy = data.load("toy")
    few = replace(toy, train=toy.train.take(100))
    spec = replace(SPEC, n_train=100)
    a = recipes.classifier(spec, toy, Store(tmp_path / "a")).network.get_weights()
    b = recipes.classifier(spec, few, Store(tmp_path / "b")).network.get_weights()
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


VAE_GAN = VAEGANSpec(dataset="mnist_sample", epochs=1, batch_size=4, n_train=8)


def test_a_vae_gan_is_trained_once_and_comes_back_the_same(tmp_path, monkeypatch):
    digits = data.load("mnist_sample", offline=True)
    first = recipes.trained_vae_gan(VAE_GAN, digits, Store(tmp_path))
    monkeypatch.setattr(recipes, "fit_vae_gan", None)
    again = recipes.trained_vae_gan(VAE_GAN, digits, Store(tmp_path))
    assert first.losses == again.losses
    x = digits.test.x[:3]
    np.testing.assert_array_equal(first.model.reconstruct(x), again.model.reconstruct(x))
    for part in PARTS:
        for a, b in zip(getattr(first.model, part).variables, getattr(again.model, part).variables, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_distances_are_those_of_their_definition_and_are_measured_once(tmp_path):
    digits, store = data.load("mnist_sample", offline=True), Store(tmp_path)
    vae_gan = recipes.trained_vae_gan(VAE_GAN, digits, store).model
    standard = ClassifierSpec(dataset="mnist_sample", training=Training(epochs=1, batch_size=20), n_train=100)
    robust = replace(standard, attack=PGD(norm="l2", eps=2.0, step_size=2.0, n_steps=1))
    networks = {s: recipes.classifier(s, digits, store).network for s in (standard, robust)}
    lenders = recipes.Networks(digits, store)
    attack = PGD(norm="l2", eps=12.0, step_size=4.0, n_steps=4)
    asked = []

    def projector(spec):
        asked.append(spec)
        return recipes.trained_vae_gan(spec, digits, store)

    spec = DistanceSpec(classifier=robust, reference=standard, vae_gan=VAE_GAN, attack=attack, n_test=6, seed=5)
    found = recipes.distances(spec, lenders, projector, batch_size=4)
    again = recipes.distances(spec, lenders, projector)
    assert asked == [VAE_GAN]
    x, y = digits.test.x[:6], digits.test.y[:6]
    attacked = attacks.attack_dataset(networks[robust], x, y, attack)
    mean = vae_gan.reconstruct(attacked.x_adv, z="mean").numpy()
    expected = np.linalg.norm((attacked.x_adv - mean).reshape(6, -1), axis=1)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-4)
    sampled = manifold.distances(manifold.Projector(vae_gan, seed=5), attacked.x_adv, batch_size=4)
    np.testing.assert_allclose(found.sampled, sampled, rtol=1e-4)
    reference = networks[standard]
    changed = manifold.changed(attacks.predict(reference, x), attacks.predict(reference, attacked.x_adv))
    np.testing.assert_array_equal(found.changed, changed)
    np.testing.assert_array_equal(found.own_changed, manifold.changed(attacked.clean_logits, attacked.logits))
    np.testing.assert_array_equal(found.labels, attacked.logits.argmax(axis=-1))
    np.testing.assert_allclose(found.shown, attacked.x_adv, atol=1e-5)
    np.testing.assert_array_equal(found.sampled, again.sampled)


def test_distances_of_the_test_images_need_no_attack(tmp_path):
    digits, store = data.load("mnist_sample", offline=True), Store(tmp_path)
    vae_gan = recipes.trained_vae_gan(VAE_GAN, digits, store)
    standard = ClassifierSpec(dataset="mnist_sample", training=Training(epochs=0))
    networks = recipes.Networks(digits, store)
    spec = DistanceSpec(classifier=standard, reference=standard, vae_gan=VAE_GAN, n_test=3)

    def projector(_):
        return vae_gan

    found = recipes.distances(spec, networks, projector)
    assert not found.changed.any()
    np.testing.assert_array_equal(found.shown, digits.test.x[:3])
    other_noise = recipes.distances(replace(spec, seed=1), networks, projector)
    assert np.abs(found.sampled - other_noise.sampled).max() > 0
    np.testing.assert_array_equal(found.mean, other_noise.mean)


def test_a_network_of_another_architecture_is_not_filled(tmp_path):
    toy = data.load("toy")
    other = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="not the architecture gaussian_mlp"):
        recipes.classifier(SPEC, toy, Store(tmp_path), network=other)
    narrow = classifiers.build("gaussian_mlp", precision="mixed_bfloat16")
    with pytest.raises(ValueError, match="not the architecture gaussian_mlp"):
        recipes.classifier(SPEC, toy, Store(tmp_path), network=narrow)
    spec = replace(SPEC, architecture=classifiers.architecture_of(other))
    linear = recipes.classifier(spec, toy, Store(tmp_path), network=other).network
    assert len(linear.get_weights()) == 2
    assert len(recipes.classifier(SPEC, toy, Store(tmp_path)).network.get_weights()) == 4
    with pytest.raises(ValueError, match="architecture is 'custom-"):
        recipes.classifier(replace(spec, n_train=10), toy, Store(tmp_path))


def test_accuracy_after_every_epoch_is_kept_with_a_network(tmp_path):
    toy, store = data.load("toy"), Store(tmp_path)
    spec = replace(SPEC, training=Training(epochs=3), n_train=40)
    trained = recipes.classifier(spec, toy, store)
    assert trained.test_hits.shape == (3, 6)  # 6,000 test points in blocks of 1,000
    hits = attacks.predict(trained.network, toy.test.x).argmax(axis=-1) == toy.test.y
    np.testing.assert_array_equal(trained.test_hits[-1], hits.reshape(6, 1000).sum(axis=1))
    np.testing.assert_array_equal(recipes.classifier(spec, toy, store).test_hits, trained.test_hits)
    fewer = replace(toy, test=toy.test.take(1500))  # the same network, measured on other images: not known
    assert recipes.classifier(spec, fewer, store).test_hits is None


def test_networks_are_lent_without_disturbing_those_that_are_lent_already(tmp_path):
    toy = data.load("toy")
    specs = [replace(SPEC, training=Training(epochs=1, seed=seed), n_train=20) for seed in range(3)]
    expected = [recipes.classifier(spec, toy, Store(tmp_path)).network.get_weights() for spec in specs]
    networks = recipes.Networks(toy, Store(tmp_path))

    def is_of(network, i):
        return all(map(np.array_equal, network.get_weights(), expected[i]))

    with networks.lend(specs[0]) as first, networks.lend(specs[1]) as second, networks.lend(specs[0]) as same:
        assert first is same is not second
        assert is_of(first, 0)
        assert is_of(second, 1)
        with networks.lend(specs[2]) as third:
            assert third not in (first, second)
        assert is_of(first, 0)
        assert is_of(second, 1)
    with networks.lend(specs[2]) as again:
        assert again is third  # still holds it
        assert is_of(again, 2)


def test_the_noise_of_a_projection_belongs_to_the_image_not_to_its_batch(tmp_path):
    digits = data.load("mnist_sample", offline=True)
    model = recipes.trained_vae_gan(VAE_GAN, digits, Store(tmp_path)).model
    x = digits.test.x[:7]
    whole, halved = (manifold.distances(manifold.Projector(model, seed=3), x, batch_size=size) for size in (7, 2))
    np.testing.assert_allclose(whole, halved, rtol=1e-5)
    alike = np.repeat(x[:1], 7, axis=0)
    assert len(np.unique(manifold.distances(manifold.Projector(model, seed=3), alike))) == 7
