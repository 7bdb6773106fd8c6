"""Attacks: projected gradient ascent inside a ball, and what it does to accuracy.

Modules:

    pgd           the loop, its compiled form, and the checked door for whole data sets
    norms         threat models: steepest step, projection, random start
    losses        what an attack maximises
    evaluation    clean and robust accuracy with intervals
"""

from robint_tf.attacks.evaluation import Accuracy, accuracy
from robint_tf.attacks.pgd import Attacked, ascend, attack_dataset, perturb, predict
from robint_tf.specs import PGD, bim, fgsm

__all__ = [
    "PGD",
    "Accuracy",
    "Attacked",
    "accuracy",
    "ascend",
    "attack_dataset",
    "bim",
    "evaluation",
    "fgsm",
    "losses",
    "norms",
    "perturb",
    "pgd",
    "predict",
]
