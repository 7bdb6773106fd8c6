"""The study of one's own network on one's own data, as functions of arrays; nothing is kept unless a store is given.

Modules:

    given          networks, data and attributions as people have them, made what the rest of the package takes
    attribution    `attribute`: how much each pixel matters
    retraining     `roar`: accuracy after retraining without the pixels that matter, or with these alone
    imputation     `road`: accuracy without them and without retraining
    manifold       `manifold_distance`: attacked images near the data
    gradients      `gradient_measures`: gradients near the data
    outcomes       what these return: a table, a figure, a file
    files          `load`: such a file
    packing        arrays in such files
    figures        how they are drawn

All take images in the range that the network takes: without `bounds` that is [-1, 1], for images of bytes scaled to it;
`bounds=(0, 255)` says that pixels of images and network lie there. Radii of attacks are lengths on [-1, 1] pixels in
any case, twice those on [0, 1].

What several of them take:

    model, network    images to logits (N, classes), any Keras 3 model; a network is one of images in [-1, 1]
    bounds            the pixel range of images and model
    attribution       a `given.Method`, or several in a list, or by name in a dict
    variant: "corrected", or what the paper's authors do, see `specs.Variant`
    reduction: what is made of the channels, a name in `attributions.REDUCTIONS`, by default the variant's
    batch_size: images at a time
    progress: told how much is done, and how much there is
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robint_tf.study.attribution import attribute
    from robint_tf.study.files import load
    from robint_tf.study.gradients import gradient_measures
    from robint_tf.study.imputation import road
    from robint_tf.study.manifold import manifold_distance
    from robint_tf.study.retraining import roar

__all__ = [
    "attribute",
    "attribution",
    "figures",
    "files",
    "given",
    "gradient_measures",
    "gradients",
    "imputation",
    "load",
    "manifold",
    "manifold_distance",
    "outcomes",
    "packing",
    "retraining",
    "road",
    "roar",
]
_HOMES = {
    "attribute": "attribution",
    "gradient_measures": "gradients",
    "load": "files",
    "manifold_distance": "manifold",
    "road": "imputation",
    "roar": "retraining",
}


def __getattr__(name: str) -> Any:
    """The functions above, loaded when they are asked for: figures are drawn without TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
