import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.networks import layers
from robint_tf.networks.layers import Chain, ConvBlock, DeconvBlock, DenseBlock

FILE = "layers"
RELU = {"activation": "relu", "batch_norm": "after"}
BLOCKS = {
    "dense": lambda n: DenseBlock(n, **RELU),
    "dense_linear": lambda n: DenseBlock(n, batch_norm="after"),
    "conv_same_s2": lambda n: ConvBlock(n, kernel_size=4, strides=2, **RELU),
    "conv5_same_s2": lambda n: ConvBlock(n, kernel_size=5, strides=2, **RELU),
    "deconv_same_s2": lambda n: DeconvBlock(n, kernel_size=4, strides=2, **RELU),
    "deconv_valid_s1": lambda n: DeconvBlock(n, kernel_size=4, padding="VALID", **RELU),
    "conv_tanh_nobn": lambda n: ConvBlock(n, kernel_size=3, activation="tanh"),
}
NORMALISED = sorted(set(BLOCKS) - {"conv_tanh_nobn"})


def golden_block(case):
    """The block of a golden case with its weights, and a function that reads the case's arrays."""
    data = goldens.load(FILE)
    block = BLOCKS[case](data[f"{case}/var/bias"].shape[0])
    block.build((None, *data[f"{case}/x1"].shape[1:]))
    for variable in block.variables:
        variable.assign(data[f"{case}/var/{variable.name}"])
    return block, lambda key: tf.constant(data[f"{case}/{key}"])


def assert_golden(key, actual):
    np.testing.assert_allclose(actual, goldens.load(FILE)[key], rtol=0, atol=goldens.atol(FILE, key), err_msg=key)


def test_every_golden_case_is_tested():
    assert set(BLOCKS) == {name for name, value in goldens.meta(FILE).items() if isinstance(value, dict)}


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("case", BLOCKS)
def test_outputs_and_gradients_are_the_authors(case, mode):
    if f"{case}/{mode}_x1" not in goldens.load(FILE):
        pytest.skip("without batch normalisation there is one mode")
    block, read = golden_block(case)
    x = read("x1")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = block(x, training=mode == "train", update_averages=False)
        total = tf.reduce_sum(y * read("cotangent"))
    grad_x, grad_kernel = tape.gradient(total, [x, block.kernel])
    assert_golden(f"{case}/{mode}_x1", y)
    assert_golden(f"{case}/{mode}_grad_x", grad_x)
    assert_golden(f"{case}/{mode}_grad_kernel", grad_kernel)
    assert block.compute_output_shape((None, *x.shape[1:]))[1:] == tuple(y.shape[1:])


@pytest.mark.parametrize("case", NORMALISED)
def test_moving_averages_are_the_authors(case):
    block, read = golden_block(case)
    for update in (1, 2):
        block(read(f"x{update}"), training=True)
        assert_golden(f"{case}/after{update}/moving_mean", block.moving_mean)
        assert_golden(f"{case}/after{update}/moving_variance", block.moving_variance)
    assert_golden(f"{case}/infer_x1_after2", block(read("x1")))


@pytest.mark.parametrize("options", [{"training": True, "update_averages": False}, {"training": False}])
def test_averages_stay_when_they_should(options):
    block, read = golden_block("conv_same_s2")
    block(read("x2"), **options)
    np.testing.assert_array_equal(block.moving_mean, read("var/moving_mean"))
    np.testing.assert_array_equal(block.moving_variance, read("var/moving_variance"))


def test_statistics_of_images_are_unbiased_and_of_features_biased():
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype("float32")
    gamma, beta = tf.ones(1), tf.zeros(1)
    images = layers.batch_norm(tf.constant(x), gamma, beta)
    features = layers.batch_norm(tf.constant(x.reshape(12, 1)), gamma, beta)
    np.testing.assert_allclose(images.variance, x.var(ddof=1), rtol=1e-5)
    np.testing.assert_allclose(features.variance, x.var(ddof=0), rtol=1e-5)
    np.testing.assert_allclose(tf.reshape(images.y, (12, 1)), features.y, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_before_is_the_order_of_the_paper(training):
    block = ConvBlock(3, kernel_size=3, activation="relu", batch_norm="before", name="conv1")
    chain = Chain([block], (5, 5, 2), seed=1)
    convolution, norm = keras.layers.Conv2D(3, 3, padding="same"), keras.layers.BatchNormalization()
    oracle = keras.Sequential([keras.Input((5, 5, 2)), convolution, norm, keras.layers.ReLU()])
    rng = np.random.default_rng(0)
    values = {v.name: rng.uniform(0.5, 1.5, v.shape).astype("float32") for v in block.variables}
    for variable in [*block.variables, *convolution.variables, *norm.variables]:
        variable.assign(values[variable.name])
    x = rng.normal(size=(4, 5, 5, 2)).astype("float32")
    np.testing.assert_allclose(chain(x, training=training), oracle(x, training=training), atol=1e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kind", [ConvBlock, DeconvBlock])
def test_output_shapes_are_known_before_the_call(kind, strides, padding):
    block = kind(2, kernel_size=4, strides=strides, padding=padding)
    y = block(tf.zeros((1, 7, 9, 3)))
    assert block.compute_output_shape((1, 7, 9, 3)) == tuple(y.shape)


def small_chain(seed=0):
    stack = [
        ConvBlock(4, kernel_size=3, batch_norm="after", name="conv1"),
        keras.layers.Flatten(name="flatten"),
        DenseBlock(4 * 3 * 3, activation="leaky_relu", name="dense2"),
        keras.layers.Reshape((3, 3, 4), name="reshape"),
        ConvBlock(4, kernel_size=3, name="conv3"),
    ]
    return Chain(stack, (3, 3, 4), seed=seed, name="small")


def test_initial_weights_depend_on_the_seed_and_the_layer_alone():
    first, again, other = small_chain(1), small_chain(1), small_chain(2)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first.blocks[0].kernel - other.blocks[0].kernel).max() > 0.1
    assert np.abs(first.blocks[0].kernel - first.blocks[4].kernel).max() > 0.1


def test_kernels_start_glorot_uniform_and_biases_at_zero():
    chain = small_chain()
    limit = np.sqrt(6 / (9 * 4 + 9 * 4))
    kernel = np.abs(chain.blocks[0].kernel)
    assert 0.9 * limit < kernel.max() <= limit
    assert not np.any(chain.blocks[0].bias)


def test_leaky_relu_has_slope_one_tenth():
    np.testing.assert_allclose(layers.ACTIVATIONS["leaky_relu"](tf.constant([-2.0, 3.0])), [-0.2, 3.0])


def test_a_chain_survives_its_configuration_and_a_file(tmp_path):
    chain = small_chain(5)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(chain))
    for a, b in zip(chain.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # the seed is part of the configuration
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    chain(x, training=True)  # moves the averages
    chain.save(tmp_path / "chain.keras")
    loaded = keras.saving.load_model(tmp_path / "chain.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(x), chain(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseBlock(1, activation="gelu"), "activation is 'gelu'; choose one of linear, relu, "),
        (
            lambda: DenseBlock(1, batch_norm="first"),
            "batch_norm is 'first'; choose one of none, before, after",
        ),
        (lambda: ConvBlock(1, kernel_size=3, padding="same"), "padding is 'same'; choose one of SAME, VALID"),
        (lambda: layers.derive_seed(0, -1), "seed is -1; give a whole number of at least 0"),
    ],
)
def test_bad_settings_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
