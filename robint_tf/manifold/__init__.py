"""How far images lie from the data manifold, and how gradients and boundaries lie to it (sections 2.1 and 2.2).

Modules:

    distance     projections by a VAE-GAN, distances, densities, orders; whether a VAE-GAN can stand for the manifold
    gradients    tangent share, sensitivity on and off the manifold, share in directions of least variance
    boundary     decision boundaries in the plane: where they run, and their tilt (section 2.2)
"""

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
    mean_order_probability,
    mode,
    nearer,
    order_probability,
    projected,
    relative,
)

__all__ = [
    "Density",
    "Health",
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
    "projected",
    "relative",
]
