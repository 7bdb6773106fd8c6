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
    paper               the paper's claims, the authors' numbers, verdicts, figures
    runtime             device, interruptions, batches, seeds
    catalogue           everything that has a name: norms, losses, attributions, architectures, data sets
    registry            how names are added from outside the package, and what recipes hold of them
    labels              names as people read them
    intervals, checks, errors    what all of these share

Folders and modules are imported by name (`from robint_tf import attacks`); importing the package alone loads neither
TensorFlow nor Keras, so that command lines and completions answer at once.
"""

__version__ = "0.2.0"
__all__ = [
    "attacks",
    "catalogue",
    "checks",
    "data",
    "errors",
    "interpretability",
    "intervals",
    "labels",
    "manifold",
    "networks",
    "paper",
    "recipes",
    "registry",
    "runtime",
    "specs",
    "store",
    "training",
]
