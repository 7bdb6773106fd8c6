"""Networks, data and attributions as people have them, made what the rest of the package takes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from robint_tf import checks
from robint_tf.catalogue import ATTRIBUTIONS, OWN
from robint_tf.checks import Bounds
from robint_tf.data import arrays
from robint_tf.data.datasets import Dataset, Split
from robint_tf.errors import InputError
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.classifiers import Network
from robint_tf.networks.inputs import called

Data: TypeAlias = Split | tuple[np.ndarray, np.ndarray] | tf.data.Dataset
"""Images (N, H, W, C) and labels (N,): a pair of arrays, a `data.Split`, or a `tf.data.Dataset` of such pairs, one by
one or in batches, that ends."""

Explainer = Callable[[Network, tf.Tensor], Any]
"""An attribution of one's own: from the network, of images in [-1, 1], and a batch of them (N, H, W, C) float32 to
values of the same shape or (N, H, W). It is called eagerly, and may use NumPy."""

Method: TypeAlias = "str | Explainer | tuple[np.ndarray, np.ndarray]"
"""A name in `catalogue.ATTRIBUTIONS`, an `Explainer`, or maps (N, H, W) that are at hand."""


def network_of(model: Network, bounds: Bounds | None) -> Network:
    """The model as one of images in [-1, 1]. bounds: what it takes; None: [-1, 1], as of any `Bounded` one.

    `ValueError` for what is not a Keras model.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"the network is {type(model).__name__}; give a Keras model from images to logits.")
    if bounds is None or isinstance(model, Bounded):
        return model
    return Bounded(model, checks.bounds(bounds))


def split_of(data: Data, bounds: Bounds | None, what: str) -> Split:
    """Images (N, H, W, C) float32 in [-1, 1] and their labels, of data whose images lie in bounds.

    `ValueError` for what is not such; what: names it.
    """
    if isinstance(data, tf.data.Dataset):
        data = _collected(data, what)
    if isinstance(data, Split):
        x, y = data.x, data.y
    elif isinstance(data, tuple | list) and len(data) == 2:
        x, y = map(np.asarray, data)
    else:
        raise InputError(
            f"{what} is {type(data).__name__}; give a pair of arrays (x, y) or a tf.data.Dataset of pairs."
        )
    found = arrays.split(x, y, bounds=bounds, what=f"{what}: ")
    if found.x.ndim != 4:
        remedy = ": x[..., None] for grey images without channels" if found.x.ndim == 3 else ""
        raise InputError(f"{what}: images have shape {found.x.shape}; give (N, H, W, C){remedy}.")
    return found


def _collected(data: tf.data.Dataset, what: str) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a `tf.data.Dataset`, in the order in which it gives them."""
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"{what} is a tf.data.Dataset without an end; leave out its repeat(), or add take(n).")
    if not isinstance(data.element_spec, tuple) or len(data.element_spec) != 2:
        raise InputError(f"{what} is a tf.data.Dataset of {data.element_spec!r}; give one of pairs (images, labels).")
    parts = list(zip(*data.as_numpy_iterator(), strict=True))
    if not parts:
        raise InputError(f"{what} is a tf.data.Dataset without examples.")
    join = np.stack if np.ndim(parts[1][0]) == 0 else np.concatenate
    x, y = (join(part) for part in parts)
    return x, y


def dataset_of(train: Data, test: Data, bounds: Bounds | None) -> Dataset:
    """The data train and test, whose images lie in bounds, as a data set named `OWN`."""
    return arrays.from_splits(OWN, train=split_of(train, bounds, "train"), test=split_of(test, bounds, "test"))


def fresh_copy(model: Network) -> Network:
    """A network like `model`, to be trained from initial weights: what of it is not trained is as in `model`.

    `ValueError` for a subclassed model that cannot be made again from its configuration.
    """
    if isinstance(model, Bounded):
        return Bounded(fresh_copy(model.network), model.bounds)
    try:
        if isinstance(model, keras.Sequential) or hasattr(model, "_functional") or type(model).__name__ == "Functional":
            copy = keras.models.clone_model(model)
        else:
            copy = type(model).from_config(model.get_config())
    except Exception as error:  # whatever a user's class raises
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the network {model.name!r} cannot be made again from its configuration ({first}); give build=, a "
            "function that returns an untrained one."
        ) from error
    return copy


def untrained(model: Network, build: Callable[[], Network] | None, bounds: Bounds | None, x: np.ndarray) -> Network:
    """The network that is retrained: what `build` returns, of images in bounds, else a `fresh_copy` of the model.

    model: of images in [-1, 1]; x: at least one image (N, H, W, C), on which the copy is called, so that it has
    weights. `ValueError` if build returns the model itself.
    """
    if build is not None:
        made = network_of(build(), bounds)
        if made is model or (isinstance(made, Bounded) and made.network is getattr(model, "network", None)):
            raise InputError("build returns the network that is explained; have it return a new one.")
        called(made, x[:1])
        return made
    copy = fresh_copy(model)
    called(copy, x[:1])
    copy.set_weights(model.get_weights())  # statistics that a layer has learnt before training stay; the rest does not
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # which makes them what it computes with
    return copy


def methods_of(attribution: Any) -> dict[str, Method]:
    """Methods by name: attribution is one, or several in a list or by name in a dict.

    `ValueError` for anything else.
    """
    if isinstance(attribution, str) or is_dataclass(attribution):  # settings of a method stand for it
        name = _known(attribution)
        return {name: name}
    if isinstance(attribution, Mapping) and attribution:
        return {
            name: _known(method) if isinstance(method, str) or is_dataclass(method) else method
            for name, method in attribution.items()
        }
    if isinstance(attribution, tuple | list) and len(attribution) == 2 and not any(map(_is_named, attribution)):
        return {"maps": (np.asarray(attribution[0]), np.asarray(attribution[1]))}
    if isinstance(attribution, Sequence) and attribution and all(map(_is_named, attribution)):
        return {name: method for part in attribution for name, method in methods_of(part).items()}
    if callable(attribution):
        return {getattr(attribution, "__name__", type(attribution).__name__).strip("<>"): attribution}
    raise InputError(
        f"attribution is {attribution!r}; give a name, a function of network and images, a pair of maps of training "
        "and test images, or several of these in a dict."
    )


def _is_named(method: Any) -> bool:
    return isinstance(method, str) or is_dataclass(method) or callable(method)


def _known(name: Any) -> str:
    return ATTRIBUTIONS.full_name(name)


def hash_of(*maps: np.ndarray) -> str:
    """The first 12 digits of the SHA-256 of maps (N, H, W)."""
    digest = hashlib.sha256()
    for part in maps:
        digest.update(f"{part.dtype}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:12]


def fractions_of(fractions: Sequence[float]) -> tuple[float, ...]:
    """The fractions of the pixels, rising, each once. `ValueError` if there are none."""
    if not len(fractions):
        raise InputError("there are no fractions; give at least one.")
    return tuple(sorted(set(map(float, fractions))))
