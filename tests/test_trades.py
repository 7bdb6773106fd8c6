"""TRADES against its formula, worked out in NumPy on a linear network; adversarial training of one's own networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.attacks import PGD
from robint_tf.attacks.pgd import Kind, Numbers
from robint_tf.errors import InputError
from robint_tf.networks import Bounded
from robint_tf.networks.optimizers import adam
from robint_tf.specs import Training
from robint_tf.training import AdversarialClassifier, fit_classifier, trades

ATTACK = PGD(norm="linf", eps=0.1, step_size=0.04, n_steps=5, seed=3)
BETA = 6.0
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def divergence(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=-1)


def inner(x, weights, bias, attack, start):
    """Ascent of KL(p(x) || p(x')): d/dx' = (p(x') - p(x)) W'."""
    p = softmax(x @ weights + bias)
    x_adv = np.clip(np.clip(x + start, x - attack.eps, x + attack.eps), -1, 1)
    for _ in range(attack.n_steps):
        gradient = (softmax(x_adv @ weights + bias) - p) @ weights.T
        x_adv = np.clip(np.clip(x_adv + attack.step_size * np.sign(gradient), x - attack.eps, x + attack.eps), -1, 1)
    return x_adv


def gradients(x, x_adv, y, weights, bias):
    """The loss of TRADES, and its gradient to weights and bias, x_adv held fixed."""
    p, q = softmax(x @ weights + bias), softmax(x_adv @ weights + bias)
    kl = divergence(p, q)
    to_clean = p - np.eye(p.shape[1])[y] + BETA * p * (np.log(p) - np.log(q) - kl[:, None])
    to_attacked = BETA * (q - p)
    value = np.mean(-np.log(p[np.arange(len(y)), y]) + BETA * kl)
    to_weights = (x.T @ to_clean + x_adv.T @ to_attacked) / len(x)
    return value, to_weights, (to_clean + to_attacked).mean(axis=0)


@pytest.fixture
def network(linear_network):
    linear_network.set_weights([3 * w for w in linear_network.get_weights()])
    return linear_network


@pytest.fixture
def numbers(network):
    return [w.astype(np.float64) for w in network.get_weights()]


def test_a_program_that_knows_its_number_of_steps_takes_it_from_the_kind(network):
    """As XLA's programs do, which would ask the host before every step otherwise."""
    x, y = tf.zeros((2, 3, 3, 1)), tf.zeros(2, tf.int32)
    kind, counts = Kind.of(ATTACK), Numbers.of(ATTACK)
    none, all_of_them = (
        trades.perturbed(network, x, y, kind._replace(n_steps=n), counts, 0) for n in (0, ATTACK.n_steps)
    )
    np.testing.assert_allclose(none, trades.start(x, kind, counts, 0), rtol=1e-5)
    np.testing.assert_array_equal(all_of_them, trades.perturbed(network, x, y, kind, counts, 0))
    assert np.abs(all_of_them - none).max() > 0.05


def first_images(x, attack=ATTACK, batch=0):
    start = trades.start(tf.constant(x), Kind.of(attack), Numbers.of(attack), batch).numpy()
    return x.reshape(len(x), -1).astype(np.float64), start.reshape(len(x), -1).astype(np.float64)


def test_the_ascent_is_that_of_the_divergence(network, numbers, images):
    x, y = images
    found = trades.perturbed(network, tf.constant(x), tf.constant(y), Kind.of(ATTACK), Numbers.of(ATTACK), 0).numpy()
    flat, start = first_images(x)
    expected = inner(flat, *numbers, ATTACK, start)
    np.testing.assert_allclose(found.reshape(len(x), -1), expected, atol=1e-6)
    p, q, near = (softmax(v @ numbers[0] + numbers[1]) for v in (flat, expected, flat + start))
    assert (divergence(p, q) > divergence(p, near)).all()
    assert 0 < np.abs(start).max() < 10 * trades.START


def test_a_random_start_begins_in_the_ball(images):
    attack = PGD(norm="linf", eps=0.1, step_size=0.04, n_steps=5, random_start=True)
    starts = [first_images(images[0], attack, batch)[1] for batch in (0, 1)]
    assert 0.05 < np.abs(starts[0]).max() <= 0.1
    assert not np.allclose(*starts)


def test_the_loss_of_a_batch_is_the_formula(network, numbers, images):
    x, y = images
    flat, start = first_images(x)
    value, *_ = gradients(flat, inner(flat, *numbers, ATTACK, start), y, *numbers)
    once = Training(epochs=1, batch_size=len(x), learning_rate=1e-12)
    history = fit_classifier(network, x, y, once, ATTACK, trades=BETA, initialise=False)
    assert history.loss == pytest.approx([value], rel=1e-5)


def test_a_step_descends_the_formula(network, numbers, images):
    x, y = images
    flat, start = first_images(x)
    value, *expected = gradients(flat, inner(flat, *numbers, ATTACK, start), y, *numbers)
    model = AdversarialClassifier(network, ATTACK, trades=BETA)
    model.compile(keras.optimizers.SGD(0.1), LOSS, metrics=["accuracy"])
    history = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx([value], rel=1e-5)
    for before, after, gradient in zip(numbers, network.get_weights(), expected, strict=True):
        np.testing.assert_allclose(after, before - 0.1 * gradient, atol=1e-5)


def test_both_ways_of_training_by_trades_are_one(images):
    x, y = images

    def network():
        return keras.Sequential(
            [
                keras.layers.Input((3, 3, 1)),
                keras.layers.Flatten(),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(3),
            ]
        )

    ours, theirs = network(), network()
    theirs.set_weights(ours.get_weights())
    before = ours.get_weights()
    fit_classifier(ours, x, y, Training(epochs=2, batch_size=5), ATTACK, trades=BETA, initialise=False)
    model = AdversarialClassifier(theirs, ATTACK, trades=BETA)
    model.compile(adam(), LOSS)
    model.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for a, b, c in zip(ours.get_weights(), theirs.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
        assert not np.allclose(a, c)


def test_a_beta_of_zero_is_standard_training(images):
    x, y = images
    runs = []
    for settings in ({}, {"attack": ATTACK, "trades": 0.0}):
        network = keras.Sequential([keras.layers.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
        fit_classifier(network, x, y, Training(epochs=2, batch_size=5), initialise=True, **settings)
        runs.append(network.get_weights())
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("attack", "beta", "message"),
    [(ATTACK, -1, "beta"), (ATTACK, float("nan"), "beta"), (ATTACK, True, "beta"), (None, 6.0, "without an attack")],
)
def test_betas_that_cannot_be_used(network, images, attack, beta, message):
    with pytest.raises(InputError, match=message):
        fit_classifier(network, *images, Training(epochs=1), attack, trades=beta, initialise=False)
    with pytest.raises(InputError, match=message):
        AdversarialClassifier(network, attack, trades=beta)


@pytest.fixture
def as_bytes(images):
    """The images as bytes, and a network of bytes."""
    network = keras.Sequential(
        [
            keras.layers.Input((3, 3, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3),
        ]
    )
    return network, np.round((images[0] + 1) * 127.5).astype(np.uint8), images[1]


@pytest.mark.parametrize("beta", [None, BETA])
def test_a_network_of_bytes_is_trained_as_one_of_scaled_images(as_bytes, beta):
    network, x, y = as_bytes
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    scaled = (x / np.float32(127.5) - 1).astype(np.float32)
    trained = []
    for model, given in (
        (AdversarialClassifier(network, ATTACK, trades=beta, bounds=(0, 255)), x),
        (AdversarialClassifier(Bounded(copy, (0, 255)), ATTACK, trades=beta), scaled),
    ):
        model.compile(adam(), LOSS, metrics=["accuracy"])
        trained.append(model.fit(given, y, batch_size=5, epochs=2, shuffle=False, verbose=0).history)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(trained[0][name], trained[1][name], rtol=1e-4)
    for a, b in zip(network.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_dataset_and_callbacks_are_those_of_keras(as_bytes, tmp_path):
    network, x, y = as_bytes
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    model, other = (AdversarialClassifier(n, ATTACK, trades=BETA, bounds=(0, 255)) for n in (network, copy))
    for made in (model, other):
        made.compile(adam(), LOSS, metrics=["accuracy"])
    kept = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    stream = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    history = model.fit(stream, epochs=2, verbose=0, callbacks=[kept, log], validation_data=stream)
    same = other.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], same.history["loss"], rtol=1e-4)
    assert "val_accuracy" in history.history
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    loaded = keras.saving.load_model(tmp_path / "last.keras")
    assert (loaded.attack, loaded.trades, loaded.bounds) == (ATTACK, BETA, (0, 255))
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    again = [m.fit(stream, epochs=1, verbose=0).history["loss"] for m in (loaded, model)]
    np.testing.assert_allclose(*again, rtol=1e-5)


def test_streams_of_other_images_are_refused(as_bytes):
    network, x, y = as_bytes
    model = AdversarialClassifier(network, ATTACK)
    model.compile(adam(), LOSS)
    with pytest.raises(InputError, match="uint8"):
        model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(5), verbose=0)
    with pytest.raises(InputError, match="the bounds are 0 and 1"):
        AdversarialClassifier(network, ATTACK, bounds=(0, 1)).fit(x, y, verbose=0)
