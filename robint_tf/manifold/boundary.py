"""The geometry of a decision boundary in the plane: section 2.2's tilt, and where attacks go."""

import numpy as np

from robint_tf.errors import InputError

WINDOW = 1.1  # the authors draw [-1.1, 1.1]^2 (notebook 4.1)


def grid(n: int = 221, window: float = WINDOW) -> np.ndarray:
    """An n x n lattice over [-window, window]^2, (n * n, 2) float32; the second coordinate varies slowest."""
    ticks = np.linspace(-window, window, n, dtype=np.float32)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def crossings(margin: np.ndarray, window: float = WINDOW) -> np.ndarray:
    """Where a function on `grid(n)` changes sign, (K, 2): linear interpolation along rows and columns.

    margin: (n * n,) values, e.g. the difference of two logits; window: as of the grid.
    """
    n = int(np.sqrt(margin.size))
    ticks = np.linspace(-window, window, n)
    values = np.asarray(margin, np.float64).reshape(n, n)
    points = []
    for axis in (0, 1):
        low, high = np.moveaxis(values, axis, 0)[:-1], np.moveaxis(values, axis, 0)[1:]
        along, across = np.nonzero((low > 0) != (high > 0))
        share = low[along, across] / (low[along, across] - high[along, across])
        moving = ticks[along] + share * (ticks[1] - ticks[0])
        pair = (moving, ticks[across]) if axis == 1 else (ticks[across], moving)
        points.append(np.stack(pair, axis=-1))
    return np.concatenate(points)


def tilt(points: np.ndarray) -> float:
    """Angle in degrees, 0 to 90, between the vertical axis and the line that fits `points` (K, 2) best.

    The line is the first principal axis. `ValueError` for fewer than two points: there is no boundary in the window.
    """
    if len(points) < 2:
        raise InputError(f"there are {len(points)} boundary points; the network puts the whole window into one class.")
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return float(np.degrees(np.arctan2(abs(axes[0, 0]), abs(axes[0, 1]))))


def angle_from_horizontal(direction: np.ndarray) -> float:
    """Angle in degrees, 0 to 90, between a direction (2,) and the horizontal axis: 0 moves along the classes."""
    return float(np.degrees(np.arctan2(abs(direction[1]), abs(direction[0]))))
