"""How far images lie from the data manifold, as a VAE-GAN approximates it (section 2.1, notebooks 1.3, 2.3 and 3.3).

The projection of an image is its reconstruction: decoded from a random latent point in the authors' code, from the mean
in the `corrected` variant. The distance d_pi is the l2 distance between image and projection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf
from scipy.stats import binomtest, gaussian_kde

from robint_tf import device
from robint_tf.attacks import per_network

if TYPE_CHECKING:
    from robint_tf.vae_gan import VAEGAN

KDE_FACTOR = 0.25  # bandwidth in sample standard deviations (authors' `utils.py`)
KDE_POINTS = 500

Projection = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, C) -> their projections, alike


def projector(vae_gan: "VAEGAN", *, z: Literal["sample", "mean"] = "sample", seed: int = 0) -> Projection:
    """The projection of batches of images by a VAE-GAN; with z "sample" every call draws anew, as the authors do."""
    calls = iter(range(2**31))

    def make(model: "VAEGAN") -> Callable:
        images = tf.TensorSpec([None, *vae_gan.encoder.example_shape], tf.float32)

        @tf.function(input_signature=[images, tf.TensorSpec([], tf.int64)], jit_compile=device.jit_compile())
        def reconstruct(x: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
            return model.reconstruct(x, z=z, seed=draw)

        return reconstruct

    reconstruct = per_network(vae_gan, ("projection", z), make)
    return lambda x: reconstruct(tf.constant(x), tf.constant(seed * 2**31 + next(calls), tf.int64)).numpy()


def distances(project: Projection, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """d_pi of each image, (N,) float64; x: (N, H, W, C) float32 in [-1, 1]. Memory is bounded by the batch."""
    parts = []
    for lo in range(0, len(x), batch_size):
        batch = x[lo : lo + batch_size]
        delta = (batch - project(batch)).reshape(len(batch), -1).astype(np.float64)
        parts.append(np.sqrt(np.sum(np.square(delta), axis=1)))
    return np.concatenate(parts)


def changed(clean_logits: np.ndarray, adversarial_logits: np.ndarray) -> np.ndarray:
    """Which attacks changed the prediction, (N,) bool; both arguments are logits (N, classes) of one network.

    The authors judge the attacks on every network by the *standard* network; the `corrected` variant asks the network
    that was attacked.
    """
    return clean_logits.argmax(axis=-1) != adversarial_logits.argmax(axis=-1)


def relative(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Distances on the axis of the authors' Figure 1: the nearest reference (test) image at 0, the farthest at 1."""
    low, high = float(reference.min()), float(reference.max())
    return (values - low) / (high - low)


@dataclass(frozen=True, eq=False)
class Density:
    """A kernel density estimate on a lattice, (500,) each, and where it peaks."""

    x: np.ndarray
    y: np.ndarray
    mode: float


def density(values: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)) -> Density | None:
    """Gaussian kernel density of `values` (N,) over `limits`, bandwidth a quarter of the sample standard deviation.

    None where there is no density to estimate: fewer than two values, or all equal.
    """
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    x = np.linspace(*limits, KDE_POINTS)
    y = gaussian_kde(values, bw_method=KDE_FACTOR)(x)
    return Density(x, y, float(x[np.argmax(y)]))


def mode(values: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)) -> float:
    """Where the density of `values` peaks; NaN where there is none."""
    found = density(values, limits)
    return np.nan if found is None else found.mode


def order_probability(groups: list[np.ndarray], *, n_resamples: int = 1000, seed: int = 0) -> float | None:
    """Bootstrap share of resamples in which the modes of the groups rise in the order given.

    None if a group has no density. Each group is resampled by itself, with replacement. Modes are found on a lattice of
    BINS points over the range of all groups, with counts in place of values.
    """
    limits = (min(float(g.min()) for g in groups if len(g)), max(float(g.max()) for g in groups if len(g)))
    if any(density(g, limits) is None for g in groups):
        return None
    rng = np.random.default_rng(seed)
    modes = np.stack([_resampled_modes(g, limits, n_resamples, rng) for g in groups])
    return float(np.mean(np.all(np.diff(modes, axis=0) > 0, axis=0)))


def mean_order_probability(groups: list[np.ndarray], *, n_resamples: int = 1000, seed: int = 0) -> float | None:
    """Bootstrap share of resamples in which the means of the groups rise in the order given; None for an empty group.

    Means are far less noisy than modes: with 500 images they order what the modes leave open.
    """
    if not all(len(group) for group in groups):
        return None
    rng = np.random.default_rng(seed)
    means = np.stack(
        [[rng.choice(group, len(group)).mean() for _ in range(n_resamples)] for group in groups]  # bounded memory
    )
    return float(np.mean(np.all(np.diff(means, axis=0) > 0, axis=0)))


BINS = 2000


def _resampled_modes(values: np.ndarray, limits: tuple[float, float], n: int, rng: np.random.Generator) -> np.ndarray:
    """Where the densities of n resamples of `values` peak, (n,), in bins of the range `limits`."""
    edges = np.linspace(*limits, BINS + 1)
    occupied, weights = np.unique(np.clip(np.digitize(values, edges) - 1, 0, BINS - 1), return_counts=True)
    draws = rng.multinomial(len(values), weights / len(values), size=n)
    centre = draws @ occupied / len(values)
    spread = np.sqrt(draws @ np.square(occupied) / len(values) - np.square(centre))
    counts = np.zeros((n, 2 * BINS))  # the other half keeps the ends from meeting
    counts[:, occupied] = draws
    frequencies = np.fft.rfftfreq(2 * BINS)
    kernels = np.exp(-2 * np.square(np.pi * np.outer(KDE_FACTOR * spread, frequencies)))
    return np.fft.irfft(np.fft.rfft(counts) * kernels)[:, :BINS].argmax(axis=1)


@dataclass(frozen=True)
class Paired:
    """How often one network's adversarial image lies nearer the manifold than another's on the same test image."""

    share: float
    n: int
    interval: tuple[float, float]  # Wilson's, 95%


def nearer(ours: np.ndarray, theirs: np.ndarray, valid: np.ndarray) -> Paired | None:
    """Share of `valid` images whose distance in `ours` is below that in `theirs`, (N,) each; None if none is valid."""
    n = int(valid.sum())
    if n == 0:
        return None
    hits = int(np.sum(ours[valid] < theirs[valid]))
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return Paired(hits / n, n, (float(interval.low), float(interval.high)))


@dataclass(frozen=True)
class Health:
    """Whether a VAE-GAN can stand for the manifold of its data.

    spread: how far its reconstructions differ from image to image, as a share of how far the images do (standard
    deviations over the images). error: mean d_pi of the images; constant_error: what their mean image would reach.
    discriminator_loss: of the last epoch.
    """

    spread: float
    error: float
    constant_error: float
    discriminator_loss: float

    @property
    def gain(self) -> float:
        """How much nearer to the images than their mean image the reconstructions are, as a share; 1 for perfect ones.

        Not above 0 for a VAE-GAN that is no better than a constant image.
        """
        return 1 - self.error / self.constant_error if self.constant_error else 0.0

    @property
    def problems(self) -> list[str]:
        """Why distances to this manifold mean nothing; empty if there is no reason."""
        found = []
        if self.spread < LEAST_SPREAD:
            found.append(f"its reconstructions are nearly constant (spread {self.spread:.3f} of the images')")
        if self.gain < LEAST_GAIN:
            found.append(
                f"it is hardly better than a constant image (mean distance {self.error:.2f}, to the mean image "
                f"{self.constant_error:.2f}: {self.gain:.1%} nearer, {LEAST_GAIN:.0%} are needed)"
            )
        if not LEAST_DISCRIMINATOR_LOSS < self.discriminator_loss < LOG_CAP:
            found.append(f"its discriminator has collapsed (loss {self.discriminator_loss:.3g})")
        return found


LEAST_SPREAD = 0.05
LEAST_GAIN = 0.1
"""Of the distance to the mean image. What is to be told apart is of this size: on MNIST, attacks on the most robust
network end a tenth nearer than those on the standard one (preset quick). Where the VAE-GAN fits the images better than
one fixed image by less than that, distances to that image could tell as much."""
LEAST_DISCRIMINATOR_LOSS = 1e-3
LOG_CAP = 18.0  # each of the three logarithms in the discriminator's loss ends at -log(1e-8) = 18.4


def health(x: np.ndarray, project: Projection, discriminator_loss: float, *, batch_size: int = 500) -> Health:
    """Examine the projection of at least two images x (N, H, W, C); discriminator_loss: mean of the last epoch."""
    projected = np.concatenate([project(x[lo : lo + batch_size]) for lo in range(0, len(x), batch_size)])
    between = np.square(x - projected).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    around = np.square(x - x.mean(axis=0)).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    projected_spread = np.sqrt(projected.var(axis=0, dtype=np.float64).sum())
    return Health(
        spread=float(projected_spread / np.sqrt(x.var(axis=0, dtype=np.float64).sum())),
        error=float(np.sqrt(between).mean()),
        constant_error=float(np.sqrt(around).mean()),
        discriminator_loss=float(discriminator_loss),
    )
