"""What own classes, functions and data compute, in words: what Keras' configuration of a network does not hold.

Own code, see `identity.own`, is described; other code is known by its name, and that of installed packages apart from
Keras, TensorFlow, NumPy and this one by the file that a class or function lies in, too. A function is known by its
compiled code, which is what runs whatever became of its file, and so for one version of Python; with it by its
defaults, what it encloses and the globals that it reads, whose functions are read in turn. A class is known by its
functions and data, and by those of the classes that it inherits from. Data are known by their pickle.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pickle import Pickler
from types import FunctionType, ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robint_tf.networks.identity import own

CONFIGURED = (
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
)
"""Things of Keras that say their configuration, which is told in place of the attributes that Keras gave them."""


class Undescribed(Exception):
    """Its text names what cannot be described."""


class Reader:
    """Describes values, each by a text that differs where they compute something else.

    read: the names of attributes, and the texts, that the code described so far holds.
    """

    def __init__(self, parts: dict[int, str], of_layer: Callable[[keras.layers.Layer], str], *, lasting: bool) -> None:
        """parts: by id, what a network's layers and variables are called; of_layer: describes one of another network.

        lasting: False describes what cannot be described by its id, which holds as long as this process.
        """
        self.parts, self.of_layer, self.lasting = parts, of_layer, lasting
        self.read: set[str] = set()
        self._texts: dict[int, str] = {}

    def text(self, value: Any, name: str) -> str:
        """A hash for a value; name: what the code that reads it calls it. `Undescribed` if there is none."""
        digest = hashlib.sha256()
        try:
            _Pickler(self, digest).dump(value)
        except Undescribed:
            raise
        except Exception as error:  # whatever an object raises that is asked for its parts
            if self.lasting:
                raise Undescribed(f"{name} ({type(value).__name__})") from error
            return f"{type(value).__name__} {id(value)}"
        return digest.hexdigest()

    def attributes(self, part: Any) -> Iterator[str]:
        """What is own of a layer, part: attributes, and what it is given where a functional model calls it.

        Attributes that are data count if code described reads them.
        """
        of_library, of_training = own.kept_by_library(part.__class__), own.kept_by_training()
        for name, value in sorted(vars(part).items()):
            if name in of_training or id(value) in self.parts:
                continue
            if own.is_own(value) or (name not in of_library and name in self.read):
                yield f"{name}={self.text(value, name)}"
        for node in getattr(part, "_inbound_nodes", ()):
            for value in (*node.arguments.args, *node.arguments.kwargs.values()):
                if own.is_own(value):
                    yield f"given {self.text(value, 'an argument')}"

    def special(self, value: Any) -> str | None:
        """The text of a value that pickle does not take, or of which it says too little; None for any other."""
        if id(value) in self.parts:
            return self.parts[id(value)]
        if inspect.isfunction(value):
            return self._once(value, self._function)
        if inspect.isclass(value):
            return self._once(value, self._class)
        if inspect.ismodule(value):
            return self._module(value, self.read)
        if isinstance(value, own.DESCRIPTORS):
            return self._all(getattr(value, part, None) for part in ("__func__", "fget", "fset", "fdel", "func"))
        if isinstance(value, keras.layers.Layer):
            return self.of_layer(value)
        if isinstance(value, keras.KerasTensor | tf.TensorSpec):
            return f"{value.dtype}{value.shape}"
        if isinstance(value, keras.Variable | tf.Variable | tf.Tensor):
            return self.text(np.asarray(value), "a tensor")
        if isinstance(value, keras.random.SeedGenerator):
            return "random numbers"
        if isinstance(value, CONFIGURED):
            mine = {name: v for name, v in vars(value).items() if name not in own.kept_by_library(value.__class__)}
            return self._all([type(value), value.get_config(), mine])
        if isinstance(value, set | frozenset):
            return repr(sorted(self.text(part, "a set") for part in value))
        if isinstance(value, list | dict) and type(value).__module__.startswith("keras."):  # what Keras tracks
            return self.text(dict(value) if isinstance(value, dict) else list(value), "a list")
        if (wrapped := own.wrapped_by(value)) is not None:
            return self._all([wrapped])
        return None

    def _all(self, values: Iterable[Any]) -> str:
        return self.text(list(values), "a value")

    def _once(self, value: Any, describe: Callable[[Any], str]) -> str:
        """A function or class may refer to itself."""
        if id(value) not in self._texts:
            self._texts[id(value)] = f"itself, {value.__qualname__}"
            self._texts[id(value)] = describe(value)
        return self._texts[id(value)]

    def _function(self, function: FunctionType) -> str:
        found = own.origin(function.__globals__.get("__name__", "__main__"))
        enclosed = own.enclosed_by(function)
        if found is not None:
            inside = {"": own.wrapped_by(function), **enclosed}
            texts = [f"{name}={self.text(value, name)}" for name, value in inside.items() if own.is_own(value)]
            return f"{found}.{function.__qualname__} {texts}"
        code = function.__code__
        loaded = own.named(code, "LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")
        self.read |= loaded | {text for part in own.codes(code) for text in part.co_consts if isinstance(text, str)}
        named = own.named(code, "LOAD_GLOBAL", "LOAD_NAME")
        read = {name: function.__globals__[name] for name in sorted(named) if name in function.__globals__}
        package = function.__globals__.get("__package__") or ""
        for name in sorted(own.named(code, "IMPORT_NAME")):
            read |= {n: sys.modules[n] for n in (name, f"{package}.{name}") if n in sys.modules}
        texts = [own.in_words(code), self.text((function.__defaults__, function.__kwdefaults__), "a default")]
        for name, value in {**enclosed, **read}.items():
            known = self._module(value, loaded) if inspect.ismodule(value) else self.text(value, name)
            texts.append(f"{name}={known}")
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def _class(self, cls: type) -> str:
        texts = []
        for base in cls.__mro__:
            found = own.origin(base.__module__)
            texts.append(f"{found or base.__module__}.{base.__qualname__}")
            if found is not None:
                continue
            for function in own.functions_of(base):
                self._once(function, self._function)
            for name, member in sorted(vars(base).items()):
                if name == "_abc_impl" or (name.startswith("__") and not inspect.isfunction(member)):
                    continue
                try:
                    texts.append(f"{name}={self.text(member, name)}")
                except Undescribed:
                    if name in self.read:
                        raise
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def _module(self, module: ModuleType, names: set[str]) -> str:
        """A module by what is read of it."""
        found = own.origin(module.__name__)
        if found is not None:
            return found
        key = id(module)
        if key in self._texts:
            return self._texts[key]
        self._texts[key] = module.__name__
        try:
            there = [name for name in sorted(names) if name in vars(module)]
            return repr([(name, self.text(getattr(module, name), f"{module.__name__}.{name}")) for name in there])
        finally:
            del self._texts[key]


class _Hashing:
    def __init__(self, digest: Any) -> None:
        self.write = digest.update


class _Pickler(Pickler):
    """Pickles into a hash, with words in place of code."""

    def __init__(self, reader: Reader, digest: Any) -> None:
        super().__init__(_Hashing(digest), protocol=5)
        self.fast = True  # equal things are equal whether or not they are one thing
        self._reader = reader

    def persistent_id(self, value: Any) -> str | None:
        return self._reader.special(value)
