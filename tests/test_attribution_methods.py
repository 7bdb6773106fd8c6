"""Attributions beyond the paper's, by hand and by what they promise; `test_attribution_oracles.py` has the oracles."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from robint_tf.interpretability import attributions
from robint_tf.interpretability.attributions import smoothgrad
from robint_tf.networks.bounds import Bounded
from robint_tf.runtime import batching, device
from robint_tf.settings import DeepLIFT, IntegratedGradients, LRPComposite, LRPEpsilon, SmoothGrad

NEW = sorted(set(attributions.ATTRIBUTIONS) - {"gradient", "gradient_x_input", "gradient_maximum", "gradient_gaussian"})
BY_LAYER = ["guided_backpropagation", "deeplift", "lrp_epsilon", "lrp_composite"]
COLOUR = np.array([0.1, -0.2, 0.3], "float32")


def quick(method):
    """The method with few points or samples."""
    if method == "integrated_gradients":
        return f"{method}:steps=3"
    return f"{method}:samples=3" if method.startswith(("smoothgrad", "vargrad")) else method


def weights(network, seed=0, biases=0.2):
    """Weights of the usual size, and biases of both signs."""
    rng = np.random.default_rng(seed)
    shapes = [w.shape for w in network.get_weights()]
    scales = [np.sqrt(2 / np.prod(s[:-1])) if len(s) > 1 else biases for s in shapes]
    network.set_weights([rng.normal(0, scale, s).astype("float32") for s, scale in zip(shapes, scales, strict=True)])
    return network


def stack():
    return [
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(5, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(6, activation="relu"),
        layers.Dense(3),
    ]


@pytest.fixture(scope="module")
def network():
    return weights(keras.Sequential([layers.Input((6, 6, 3)), *stack()]))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).uniform(-1, 1, (5, 6, 6, 3)).astype("float32")


def signed(network, x, method, baseline=0.0):
    return attributions.attribute(network, x, method, reduction="none", baseline=baseline)


def gradient_of_logit(network, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = network(x, training=False)
        top = tf.reduce_max(logits, axis=-1)
    return tape.gradient(top, x).numpy()


# The protocol that all share


@pytest.mark.parametrize("method", NEW)
def test_images_are_explained_independently_in_batches_by_one_trace(network, x, method):
    seen = []
    whole = attributions.attribute(network, x, quick(method), baseline=COLOUR)
    parts = attributions.attribute(
        network, x[::-1], quick(method), baseline=COLOUR, batch_size=2, progress=lambda done, n: seen.append((done, n))
    )
    assert (whole.shape, whole.dtype, seen) == ((5, 6, 6), np.float32, [(2, 5), (4, 5), (5, 5)])
    np.testing.assert_allclose(parts[::-1], whole, atol=1e-6 * np.abs(whole).max())
    full = attributions.ATTRIBUTIONS.full_name(quick(method))
    key = (6, 6, 3), "attribution", full, "authors", "magnitude"
    run = batching.per_network(network, key, lambda _: pytest.fail("not compiled"))
    assert run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("method", ["integrated_gradients:steps=3", "deeplift", "lrp_composite"])
def test_maps_follow_the_weights(network, x, method):
    other = weights(keras.models.clone_model(network), seed=7)
    first = attributions.attribute(network, x, method)
    before = network.get_weights()
    network.set_weights(other.get_weights())
    np.testing.assert_allclose(
        attributions.attribute(network, x, method), attributions.attribute(other, x, method), rtol=1e-4, atol=1e-6
    )
    network.set_weights(before)
    np.testing.assert_array_equal(attributions.attribute(network, x, method), first)


@pytest.mark.parametrize("method", ["integrated_gradients:steps=3", "deeplift"])
def test_the_baseline_is_a_number_a_colour_or_an_image_and_zero_on_request(network, x, method):
    by_colour = signed(network, x, method, COLOUR)
    np.testing.assert_array_equal(signed(network, x, method, np.broadcast_to(COLOUR, x.shape[1:])), by_colour)
    assert np.abs(signed(network, x, method, 0.0) - by_colour).max() > 0.01 * np.abs(by_colour).max()
    zero = IntegratedGradients(steps=3, baseline="zero") if ":" in method else DeepLIFT(baseline="zero")
    np.testing.assert_array_equal(signed(network, x, zero, COLOUR), signed(network, x, method, 0.0))


@pytest.mark.parametrize(
    ("baseline", "message"),
    [(np.zeros(2), r"shape \(2,\); give a number, a colour \(3,\)"), (2.0, "outside"), (np.nan, "outside")],
)
def test_a_baseline_that_is_none_is_refused(network, x, baseline, message):
    with pytest.raises(ValueError, match=message):
        signed(network, x, "deeplift", baseline)


# Integrated gradients


def test_integrated_gradients_of_two_classes_by_hand():
    """J = softplus(-d) of the difference d of two logits is a function of one number: the integral is a quotient."""
    network = weights(keras.Sequential([layers.Input((1, 1, 3)), layers.Flatten(), layers.Dense(2)]), seed=3)
    x = np.random.default_rng(0).uniform(-1, 1, (8, 1, 1, 3)).astype("float32")
    kernel, bias = network.get_weights()

    def objective(points, sign):
        d = sign * ((points.astype("float64") @ kernel + bias) @ [1, -1])
        return np.log1p(np.exp(-d)), d

    sign = np.where((x[:, 0, 0] @ kernel + bias) @ [1, -1] > 0, 1, -1)
    (j, d), (j0, d0) = objective(x[:, 0, 0], sign), objective(COLOUR[None], sign)
    expected = (x[:, 0, 0] - COLOUR) * (kernel @ [1, -1]) * (sign * (j - j0) / (d - d0))[:, None]
    found = signed(network, x, IntegratedGradients(steps=200), COLOUR)[:, 0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_integrated_gradients_are_complete_up_to_an_error_that_falls_with_the_square_of_steps(linear_network, images):
    errors = [
        attributions.completeness(linear_network, images[0], IntegratedGradients(steps=steps), baseline=0.4).error.max()
        for steps in (2, 4, 8)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)
    found = attributions.completeness(linear_network, images[0], "integrated_gradients", baseline=0.4)
    assert found.error.max() < 1e-4
    assert str(found).startswith("completeness error 0.0")


def test_completeness_is_of_methods_that_promise_a_sum(network, x):
    with pytest.raises(ValueError, match=r"^vargrad\(.*\) has no sum to be compared with; choose one of integ"):
        attributions.completeness(network, x, "vargrad")


# SmoothGrad


def test_smoothgrad_its_squares_and_variance_are_those_of_gradients_at_noisy_images(linear_network, images):
    x, _ = images
    settings = SmoothGrad(samples=6, noise=0.05, seed=5)
    noisy = [x + draw for draw in smoothgrad.noise(x.shape[1:], settings)]
    labels = [linear_network(images).numpy().argmax(axis=1) for images in (x, *noisy)]
    stays = np.all(labels == labels[0], axis=0)  # where noise does not change the predicted label
    assert stays.sum() >= 5
    x = x[stays]
    gradients = [
        attributions.attribute(linear_network, images[stays], "gradient", variant="corrected", reduction="none")
        for images in noisy
    ]
    gradients = np.array(gradients, "float64")
    expected = {
        "smoothgrad": gradients.mean(axis=0),
        "smoothgrad_squared": (gradients**2).mean(axis=0),
        "vargrad": gradients.var(axis=0),
    }
    for method, values in expected.items():
        found = signed(linear_network, x, f"{method}:samples=6,noise=0.05,seed=5")
        np.testing.assert_allclose(found, values, rtol=2e-3, atol=1e-6 * np.abs(values).max())


def test_noise_is_normal_of_the_size_that_was_asked_for_and_new_in_every_draw():
    settings = SmoothGrad(noise=0.2, seed=3, samples=2)
    draws = smoothgrad.noise((100, 100, 1), settings)
    assert np.std(draws) == pytest.approx(0.2, rel=0.02)
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(smoothgrad.noise((100, 100, 1), SmoothGrad(seed=3, samples=3))[:2], draws)
    assert not np.array_equal(smoothgrad.noise((100, 100, 1), SmoothGrad(seed=4, samples=2)), draws)


@pytest.mark.parametrize("method", NEW)
def test_xla_gives_the_same_maps(x, method, monkeypatch):
    """The network has no max-pooling, whose gradient XLA does not compile in the deterministic mode of the tests."""
    first, then = layers.Conv2D(4, 3, activation="relu"), layers.Dense(6, activation="relu")
    stages = [layers.Input((6, 6, 3)), first, layers.AveragePooling2D(2), layers.Flatten(), then, layers.Dense(3)]
    plain, compiled = (weights(keras.models.clone_model(keras.Sequential(stages))) for _ in range(2))
    expected = signed(plain, x, quick(method), COLOUR)
    monkeypatch.setattr(device, "jit_compile", lambda: True)
    found = signed(compiled, x, quick(method), COLOUR)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


# Rules from layer to layer


@pytest.fixture
def one_pixel():
    """A network of images (1, 1, 3): convolutions and dense layers are matrices."""
    made = keras.Sequential(
        [
            layers.Input((1, 1, 3)),
            layers.Conv2D(4, 1, activation="relu"),
            layers.Conv2D(5, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    x = np.random.default_rng(2).uniform(-1, 1, (6, 1, 1, 3)).astype("float32")
    return weights(made, seed=4), x


def by_hand(network, x):
    """Inputs of each matrix, the matrices, biases, sums, and the predicted label, in float64."""
    values = [np.float64(w).reshape(w.shape[-2:]) if w.ndim > 1 else np.float64(w) for w in network.get_weights()]
    matrices, biases = values[::2], values[1::2]
    inputs, sums = [np.float64(x[:, 0, 0])], []
    for matrix, bias in zip(matrices, biases, strict=True):
        sums.append(inputs[-1] @ matrix + bias)
        inputs.append(np.maximum(sums[-1], 0))
    return inputs, matrices, biases, sums, np.eye(2)[sums[-1].argmax(axis=1)]


def test_guided_backpropagation_by_hand(one_pixel):
    _, matrices, _, sums, top = by_hand(*one_pixel)
    g = top @ matrices[2].T
    for matrix, z in ((matrices[1], sums[1]), (matrices[0], sums[0])):
        g = np.where(z > 0, np.maximum(g, 0), 0) @ matrix.T
    found = signed(*one_pixel, "guided_backpropagation")[:, 0, 0]
    np.testing.assert_allclose(found, g, atol=1e-6)
    assert not np.allclose(found, gradient_of_logit(*one_pixel)[:, 0, 0], atol=1e-3)


def test_lrp_composite_by_hand(one_pixel):
    inputs, (first, second, last), (_, bias2, bias3), _, top = by_hand(*one_pixel)
    plus = lambda w: np.maximum(w, 0)  # noqa: E731
    r = (inputs[2] @ last + bias3) * top  # epsilon in the dense layer
    r = np.einsum("ni,ij,nj->ni", inputs[2], last, r / (inputs[2] @ last + bias3))
    gamma, gamma_bias = second + 0.25 * plus(second), bias2 + 0.25 * plus(bias2)
    z = inputs[1] @ gamma + gamma_bias
    r = np.einsum("ni,ij,nj->ni", inputs[1], gamma, np.divide(r, z, out=np.zeros_like(z), where=r != 0))
    parts = inputs[0][:, :, None] * first + np.abs(first)  # x w - low w+ - high w- with the bounds -1 and 1
    r = np.einsum("nij,nj->ni", parts, r / parts.sum(axis=1))
    np.testing.assert_allclose(signed(*one_pixel, "lrp_composite")[:, 0, 0], r, atol=1e-4 * np.abs(r).max())


def test_deeplift_by_hand():
    """One ReLU: 0.5 at the image, 0 at the baseline, where the sum is -0.25: a quotient of 2/3 in place of 1."""
    network = keras.Sequential([layers.Input((1, 1, 1)), layers.Flatten(), layers.Dense(1, "relu"), layers.Dense(2)])
    network.set_weights([np.array(w) for w in ([[1.0]], [-0.25], [[2.0, 0.0]], [0.0, -1.0])])
    found = signed(network, np.full((1, 1, 1, 1), 0.75, "float32"), "deeplift")
    assert found.item() == pytest.approx(0.75 * (0.5 / 0.75) * 2)


@pytest.mark.parametrize(
    ("image", "baseline", "contributions"),
    [
        ([[0.75, 0.25], [0, 0]], [[0, 0.5], [0, 0]], [[0.25, 0], [0, 0]]),  # its gradient would give 0.75
        ([[0, 0.25], [0, 0]], [[0.75, 0], [0, 0]], [[-0.5, 0], [0, 0]]),  # the maximum is lost where it was
    ],
)
def test_deeplift_hands_the_difference_of_a_maximum_to_where_it_comes_from(image, baseline, contributions):
    network = keras.Sequential([layers.Input((2, 2, 1)), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(2)])
    network.set_weights([np.array([[1.0, 0.0]]), np.array([5.0, 0.0])])
    image, baseline = (np.array(v, "float32")[None, ..., None] for v in (image, baseline))
    found = signed(network, image, "deeplift", baseline[0])
    np.testing.assert_allclose(found[0, :, :, 0], contributions, atol=1e-7)


@pytest.mark.parametrize("baseline", [0.0, COLOUR])
def test_deeplift_is_complete(network, x, baseline):
    found = attributions.completeness(network, x, "deeplift", baseline=baseline)
    assert found.error.max() < 1e-5
    assert np.abs(found.explained).max() > 0.1


def test_overlapping_poolings_are_complete_too(x):
    network = weights(
        keras.Sequential(
            [layers.Input((6, 6, 3)), layers.MaxPooling2D(3, 2, padding="same"), layers.Flatten(), layers.Dense(3)]
        )
    )
    assert attributions.completeness(network, x, "deeplift", baseline=COLOUR).error.max() < 1e-5


@pytest.mark.parametrize("method", ["lrp_epsilon", "lrp_composite"])
def test_relevance_is_conserved_without_biases(x, method):
    network = weights(keras.Sequential([layers.Input((6, 6, 3)), *stack()]), biases=0.0)
    found = attributions.completeness(network, x, method)
    np.testing.assert_allclose(found.sums, found.explained, rtol=1e-3)


def scaled(network):
    """The same weights behind a scaling, for images in 0..255."""
    return Bounded(network, bounds=(0, 255))


def normalised(_):
    made = keras.Sequential(
        [
            layers.Input((6, 6, 3)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.AveragePooling2D(2),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    rng = np.random.default_rng(5)
    values = [rng.uniform(0.2, 1, w.shape) for w in made.get_weights()]  # variances must be positive
    made.set_weights([w * rng.choice([-1, 1], w.shape) if w.ndim > 1 else w for w in values])
    return made


@pytest.mark.parametrize("change", [lambda network: network, scaled, normalised], ids=["plain", "scaled", "normalised"])
def test_lrp_epsilon_is_the_gradient_of_the_logit_times_the_input(network, x, change):
    """With ReLUs and any biases, as epsilon goes to 0: relu(z) / z is the gradient of the ReLU."""
    other = change(network)
    found, expected = signed(other, x, LRPEpsilon(epsilon=1e-7)), x * gradient_of_logit(other, x)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_the_gamma_of_the_composite_counts(network, x):
    assert not np.allclose(signed(network, x, LRPComposite(gamma=1.0)), signed(network, x, "lrp_composite"), atol=1e-3)


@pytest.mark.parametrize("method", BY_LAYER)
def test_networks_that_are_built_otherwise_have_the_same_maps(network, x, method):
    image = keras.Input((6, 6, 3))
    values, fresh = image, stack()
    for layer in fresh:
        values = layer(values)
    functional = keras.Model(image, values)
    functional.set_weights(network.get_weights())
    nested = keras.Sequential([layers.Input((6, 6, 3)), functional])
    expected = signed(network, x, method, COLOUR)
    for other in (functional, nested, Bounded(network, bounds=(-1, 1))):
        np.testing.assert_allclose(signed(other, x, method, COLOUR), expected, atol=1e-5 * np.abs(expected).max())


def with_layer(layer):
    return lambda: keras.Sequential([layers.Input((6, 6, 3)), layer(), layers.Flatten(), layers.Dense(3)])


def branched():
    image = keras.Input((6, 6, 3))
    side = layers.Conv2D(3, 1, name="side")(image)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.Add(name="sum")([image, side]))))


def functional(after=lambda y: y, before=lambda image: image):
    """With operations that are no layers after its convolution, or before it."""

    def make():
        image = keras.Input((6, 6, 3))
        y = after(layers.Conv2D(4, 3)(before(image)))
        return weights(keras.Model(image, layers.Dense(3)(layers.Flatten()(y))))

    return make


def replaced():
    """A layer that does more than its kind says, which nothing but its outputs tells."""
    network = weights(keras.Sequential([layers.Input((6, 6, 3)), *stack()]))
    call = network.layers[0].call
    network.layers[0].call = lambda *args, **options: keras.ops.tanh(call(*args, **options))
    return network


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.flatten, self.dense = layers.Flatten(), layers.Dense(3)

    def call(self, x, training=False):
        return self.dense(self.flatten(x))


REFUSED = {
    "activation": (with_layer(lambda: layers.Conv2D(3, 1, activation="tanh", name="bent")), r"layer 'bent' \(Conv2D\)"),
    "kind": (
        with_layer(lambda: layers.DepthwiseConv2D(1, name="deep")),
        r"layer 'deep' \(DepthwiseConv2D\) has no rule",
    ),
    "capped": (with_layer(lambda: layers.ReLU(6.0, name="six")), r"layer 'six' \(ReLU\)"),
    "branches": (branched, r"layer 'sum' of 'functional\w*' is not fed by the layer before it alone"),
    "a relu": (functional(keras.ops.relu), r"operation 'relu\w*' \(Relu\) has no rule .* such as ReLU or Rescaling"),
    "an activation": (functional(keras.activations.relu), r"operation '\w+' \(Re[lL][uU]\) has no rule"),
    "a product": (functional(lambda y: y * 2 - 1), r"operation 'multiply\w*' \(Multiply\) has no rule"),
    "a quotient": (functional(before=lambda image: image / 255), r"operation '\w+' \(TrueDivide\) has no rule"),
    "a call of its own": (replaced, "one after the other, give other logits than the network itself"),
    "subclassed": (Subclassed, r"the network 'mine' is of the class Subclassed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_without_a_rule_are_named_in_one_line_and_gradients_explain_them(x, case):
    make, message = REFUSED[case]
    network = make()
    for method in BY_LAYER:
        with pytest.raises(ValueError, match=message) as error:
            attributions.attribute(network, x, method)
        assert "\n" not in str(error.value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="the network begins by scaling")
        assert attributions.attribute(network, x, "integrated_gradients:steps=2").any()


def test_a_network_of_fewer_digits_is_not_taken_for_another(x):
    """It computes in bfloat16, its stages in float32."""
    made = [layers.Conv2D(8, 3, dtype="mixed_bfloat16"), layers.BatchNormalization(dtype="mixed_bfloat16")]
    network = weights(
        keras.Sequential([layers.Input((6, 6, 3)), *made, layers.ReLU(), layers.Flatten(), layers.Dense(3)])
    )
    network.layers[1].moving_variance.assign(np.full(8, 0.5))
    assert attributions.attribute(network, x, "deeplift").any()


def test_the_code_of_the_document_runs(capsys):
    text = (Path(__file__).parents[1] / "docs" / "attributions.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    made = {}
    exec(code, made)
    assert made["maps"].shape == (6, 8, 8)
    assert capsys.readouterr().out.startswith("completeness error ")
