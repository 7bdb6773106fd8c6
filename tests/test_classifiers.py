import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.networks import classifiers, vae_gan

GOLDEN = {"gaussian_mlp": "MIXNORM_DNN", "mnist_cnn": "MNIST_CNN", "cifar_cnn": "CIFAR_CNN"}
PARAMETER_COUNTS = {
    ("gaussian_mlp", "authors"): 642,
    ("mnist_cnn", "authors"): 12_908_426,
    ("cifar_cnn", "authors"): 2_168_362,
    ("gaussian_mlp", "paper"): 642,
    ("mnist_cnn", "paper"): 5 * 5 * 64 + 64 + 5 * 5 * 64 * 32 + 32 + (14 * 14 * 32 + 1) * 1024 + 1025 * 10,
    ("cifar_cnn", "paper"): 896 + 9_248 + 18_496 + 36_928 + (64 * 64 + 1) * 256 + 257 * 10,
}


@pytest.mark.parametrize(("architecture", "variant"), PARAMETER_COUNTS)
def test_parameter_counts(architecture, variant):
    network = classifiers.build(architecture, variant=variant)
    assert network.count_params() == PARAMETER_COUNTS[architecture, variant]


@pytest.mark.parametrize("architecture", classifiers.ARCHITECTURES)
def test_network_equals_the_authors(architecture):
    name = GOLDEN[architecture]
    golden = goldens.load("classifiers")
    network = classifiers.build(architecture)
    goldens.set_weights(network, goldens.weights(name, goldens.meta("classifiers")["seed"]))
    x, y = tf.constant(golden[f"{name}/x"]), golden[f"{name}/y"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        logits = network(x)
        losses = xent(logits, y)
        mean = tf.reduce_mean(losses)
    for key, value in {
        "logits": logits,
        "softmax": tf.nn.softmax(logits),
        "xent": losses,
        "mean_xent": mean,
        "grad_x": tape.gradient(losses, x),
    }.items():
        key = f"{name}/{key}"
        np.testing.assert_allclose(value, golden[key], rtol=0, atol=goldens.atol("classifiers", key), err_msg=key)
    np.testing.assert_array_equal(tf.argmax(logits, axis=-1), golden[f"{name}/pred"])
    for variable, gradient in zip(network.variables, tape.gradient(mean, network.trainable_variables), strict=True):
        key = f"{name}/grad_w/{'/'.join(variable.path.split('/')[-2:])}/checksum"
        mine, theirs = goldens.checksum(gradient), golden[key]
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5 * theirs[2], err_msg=key)


def test_networks_are_the_same_whatever_order_of_axes_a_user_has_chosen():
    """Which a keras.json says."""
    names = [(name, classifiers.architecture_of(classifiers.build(name))) for name in ("mnist_cnn", "cifar_cnn")]
    parts = vae_gan.build("square@30x3")
    described = [classifiers.architecture_of(getattr(parts, part)) for part in vae_gan.PARTS]
    keras.config.set_image_data_format("channels_first")
    try:
        again = [(name, classifiers.architecture_of(classifiers.build(name))) for name, _ in names]
        parts = vae_gan.build("square@30x3")
        assert [classifiers.architecture_of(getattr(parts, part)) for part in vae_gan.PARTS] == described
    finally:
        keras.config.set_image_data_format("channels_last")
    assert again == names


def test_initial_weights_are_glorot_uniform_and_depend_on_the_seed_alone():
    first, again, other = (classifiers.build("cifar_cnn", seed=seed).get_weights() for seed in (3, 3, 4))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.ndim == 1:
            assert not a.any()
        else:
            fan_in, fan_out = np.prod(a.shape[:-1]), a.shape[-1] * np.prod(a.shape[:-2])
            limit = np.sqrt(6 / (fan_in + fan_out))
            assert 0.95 * limit < np.abs(a).max() <= limit
            assert a.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)
            assert not np.array_equal(a, c)


def test_bfloat16_computes_in_bfloat16_and_returns_float32():
    network = classifiers.build("cifar_cnn", precision="mixed_bfloat16")
    assert network.layers[0].compute_dtype == "bfloat16"
    assert network(np.zeros((1, 32, 32, 3), np.float32)).dtype == tf.float32
    assert {v.dtype for v in network.variables} == {"float32"}


def test_unknown_architecture_and_shape_are_refused():
    with pytest.raises(ValueError, match=r"'vgg'; choose one of gaussian_mlp, mnist_cnn, cifar_cnn"):
        classifiers.build("vgg")
