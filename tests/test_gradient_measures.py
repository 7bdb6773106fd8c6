"""Tangent spaces and what is measured with them, on manifolds that are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.data import datasets as data
from robint_tf.manifold import gradients as gradient_measures
from robint_tf.manifold import tangent
from robint_tf.networks import vae_gan


@pytest.fixture(scope="module")
def model():
    return vae_gan.build("mnist", seed=1)


@pytest.fixture(scope="module")
def x():
    return data.load("mnist_sample", offline=True).test.x[:5]


def test_a_basis_spans_the_differences_of_the_decoder(model, x):
    (part, basis), (rest, _) = tangent.tangent_bases(model, x, batch_size=3)
    assert (part, rest) == (slice(0, 3), slice(3, 5))
    assert basis.shape == (3, 784, 10)
    np.testing.assert_allclose(basis.transpose(0, 2, 1) @ basis, np.tile(np.eye(10), (3, 1, 1)), atol=1e-4)
    z = model.encode(x[:3])[0].numpy()
    for i in range(10):
        step = np.zeros_like(z)
        step[:, i] = 1e-2
        difference = (model.decoder(z + step) - model.decoder(z - step)).numpy() / 2e-2
        inside = tangent.project(basis, difference)
        inner, whole = (np.linalg.norm(v.reshape(3, -1), axis=1) for v in (inside, difference))
        assert (inner > 0.95 * whole).all()  # but for the kinks of ReLUs within the step


def test_a_basis_is_one_of_the_range_and_of_nothing_else():
    """Both columns of the first matrix are one direction, of which QR makes a basis of two dimensions."""
    matrices = np.zeros((3, 4, 2), np.float32)
    matrices[0, 0] = 1
    matrices[1, :2] = [[0, 3], [0, 4]]
    basis = tangent.range_bases(matrices)
    assert tangent.ranks_of(basis).tolist() == [1, 1, 0]
    g = np.tile([0.0, 1, 0, 0], (3, 1))
    np.testing.assert_allclose(gradient_measures.shares_in(basis, g), [0, 0.8, 0], atol=1e-6)
    directions = gradient_measures.random_directions(basis, (2, 2, 1))
    np.testing.assert_allclose(np.square(directions.on).sum(axis=(1, 2, 3)), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(np.square(directions.off).sum(axis=(1, 2, 3)), 1, atol=1e-6)


def decoder_like(collapsed, size=20):
    """Jacobians of 64 latent dimensions, of which all but ten do so much less to the image's 784 pixels."""
    jacobians = np.random.default_rng(7).standard_normal((size, 784, 64)).astype(np.float32)
    jacobians[:, :, 10:] *= np.float32(collapsed)
    return jacobians


@pytest.mark.parametrize("collapsed", [0, 1e-6])
def test_latent_dimensions_that_the_decoder_ignores_are_no_tangent_directions(collapsed):
    jacobians = decoder_like(collapsed)
    basis = tangent.range_bases(jacobians)
    assert tangent.ranks_of(basis).tolist() == [10] * 20
    alive = np.linalg.qr(jacobians[:, :, :10])[0]
    g = np.random.default_rng(8).standard_normal((20, 784))
    expected = gradient_measures.shares_in(alive, g)
    np.testing.assert_allclose(gradient_measures.shares_in(basis, g), expected, atol=1e-5)
    assert gradient_measures.chance_share(tangent.ranks_of(basis), 784) == pytest.approx(np.sqrt(10 / 784))
    assert expected.mean() == pytest.approx(np.sqrt(10 / 784), rel=0.15)
    on_first = np.zeros((20, 784))
    on_first[:, :100] = 1
    shares = gradient_measures.shares_in(basis, on_first)
    np.testing.assert_allclose(shares, gradient_measures.shares_in(alive, on_first), atol=1e-5)
    assert shares.max() < 0.3


def test_the_level_of_chance_is_that_of_every_image_with_its_own_rank():
    assert gradient_measures.chance_share(np.array([4, 16]), 64) == pytest.approx((0.25 + 0.5) / 2)
    assert tangent.ranks_of(tangent.range_bases(decoder_like(1, size=2))).tolist() == [64, 64]


def test_a_decoder_without_a_derivative_is_refused(model, x, monkeypatch):
    monkeypatch.setattr(tangent, "_jacobian", lambda _: lambda x: tf.fill([10, len(x), 28, 28, 1], np.nan))
    with pytest.raises(ValueError, match="no finite derivative"):
        next(tangent.tangent_bases(model, x[:2]))


def test_vectors_in_the_tangent_space_have_share_one_and_random_ones_the_level_of_chance(model, x):
    rng = np.random.default_rng(0)
    inside, random = np.zeros_like(x), rng.standard_normal(x.shape)
    for part, basis in tangent.tangent_bases(model, x):
        inside[part] = tangent.project(basis, rng.standard_normal(x[part].shape))
    found = gradient_measures.tangent_shares(model, x, {"inside": inside, "random": random, "zero": np.zeros_like(x)})
    np.testing.assert_allclose(found["inside"].values, 1, atol=1e-4)
    assert found["random"].mean == pytest.approx(found["random"].chance, rel=0.5)
    assert found["random"].chance == pytest.approx(np.sqrt(10 / 784))
    assert np.isnan(found["zero"].values).all()


def test_a_network_that_sees_the_manifold_only_is_insensitive_off_it(model, x):
    """Linear logits along one tangent direction of the first image: a step normal to all of them changes nothing."""
    ((_, basis),) = tangent.tangent_bases(model, x[:1])
    network = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel = np.stack([basis[0, :, 0], -basis[0, :, 0]], axis=1)
    network.set_weights([kernel, np.zeros(2, np.float32)])
    normal = keras.models.clone_model(network)
    direction = 0.01 * (tangent.project(basis, np.ones((1, 784)))[0] - 1)
    normal.set_weights([np.stack([direction, -direction], axis=1).astype(np.float32), np.zeros(2, np.float32)])
    found = gradient_measures.sensitivities({"on": network, "off": normal}, model, x[:1], n_draws=3)
    assert found["on"].off.max() < 1e-4 < found["on"].on.min()
    assert found["on"].ratio.mean < 1e-2
    assert found["off"].on.max() < 1e-2 * found["off"].off.max()


def test_rare_directions_hold_the_last_of_the_variance():
    """Independent coordinates with variances 1, 1e-1, ...: which ones hold the last percent is known."""
    rng = np.random.default_rng(1)
    deviations = np.array([1.0, 0.5, 0.2, 0.05, 0.02, 0.01])
    x = (rng.standard_normal((20_000, 6)) * deviations).reshape(-1, 2, 3, 1).astype(np.float32)
    directions = gradient_measures.rare_directions(x)
    assert directions.shape == (6, 3)
    np.testing.assert_allclose(np.square(directions).sum(axis=1), [0, 0, 0, 1, 1, 1], atol=1e-2)
    gradients = np.eye(6).reshape(6, 2, 3, 1)
    found = gradient_measures.rare_shares(directions, gradients)
    np.testing.assert_allclose(found.values, [0, 0, 0, 1, 1, 1], atol=1e-2)
    assert found.chance == 0.5


def test_the_interval_of_a_measure_holds_its_mean_and_ignores_undefined_images():
    values = np.append(np.random.default_rng(2).random(200), np.nan)
    measure = gradient_measures.Measure(values)
    low, high = measure.interval()
    assert low < measure.mean < high
    assert high - low == pytest.approx(2 * 1.96 * np.nanstd(values) / np.sqrt(200), rel=0.15)


@pytest.mark.parametrize("n", [2, 5])
def test_intervals_of_few_images_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(4)
    intervals = [gradient_measures.Measure(rng.normal(3, 1, n)).interval() for _ in range(400)]
    assert np.mean([low <= 3 <= high for low, high in intervals]) >= 0.925
    ratios = []
    for _ in range(400):
        on = rng.normal(2, 0.1, n)
        ratios.append(gradient_measures.Sensitivity(on, 3 * on + rng.normal(0, 0.2, n)).of_means()[1])
    assert np.mean([low <= 3 <= high for low, high in ratios]) >= 0.925


def test_the_directions_of_an_image_do_not_depend_on_its_block(model, x):
    ((_, basis),) = tangent.tangent_bases(model, x)
    whole = gradient_measures.random_directions(basis, x.shape[1:], seed=2, first=3)
    part = gradient_measures.random_directions(basis[2:], x.shape[1:], seed=2, first=5)
    for side in ("on", "off"):
        np.testing.assert_allclose(getattr(whole, side)[2:], getattr(part, side), atol=1e-6)
        np.testing.assert_allclose(np.square(getattr(whole, side)).sum(axis=(1, 2, 3)), 1, atol=1e-6)
    np.testing.assert_allclose(gradient_measures.shares_in(basis, whole.on), 1, atol=1e-3)
    np.testing.assert_allclose(gradient_measures.shares_in(basis, whole.off), 0, atol=1e-3)


def test_the_ratio_of_mean_changes_is_not_led_by_images_that_hardly_move():
    rng = np.random.default_rng(3)
    on = rng.uniform(0.5, 1.5, 300)
    off = 2 * on * rng.uniform(0.9, 1.1, 300)
    on[0], off[0] = 1e-9, 1.0
    found = gradient_measures.Sensitivity(on, off)
    assert found.ratio.mean > 1e6
    value, (low, high) = found.of_means()
    assert value == pytest.approx(2, rel=0.02)
    assert low < value < high < 2.1
    assert gradient_measures.Sensitivity(np.zeros(3), np.zeros(3)).of_means() is None
