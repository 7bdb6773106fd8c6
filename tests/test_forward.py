"""Functions of a network that cost less to differentiate: the same values, the same gradients, the fast kernels."""

import os
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from robint_tf.attacks import pgd as attacks
from robint_tf.networks import classifiers
from robint_tf.networks import cpu_forward as forward
from robint_tf.runtime import device
from robint_tf.specs import PGD


def images(shape, n=6):
    return tf.constant(np.random.default_rng(0).uniform(-1, 1, (n, *shape)).astype("float32"))


def with_gradient(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = tf.cast(function(x), tf.float32)
        objective = tf.reduce_sum(logits * tf.range(1.0, logits.shape[-1] + 1))
    return logits, tape.gradient(objective, x)


class OwnDense(layers.Dense):
    def call(self, x, training=None):
        return super().call(x) + 1.0


def sequential(*stack):
    network = keras.Sequential([layers.Input((9, 8, 1)), *stack, layers.Flatten(), OwnDense(3)])
    rng = np.random.default_rng(1)
    network.set_weights([rng.normal(size=w.shape).astype("float32") for w in network.get_weights()])
    return network


UNUSUAL = {
    "strides": [layers.Conv2D(2, 3, strides=2, padding="same")],
    "valid padding": [layers.Conv2D(2, 3)],
    "dilation": [layers.Conv2D(2, 3, padding="same", dilation_rate=2)],
    "groups": [layers.Conv2D(4, 1), layers.Conv2D(4, 3, padding="same", groups=2)],
    "no bias": [layers.Conv2D(2, 3, padding="same", use_bias=False), layers.Dense(2, use_bias=False)],
    "an even kernel": [layers.Conv2D(2, (4, 2), padding="same", activation="gelu")],
    "a kernel larger than the image": [layers.Conv2D(2, 11, padding="same")],
    "normalisation and dropout": [
        layers.BatchNormalization(),
        layers.Conv2D(2, 3, padding="same"),
        layers.Dropout(0.5),
    ],
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_any_sequential_network_keeps_its_values_and_gradients(name):
    network, x = sequential(*UNUSUAL[name]), images((9, 8, 1))
    logits, gradient = with_gradient(lambda x: network(x, training=False), x)
    ours = tf.function(lambda x: with_gradient(forward.for_attack(network), x))(x)
    np.testing.assert_allclose(ours[0], logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours[1], gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", classifiers.ARCHITECTURES)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.05)])
def test_the_studys_networks_keep_their_values_and_gradients(architecture, precision, tolerance):
    network = classifiers.build(architecture, precision=precision)
    x = images(classifiers.ARCHITECTURES[architecture].input_shape)
    logits, gradient = with_gradient(lambda x: network(x, training=False), x)
    ours = tf.function(lambda x: with_gradient(forward.for_attack(weakref.proxy(network)), x))(x)
    np.testing.assert_allclose(ours[0], logits, atol=tolerance * float(tf.reduce_max(tf.abs(logits))))
    np.testing.assert_allclose(ours[1], gradient, atol=tolerance * float(tf.reduce_max(tf.abs(gradient))))


def test_a_network_that_is_no_sequential_is_called_as_it_is():
    x = layers.Input((4,))
    hidden = layers.Dense(3, activation="tanh")(x)
    network = keras.Model(x, layers.Add()([hidden, layers.Dense(3)(x)]))
    given = images((4,))
    for function in (forward.for_attack(network), forward.for_training(network)):
        np.testing.assert_array_equal(function(given), network(given))


def test_images_of_any_size_are_taken_where_the_network_takes_them():
    network = keras.Sequential([layers.Input((None, None, 1)), layers.Conv2D(2, 3, padding="same")])
    network.add(layers.GlobalAveragePooling2D())
    for shape in ((5, 4, 1), (7, 7, 1)):
        x = images(shape)
        logits, gradient = with_gradient(network, x)
        ours = tf.function(lambda x: with_gradient(forward.for_attack(network), x))(x)
        np.testing.assert_allclose(ours[0], logits, atol=1e-5)
        np.testing.assert_allclose(ours[1], gradient, atol=1e-5)


def test_on_a_gpu_networks_are_called_as_they_are(monkeypatch):
    network, x = classifiers.build("mnist_cnn"), images((28, 28, 1))
    monkeypatch.setattr(device, "on_cpu", lambda: False)
    monkeypatch.setattr(forward, "_fixed_conv", lambda layer: pytest.fail("asked for a CPU's convolution"))
    np.testing.assert_array_equal(forward.for_attack(network)(x), network(x))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_gradient_to_one_channel_is_tensorflows(height, width, rows, columns, n):
    rng = np.random.default_rng(height * width + rows)
    kernel = rng.normal(size=(height, width, 1, 2)).astype("float32")
    gradient = rng.normal(size=(n, rows, columns, 2)).astype("float32")
    expected = tf.nn.conv2d_transpose(gradient, kernel, [n, rows, columns, 1], 1, "SAME")
    ours = forward._gradient_to_one_channel(tf.constant(gradient), tf.constant(kernel))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["mnist_cnn", "cifar_cnn"])
def test_training_keeps_the_gradients_to_the_weights(architecture):
    network, x = classifiers.build(architecture), images(classifiers.ARCHITECTURES[architecture].input_shape)

    def gradients(function):
        with tf.GradientTape() as tape:
            objective = tf.reduce_mean(tf.square(function(x)))
        return tape.gradient(objective, network.trainable_variables)

    expected = tf.function(lambda: gradients(lambda x: network(x, training=True)))()
    ours = tf.function(lambda: gradients(forward.for_training(network)))()
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(tf.reduce_max(tf.abs(b))))


def test_a_relu_that_waits_for_the_pooling_changes_no_bit():
    """Ties, zeros and windows without a positive value included; other activations and poolings do not wait."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.integers(-2, 3, (5, 9, 8, 2)).astype("float32"))
    weights = rng.integers(-1, 2, (3, 3, 2, 4)).astype("float32"), np.zeros(4, "float32")
    for activation, pool, waits in (
        ("relu", layers.MaxPooling2D(2, padding="same"), True),
        ("relu", layers.MaxPooling2D(3, strides=1), True),
        ("relu", layers.AveragePooling2D(2), False),
        ("tanh", layers.MaxPooling2D(2), False),
    ):
        conv = layers.Conv2D(4, 3, padding="same", activation=activation)
        network = keras.Sequential([layers.Input((9, 8, 2)), conv, pool, layers.Flatten()])
        conv.set_weights(weights)
        for function in (forward.for_attack(network), forward.for_training(network)):
            for ours, expected in zip(with_gradient(function, x), with_gradient(network, x), strict=True):
                np.testing.assert_array_equal(ours, expected)
            graph = tf.function(function).get_concrete_function(x).graph
            kinds = [op.type for op in graph.get_operations() if op.type in ("Relu", "MaxPool", "AvgPool", "Tanh")]
            assert (kinds[0] in ("MaxPool", "AvgPool")) == waits, kinds


def test_training_updates_what_other_layers_keep():
    network = sequential(layers.BatchNormalization(), layers.Conv2D(2, 3, padding="same"))
    before = np.array(network.layers[0].moving_mean)
    forward.for_training(network)(images((9, 8, 1)))
    assert not np.array_equal(before, network.layers[0].moving_mean)


def test_an_attack_reads_the_weights_of_the_moment():
    network, x = classifiers.build("gaussian_mlp"), images((2,))
    y, attack = tf.zeros(len(x), tf.int32), PGD(norm="l2", eps=0.5, step_size=0.1, n_steps=3)
    first = attacks.attack_dataset(network, x.numpy(), y.numpy(), attack).x_adv
    network.set_weights([-w for w in network.get_weights()])
    second = attacks.attack_dataset(network, x.numpy(), y.numpy(), attack).x_adv
    assert not np.allclose(first, second)


POOLINGS = """
import numpy as np
from robint_tf import attacks, training
from robint_tf.networks import classifiers
from robint_tf.specs import PGD, Training
network, x, y = classifiers.build("cifar_cnn"), np.zeros((4, 32, 32, 3), "float32"), np.zeros(4, "int32")
attack = PGD(norm="l2", eps=1.0, step_size=0.1, n_steps=3)
attacks.attack_dataset(network, x, y, attack, check=False)
print("attacked", flush=True)
training.fit_classifier(network, x, y, Training(epochs=2, batch_size=2), attack)
"""


def test_no_process_leaves_a_pooling_gradient_to_the_slow_kernel():
    """oneDNN tells what it executes; where it is not used, both are zero. Two calls check what is to be trained."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1"}
    done = subprocess.run([sys.executable, "-c", POOLINGS], env=environment, capture_output=True, text=True, check=True)
    attack, training = done.stdout.split("attacked")
    for output, forwards_only, gradients in ((attack, 4, 6), (training, 4, 2 * (4 * 6 + 4 * 2) // 2)):
        lines = [line for line in output.splitlines() if ",exec," in line and ",pooling," in line]
        backward = sum(",backward_data," in line for line in lines)
        assert (len(lines), backward) in {(forwards_only + 2 * gradients, gradients), (0, 0)}
