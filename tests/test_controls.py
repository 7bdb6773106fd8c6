"""Measures of maps by hand and by limiting cases."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from robint_tf.interpretability import attributions, controls


def test_moran_by_hand():
    """A 2 x 2 map 1 0 / 0 0: deviations 3/4 and -1/4; of four pairs two are -3/16 and two 1/16; variance 3/16."""
    one = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert controls.moran(one) == pytest.approx([(2 * -3 / 16 + 2 * 1 / 16) / 4 / (3 / 16)])
    checkers = np.indices((8, 8)).sum(axis=0)[None] % 2
    assert controls.moran(checkers) == pytest.approx([-1])
    assert np.isnan(controls.moran(np.ones((1, 4, 4)))).all()
    assert np.isnan(controls.moran(np.full((1, 32, 32), 0.1))).all()  # whose mean is not 0.1 to the last bit


def test_moran_of_a_mask_is_the_formula_for_masks():
    mask = np.random.default_rng(0).random((1, 32, 32)) < 0.3
    b, p = mask[0].astype(float), mask.mean()
    pairs = ((b[1:] - p) * (b[:-1] - p)).sum() + ((b[:, 1:] - p) * (b[:, :-1] - p)).sum()
    assert controls.moran(mask) == pytest.approx([pairs / (1984 * p * (1 - p))])


def test_smooth_maps_are_clustered_and_noise_is_not():
    noise = np.random.default_rng(1).random((20, 32, 32))
    assert abs(controls.moran(noise).mean()) < 0.02
    assert controls.moran(ndimage.gaussian_filter(noise, (0, 1, 1))).min() > 0.7
    assert controls.moran(ndimage.maximum_filter(noise, (1, 3, 3))).min() > 0.4


def test_the_shape_of_many_maps_is_that_of_each():
    maps = np.random.default_rng(5).random((controls.CHUNK + 3, 4, 4))
    maps[-1] = 0
    shape = controls.shape_of(maps)
    assert shape.moran.shape == shape.gini.shape == (controls.CHUNK + 3,)
    np.testing.assert_allclose(shape.moran[-3:-1], controls.moran(maps[-3:-1]))
    np.testing.assert_allclose(shape.gini[:2], controls.gini(maps[:2]))
    assert np.isnan([shape.moran[-1], shape.gini[-1]]).all()


def test_gini_of_known_distributions():
    one_hot = np.eye(1, 100).reshape(1, 10, 10)
    assert controls.gini(one_hot) == pytest.approx([1 - 1 / 100])
    assert controls.gini(np.ones((1, 10, 10))) == pytest.approx([0])
    assert controls.gini(-np.ones((1, 10, 10))) == pytest.approx([0])
    uniform = np.random.default_rng(2).random((1, 400, 400))
    assert controls.gini(uniform) == pytest.approx([1 / 3], abs=0.01)
    assert np.isnan(controls.gini(np.zeros((1, 3, 3)))).all()


@pytest.mark.parametrize("variant", ["authors", "paper", "corrected"])
def test_smoothed_maps_are_scipys_filters_of_the_magnitude_of_the_gradient(variant):
    layers = [keras.layers.Input((9, 7, 2)), keras.layers.Flatten(), keras.layers.Dense(4, "relu")]
    network = keras.Sequential([*layers, keras.layers.Dense(3)])
    network.set_weights(
        [np.random.default_rng(6).normal(size=w.shape).astype("float32") for w in network.get_weights()]
    )
    x = np.random.default_rng(7).uniform(-0.1, 0.1, (5, 9, 7, 2)).astype(np.float32)
    gradient = attributions.attribute(network, x, "gradient", variant=variant, reduction="none", check=False)
    magnitude = np.abs(gradient).sum(axis=-1)
    for name, expected in {
        "gradient_maximum": ndimage.maximum_filter(magnitude, (1, 3, 3), mode="nearest"),
        "gradient_gaussian": ndimage.gaussian_filter(magnitude, (0, 1, 1), mode="nearest"),
    }.items():
        found = attributions.attribute(network, x, name, variant=variant, check=False)
        assert found.shape == (5, 9, 7)
        assert found.std() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_maps_that_know_no_network():
    x = np.zeros((3, 8, 8, 3), np.float32)
    x[:, :, 4:] = 1
    edges = controls.edges(x)
    assert edges.shape == (3, 8, 8)
    assert (edges[:, :, 3:5] > 0).all()
    assert not edges[:, :, [0, 1, 6, 7]].any()
    grey = ndimage.sobel(x[0].mean(axis=-1), axis=1, mode="nearest")
    np.testing.assert_allclose(edges[0], np.abs(grey), atol=1e-6)
    hill = controls.centre(x)
    assert hill.shape == (3, 8, 8)
    assert hill[0, 3, 3] == hill[0].max() > hill[0, 0, 0]


def test_masks_that_tell_the_class_are_found_out():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 4, 600)
    prototypes = rng.random((4, 8, 8)) < 0.5
    telling = prototypes[y] ^ (rng.random((600, 8, 8)) < 0.2)
    silent = rng.random((600, 8, 8)) < 0.5
    assert controls.leakage(telling[:400], y[:400], telling[400:], y[400:], n_classes=4) > 0.95
    assert controls.leakage(silent[:400], y[:400], silent[400:], y[400:], n_classes=4) < 0.4


@pytest.mark.parametrize("ridge", controls.RIDGES)
def test_fewer_masks_than_pixels_are_fitted_as_more_are(ridge):
    """By the system that has fewer unknowns, which has the same solution."""
    rng = np.random.default_rng(0)
    masks, y = rng.random((20, 6, 6)) < 0.3, rng.integers(0, 3, 20)
    by_pixels = controls._solve(*controls._moments(masks, y, 3), ridge)
    np.testing.assert_allclose(controls._regression(masks, y, 3)(ridge), by_pixels, atol=1e-10)


def test_one_training_mask_tells_its_class_alone():
    """There is none to choose the ridge by."""
    masks, y = np.eye(4, dtype=bool).reshape(4, 2, 2), np.array([1, 0, 1, 0])
    assert controls.leakage(masks[:1], y[:1], masks, y, n_classes=2) == 0.5


def test_the_row_of_controls_has_the_mean_of_the_leakage():
    random = controls.Controls(None, None, (0.0, 0.0), (0.05, 0.15))
    row = controls.Controls(0.5, None, (0.25, None), (0.1, 0.3)).row(random)
    assert row == {
        "moran": 0.5,
        "gini": None,
        "mask_moran": (0.25, None),
        "leakage": (0.1, 0.3),
        "mean_mask_moran": 0.25,
        "mean_leakage": pytest.approx(0.2),
        "chance_leakage": pytest.approx(0.1),
    }
    large = controls.Controls(0.5, 0.1, (None,), ())
    assert [large.row(large)[name] for name in ("mean_mask_moran", "mean_leakage", "chance_leakage")] == [None] * 3
