"""Networks: the study's classifiers, the VAE-GANs, what they are built of, and how they lie in files.

Modules:

    classifiers         the three classifiers and their initial weights
    identity            what a network is known by
    bounds, inputs      networks of other pixel ranges; what is checked of images, labels and networks
    cpu_forward         the same networks with gradients that cost less on CPUs
    vae_gan             the VAE-GAN: one training step, projections and samples
    vae_gan_losses      what its parts descend
    vae_gan_networks    its encoders, decoders and discriminators, and how each VAE-GAN is trained
    layers, spectral    the authors' layers: batch normalisation after the activation, spectral normalisation
    optimizers          Adam as TensorFlow 1 computes it
    files               networks as `.keras` files with their cards; what such a file may hold
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robint_tf.networks.bounds import Bounded
    from robint_tf.networks.classifiers import Network, build, fingerprint

__all__ = [
    "Bounded",
    "Network",
    "bounds",
    "build",
    "classifiers",
    "cpu_forward",
    "files",
    "fingerprint",
    "identity",
    "inputs",
    "layers",
    "optimizers",
    "spectral",
    "vae_gan",
    "vae_gan_losses",
    "vae_gan_networks",
]
_HOMES = {"Bounded": "bounds", "Network": "classifiers", "build": "classifiers", "fingerprint": "classifiers"}


def __getattr__(name: str) -> Any:
    """The names above, loaded when they are asked for: the card of a file is read without TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
