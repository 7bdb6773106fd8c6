"""Measures of maps by hand and by limiting cases."""

import numpy as np
import pytest
from scipy import ndimage

from robint_tf.interpretability import controls


def test_moran_by_hand():
    """A 2 x 2 map 1 0 / 0 0: deviations 3/4 and -1/4; of four pairs two are -3/16 and two 1/16; variance 3/16."""
    one = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert controls.moran(one) == pytest.approx([(2 * -3 / 16 + 2 * 1 / 16) / 4 / (3 / 16)])
    checkers = np.indices((8, 8)).sum(axis=0)[None] % 2
    assert controls.moran(checkers) == pytest.approx([-1])
    assert np.isnan(controls.moran(np.ones((1, 4, 4)))).all()


def test_moran_of_a_mask_is_the_formula_for_masks():
    mask = np.random.default_rng(0).random((1, 32, 32)) < 0.3
    b, p = mask[0].astype(float), mask.mean()
    pairs = ((b[1:] - p) * (b[:-1] - p)).sum() + ((b[:, 1:] - p) * (b[:, :-1] - p)).sum()
    assert controls.moran(mask) == pytest.approx([pairs / (1984 * p * (1 - p))])


def test_smooth_maps_are_clustered_and_noise_is_not():
    noise = np.random.default_rng(1).random((20, 32, 32))
    assert abs(controls.moran(noise).mean()) < 0.02
    assert controls.moran(controls.blurred(noise)).min() > 0.7
    assert controls.moran(controls.largest_nearby(noise)).min() > 0.4


def test_gini_of_known_distributions():
    one_hot = np.eye(1, 100).reshape(1, 10, 10)
    assert controls.gini(one_hot) == pytest.approx([1 - 1 / 100])
    assert controls.gini(np.ones((1, 10, 10))) == pytest.approx([0])
    assert controls.gini(-np.ones((1, 10, 10))) == pytest.approx([0])
    uniform = np.random.default_rng(2).random((1, 400, 400))
    assert controls.gini(uniform) == pytest.approx([1 / 3], abs=0.01)
    assert np.isnan(controls.gini(np.zeros((1, 3, 3)))).all()


def test_filters_are_those_of_their_definition():
    maps = np.random.default_rng(3).random((2, 6, 7))
    largest = controls.largest_nearby(maps)
    assert largest[1, 2, 3] == maps[1, 1:4, 2:5].max()
    assert largest[0, 0, 0] == maps[0, :2, :2].max()
    spike = np.zeros((1, 11, 11))
    spike[0, 5, 5] = 1
    hill = controls.blurred(spike)[0]
    assert hill[5, 6] / hill[5, 5] == pytest.approx(np.exp(-0.5), rel=1e-3)
    assert hill.sum() == pytest.approx(1)


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
