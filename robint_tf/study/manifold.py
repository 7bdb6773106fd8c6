"""How near the data attacked images and gradients of a network of one's own are."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robint_tf import attacks, manifold
from robint_tf.checks import Bounds
from robint_tf.data import arrays
from robint_tf.errors import InputError
from robint_tf.interpretability import controls
from robint_tf.interpretability.attributions import magnitude
from robint_tf.manifold import gradients
from robint_tf.manifold.distance import Projection, Projector
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.networks.vae_gan import VAEGAN
from robint_tf.runtime.batching import Progress
from robint_tf.specs import PGD, Variant
from robint_tf.study.attribution import maps_of
from robint_tf.study.given import network_of, split_of
from robint_tf.study.outcomes import Outcome

MOST_VALUES = 4096
"""Values of an image up to which the directions of least variance are found: their covariance takes the square."""


@dataclass(frozen=True, eq=False)
class Distances(Outcome):
    """Distances of images to their projections, l2 over [-1, 1] pixels, before and under an attack.

    figure: what draws them. attack: in words. clean, attacked: (N,) float64; changed: whether the attack changed the
    prediction, (N,) bool. spread, gain: of the projector, see `manifold.Health`; problems: why it cannot stand for the
    manifold; empty if there is no reason.
    """

    figure: ClassVar[str] = "distances"
    attack: str
    clean: np.ndarray
    attacked: np.ndarray
    changed: np.ndarray
    spread: float
    gain: float
    problems: tuple[str, ...]

    def table(self) -> list[dict[str, Any]]:
        """A record for each image."""
        rows = zip(self.clean.tolist(), self.attacked.tolist(), self.changed.tolist(), strict=True)
        return [{"image": i, "clean": c, "attacked": a, "changed": bool(n)} for i, (c, a, n) in enumerate(rows)]


def manifold_distance(
    model: Network,
    projector: VAEGAN | Projection,
    x: np.ndarray,
    y: np.ndarray,
    attack: PGD,
    *,
    bounds: Bounds | None = None,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Distances:
    """Distances d_pi of images x (N, H, W, C) with labels y (N,) to the data manifold, before and under an attack.

    projector: a trained `VAEGAN`, which projects to the reconstruction from the latent mean, or any function of batches
    of images (n, H, W, C) float32 in [-1, 1] that returns their projections, alike: an autoencoder, say. bounds: the
    pixel range of images and model, see `robint_tf.study`. Warns where the projector is too poor to stand for the
    manifold; at least two images are needed to tell. `ValueError` for whatever cannot be used.

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype("float32")
    >>> attack = PGD(norm="l2", eps=0.5, step_size=0.5, n_steps=2)
    >>> found = manifold_distance(model, lambda x: np.round(x, 1), images, np.zeros(5, int), attack)
    >>> found.problems, bool(np.all(found.clean < 0.2))
    ((), True)
    """
    network, split = network_of(model, bounds), split_of((x, y), bounds, "images")
    project = _checked(projector)
    found = attacks.attack_dataset(network, split.x, split.y, attack, batch_size=batch_size, progress=progress)
    health = manifold.health(split.x, project, batch_size=batch_size)
    for problem in health.problems:
        warnings.warn(f"the projector cannot stand for the manifold: {problem}.", stacklevel=2)
    return Distances(
        attack=str(attack),
        clean=manifold.distances(project, split.x, batch_size=batch_size),
        attacked=manifold.distances(project, found.x_adv, batch_size=batch_size),
        changed=manifold.changed(found.clean_logits, found.logits),
        spread=health.spread,
        gain=health.gain,
        problems=tuple(health.problems),
    )


def _checked(projector: VAEGAN | Projection) -> Projection:
    """A projection that refuses, in one line, what is not one of the images that it was given."""
    if isinstance(projector, VAEGAN):
        return Projector(projector, z="mean")
    if not callable(projector):
        raise InputError(f"the projector is {type(projector).__name__}; give a VAEGAN or a function of images.")
    function: Callable[[np.ndarray], Any] = projector

    def project(x: np.ndarray) -> np.ndarray:
        found = np.asarray(function(x))
        if found.shape != x.shape or found.dtype.kind not in "iuf" or not np.isfinite(found).all():
            raise InputError(
                f"the projector returns {found.dtype} of shape {found.shape} for images {x.shape}; it must return "
                "finite images of that shape, in [-1, 1]."
            )
        return found.astype(np.float32)

    return project


@dataclass(frozen=True, eq=False)
class Gradients(Outcome):
    """Measures of the gradient of the loss at each image.

    figure: what draws them. values: by measure, (N,) float64, NaN where it is not defined; chance: what a random
    direction has, None where that is not a fixed number.
    """

    figure: ClassVar[str] = "gradient_measures"
    values: dict[str, np.ndarray]
    chance: dict[str, float | None]

    def table(self) -> list[dict[str, Any]]:
        """A record for each image and measure."""
        return [
            {"image": i, "measure": name, "value": value}
            for name, values in self.values.items()
            for i, value in enumerate(values.tolist())
        ]

    def scores(self) -> list[dict[str, Any]]:
        """A record for each measure: mean over the images, ends of its 95% interval, and the value by chance."""
        found = []
        for name, values in self.values.items():
            measure = gradients.Measure(values, self.chance[name])
            low, high = measure.interval()
            found.append({"measure": name, "mean": measure.mean, "low": low, "high": high, "chance": measure.chance})
        return found


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
) -> Gradients:
    """What the hypothesis of the paper says of gradients, measured at images x (N, H, W, C) without retraining.

    sparseness: Gini index of the gradient's magnitudes over pixels; smoothness: Moran's I of these. With the images
    `train` (M, H, W, C): rare_share, the share of the squared gradient in the directions that hold the last 1% of their
    variance. With a trained vae_gan: tangent_share, the share of the gradient's length that lies along its manifold,
    and sensitivity_ratio, how much more the softmax moves across that manifold than along it; seed: of its directions.
    See `manifold.gradients`. bounds: the pixel range of images and model, see `robint_tf.study`. `ValueError` for
    whatever cannot be used, and for `train` with images of more than `MOST_VALUES` values.
    """
    network, x = network_of(model, bounds), arrays.scaled(inputs.images(x), bounds=bounds)
    gradient = maps_of(
        network, x, "gradient", name="gradient", variant=variant, reduction="none", batch_size=batch_size
    )
    maps = magnitude(gradient).numpy()
    found = {
        "sparseness": gradients.Measure(controls.gini(maps)),
        "smoothness": gradients.Measure(controls.moran(maps), 0.0),
    }
    if train is not None:
        examples = arrays.scaled(inputs.images(train), bounds=bounds, what="train: ")
        if examples.shape[1:] != x.shape[1:]:
            raise InputError(f"train has images of shape {examples.shape[1:]}, x of {x.shape[1:]}; give one shape.")
        if examples[0].size > MOST_VALUES:
            raise InputError(
                f"an image has {examples[0].size} values; directions of least variance are found for up to "
                f"{MOST_VALUES}, leave train out, or give smaller images."
            )
        found["rare_share"] = gradients.rare_shares(gradients.rare_directions(examples), gradient)
    if vae_gan is not None:
        found["tangent_share"] = gradients.tangent_shares(vae_gan, x, {"": gradient})[""]
        found["sensitivity_ratio"] = gradients.sensitivities({"": network}, vae_gan, x, seed=seed)[""].ratio
    return Gradients({n: m.values for n, m in found.items()}, {n: m.chance for n, m in found.items()})
