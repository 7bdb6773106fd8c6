"""One way to run a data set in batches, and compiled functions that die with their network."""

import functools
import hashlib
import warnings
import weakref
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from robint_tf.errors import InputError
from robint_tf.runtime import device, xla

Progress = Callable[[int, int], None]
"""Called with how many examples are done, and how many there are."""


def in_batches(n: int, batch_size: int, run: Callable[[int, int], None], progress: Progress | None = None) -> None:
    """Call run(first, one past the last) for each batch of n examples whose results do not depend on the batch.

    batch_size: examples in a batch. Where the device runs out of memory the batch is halved, with a warning, and tried
    again. progress: called after each batch. `ValueError` for a batch of less than one.

    >>> in_batches(5, 2, lambda first, end: print(first, end))
    0 2
    2 4
    4 5
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size!r}; give a whole number of at least 1.")
    lo = 0
    while lo < n:
        hi = min(lo + batch_size, n)
        try:
            run(lo, hi)
        except tf.errors.ResourceExhaustedError:
            if hi - lo == 1:
                raise
            batch_size = (hi - lo) // 2
            warnings.warn(f"out of memory with {hi - lo} images at once; going on with {batch_size}.", stacklevel=3)
            continue
        lo = hi
        if progress is not None:
            progress(hi, n)


def batch_signature(x_shape: tuple[int, ...]) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Images of shape x_shape, float32, and labels, int32, in batches of any size: so a function is traced once."""
    return tf.TensorSpec([None, *x_shape], tf.float32), tf.TensorSpec([None], tf.int32)


_COMPILED: "weakref.WeakKeyDictionary[keras.Model, dict]" = weakref.WeakKeyDictionary()


Compiled = TypeVar("Compiled")


def per_network(network: keras.Model, key: object, make: Callable[[Any], Compiled]) -> Compiled:
    """What make(network) compiles for a network, made once per key, which dies with its network.

    Without XLA where a layer of the network does not allow it. It is compiled again when layers of the network were
    added, removed, frozen or given another activation or precision since, when a number, a text, a function or a tensor
    was changed that is a public attribute of a layer, or in one that is a list, such as the rate of a Dropout, and
    after `device.configure` chose otherwise between XLA and none.
    """
    functions = _COMPILED.setdefault(network, {})
    by_xla = device.jit_compile() and xla.takes(network)
    key = key, by_xla, device.training_block(), device.tf32(), _structure(network)
    if key not in functions:
        with device.xla(by_xla):
            functions[key] = make(weakref.proxy(network))  # a strong reference would keep the network alive for ever
    return functions[key]


def _structure(network: keras.Model) -> tuple:
    """What of a network is laid down when it is compiled: its layers, which are trained, and how they compute."""
    layers = network._flatten_layers()
    operations = [
        part
        for layer in layers
        if isinstance(layer, keras.Function)
        for part in layer.operations
        if not isinstance(part, keras.layers.Layer)
    ]
    return (
        *(
            (layer.trainable, layer.dtype_policy.name, _reference(getattr(layer, "activation", None)))
            for layer in layers
        ),
        *((weakref.ref(part), _settings(part)) for part in (*layers, *operations)),
    )


PROGRESS = ("built", "compiled", "stop_training", "stop_evaluating", "stop_predicting")
"""Attributes by which Keras says what it has done with a network."""


def _settings(part: Any) -> tuple:
    """The public attributes of a layer, or of what it consists of, as far as `_laid_down` knows them."""
    found: list[Any] = []
    for name, value in vars(part).items():
        if name[0] != "_" and name not in PROGRESS and (laid := _laid_down(value)) is not None:
            found += name, laid
    return tuple(found)


def _laid_down(value: Any) -> Any:
    """Something that differs where a program made with a value would; nothing for values of other kinds."""
    if value is None or type(value) in (bool, int, float, str):  # most are; the rest takes longer to tell
        return value
    if isinstance(value, FunctionType | MethodType | functools.partial):
        return weakref.ref(value)
    if isinstance(value, tuple | list):
        return tuple(map(_laid_down, value))
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, keras.regularizers.Regularizer | keras.constraints.Constraint):
        return _settings(value)
    if isinstance(value, np.ndarray | np.generic):  # a program holds a copy of its numbers
        return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, tf.Tensor):
        return id(value)  # the program that uses it keeps it
    return None


def _reference(value: Any) -> Any:
    """Something equal for the same object alone, which does not keep it alive."""
    try:
        return weakref.ref(value)
    except TypeError:
        return value
