"""Fingerprints of networks and names of architectures, which are equal only for what computes the same."""

import hashlib
import json
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import layers

from robint_tf.errors import InputError
from robint_tf.networks.identity.code import Reader, Undescribed
from robint_tf.networks.identity.own import is_own
from robint_tf.specs import CUSTOM

Network: TypeAlias = keras.Model


def architecture_of(network: Network, *, lasting: bool = True) -> str:
    """What a spec calls the architecture of any network: `custom-` and a hash of its `configuration`.

    lasting, `ValueError`: as of `fingerprint`.
    """
    return f"{CUSTOM}{hashlib.sha256(configuration(network, lasting=lasting).encode()).hexdigest()[:20]}"


def fingerprint(network: Network, *, lasting: bool = True) -> str:
    """SHA-256 of a network's `configuration` and weights, by which a user's network is known in the store.

    lasting: False also takes a network whose code reads what cannot be described, and names that by the place at which
    it lies in memory: such a fingerprint means nothing outside this process. `ValueError` for such a network otherwise,
    for one without weights, and for one that cannot say its configuration (a subclassed model without `get_config`).
    """
    digest = hashlib.sha256(configuration(network, lasting=lasting).encode())
    _add_weights(digest, network)
    return digest.hexdigest()


def _add_weights(digest: Any, layer: layers.Layer) -> None:
    for weight in layer.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())


def configuration(network: Network, *, lasting: bool = True) -> str:
    """What a network computes, without the names of its layers, which Keras numbers in order of their making.

    Besides Keras' configuration: shapes and types of the variables; the values of those that training does not reset;
    and, see `identity.code`, own classes and functions among its layers and their attributes, with the attributes that
    this code reads, such as a number that was set after the network was made. An attribute whose name is put together
    at run time, as by getattr(self, "scale" + str(i)), is not seen. lasting, `ValueError`: as of `fingerprint`.
    """
    if not network.built and not network.variables:
        raise InputError(f"the network {network.name!r} has no weights yet; give it an Input, or call it once.")
    return _described(network, lasting)


def _described(network: layers.Layer, lasting: bool) -> str:
    parts = parts_of(network)
    try:
        config = keras.saving.serialize_keras_object(network)
        config = {key: config[key] for key in ("class_name", "config") if key in config}
        described = json.dumps(_renamed(config, {}, {part.name for part in parts}), sort_keys=True)
    except (NotImplementedError, TypeError) as error:  # Keras' own words for a class without get_config
        raise InputError(
            f"the network {network.name!r} cannot say its configuration; give its class a get_config method."
        ) from error
    variables = [f"{v.dtype}{tuple(v.shape)}" for v in network.variables]
    return "\n".join([described, *variables, *_own_code(network, parts, lasting), *_kept(network)])


def parts_of(network: layers.Layer) -> list[Any]:
    """The network, its layers and theirs, and operations that are no layers, such as those of `keras.ops`."""
    found: dict[int, Any] = {}
    for layer in network._flatten_layers():
        operations = layer.operations if isinstance(layer, keras.Function) else ()
        found |= {id(part): part for part in (layer, *operations)}
    return list(found.values())


def _own_code(network: layers.Layer, parts: list[Any], lasting: bool) -> list[str]:
    """A line for each own class among the parts, and for each attribute that is own; nothing for Keras' own layers."""

    def of_other(layer: layers.Layer) -> str:
        digest = hashlib.sha256(_described(layer, lasting).encode())
        _add_weights(digest, layer)
        return digest.hexdigest()

    names = {id(part): f"part {i}" for i, part in enumerate(parts)}
    names |= {id(v): f"variable {i}" for i, v in enumerate(network.variables)}
    reader = Reader(names, of_other, lasting=lasting)
    try:
        code = [f"{i} {reader.special(type(part))}" for i, part in enumerate(parts) if is_own(type(part))]
        attributes = [f"{i} {text}" for i, part in enumerate(parts) for text in reader.attributes(part)]
    except Undescribed as error:
        raise InputError(
            f"the code of the network {network.name!r} reads {error}, which cannot be described, so that a store would "
            "not know the network from another; keep it in numbers, text or arrays, or give no store."
        ) from error
    return [*code, *attributes]


def _kept(network: layers.Layer) -> list[str]:
    """Hashes of the values that training does not reset."""
    ids = kept_of(network)
    kept = [v for v in network.variables if id(v) in ids]
    return [hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest() for v in kept]


def kept_of(network: layers.Layer) -> set[int]:
    """Ids of the variables of a network that stay as a training finds them.

    They are those of frozen layers, and statistics learnt before it. A layer is frozen if it, or one that it lies in,
    is not `trainable`. Generators of random numbers are not kept.
    """
    found: set[int] = set()

    def look(layer: layers.Layer, frozen: bool) -> None:
        frozen = frozen or not layer.trainable
        for part in layer._layers:
            look(part, frozen)
        kept = layer.variables if frozen else [v for v in layer._trainable_variables if not v.trainable]
        if isinstance(layer, layers.Normalization):
            kept = [*kept, *layer.non_trainable_variables]
        found.update(id(v) for v in kept if v.name != "seed_generator_state")

    look(network, False)
    return found


NAMELESS = ("registered_name", "build_config", "compile_config", "module")
"""Entries of a configuration that say nothing of what is computed."""
REFERENCES = ("keras_history", "input_layers", "output_layers")
"""Entries in which layers are named to say how they are connected."""


def _renamed(config: Any, numbers: dict[str, str], names: set[str], *, refers: bool = False) -> Any:
    """A configuration with numbers in place of the names of layers, in the order in which they appear."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":  # its name is a type of numbers
            return config
        return {
            key: _renamed(value, numbers, names, refers=refers or key == "name" or key in REFERENCES)
            for key, value in config.items()
            if key not in NAMELESS
        }
    if isinstance(config, list | tuple):
        return [_renamed(value, numbers, names, refers=refers) for value in config]
    if refers and isinstance(config, str) and config in names:
        return numbers.setdefault(config, f"#{len(numbers)}")
    return config
