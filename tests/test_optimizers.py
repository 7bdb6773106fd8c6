"""The optimiser: Keras' Adam, and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.networks.optimizers import FusedAdam, adam


def trajectory(optimizer, steps=20):
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in ((3, 4), (5,))]
    optimizer.build(variables)

    @tf.function
    def update(*gradients):
        optimizer.apply(list(gradients), variables)

    for _ in range(steps):
        update(*(tf.constant(rng.normal(size=v.shape).astype("float32")) for v in variables))
    return [np.array(v) for v in variables]


def test_it_moves_as_keras_adam():
    settings = {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-4}
    for a, b in zip(trajectory(FusedAdam(**settings)), trajectory(keras.optimizers.Adam(**settings)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_first_step_by_hand():
    """Both moments are corrected to the gradient itself: a step of the learning rate against its sign."""
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = adam(0.5)
    optimizer.build([variable])
    optimizer.apply([tf.constant([2.0, -3.0])], [variable])
    np.testing.assert_allclose(variable, [-0.5, 0.5], rtol=1e-5)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad"):
        FusedAdam(amsgrad=True)
