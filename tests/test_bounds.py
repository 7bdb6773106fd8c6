import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_inputs import convolutional

from robint_experiments.options import AttackOptions
from robint_tf.attacks import evaluation
from robint_tf.attacks import pgd as attacks
from robint_tf.data import datasets as data
from robint_tf.interpretability import attributions
from robint_tf.networks import bounds, classifiers, inputs
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.files import models
from robint_tf.specs import PGD, Training
from robint_tf.training.classifier import fit_classifier

RANGES = [(0, 255), (0, 1), (-0.5, 0.5)]
ATTACKS = [
    PGD(norm="l2", eps=0.5, step_size=0.2, n_steps=4),
    PGD(norm="linf", eps=0.1, step_size=0.05, n_steps=4, random_start=True, seed=3),
]


def of_other_images(network, low, high):
    """The network as somebody would have trained it on pixels from low to high."""
    scale = keras.layers.Rescaling(2 / (high - low), -(high + low) / (high - low))
    return keras.Sequential([keras.layers.Input(network.input_shape[1:]), scale, network])


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("attack", ATTACKS, ids=["l2", "linf"])
def test_eps_is_told_in_one_range_whatever_the_network_takes(images, low, high, attack):
    network, (x, y) = convolutional(), images
    bounded = Bounded(of_other_images(network, low, high), bounds=(low, high))
    expected = attacks.attack_dataset(network, x, y, attack)
    found = attacks.attack_dataset(bounded, x, y, attack)
    np.testing.assert_allclose(found.clean_logits, expected.clean_logits, atol=1e-4)
    np.testing.assert_allclose(found.x_adv, expected.x_adv, atol=1e-4)
    assert np.abs(found.x_adv - x).max() > 0.05
    for attribution in ("gradient", "gradient_x_input"):
        ours, plain = (attributions.attribute(n, x, attribution) for n in (bounded, network))
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def test_foolbox_told_the_same_bounds_finds_the_same(images, monkeypatch):
    monkeypatch.setattr(np, "find_common_type", lambda a, s: np.result_type(*a, *s), raising=False)
    fb = pytest.importorskip("foolbox", reason="the oracle needs foolbox: pip install '.[test]'")
    x, y = images
    network = of_other_images(convolutional(), 0, 255)
    ours = attacks.attack_dataset(
        Bounded(network, (0, 255)), x, y, PGD(norm="linf", eps=0.2, step_size=0.06, n_steps=5)
    )
    attack = fb.attacks.LinfPGD(abs_stepsize=0.06 * 127.5, steps=5, random_start=False)
    model = fb.TensorFlowModel(network, bounds=(0, 255))
    theirs, *_ = attack(model, tf.constant((x + 1) * 127.5), tf.constant(y), epsilons=0.2 * 127.5)
    np.testing.assert_allclose((ours.x_adv + 1) * 127.5, theirs.numpy(), atol=1e-2)


def test_a_bounded_network_trains_like_the_one_inside(images):
    x, y = images
    first = convolutional()
    weights = first.get_weights()
    bounded = Bounded(of_other_images(first, 0, 255), (0, 255))
    fit_classifier(bounded, x, y, Training(epochs=3, batch_size=4), ATTACKS[0], initialise=False)
    second = convolutional()
    second.set_weights(weights)
    fit_classifier(second, x, y, Training(epochs=3, batch_size=4), ATTACKS[0], initialise=False)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)
    assert np.abs(first.get_weights()[0] - weights[0]).max() > 1e-3


def test_a_bounded_network_is_saved_and_known_by_its_bounds(tmp_path, images):
    network = convolutional()
    bounded = Bounded(network, (0, 255))
    bounded(images[0])
    bounded.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images[0]), bounded(images[0]))
    assert classifiers.fingerprint(again) == classifiers.fingerprint(bounded)
    assert models.load(tmp_path / "a.keras", x_shape=(3, 3, 1), n_classes=3).bounds == (0, 255)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(3, 3, 1\), the data set has \(28, 28, 1\)"):
        models.load(tmp_path / "a.keras", x_shape=(28, 28, 1))
    with pytest.raises(ValueError, match="knows 3 classes, the data set has 10"):
        models.load(tmp_path / "a.keras", x_shape=(3, 3, 1), n_classes=10)
    others = [network, Bounded(network, (0, 1)), Bounded(network, (-1, 1))]
    assert len({classifiers.fingerprint(n) for n in [bounded, *others]}) == 4


def test_images_are_not_rounded_where_layers_compute_in_another_precision(images):
    x = images[0] * np.float32(0.9)
    network = convolutional()
    expected = network(x)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        bounded = Bounded(network, (-1, 1))
        np.testing.assert_array_equal(bounded(x), expected)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_network_made_to_take_other_images_is_one_of_plain_keras_layers(tmp_path, images):
    network, (x, _) = convolutional(), images
    path = tmp_path / "a.keras"
    models.save(bounds.taking(network, (0, 255)), path, {"figure": None})
    saved = keras.saving.load_model(path, custom_objects={}, safe_mode=True)
    assert {type(layer).__module__.split(".")[0] for layer in saved.layers} == {"keras"}
    np.testing.assert_allclose(saved((x + 1) * 127.5), network(x), atol=1e-4)
    loaded = models.load(path, x_shape=(3, 3, 1), n_classes=3, bounds=(0, 255))
    np.testing.assert_allclose(loaded(x), network(x), atol=1e-4)


@pytest.mark.parametrize("wrong", [(1, 1), (255, 0), (0, float("inf")), (0, float("nan")), "ab", 5, (0, 1, 2)])
def test_bounds_are_two_numbers_that_rise(wrong):
    with pytest.raises(ValueError, match="bounds are") as refusal:
        Bounded(convolutional(), wrong)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "warns"),
    [
        (lambda: of_other_images(convolutional(), 0, 255), True),
        (
            lambda: keras.Sequential([keras.layers.Input((3, 3, 1)), keras.layers.Normalization(), convolutional()]),
            True,
        ),
        (lambda: keras.Sequential([keras.layers.Input((3, 3, 1)), of_other_images(convolutional(), 0, 1)]), True),
        (lambda: Bounded(of_other_images(convolutional(), 0, 255), (0, 255)), False),
        (lambda: Bounded(of_other_images(convolutional(), 0, 255), (-1, 1)), False),
        (convolutional, False),
    ],
    ids=["rescaling", "normalization", "nested", "bounds", "bounds as they are", "neither"],
)
def test_a_network_that_begins_by_scaling_its_images_is_spoken_of_once(images, recwarn, make, warns):
    network = make()
    for _ in range(2):
        attacks.attack_dataset(network, *images, ATTACKS[0])
    said = [str(w.message) for w in recwarn if "begins by scaling" in str(w.message)]
    assert len(said) == warns
    assert inputs.rescales(network) == warns


def test_images_that_never_go_below_zero_are_spoken_of_once(images, recwarn):
    x, y = images
    network = convolutional()
    for _ in range(2):
        attacks.attack_dataset(network, x, y, ATTACKS[0])
        attacks.attack_dataset(network, (x - x.min()).clip(0, 1), y, ATTACKS[0])
    assert [str(w.message) for w in recwarn if "no pixel is below 0" in str(w.message)] == [
        "no pixel is below 0 (least 0); images in [0, 1] go to [-1, 1] by 2 * x - 1."
    ]


def test_accuracy_that_is_guessing_is_spoken_of(recwarn):
    """A network of images in [0, 255] that is given those of [-1, 1]: the mistake that the warning is for."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = np.clip(np.where(y == 1, 0.6, -0.6)[:, None] + rng.normal(0, 0.1, (60, 2)), -1, 1).astype("float32")
    network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    network.set_weights([np.array([[0, 1], [0, 1]], np.float32), np.array([0, -255], np.float32)])
    assert evaluation.accuracy(network, x, y).value < 0.7
    (warning,) = recwarn
    assert "cannot be told from guessing among 2 classes" in str(warning.message)
    assert evaluation.accuracy(Bounded(network, (0, 255)), x, y).value == 1
    evaluation.accuracy(network, x, y, warn=False)
    assert len(recwarn) == 1


def test_eps_may_be_told_in_another_range():
    options = AttackOptions(norm="linf", n_steps=5)
    plain = replace(options, step_size=2 / 255).attack(8 / 255)
    assert replace(options, step_size=1 / 255, eps_range=(0, 1)).attack(4 / 255) == plain
    assert replace(options, step_size=1, eps_range=(0, 255)).attack(4) == plain
    assert replace(options, eps_range=(0, 255)).attack(4).step_size == 0.02  # the authors' stays
    assert "eps 8/255 on [-1, 1] pixels (4/255 on [0, 1])" in str(plain)


def test_commands_with_bounds(robint, tmp_path):
    train = ["train", "--dataset", "mnist-sample", "--n-train", 60, "--epochs", 2, "--save", "a.keras"]
    robint(*train, "--bounds", "0,255")
    card = json.loads((tmp_path / "a.json").read_text())
    assert card["bounds"] == [0, 255]
    robint(*train, "--bounds", "0,255")
    assert "holds another network" in robint(*train, code=2)
    digits = data.load("mnist_sample", offline=True).test.take(20)
    saved = keras.saving.load_model(tmp_path / "a.keras")
    expected = np.mean(saved((digits.x + 1) * 127.5).numpy().argmax(axis=-1) == digits.y)
    evaluate = ["evaluate", "a.keras", "--dataset", "mnist-sample", "--n-test", 20, "--norm", "linf", "--n-steps", 5]
    evaluate += ["--eps", "4/255", "--eps-range", "0,1", "--json", "a_eval.json"]
    out = robint(*evaluate, "--bounds", "0,255")
    assert "eps 8/255 on [-1, 1] pixels (4/255 on [0, 1])" in out
    assert "begins by scaling" not in out
    found = json.loads((tmp_path / "a_eval.json").read_text())
    assert found["bounds"] == [0, 255]
    assert found["evaluations"][0]["accuracy"] == expected
    assert found["evaluations"][1]["n_unchanged"] == 0
    for others in ((), ("--bounds", "-1,1")):
        assert "says that it takes images in [0, 255]; give bounds 0,255. The option for that is --bounds." in robint(
            *evaluate, *others, code=2
        )
    foreign = keras.saving.load_model(tmp_path / "a.keras")
    foreign.save(tmp_path / "a.keras")  # which names no recipe any more
    (tmp_path / "a.json").unlink()
    assert robint(*evaluate).count("begins by scaling") == 1
    assert "begins by scaling" not in robint(*evaluate, "--bounds", "-1,1")
    for wrong in ("1", "0,x", "255,0", "0,inf"):
        assert "--bounds" in robint(*evaluate, "--bounds", wrong, code=2)
