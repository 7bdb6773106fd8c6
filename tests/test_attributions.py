import gc
import weakref

import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf import specs
from robint_tf.interpretability import attributions
from robint_tf.networks import classifiers
from robint_tf.runtime import batching

NETWORKS = {"MNIST_CNN": "mnist_cnn", "CIFAR_CNN": "cifar_cnn"}
NAMES = {"gradient": "saliency", "gradient_x_input": "gradxinput"}
GOLDEN, SEED = goldens.load("attributions"), goldens.meta("attributions")["seed"]


@pytest.fixture(scope="module", params=NETWORKS)
def golden(request):
    """The authors' name of a network, the network with recipe weights, and its golden images."""
    network = classifiers.build(NETWORKS[request.param])
    goldens.set_weights(network, goldens.weights(request.param, SEED))
    return request.param, network, GOLDEN[f"{request.param}/x"]


def assert_golden(found, key):
    np.testing.assert_allclose(found, GOLDEN[key], rtol=0, atol=goldens.atol("attributions", key), err_msg=key)


@pytest.mark.parametrize("variant", ["authors", "corrected"])
@pytest.mark.parametrize("attribution", NAMES)
def test_signed_attributions_equal_the_authors(golden, attribution, variant):
    name, network, x = golden
    found = attributions.attribute(network, x, attribution, variant=variant, reduction="none")
    assert_golden(found, f"{name}/{NAMES[attribution]}")


@pytest.mark.parametrize("attribution", NAMES)
def test_maps_equal_the_authors_before_ranking(golden, attribution):
    name, network, x = golden
    found = attributions.attribute(network, x, attribution, batch_size=4)
    assert (found.dtype, found.shape) == (np.float32, x.shape[:3])
    assert_golden(found, f"{name}/{NAMES[attribution]}_pre")


def test_figure_6_shows_the_capped_gradient_of_minus_the_loss(golden):
    name, network, x = golden
    found = -attributions.attribute(network, x, "gradient", reduction="none")
    assert_golden(found, f"{name}/neg_loss_grad")
    assert_golden(attributions.heat_map(found), f"{name}/neg_loss_grad_pre")


PREPROCESSED = sorted(key for key in goldens.load("plots") if key.startswith("preprocess_") and "/q" in key)


@pytest.mark.parametrize("key", PREPROCESSED)
def test_heat_maps_equal_the_authors_preprocessing(key):
    case, _, form = key.partition("/")
    low, high, kind = form.removeprefix("q").split("_")
    values = goldens.load("plots")[f"{case}/in"]
    values = np.abs(values) if kind == "abs" else values
    found = attributions.heat_map(values, low=float(low), high=float(high))
    np.testing.assert_allclose(found, goldens.load("plots")[key], rtol=0, atol=goldens.atol("plots", key, 1e-6))
    assert found.dtype == np.float32


def test_heat_maps_by_hand():
    values = np.arange(101, dtype="float64").reshape(1, 101, 1, 1)
    found = attributions.heat_map(values - 50, low=10, high=90).ravel()
    assert found.tolist() == [*[-40.0] * 10, *range(-40, 41), *[40.0] * 10]
    found = attributions.heat_map(values + 1, low=10, high=90).ravel()  # all positive: what is below becomes 0
    assert found.tolist() == [*[0.0] * 10, *range(11, 92), *[91.0] * 10]
    channels = np.stack([values[..., 0], -values[..., 0]], axis=-1)
    assert not attributions.heat_map(channels).any()
    with pytest.raises(ValueError, match="the percentiles are 99 and 1"):
        attributions.heat_map(values, low=99, high=1)


def test_the_gradient_of_a_linear_network_by_hand(linear_network, images):
    x, _ = images
    w, _ = linear_network.get_weights()
    logits = linear_network(x).numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = ((shares - np.eye(3)[logits.argmax(axis=1)]) @ w.T).reshape(x.shape)
    found = attributions.attribute(linear_network, x, "gradient", reduction="none", batch_size=3)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    product = attributions.attribute(linear_network, x, "gradient_x_input", variant="paper")
    np.testing.assert_allclose(product, (x * expected).sum(axis=-1), atol=1e-6)


@pytest.mark.parametrize("gap", [1.0, 30.0, 80.0])
def test_the_corrected_gradient_survives_confidence(linear_network, images, gap):
    x, _ = images
    w, _ = linear_network.get_weights()
    linear_network.set_weights([w, np.array([gap, 0, 0], np.float32)])
    logits = linear_network(x).numpy().astype("float64")
    assert (logits.argmax(axis=1) == 0).all() or gap == 1
    x, logits = x[logits.argmax(axis=1) == 0], logits[logits.argmax(axis=1) == 0]
    others = np.exp(logits[:, 1:] - logits[:, :1])
    expected = (others / (1 + others.sum(axis=1, keepdims=True))) @ (w[:, 1:] - w[:, :1]).T
    found, authors = (
        attributions.attribute(linear_network, x, "gradient", variant=variant, reduction="none").reshape(expected.shape)
        for variant in ("corrected", "authors")
    )
    scale = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, atol=3e-5)
    assert (np.abs(authors - expected).max() > 0.1 * scale.max()) == (gap > 20)  # the predicted class is lost


def test_the_precise_loss_is_the_cross_entropy():
    logits = tf.constant(np.random.default_rng(0).normal(0, 3, (20, 10)).astype("float32"))
    predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
    np.testing.assert_allclose(
        attributions.precise_xent(logits, predicted), attributions.xent(logits, predicted), rtol=1e-4, atol=1e-6
    )


def test_reductions_of_channels():
    values = tf.constant([[[[1.0, -3.0, 0.5]]]])
    found = {name: reduce(values).numpy().ravel().tolist() for name, reduce in attributions.REDUCTIONS.items()}
    assert found == {"magnitude": [4.5], "signed": [-1.5], "none": [1.0, -3.0, 0.5]}
    assert set(attributions.RANKING.values()) <= set(found)
    assert set(attributions.RANKING) == set(attributions.OBJECTIVES) == set(specs.VARIANTS)


def test_images_are_attributed_independently(golden):
    _, network, x = golden
    whole = attributions.attribute(network, x, "gradient")
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_allclose(attributions.attribute(network, x[order], "gradient"), whole[order], atol=1e-6)
    alone = np.concatenate([attributions.attribute(network, one[None], "gradient") for one in x])
    np.testing.assert_allclose(alone, whole, atol=1e-6)


def test_batches_of_any_size_use_one_trace_which_follows_the_weights(linear_network, images):
    x, _ = images
    seen = []
    for batch_size in (3, 4, 10, 500):
        attributions.attribute(
            linear_network, x, "gradient", batch_size=batch_size, progress=lambda done, n: seen.append((done, n))
        )
    run = batching.per_network(
        linear_network, ((3, 3, 1), "attribution", "gradient", "authors", "magnitude"), lambda _: pytest.fail("no memo")
    )
    assert run.experimental_get_tracing_count() == 1
    assert seen[:4] == [(3, 10), (6, 10), (9, 10), (10, 10)]
    linear_network.set_weights([0 * w for w in linear_network.get_weights()])
    assert not attributions.attribute(linear_network, x, "gradient").any()


def test_compiled_attributions_die_with_their_network(images):
    network = keras.Sequential([keras.layers.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    attributions.attribute(network, images[0], "gradient")
    alive = weakref.ref(network)
    del network
    gc.collect()
    assert alive() is None


def test_a_mixed_precision_network_has_float32_attributions():
    network = classifiers.build("cifar_cnn", precision="mixed_bfloat16")
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    found = attributions.attribute(network, x, "gradient")
    assert found.dtype == np.float32
    exact = classifiers.build("cifar_cnn")
    exact.set_weights(network.get_weights())
    expected = attributions.attribute(exact, x, "gradient")
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attribution": "saliency"}, "attribution is 'saliency'; choose one of gradient, gradient_x_input"),
        ({"variant": "author"}, "variant is 'author'; choose one of authors, paper, corrected"),
        ({"reduction": "abs"}, "reduction is 'abs'; choose one of magnitude, signed, none"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"x": np.zeros((4, 2), "float32")}, r"inputs have shape \(4, 2\); attributions need images"),
        ({"x": np.zeros((4, 4, 3, 1), "float32")}, r"images have shape \(4, 3, 1\); the network takes \(3, 3, 1\)"),
        ({"x": np.zeros((4, 3, 3, 1), "uint8")}, "images are uint8; give float32"),
        ({"x": np.full((4, 3, 3, 1), 200, "float32")}, "scale them to"),
        ({"x": np.zeros((0, 3, 3, 1), "float32")}, "there are 0 images"),
    ],
)
def test_bad_input_is_refused_in_one_line(linear_network, arguments, message):
    good = {"x": np.zeros((4, 3, 3, 1), "float32"), "attribution": "gradient"}
    with pytest.raises(ValueError, match=message) as error:
        attributions.attribute(linear_network, **good | arguments)
    assert "\n" not in str(error.value)


def test_probabilities_are_refused(images):
    network = keras.Sequential(
        [keras.layers.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    with pytest.raises(ValueError, match="returns probabilities"):
        attributions.attribute(network, images[0], "gradient")
