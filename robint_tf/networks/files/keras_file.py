"""What a `.keras` file may hold, checked before Keras reads it.

A file may come from anywhere, and Keras believes whatever sizes it claims: of the members of its zip archive, of the
layers in its configuration, of the arrays in its HDF5 file of weights. Here the first must lie in the file as they are,
and the other two must not be larger than what does. Only Keras' own layers are made, and none that runs code or opens
files.
"""

import io
import json
import math
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf

from robint_tf.errors import InputError

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
LARGEST_CONFIG = 2**24
"""Bytes; those of a classifier with hundreds of layers are about 2**20."""

PACKAGES = ("keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints")
"""Modules of Keras all of whose classes a classifier may name, except `UNSAFE`."""
CLASSES = {
    *(("keras", name) for name in ("Sequential", "Functional", "Model", "DTypePolicy")),
    ("keras.src.models.functional", "Functional"),
    *((None, name) for name in ("__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__")),
}
"""What it may name besides those and the operations of `keras.ops`: a module, or None, and a name."""
UNSAFE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"} | {
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
}
"""Layers of Keras that run code, or open files that their configuration names."""


def check(path: Path) -> None:
    """`ValueError`, or the error of a reader, unless `path` is a model as Keras writes it, of Keras' own safe layers.

    Classes that this process has registered with Keras are trusted, too.
    """
    config, n_stored = contents(path)
    _check_classes(config)
    _check_size(config, n_stored)


def contents(path: Path) -> tuple[dict[str, Any], int]:
    """The configuration in a file as Keras writes it, of which nothing is made, and the bytes of its weights.

    path: of the file. `ValueError`, or the error of a reader, unless its members and its weights lie in it as they are.
    """
    if path.suffix != ".keras":
        raise InputError("its name does not end in .keras")
    with zipfile.ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.filename)
        if [member.filename for member in members] != MEMBERS:
            raise InputError(f"it does not hold just {', '.join(MEMBERS)}")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise InputError(f"its {member.filename} is compressed, as Keras writes none")
        sizes = {member.filename: member.file_size for member in members}
        if sizes[CONFIG] > LARGEST_CONFIG or sum(sizes.values()) > path.stat().st_size:
            raise InputError(f"its members claim {sum(sizes.values())} bytes")
        config = {**json.loads(archive.read(CONFIG)), "compile_config": None}  # of the training, which is not taken up
        _check_weights(archive.read(WEIGHTS))
    return config, sizes[WEIGHTS]


def _check_classes(config: Any) -> None:
    """Refuse every class and function that is neither a safe one of Keras nor registered by this process."""
    if isinstance(config, dict) and "class_name" in config:
        module, name = config.get("module"), str(config["class_name"])
        registered = keras.saving.get_registered_object(str(config.get("registered_name"))) is not None
        is_safe = module in PACKAGES or (module, name) in CLASSES or str(module).startswith("keras.src.ops.")
        if not registered and (not is_safe or name in UNSAFE):
            what = f"{module}.{name}" if module else name
            raise InputError(
                f"it names {what}, and files may hold nothing but layers of Keras' own without code; in Python, "
                "robint_tf's functions take any network"
            )
    if isinstance(config, dict | list):
        for value in config.values() if isinstance(config, dict) else config:
            _check_classes(value)


def _check_weights(content: bytes) -> None:
    """Refuse an HDF5 file whose arrays are not all in it, as they are."""
    links: dict[str, Any] = {}
    stored = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems_links(links.__setitem__)
        for name, link in links.items():
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"its weights {name!r} are a link")
            item = file[name]
            if isinstance(item, h5py.Dataset):
                if item.chunks is not None or item.is_virtual or item.external or item.dtype.hasobject:
                    raise InputError(f"its weights {name!r} are stored in a way that Keras does not use")
                stored += item.nbytes
    if stored > len(content):
        raise InputError(f"its weights claim {stored} bytes in a file of {len(content)}")


def _check_size(config: dict[str, Any], n_stored: int) -> None:
    """Refuse a configuration of more weights than are stored: they would be made before any are read.

    Keras lists weights without values, to make these later, and one that cannot be made keeps it from ever making
    another network's. The list belongs to a thread and ends with it.
    """
    with ThreadPoolExecutor(1) as thread:
        needed = thread.submit(_bytes_of_weights, config).result()
    if needed > n_stored:
        raise InputError(f"its layers need {needed} bytes of weights, of which it holds {n_stored}")


def _bytes_of_weights(config: dict[str, Any]) -> int:
    with keras.StatelessScope(initialize_variables=False):  # variables have a shape here, and no values
        network = keras.saving.deserialize_keras_object(config, safe_mode=True)
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in network.variables)
