"""What the paper's hypothesis says of gradients, measured without retraining.

The hypothesis: adversarial training confines the gradient of the loss to the data manifold. Where a VAE-GAN stands for
the manifold, its tangent space at an image is the range of the decoder's Jacobian (`robint_tf.manifold.tangent`).

    tangent share    |QQ'g| / |g| for the loss gradient g, Q an orthonormal basis of the tangent space; by chance
                     sqrt(k / d), k the rank of the Jacobian (Bordt et al., 2022: 0.31 standard, 0.68 robust, on a
                     manifold that they know)
    sensitivity      mean change of the softmax along random tangent directions and along directions normal to them
                     (Srinivas et al., 2023); the ratio off / on falls if robust gradients stay on the manifold
    rare share       share of |g|² in the directions that hold the last 1% of the images' variance, section 2.2's tilt
                     on real data; by chance the number of these directions over d
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from robint_tf.attacks.pgd import predict
from robint_tf.intervals import LEVEL, Interval
from robint_tf.manifold.tangent import project, ranks_of, tangent_bases
from robint_tf.networks.classifiers import Network
from robint_tf.networks.vae_gan import VAEGAN

SENSITIVITY_EPS = tuple((2 * np.logspace(-3, 2, 20)[12:16]).tolist())
"""Lengths of the steps, on [-1, 1] pixels: those of Srinivas et al. on [0, 1], doubled."""
RARE = 0.01


@dataclass(frozen=True, eq=False)
class Measure:
    """A measure of every image, values (N,), and its value by chance, None where chance has no fixed value."""

    values: np.ndarray
    chance: float | None = None

    @property
    def mean(self) -> float:
        """The mean over the images for which the measure is defined."""
        return float(np.nanmean(self.values))

    def interval(self, *, n_resamples: int = 2000, seed: int = 0) -> Interval:
        """The 95% interval of the mean, by percentile bootstrap over images; n_resamples, seed: of it.

        Of fewer than LEAST_RESAMPLED images Student's t interval; a point for one.
        """
        values = self.values[np.isfinite(self.values)]
        if len(values) < LEAST_RESAMPLED:
            return _t_interval(float(values.mean()), values)
        rng = np.random.default_rng(seed)
        means = [rng.choice(values, len(values)).mean() for _ in range(n_resamples)]
        low, high = np.quantile(means, [0.025, 0.975])
        return Interval(float(low), float(high))


LEAST_RESAMPLED = 20
"""Images from which on intervals come from resampling them. Those of 3 covered 70% of the time instead of 95%."""


def _t_interval(estimate: float, values: np.ndarray) -> Interval:
    """Student's t interval of an estimate that varies as the mean of values (n,) does; a point for one."""
    if len(values) < 2:
        return Interval(estimate, estimate)
    half = float(stats.sem(values) * stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return Interval(estimate - half, estimate + half)


def tangent_shares(vae_gan: VAEGAN, x: np.ndarray, gradients: dict[str, np.ndarray]) -> dict[str, Measure]:
    """Tangent share of gradients at images x, by name; gradients: (N, H, W, C) each, of any number of networks.

    vae_gan: a trained one. The bases are made once for all of them. NaN for an image whose gradient is zero.
    """
    found = {name: np.full(len(x), np.nan) for name in gradients}
    ranks = np.empty(len(x), np.int64)
    for part, basis in tangent_bases(vae_gan, x):
        ranks[part] = ranks_of(basis)
        for name, gradient in gradients.items():
            found[name][part] = shares_in(basis, gradient[part])
    chance = chance_share(ranks, int(np.prod(x.shape[1:])))
    return {name: Measure(values, chance) for name, values in found.items()}


def chance_share(k: np.ndarray | int, d: int) -> float:
    """Tangent share of a random direction in d dimensions, of which the tangent space has k: sqrt(k / d).

    k: one for all images, or by image (N,), whose mean share it is.
    """
    return float(np.sqrt(np.asarray(k) / d).mean())


def shares_in(basis: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """|QQ'v| / |v|, (n,), of vectors v (n, ...) for the bases Q of `basis` (n, d, k); NaN for a vector of zero."""
    v = vectors.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return _length(project(basis, v)) / _length(v)


@dataclass(frozen=True, eq=False)
class Directions:
    """Random directions of length 1 at images: on the manifold, and off it, normal to it; (n, H, W, C) each.

    Zero where there are none.
    """

    on: np.ndarray
    off: np.ndarray


def random_directions(
    basis: np.ndarray, shape: tuple[int, ...], *, seed: int = 0, first: int = 0, draw: int = 0
) -> Directions:
    """One direction an image on the manifold, and one off it.

    basis: bases of the tangent spaces (n, d, k); shape: of an image. The directions of image i derive from seed,
    first + i, and draw.
    """
    noise = np.stack([np.random.default_rng([seed, first + i, draw]).standard_normal(shape) for i in range(len(basis))])
    tangent = project(basis, noise)
    lengths = [_length(v).reshape(-1, 1, 1, 1) for v in (tangent, noise - tangent)]
    return Directions(*(v / np.where(n > 0, n, 1) for v, n in zip((tangent, noise - tangent), lengths, strict=True)))


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Mean l1 change of the softmax (N,) along random directions on the manifold, on, and normal to it, off."""

    on: np.ndarray
    off: np.ndarray

    @property
    def ratio(self) -> Measure:
        """off / on by image; by chance of the direction, 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return Measure(np.where(self.on > 0, self.off / self.on, np.nan), 1.0)

    def of_means(self, *, n_resamples: int = 2000, seed: int = 0) -> tuple[float, Interval] | None:
        """Mean off / mean on with its 95% interval, by percentile bootstrap over images; None where nothing changes.

        n_resamples, seed: of the bootstrap. Of fewer than LEAST_RESAMPLED images it is Student's t interval of the
        ratio, linearised in both means. The mean of ratios by image follows the few images whose softmax hardly moves
        at all.
        """
        if not self.on.mean() > 0:
            return None
        if len(self.on) < LEAST_RESAMPLED:
            ratio = float(self.off.mean() / self.on.mean())
            low, high = _t_interval(ratio, (self.off - ratio * self.on) / self.on.mean())
            return ratio, Interval(max(low, 0.0), high)
        rng = np.random.default_rng(seed)
        drawn = [rng.integers(0, len(self.on), len(self.on)) for _ in range(n_resamples)]
        means = np.array([(self.off[i].mean(), self.on[i].mean()) for i in drawn])
        ratios = means[means[:, 1] > 0, 0] / means[means[:, 1] > 0, 1]
        low, high = np.quantile(ratios, [0.025, 0.975])
        return float(self.off.mean() / self.on.mean()), Interval(float(low), float(high))


def sensitivities(
    networks: dict[str, Network],
    vae_gan: VAEGAN,
    x: np.ndarray,
    *,
    eps: tuple[float, ...] = SENSITIVITY_EPS,
    n_draws: int = 1,
    seed: int = 0,
) -> dict[str, Sensitivity]:
    """How the softmax of networks moves along and across the manifold at images x (N, H, W, C) in [-1, 1].

    networks: by name; vae_gan: a trained one. eps: l2 lengths of the steps, over which, and over n_draws directions,
    changes are averaged. The directions of image i derive from (seed, i), the same for all networks.
    """
    on = {name: np.zeros(len(x)) for name in networks}
    off = {name: np.zeros(len(x)) for name in networks}
    for part, basis in tangent_bases(vae_gan, x):
        for draw in range(n_draws):
            directions = random_directions(basis, x.shape[1:], seed=seed, first=part.start, draw=draw)
            for name, network in networks.items():
                found = sensitivity(network, x[part], directions, eps=eps)
                on[name][part] += found.on / n_draws
                off[name][part] += found.off / n_draws
    return {name: Sensitivity(on[name], off[name]) for name in networks}


def sensitivity(
    network: Network, x: np.ndarray, directions: Directions, *, eps: tuple[float, ...] = SENSITIVITY_EPS
) -> Sensitivity:
    """How the softmax of a network moves from images x (N, H, W, C) along directions, mean over steps of eps."""
    clean = _softmax(predict(network, x))

    def change(unit: np.ndarray) -> np.ndarray:
        steps = np.concatenate([x + np.float32(e) * unit for e in eps]).astype(np.float32)
        moved = _softmax(predict(network, steps)).reshape(len(eps), len(x), -1)
        return np.abs(moved - clean).sum(axis=-1).mean(axis=0)

    return Sensitivity(change(directions.on), change(directions.off))


def rare_directions(x: np.ndarray, *, share: float = RARE) -> np.ndarray:
    """Principal directions of images x (N, H, W, C) that together hold the last `share` of their variance, (d, m).

    From the eigenvectors of the covariance in float64: d of 3,072 takes a minute of a CPU.
    """
    flat = x.reshape(len(x), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((flat.shape[1],) * 2)
    for lo in range(0, len(flat), 5000):
        centred = flat[lo : lo + 5000] - mean
        covariance += centred.T @ centred
    variances, directions = np.linalg.eigh(covariance)  # rising
    held = np.cumsum(np.maximum(variances, 0)) / np.maximum(variances, 0).sum()
    return directions[:, held <= share]


def rare_shares(directions: np.ndarray, gradients: np.ndarray) -> Measure:
    """Share of |g|² of each of the gradients (N, H, W, C) in some directions; NaN for a gradient of zero.

    directions: (d, m) with orthonormal columns, as `rare_directions` gives them.
    """
    g = gradients.reshape(len(gradients), -1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        values = np.square(g @ directions).sum(axis=1) / np.square(g).sum(axis=1)
    return Measure(values, directions.shape[1] / directions.shape[0])


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
