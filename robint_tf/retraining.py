"""Remove and retrain, keep and retrain: cells of the grid of sections 3.2 and 3.3 (notebook 3.4).

A cell is one training: which network is explained, by which attribution, how many of its pixels are removed or kept,
and the seed of the new network. Its result is one number. Occluded images are made when a cell needs them and never
stored.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from robint_tf import attributions, classifiers, device, evaluation, occlusion
from robint_tf.artifacts import Arrays, Store
from robint_tf.attacks import Progress
from robint_tf.classifiers import Network
from robint_tf.data import Dataset, Split
from robint_tf.layers import derive_seed
from robint_tf.specs import OCCLUSIONS, RetrainSpec
from robint_tf.training import Position, fit_classifier

TRAIN, TEST = 0, 1


class Occluder:
    """Training and test images with the pixels replaced that a cell names.

    Keeps the ranks of one attribution of one network (2 bytes a pixel) and the occluded images of one cell, so it is
    best to ask for cells by network, attribution, occlusion, fraction and then seed. Ranks are recomputed after an
    interruption: maps of 60,000 images cost less than one retraining on 50,000.
    """

    def __init__(self, dataset: Dataset, *, progress: Progress | None = None) -> None:
        self.dataset, self.progress = dataset, progress
        self._ranked: tuple[object, tuple[np.ndarray, np.ndarray]] | None = None
        self._occluded: tuple[object, tuple[Split, Split]] | None = None

    def splits(self, spec: RetrainSpec, network: Callable[[], Network] | None) -> tuple[Split, Split]:
        """Occluded training and test images of a cell; network: gives the explained one, None for the baseline."""
        key = replace(spec, training=replace(spec.training, seed=0))
        if self._occluded is None or self._occluded[0] != key:
            self._occluded = None  # one copy of the data at a time
            self._occluded = key, self._occlude(spec, network)
        return self._occluded[1]

    def _occlude(self, spec: RetrainSpec, network: Callable[[], Network] | None) -> tuple[Split, Split]:
        train, test = self.dataset.train.take(spec.n_train), self.dataset.test.take(spec.n_test)
        fills = occlusion.fill_values(occlusion.channel_mean(train.x), variant=spec.variant)
        masked = []
        for part, split, fill in ((TRAIN, train, fills.train), (TEST, test, fills.test)):
            if spec.source is None:
                seed = derive_seed(spec.mask_seed, part, OCCLUSIONS.index(spec.occlusion), round(1e6 * spec.fraction))
                shape = (len(split.y), split.x.shape[1], split.x.shape[2])
                mask = occlusion.random_mask(shape, spec.fraction, spec.occlusion, seed=seed, variant=spec.variant)
                x = occlusion.replace(split.x, mask, fill)
            else:
                assert network is not None
                x = occlusion.occlude(split.x, self._ranks(spec, network)[part], spec.fraction, fill, spec.occlusion)
            masked.append(Split(x, split.y))
        return masked[TRAIN], masked[TEST]

    def _ranks(self, spec: RetrainSpec, network: Callable[[], Network]) -> tuple[np.ndarray, np.ndarray]:
        """Order of importance of the pixels of training and test images."""
        key = (spec.source, spec.attribution, spec.n_train, spec.n_test, spec.mask_seed, spec.variant)
        if self._ranked is None or self._ranked[0] != key:
            explained = network()
            splits = self.dataset.train.take(spec.n_train), self.dataset.test.take(spec.n_test)
            train, test = (
                occlusion.ranks(
                    attributions.attribute(
                        explained, split.x, spec.attribution, variant=spec.variant, progress=self.progress
                    ),
                    seed=derive_seed(spec.mask_seed, part),
                    variant=spec.variant,
                )
                for part, split in enumerate(splits)
            )
            self._ranked = key, (train, test)
        return self._ranked[1]


def cell_inputs(spec: RetrainSpec, dataset: Dataset) -> tuple[str, str]:
    """Fingerprints of the data that a cell is made from; with the spec they name it in the store."""
    return dataset.train.take(spec.n_train).fingerprint.sha256, dataset.test.take(spec.n_test).fingerprint.sha256


def retrained_accuracy(
    spec: RetrainSpec,
    dataset: Dataset,
    store: Store,
    occluder: Occluder,
    source: Callable[[], Network] | None,
    *,
    network: Network | None = None,
    progress: Callable[[Position], None] | None = None,
) -> float:
    """Test accuracy after training on occluded images, in [0, 1]; trained only if the store lacks the cell.

    source: gives the explained network when it is needed, None for the random baseline. network: one to train in place
    of a new one, which spares the trace. An interrupted training leaves a checkpoint and continues from it.
    """
    inputs = cell_inputs(spec, dataset)

    def build() -> tuple[Arrays, dict]:
        train, test = occluder.splits(spec, source)
        scratch = network
        if scratch is None:
            architecture = classifiers.architecture_for(train.x.shape[1:])
            scratch = classifiers.build(architecture, variant=spec.variant, precision=spec.training.precision)
        history = fit_classifier(
            scratch, train.x, train.y, spec.training, checkpoint=store.checkpoint(spec, *inputs), progress=progress
        )
        found = evaluation.accuracy(scratch, test.x, test.y)
        arrays = {
            "accuracy": np.array(found.value),
            "epoch_loss": np.array(history.loss),
            "epoch_accuracy": np.array(history.accuracy),
        }
        return arrays, {"made_with": device.describe(), "seconds_last_stretch": round(history.seconds, 1)}

    return float(store.fetch(spec, build, *inputs)["accuracy"])
