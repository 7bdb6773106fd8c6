"""Frozen descriptions of everything that the study makes. A spec is a complete recipe, and its hash is its name.

Floats are held in decimal canonical form (12 significant digits), so that 0.08, 8e-2 and the 0.30000000000000004 of a
loop are one and the same recipe. A value that is not allowed is refused with a `ValueError`.

All that changes a result, and where it is held:

    in the spec               architecture, precision, variant, seeds, attack, training, how many images
    in the key beside it      MATHEMATICS, and the shapes and hashes of the images and labels (`data.Fingerprint.key`)
    in `made_with`            versions of TensorFlow and Keras, device, processor, threads, determinism, XLA

What is in the key makes another artifact. What is in `made_with` (`robint_tf.store.provenance`) changes rounding only,
which training amplifies: such parts are the same recipe, and are not mixed unless the user allows it.

Modules:

    networks        attacks, trainings, classifiers, VAE-GANs
    measurements    accuracies, distances, cells of the grid, controls, ROAD, measures of gradients
    plain           specs as JSON data, and back
"""

from robint_tf.specs.measurements import (
    FRACTIONS,
    OCCLUSIONS,
    ORDERS,
    RANDOM,
    RANK_TOLERANCE,
    AccuracySpec,
    ControlSpec,
    CurveSpec,
    DistanceSpec,
    GradientSpec,
    Occlusion,
    Order,
    OwnGradientSpec,
    RetrainSpec,
    RoadSpec,
    SavedNetwork,
)
from robint_tf.specs.networks import (
    CUSTOM,
    PGD,
    PRECISIONS,
    VARIANTS,
    ClassifierSpec,
    Precision,
    Training,
    VAEGANSpec,
    Variant,
    check_trades,
)
from robint_tf.specs.plain import KINDS, as_dict, from_dict

MATHEMATICS = 2
"""The version of what the package computes, part of every key; raise it when the numbers of any recipe move.

`tools/mathematics.py` digests what small runs compute, and a test compares: it fails when numbers move and this does
not. 1: version 0.1.0. 2: architecture and data shapes in the key; noise of projections drawn image by image; accuracy
by epoch kept with networks and cells; the loops of `robint_tf.networks.cpu_forward`, which round otherwise.
"""

__all__ = [
    "CUSTOM",
    "FRACTIONS",
    "KINDS",
    "MATHEMATICS",
    "OCCLUSIONS",
    "ORDERS",
    "PGD",
    "PRECISIONS",
    "RANDOM",
    "RANK_TOLERANCE",
    "VARIANTS",
    "AccuracySpec",
    "ClassifierSpec",
    "ControlSpec",
    "CurveSpec",
    "DistanceSpec",
    "GradientSpec",
    "Occlusion",
    "Order",
    "OwnGradientSpec",
    "Precision",
    "RetrainSpec",
    "RoadSpec",
    "SavedNetwork",
    "Training",
    "VAEGANSpec",
    "Variant",
    "as_dict",
    "check_trades",
    "from_dict",
    "measurements",
    "networks",
    "plain",
]
