"""Networks that a user brings: unbuilt, frozen, changed after use, with code, statistics or losses of their own."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.common.global_state import set_global_attribute
from keras.src.backend.common.variables import register_uninitialized_variable

from robint_tf import attacks, data, recipes
from robint_tf.errors import InputError
from robint_tf.networks import classifiers, inputs
from robint_tf.networks.optimizers import adam
from robint_tf.specs import PGD, ClassifierSpec, Training
from robint_tf.store.artifacts import Store
from robint_tf.training import AdversarialClassifier, fit_classifier

TOY = data.load("toy")
X, Y = TOY.train.x[:200], TOY.train.y[:200]
SPEC = ClassifierSpec(dataset="toy", training=Training(epochs=1), n_train=200)


def small(*layers):
    return keras.Sequential([keras.layers.Input((2,)), *layers, keras.layers.Dense(2)])


def unbuilt():
    return keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(2)])


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = keras.layers.Dense(8, "relu"), keras.layers.Dense(2)

    def call(self, x):
        return self.last(self.first(x))


@pytest.mark.parametrize("make", [unbuilt, Net])
def test_a_network_without_weights_comes_back_trained_from_the_store(make, tmp_path):
    named = make()
    named(X[:1])
    spec = replace(SPEC, architecture=classifiers.architecture_of(named))
    first = recipes.classifier(spec, TOY, Store(tmp_path), network=make()).network
    again = recipes.classifier(spec, TOY, Store(tmp_path), network=make()).network
    np.testing.assert_array_equal(attacks.predict(first, X), attacks.predict(again, X))
    with pytest.raises(InputError, match="no weights yet"):
        classifiers.architecture_of(make())


def test_a_network_gets_its_weights_after_another_could_not_be_traced(tmp_path):
    """Keras then keeps a list of variables, which it cannot initialise, and no subclassed model's after it."""
    in_the_way = keras.Variable(np.zeros(1, np.float32))
    register_uninitialized_variable(in_the_way)
    try:
        network = Net()
        inputs.called(network, X[:1])
        classifiers.initialise(network, 0)
        np.testing.assert_array_equal(attacks.predict(network, X), attacks.predict(network, X))
    finally:
        set_global_attribute("uninitialized_variables", [])


def activation_a(x):
    return tf.nn.relu(x)


def activation_b(x):
    return tf.nn.tanh(x)


def test_what_computes_otherwise_has_another_name():
    def renamed(function):
        function.__name__ = "activation"
        return function

    def normal(offset):
        layer = keras.layers.Normalization()
        layer.adapt(X + offset)
        return layer

    def subclass(units):
        class Net(keras.Model):
            def __init__(self):
                super().__init__()
                self.only, self.last = keras.layers.Dense(units), keras.layers.Dense(2)

            def call(self, x):
                return self.last(self.only(x))

        network = Net()
        network(X[:1])
        return network

    dense = [small(keras.layers.Dense(4, activation=renamed(f))) for f in (activation_a, activation_b)]
    lambdas = [small(keras.layers.Lambda(renamed(f))) for f in (activation_a, activation_b)]
    statistics = [small(normal(offset)) for offset in (0, 0.5)]
    for pair in (dense, lambdas, statistics, [subclass(4), subclass(64)]):
        assert len({classifiers.architecture_of(network) for network in pair}) == 2
    assert classifiers.architecture_of(small(normal(0))) == classifiers.architecture_of(small(normal(0)))


def test_frozen_layers_stay_and_thawed_ones_move():
    network = small(keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization())
    once = Training(epochs=1)

    def moved():
        before = [[np.array(w) for w in layer.get_weights()] for layer in network.layers]
        fit_classifier(network, X, Y, once, initialise=False)
        return [
            any((a != b).any() for a, b in zip(weights, layer.get_weights(), strict=True))
            for weights, layer in zip(before, network.layers, strict=True)
        ]

    fit_classifier(network, X, Y, once, initialise=True)
    network.layers[0].trainable = network.layers[1].trainable = False
    assert moved() == [False, False, True]
    network.layers[0].trainable = network.layers[1].trainable = True
    assert moved() == [True, True, True]


def test_attacks_and_predictions_follow_a_network_that_changes():
    network = small(keras.layers.Dense(8, "relu"))
    attack = PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=1)
    attacks.attack_dataset(network, X, Y, attack)
    network.layers[0].activation = keras.activations.tanh
    found = attacks.attack_dataset(network, X, Y, attack).clean_logits
    np.testing.assert_allclose(found, np.asarray(network(X)), atol=1e-5)
    network.pop()
    network.add(keras.layers.Dense(2))
    np.testing.assert_allclose(attacks.predict(network, X), np.asarray(network(X)), atol=1e-5)


class Tempered(Net):
    temperature = 1.0

    def call(self, x):
        return super().call(x) / self.temperature


def test_predictions_follow_a_number_that_is_set_on_a_network():
    network = Tempered()
    before = attacks.predict(network, X)
    network.temperature = 5
    np.testing.assert_allclose(attacks.predict(network, X), before / 5, rtol=1e-5)


def normalising():
    layer = keras.layers.Normalization()
    layer.adapt(X)
    return layer


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: keras.layers.LeakyReLU(0.3), lambda layer: setattr(layer, "negative_slope", 0.9)),
        (lambda: keras.layers.ReLU(0.5), lambda layer: setattr(layer, "max_value", None)),
        (keras.layers.BatchNormalization, lambda layer: setattr(layer, "epsilon", 0.9)),
        (lambda: keras.layers.Rescaling([0.5, 2.0]), lambda layer: layer.scale.__setitem__(0, 3.0)),
        (lambda: keras.layers.Dense(2, "relu"), lambda layer: setattr(layer, "dtype_policy", "mixed_bfloat16")),
        (normalising, lambda layer: layer.adapt(X + 5)),
    ],
    ids=["slope", "none", "epsilon", "list", "precision", "statistics"],
)
def test_predictions_follow_what_is_set_on_a_layer_of_keras(make, change):
    network = small(make())
    before = attacks.predict(network, X)
    change(network.layers[0])
    found = attacks.predict(network, X)
    assert np.abs(found - before).max() > 1e-4
    np.testing.assert_allclose(found, np.asarray(network(X)), atol=1e-5)


class Masked(keras.layers.Layer):
    """With what of NumPy an own layer may hold, and a function that is no plain one."""

    mask, scale, change = np.ones(2, "float32"), np.float32(1), functools.partial(np.add, 0)

    def call(self, x):
        return x * self.mask * self.scale + self.change(1)


def test_predictions_follow_arrays_and_what_else_is_set_on_an_own_layer():
    layer = Masked()
    network = small(layer)
    layer.mask = np.array([1.0, 1.0], "float32")
    seen = []

    def follows():
        found = attacks.predict(network, X)
        np.testing.assert_allclose(found, np.asarray(network(X)), atol=1e-5)
        assert all(np.abs(found - other).max() > 1e-4 for other in seen)
        seen.append(found)

    for _ in range(4):  # the memory of an array that is gone is given to another
        follows()
        layer.mask = layer.mask * 2
    layer.mask[:] = 0.5
    follows()
    layer.scale = np.float32(3)
    follows()
    layer.change = functools.partial(np.add, 2)
    follows()


@pytest.mark.parametrize(
    ("layer", "name"), [(lambda: keras.layers.Dropout(0.5), "rate"), (keras.layers.BatchNormalization, "momentum")]
)
def test_trainings_follow_a_number_that_is_set_on_a_layer_of_keras(layer, name):
    networks = small(keras.layers.Dense(4), layer()), small(keras.layers.Dense(4), layer())
    training = Training(epochs=1, batch_size=50)
    fit_classifier(networks[0], X, Y, training, initialise=True)
    for network in networks:
        setattr(network.layers[1], name, 0.1)
        keras.utils.set_random_seed(0)
        fit_classifier(network, X, Y, training, initialise=True)
    first, second = (attacks.predict(network, X) for network in networks)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_variables_without_an_initialiser_of_their_own_are_refused():
    network = small(keras.layers.SpectralNormalization(keras.layers.Dense(4)))
    with pytest.raises(InputError, match="does not say how its variable"):
        classifiers.initialise(network, 0)

    class Odd(keras.initializers.Initializer):
        def __init__(self, value):
            self.value = value

        def __call__(self, shape, dtype=None):
            return tf.fill(shape, self.value)

    with pytest.raises(InputError, match="get_config"):
        classifiers.initialise(small(keras.layers.Dense(3, kernel_initializer=Odd(0.1))), 0)


def test_the_forget_gate_of_an_lstm_starts_open():
    network = keras.Sequential([keras.layers.Input((4, 3)), keras.layers.LSTM(5), keras.layers.Dense(2)])
    expected = np.array(network.layers[0].cell.bias)
    classifiers.initialise(network, 3)
    np.testing.assert_array_equal(network.layers[0].cell.bias, expected)


def test_the_mean_of_an_epoch_is_over_examples():
    """Of 101 examples in batches of 100 the last one counts one part in 101."""
    network = small()
    history = fit_classifier(
        network, TOY.train.x[:101], TOY.train.y[:101], Training(epochs=1, learning_rate=1e-12), initialise=True
    )
    right = attacks.predict(network, TOY.train.x[:101]).argmax(-1) == TOY.train.y[:101]
    assert history.accuracy[0] == pytest.approx(right.mean(), abs=1e-6)


class Losing(keras.layers.Layer):
    def call(self, x):
        self.add_loss(tf.reduce_mean(x))
        return x


@pytest.mark.parametrize(
    "layer", [Losing, lambda: keras.layers.Dense(4, activity_regularizer="l2")], ids=["add_loss", "activities"]
)
def test_losses_that_would_be_left_out_are_refused(layer):
    with pytest.raises(InputError, match="losses of its own"):
        fit_classifier(small(layer()), X, Y, Training(epochs=1), initialise=True)


@pytest.mark.parametrize(("attack", "trades"), [(None, None), (PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=1), 2.0)])
def test_regularisers_of_weights_are_a_part_of_the_loss_as_in_keras(attack, trades):
    layer = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5), bias_regularizer="l1")
    network = small(layer)
    classifiers.initialise(network, 0)
    model = AdversarialClassifier(keras.models.clone_model(network), attack, trades=trades)
    model.network.set_weights(network.get_weights())
    model.compile(adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(X, Y, 50, 3, shuffle=False, verbose=0).history["loss"]
    history = fit_classifier(network, X, Y, Training(epochs=3, batch_size=50), attack, trades=trades, initialise=True)
    assert history.loss == pytest.approx(losses, rel=1e-4)
    for ours, theirs in zip(network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    layer.kernel_regularizer.l2 = 0.0
    again = fit_classifier(network, X, Y, Training(epochs=3, batch_size=50), attack, trades=trades, initialise=True)
    assert again.loss[0] < history.loss[0] - 0.1


def test_fit_of_keras_checks_arrays_too():
    model = AdversarialClassifier(small(), PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=1))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(InputError, match="scale them"):
        model.fit((X + 1) * 127.5, Y, verbose=0)
    with pytest.raises(InputError, match="one-hot"):
        model.fit(X, np.eye(2)[Y], verbose=0)
    model.fit(X, Y[:, None], shuffle=False, verbose=0)


def test_test_images_are_checked_as_the_others_are():
    with pytest.raises(InputError, match="scale them"):
        fit_classifier(small(), X, Y, Training(epochs=1), initialise=True, test=data.Split(X * 100, Y))
    flat = data.Split(X, Y[:, None])
    assert flat.y.shape == (200,)
    assert flat.fingerprint == data.Split(X, Y).fingerprint
    with pytest.raises(InputError, match="labels"):
        data.Split(X, Y[:5])


def test_a_scaling_is_found_behind_augmentation_too():
    first = [keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2)]
    network = keras.Sequential([keras.layers.Input((4, 4, 1)), *first])
    x = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype(np.float32)
    with pytest.warns(UserWarning, match="begins by scaling"):
        attacks.accuracy(network, x, np.arange(8, dtype=np.int32) % 2)


@pytest.mark.parametrize("thing", [None, lambda x: x])
def test_what_is_not_a_network_is_said(thing):
    with pytest.raises(InputError, match="give a Keras model"):
        attacks.accuracy(thing, X, Y)
