"""Training a network like a user's own on the user's own data: `robint train MODEL --data ...`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.specs import CUSTOM, ClassifierSpec

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset
    from robint_tf.networks.classifiers import Network

PLACEHOLDER = f"{CUSTOM}unread"
"""What a spec calls an architecture that lies in a file, until it is read."""


def refuse(own: bool, model: Path | None, epochs: int | None) -> None:
    """`UsageError` unless own data come with the file of a network and with epochs, which nobody else knows.

    own: whether they do; the other data sets have networks of their own.
    """
    if not own:
        if model is not None:
            raise click.UsageError(f"{model} is trained on your own data only; give --data, or leave it out.")
        return
    if model is None:
        raise click.UsageError("--data needs the file of a network like which one is trained: robint train MODEL.keras")
    if epochs is None:
        raise click.UsageError("nobody knows for how many epochs to train on your data; give --epochs.")


def fresh(
    model: Path, spec: ClassifierSpec, dataset: "Dataset", bounds: tuple[float, float] | None
) -> "tuple[Network, ClassifierSpec]":
    """An untrained network like that in a file, of images in [-1, 1], and the spec with its architecture.

    `ValueError` if the spec's precision is not that of the network's layers.
    """
    from robint_tf.networks import classifiers
    from robint_tf.study.given import check_precision, from_file, untrained

    network = untrained(from_file(model, dataset, bounds), None, None, dataset.train.x)
    check_precision(network, spec.training.precision)
    return network, replace(spec, architecture=classifiers.architecture_of(network))


def in_bounds(network: "Network", bounds: tuple[float, float] | None) -> "Network":
    """A trained network as one of images in bounds, of Keras' own layers: the user's own as it was in its file."""
    from robint_tf.networks.bounds import Bounded, taking

    if isinstance(network, Bounded):
        return network.network
    return network if bounds is None else taking(network, bounds)


def refuse_to_replace(path: Path, asked: dict[str, Any], *, overwrite: bool) -> None:
    """`UsageError` if the file holds anything but a training by the recipe that is asked for; overwrite: let it go."""
    from robint_tf.networks.files.cards import other_recipe

    if path.exists() and not overwrite and (other := other_recipe(path, asked)):
        raise click.UsageError(f"{path} holds another network: {other}; give --save another name, or --overwrite.")
