"""How far images lie from the data manifold, and how gradients and boundaries lie to it (sections 2.1 and 2.2).

Modules:

    distance     projections by a VAE-GAN, distances, densities; whether a VAE-GAN can stand for the manifold
    orders       how sure the order of several groups of distances is
    tangent      bases of the manifold's tangent spaces, and their dimension
    gradients    tangent share, sensitivity on and off the manifold, share in directions of least variance
    boundary     decision boundaries in the plane: where they run, and their tilt (section 2.2)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robint_tf.manifold.distance import (
        Density,
        Health,
        Paired,
        Projection,
        Projector,
        Z,
        changed,
        density,
        distances,
        health,
        mode,
        nearer,
        projected,
        relative,
    )
    from robint_tf.manifold.orders import OrderProbability, mean_order_probability, order_probability

__all__ = [
    "Density",
    "Health",
    "OrderProbability",
    "Paired",
    "Projection",
    "Projector",
    "Z",
    "boundary",
    "changed",
    "density",
    "distance",
    "distances",
    "gradients",
    "health",
    "mean_order_probability",
    "mode",
    "nearer",
    "order_probability",
    "orders",
    "projected",
    "relative",
    "tangent",
]
_MODULES = ("boundary", "distance", "gradients", "orders", "tangent")
_ORDERS = ("OrderProbability", "mean_order_probability", "order_probability")


def __getattr__(name: str) -> Any:
    """The names of `distance` and `orders`, loaded when they are asked for: Figure 3 is drawn without TensorFlow."""
    if name not in __all__ or name in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'orders' if name in _ORDERS else 'distance'}"), name)
