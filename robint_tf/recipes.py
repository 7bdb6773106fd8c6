"""From a spec and a store to a network or numbers. This module alone knows both."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robint_tf import classifiers, device
from robint_tf.artifacts import Arrays, Store
from robint_tf.classifiers import Network
from robint_tf.data import Dataset
from robint_tf.specs import ClassifierSpec
from robint_tf.training import Position, fit_classifier


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
