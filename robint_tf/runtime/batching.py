"""One way to run a data set in batches, and compiled functions that die with their network."""

import warnings
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import keras
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
    added, removed, frozen or given another activation since, when a number or text was changed that is a public
    attribute of an own layer, and after `device.configure` chose otherwise between XLA and none.
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
    return tuple(
        (weakref.ref(layer), layer.trainable, _reference(getattr(layer, "activation", None)), _settings(layer))
        for layer in network._flatten_layers()
    )


PROGRESS = ("built", "compiled", "stop_training", "stop_evaluating", "stop_predicting")
"""Attributes by which Keras says what it has done with a network."""


def _settings(layer: keras.layers.Layer) -> tuple:
    """Numbers and texts that are public attributes of a layer of an own class."""
    if type(layer).__module__.split(".")[0] in ("keras", "robint_tf"):
        return ()
    public = {name: value for name, value in vars(layer).items() if name[0] != "_" and name not in PROGRESS}
    return tuple((name, value) for name, value in public.items() if isinstance(value, bool | int | float | str))


def _reference(value: Any) -> Any:
    """Something equal for the same object alone, which does not keep it alive."""
    try:
        return weakref.ref(value)
    except TypeError:
        return value
