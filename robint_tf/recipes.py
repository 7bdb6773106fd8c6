"""From a spec and a store to a network or numbers. This module alone knows both.

progress: called with how far a training is, or how many images are done and how many there are. log_dir: folder for
TensorBoard. batch_size: images at a time, halved where memory runs out.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robint_tf import attacks, manifold
from robint_tf.data.datasets import Dataset, Split
from robint_tf.intervals import Interval
from robint_tf.networks import classifiers, vae_gan
from robint_tf.networks.classifiers import Network
from robint_tf.networks.inputs import called
from robint_tf.networks.vae_gan import PARTS, VAEGAN
from robint_tf.runtime import device
from robint_tf.runtime.batching import Progress
from robint_tf.specs import AccuracySpec, ClassifierSpec, CurveSpec, DistanceSpec, VAEGANSpec
from robint_tf.store.artifacts import Arrays, Checkpoint, Store
from robint_tf.training.classifier import fit_classifier
from robint_tf.training.state import Position
from robint_tf.training.vae_gan import fit_vae_gan

SHOWN = 16  # adversarial images that are kept with the distances, to look at


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, its spec, and epoch_loss, epoch_accuracy: means of each epoch, on the images trained on.

    test_hits: right answers after each epoch, as in `training.History`, on all test images of the data set; None where
    the network was trained with other test images.
    """

    network: Network
    spec: ClassifierSpec
    epoch_loss: list[float]
    epoch_accuracy: list[float]
    test_hits: np.ndarray | None


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

    network: one of the spec's architecture to fill instead of building one, which spares the traces, and the memory
    that TensorFlow never gives back of each network it has compiled for, not even when that is gone; needed where the
    architecture is not among `catalogue.ARCHITECTURES`. `ValueError` if it is another architecture. An interrupted
    training leaves a checkpoint, from which the next call with the same spec and data continues.
    """
    train = dataset.train.take(spec.n_train)
    inputs = (train.fingerprint.key,)
    curve, curve_inputs = CurveSpec(classifier=spec), (*inputs, dataset.test.fingerprint.key)
    if network is None:
        network = build(spec)
    else:
        if not network.built:
            called(network, train.x[:1])  # which gives it its weights
        precision = spec.training.precision
        classifiers.check_architecture(network, spec.architecture, variant=spec.variant, precision=precision)

    def make(checkpoint: Checkpoint) -> tuple[Arrays, dict]:
        history = fit_classifier(
            network,
            train.x,
            train.y,
            spec.training,
            spec.attack,
            trades=spec.trades,
            initialise=True,
            test=dataset.test,
            checkpoint=checkpoint,
            progress=progress,
            log_dir=log_dir,
        )
        if history.test_hits is not None:
            hits = {"test_hits": history.test_hits}
            store.fetch(curve, lambda _: (hits, {}), *curve_inputs, made_with=checkpoint.made_with)
        arrays = {f"w{i}": w for i, w in enumerate(network.get_weights())}
        arrays |= {"epoch_loss": np.array(history.loss), "epoch_accuracy": np.array(history.accuracy)}
        return arrays, {"seconds_last_stretch": round(history.seconds, 1)}

    arrays = store.fetch(spec, make, *inputs, made_with=device.describe())
    kept = [arrays[f"w{i}"] for i in range(sum(name.startswith("w") for name in arrays))]
    network.set_weights(kept)  # `ValueError` where there are more or fewer than the network has
    found = store.load(curve, *curve_inputs)
    hits = None if found is None else found["test_hits"]
    return Trained(network, spec, arrays["epoch_loss"].tolist(), arrays["epoch_accuracy"].tolist(), hits)


def build(spec: ClassifierSpec) -> Network:
    """An untrained network of the spec's architecture. `ValueError` for one that the package does not have."""
    training = spec.training
    return classifiers.build(spec.architecture, variant=spec.variant, seed=training.seed, precision=training.precision)


class Networks:
    """Trained networks by spec. Network objects are reused for other specs, which saves tracing them."""

    def __init__(
        self,
        dataset: Dataset,
        store: Store,
        *,
        announce: Callable[[ClassifierSpec], None] = lambda spec: None,
        progress: Callable[[Position], None] | None = None,
    ) -> None:
        """dataset: to train on; announce: called with a spec before its network is trained or read."""
        self.dataset, self.store = dataset, store
        self._announce, self._progress = announce, progress
        self._slots: list[_Slot] = []

    @contextlib.contextmanager
    def lend(self, spec: ClassifierSpec) -> Iterator[Network]:
        """The trained network of `spec`, which belongs to the caller until the block ends, and to nobody after it.

        Two blocks that ask for one spec share the network.
        """
        slot = self._slot(spec)
        slot.borrowers += 1
        try:
            if slot.spec != spec:
                slot.spec = None
                self._announce(spec)
                classifier(spec, self.dataset, self.store, network=slot.network, progress=self._progress)
                slot.spec = spec
            yield slot.network
        finally:
            slot.borrowers -= 1

    def _slot(self, spec: ClassifierSpec) -> "_Slot":
        """The network that holds `spec` already, else one of its kind that nobody has, else a new one."""
        kind = (spec.architecture, spec.variant, spec.training.precision)
        alike = [slot for slot in self._slots if slot.kind == kind]
        for slot in alike:
            if slot.spec == spec:
                return slot
        for slot in alike:
            if not slot.borrowers:
                return slot
        self._slots.append(_Slot(kind, build(spec)))
        return self._slots[-1]


@dataclass(eq=False)
class _Slot:
    """A network object, whose trained weights it holds, and how many have borrowed it."""

    kind: tuple[str, str, str]
    network: Network
    spec: ClassifierSpec | None = None
    borrowers: int = 0


def measured_accuracy(spec: AccuracySpec, networks: Networks, *, progress: Progress | None = None) -> attacks.Accuracy:
    """The accuracy that `spec` describes, on the networks' data set, measured only if their store lacks it."""
    dataset, store = networks.dataset, networks.store
    train, test = dataset.train.take(spec.classifier.n_train), dataset.test.take(spec.n_test)

    def make(_: Checkpoint) -> tuple[Arrays, dict]:
        with networks.lend(spec.classifier) as network:
            found = attacks.accuracy(network, test.x, test.y, spec.attack, progress=progress, warn=False)
        return {name: np.array(value) for name, value in vars(found).items()}, {}

    inputs = train.fingerprint.key, test.fingerprint.key
    found = store.fetch(spec, make, *inputs, made_with=device.describe())
    return attacks.Accuracy(
        value=float(found["value"]),
        n=int(found["n"]),
        interval=Interval(*found["interval"].tolist()),
        loss=float(found["loss"]),
        n_saturated=int(found["n_saturated"]),
        n_unchanged=int(found["n_unchanged"]) if "n_unchanged" in found else None,
    )


@dataclass(frozen=True, eq=False)
class TrainedVAEGAN:
    """A trained VAE-GAN, model, its spec, and the mean losses of each epoch, by part."""

    model: VAEGAN
    spec: VAEGANSpec
    losses: dict[str, list[float]]


def trained_vae_gan(
    spec: VAEGANSpec, dataset: Dataset, store: Store, *, progress: Callable[[Position], None] | None = None
) -> TrainedVAEGAN:
    """The trained VAE-GAN of `spec`, trained on `dataset` only if the store lacks it; resumes as `classifier` does."""
    train = dataset.train.take(spec.n_train)
    model = vae_gan.build(spec.architecture, spec.variant, spec.seed)
    variables = [v for part in PARTS for v in getattr(model, part).variables]

    def make(checkpoint: Checkpoint) -> tuple[Arrays, dict]:
        history = fit_vae_gan(
            model, train.x, epochs=spec.epochs, batch_size=spec.batch_size, checkpoint=checkpoint, progress=progress
        )
        arrays = {f"w{i}": np.asarray(v) for i, v in enumerate(variables)}
        arrays |= {f"{part}_loss": np.array(history.losses[part]) for part in PARTS}
        return arrays, {"seconds_last_stretch": round(history.seconds, 1)}

    arrays = store.fetch(spec, make, train.fingerprint.key, made_with=device.describe())
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"w{i}"])
    return TrainedVAEGAN(model, spec, {part: arrays[f"{part}_loss"].tolist() for part in PARTS})


@dataclass(frozen=True, eq=False)
class Distances:
    """What section 2.1 needs of the attacks on one network; (N,) each, in the order of the test images.

    sampled and mean: d_pi to the projection from a random latent point and from the mean, l2 over [-1, 1] pixels.
    changed and own_changed: whether the reference network's, or the attacked network's own, prediction differs from
    that on the clean image. saturated: whether the gradient was zero at every step. shown: the first images as
    attacked; labels: what the attacked network takes these for.
    """

    sampled: np.ndarray
    mean: np.ndarray
    changed: np.ndarray
    own_changed: np.ndarray
    saturated: np.ndarray
    shown: np.ndarray
    labels: np.ndarray


def distances(
    spec: DistanceSpec,
    networks: Networks,
    projector: Callable[[VAEGANSpec], TrainedVAEGAN],
    *,
    batch_size: int = 500,
    progress: Progress | None = None,
) -> Distances:
    """Distances to the manifold of attacked test images, measured only if the networks' store lacks them.

    projector: gives the trained VAE-GAN when it is needed. The noise of the projection of test image i depends on
    `spec.seed` and i alone, so that networks are compared under equal noise, whatever the batch size. The authors draw
    again for every network; each distance has the same distribution.
    """
    dataset, store = networks.dataset, networks.store
    test = dataset.test.take(spec.n_test)

    def make(_: Checkpoint) -> tuple[Arrays, dict]:
        model = projector(spec.vae_gan).model
        with networks.lend(spec.classifier) as network, networks.lend(spec.reference) as reference:
            attacked = _attacked(spec, network, reference, test, batch_size, progress)
        x_adv = attacked.pop("x_adv")
        for name, z in PROJECTIONS.items():
            project = manifold.Projector(model, z=z, seed=spec.seed)
            attacked[name] = manifold.distances(project, x_adv, batch_size=batch_size)
        return attacked, {}

    inputs = dataset.train.fingerprint.key, test.fingerprint.key
    return Distances(**store.fetch(spec, make, *inputs, made_with=device.describe()))


PROJECTIONS: dict[str, manifold.Z] = {"sampled": "sample", "mean": "mean"}


def _attacked(
    spec: DistanceSpec,
    network: Network,
    reference: Network,
    test: Split,
    batch_size: int,
    progress: Progress | None,
) -> Arrays:
    """Adversarial images, and what `Distances` holds of them besides the distances."""
    clean = attacks.predict(reference, test.x, batch_size=batch_size)
    x_adv, labels = test.x, clean.argmax(axis=-1)
    changed = own_changed = saturated = np.zeros(len(test.x), bool)
    if spec.attack is not None:
        found = attacks.attack_dataset(network, test.x, test.y, spec.attack, batch_size=batch_size, progress=progress)
        x_adv, own_changed = found.x_adv, manifold.changed(found.clean_logits, found.logits)
        labels, saturated = found.logits.argmax(axis=-1), found.saturated
        changed = own_changed
        if spec.classifier != spec.reference:
            changed = manifold.changed(clean, attacks.predict(reference, x_adv, batch_size=batch_size))
    return {
        "x_adv": x_adv,
        "changed": changed,
        "own_changed": own_changed,
        "saturated": saturated,
        "shown": x_adv[:SHOWN],
        "labels": labels[:SHOWN].astype(np.int32),
    }
