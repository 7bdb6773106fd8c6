"""ROAD against a direct sparse solution, and on a network whose relevant pixels are known."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve

from robint_tf.interpretability import occlusion, road
from robint_tf.intervals import paired


def solved_directly(image, missing):
    """The linear system of one image, written out pixel by pixel and solved by SciPy."""
    height, width = missing.shape
    number = -np.ones(missing.shape, int)
    number[missing] = np.arange(missing.sum())
    rows, columns, values = [], [], []
    right = np.zeros((missing.sum(), image.shape[-1]))
    for i, j in np.argwhere(missing):
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                a, b = i + di, j + dj
                if (di or dj) and 0 <= a < height and 0 <= b < width:
                    weight = 1 / 12 if di and dj else 1 / 6
                    rows += [number[i, j]]
                    columns += [number[i, j]]
                    values += [weight]
                    if missing[a, b]:
                        rows, columns, values = [*rows, number[i, j]], [*columns, number[a, b]], [*values, -weight]
                    else:
                        right[number[i, j]] += weight * image[a, b]
    system = sparse.csc_matrix((values, (rows, columns)))
    found = image.copy()
    found[missing] = spsolve(system, right).reshape(right.shape)
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95), st.sampled_from([1, 3]))
def test_imputation_solves_the_system(seed, share, channels):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (3, 9, 8, channels)).astype(np.float32)
    missing = rng.random((3, 9, 8)) < share
    missing[:, 4, 4] = False
    missing[0, :4] = True  # a large hole
    found = road.impute(images, missing, noise=0)
    for i in range(3):
        np.testing.assert_allclose(found[i], solved_directly(images[i].astype(float), missing[i]), atol=2e-4)
    np.testing.assert_array_equal(found[~missing], images[~missing])


def test_a_whole_image_but_one_pixel_takes_its_value():
    images = np.zeros((1, 32, 32, 3), np.float32)
    images[0, 5, 7] = [0.5, -0.25, 1.0]
    missing = np.ones((1, 32, 32), bool)
    missing[0, 5, 7] = False
    found = road.impute(images, missing, noise=0)
    np.testing.assert_allclose(found, np.broadcast_to([0.5, -0.25, 1.0], found.shape), atol=1e-3)
    with pytest.raises(ValueError, match="no pixel left"):
        road.impute(images, np.ones((1, 32, 32), bool))


def test_noise_belongs_to_the_image_and_falls_on_missing_pixels_only():
    rng = np.random.default_rng(0)
    images = rng.uniform(-0.5, 0.5, (6, 16, 16, 1)).astype(np.float32)
    missing = rng.random((6, 16, 16)) < 0.5
    plain = road.impute(images, missing, noise=0)
    noisy, again = (road.impute(images, missing, seed=3, batch_size=size) for size in (6, 2))
    np.testing.assert_allclose(noisy, again, atol=1e-6)
    added = (noisy - plain)[missing]
    assert added.std() == pytest.approx(road.NOISE, rel=0.1)
    assert (noisy == plain)[~missing].all()
    assert not np.allclose(road.impute(images, missing, seed=4), noisy)
    tail = road.impute(images[4:], missing[4:], seed=3, first=4)
    np.testing.assert_allclose(tail, noisy[4:], atol=1e-6)


@pytest.fixture
def corner():
    """A network that looks at the four pixels of a corner only, images, labels."""
    weights = np.zeros((6, 6, 1, 1), np.float32)
    weights[:2, :2] = 1
    kernel = np.concatenate([weights.reshape(36, 1), -weights.reshape(36, 1)], axis=1)
    network = keras.Sequential([keras.layers.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    network.set_weights([kernel, np.zeros(2, np.float32)])
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = rng.uniform(-1, 1, (80, 6, 6, 1)).astype(np.float32)
    x[:, :2, :2, 0] = np.where(y, -1, 1)[:, None, None] * rng.uniform(0.3, 1, (80, 2, 2))
    return network, x, y.astype(np.int32), weights[..., 0, 0]


def test_a_right_attribution_scores_high_a_reversed_one_low_and_a_random_one_nothing(corner):
    network, x, y, relevant = corner
    rng = np.random.default_rng(1)
    chance = rng.random(x.shape[:3])

    def measured(scores):
        return road.road(network, x, y, occlusion.ranks(scores, seed=0))

    right = measured(relevant[None] + 0.1 * chance)
    wrong, random = measured(-relevant[None] + 0.1 * chance), measured(chance)
    assert right.accuracies("least").min() == 1.0  # without the 90% that do not matter
    assert right.accuracies("most")[2] < 0.8
    assert right.area > 0.2
    assert right.interval.low > 0 > wrong.interval.high
    assert random.interval.low < 0 < random.interval.high
    assert wrong.area == pytest.approx(-right.area, abs=0.1)


def test_an_area_that_no_image_changes_is_not_known_exactly():
    """Of 5 images the interval was a point, 0 to 0."""
    same = np.ones((2, 5), bool)
    found = road.Road((0.2, 0.6), {"most": same, "least": same})
    assert found.area == 0
    assert found.interval.low == -found.interval.high < -0.1
    assert road.Road((0.5,), {"most": same[:1, :1], "least": same[:1, :1]}).interval is None


def test_the_area_of_one_fraction_has_the_interval_of_paired_shares():
    hits = {"least": np.arange(200)[None] < 120, "most": (np.arange(200)[None] + 20) % 200 < 70}
    gained, lost = (int(np.sum(a & ~b)) for a, b in itertools.permutations((hits["least"], hits["most"])))
    found = road.Road((0.5,), hits)
    assert found.area == pytest.approx((gained - lost) / 200 / 2)
    assert found.interval == pytest.approx(np.array(paired(gained, lost, 200)) / 2)
    assert found.interval.low < found.area < found.interval.high


def test_both_orders_remove_the_stated_share():
    ranks = occlusion.ranks(np.random.default_rng(0).random((2, 10, 10)), seed=0)
    for fraction in (0.1, 0.5, 0.9):
        most, least = (road.removed(ranks, fraction, order) for order in road.ORDERS)
        assert abs(most.sum() - 200 * fraction) <= 2
        assert abs(least.sum() - 200 * fraction) <= 2
        assert ranks[most].min() >= ranks[~most].max()
        assert ranks[least].max() <= ranks[~least].min()
    with pytest.raises(ValueError, match="rising"):
        road.road(None, None, None, None, fractions=(0.5, 0.1))
