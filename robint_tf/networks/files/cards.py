"""What a saved network is: the recipe that its file names, and the card beside the file, bound to it by a hash.

A `.keras` file is a zip archive, whose comment Keras leaves alone: it holds the recipe, so that file and recipe are
published as one. The card (model.keras has model.json) tells how the network was made and how well it does, and names
the file's SHA-256, so that it is never taken for the card of another file.

path: of the `.keras` file, in every function; card: plain JSON data.
"""

import contextlib
import json
import os
import uuid
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robint_tf.store import results
from robint_tf.store.folders import sha256_of


def card_path(path: Path) -> Path:
    """The card of a network file: model.keras has model.json."""
    return path.with_suffix(".json")


RECIPE = ("mathematics", "spec", "bounds", "train_data")
"""What of a card tells one network from another."""


def name_recipe(path: Path, card: dict[str, Any]) -> None:
    """Have a `.keras` file name the recipe on its card, so that a lost card can be written again."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = json.dumps({"robint_tf": {key: card.get(key) for key in RECIPE}}).encode()


def recipe_of(path: Path) -> Any:
    """The recipe that a `.keras` file names, RECIPE as JSON data; None if it names none, or is not a whole archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.comment)["robint_tf"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile):
        return None


def kind_of(path: Path) -> str:
    """The kind of spec that a `.keras` file names in its recipe, such as "ClassifierSpec"; "" if it names none."""
    recipe = recipe_of(path)
    spec = recipe.get("spec") if isinstance(recipe, dict) else None
    return str(spec.get("kind", "")) if isinstance(spec, dict) else ""


def bounds_of(path: Path) -> tuple[float, float] | None:
    """The range of the images that a `.keras` file says it takes; None if it says none."""
    recipe = recipe_of(path)
    try:
        low, high = recipe["bounds"]
        return float(low), float(high)
    except (KeyError, TypeError, ValueError):
        return None


def card_of(path: Path) -> dict[str, Any] | None:
    """The card of a network file; None where there is none, or one of another file."""
    try:
        card = results.read(card_path(path))
    except results.ResultsError:
        return None
    about = card.get("model")
    return card if isinstance(about, dict) and about.get("sha256") == sha256_of(path) else None


def other_recipe(path: Path, asked: dict[str, Any]) -> str:
    """In what the recipe that a `.keras` file names differs from another, in a few words; empty if in nothing.

    asked: the other one, as far as it is to be compared.
    """
    named = recipe_of(path)
    if not isinstance(named, dict):
        return "it names no recipe"
    asked = json.loads(json.dumps(asked))
    found = list(_differences({key: named.get(key) for key in asked}, asked))
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _differences(there: Any, asked: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in {**there, **asked}:
            yield from _differences(there.get(key), asked.get(key), f"{name}.{key}" if name else key)
    elif there is None and asked is not None:
        yield f"it names no {name}"
    elif there != asked:
        yield f"its {name} is {_short(there)}, not {_short(asked)}"


def _short(value: Any) -> str:
    text = "another" if isinstance(value, dict) else "none" if value is None else results.printable(str(value))
    return text if len(text) <= 20 else f"{text[:12]}..."


def remove_card(path: Path) -> None:
    """Remove the card of a network that is going to be replaced.

    A results file that is bound to no network is moved aside, with a warning; anything else is left to `results.write`.
    """
    card = card_path(path)
    with contextlib.suppress(results.ResultsError):
        if "model" in results.read(card):
            card.unlink()
            return
        aside = card.with_name(f"{card.name}.kept-{uuid.uuid4().hex[:8]}")
        os.replace(card, aside)
        warnings.warn(f"{card} is not the card of {path}; it is kept as {aside}.", stacklevel=3)


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Write the card (plain JSON data) of a network file, next to it."""
    results.write(card_path(path), {**card, "model": {"file": path.name, "sha256": sha256_of(path)}})


def warn_of_another(path: Path) -> None:
    """Warn if the card next to a file was written for another file."""
    try:
        card = results.read(card_path(path))
    except results.ResultsError:
        return
    about = card.get("model")
    if about is None and "clean_accuracy" in card:
        warnings.warn(
            f"{card_path(path)} does not say of which file it is the card, as those of release 0.1.0 did not; it may "
            f"tell of another network than {path}.",
            stacklevel=3,
        )
    if isinstance(about, dict) and about.get("sha256") != sha256_of(path):
        warnings.warn(
            f"{card_path(path)} is not the card of {path}, which has another hash; remove it, or repeat the training.",
            stacklevel=3,
        )
