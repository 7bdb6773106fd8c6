"""Networks as `.keras` files, each with a JSON card beside it that says what it is."""

from pathlib import Path
from typing import Any

import keras

from robint_tf import cards
from robint_tf.classifiers import Network
from robint_tf.folders import atomic_path


def save(network: Network, path: Path, card: dict[str, Any]) -> None:
    """Write a network, whose file names the card's `spec`, and its card. `ValueError` unless the path ends in .keras.

    Killed at any moment, this leaves the old file, with its card or with none, or the new file, with none.
    """
    if path.suffix != ".keras":
        raise ValueError(f"{path} does not end in .keras; Keras would not load it.")
    with atomic_path(path) as scratch:
        network.save(scratch)
        cards.name_recipe(scratch, card.get("spec"))
        cards.remove_card(path)
    cards.write_card(path, card)


def load(path: Path, *, x_shape: tuple[int, ...] | None = None, n_classes: int | None = None) -> Network:
    """A classifier from a `.keras` file, loaded in Keras' safe mode (no code from the file is run).

    `ValueError` if the file is missing or no Keras model, or if its input or output does not fit x_shape (without the
    batch axis) and n_classes.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; train one with `robint train --save {path}`.")
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its readers raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} is no Keras model that can be loaded safely: {first}") from error
    takes, gives = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    if not (isinstance(takes, tuple) and isinstance(gives, tuple)) or len(gives) != 2:
        raise ValueError(f"{path} is no classifier with one input and one output of logits (N, classes).")
    if x_shape is not None and takes[1:] != tuple(x_shape):
        raise ValueError(
            f"{path} takes inputs of shape {takes[1:]}, the data set has {tuple(x_shape)}; choose another."
        )
    if n_classes is not None and gives[1] != n_classes:
        raise ValueError(f"{path} knows {gives[1]} classes, the data set has {n_classes}; choose another.")
    cards.warn_of_another(path)
    return network
