"""The three classifiers of the study, as Keras models that return logits (appendix A.2, the authors' `classifiers.py`).

Convolutions and pooling pad with zeros to the same size, kernels start Glorot uniform, biases at zero.

variant: "authors", "paper" (appendix A.2's tables) or "corrected"; precision: "float32" or "mixed_bfloat16".
"""

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from numpy.random import SeedSequence

from robint_tf.catalogue import ARCHITECTURES
from robint_tf.errors import InputError
from robint_tf.networks.identity.naming import Network, architecture_of, fingerprint, kept_of
from robint_tf.runtime import device
from robint_tf.specs import CUSTOM


@dataclass(frozen=True)
class Architecture:
    """layers: from a variant to fresh layers, the last giving logits; input_shape: of one example; n_classes."""

    layers: Callable[[str], list[layers.Layer]]
    input_shape: tuple[int, ...]
    n_classes: int


# The paper's tables (A.2) swap the MNIST filters and halve the dense layer of the CIFAR-10 network.
MNIST_FILTERS = {"authors": (32, 64), "paper": (64, 32), "corrected": (32, 64)}
CIFAR_HIDDEN = {"authors": 512, "paper": 256, "corrected": 512}


Conv2D = functools.partial(layers.Conv2D, padding="same", activation="relu", data_format="channels_last")
MaxPooling2D = functools.partial(layers.MaxPooling2D, padding="same", data_format="channels_last")
Flatten = functools.partial(layers.Flatten, data_format="channels_last")  # whatever a keras.json says


def gaussian_mlp(variant: str = "authors") -> list[layers.Layer]:
    """Layers for points in the plane; 642 parameters."""
    return [layers.Dense(128, "relu", name="dense1"), layers.Dense(2, name="dense2")]


def mnist_cnn(variant: str = "authors") -> list[layers.Layer]:
    """Layers for MNIST and Fashion-MNIST; 12,908,426 parameters."""
    first, second = MNIST_FILTERS[variant]
    return [
        Conv2D(first, 5, name="conv1"),
        Conv2D(second, 5, name="conv2"),
        MaxPooling2D(2, name="pool2"),
        Flatten(name="flatten"),
        layers.Dense(1024, "relu", name="dense3"),
        layers.Dense(10, name="dense4"),
    ]


def cifar_cnn(variant: str = "authors") -> list[layers.Layer]:
    """Layers for CIFAR-10; 2,168,362 parameters."""
    return [
        Conv2D(32, 3, name="conv1"),
        Conv2D(32, 3, name="conv2"),
        MaxPooling2D(2, name="pool2"),
        Conv2D(64, 3, name="conv3"),
        Conv2D(64, 3, name="conv4"),
        MaxPooling2D(2, name="pool4"),
        Flatten(name="flatten"),
        layers.Dense(CIFAR_HIDDEN[variant], "relu", name="dense5"),
        layers.Dense(10, name="dense6"),
    ]


GAUSSIAN_MLP = Architecture(gaussian_mlp, (2,), 2)
MNIST_CNN = Architecture(mnist_cnn, (28, 28, 1), 10)
CIFAR_CNN = Architecture(cifar_cnn, (32, 32, 3), 10)


def build(architecture: str, *, variant: str = "authors", seed: int = 0, precision: str = "float32") -> Network:
    """A freshly initialised classifier: (N, ...) float32 in [-1, 1] to logits (N, classes), float32.

    The weights depend on `seed` alone, not on any global generator. With `precision` "mixed_bfloat16" the layers
    compute in bfloat16 on float32 weights, the last one in float32. `ValueError` for an unknown architecture.
    """
    device.begin()
    network = _assembled(architecture, variant, precision)
    initialise(network, seed)
    _BUILT[network] = fingerprint(network, lasting=False)
    return network


def _assembled(architecture: str, variant: str, precision: str) -> Network:
    record = ARCHITECTURES[ARCHITECTURES.full_name(architecture)]
    stack = record.layers(variant)
    for layer in stack:
        layer.dtype_policy = keras.DTypePolicy("float32" if layer is stack[-1] else precision)
    network = keras.Sequential([layers.Input(record.input_shape), *stack], name=architecture.partition("@")[0])
    if network.output_shape != (None, record.n_classes):
        raise InputError(
            f"the architecture {architecture} gives values of shape {network.output_shape[1:]}; its record says "
            f"{record.n_classes} classes."
        )
    return network


@functools.cache
def _known(architecture: str, variant: str, precision: str) -> str:
    return architecture_of(_assembled(architecture, variant, precision), lasting=False)


def check_architecture(network: Network, architecture: str, *, variant: str, precision: str) -> None:
    """`ValueError` unless the network is what `architecture` names: registered, or by `architecture_of`."""
    expected = architecture if architecture.startswith(CUSTOM) else _known(architecture, variant, precision)
    found = architecture_of(network, lasting=False)  # which is the other where that could be told
    if found != expected:
        raise InputError(
            f"the network {network.name!r} ({found}) is not the architecture {architecture} (variant {variant}, "
            f"{precision}) that the recipe names; give the recipe architecture={found!r}."
        )


_BUILT: "weakref.WeakKeyDictionary[Network, str]" = weakref.WeakKeyDictionary()


def is_fresh(network: Network) -> bool:
    """Whether a network comes from `build` and still holds the weights that it was built with."""
    return network in _BUILT and _BUILT[network] == fingerprint(network, lasting=False)


def initialise(network: Network, seed: int) -> None:
    """Give a network the initial weights that belong to `seed`, by each variable's own initialiser.

    The study's networks start from Glorot uniform kernels and zero biases. Frozen layers, and statistics that a layer
    has learnt from data before training (`Normalization.adapt`), stay as they are. `ValueError` for any other variable
    whose layer does not say how it starts.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}; give a whole number of at least 0.")
    kept = kept_of(network)
    states = SeedSequence(seed).generate_state(len(network.layers))
    for layer, state in zip(network.layers, states, strict=True):
        owners = {id(v): part for part in layer._flatten_layers() for v in part.variables}  # the innermost comes last
        for i, variable in enumerate(layer.variables):
            if id(variable) not in kept:
                _initialise(variable, owners[id(variable)], (int(state >> 1) + i) % 2**31)
    of_layers = {id(v) for layer in network.layers for v in layer.variables}
    own = [v for v in network.variables if id(v) not in of_layers]  # of a subclassed model that adds weights itself
    for variable, state in zip(own, SeedSequence([seed, 1]).generate_state(len(own)), strict=True):
        if id(variable) not in kept:
            _initialise(variable, network, int(state >> 1))


def _initialise(variable: keras.Variable, layer: layers.Layer, seed: int) -> None:
    if variable.name == "seed_generator_state":  # of dropout, say
        variable.assign(np.array([seed, 0], variable.dtype))
        return
    initialiser = _initialiser_of(variable.name, layer)
    if initialiser is None:
        raise InputError(
            f"layer {layer.name!r} does not say how its variable {variable.name!r} starts; name the initialiser "
            f"{variable.name}_initializer, or train with initialise=False from the weights that it has."
        )
    config = initialiser.get_config()
    seeded = {**config, "seed": seed} if "seed" in config else config
    try:
        variable.assign(type(initialiser).from_config(seeded)(variable.shape, dtype=variable.dtype))
    except TypeError as error:
        raise InputError(
            f"the initialiser {type(initialiser).__name__} cannot be rebuilt from its configuration ({error}); "
            "give it a get_config method."
        ) from error
    if variable.name == "bias" and getattr(layer, "unit_forget_bias", False):  # of LSTM: gates i, f, c, o
        values = np.array(variable)
        values[layer.units : 2 * layer.units] = 1
        variable.assign(values)


def _initialiser_of(name: str, layer: layers.Layer) -> keras.initializers.Initializer | None:
    """The initialiser of a layer's variable: kernel_initializer of `kernel`, depthwise_ of `depthwise_kernel`."""
    for stem in (name, name.removesuffix("_kernel")):
        found = getattr(layer, f"{stem}_initializer", None)
        if isinstance(found, keras.initializers.Initializer):
            return found
    return None
