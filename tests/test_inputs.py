"""What is attacked, trained and explained: any Keras model of logits, arrays of every usual kind, or one sentence."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.attacks import evaluation
from robint_tf.attacks import pgd as attacks
from robint_tf.attacks.named import fgsm
from robint_tf.interpretability import attributions
from robint_tf.networks import classifiers, inputs
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.files import models
from robint_tf.specs import PGD, Training
from robint_tf.training.adversarial import AdversarialClassifier
from robint_tf.training.classifier import fit_classifier

ATTACK = PGD(norm="linf", eps=0.2, step_size=0.1, n_steps=3)
L = keras.layers


def convolutional():
    network = keras.Sequential([L.Input((3, 3, 1)), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(3)])
    classifiers.initialise(network, 1)
    return network


class Subclassed(keras.Model):
    """As users write them: no shape is known before the first call."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.flatten, self.dense = L.Flatten(), L.Dense(n_classes)

    def call(self, x):
        return self.dense(self.flatten(x))


class OwnWeights(keras.Model):
    """A model that adds weights itself, beside its layers."""

    def __init__(self):
        super().__init__()
        self.flatten = L.Flatten()
        self.kernel_initializer = keras.initializers.GlorotNormal()
        self.kernel = self.add_weight(shape=(9, 3), name="kernel", initializer="zeros")

    def call(self, x):
        return tf.matmul(self.flatten(x), self.kernel)


def functional():
    x = L.Input((None, None, 1))
    return keras.Model([x], L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x))))


KINDS = {
    "functional": functional,
    "subclassed": Subclassed,
    "own weights": OwnWeights,
    "adversarial": lambda: AdversarialClassifier(convolutional(), ATTACK),
    "nested": lambda: keras.Sequential([Subclassed()]),
    "float16": lambda: keras.Sequential([L.Input((3, 3, 1)), L.Flatten(), L.Dense(3, dtype="mixed_float16")]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_model_of_logits_will_do(images, kind):
    x, y = images
    network = KINDS[kind]()
    fit_classifier(network, x, y, Training(epochs=2, batch_size=4), ATTACK, initialise=True)
    logits = np.asarray(network(x), np.float32)
    found = attacks.attack_dataset(network, x, y, ATTACK, batch_size=4)
    np.testing.assert_allclose(found.clean_logits, logits, atol=1e-3)
    assert found.logits.dtype == np.float32
    assert np.abs(found.x_adv - x).max() > 0.05
    assert evaluation.accuracy(network, x, y).value == np.mean(logits.argmax(axis=-1) == y)
    with tf.GradientTape() as tape:
        tape.watch(image := tf.constant(x))
        out = tf.cast(network(image), tf.float32)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.argmax(out, axis=-1), out)
    expected = np.abs(tape.gradient(loss, image)).sum(axis=-1)
    np.testing.assert_allclose(attributions.attribute(network, x, "gradient"), expected, atol=2e-3)


@pytest.mark.parametrize("kind", ["subclassed", "own weights"])
def test_weights_of_any_model_belong_to_the_seed(images, kind):
    weights = []
    for seed in (1, 1, 2):
        network = KINDS[kind]()
        fit_classifier(network, *images, Training(epochs=0, seed=seed), initialise=True)
        weights.append(network.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0]).max() > 0
    assert not np.array_equal(weights[0], weights[2])


def test_the_adversarial_classifier_is_saved_with_its_attack(tmp_path, images):
    model = AdversarialClassifier(convolutional(), ATTACK)
    model(images[0])
    model.save(tmp_path / "a.keras")
    loaded = models.load(tmp_path / "a.keras", x_shape=(3, 3, 1), n_classes=3)
    assert loaded.attack == ATTACK
    np.testing.assert_array_equal(loaded(images[0]), model(images[0]))
    assert classifiers.fingerprint(loaded) == classifiers.fingerprint(model)


def test_arrays_of_every_usual_kind_are_the_same(linear_network, images):
    x, y = images
    expected = attacks.attack_dataset(linear_network, x, y, ATTACK).x_adv
    first = evaluation.accuracy(linear_network, x, y, ATTACK)
    network = convolutional()
    for images_, labels in [(x, y[:, None]), (tf.constant(x), tf.constant(y)), (x, y.tolist()), (x, y.astype("uint8"))]:
        np.testing.assert_array_equal(attacks.attack_dataset(linear_network, images_, labels, ATTACK).x_adv, expected)
        assert evaluation.accuracy(linear_network, images_, labels, ATTACK) == first
        attributions.attribute(linear_network, images_, "gradient")
        attacks.predict(linear_network, images_)
        fit_classifier(network, images_, labels, Training(epochs=1, batch_size=4), initialise=True)


def bad_calls():
    x, y = np.linspace(-1, 1, 180, dtype=np.float32).reshape(20, 3, 3, 1), np.arange(20) % 3
    nan = x.copy()
    nan[15, 0, 0, 0] = np.nan
    yield "one-hot labels", x, np.eye(3)[y], r"labels have shape \(20, 3\); give .* y.argmax\(axis=-1\)"
    yield "labels of images", x, np.zeros((20, 3, 3), int), r"labels have shape \(20, 3, 3\)"
    yield "text labels", x, np.array(["a"] * 20), "labels are <U1; give integers"
    yield "a data set", tf.data.Dataset.from_tensor_slices((x, y)), y, "tf.data.Dataset; give arrays"
    yield "30 labels for 20 images", x, np.arange(30) % 3, "20 images and 30 labels"
    yield "no images", x[:0], y[:0], "0 images"
    yield "NaN pixels", nan, y, "NaN or infinite pixels"
    yield "pixels to 255", (x + 1) * 127.5, y, r"pixels range over \[0, 255\]; scale them to \[-1, 1\]"
    yield "bytes", np.zeros((20, 3, 3, 1), np.uint8), y, "images are uint8; give float32"
    yield "a row", x.ravel(), np.zeros(180, int), r"images have shape \(180,\)"
    yield "another shape", x.reshape(20, 9), y, r"images have shape \(9,\); the network takes \(3, 3, 1\)"
    yield "labels too large", x, y + 1, "labels range over .* from 0 to 2"


BAD_CALLS = {name: rest for name, *rest in bad_calls()}


@pytest.mark.parametrize("use", ["attack", "accuracy", "train"])
@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_arrays_are_refused_in_one_line(linear_network, use, case):
    x, y, message = BAD_CALLS[case]
    before = linear_network.get_weights()
    calls = {
        "attack": lambda: attacks.attack_dataset(linear_network, x, y, ATTACK),
        "accuracy": lambda: evaluation.accuracy(linear_network, x, y),
        "train": lambda: fit_classifier(linear_network, x, y, Training(epochs=1), initialise=False),
    }
    with pytest.raises(ValueError, match=message) as refusal:
        calls[use]()
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200
    for a, b in zip(before, linear_network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def two_inputs():
    a, b = L.Input((3, 3, 1)), L.Input((3, 3, 1))
    return keras.Model([a, b], L.Dense(3)(L.Flatten()(a + b)))


def two_outputs():
    a = L.Input((3, 3, 1))
    return keras.Model(a, [L.Dense(3)(L.Flatten()(a)), L.Dense(2)(L.Flatten()(a))])


class Rounded(L.Layer):
    def call(self, x):
        return tf.stop_gradient(x)


def after(*layers):
    return lambda: keras.Sequential([L.Input((3, 3, 1)), L.Flatten(), *(layer() for layer in layers)])


def squashed(operation):
    def make():
        image = L.Input((3, 3, 1))
        return keras.Model(image, operation(L.Dense(3)(L.Flatten()(image))))

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (after(lambda: L.Dense(1)), "returns one number an image; give it one logit a class"),
        (lambda: keras.Sequential([L.Input((3, 3, 1)), L.Conv2D(3, 1)]), r"returns shape \(10, 3, 3, 3\)"),
        (two_inputs, "has several inputs"),
        (two_outputs, "returns 2 outputs"),
        (after(lambda: L.Dense(3, "softmax")), "returns probabilities"),
        (after(lambda: L.Dense(3, "softmax", dtype="bfloat16")), "returns probabilities"),
        (after(lambda: L.Dense(3, "sigmoid")), r"ends in a sigmoid, .* remove it: network\.layers\[-1\]\.activation ="),
        (squashed(keras.ops.sigmoid), r"ends in a sigmoid, .* remove it\.$"),
        (after(Rounded, lambda: L.Dense(3)), "has no gradient"),
        (
            lambda: keras.Sequential([L.Dense(3), L.Conv2D(3, 7)]),
            r"cannot be called on images of shape \(10?, 3, 3, 1\)",
        ),
    ],
    ids=[
        "one logit",
        "a map",
        "two inputs",
        "two outputs",
        "probabilities",
        "bfloat16",
        "sigmoid",
        "operation",
        "no gradient",
        "other images",
    ],
)
def test_networks_of_other_kinds_are_refused_in_one_line(images, make, message):
    with pytest.raises(ValueError, match=message) as refusal:
        attacks.attack_dataset(make(), *images, ATTACK)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=message):
        fit_classifier(make(), *images, Training(epochs=1), ATTACK, initialise=False)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_networks_that_do_not_return_logits_are_refused_by_keras_fit_too(images, activation):
    network = AdversarialClassifier(after(lambda: L.Dense(3, activation))(), ATTACK)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="attacks need logits"):
        network.fit(*images, verbose=0)


@pytest.mark.parametrize("change", [lambda n: n, lambda n: Bounded(n, bounds=(0, 255))], ids=["plain", "bounded"])
def test_the_line_that_a_refused_softmax_comes_with_makes_it_a_network_of_logits(images, change):
    network = after(lambda: L.Dense(3, "softmax"))()
    with pytest.raises(ValueError, match="returns probabilities") as refusal:
        attacks.attack_dataset(change(network), *images, ATTACK)
    line = re.search(r"network\.layers.*(?=\.$)", str(refusal.value))[0]
    exec(line, {"network": network, "keras": keras})
    kernel, bias = network.get_weights()
    x = change(network).rescale(images[0]).numpy() if change(network) is not network else images[0]
    found = attacks.attack_dataset(change(network), *images, ATTACK).clean_logits
    np.testing.assert_allclose(found, x.reshape(len(x), -1) @ kernel + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("scale", "n_warnings"), [(lambda image: image / 255, 1), (lambda image: 2 * image, 1), (keras.ops.relu, 0)]
)
def test_a_functional_network_that_scales_its_images_is_asked_for_its_bounds(images, recwarn, scale, n_warnings):
    image = L.Input((3, 3, 1))
    attacks.attack_dataset(keras.Model(image, L.Dense(3)(L.Flatten()(scale(image)))), *images, ATTACK)
    assert sum("begins by scaling" in str(w.message) for w in recwarn) == n_warnings


@pytest.mark.parametrize(
    ("order", "shuffle", "n_warnings"), [("sorted", False, 1), ("mixed", False, 0), ("sorted", True, 0)]
)
def test_a_training_on_one_class_after_the_other_is_warned_of(linear_network, recwarn, order, shuffle, n_warnings):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    x = rng.uniform(-1, 1, (60, 3, 3, 1)).astype(np.float32)
    y = np.sort(y) if order == "sorted" else y
    fit_classifier(linear_network, x, y, Training(epochs=1, batch_size=10, shuffle=shuffle), initialise=True)
    assert sum("one class after the other" in str(w.message) for w in recwarn) == n_warnings


def test_logits_of_one_image_may_add_up_to_1(linear_network, images):
    x, y = images[0][:1], images[1][:1]
    kernel, _ = linear_network.get_weights()
    shares = np.array([0.2, 0.3, 0.5], np.float32)
    linear_network.set_weights([kernel, shares - x.reshape(-1) @ kernel])
    assert linear_network(x).numpy().sum() == pytest.approx(1, abs=1e-6)
    assert evaluation.accuracy(linear_network, x, y, warn=False).n == 1


def overflowing(threshold):
    """A network whose logits are infinite for images with a sum above a threshold, and nowhere else."""
    huge = L.Lambda(lambda x: x * tf.where(tf.reduce_sum(x, axis=1, keepdims=True) > threshold, 3e38, 1.0) * 10.0)
    network = keras.Sequential([L.Input((3, 3, 1)), L.Flatten(), huge, L.Dense(3)])
    network.set_weights([np.ones((9, 3), np.float32) * [1, 2, 3], np.zeros(3, np.float32)])
    return network


def test_a_network_that_overflows_on_a_later_image_is_refused_by_the_number_of_that_image():
    x = np.full((150, 3, 3, 1), -0.1, np.float32)
    x[130] = 0.9
    y, network = np.zeros(150, int), overflowing(4)
    for call in (
        lambda: evaluation.accuracy(network, x, y),
        lambda: evaluation.accuracy(network, x, y, ATTACK, batch_size=40),
        lambda: attacks.predict(network, x, batch_size=40),
    ):
        with pytest.raises(inputs.NotFiniteError, match="NaN or infinite logits for image 130;"):
            call()


def test_a_network_that_overflows_under_attack_only_is_refused():
    x, y = np.full((100, 3, 3, 1), -0.1, np.float32), np.zeros(100, int)
    x[70:] = 0.3
    network = overflowing(4)
    assert np.isfinite(attacks.predict(network, x)).all()
    with pytest.raises(inputs.NotFiniteError, match=r"under attack for image 70;|gradients for image 70;"):
        attacks.attack_dataset(network, x, y, PGD(norm="linf", eps=0.3, step_size=0.3, n_steps=2), batch_size=30)


def test_attributions_that_are_not_finite_are_refused():
    """The root's gradient is infinite where its argument is 0, and the logits are finite."""
    network = keras.Sequential(
        [L.Input((3, 3, 1)), L.Lambda(lambda x: tf.sqrt(tf.abs(x - 0.5))), L.Flatten(), L.Dense(3)]
    )
    x = np.zeros((80, 3, 3, 1), np.float32)
    x[75, 1, 1] = 0.5
    with pytest.raises(inputs.NotFiniteError, match="gradients for image 75;"):
        attributions.attribute(network, x, "gradient")


def test_a_training_whose_network_overflows_on_test_images_has_diverged(images):
    from robint_tf.data.datasets import Split
    from robint_tf.errors import DivergedError

    x, y = images
    network = overflowing(4)
    test = Split(np.full((3, 3, 3, 1), 0.9, np.float32), np.zeros(3, np.int32))
    with pytest.raises(DivergedError, match="after epoch 1, the network returns NaN or infinite logits for image 0"):
        fit_classifier(network, x, y, Training(epochs=1), initialise=False, test=test)


@pytest.mark.parametrize("field", ["eps", "step_size"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_lengths_whose_squares_overflow_are_refused(norm, field):
    with pytest.raises(ValueError, match=rf"{field} is 2e\+19; give at most 1e\+18, the squares"):
        PGD(**{"norm": norm, "eps": 1.0, "step_size": 1.0} | {field: 2e19})


@pytest.mark.parametrize("random_start", [False, True])
def test_the_largest_lengths_still_move_an_image(linear_network, images, random_start):
    attack = PGD(norm="l2", eps=1e18, step_size=1e18, n_steps=2, random_start=random_start)
    found = attacks.attack_dataset(linear_network, *images, attack)
    assert found.n_unchanged == 0
    assert (np.abs(found.x_adv) == 1).mean() > 0.5  # corners of the box


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_nothing_are_refused(linear_network, images, batch_size):
    for call in (
        lambda: attacks.attack_dataset(linear_network, *images, ATTACK, batch_size=batch_size),
        lambda: attacks.predict(linear_network, images[0], batch_size=batch_size),
        lambda: evaluation.accuracy(linear_network, *images, batch_size=batch_size),
    ):
        with pytest.raises(ValueError, match=f"batch_size is {batch_size}"):
            call()


@pytest.mark.parametrize("seed", [2**31, -1])
def test_seeds_out_of_range_are_refused_in_one_line(seed):
    for make in (lambda: PGD(norm="l2", eps=1, step_size=1, seed=seed), lambda: Training(epochs=1, seed=seed)):
        with pytest.raises(ValueError, match=f"seed is {seed}; give a whole number"):
            make()
    with pytest.raises(ValueError, match="seed is -1; give a whole number"):
        classifiers.build("gaussian_mlp", seed=-1)


def test_steps_that_cannot_reach_eps_are_spoken_of_once(linear_network, images, recwarn):
    network = convolutional()
    short = PGD(norm="linf", eps=0.37, step_size=0.0625, n_steps=2)
    for attack in (
        short,
        short,
        PGD(norm="linf", eps=0.37, step_size=0.0625, n_steps=6),
        PGD(norm="linf", eps=0.0, step_size=0.0625, n_steps=2),
        fgsm(0.37),
    ):
        attacks.attack_dataset(linear_network, *images, attack)
        fit_classifier(network, *images, Training(epochs=1), attack, initialise=True)
    attacks.attack_dataset(linear_network, *images, replace(short, random_start=True))
    assert [str(w.message) for w in recwarn if "reach" in str(w.message)] == [
        "2 steps of 0.0625 reach 0.125 at most, not the eps of 0.37; take more steps or larger ones."
    ]


def test_images_whose_gradient_is_lost_are_counted_though_it_is_not_zero():
    """Squares of gradients of 1e30 overflow in float32: the direction becomes 0 and the image stays."""
    network = keras.Sequential([L.Input((2,)), L.Dense(2)])
    network.set_weights([np.array([[1e30, -1e30], [0, 0]], np.float32), np.zeros(2, np.float32)])
    x, y = np.array([[0.5, 0.0], [-0.5, 0.0], [-0.5, 0.0]], np.float32), np.array([0, 0, 1])
    attack = PGD(norm="l2", eps=0.1, step_size=0.1, n_steps=3, loss="cw_unclamped")
    found = attacks.attack_dataset(network, x, y, attack)
    assert (found.n_saturated, found.n_unchanged) == (0, 3)
    assert found.equal.tolist() == [True] * 3
    measured = evaluation.accuracy(network, x, y, attack)
    assert measured.n_unchanged == 3
    assert "the attack left 3 images unchanged" in str(measured)
    none = PGD(norm="l2", eps=0.0, step_size=0.1, n_steps=3)
    assert attacks.attack_dataset(network, x, y, none).n_unchanged == 0  # as it was told
    assert np.isfinite(evaluation.accuracy(network, x, y).loss)


def test_a_loss_beyond_float32_is_still_a_number():
    network = keras.Sequential([L.Input((2,)), L.Dense(2)])
    network.set_weights([np.array([[3e38, -3e38], [0, 0]], np.float32), np.zeros(2, np.float32)])
    found = evaluation.accuracy(network, np.array([[-0.9, 0.0]], np.float32), np.array([0]), warn=False)
    assert found.loss == pytest.approx(5.4e38)
