"""From a spec and a store to a network or numbers. This module alone knows both."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robint_tf import attacks, classifiers, device, evaluation, manifold, vae_gan
from robint_tf.artifacts import Arrays, Store
from robint_tf.classifiers import Network
from robint_tf.data import Dataset
from robint_tf.evaluation import Accuracy
from robint_tf.manifold import Projection
from robint_tf.specs import AccuracySpec, ClassifierSpec, DistanceSpec, VAEGANSpec
from robint_tf.training import Position, fit_classifier
from robint_tf.vae_gan import PARTS, VAEGAN
from robint_tf.vae_gan_training import VAEGANPosition, fit_vae_gan

SHOWN = 16
"""How many adversarial images are kept with the distances, to look at."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and its training: mean loss and accuracy per epoch, on the images trained on."""

    network: Network
    spec: ClassifierSpec
    epoch_loss: list[float]
    epoch_accuracy: list[float]


def classifier(
    spec: ClassifierSpec,
    dataset: Dataset,
    store: Store,
    *,
    network: Network | None = None,
    progress: Callable[[Position], None] | None = None,
    log_dir: Path | None = None,
) -> Trained:
    """The trained network of `spec`, trained on `dataset` only if the store lacks it.

    network: one to fill instead of building one; a caller that trains many alike spares the traces. An interrupted
    training leaves a checkpoint, from which the next call with the same spec and data continues.
    """
    train = dataset.train.take(spec.n_train)
    fingerprint = train.fingerprint.sha256
    if network is None:
        network = classifiers.build(
            classifiers.architecture_for(train.x.shape[1:]),
            variant=spec.variant,
            seed=spec.training.seed,
            precision=spec.training.precision,
        )

    def build() -> tuple[Arrays, dict]:
        history = fit_classifier(
            network,
            train.x,
            train.y,
            spec.training,
            spec.attack,
            checkpoint=store.checkpoint(spec, fingerprint),
            progress=progress,
            log_dir=log_dir,
        )
        arrays = {f"w{i}": w for i, w in enumerate(network.get_weights())}
        arrays |= {"epoch_loss": history.loss, "epoch_accuracy": history.accuracy}
        return arrays, {"made_with": device.describe(), "seconds_last_stretch": round(history.seconds, 1)}

    arrays = store.fetch(spec, build, fingerprint)
    network.set_weights([arrays[f"w{i}"] for i in range(len(network.weights))])
    return Trained(network, spec, list(map(float, arrays["epoch_loss"])), list(map(float, arrays["epoch_accuracy"])))


def measured_accuracy(
    spec: AccuracySpec,
    dataset: Dataset,
    store: Store,
    network: Callable[[], Network],
    *,
    progress: attacks.Progress | None = None,
) -> Accuracy:
    """Accuracy of a trained classifier, measured only if the store lacks it; network: gives the trained one."""
    train, test = dataset.train.take(spec.classifier.n_train), dataset.test.take(spec.n_test)

    def build() -> tuple[Arrays, dict]:
        found = evaluation.accuracy(network(), test.x, test.y, spec.attack, progress=progress)
        return {name: np.array(value) for name, value in vars(found).items()}, {"made_with": device.describe()}

    found = store.fetch(spec, build, train.fingerprint.sha256, test.fingerprint.sha256)
    low, high = found["interval"].tolist()
    return Accuracy(
        value=float(found["value"]),
        n=int(found["n"]),
        interval=(low, high),
        loss=float(found["loss"]),
        n_saturated=int(found["n_saturated"]),
    )


@dataclass(frozen=True, eq=False)
class TrainedVAEGAN:
    """A trained VAE-GAN and the mean losses of each epoch, by part."""

    model: VAEGAN
    spec: VAEGANSpec
    losses: dict[str, list[float]]


def trained_vae_gan(
    spec: VAEGANSpec, dataset: Dataset, store: Store, *, progress: Callable[[VAEGANPosition], None] | None = None
) -> TrainedVAEGAN:
    """The trained VAE-GAN of `spec`, trained on `dataset` only if the store lacks it; resumes as `classifier` does."""
    train = dataset.train.take(spec.n_train)
    fingerprint = train.fingerprint.sha256
    model = vae_gan.build(spec.dataset.removesuffix("_sample"), spec.variant, spec.seed)
    variables = [v for part in PARTS for v in getattr(model, part).variables]

    def build() -> tuple[Arrays, dict]:
        history = fit_vae_gan(
            model,
            train.x,
            epochs=spec.epochs,
            batch_size=spec.batch_size,
            checkpoint=store.checkpoint(spec, fingerprint),
            progress=progress,
        )
        arrays = {f"w{i}": np.asarray(v) for i, v in enumerate(variables)}
        arrays |= {f"{part}_loss": np.array(history.losses[part]) for part in PARTS}
        return arrays, {"made_with": device.describe(), "seconds_last_stretch": round(history.seconds, 1)}

    arrays = store.fetch(spec, build, fingerprint)
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"w{i}"])
    return TrainedVAEGAN(model, spec, {part: arrays[f"{part}_loss"].tolist() for part in PARTS})


@dataclass(frozen=True, eq=False)
class Distances:
    """What section 2.1 needs of the attacks on one network; (N,) each, in the order of the test images.

    sampled and mean: d_pi to the projection from a random latent point and from the mean, l2 over [-1, 1] pixels.
    changed and own_changed: whether the judge's, or the attacked network's own, prediction differs from that on the
    clean image. saturated: whether the gradient was zero at every step. shown: the first images as attacked; labels:
    what the attacked network takes these for.
    """

    sampled: np.ndarray
    mean: np.ndarray
    changed: np.ndarray
    own_changed: np.ndarray
    saturated: np.ndarray
    shown: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Measurer:
    """What is needed to measure a `DistanceSpec` that the store lacks; each part is asked for only then.

    network: gives the attacked network, judge: the standard one, model: the VAE-GAN.
    """

    network: Callable[[], Network]
    judge: Callable[[], Network]
    model: Callable[[], VAEGAN]


def distances(
    spec: DistanceSpec,
    dataset: Dataset,
    store: Store,
    measurer: Measurer,
    *,
    batch_size: int = 500,
    progress: attacks.Progress | None = None,
) -> Distances:
    """Distances to the manifold of attacked test images, measured only if the store lacks them.

    The noise of the projections depends on `spec.seed` and the batch, so that networks are compared under equal noise.
    The authors draw anew for every network; each distance has the same distribution.
    """
    test = dataset.test.take(spec.n_test)

    def build() -> tuple[Arrays, dict]:
        model = measurer.model()
        project: dict[str, Projection] = {
            "sampled": manifold.projector(model, z="sample", seed=spec.seed),
            "mean": manifold.projector(model, z="mean"),
        }
        judge = measurer.judge()
        clean = attacks.predict(judge, test.x, batch_size=batch_size)
        x_adv, labels = test.x, clean.argmax(axis=-1)
        changed = own_changed = saturated = np.zeros(len(test.x), bool)
        if spec.attack is not None:
            attacked = attacks.attack_dataset(
                network := measurer.network(), test.x, test.y, spec.attack, batch_size=batch_size, progress=progress
            )
            x_adv, own_changed = attacked.x_adv, manifold.changed(attacked.clean_logits, attacked.logits)
            labels, saturated = attacked.logits.argmax(axis=-1), attacked.saturated
            changed = own_changed
            if network is not judge:
                changed = manifold.changed(clean, attacks.predict(judge, x_adv, batch_size=batch_size))
        found = {name: manifold.distances(p, x_adv, batch_size=batch_size) for name, p in project.items()}
        arrays = found | {
            "changed": changed,
            "own_changed": own_changed,
            "saturated": saturated,
            "shown": x_adv[:SHOWN],
            "labels": labels[:SHOWN].astype(np.int32),
        }
        return arrays, {"made_with": device.describe()}

    train = dataset.train.fingerprint.sha256
    return Distances(**store.fetch(spec, build, train, test.fingerprint.sha256))
