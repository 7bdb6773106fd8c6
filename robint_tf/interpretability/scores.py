"""The interpretability scores of section 3.2 and how they go with attack strength and accuracy (notebook 3.5)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.integrate import trapezoid
from scipy.special import ndtri
from scipy.stats import rankdata

from robint_tf.errors import InputError
from robint_tf.intervals import LEVEL, Interval


class Ends(NamedTuple):
    """Test accuracy where a curve ends: after training on the images as they are (intact), and on images without
    content (blank).
    """

    intact: float
    blank: float


AUTHORS_ENDS = Ends(0.7366, 0.1)
"""The authors write the accuracy of their standard network (`paper.published.series`) and chance into every curve.

Better measure both."""


def area_under_curve(fractions: np.ndarray, accuracies: np.ndarray, ends: Ends = AUTHORS_ENDS) -> np.ndarray:
    """Area under accuracy against the fraction of pixels replaced, trapezoidal rule over [0, 1]; shape (...).

    fractions: (K,) of the pixels *replaced*, rising and inside (0, 1); accuracies: (..., K). The curve starts at
    `ends.intact` and ends at `ends.blank`. `ValueError` for fractions or accuracies that are not such numbers.
    """
    fractions, accuracies = _checked(fractions, accuracies)
    return _area(fractions, accuracies, *ends)


def roar_score(fractions: np.ndarray, accuracies: np.ndarray, random: np.ndarray) -> np.ndarray:
    """mu_ROAR: area over the ROAR curve of an attribution minus that of random attributions; shape (...).

    fractions: (K,) of the pixels *removed*, rising and inside (0, 1); accuracies: (..., K) of the attribution, random:
    the same or (K,). Positive where the attribution finds pixels that matter. Curves share their end points (nothing
    removed, everything removed), which cancel: no value of `Ends` changes a score. `ValueError` as in
    `area_under_curve`.

    >>> score = roar_score(np.array([0.1, 0.5, 0.9]), np.array([0.5, 0.4, 0.3]), np.array([0.6, 0.5, 0.4]))
    >>> round(float(score), 3)  # 0.1 lower at every fraction
    0.09
    """
    fractions, accuracies = _checked(fractions, accuracies)
    _, random = _checked(fractions, random)
    return _area(fractions, random - accuracies, 0.0, 0.0)


def kar_score(fractions: np.ndarray, accuracies: np.ndarray, random: np.ndarray) -> np.ndarray:
    """mu_KAR: area under the KAR curve of an attribution minus that of random attributions; shape (...).

    accuracies, random: as of `roar_score`; fractions: of the pixels *kept*. The area is the same over the fractions
    replaced. `ValueError` as in `area_under_curve`.
    """
    return -roar_score(fractions, accuracies, random)


def diff_roar(fractions: np.ndarray, kept: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """DiffROAR at each fraction k: accuracy with the top k kept minus that with the bottom k kept; shape (..., K).

    Shah et al. (2021). Keeping the bottom k is removing the top 1 - k, so both halves are cells of the grid. fractions:
    (K,), rising and inside (0, 1), with 1 - k for every k; kept: (..., K) accuracies of KAR; removed: of ROAR, at the
    same fractions. Positive where the attribution ranks pixels better than the reverse order would. `ValueError` where
    the fractions are not symmetric.
    """
    fractions, kept = _checked(fractions, kept)
    _, removed = _checked(fractions, removed)
    if not np.allclose(fractions, 1 - fractions[::-1]):
        raise InputError(f"fractions are {fractions.tolist()}; DiffROAR needs 1 - k for every k.")
    return kept - removed[..., ::-1]


def diff_roar_score(fractions: np.ndarray, kept: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Area over the fractions of `diff_roar`, 0 at both ends; shape (...). fractions, kept, removed: as there.

    It is mu_ROAR + mu_KAR up to the random baselines: "remove f at random" and "keep 1 - f at random" are one
    distribution, so their areas cancel, and with them the noise of the baseline.
    """
    return _area(np.asarray(fractions, float), diff_roar(fractions, kept, removed), 0.0, 0.0)


SCORES = {"remove": roar_score, "keep": kar_score}
"""The score that belongs to each occlusion."""


def margin(adversarial: np.ndarray, standard: np.ndarray) -> float:
    """Lowest score of the adversarially trained networks minus highest of the standard ones.

    Section 3.2 asks whether it is above 0: whether every adversarially trained network is more interpretable.
    adversarial, standard: scores of at least one network each, any shape. `ValueError` if there are none.
    """
    adversarial, standard = np.asarray(adversarial, float), np.asarray(standard, float)
    if not adversarial.size or not standard.size:
        raise InputError(
            f"there are {adversarial.size} adversarially trained and {standard.size} standard networks; "
            "give at least one of each."
        )
    return float(adversarial.min() - standard.max())


@dataclass(frozen=True)
class Correlation:
    """How two quantities go together over n networks: linear (pearson) and rank correlation (spearman), in [-1, 1].

    pearson_interval: Fisher's z; spearman_interval: z with the variance of Bonett and Wright (2000).
    pearson_bootstrap, spearman_bootstrap: the same by resampling networks (percentile method), which assumes no
    distribution; None where nothing was resampled.
    """

    n: int
    pearson: float
    spearman: float
    pearson_interval: Interval
    spearman_interval: Interval
    pearson_bootstrap: Interval | None
    spearman_bootstrap: Interval | None


def correlation(x: np.ndarray, y: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0) -> Correlation | None:
    """Linear and rank correlation of x and y (n,), with intervals.

    n_resamples, seed: of the bootstrap; 0 resamples leave its intervals out, which takes most of the time.

    None where it is not defined: fewer than three points, or x or y constant. `ValueError` for shapes that differ and
    for values that are not finite.

    >>> found = correlation(np.array([0.0, 0.4, 0.8, 1.2]), np.array([0.01, 0.03, 0.02, 0.05]))
    >>> round(found.pearson, 3), round(found.spearman, 3)
    (0.832, 0.8)
    """
    x, y = _paired(x, y)
    if _undefined(x, y):
        return None
    n = len(x)
    draws = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    xs, ys = x[draws], y[draws]
    varied = (np.ptp(xs, axis=1) > 0) & (np.ptp(ys, axis=1) > 0)  # a resample may repeat one point
    xs, ys = xs[varied], ys[varied]
    pearson, spearman = float(_pearson(x, y)), float(_spearman(x, y))
    return Correlation(
        n=n,
        pearson=pearson,
        spearman=spearman,
        pearson_interval=fisher_interval(pearson, n),
        spearman_interval=bonett_wright_interval(spearman, n),
        pearson_bootstrap=_middle(_pearson(xs, ys)) if n_resamples else None,
        spearman_bootstrap=_middle(_spearman(xs, ys)) if n_resamples else None,
    )


def fisher_interval(r: float, n: int) -> Interval:
    """Interval of a linear correlation over n points: tanh(artanh r +- 1.96 / sqrt(n - 3)) (Fisher, 1921).

    The whole of [-1, 1] for n of 3 or less.
    """
    return _z_interval(r, n, 1.0)


def bonett_wright_interval(r: float, n: int) -> Interval:
    """Interval of Spearman's rank correlation over n points, as Fisher's with the variance (1 + r^2 / 2) / (n - 3).

    Bonett and Wright (2000), Sample size requirements for estimating Pearson, Kendall and Spearman correlations. At
    r = 1, where the formula would claim certainty, the lower end is that of the next smaller r that ranks without ties
    can have, 1 - 12 / (n^3 - n); the same holds at -1.
    """
    if abs(r) > 1 - 1e-12 and n > 3:  # ranks in perfect order, up to rounding
        inner = bonett_wright_interval(1 - 12 / (n**3 - n), n).low
        return Interval(inner, 1.0) if r > 0 else Interval(-1.0, -inner)
    return _z_interval(r, n, 1 + r**2 / 2)


class Line(NamedTuple):
    """y = slope * x + intercept."""

    slope: float
    intercept: float


def fit_line(x: np.ndarray, y: np.ndarray) -> Line | None:
    """The least-squares line through points x, y (n,); None for fewer than two points or constant x."""
    x, y = _paired(x, y)
    if len(x) < 2 or _constant(x):
        return None
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    return Line(slope, float(y.mean() - slope * x.mean()))


def fit_band(
    x: np.ndarray, y: np.ndarray, at: np.ndarray, *, n_resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the line of `fit_line` would run with other networks: ends of its 95% band at `at`, two arrays like it.

    Percentile bootstrap over the points x, y (n,), n_resamples times from `seed`. None where there is no line.
    """
    if fit_line(x, y) is None:
        return None
    lines = line_resamples(x, y, at, n_resamples, seed)
    low, high = np.quantile(lines, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def line_resamples(x: np.ndarray, y: np.ndarray, at: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Values at `at` (K,) of least-squares lines through resampled points x, y (n,); (up to n_resamples, K).

    seed: of the resamples. Resamples whose x are all equal have no line and are left out.
    """
    x, y = _paired(x, y)
    draws = np.random.default_rng(seed).integers(len(x), size=(n_resamples, len(x)))
    xs, ys = x[draws], y[draws]
    varied = np.ptp(xs, axis=1) > 0
    xs, ys = xs[varied], ys[varied]
    centred = xs - xs.mean(axis=1, keepdims=True)
    slopes = np.sum(centred * ys, axis=1) / np.sum(np.square(centred), axis=1)
    return ys.mean(axis=1)[:, None] + slopes[:, None] * (np.asarray(at) - xs.mean(axis=1)[:, None])


def _checked(fractions: np.ndarray, accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fractions, accuracies = np.asarray(fractions, float), np.asarray(accuracies, float)
    if fractions.ndim != 1 or not np.all(np.diff(np.concatenate([[0.0], fractions, [1.0]])) > 0):
        raise InputError(f"fractions are {fractions.tolist()}; give rising numbers inside (0, 1).")
    if accuracies.shape[-1:] != fractions.shape:
        raise InputError(f"accuracies have shape {accuracies.shape}; the last axis needs {len(fractions)} fractions.")
    if not np.all((accuracies >= 0) & (accuracies <= 1)):
        raise InputError("accuracies hold NaN or lie outside [0, 1]; give shares of right answers.")
    return fractions, accuracies


def _area(fractions: np.ndarray, values: np.ndarray, first: float, last: float) -> np.ndarray:
    """Trapezoidal rule over [0, 1] along the last axis, with given values at 0 and 1."""
    pad = [(0, 0)] * (values.ndim - 1) + [(1, 1)]
    padded = np.pad(values, pad, constant_values=(first, last))
    return trapezoid(padded, np.concatenate([[0.0], fractions, [1.0]]), axis=-1)


def _paired(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"x has shape {x.shape} and y {y.shape}; give two lists of equal length.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("x or y holds NaN or infinite values; leave those networks out.")
    return x, y


def _constant(x: np.ndarray) -> bool:
    return bool(np.ptp(x) <= 1e-12 * np.abs(x).max())


def _undefined(x: np.ndarray, y: np.ndarray) -> bool:
    return len(x) < 3 or _constant(x) or _constant(y)


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Linear correlation along the last axis."""
    x, y = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    x, y = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, y))
    return np.clip(np.sum(x * y, axis=-1), -1, 1)


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def _z_interval(r: float, n: int, variance: float) -> Interval:
    if n <= 3:
        return Interval(-1.0, 1.0)
    with np.errstate(divide="ignore"):  # r = 1 has z = inf, and the interval [1, 1]
        z = np.arctanh(r)
    half = ndtri((1 + LEVEL) / 2) * np.sqrt(variance / (n - 3))
    return Interval(float(np.tanh(z - half)), float(np.tanh(z + half)))


def _middle(values: np.ndarray) -> Interval:
    """The interval that leaves equal shares of `values` out at both ends."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
