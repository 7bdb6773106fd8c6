import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robint_tf.attacks.norms import l2_length
from robint_tf.catalogue import LOSSES, NORMS

POINTS = hnp.arrays(np.float32, (3, 2, 2, 1), elements=st.floats(-1, 1, width=32))
RADII = st.floats(0, 3, width=32)
LENGTH = {
    "l2": lambda d: np.linalg.norm(d.reshape(len(d), -1), axis=1),
    "linf": lambda d: np.abs(d).reshape(len(d), -1).max(axis=1),
}


@pytest.mark.parametrize("norm", NORMS)
@given(x=POINTS, x_adv=POINTS, eps=RADII)
def test_projections_land_inside_keep_what_is_inside_and_are_idempotent(norm, x, x_adv, eps):
    project = NORMS[norm].project
    once = project(x_adv, x, eps).numpy()
    assert (LENGTH[norm](once - x) <= eps + 1e-6).all()
    np.testing.assert_allclose(project(once, x, eps), once, atol=1e-6)
    inside = LENGTH[norm](x_adv - x) <= eps
    np.testing.assert_allclose(once[inside], x_adv[inside], atol=1e-6)


@given(x=POINTS, x_adv=POINTS, other=POINTS, eps=RADII)
def test_no_point_of_the_l2_ball_is_closer_than_the_projection(x, x_adv, other, eps):
    projected = NORMS["l2"].project(x_adv, x, eps).numpy()
    rival = NORMS["l2"].project(other, x, eps).numpy()
    assert (LENGTH["l2"](x_adv - projected) <= LENGTH["l2"](x_adv - rival) + 1e-5).all()


@pytest.mark.parametrize("norm", NORMS)
@given(gradient=POINTS)
def test_directions_have_length_one_and_point_uphill(norm, gradient):
    gradient[np.abs(gradient) < 1e-3] = 0
    direction = NORMS[norm].direction(tf.constant(gradient)).numpy()
    zero = ~gradient.reshape(3, -1).any(axis=1)
    assert not direction[zero].any()
    if not zero.all():
        np.testing.assert_allclose(LENGTH[norm](direction[~zero]), 1, atol=1e-4)
    assert ((direction * gradient).reshape(3, -1).sum(axis=1)[~zero] > 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_lie_in_the_ball_and_differ(norm):
    start = NORMS[norm].start(tf.constant([500, 4]), tf.constant(0.3), tf.constant([1, 2])).numpy()
    sizes = LENGTH[norm](start)
    assert (sizes <= 0.3 + 1e-6).all()
    if norm == "l2":  # on the sphere, as the authors start
        np.testing.assert_allclose(sizes, 0.3, atol=1e-6)
    else:  # uniform in the box
        assert start.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.05)
    assert abs(start.mean()) < 0.02


@given(x=POINTS)
def test_l2_length_is_numpys(x):
    np.testing.assert_allclose(l2_length(tf.constant(x)).numpy().ravel(), LENGTH["l2"](x), rtol=1e-5, atol=1e-6)


def test_losses_by_hand():
    logits, y = tf.constant([[2.0, 5.0, -1.0], [-3.0, -1.0, -2.0], [600.0, -1.0, 5.0]]), tf.constant([0, 1, 2])
    expected = {
        "xent": [
            np.log(np.exp([2, 5, -1]).sum()) - 2,
            np.log(np.exp([-3, -1, -2]).sum()) + 1,
            595.0,
        ],
        "cw_masked": [3.0, -1.0, 595.0],
        "cw_unclamped": [3.0, 1.0, 595.0],  # second: the true class competes with 0 and beats -2
        "cw": [-497.0, -499.0, 0.0],  # third: beyond the clamp at 500
    }
    for name, values in expected.items():
        np.testing.assert_allclose(LOSSES[name](logits, y), values, rtol=1e-5, err_msg=name)


def test_gradients_of_the_cw_losses_vanish_where_the_docstring_says():
    y = tf.constant([1, 2])
    logits = tf.constant([[-3.0, -1.0, -2.0], [600.0, -1.0, 5.0]])
    expected = {
        "cw": [[0, -1, 0], [0, 0, 0]],
        "cw_unclamped": [[0, -1, 0], [1, 0, -1]],
        "cw_masked": [[0, -1, 1], [1, 0, -1]],
    }
    for name, gradient in expected.items():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = LOSSES[name](logits, y)
        np.testing.assert_array_equal(tape.gradient(loss, logits), gradient, err_msg=name)


def test_the_true_class_is_never_the_best_other_however_large_its_logit():
    logits = tf.constant([[1e30, -1.0, 2.0], [3e12, 1e12, 0.0]])
    values = LOSSES["cw_masked"](logits, tf.constant([0, 0]))
    np.testing.assert_allclose(values, [-1e30, -2e12], rtol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = LOSSES["cw_masked"](logits, tf.constant([0, 0]))
    np.testing.assert_array_equal(tape.gradient(loss, logits), [[-1, 0, 1], [-1, 1, 0]])
