"""Networks, data and attributions as people have them, made what the rest of the package takes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
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
from robint_tf.networks.files import models
from robint_tf.networks.inputs import called
from robint_tf.specs import PRECISIONS, Precision
from robint_tf.training.adversarial import AdversarialClassifier

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

    Of an `AdversarialClassifier` it is the network that this trains, with the bounds that it knows. `ValueError` for
    what is not a Keras model, and for other bounds than those.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"the network is {type(model).__name__}; give a Keras model from images to logits.")
    if isinstance(model, AdversarialClassifier):
        stated = model.bounds
        if stated is not None and bounds is not None and tuple(bounds) != tuple(stated):
            (low, high), (lowest, highest) = stated, bounds
            raise InputError(
                f"the network was made for images in [{low:g}, {high:g}], and the bounds are {lowest:g} and "
                f"{highest:g}."
            )
        return network_of(model.network, bounds or stated)
    if isinstance(model, Bounded) or bounds is None:
        return model
    return Bounded(model, checks.bounds(bounds))


def from_file(path: Path | str, dataset: Dataset, bounds: Bounds | None) -> Network:
    """The network in the `.keras` file `path`, see `models.load`, as one of images in [-1, 1] that fits a data set.

    dataset: whose images and classes it takes; bounds: of the images that it takes, None for [-1, 1]. Of an
    `AdversarialClassifier` that was saved whole it is the network that this trains. `ValueError` as there, and for
    other bounds than such a one was made for.
    """
    shape, n_classes = dataset.test.x.shape[1:], len(dataset.class_names)
    network = models.load(path, x_shape=shape, n_classes=n_classes, bounds=bounds)
    inner = network.network if isinstance(network, Bounded) else network
    if not isinstance(inner, AdversarialClassifier):
        return network
    if inner.bounds is not None and tuple(inner.bounds) != tuple(bounds or (-1, 1)):
        low, high = inner.bounds
        raise InputError(
            f"{path} says that it takes images in [{low:g}, {high:g}]; give bounds {low:g},{high:g}.", argument="bounds"
        )
    return network_of(inner, bounds)


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
    images, labels = parts[0][0], parts[1][0]  # the label of a single image may have the shape (1,), as Keras gives it
    in_batches = np.ndim(labels) > 0 and len(images) == len(labels)
    x, y = ((np.concatenate if in_batches else np.stack)(part) for part in parts)
    return x, y


def dataset_of(train: Data, test: Data, bounds: Bounds | None) -> Dataset:
    """The data train and test, whose images lie in bounds, as a data set named `OWN`."""
    return arrays.from_splits(OWN, train=split_of(train, bounds, "train"), test=split_of(test, bounds, "test"))


def fresh_copy(model: Network) -> Network:
    """A network of the same layers as `model`, whose weights are new.

    `ValueError` for a subclassed model that cannot be made again from its configuration.
    """
    if isinstance(model, Bounded):
        return Bounded(fresh_copy(model.network), model.bounds)
    try:
        if type(model).__module__.startswith("keras."):
            copy = keras.models.clone_model(model)
        else:  # a clone of a subclass would be a plain Sequential, without a call of its own
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

    Of either, what is frozen and what is learnt before training stays; of a copy it is as in the model. model: of
    images in [-1, 1]; x: at least one image (N, H, W, C), on which the copy is called, so that it has weights.
    `ValueError` if build returns the model itself, if nothing is trained, and where the copy has other layers.
    """
    if build is not None:
        made = network_of(build(), bounds)
        if made is model or (isinstance(made, Bounded) and made.network is getattr(model, "network", None)):
            raise InputError("build returns the network that is explained; have it return a new one.")
        called(made, x[:1])
        return _trainable(made)
    copy = fresh_copy(model)
    called(model, x[:1])  # either gets its weights so, if it has none
    called(copy, x[:1])
    layers = [*zip(model._flatten_layers(), copy._flatten_layers(), strict=False)]
    if any(type(theirs) is not type(ours) for theirs, ours in layers) or len(copy.weights) != len(model.weights):
        raise InputError(
            f"the network {model.name!r} has other layers when it is made again from its configuration; give build=, a "
            "function that returns an untrained one."
        )
    for theirs, ours in layers:  # outer ones come first: they set those inside, too
        ours.trainable = theirs.trainable
    copy.set_weights(model.get_weights())  # what is not trained stays so; the rest is drawn anew
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # which makes them what it computes with
    return _trainable(copy)


def _trainable(network: Network) -> Network:
    """The network. `ValueError` if training would change nothing of it."""
    if not network.trainable_variables:
        raise InputError(
            f"no layer of the network {network.name!r} is trained; set trainable = True of those that are, or give "
            "build=, a function that returns an untrained network."
        )
    return network


def precision_of(network: Network) -> Precision:
    """What recipes call the precision of a network. `ValueError` for layers that compute in anything else."""
    found = {layer.compute_dtype for layer in network._flatten_layers() if layer.variables and not layer._layers}
    if found <= {"float32"}:
        return "float32"
    if found <= {"float32", "bfloat16"}:
        return "mixed_bfloat16"
    raise InputError(
        f"layers of the network {network.name!r} compute in {', '.join(sorted(found))}; give one that is retrained in "
        f"{' or '.join(PRECISIONS)}."
    )


def check_precision(network: Network, precision: Precision) -> None:
    """`ValueError` unless the precision is that of the network's layers, which nothing else decides."""
    if precision != precision_of(network):
        raise InputError(
            f"the training's precision is {precision!r}, but the layers of the network {network.name!r} compute in "
            f"{precision_of(network)}; give precision={precision_of(network)!r}, or a network of other layers."
        )


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
        found: dict[str, Method] = {}
        for name, method in (pair for part in attribution for pair in methods_of(part).items()):
            if found.setdefault(name, method) != method:
                raise InputError(f"two attributions are called {name!r}; give them in a dict, by names of their own.")
        return found
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
