"""Training: classifiers on clean or adversarial images, VAE-GANs; interruptible and resumable.

Modules:

    loop          the one loop: interruptions, checkpoints, progress; a step compiled for many batches a call
    state         how far a training is, and all that a checkpoint must hold
    classifier    the step of classifiers: `fit_classifier`
    adversarial   `AdversarialClassifier`, the same for `Model.fit`
    trades        the loss of TRADES, and its ascent
    vae_gan       the step of VAE-GANs: `fit_vae_gan`

progress: called with a `Position` about twice a second.
"""

from robint_tf.errors import DivergedError
from robint_tf.specs import Training
from robint_tf.training.adversarial import AdversarialClassifier
from robint_tf.training.classifier import History, fit_classifier
from robint_tf.training.state import Position
from robint_tf.training.vae_gan import VAEGANHistory, fit_vae_gan

__all__ = [
    "AdversarialClassifier",
    "DivergedError",
    "History",
    "Position",
    "Training",
    "VAEGANHistory",
    "adversarial",
    "classifier",
    "fit_classifier",
    "fit_vae_gan",
    "loop",
    "state",
    "trades",
    "vae_gan",
]
