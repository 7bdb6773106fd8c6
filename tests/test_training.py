import dataclasses
import os
import signal
import threading

import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.attacks.pgd import attack_dataset
from robint_tf.data import datasets as data
from robint_tf.errors import DivergedError
from robint_tf.networks import classifiers
from robint_tf.networks.optimizers import adam
from robint_tf.runtime import device
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import PGD, Training
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import classifier as training
from robint_tf.training import loop
from robint_tf.training.adversarial import AdversarialClassifier
from robint_tf.training.classifier import fit_classifier

GOLDEN = {"MIXNORM_DNN": "gaussian_mlp", "MNIST_CNN": "mnist_cnn", "CIFAR_CNN": "cifar_cnn"}
LOOSE = {
    "MNIST_CNN": 1e-2,
    "CIFAR_CNN": 1e-2,
    "MIXNORM_DNN": 1e-5,
}  # l2 norm of the weights' change: goldens' README


def images_of(case):
    values, name = goldens.load("training"), case.split("/")[0]
    if f"{name}/x" in values:
        return values[f"{name}/x"], values[f"{name}/y"]
    return values[f"{name}/images_u8"].astype(np.float32) / np.float32(127.5) - 1, values[f"{name}/y"]


def golden_fit(case, steps, monkeypatch):
    """Train the golden's network for `steps` batches as the package does; its per-batch record and its weights."""
    meta, name = goldens.meta("training")[case], case.split("/")[0]
    start = goldens.weights(name, goldens.meta("training")["seed"])
    network = classifiers.build(GOLDEN[name])
    goldens.set_weights(network, start)
    attack = None
    if meta["attack"]:
        given = meta["attack"]
        attack = PGD(
            norm={"2": "l2", "inf": "linf"}[given["norm"]],
            eps=given["eps"],
            step_size=float(given["step_size"]),
            n_steps=given["n_steps"],
            loss=given["loss_type"],
        )
    x, y = images_of(case)
    record = []
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)  # a chunk a batch, so that progress sees every one
    n = steps * meta["batch"]
    history = fit_classifier(
        network,
        x[:n],
        y[:n],
        Training(epochs=1, batch_size=meta["batch"]),
        attack,
        initialise=False,
        progress=lambda p: record.append((p.means["loss"], p.means["accuracy"])),
    )
    sums = np.array(record) * np.arange(1, steps + 1)[:, None]  # running means to sums
    assert history.loss == [pytest.approx(record[-1][0])]
    return np.diff(sums, axis=0, prepend=0), network, start


@pytest.mark.parametrize("case", [k for k in goldens.meta("training") if "/" in k])
def test_training_steps_equal_the_authors(case, monkeypatch):
    meta, values = goldens.meta("training")[case], goldens.load("training")
    adversarial = meta["attack"] is not None
    for steps in (1, meta["steps"]):
        per_batch, network, start = golden_fit(case, steps, monkeypatch)
        loose = adversarial and not case.startswith("MIXNORM")
        rtol = np.full(steps, 3e-2 if loose else 2e-4)
        rtol[0] = 1e-4
        assert (np.abs(per_batch[:, 0] - values[f"{case}/loss"][:steps]) <= rtol * values[f"{case}/loss"][:steps]).all()
        if not loose:
            np.testing.assert_allclose(per_batch[:, 1], values[f"{case}/accuracy"][:steps], atol=1e-5)
        limit = 0.15 if loose else LOOSE[case.split("/")[0]]
        for variable in network.variables:
            name = "/".join(variable.path.split("/")[-2:])
            mine = goldens.checksum(np.asarray(variable) - start[name])
            key = f"{case}/step{steps}/{name}/delta_checksum"
            theirs = values[key]
            if steps == 1:  # size and direction: mean, spread, length, and the projection on a fixed random vector
                exact = goldens.atol("training", key)
                switched = 5e-3 * theirs[2] if loose else 0.0  # an example of the attack beyond a switch already
                np.testing.assert_allclose(mine, theirs, atol=max(exact, switched), rtol=0, err_msg=name)
            else:  # one example beyond a switch of ReLU, pooling or sign, and the rest follows
                assert mine[2] == pytest.approx(theirs[2], rel=max(limit, 2e-5)), f"{name} after {steps}"


def toy(n=250):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n).astype("int32")
    x = (rng.normal(0, 0.1, (n, 2)) + np.where(y, 0.5, -0.5)[:, None]).clip(-1, 1).astype("float32")
    return x, y


ATTACK = PGD(norm="l2", eps=0.3, step_size=0.2, n_steps=3, random_start=True, seed=5)


@pytest.mark.parametrize("attack", [None, ATTACK], ids=["standard", "adversarial"])
def test_fit_of_keras_takes_the_same_steps(attack):
    x, y = toy()
    ours = classifiers.build("gaussian_mlp", seed=1)
    fit_classifier(ours, x, y, Training(epochs=2, seed=1), attack)
    model = AdversarialClassifier(classifiers.build("gaussian_mlp", seed=1), attack)
    model.compile(adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x, y, batch_size=100, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_training_depends_on_the_seed_alone_and_learns():
    x, y = toy()
    network = classifiers.build("gaussian_mlp")
    runs = []
    for seed in (1, 1, 2):
        tf.random.set_seed(len(runs))  # no global generator may matter
        settings = Training(epochs=8, shuffle=True, seed=seed)
        history = fit_classifier(network, x, y, settings, ATTACK, initialise=True)
        runs.append(network.get_weights())
        assert history.loss[-1] < 0.75 * history.loss[0]
        assert len(history.loss) == len(history.accuracy) == 8
    for a, b, c in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_a_second_training_of_a_network_pays_no_trace(monkeypatch):
    """Cells of the grid differ in images, their number, seed and rates: one trace serves all of them."""
    traces, loss = [], training.xent
    monkeypatch.setattr(training, "xent", lambda *args: traces.append(1) or loss(*args))
    network, sample = classifiers.build("cifar_cnn"), data.load("cifar10_sample", offline=True).train
    training.fit_classifier(network, sample.x[:40], sample.y[:40], Training(epochs=1, batch_size=20))
    n = len(traces)
    assert n > 0
    other = Training(epochs=2, batch_size=15, learning_rate=0.01, shuffle=True, seed=5)
    training.fit_classifier(network, sample.x[40:90], sample.y[40:90], other, initialise=True)
    assert len(traces) == n


def test_the_numbers_of_an_attack_are_arguments_of_a_compiled_training():
    """What is kept belongs to all attacks of a kind; without an attack there is none of no strength."""
    network, x, y = classifiers.build("gaussian_mlp"), *toy(100)
    other = dataclasses.replace(ATTACK, eps=0.1, step_size=0.05, n_steps=2, seed=6)
    kept, _ = training._compiled(network, (2,), ATTACK)
    assert training._compiled(network, (2,), other)[0] is kept
    standard, _ = training._compiled(network, (2,), None)
    assert len(standard.input_signature[-1]) == 0
    assert len(kept.input_signature[-1]) == 4
    weights = []
    for attack in (ATTACK, other, ATTACK):
        fit_classifier(network, x, y, Training(epochs=1), attack, initialise=True)
        weights.append(network.get_weights()[0].copy())
    np.testing.assert_array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], weights[1])


def test_a_state_of_another_version_is_refused(tmp_path):
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")
    checkpoint.save(1, {"position": np.array(1), "epoch_loss": np.zeros(0)})
    with pytest.raises(ValueError, match=r"in .*a\.checkpoint is of another version of robint_tf; finish"):
        fit_classifier(classifiers.build("gaussian_mlp"), *toy(), Training(epochs=1), checkpoint=checkpoint)


def test_shuffle_visits_every_example_in_a_new_order_each_epoch():
    settings = Training(epochs=2, shuffle=True, seed=3)
    first, second = (training._order(50, settings, epoch).numpy() for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert (first != second).any()
    assert (training._order(50, Training(epochs=1), 1).numpy() == np.arange(50)).all()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("attack", [None, ATTACK], ids=["standard", "adversarial"])
def test_an_interrupted_training_continues_to_the_same_weights(tmp_path, signum, attack, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    x, y = toy()
    settings = Training(epochs=4, shuffle=True)
    whole = classifiers.build("gaussian_mlp")
    expected = fit_classifier(whole, x, y, settings, attack)
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")
    network = classifiers.build("gaussian_mlp")

    def stop_here(position):
        if (position.epoch, position.batch) == (2, 2):  # in the middle of an epoch
            os.kill(os.getpid(), signum)

    with pytest.raises(Interrupted) as stop:
        fit_classifier(network, x, y, settings, attack, checkpoint=checkpoint, progress=stop_here)
    assert stop.value.exit_code == 128 + signum
    seen = []
    fresh = classifiers.build("gaussian_mlp", seed=99)  # whatever its weights: the checkpoint has the others
    history = fit_classifier(fresh, x, y, settings, attack, checkpoint=checkpoint, progress=seen.append)
    assert (seen[0].epoch, seen[0].batch) == (2, 3)
    assert history.loss == expected.loss
    assert history.accuracy == expected.accuracy
    for a, b in zip(whole.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_works_outside_the_main_thread():
    x, y = toy(100)
    network = classifiers.build("gaussian_mlp")
    before = network.get_weights()[0].copy()
    thread = threading.Thread(target=fit_classifier, args=(network, x, y, Training(epochs=1)))
    thread.start()
    thread.join()
    assert np.abs(network.get_weights()[0] - before).max() > 0


def test_a_diverging_training_stops_and_says_where():
    absurd = Training(epochs=1, learning_rate=1e38)  # the first step throws the weights out of range
    with pytest.raises(DivergedError, match=r"(nan|inf) in epoch 1, batch 2"):
        fit_classifier(classifiers.build("gaussian_mlp"), *toy(), absurd)


def test_bfloat16_training_ends_near_float32():
    x, y = toy()
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        network = classifiers.build("gaussian_mlp", precision=precision)
        losses.append(fit_classifier(network, x, y, Training(epochs=5, precision=precision)).loss[-1])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != losses[0]


@pytest.mark.parametrize("attack", [None, ATTACK], ids=["standard", "adversarial"])
def test_training_compiles_under_xla_and_ends_the_same(attack):
    """XLA is what GPUs run; here it stands in for them on a network that it compiles quickly. 250 = 100 + 100 + 50."""
    x, y = toy()
    losses, logits = [], []
    try:
        for jit in ("off", "on"):
            device.configure("cpu", jit=jit)
            network = classifiers.build("gaussian_mlp", seed=1)
            losses.append(fit_classifier(network, x, y, Training(epochs=2, seed=1), attack).loss)
            attacked = attack_dataset(network, x, y, PGD(norm="linf", eps=0.1, step_size=0.03), batch_size=100)
            logits.append(attacked.logits)
    finally:
        device.configure("cpu")
    # a single weight may differ by Adam's step and a single image by the sign of a gradient that is rounding noise
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert np.abs(logits[0] - logits[1]).mean() < 0.005


def test_tensorboard_gets_one_point_per_epoch(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install '.[tensorboard]'")
    x, y = toy()
    fit_classifier(classifiers.build("gaussian_mlp"), x, y, Training(epochs=3), log_dir=tmp_path)
    (events,) = tmp_path.glob("events*")
    steps = [
        e.step for e in tf.compat.v1.train.summary_iterator(str(events)) for v in e.summary.value if v.tag == "loss"
    ]
    assert steps == [1, 2, 3]


def normalised_network():
    """A small network with batch and layer normalisation and dropout on 8 x 8 x 1 images."""
    return keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", kernel_initializer="he_normal"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.LayerNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2, bias_initializer=keras.initializers.Constant(0.5)),
        ]
    )


def stripes(n=200):
    """Images of vertical (1) or horizontal (0) stripes in noise, which only learnt features tell apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n).astype(np.int32)
    wave = np.where(np.arange(8) % 2, 0.5, -0.5)
    x = np.where(y[:, None, None] == 1, wave[None, None, :], wave[None, :, None]) * rng.choice([-1, 1], (n, 1, 1))
    return (x + rng.normal(0, 0.1, x.shape)).astype(np.float32).clip(-1, 1)[..., None], y


def test_every_variable_starts_from_its_own_initialiser_and_the_seed_alone():
    first, second, other = (normalised_network() for _ in range(3))
    for network, seed in ((first, 1), (second, 1), (other, 2)):
        classifiers.initialise(network, seed)
    values = {v.path.split("/", 1)[-1]: np.asarray(v) for v in first.variables}
    by_name = {v.name: np.asarray(v) for v in first.variables}
    assert (by_name["gamma"] == 1).all()
    assert (by_name["moving_variance"] == 1).all()
    assert (by_name["beta"] == 0).all()
    assert (np.asarray(first.layers[-1].bias) == 0.5).all()
    assert np.asarray(first.layers[0].kernel).std() == pytest.approx(np.sqrt(2 / 9), rel=0.2)  # he_normal: 9 inputs
    assert len(values) == len(first.variables)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.layers[0].kernel, other.layers[0].kernel)


@pytest.mark.parametrize("attack", [None, PGD(norm="linf", eps=0.1, step_size=0.05, n_steps=3)])
def test_a_network_with_normalisation_learns_as_it_does_with_keras_fit(attack):
    x, y = stripes()
    network = normalised_network()
    fit_classifier(network, x, y, Training(epochs=6, batch_size=20, learning_rate=0.01), attack, initialise=True)
    assert (attack_dataset(network, x, y, PGD(norm="linf", eps=0, step_size=0)).logits.argmax(-1) == y).mean() > 0.95


def test_moving_averages_move_in_training_and_not_in_attacks():
    x, y = stripes(40)
    network = normalised_network()
    averages = [v for v in network.variables if v.name.startswith("moving_")]
    before = [np.array(v) for v in averages]
    attack_dataset(network, x, y, PGD(norm="l2", eps=1, step_size=1, n_steps=2))
    for a, b in zip(before, averages, strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))
    attack = PGD(norm="l2", eps=0.5, step_size=0.5, n_steps=4)
    fit_classifier(network, x, y, Training(epochs=1, batch_size=20, learning_rate=1e-9), attack, initialise=True)
    moved = np.asarray(averages[0])
    # two batches, two moves: the four steps of the attack on each leave no trace
    model = AdversarialClassifier(normalised_network(), attack)
    classifiers.initialise(model.network, 0)
    model.compile(adam(1e-9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=20, epochs=1, shuffle=False, verbose=0)
    by_fit = next(v for v in model.network.variables if v.name == "moving_mean")
    np.testing.assert_allclose(moved, np.asarray(by_fit), atol=1e-5)
    assert np.abs(moved).max() > 1e-4


def test_weights_are_neither_lost_nor_kept_unasked():
    x, y = toy()
    network = classifiers.build("gaussian_mlp")
    fit_classifier(network, x, y, Training(epochs=1))
    trained = network.get_weights()
    with pytest.raises(ValueError, match=r"initialise=True .* initialise=False"):
        fit_classifier(network, x, y, Training(epochs=1))
    for a, b in zip(trained, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fit_classifier(network, x, y, Training(epochs=0), initialise=False)
    for a, b in zip(trained, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded = classifiers.build("gaussian_mlp")
    loaded.set_weights(trained)
    with pytest.raises(ValueError, match="weights of its own"):
        fit_classifier(loaded, x, y, Training(epochs=1))
    fit_classifier(network, x, y, Training(epochs=0, seed=3), initialise=True)
    for a, b in zip(classifiers.build("gaussian_mlp", seed=3).get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_accuracy_is_counted_after_every_epoch_and_survives_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    x, y = toy()
    test = data.Split(*(a[:2500] for a in (data.toy(5).test.x, data.toy(5).test.y)))
    whole = fit_classifier(classifiers.build("gaussian_mlp"), x, y, Training(epochs=4), test=test)
    assert whole.test_hits.shape == (4, 3)
    assert whole.test_hits.max(axis=0)[2] <= 500  # the last block is smaller
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")

    def stop_here(position):
        if position.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        fit_classifier(
            network := classifiers.build("gaussian_mlp"),
            x,
            y,
            Training(epochs=4),
            test=test,
            checkpoint=checkpoint,
            progress=stop_here,
        )
    other = fit_classifier(
        network, x, y, Training(epochs=4), initialise=True, test=test.take(10), checkpoint=checkpoint
    )
    assert other.test_hits is None  # two epochs were counted on other images
    resumed = fit_classifier(network, x, y, Training(epochs=4), initialise=True, test=test, checkpoint=checkpoint)
    np.testing.assert_array_equal(resumed.test_hits, whole.test_hits)
