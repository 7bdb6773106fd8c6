"""Programs that XLA compiles where `device.jit_compile` says so, and that run without it where XLA cannot."""

import re
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from robint_tf.runtime import device

REFUSED = re.compile(r"unsupported operations when trying to compile|tf2xla conversion failed|compile-time constant")
"""What TensorFlow says of a function for which XLA has no code; nothing of it has run then."""

_TOLD: "weakref.WeakSet[keras.Model]" = weakref.WeakSet()


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """`tf.function` as a decorator, by XLA where `device.jit_compile`, and without where XLA refuses the function.

    options: of `tf.function` but jit_compile. A function that XLA refuses is made once more at its first call, with a
    warning; its other errors are its own.
    """

    def decorate(function: Callable) -> Callable:
        run = tf.function(function, jit_compile=device.jit_compile(), **options)
        if not device.jit_compile():
            return run
        return _Program(run, lambda: tf.function(function, jit_compile=False, **options))

    return decorate


class _Program:
    """A compiled function, and how to make it without XLA."""

    def __init__(self, run: Callable, without_xla: Callable[[], Callable]) -> None:
        self._run, self._without_xla = run, without_xla

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._run(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not REFUSED.search(str(error)):
                raise
            operation = re.search(r"No registered '(\w+)'", str(error))
        what = f"the operation {operation[1]}" if operation else "a part of this network"
        warnings.warn(f"XLA cannot compile {what}; going on without XLA, which is slower.", stacklevel=2)
        self._run = self._without_xla()
        return self._run(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)


def takes(network: keras.Model) -> bool:
    """Whether all layers of a network say that XLA can compile them (`supports_jit`); warns once where one does not."""
    layer = next((each for each in network._flatten_layers() if not getattr(each, "supports_jit", True)), None)
    if layer is not None and network not in _TOLD:
        _TOLD.add(network)
        warnings.warn(
            f"the layer {layer.name!r} ({type(layer).__name__}) of the network {network.name!r} cannot be compiled by "
            "XLA; the network runs without it, which is slower.",
            stacklevel=2,
        )
    return layer is None
