"""Attacks: projected gradient ascent inside a ball, and what it does to accuracy.

Modules:

    pgd           the loop, its compiled form, and the checked door for whole data sets
    norms         threat models: steepest step, projection, random start
    losses        what an attack maximises
    evaluation    clean and robust accuracy with intervals
    named         FGSM and BIM, as recipes of PGD

network: any Keras model from images (N, ...) float32 in [-1, 1] to logits (N, classes). batch_size: images at a time,
halved where memory runs out. progress: called with the number of images that are done, and of all.
"""

from robint_tf.attacks.evaluation import Accuracy, Difference, accuracy, difference
from robint_tf.attacks.named import bim, fgsm
from robint_tf.attacks.pgd import Attacked, ascend, attack_dataset, perturb, predict
from robint_tf.specs import PGD

__all__ = [
    "PGD",
    "Accuracy",
    "Attacked",
    "Difference",
    "accuracy",
    "ascend",
    "attack_dataset",
    "bim",
    "difference",
    "evaluation",
    "fgsm",
    "losses",
    "named",
    "norms",
    "perturb",
    "pgd",
    "predict",
]
