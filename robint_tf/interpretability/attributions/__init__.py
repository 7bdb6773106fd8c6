"""How much each pixel matters to a network's loss (sections 3.1 and 3.2), one module a method.

Modules:

    protocol                what a method is, and the objective that is explained
    gradient                the gradient
    gradient_x_input        gradient * input
    integrated_gradients    gradients on the way from a baseline
    smoothgrad              means, squares and variances of gradients at noisy images
    by_layer                methods with rules for layers: guided backpropagation, DeepLIFT, LRP
    maps                    maps of whole data sets by any method, what is made of channels, heat maps (Figure 6)
    completeness            whether attributions add up to what they explain

The methods are listed in `robint_tf.catalogue`, their settings in `robint_tf.settings`. The random baseline g_Rand
needs no network: it is `occlusion.random_mask`.

Of every method: network: from images to logits. x: images (N, H, W, C) float32 in [-1, 1]. variant: of the
objective, see `maps`; settings: of the method, see `robint_tf.settings`; baseline: the image (H, W, C) to compare with.
"""

from robint_tf.attacks.losses import xent
from robint_tf.catalogue import ATTRIBUTIONS
from robint_tf.interpretability.attributions.completeness import Completeness, compares, completeness
from robint_tf.interpretability.attributions.gradient import gradient
from robint_tf.interpretability.attributions.gradient_x_input import gradient_x_input
from robint_tf.interpretability.attributions.maps import (
    RANKING,
    REDUCTIONS,
    attribute,
    heat_map,
    magnitude,
    signed,
)
from robint_tf.interpretability.attributions.protocol import OBJECTIVES, Method, precise_xent

__all__ = [
    "ATTRIBUTIONS",
    "OBJECTIVES",
    "RANKING",
    "REDUCTIONS",
    "Completeness",
    "Method",
    "attribute",
    "by_layer",
    "compares",
    "completeness",
    "gradient",
    "gradient_x_input",
    "heat_map",
    "integrated_gradients",
    "magnitude",
    "maps",
    "precise_xent",
    "protocol",
    "signed",
    "smoothgrad",
    "xent",
]
