"""What the hypothesis of the paper says of the gradients of a network of one's own, measured without retraining."""

import functools
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robint_tf import manifold
from robint_tf.checks import Bounds
from robint_tf.data import arrays
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.interpretability import controls
from robint_tf.interpretability.attributions import magnitude
from robint_tf.manifold import gradients, tangent
from robint_tf.manifold.distance import Projector
from robint_tf.networks import classifiers, inputs
from robint_tf.networks.classifiers import Network
from robint_tf.networks.vae_gan import VAEGAN
from robint_tf.runtime import device
from robint_tf.runtime.batching import Progress
from robint_tf.specs import OwnGradientSpec, SavedNetwork, Variant
from robint_tf.store.artifacts import Store
from robint_tf.store.folders import Arrays
from robint_tf.study.attribution import maps_of
from robint_tf.study.given import network_of
from robint_tf.study.outcomes import Outcome

MOST_VALUES = 4096
"""Values of an image up to which the directions of least variance are found: their covariance takes the square."""
BLOCK = 100
"""Images that are measured together; an interruption loses the work on one block."""


@dataclass(frozen=True, eq=False)
class Gradients(Outcome):
    """Measures of the gradient of the loss at each image.

    figure: what draws them. values: by measure, (N,) float64, NaN where it is not defined; chance: what a random
    direction has, None where that is not a fixed number. changes: of the softmax, whose ratio the sensitivity is, "on"
    and "off" the manifold, (N,) each; ranks: the dimensions of its tangent spaces, (N,) int64. Both are empty without a
    manifold. problems: why the VAE-GAN cannot stand for the
    manifold; empty if there is no reason.
    """

    figure: ClassVar[str] = "gradient_measures"
    values: dict[str, np.ndarray]
    chance: dict[str, float | None]
    changes: dict[str, np.ndarray] = field(default_factory=dict)
    ranks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    problems: tuple[str, ...] = ()

    def table(self) -> list[dict[str, Any]]:
        """A record for each image and measure."""
        return [
            {"image": i, "measure": name, "value": value}
            for name, values in self.values.items()
            for i, value in enumerate(values.tolist())
        ]

    def scores(self) -> list[dict[str, Any]]:
        """A record for each measure: mean over the images that have it, ends of its 95% interval, value by chance.

        The mean is None if no image has it, the interval if fewer than two have. Of the sensitivity the ratio of the
        mean changes, see `manifold.gradients.Sensitivity.of_means`.
        """
        found = []
        for name, values in self.values.items():
            measure, n = gradients.Measure(values), int(np.isfinite(values).sum())
            mean, ends = measure.mean if n else None, measure.interval() if n > 1 else (None, None)
            if name == SENSITIVITY:
                ratio = gradients.Sensitivity(**self.changes).of_means()
                mean, ends = (None, (None, None)) if ratio is None else (ratio[0], ratio[1] if n > 1 else (None, None))
            low, high = ends
            found.append({"measure": name, "mean": mean, "low": low, "high": high, "chance": self.chance[name]})
        return found

    def content(self) -> dict[str, Any]:
        means = [
            {"measure": row["measure"], "mean": row["mean"]}
            | {"mean_interval": None if row["low"] is None else [row["low"], row["high"]]}
            for row in self.scores()
        ]
        return {**super().content(), "means": means, "rank": self.rank()}

    def rank(self) -> dict[str, float] | None:
        """Mean and least dimension of the tangent spaces, "mean" and "least"; None without a manifold."""
        if not len(self.ranks):
            return None
        return {"mean": float(self.ranks.mean()), "least": float(self.ranks.min())}


SENSITIVITY = "sensitivity_ratio"
ALONG = ("tangent_share", SENSITIVITY)
"""The measures that need a manifold: not valid where the VAE-GAN cannot stand for it."""


def gradient_measures(
    model: Network,
    x: np.ndarray,
    *,
    vae_gan: VAEGAN | None = None,
    train: np.ndarray | None = None,
    bounds: Bounds | None = None,
    variant: Variant = "corrected",
    batch_size: int = 500,
    seed: int = 0,
    store: Store | Path | str | None = None,
    progress: Progress | None = None,
) -> Gradients:
    """What the hypothesis of the paper says of gradients, measured at images x (N, H, W, C) without retraining.

    sparseness: Gini index of the gradient's magnitudes over pixels; smoothness: Moran's I of these. With the images
    `train` (M, H, W, C): rare_share, the share of the squared gradient in the directions that hold the last 1% of their
    variance. With a trained vae_gan: tangent_share, the share of the gradient's length that lies along its manifold,
    and sensitivity_ratio, how much more the softmax moves across that manifold than along it; seed: of its directions.
    See `manifold.gradients`. bounds: the pixel range of images and model, see `robint_tf.study`. store: folder, or
    `Store`, that keeps the measures of each `BLOCK` of images, so that a call that was interrupted goes on where it
    was; None keeps nothing. progress: told how many images are done, of those that the store lacks. Warns where the
    VAE-GAN is too poor to stand for the manifold. `ValueError` for whatever cannot be used, and for `train` with images
    of more than `MOST_VALUES` values.
    """
    network, x = network_of(model, bounds), arrays.scaled(inputs.images(x), bounds=bounds)
    if train is not None:
        train = arrays.scaled(inputs.images(train), bounds=bounds, what="train: ")
        if train.shape[1:] != x.shape[1:]:
            raise InputError(f"train has images of shape {train.shape[1:]}, x of {x.shape[1:]}; give one shape.")
        if train[0].size > MOST_VALUES:
            raise InputError(
                f"an image has {train[0].size} values; directions of least variance are found for up to "
                f"{MOST_VALUES}, leave train out, or give smaller images."
            )
    problems: tuple[str, ...] = ()
    if vae_gan is not None and len(x) > 1:  # of one alone nobody can tell
        problems = tuple(manifold.health(x, Projector(vae_gan, z="mean"), batch_size=batch_size).problems)
        for problem in problems:
            warnings.warn(f"the VAE-GAN cannot stand for the manifold: {problem}.", stacklevel=2)
    found = measures_of(
        network,
        x,
        vae_gan=vae_gan,
        train=train,
        variant=variant,
        batch_size=batch_size,
        seed=seed,
        store=store if store is None or isinstance(store, Store) else Store(store),
        progress=progress,
    )
    return replace(found, problems=problems)


def measures_of(
    network: Network,
    x: np.ndarray,
    *,
    vae_gan: VAEGAN | None = None,
    train: np.ndarray | None = None,
    variant: Variant = "corrected",
    batch_size: int = 500,
    seed: int = 0,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Gradients:
    """The measures of `gradient_measures`, without a word on the VAE-GAN.

    network: of images in [-1, 1], as x (N, H, W, C) and train (M, H, W, C) are, float32. vae_gan, variant, batch_size,
    seed, store, progress: as there.
    """

    @functools.cache  # made if a block is missing
    def rare() -> np.ndarray:
        assert train is not None
        return gradients.rare_directions(train)

    def measured(first: int) -> Arrays:
        part = x[first : first + BLOCK]
        gradient = maps_of(
            network, part, "gradient", name="gradient", variant=variant, reduction="none", batch_size=batch_size
        )
        maps = magnitude(gradient).numpy()
        found = {"sparseness": controls.gini(maps), "smoothness": controls.moran(maps)}
        if train is not None:
            share = gradients.rare_shares(rare(), gradient)
            found |= {"rare_share": share.values, "rare_chance": np.array(share.chance)}
        return found if vae_gan is None else found | _along(vae_gan, network, part, gradient, seed=seed, first=first)

    firsts = range(0, len(x), BLOCK)
    recipes = {} if store is None else _recipes(network, x, vae_gan, train, seed=seed, variant=variant)
    missing = [first for first in firsts if store is None or not store.has(*recipes[first])]

    def fetch(first: int) -> Arrays:
        if store is None:
            return measured(first)
        spec, *keys = recipes[first]
        return store.fetch(spec, lambda _: (measured(first), {}), *keys, made_with=device.describe())

    blocks, done, total = [], 0, sum(len(x[first : first + BLOCK]) for first in missing)
    for first in firsts:
        blocks.append(fetch(first))
        if progress is not None and first in missing:
            done += len(x[first : first + BLOCK])
            progress(done, total)
    return _together(blocks, vae_gan, x[0].size)


def _recipes(
    network: Network, x: np.ndarray, vae_gan: VAEGAN | None, train: np.ndarray | None, *, seed: int, variant: Variant
) -> dict[int, tuple[Any, ...]]:
    """By the place of the first image of each block: its spec, and the keys of the images that it is made from."""

    def key(images: np.ndarray) -> str:
        return Split(images, np.zeros(len(images), np.int32)).fingerprint.key  # no label matters

    if not network.built:
        inputs.called(network, x[:1])  # which gives it its weights

    def named(part: Network) -> SavedNetwork:
        return SavedNetwork(sha256=classifiers.fingerprint(part))

    source, projector = named(network), None if vae_gan is None else named(vae_gan)
    examples = () if train is None else (key(train),)
    return {
        first: (
            OwnGradientSpec(source=source, vae_gan=projector, first=first, seed=seed, variant=variant),
            *examples,
            key(x[first : first + BLOCK]),
        )
        for first in range(0, len(x), BLOCK)
    }


def _along(vae_gan: VAEGAN, network: Network, x: np.ndarray, gradient: np.ndarray, *, seed: int, first: int) -> Arrays:
    """The measures that need tangent spaces, which are made once for all of them, and their ranks."""
    found: Arrays = {name: np.empty(len(x)) for name in ("tangent_share", "on", "off")}
    found["rank"] = np.empty(len(x), np.int64)
    for part, basis in tangent.tangent_bases(vae_gan, x):
        found["rank"][part] = tangent.ranks_of(basis)
        directions = gradients.random_directions(basis, x.shape[1:], seed=seed, first=first + part.start)
        changes = gradients.sensitivity(network, x[part], directions)
        found["tangent_share"][part] = gradients.shares_in(basis, gradient[part])
        found["on"][part], found["off"][part] = changes.on, changes.off
    return found


def _together(blocks: list[Arrays], vae_gan: VAEGAN | None, n_values: int) -> Gradients:
    """What all blocks say."""
    joined = {name: np.concatenate([np.atleast_1d(block[name]) for block in blocks]) for name in blocks[0]}
    values = {name: joined[name] for name in ("sparseness", "smoothness")}
    chance: dict[str, float | None] = {"sparseness": None, "smoothness": 0.0}
    if "rare_share" in joined:
        values["rare_share"], chance["rare_share"] = joined["rare_share"], float(joined["rare_chance"][0])
    if vae_gan is None:
        return Gradients(values, chance)
    changes = {"on": joined["on"], "off": joined["off"]}
    ratio = gradients.Sensitivity(**changes).ratio
    values |= {"tangent_share": joined["tangent_share"], SENSITIVITY: ratio.values}
    chance |= {"tangent_share": gradients.chance_share(joined["rank"], n_values), SENSITIVITY: ratio.chance}
    return Gradients(values, chance, changes, joined["rank"])
