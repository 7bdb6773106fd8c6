"""How near the data attacked images of a network of one's own are."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from robint_tf import attacks, manifold
from robint_tf.attacks.evaluation import warn_of_guessing
from robint_tf.checks import Bounds
from robint_tf.errors import InputError
from robint_tf.manifold.distance import Projection, Projector
from robint_tf.networks.classifiers import Network
from robint_tf.networks.vae_gan import VAEGAN
from robint_tf.runtime.batching import Progress
from robint_tf.specs import PGD
from robint_tf.study.given import network_of, split_of
from robint_tf.study.outcomes import Outcome


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


@dataclass(frozen=True, eq=False)
class NetworkDistances(Outcome):
    """Distances to their projections of test images, and of successful attacks on several networks.

    figure: what draws them. attack: in words. distances: of the test images first, then by network of those whose
    prediction the attack changed, (n,) float64, l2 over [-1, 1] pixels. clean: number, mean and its interval of the
    test images; networks: likewise of each network, and how many are nearer than on the first one. problems: why the
    VAE-GAN cannot stand for the manifold; empty if there is no reason.
    """

    figure: ClassVar[str] = "distances_by_network"
    attack: str
    distances: dict[str, np.ndarray]
    clean: dict[str, Any]
    networks: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]

    def table(self) -> list[dict[str, Any]]:
        """A record for each distance."""
        return [
            {"images": name, "distance": value} for name, found in self.distances.items() for value in found.tolist()
        ]

    def content(self) -> dict[str, Any]:
        content = super().content()
        content["plot"] = content.pop("distances")  # as the command's file has it
        return content

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        return super().of({**content, "distances": content["plot"]} if "plot" in content else content)


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
    pixel range of images and model, see `robint_tf.study`. Warns where the network only guesses, and where the
    projector is too poor to stand for the manifold; at least two images are needed to tell. `ValueError` for whatever
    cannot be used.

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
    warn_of_guessing(found.clean_logits, split.y)
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
