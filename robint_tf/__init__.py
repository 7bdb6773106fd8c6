"""Adversarial robustness and gradient interpretability: the study of Kim, Seo and Jeon (2019) in TensorFlow 2.

    specs               frozen descriptions of attacks, trainings, networks, measurements: a spec is a complete recipe
    data                the data sets, as arrays in [-1, 1]; packaged samples
    networks            the study's classifiers and VAE-GANs; networks in files
    attacks             PGD in l2 and l_inf, robust accuracy
    training            standard and adversarial training, VAE-GANs; resumable
    manifold            distance to the data manifold, gradients within it, boundaries across it
    interpretability    attributions, ROAR, KAR, ROAD, scores and their statistics
    recipes             from a spec and a store to a trained network or numbers, made only once
    store               finished work under the hash of its recipe; results files
    study               the same for one's own network and arrays: attribute, roar, road, manifold_distance
    paper               the paper's claims, the authors' numbers, verdicts, figures
    runtime             device, interruptions, batches, seeds
    catalogue           everything that has a name: norms, losses, attributions, architectures, data sets
    registry            how names are added from outside the package, and what recipes hold of them
    settings            the settings of attributions, as recipes hold them
    labels              names as people read them
    intervals, checks, errors    what all of these share

Folders and modules are loaded when they are asked for (`from robint_tf import attacks`, or `robint_tf.attacks`);
importing the package alone loads neither TensorFlow nor Keras, so that command lines and completions answer at once.
The functions of `robint_tf.study` are also at hand as `robint_tf.roar` and so on.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
__all__ = [
    "attacks",
    "attribute",
    "catalogue",
    "checks",
    "data",
    "errors",
    "gradient_measures",
    "interpretability",
    "intervals",
    "labels",
    "manifold",
    "manifold_distance",
    "networks",
    "paper",
    "recipes",
    "registry",
    "road",
    "roar",
    "runtime",
    "settings",
    "specs",
    "store",
    "study",
    "training",
]
_OF_THE_STUDY = ("attribute", "gradient_measures", "manifold_distance", "road", "roar")


def __getattr__(name: str) -> Any:
    """Folders, modules, and the functions of the study, loaded when they are asked for."""
    if name in _OF_THE_STUDY:
        return getattr(import_module(f"{__name__}.study"), name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
