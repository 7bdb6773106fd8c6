"""Networks as `.keras` files, each with a JSON card beside it that says what it is."""

import math
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from robint_tf.errors import InputError, NetworkMissing
from robint_tf.networks import inputs
from robint_tf.networks.bounds import Bounded, Bounds
from robint_tf.networks.classifiers import Network
from robint_tf.networks.files import cards, keras_file
from robint_tf.runtime import device
from robint_tf.store.folders import atomic_path


def save(network: Network, path: Path | str, card: dict[str, Any]) -> None:
    """Write a network, whose file names the card's `spec`, and its card. `ValueError` unless `path` ends in .keras.

    Killed at any moment, this leaves the old file, with its card or with none, or the new file, with none.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"{path} does not end in .keras; Keras would not load it.")
    with atomic_path(path) as scratch:
        network.save(scratch)
        cards.name_recipe(scratch, card)
        cards.remove_card(path)
    cards.write_card(path, card)


LARGEST_ACTIVATION = 2**26
"""Numbers that a layer may give for one image: more takes gigabytes for a batch."""


def _classes(network: Network, shape: tuple[int, ...]) -> int:
    """How many logits a network gives for images of a shape. `ValueError` for a layer that gives too much."""
    for layer in network._flatten_layers():
        outputs = [tensor for node in layer._inbound_nodes for tensor in node.output_tensors]
        for tensor in outputs:
            size = math.prod(side for side in tensor.shape[1:] if side is not None)
            if size > LARGEST_ACTIVATION:
                raise InputError(f"its layer {layer.name!r} gives {size} numbers for an image.")
    return inputs.called(network, np.zeros((2, *shape), np.float32)).shape[1]


def load(
    path: Path | str,
    *,
    x_shape: tuple[int, ...] | None = None,
    n_classes: int | None = None,
    bounds: Bounds | None = None,
) -> Network:
    """The classifier in the `.keras` file `path`, checked by `keras_file` and loaded in Keras' safe mode.

    bounds: what its images lie in, where that is not [-1, 1]; it is then loaded as a `Bounded` network. No code from
    the file is run, and reading it takes no more memory than a few times its size. `ValueError` if the file is missing
    or not a Keras model, if the recipe that it names says other bounds, or if its input or output does not fit x_shape
    (without the batch axis) and n_classes.
    """
    device.begin()
    path = Path(path)
    if not path.exists():
        raise NetworkMissing(f"{path} does not exist; name a file that holds a network.", path=path)
    if path.is_dir():
        raise InputError(f"{path} is not a Keras model: it is a folder; name a .keras file.")
    if path.suffix in (".h5", ".hdf5"):
        raise InputError(
            f"{path} is in Keras' older format; load it and save it again, "
            f"keras.models.load_model({path.name!r}).save({path.stem + '.keras'!r})."
        )
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a Keras model: it is not a whole zip archive, so it was cut off or is another kind of "
            "file; copy it again, or repeat the training."
        )
    if cards.kind_of(path) == "VAEGANSpec":
        raise InputError(f"{path} holds a VAE-GAN; name the file of a classifier.")
    named = cards.bounds_of(path)
    if named is not None and named != tuple(bounds or (-1, 1)):
        low, high = named
        raise InputError(
            f"{path} says that it takes images in [{low:g}, {high:g}]; give bounds {low:g},{high:g}.", argument="bounds"
        )
    try:
        keras_file.check(path)
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its readers raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} is not a Keras model that can be loaded safely: {first}") from error
    if bounds is not None:
        network = Bounded(network, bounds)
    try:
        takes = inputs.declared_shape(network)
        if x_shape is not None and takes is not None and not inputs.fits(takes, tuple(x_shape)):
            raise InputError(f"it takes inputs of shape {takes}, the data set has {tuple(x_shape)}.")
        sides = takes if x_shape is None else tuple(x_shape)
        shape = [side for side in sides or () if side is not None]
        if sides and len(shape) == len(sides):
            gives = _classes(network, tuple(shape))
            if n_classes is not None and gives != n_classes:
                raise InputError(f"it knows {gives} classes, the data set has {n_classes}, numbered from 0.")
    except InputError as error:
        raise InputError(f"{path} does not fit: {error}") from error
    cards.warn_of_another(path)
    return network
