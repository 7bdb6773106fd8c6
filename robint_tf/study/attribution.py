"""How much each pixel matters to a network of one's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from robint_tf import checks
from robint_tf.checks import Bounds
from robint_tf.data import arrays
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions
from robint_tf.interpretability.attributions import RANKING, REDUCTIONS
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.registry import AT
from robint_tf.runtime.batching import Progress, in_batches
from robint_tf.specs import VARIANTS, Variant
from robint_tf.study.given import Explainer, hash_of, methods_of, network_of
from robint_tf.study.outcomes import Outcome


@dataclass(frozen=True, eq=False)
class Attribution(Outcome):
    """Attribution maps.

    figure: what draws them; method: its name; values: (N, H, W) float32, or (N, H, W, C) for the reduction "none".

    `numpy.asarray` of it gives the values.
    """

    figure: ClassVar[str] = "attribution_maps"
    method: str
    values: np.ndarray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def table(self) -> list[dict[str, Any]]:
        """A record for each image: the least, mean and greatest value of its map."""
        flat = self.values.reshape(len(self.values), -1)
        columns = {"least": flat.min(axis=1), "mean": flat.mean(axis=1), "greatest": flat.max(axis=1)}
        return [
            {"image": i, "method": self.method, **{name: float(column[i]) for name, column in columns.items()}}
            for i in range(len(flat))
        ]


def attribute(
    model: Network,
    x: np.ndarray,
    method: str | Explainer = "gradient",
    *,
    bounds: Bounds | None = None,
    variant: Variant = "corrected",
    reduction: str | None = None,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Attribution:
    """Attribution maps of images x (N, H, W, C) by a method: a name in `catalogue.ATTRIBUTIONS`, or an `Explainer`.

    model: images to logits; bounds: the pixel range of images and model, see `robint_tf.study`. variant: of the
    objective and of the ranking, see `attributions.maps`. reduction: what is made of the channels, a name in
    `attributions.REDUCTIONS`, by default the variant's. What compares images with a baseline is given grey, 0 in
    [-1, 1]; by `roar` the colour of occluded pixels, by `road` the mean colour. `ValueError` for what cannot be
    explained, in one line.

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype("float32")
    >>> np.asarray(attribute(model, images)).shape
    (5, 4, 4)
    """
    network = network_of(model, bounds)
    x = arrays.scaled(inputs.images(x), bounds=bounds)
    ((name, chosen),) = methods_of(method).items()
    if isinstance(chosen, tuple):
        raise InputError("method is a pair of arrays; give a name or a function of network and images.")
    values = maps_of(
        network, x, chosen, name=name, variant=variant, reduction=reduction, batch_size=batch_size, progress=progress
    )
    return Attribution(name, values)


def maps_of(
    network: Network,
    x: np.ndarray,
    method: str | Explainer,
    *,
    name: str,
    variant: str,
    reduction: str | None = None,
    baseline: np.ndarray | float = 0.0,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> np.ndarray:
    """Maps of a network at images x (N, H, W, C) float32 in [-1, 1], float32; name: of the method, for messages.

    baseline: what some methods compare images with, as of `attributions.attribute`.
    """
    if isinstance(method, str):
        return attributions.attribute(
            network,
            x,
            method,
            variant=variant,
            reduction=reduction,
            baseline=baseline,
            batch_size=batch_size,
            progress=progress,
        )
    checks.one_of("variant", variant, VARIANTS)
    reduce = REDUCTIONS[checks.one_of("reduction", reduction or RANKING[variant], REDUCTIONS)]
    inputs.check(network, x, attacked=False)
    found: list[np.ndarray] = []

    def explain(lo: int, hi: int) -> None:
        found.append(_reduced(method(network, tf.constant(x[lo:hi])), x[lo:hi], name, reduce))
        inputs.check_finite(found[-1], lo, f"values of {name}")

    in_batches(len(x), batch_size, explain, progress)
    return np.concatenate(found)


def named(
    methods: Mapping[str, Any], network: Network, splits: Sequence[Split], *, variant: str, batch_size: int = 500
) -> tuple[dict[str, str], dict[str, tuple[np.ndarray, ...]]]:
    """What recipes call methods, and the maps of those that have no name: these are known by the hash of their maps.

    methods: by name, each a `given.Method`, or maps of the last of the splits alone. splits: of images in [-1, 1], as
    the network takes, all of which functions are computed for. Returns names by name, and maps of the splits by what
    recipes call them. `ValueError` for maps that are not such.
    """
    names: dict[str, str] = {}
    given: dict[str, tuple[np.ndarray, ...]] = {}
    for name, method in methods.items():
        if isinstance(method, str):
            names[name] = method
            continue
        if callable(method):
            method = [
                maps_of(network, split.x, method, name=name, variant=variant, batch_size=batch_size) for split in splits
            ]
        maps = tuple(map(np.asarray, method if isinstance(method, tuple | list) else [method]))[-len(splits) :]
        if len(maps) < len(splits):
            raise InputError(f"the maps {name} are one array; give a pair, of training and of test images.")
        for part, split in zip(maps, splits, strict=True):
            if part.shape != split.x.shape[:-1] or part.dtype.kind not in "iuf" or not np.isfinite(part).all():
                raise InputError(
                    f"the maps {name} are {part.dtype} of shape {part.shape}; give finite numbers {split.x.shape[:-1]}."
                )
        names[name] = f"{name}{AT}{hash_of(*maps)}"
        given[names[name]] = maps
    return names, given


def _reduced(values: Any, x: np.ndarray, name: str, reduce: Callable[[tf.Tensor], tf.Tensor]) -> np.ndarray:
    values = np.asarray(values)
    if values.shape not in (x.shape, x.shape[:-1]) or values.dtype.kind not in "iuf":
        raise InputError(
            f"the attribution {name} returns {values.dtype} of shape {values.shape} for images {x.shape}; it must "
            "return a number for each value or each pixel."
        )
    values = values.astype(np.float32)
    return reduce(tf.constant(values)).numpy() if values.ndim == x.ndim else values
