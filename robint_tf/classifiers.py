"""The three classifiers of the study, as Keras models that return logits (appendix A.2, the authors' `classifiers.py`).

Convolutions and pooling pad with zeros to the same size, kernels start Glorot uniform, biases at zero.
"""

from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import layers
from numpy.random import SeedSequence

Network: TypeAlias = keras.Model

INPUT_SHAPES: dict[str, tuple[int, ...]] = {
    "gaussian_mlp": (2,),
    "mnist_cnn": (28, 28, 1),
    "cifar_cnn": (32, 32, 3),
}
N_CLASSES = {"gaussian_mlp": 2, "mnist_cnn": 10, "cifar_cnn": 10}

# The paper's tables (A.2) swap the MNIST filters and halve the dense layer of the CIFAR-10 network.
MNIST_FILTERS = {"authors": (32, 64), "paper": (64, 32), "corrected": (32, 64)}
CIFAR_HIDDEN = {"authors": 512, "paper": 256, "corrected": 512}


def gaussian_mlp(variant: str = "authors") -> list[layers.Layer]:
    """Layers for points in the plane; 642 parameters."""
    return [layers.Dense(128, "relu", name="dense1"), layers.Dense(2, name="dense2")]


def mnist_cnn(variant: str = "authors") -> list[layers.Layer]:
    """Layers for MNIST and Fashion-MNIST; 12,908,426 parameters."""
    first, second = MNIST_FILTERS[variant]
    return [
        layers.Conv2D(first, 5, padding="same", activation="relu", name="conv1"),
        layers.Conv2D(second, 5, padding="same", activation="relu", name="conv2"),
        layers.MaxPooling2D(2, padding="same", name="pool2"),
        layers.Flatten(name="flatten"),
        layers.Dense(1024, "relu", name="dense3"),
        layers.Dense(10, name="dense4"),
    ]


def cifar_cnn(variant: str = "authors") -> list[layers.Layer]:
    """Layers for CIFAR-10; 2,168,362 parameters."""
    return [
        layers.Conv2D(32, 3, padding="same", activation="relu", name="conv1"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
        layers.MaxPooling2D(2, padding="same", name="pool2"),
        layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3"),
        layers.Conv2D(64, 3, padding="same", activation="relu", name="conv4"),
        layers.MaxPooling2D(2, padding="same", name="pool4"),
        layers.Flatten(name="flatten"),
        layers.Dense(CIFAR_HIDDEN[variant], "relu", name="dense5"),
        layers.Dense(10, name="dense6"),
    ]


ARCHITECTURES: dict[str, Callable[[str], list[layers.Layer]]] = {
    "gaussian_mlp": gaussian_mlp,
    "mnist_cnn": mnist_cnn,
    "cifar_cnn": cifar_cnn,
}


def architecture_for(x_shape: tuple[int, ...]) -> str:
    """The name of the classifier for examples of this shape, e.g. (28, 28, 1). `ValueError` if there is none."""
    for name, shape in INPUT_SHAPES.items():
        if shape == tuple(x_shape):
            return name
    known = ", ".join(f"{shape} ({name})" for name, shape in INPUT_SHAPES.items())
    raise ValueError(f"no classifier takes inputs of shape {tuple(x_shape)}; there are {known}.")


def build(architecture: str, *, variant: str = "authors", seed: int = 0, precision: str = "float32") -> Network:
    """A freshly initialised classifier: (N, ...) float32 in [-1, 1] to logits (N, classes), float32.

    The weights depend on `seed` alone, not on any global generator. With `precision` "mixed_bfloat16" the layers
    compute in bfloat16 on float32 weights, the last one in float32. `ValueError` for an unknown architecture.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; choose one of {', '.join(ARCHITECTURES)}.")
    stack = ARCHITECTURES[architecture](variant)
    for layer in stack:
        layer.dtype_policy = keras.DTypePolicy("float32" if layer is stack[-1] else precision)
    network = keras.Sequential([layers.Input(INPUT_SHAPES[architecture]), *stack], name=architecture)
    initialise(network, seed)
    return network


def initialise(network: Network, seed: int) -> None:
    """Give a network the initial weights that belong to `seed`: Glorot uniform kernels, zero biases."""
    states = SeedSequence(seed).generate_state(len(network.layers))
    for layer, state in zip(network.layers, states, strict=True):
        for variable in layer.variables:
            if variable.name == "kernel":
                variable.assign(keras.initializers.GlorotUniform(int(state >> 1))(variable.shape))
            else:
                variable.assign(keras.initializers.Zeros()(variable.shape))
