"""How far images lie from the data manifold, as a VAE-GAN approximates it (section 2.1, notebooks 1.3, 2.3 and 3.3).

The projection of an image is its reconstruction: decoded from a random latent point in the authors' code, from the mean
in the `corrected` variant. The distance d_pi is the l2 distance between image and projection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf
from scipy.stats import gaussian_kde

from robint_tf.intervals import Interval, wilson
from robint_tf.runtime import xla
from robint_tf.runtime.batching import in_batches, per_network

if TYPE_CHECKING:
    from robint_tf.networks.vae_gan import VAEGAN

KDE_FACTOR = 0.25  # bandwidth in sample standard deviations (authors' `utils.py`)
KDE_POINTS = 500

Projection = Callable[[np.ndarray], np.ndarray]
"""Batches of images (N, H, W, C) to their projections, alike; any such function will do."""

Z = Literal["sample", "mean"]


class Projector:
    """The projection of batches of images by a VAE-GAN, a `Projection`.

    With z "sample", as in the authors' code, the latent point of image i of a data set is drawn from (seed, i), so that
    results do not depend on how images are put into batches.
    """

    def __init__(self, vae_gan: "VAEGAN", *, z: Z = "sample", seed: int = 0) -> None:
        """vae_gan: trained; z: decode a random latent point of each image, or the mean; seed: of the random ones."""
        self.vae_gan, self.z, self.seed = vae_gan, z, seed
        images = tf.TensorSpec([None, *vae_gan.encoder.example_shape], tf.float32)
        draws = tf.TensorSpec([None, vae_gan.latent_dim], tf.float32)

        def make(model: "VAEGAN") -> Callable:
            @xla.compiled(input_signature=[images, draws])
            def reconstruct(x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
                return model.decode_noisy(x, noise)

            return reconstruct

        self._reconstruct = per_network(vae_gan, "projection", make)

    def __call__(self, x: np.ndarray, first: int = 0) -> np.ndarray:
        """Projections of images x, like x; first: the number of the first of them in its data set."""
        noise = np.zeros((len(x), self.vae_gan.latent_dim), np.float32)
        if self.z == "sample":
            for i in range(len(x)):
                noise[i] = np.random.default_rng([self.seed, first + i]).standard_normal(self.vae_gan.latent_dim)
        return self._reconstruct(tf.constant(x), tf.constant(noise)).numpy()


def projected(project: Projection, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """The projections of images x (N, H, W, C) float32 in [-1, 1], an array like x.

    project: the projection of a batch; batch_size: images at a time, halved where memory runs out.
    """
    found = np.empty_like(x)

    def fill(lo: int, hi: int) -> None:
        found[lo:hi] = project(x[lo:hi], lo) if isinstance(project, Projector) else project(x[lo:hi])

    in_batches(len(x), batch_size, fill)
    return found


def distances(project: Projection, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """d_pi of each image, (N,) float64: its Euclidean distance from its projection, over [-1, 1] pixels.

    project, x, batch_size: as of `projected`.

    >>> distances(lambda x: np.zeros_like(x), np.full((2, 2, 2, 1), 0.5, "float32")).tolist()
    [1.0, 1.0]
    """
    delta = x - projected(project, x, batch_size=batch_size)
    return np.sqrt(np.sum(np.square(delta.reshape(len(x), -1), dtype=np.float64), axis=1))


def changed(clean_logits: np.ndarray, adversarial_logits: np.ndarray) -> np.ndarray:
    """Which attacks changed the prediction of a network, (N,) bool.

    clean_logits, adversarial_logits: its logits (N, classes). The authors ask the *standard* network about the attacks
    on every network; the `corrected` variant asks the network that was attacked.
    """
    return clean_logits.argmax(axis=-1) != adversarial_logits.argmax(axis=-1)


def relative(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Distances on the axis of the authors' Figure 1: the nearest reference (test) image at 0, the farthest at 1.

    values, reference: distances (N,) and (M,). Returns an array like values, below 0 for what is nearer than every
    reference image.

    >>> relative(np.array([2.0, 5.0]), np.array([1.0, 3.0, 5.0])).tolist()
    [0.25, 1.0]
    """
    low, high = float(reference.min()), float(reference.max())
    return (values - low) / (high - low)


@dataclass(frozen=True, eq=False)
class Density:
    """A kernel density estimate, y (500,) at the points x (500,) of a lattice; mode: where it peaks."""

    x: np.ndarray
    y: np.ndarray
    mode: float


def density(values: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)) -> Density | None:
    """Gaussian kernel density of `values` (N,) over `limits`, bandwidth a quarter of the sample standard deviation.

    None where a density cannot be estimated: fewer than two values, or all equal.
    """
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    x = np.linspace(*limits, KDE_POINTS)
    y = gaussian_kde(values, bw_method=KDE_FACTOR)(x)
    return Density(x, y, float(x[np.argmax(y)]))


def mode(values: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)) -> float:
    """Where the `density` of values (N,) peaks over `limits`; NaN where it cannot be estimated."""
    found = density(values, limits)
    return np.nan if found is None else found.mode


@dataclass(frozen=True)
class Paired:
    """How often one network's adversarial image lies nearer the manifold than another's on the same test image.

    share: in [0, 1], of n images; interval: Wilson's.
    """

    share: float
    n: int
    interval: Interval


def nearer(ours: np.ndarray, theirs: np.ndarray, valid: np.ndarray) -> Paired | None:
    """Share of `valid` images whose distance in `ours` is below that in `theirs`; None if none is valid.

    ours, theirs: distances (N,) of the same images on two networks; valid: (N,) bool.

    >>> nearer(np.array([1.0, 2.0, 9.0]), np.array([3.0, 1.0, 9.5]), np.array([True, True, False])).share
    0.5
    """
    n = int(valid.sum())
    if n == 0:
        return None
    hits = int(np.sum(ours[valid] < theirs[valid]))
    return Paired(hits / n, n, wilson(hits, n))


@dataclass(frozen=True)
class Health:
    """Whether a VAE-GAN can stand for the manifold of its data.

    spread: how far its reconstructions differ from image to image, as a share of how far the images do (standard
    deviations over the images). error: mean d_pi of the images; constant_error: what their mean image would reach.
    discriminator_loss: of the last epoch; None for a projection without a discriminator.
    """

    spread: float
    error: float
    constant_error: float
    discriminator_loss: float | None = None

    @property
    def gain(self) -> float:
        """How much nearer to the images than their mean image the reconstructions are, as a share; 1 for perfect ones.

        Not above 0 for a VAE-GAN that is not better than a constant image.
        """
        return 1 - self.error / self.constant_error if self.constant_error else 0.0

    @property
    def nearness(self) -> str:
        """The gain in words: "12.0% nearer" than the mean image, or "25.7% farther"."""
        return f"{-self.gain:.1%} farther" if self.gain < 0 else f"{self.gain:.1%} nearer"

    @property
    def problems(self) -> list[str]:
        """Why distances to this manifold mean nothing; empty if there is no reason."""
        found = []
        if not self.spread >= LEAST_SPREAD:  # written so that NaN is a problem, too
            found.append(f"its reconstructions are nearly constant (spread {self.spread:.3f} of the images')")
        if not self.gain >= LEAST_GAIN:
            found.append(
                f"it is hardly better than a constant image (mean distance {self.error:.2f}, to the mean image "
                f"{self.constant_error:.2f}: {self.nearness}, {LEAST_GAIN:.0%} nearer is needed)"
            )
        loss = self.discriminator_loss
        if loss is not None and not LEAST_DISCRIMINATOR_LOSS < loss < LOG_CAP:
            found.append(f"its discriminator has collapsed (loss {loss:.3g})")
        return found


LEAST_SPREAD = 0.05
LEAST_GAIN = 0.1
"""Of the distance to the mean image. The differences in question are of this size: on MNIST, attacks on the most robust
network end a tenth nearer than those on the standard one (preset quick). Where the VAE-GAN fits the images better than
one fixed image by less than that, distances to that image could tell as much."""
LEAST_DISCRIMINATOR_LOSS = 1e-3
LOG_CAP = 18.0  # each of the three logarithms in the discriminator's loss ends at -log(1e-8) = 18.4


def health(
    x: np.ndarray, project: Projection, discriminator_loss: float | None = None, *, batch_size: int = 500
) -> Health:
    """The health of the VAE-GAN behind a projection, from at least two images x (N, H, W, C) float32 in [-1, 1].

    project, batch_size: as of `projected`; discriminator_loss: mean of the last epoch; None for other projections.
    """
    projections = projected(project, x, batch_size=batch_size)
    between = np.square(x - projections).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    around = np.square(x - x.mean(axis=0)).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    projected_spread = np.sqrt(projections.var(axis=0, dtype=np.float64).sum())
    return Health(
        spread=float(projected_spread / np.sqrt(x.var(axis=0, dtype=np.float64).sum())),
        error=float(np.sqrt(between).mean()),
        constant_error=float(np.sqrt(around).mean()),
        discriminator_loss=None if discriminator_loss is None else float(discriminator_loss),
    )
