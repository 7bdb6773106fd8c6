"""Where TensorFlow runs and how, with GPUs that are made up: before it has started, and after."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from robint_tf import networks
from robint_tf.attacks import predict
from robint_tf.errors import DeviceError
from robint_tf.runtime import device, xla


class Machine:
    """TensorFlow's settings on a machine with GPUs; once it has started, only those change that may."""

    def __init__(self, patch, gpus, started):
        self.gpus, self.visible, self.started, self.growing = list(gpus), list(gpus), started, []
        real = tf.config.list_physical_devices
        patch.setattr(tf.config, "list_physical_devices", lambda kind=None: self.gpus if kind == "GPU" else real(kind))
        patch.setattr(tf.config, "get_visible_devices", lambda kind: list(self.visible))
        patch.setattr(tf.config, "set_visible_devices", self.see)
        patch.setattr(tf.config.experimental, "set_memory_growth", self.grow)
        patch.setattr(device, "name", lambda: (self.visible or ["CPU"])[0])
        patch.setattr(device, "on_cpu", lambda: not self.visible)
        patch.setattr(device, "_settings", device._Settings())

    def see(self, devices, kind):
        self.refuse()
        self.visible = devices

    def grow(self, gpu, growing):
        self.refuse()
        self.growing.append(gpu)

    def refuse(self):
        if self.started:
            raise RuntimeError("cannot be modified after being initialized")


@pytest.fixture
def machine(monkeypatch):
    """Makes such a machine, on which TensorFloat-32 is on as TensorFlow's default is."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    yield lambda gpus=("first", "second"), started=False: Machine(monkeypatch, gpus, started)
    tf.config.experimental.enable_tensor_float_32_execution(before)


def tf32_is_on():
    return tf.config.experimental.tensor_float_32_execution_enabled()


def test_the_first_use_switches_tensorfloat_32_off_once_and_lets_memory_grow(machine):
    made = machine()
    with pytest.warns(UserWarning, match=r"TensorFloat-32 is now off in this process.*configure\(tf32=True\)"):
        networks.build("gaussian_mlp")
    assert not tf32_is_on()
    assert made.growing == ["first", "second"]
    assert made.visible == ["first", "second"]
    tf.config.experimental.enable_tensor_float_32_execution(True)  # the user's own choice, after that
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks.build("gaussian_mlp")
        assert device.tf32()


@pytest.mark.parametrize("use", [device.jit_compile, device.tf32, device.describe])
def test_whatever_asks_first_is_the_first_use(machine, use, monkeypatch):
    machine(started=True)  # by the user's own network
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": gpu})
    with pytest.warns(UserWarning, match="TensorFloat-32"):
        use()
    assert not tf32_is_on()


def test_who_configures_or_has_no_gpu_is_told_nothing(machine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine(gpus=())
        device.begin()
        assert tf32_is_on()  # a CPU has none
        machine()
        device.configure(tf32=True)
        device.begin()
        assert tf32_is_on()
        device.configure()
        assert not tf32_is_on()


def test_what_may_change_late_can_be_chosen_after_tensorflow_has_started(machine):
    machine(started=True)
    for name in ("auto", "gpu", "gpu:0"):
        device.configure(name, jit="off")
        assert not device.jit_compile()
        assert not tf32_is_on()
        assert device.configure(name, jit="on", tf32=True) == "first"
        assert device.jit_compile()
        assert tf32_is_on()
    for name in ("cpu", "gpu:1"):
        with pytest.raises(DeviceError, match="the device can no longer be set"):
            device.configure(name)


def test_before_it_has_started_the_device_is_the_one_that_is_named(machine):
    for name, seen in (("auto", ["first"]), ("gpu:1", ["second"]), ("cpu", [])):
        made = machine()
        device.configure(name)
        assert made.visible == seen
        assert made.growing == ["first", "second"]


def test_a_gpus_results_do_not_name_the_processor_beside_it(machine, monkeypatch):
    machine()
    device.configure()
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "NVIDIA H200"})
    monkeypatch.setattr(device, "n_cores", lambda: 16)
    found = device.describe()
    assert found["device"] == "NVIDIA H200"
    assert not {"processor", "threads"} & set(found)


def test_a_network_with_a_layer_that_xla_does_not_take_is_compiled_without_it(monkeypatch):
    layers = keras.layers
    network = keras.Sequential([layers.Input((4, 4, 1)), layers.RandomZoom(0.2), layers.Flatten(), layers.Dense(3)])
    x, made = np.zeros((2, 4, 4, 1), np.float32), []
    expected = predict(network, x)
    monkeypatch.setattr(device, "jit_compile", lambda: device._XLA.get())
    monkeypatch.setattr(xla, "compiled", lambda **options: made.append(device.jit_compile()) or tf.function(**options))
    with pytest.warns(UserWarning, match=r"'random_zoom.*' \(RandomZoom\).* cannot be compiled by XLA"):
        assert xla.takes(network) is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (False, True):
            monkeypatch.setattr(device, "tf32", lambda value=value: value)  # another key each
            np.testing.assert_array_equal(predict(network, x), expected)
    assert made == [False]
    assert device.jit_compile()
    other = keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)])
    predict(other, x)
    assert made == [False, True]
