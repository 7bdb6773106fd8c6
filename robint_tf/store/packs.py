"""Packs: the small results of a store in one file, so that they travel without the networks they were measured on.

A pack is a results file (`results`): JSON that ends in a hash of the rest. An entry holds a recipe, the names of its
data, what it was made with, and its arrays, each with its type and shape: as numbers where they are few, which people
can read, else as base64 of compressed bytes. Reading gives back the same bits.
"""

import base64
import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robint_tf import specs
from robint_tf.errors import InputError
from robint_tf.specs import MATHEMATICS
from robint_tf.store import artifacts, folders, results
from robint_tf.store.artifacts import Store
from robint_tf.store.folders import Arrays

KINDS = (
    *("AccuracySpec", "CurveSpec", "RetrainSpec", "DistanceSpec", "ControlSpec", "RoadSpec"),
    *("GradientSpec", "OwnGradientSpec"),
)
"""What is packed: measurements. Networks and VAE-GANs are not; whoever continues a grid trains those that it needs."""

READABLE = 40
"""Arrays of at most this many numbers are written as numbers."""
LARGEST = 2**26
"""Bytes of all arrays of a pack together; one that says more is refused before it is unpacked."""
TYPES = ("float64", "float32", "int64", "int32", "bool")


class PackError(results.ResultsError):
    """A pack that cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class Moved:
    """How many entries of a pack were new to a store, known to it, and passed over as their spec had an older form."""

    new: int
    known: int
    older: int = 0


def write(path: Path, store: Store, kinds: Collection[str] = KINDS) -> int:
    """Write the finished measurements of a store to the file `path`, in order of their keys. Returns how many.

    kinds: of specs, by name. Entries of another version of the mathematics, or of an older form of their spec, stay
    behind. `ValueError` for unknown kinds, or if there are none.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise InputError(f"kinds are {', '.join(sorted(unknown))}; choose among {', '.join(KINDS)}.")
    entries = [_packed(*found) for kind in KINDS if kind in kinds for found in _finished(store, kind)]
    if not entries:
        some = "" if set(kinds) == set(KINDS) else " of the kinds asked for"
        raise InputError(f"{store.root} holds no finished measurements{some}; there is nothing to pack.")
    results.write(path, {"figure": None, "mathematics": MATHEMATICS, "entries": entries})
    return len(entries)


def unpack(path: Path, store: Store) -> Moved:
    """Put the entries of the pack `path` into a store, where it lacks them. Returns how many it lacked and had, and how
    many are of an older form of their spec, which are passed over.

    `ResultsError` for a file that was edited, or is not a pack; `PackError` for one of another version of the
    mathematics, an entry whose recipe does not give its key, or one that contradicts what the store has. Nothing is
    written unless the whole file is sound. What is damaged in the store is moved aside and counts as new.
    """
    content = results.read(path)
    entries = content.get("entries")
    if not isinstance(entries, list):
        raise PackError(f"{path} is a results file, not a pack of measurements; name one that was packed.")
    if content.get("mathematics") != MATHEMATICS:
        raise PackError(
            f"{path} was made by version {content.get('mathematics')!r} of the mathematics, this is {MATHEMATICS}: its "
            "numbers are not used. Make them with this version, or install the version of robint_tf that made them."
        )
    if (size := sum(map(_stated_size, entries))) > LARGEST:
        raise PackError(f"{path} says that it holds {size} bytes, more than the {LARGEST} of a pack; split it.")
    sound = [found for i, entry in enumerate(entries) if (found := _unpacked(path, i, entry)) is not None]
    missing = [entry for entry in sound if not _there(path, store, entry)]
    unmixed = Store(store.root, allow_mixed=True)  # nothing is computed of what is put side by side here
    for e in missing:
        unmixed.publish(e.spec, e.arrays, e.notes, *e.inputs, made_with=e.made_with)
    return Moved(len(missing), len(sound) - len(missing), len(entries) - len(sound))


@dataclass(frozen=True)
class _Entry:
    """One measurement of a pack."""

    spec: Any
    inputs: tuple[str, ...]
    arrays: Arrays
    notes: dict[str, Any]
    made_with: dict[str, Any]


def _finished(store: Store, kind: str) -> Iterator[tuple[str, dict[str, Any], Arrays]]:
    """Key, manifest and arrays of the entries of a kind that today's specs describe."""
    for manifest_path in sorted((store.root / kind).glob(f"*/{folders.MANIFEST}")):
        folder = manifest_path.parent
        if not _is_key(folder.name):
            continue
        try:
            arrays, manifest = folders.read_folder(folder)
        except folders.DamagedError:
            continue
        if manifest.get("mathematics") == MATHEMATICS and not _is_older(folder.name, manifest):
            yield folder.name, manifest, arrays


def _is_older(key: str, manifest: dict[str, Any]) -> bool:
    """Whether the spec has got a field since, so that its recipe of today has another key."""
    try:
        spec = specs.from_dict(manifest["spec"])
    except InputError:  # of an attribution, say, that has no name in this process
        return False
    return artifacts.spec_key(spec, *manifest["inputs"]) != key


def _is_key(name: str) -> bool:
    return len(name) == 20 and set(name) <= set("0123456789abcdef")


def _packed(key: str, manifest: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    return {
        "key": key,
        "spec": manifest["spec"],
        "inputs": list(manifest["inputs"]),
        "made_with": manifest.get("made_with", {}),
        "notes": manifest.get("notes", {}),
        "arrays": {name: _written(array) for name, array in arrays.items()},
    }


def _written(array: np.ndarray) -> dict[str, Any]:
    about = {"type": str(array.dtype), "shape": list(array.shape)}
    if array.dtype.name not in TYPES:
        raise InputError(f"an array of {array.dtype} cannot be packed; there are {', '.join(TYPES)}.")
    if array.size <= READABLE and np.isfinite(array).all():
        return {**about, "values": array.ravel().tolist()}
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {**about, "zlib": base64.b64encode(zlib.compress(little.tobytes(), 9)).decode()}


def _stated_size(entry: Any) -> int:
    """Bytes of the arrays of an entry, as it says; 0 for one of another form, which `_unpacked` refuses."""
    try:
        arrays = entry["arrays"].values()
        return sum(math.prod(map(int, a["shape"])) * np.dtype(a["type"]).itemsize for a in arrays if a["type"] in TYPES)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return 0


def _unpacked(path: Path, i: int, entry: Any) -> _Entry | None:
    """An entry, checked; None for one whose kind of spec has got a field since it was written."""
    try:
        spec, inputs = specs.from_dict(entry["spec"]), tuple(map(str, entry["inputs"]))
        if type(spec).__name__ in KINDS and entry["key"] == artifacts.key_of(entry["spec"], inputs) != (
            artifacts.spec_key(spec, *inputs)
        ):
            return None
        if type(spec).__name__ not in KINDS or entry["key"] != artifacts.spec_key(spec, *inputs):
            raise InputError(f"its recipe does not give the key {entry['key']!r}")
        notes, made_with = entry.get("notes", {}), entry.get("made_with", {})
        if not isinstance(notes, dict) or not isinstance(made_with, dict):
            raise InputError("its notes, or what it was made with, are of another form")
        arrays = {str(name): read_array(array) for name, array in entry["arrays"].items()}
    except (KeyError, TypeError, AttributeError, ValueError, zlib.error) as error:
        raise PackError(f"{path}: entry {i + 1} cannot be used ({error}); nothing was unpacked.") from error
    return _Entry(spec, inputs, arrays, notes, made_with)


def read_array(written: dict[str, Any]) -> np.ndarray:
    """An array of an entry, in the shape that `written`, its JSON, says; `ValueError` for what no pack may hold."""
    if written["type"] not in TYPES:
        raise InputError(f"an array is of type {written['type']!r}")
    dtype, shape = np.dtype(written["type"]), tuple(int(n) for n in written["shape"])
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or size > LARGEST:
        raise InputError(f"an array of shape {shape} is out of bounds")
    if "values" in written:
        return np.array(written["values"], dtype).reshape(shape)
    inflate = zlib.decompressobj()
    content = inflate.decompress(base64.b64decode(written["zlib"], validate=True), size + 1)
    if len(content) != size:
        raise InputError(f"an array of shape {shape} does not hold {size} bytes")
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _there(path: Path, store: Store, entry: _Entry) -> bool:
    """Whether a store has an entry already, and whole. `PackError` if it has another result of the same recipe."""
    folder = store.folder(entry.spec, *entry.inputs)
    if not folders.is_there(folder):
        return False
    try:
        known, _ = folders.read_folder(folder)
    except folders.DamagedError:
        return False
    if not folders.same(known, entry.arrays):
        raise PackError(
            f"{path} and {folder} hold different results of one recipe, as another device or number of threads gives; "
            "unpack into a store of its own."
        )
    return True
