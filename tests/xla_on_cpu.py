"""What GPUs are given to run, compiled by XLA on a CPU: it must agree with what CPUs run, and ask the host for nothing.

`test_xla.py` runs these tests, in a process without TensorFlow's op determinism, with which XLA refuses the gradient of
a max-pooling.

XLA adds in another order, so that agreement is to rounding: 1e-5 relative for values of one pass. Adam divides by the
size of a gradient, which may be rounding noise: a weight may then differ by a step, the mean over weights by little.
"""

import inspect
import os
import re
import signal
import time
import warnings
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import small_vae_gan

from robint_tf.attacks import pgd
from robint_tf.attacks.pgd import Kind, Numbers, attack_dataset
from robint_tf.data import datasets
from robint_tf.interpretability import attributions
from robint_tf.manifold import distance, tangent
from robint_tf.networks import classifiers, vae_gan
from robint_tf.runtime import device, xla
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import PGD, Training
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import AdversarialClassifier, loop, trades
from robint_tf.training import classifier as training
from robint_tf.training.classifier import fit_classifier
from robint_tf.training.vae_gan import fit_vae_gan

BLOCK = 3
SHAPE = (6, 6, 2)
L2 = PGD(norm="l2", eps=1.0, step_size=0.3, n_steps=7)
LINF = PGD(norm="linf", eps=0.1, step_size=0.03, n_steps=7)


@pytest.fixture
def like_a_gpu(monkeypatch):
    """Chooses, when called, what a GPU is given: XLA, blocks of batches, networks as Keras calls them."""

    def choose():
        device.configure("cpu", jit="on")
        monkeypatch.setattr(device, "on_cpu", lambda: False)
        monkeypatch.setattr(device, "TRAINING_BLOCK", BLOCK)

    yield choose
    monkeypatch.undo()
    device.configure("cpu")


def small_network():
    """A convolutional network with weights that are always the same."""
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.3, w.shape).astype("float32") for w in network.get_weights()])
    return network


def photos(n, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, *SHAPE)).astype("float32"), rng.integers(0, 3, n).astype("int32")


def toy(n, seed=0):
    split = datasets.load("toy").train
    chosen = np.random.default_rng(seed).permutation(len(split.y))[:n]
    return split.x[chosen], split.y[chosen]


def trip_counts(function, *arguments):
    """Of each loop in the program that XLA makes, how often it runs; None where XLA does not know."""
    program = function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
    counts = [re.search(r'known_trip_count":{"n":"(\d+)"', line) for line in program.splitlines() if " while(" in line]
    return sorted(int(found[1]) if found else None for found in counts)


def processor_seconds(function, *arguments):
    """What a call takes of the processor: of what this process does alone, so that other work does not count."""
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def programs_of(network, x_shape, attack):
    """What makes the programs of a compiled training."""
    stretch, _ = training._compiled(network, x_shape, attack)
    return inspect.getclosurevars(stretch).nonlocals["program"]


@pytest.mark.parametrize("attack", [L2, LINF], ids=["l2", "linf"])
def test_an_attack_agrees_and_is_compiled_once(like_a_gpu, attack):
    network, (x, y) = small_network(), photos(20)
    expected = attack_dataset(network, x, y, attack)
    like_a_gpu()
    found = attack_dataset(network, x, y, attack)
    np.testing.assert_allclose(found.x_adv, expected.x_adv, atol=1e-5)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.n_zero_gradients, expected.n_zero_gradients)

    run = pgd._compiled(network, SHAPE, attack.norm, attack.loss, attack.n_steps)
    xb, yb = tf.constant(x), tf.constant(y)
    arguments = (xb, yb, tf.constant(attack.eps), tf.constant(attack.step_size), tf.constant(7), tf.zeros_like(xb))
    assert trip_counts(run, *arguments) == [7]
    again = processor_seconds(run, *arguments)
    for eps in (0.5, 2.0):
        changed = (xb[::-1], yb, tf.constant(eps), tf.constant(eps / 4), tf.constant(7), xb * 0.01)
        assert processor_seconds(run, *changed) < 10 * again + 0.1  # a compilation takes about a second
    assert run.experimental_get_tracing_count() == 1


def test_another_number_of_steps_is_another_program_under_xla_alone(like_a_gpu):
    assert Kind.of(L2).n_steps is None
    like_a_gpu()
    assert Kind.of(L2).n_steps == 7


def test_what_was_compiled_for_a_cpu_is_not_used_after_another_choice(like_a_gpu):
    network = small_network()
    before = pgd._compiled_forward(network, SHAPE)
    like_a_gpu()
    after = pgd._compiled_forward(network, SHAPE)
    assert after is not before
    assert pgd._compiled_forward(network, SHAPE) is after


@pytest.mark.parametrize("attack", [None, L2], ids=["standard", "adversarial"])
def test_a_training_agrees_and_is_compiled_once(like_a_gpu, attack):
    """17 examples in batches of 5: a block of three and a last batch of two."""
    (x, y), settings = photos(17), Training(epochs=2, batch_size=5, shuffle=True, seed=1)
    on_cpu = small_network()
    expected = fit_classifier(on_cpu, x, y, settings, attack, initialise=False)
    like_a_gpu()
    network = small_network()
    found = fit_classifier(network, x, y, settings, attack, initialise=False)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-4)
    for a, b in zip(network.get_weights(), on_cpu.get_weights(), strict=True):
        assert np.abs(a - b).mean() < 1e-5

    program = programs_of(network, SHAPE, attack)
    assert program.cache_info().currsize == 2
    given = () if attack is None else tuple(Numbers.of(attack))
    chosen = tf.reshape(tf.range(15), [BLOCK, 5])
    arguments = (tf.constant(x), tf.constant(y)), chosen, tf.constant(0), given
    assert trip_counts(program(BLOCK, 5), *arguments) == ([BLOCK] if attack is None else [BLOCK, attack.n_steps])

    fit = partial(fit_classifier, initialise=True)
    again = processor_seconds(fit, network, x, y, settings, attack)  # a block and a last batch, compiled
    other = Training(epochs=2, batch_size=5, learning_rate=0.01, seed=9)
    changed = attack and PGD(norm="l2", eps=0.2, step_size=0.1, n_steps=7, seed=5)
    cell = photos(17, seed=2)
    assert processor_seconds(fit, network, *cell, other, changed) < 2 * again + 0.5
    assert program.cache_info().currsize == 2
    assert [program(n, size).experimental_get_tracing_count() for n, size in ((BLOCK, 5), (1, 2))] == [1, 1]


def test_an_interrupted_training_goes_on_to_the_same_bits(like_a_gpu, tmp_path, monkeypatch):
    """Whatever the stretches: in a block, the same program takes the same batches."""
    like_a_gpu()
    network, (x, y), settings = classifiers.build("gaussian_mlp"), toy(700), Training(epochs=2, shuffle=True)

    def train(**options):
        history = fit_classifier(network, x, y, settings, L2, initialise=True, **options)
        return [w.copy() for w in network.get_weights()], history.loss

    expected, losses = train()
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    checkpoint, seen = Checkpoint(tmp_path / "a.checkpoint"), []

    def stop_here(position):
        seen.append((position.epoch, position.batch))
        if seen[-1] == (2, 3):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(checkpoint=checkpoint, progress=stop_here)
    assert seen == [(1, 3), (1, 6), (1, 7), (2, 3)]  # blocks of three, and what is left of an epoch
    found, same = train(checkpoint=checkpoint)
    assert same == losses
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_that_begins_within_a_block_takes_it_batch_by_batch(like_a_gpu):
    like_a_gpu()
    signature = [tf.TensorSpec([None], tf.float32)]
    stretch = loop.compiled(lambda x, number: tf.stack([tf.reduce_sum(x), tf.cast(number, tf.float32)]), 2, signature)
    data, order = (tf.range(20.0),), tf.range(20)
    records = stretch(data, order, 1, 10, 2, 100, ()).numpy()
    np.testing.assert_array_equal(records[:, 0], [sum((2 * i, 2 * i + 1)) for i in range(1, 10)])
    np.testing.assert_array_equal(records[:, 1], range(101, 110))
    program = inspect.getclosurevars(stretch).nonlocals["program"]
    info = program.cache_info()
    calls = info.hits + info.misses
    assert (info.currsize, calls) == (2, 2 + 2 + 1)  # batches 1 and 2, two blocks, batch 9


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input"])
def test_attributions_agree(like_a_gpu, method):
    network, (x, _) = small_network(), photos(11)
    expected = attributions.attribute(network, x, method)
    like_a_gpu()
    np.testing.assert_allclose(attributions.attribute(network, x, method), expected, rtol=1e-4, atol=1e-6)
    again = processor_seconds(attributions.attribute, network, x, method)
    assert processor_seconds(attributions.attribute, network, photos(11, seed=2)[0], method) < 10 * again + 0.1


@pytest.mark.parametrize(
    "method",
    ["integrated_gradients:steps=3", "guided_backpropagation", "deeplift", "lrp_composite"],
)
def test_attributions_through_a_max_pooling_agree(like_a_gpu, method):
    network, (x, _) = small_network(), photos(4)
    expected = attributions.attribute(network, x, method, reduction="signed")
    like_a_gpu()
    found = attributions.attribute(network, x, method, reduction="signed")
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_trades_agrees(like_a_gpu, monkeypatch):
    """From a start that is not random: XLA draws other numbers from the same seed."""
    monkeypatch.setattr(trades, "start", lambda x, *_: 1e-3 * tf.sin(50 * x))
    (x, y), settings = photos(15), Training(epochs=1, batch_size=5)
    on_cpu = small_network()
    expected = fit_classifier(on_cpu, x, y, settings, LINF, trades=6.0, initialise=False)
    like_a_gpu()
    network = small_network()
    found = fit_classifier(network, x, y, settings, LINF, trades=6.0, initialise=False)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-3)
    for a, b in zip(network.get_weights(), on_cpu.get_weights(), strict=True):
        assert np.abs(a - b).mean() < 1e-3


def test_statistics_are_trained_in_a_block(like_a_gpu):
    (x, y), settings = photos(15), Training(epochs=2, batch_size=5, seed=3)

    def trained():
        network, _ = own_network(keras.layers.BatchNormalization())
        return network, fit_classifier(network, x, y, settings, initialise=True).loss

    on_cpu, expected = trained()
    like_a_gpu()
    network, found = trained()
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    for a, b in zip(network.variables, on_cpu.variables, strict=True):
        assert np.abs(a.numpy() - b.numpy()).mean() < 1e-3, a.path


def test_the_state_of_a_dropout_moves_on_within_a_block(like_a_gpu, monkeypatch):
    """To what single batches make of it, by XLA, too, which draws other numbers from it than TensorFlow does."""
    like_a_gpu()
    (x, y), settings, losses = photos(15), Training(epochs=2, batch_size=5, seed=3), []
    for block in (BLOCK, 1):
        monkeypatch.setattr(device, "TRAINING_BLOCK", block)
        network, _ = own_network(keras.layers.Dropout(0.5))
        losses.append(fit_classifier(network, x, y, settings, initialise=True).loss)
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_projections_and_their_derivatives_agree(like_a_gpu):
    x = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype("float32")
    found = []
    for choose in (lambda: None, like_a_gpu):
        choose()
        model = small_vae_gan()
        found.append((distance.Projector(model)(x), tangent._jacobian(model)(tf.constant(x))))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def all_weights(model):
    return [np.asarray(v) for part in vae_gan.PARTS for v in getattr(model, part).variables]


def compiled_update(model, noise, jit):
    return tf.function(lambda x: model.update(x, noise), jit_compile=jit, autograph=False)


def test_a_step_of_a_vae_gan_agrees():
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, (5, 4, 4, 1)).astype("float32"))
    draws = tf.constant(rng.normal(size=(4, 2, 5, 2)).astype("float32"))

    def noise(run):
        return tuple(tf.unstack(tf.gather(draws, run)))

    losses, weights = [], []
    for jit in (False, True):
        model = small_vae_gan()

        step = compiled_update(model, noise, jit)
        losses.append(step(x).numpy())
        weights.append(all_weights(model))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for a, b in zip(*weights, strict=True):
        assert np.abs(a - b).mean() < 1e-4
    assert trip_counts(step, x) == [2]  # the discriminator's runs


def test_a_vae_gan_trains_in_blocks(like_a_gpu, tmp_path, monkeypatch):
    """Seven batches of two in file order, of which the last has one; the same from a state in the middle."""
    like_a_gpu()
    x = np.arange(13, dtype="float32").reshape(13, 1, 1, 1) / 13
    scale, steps = tf.Variable(1.0), tf.Variable(0.0)

    def model():
        made = small_vae_gan()
        scale.assign(1.0)
        steps.assign(0.0)

        def descend(batch):
            scale.assign(scale * 0.9)
            steps.assign_add(1.0)
            return tf.stack([tf.reduce_sum(batch), scale, steps])

        monkeypatch.setattr(made, "descend", descend)
        return made

    seen = []
    history = fit_vae_gan(model(), x, epochs=2, batch_size=2, progress=lambda p: seen.append((p.epoch, p.batch)))
    assert seen[0] == (1, 3)
    assert steps.numpy() == 12  # round(13 / 2) = 6 batches an epoch
    np.testing.assert_allclose(history.losses["encoder"], [x[:12].sum() / 6] * 2, rtol=1e-6)
    np.testing.assert_allclose(history.losses["discriminator"], [3.5, 9.5])


def own_network(*layers):
    """A small network with layers of one's own choice, and images and labels for it."""
    stages = [keras.layers.Input(SHAPE), *layers, keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential(stages), photos(10)


def test_keras_own_loop_is_compiled_as_the_package_chooses(like_a_gpu, tmp_path):
    """Keras itself compiles by XLA wherever a GPU exists, whatever is known of it."""
    x, y = photos(10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def compiled(**options):
        model = AdversarialClassifier(small_network(), L2)
        model.compile("adam", loss, metrics=["accuracy"], **options)
        return model

    plain = compiled()
    assert plain.jit_compile is False
    assert compiled(jit_compile=True).jit_compile is True
    like_a_gpu()
    by_xla = compiled()
    assert by_xla.jit_compile is True
    assert compiled(jit_compile=False).jit_compile is False
    assert compiled(run_eagerly=True).jit_compile is False
    for model in (plain, by_xla):
        model.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    for a, b in zip(by_xla.get_weights(), plain.get_weights(), strict=True):
        assert np.abs(a - b).mean() < 1e-5
    by_xla.save(tmp_path / "trained.keras")
    device.configure("cpu", jit="off")
    loaded = keras.saving.load_model(tmp_path / "trained.keras")
    assert loaded.jit_compile is False
    assert loaded.optimizer.iterations == by_xla.optimizer.iterations
    loaded.fit(x, y, batch_size=5, verbose=0)


def test_a_network_that_xla_refuses_is_trained_without_it(like_a_gpu):
    """Whether its layer says so itself, or XLA is the first to say it."""
    settings = Training(epochs=2, batch_size=5)
    quiet, (x, y) = own_network(keras.layers.RandomRotation(0.1))
    honest, _ = own_network(keras.layers.RandomZoom(0.1))
    quiet.layers[0].supports_jit = True
    like_a_gpu()
    with pytest.warns(UserWarning, match="cannot compile the operation ImageProjectiveTransformV3; going on without"):
        found = fit_classifier(quiet, x, y, settings, initialise=True)
    with pytest.warns(UserWarning, match=r"\(RandomZoom\) .* cannot be compiled by XLA; the network runs without it"):
        other = fit_classifier(honest, x, y, settings, L2, initialise=True)
    assert np.isfinite([found.loss, other.loss]).all()
    assert device.jit_compile()


def test_another_error_of_a_compiled_function_is_its_own(like_a_gpu):
    like_a_gpu()
    run = xla.compiled(autograph=False)(lambda x: tf.reshape(x, [3]))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=r"(?i)reshape"):
        run(tf.zeros([4]))
    asks = xla.compiled(autograph=False)(lambda x: tf.numpy_function(np.sort, [x], tf.float32))
    with pytest.warns(UserWarning, match="operation PyFunc"):
        np.testing.assert_array_equal(asks(tf.constant([2.0, 1.0])), [1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asks(tf.constant([2.0, 1.0]))


def test_an_epoch_of_fewer_batches_than_a_block_is_one_block(like_a_gpu):
    (x, y), settings = photos(9), Training(epochs=1, batch_size=4)
    like_a_gpu()
    network, seen = small_network(), []
    fit_classifier(network, x, y, settings, initialise=False, progress=lambda p: seen.append(p.batch))
    program = programs_of(network, SHAPE, None)
    assert seen == [3]
    assert (program.cache_info().currsize, program.cache_info().misses) == (2, 2)  # two batches of four, one of one
    assert program(2, 4).experimental_get_tracing_count() == 1


def test_tensorfloat_32_is_off_unless_it_is_chosen(like_a_gpu):
    device.configure("cpu")
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    device.configure("cpu", tf32=True)
    assert tf.config.experimental.tensor_float_32_execution_enabled()
    assert "tf32" not in device.describe()  # no CPU has it
    like_a_gpu()
    assert device.describe()["tf32"] is False


def test_xla_and_determinism_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        device.configure("cpu", jit="on", deterministic=True)
