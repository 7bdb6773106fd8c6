import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from robint_tf.networks import spectral
from robint_tf.networks.layers import Chain

FILE = "specnorm"
CASES = sorted(name for name, value in goldens.meta(FILE).items() if isinstance(value, dict))


def linear_map(case):
    settings = goldens.meta(FILE)[case]
    if settings["kind"] == "dense":
        return spectral.DENSE
    u0 = goldens.load(FILE)[f"{case}/u0"]
    return spectral.convolution(u0.shape, strides=settings["strides"][0], padding=settings["pad"])


def assert_golden(key, actual):
    np.testing.assert_allclose(actual, goldens.load(FILE)[key], rtol=0, atol=goldens.atol(FILE, key), err_msg=key)


@pytest.mark.parametrize("case", CASES)
def test_three_runs_give_the_authors_kernel_norm_and_u(case):
    data, beta = goldens.load(FILE), goldens.meta(FILE)[case]["beta"]
    u = tf.constant(data[f"{case}/u0"])
    for run in (1, 2, 3):
        result = spectral.spectral_norm(tf.constant(data[f"{case}/kernel"]), u, linear_map(case), beta=beta)
        u = result.u
        assert_golden(f"{case}/run{run}/w_norm", result.kernel)
        assert_golden(f"{case}/run{run}/u_after", u)
        assert_golden(f"{case}/run{run}/sigma_over_beta", result.sigma / beta)
        assert_golden(f"{case}/run{run}/divisor", tf.maximum(result.sigma / beta, 1.0))


@pytest.mark.parametrize(("u_gradient", "key"), [("snapshot", "grad_run3_snapshot"), ("overwritten", "grad_run3")])
@pytest.mark.parametrize("case", CASES)
def test_the_gradient_passes_through_the_iteration(case, u_gradient, key):
    data = goldens.load(FILE)
    kernel = tf.constant(data[f"{case}/kernel"])
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        result = spectral.spectral_norm(
            kernel,
            tf.constant(data[f"{case}/run2/u_after"]),
            linear_map(case),
            beta=goldens.meta(FILE)[case]["beta"],
            u_gradient=u_gradient,
        )
        total = tf.reduce_sum(result.kernel * data[f"{case}/cotangent"])
    assert_golden(f"{case}/run3/w_norm", result.kernel)
    assert_golden(f"{case}/{key}", tape.gradient(total, kernel))


def test_the_two_gradients_differ_before_u_has_converged():
    data = goldens.load(FILE)
    gap = np.abs(data["dense/grad_run3"] - data["dense/grad_run3_snapshot"]).max()
    assert gap > 10 * goldens.atol(FILE, "dense/grad_run3")  # else the test above could not tell them apart


@pytest.mark.parametrize(("strides", "padding"), [(1, "SAME"), (2, "SAME"), (1, "VALID")])
def test_sigma_converges_to_the_largest_singular_value_of_the_convolution(strides, padding):
    rng = np.random.default_rng(0)
    kernel = tf.constant(rng.normal(size=(3, 3, 2, 3)))
    shape = (1, 5, 6, 2)
    basis = tf.reshape(tf.eye(5 * 6 * 2, dtype=tf.float64), (-1, *shape[1:]))
    matrix = tf.reshape(tf.nn.conv2d(basis, kernel, strides, padding), (5 * 6 * 2, -1))

    conv = spectral.convolution(shape, strides=strides, padding=padding)
    u = tf.constant(rng.normal(size=shape))
    for _ in range(100):
        u = spectral.spectral_norm(kernel, u, conv).u
    sigma = spectral.spectral_norm(kernel, u, conv).sigma
    np.testing.assert_allclose(sigma, np.linalg.svd(matrix, compute_uv=False)[0], rtol=1e-3)


def test_the_snapshot_gradient_is_the_derivative():
    rng = np.random.default_rng(1)
    kernel, direction = rng.normal(size=(2, 4, 3))
    u, cotangent = tf.constant(rng.normal(size=(1, 3))), rng.normal(size=(4, 3))

    def value(step):
        return tf.reduce_sum(spectral.spectral_norm(kernel + step * direction, u, spectral.DENSE).kernel * cotangent)

    step = tf.constant(0.0, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(step)
        total = value(step)
    np.testing.assert_allclose(tape.gradient(total, step), (value(1e-6) - value(-1e-6)) / 2e-6, rtol=1e-7)


@given(scale=st.floats(1e-3, 1e3), beta=st.floats(0.1, 10.0), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_weights_are_never_scaled_up(scale, beta, seed):
    rng = np.random.default_rng(seed)
    kernel = tf.constant(scale * rng.normal(size=(4, 3)))
    result = spectral.spectral_norm(kernel, tf.constant(rng.normal(size=(1, 3))), spectral.DENSE, beta=beta)
    if result.sigma <= beta:
        np.testing.assert_array_equal(result.kernel, kernel)
    else:
        np.testing.assert_allclose(result.kernel * result.sigma / beta, kernel)


def conv_chain(**options):
    block = spectral.SpectralConvBlock(4, kernel_size=3, name="conv1", **options)
    chain = Chain([block], (6, 6, 2), seed=3)
    block.kernel.assign(5.0 * block.kernel)  # well above the norm that leaves a kernel alone
    return chain, block


@pytest.mark.parametrize("training", [False, True])
def test_every_evaluation_moves_u_once_and_leaves_the_kernel(training):
    chain, block = conv_chain()
    x = tf.random.stateless_normal((2, 6, 6, 2), (0, 0))
    kernel, before = block.kernel.numpy(), block.u.numpy()
    expected = spectral.spectral_norm(kernel, before, block.linear_map())
    y = chain(x, training=training)
    np.testing.assert_allclose(block.u, expected.u, atol=1e-6)
    np.testing.assert_allclose(y, tf.nn.conv2d(x, expected.kernel, 1, "SAME"), atol=1e-5)
    np.testing.assert_array_equal(block.kernel, kernel)


def test_calls_of_one_run_share_one_iteration():
    chain, block = conv_chain()
    x = tf.ones((1, 6, 6, 2))
    kernels = chain.effective_kernels()
    after = block.u.numpy()
    first, second = chain(x, kernels=kernels), chain(x, kernels=kernels)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(block.u, after)


def test_the_dense_block_normalises_its_matrix():
    block = spectral.SpectralDenseBlock(3, name="dense1", spectral_beta=2.0)
    chain = Chain([block], (5,))
    block.kernel.assign(10.0 * block.kernel)
    for _ in range(100):
        y = chain(np.eye(5, dtype="float32"))
    np.testing.assert_allclose(np.linalg.svd(y, compute_uv=False)[0], 2.0, rtol=1e-5)


def test_u_starts_as_a_truncated_normal_draw_of_the_input_map():
    _, block = conv_chain()
    assert block.u.shape == (1, 6, 6, 2)
    assert not block.u.trainable
    assert 0.5 < np.std(block.u) < 1.2
    assert np.abs(block.u).max() <= 2.0


def test_a_spectral_block_survives_its_configuration():
    block = spectral.SpectralConvBlock(4, kernel_size=3, spectral_beta=1.5, u_gradient="overwritten", name="conv1")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert type(copy) is spectral.SpectralConvBlock
    assert (copy.features, copy.kernel_size, copy.spectral_beta, copy.u_gradient) == (
        4,
        3,
        1.5,
        "overwritten",
    )


def test_an_unknown_gradient_is_refused():
    with pytest.raises(ValueError, match="u_gradient is 'exact'; choose one of snapshot, overwritten"):
        spectral.SpectralDenseBlock(3, u_gradient="exact")
