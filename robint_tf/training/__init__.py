"""Training: classifiers on clean or adversarial images, VAE-GANs; interruptible and resumable.

Modules:

    classifier    `fit_classifier`, many batches in one compiled loop; `AdversarialClassifier`, the same for `Model.fit`
    state         how far a training is, and all that a checkpoint must hold
    vae_gan       the same for VAE-GANs
"""

from robint_tf.specs import Training
from robint_tf.training.classifier import AdversarialClassifier, DivergedError, History, fit_classifier
from robint_tf.training.state import Position
from robint_tf.training.vae_gan import VAEGANHistory, VAEGANPosition, fit_vae_gan

__all__ = [
    "AdversarialClassifier",
    "DivergedError",
    "History",
    "Position",
    "Training",
    "VAEGANHistory",
    "VAEGANPosition",
    "classifier",
    "fit_classifier",
    "fit_vae_gan",
    "state",
    "vae_gan",
]
