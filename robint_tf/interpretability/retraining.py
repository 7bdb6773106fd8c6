"""Remove and retrain, keep and retrain: cells of the grid of sections 3.2 and 3.3 (notebook 3.4).

A cell is one training: which network is explained, by which attribution, how many of its pixels are removed or kept,
and the seed of the new network. Its result is one number. Occluded images are made when a cell needs them and never
stored.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from robint_tf.attacks import evaluation
from robint_tf.catalogue import NETWORK_FREE
from robint_tf.data.datasets import Dataset, Split
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions, controls, occlusion
from robint_tf.interpretability.controls import Controls, Maps
from robint_tf.networks import classifiers
from robint_tf.networks.classifiers import Network
from robint_tf.recipes import Networks
from robint_tf.runtime import device
from robint_tf.runtime.batching import Progress
from robint_tf.runtime.seeds import derive_seed
from robint_tf.specs import OCCLUSIONS, RANDOM, ClassifierSpec, ControlSpec, Occlusion, RetrainSpec
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.store.folders import Arrays
from robint_tf.training.classifier import fit_classifier
from robint_tf.training.state import Position

TRAIN, TEST = 0, 1
EXAMINED = 500  # test images on which a user's network is tried


@dataclass(frozen=True, eq=False)
class Ranked:
    """Order of importance of the pixels of training and test images, and the shape of the test images' maps.

    train, test: `occlusion.ranks`, (N, H, W) uint16.
    """

    train: np.ndarray
    test: np.ndarray
    shape: controls.Shape


class Occluder:
    """Training and test images with the pixels replaced that a cell names.

    Keeps the ranks of one attribution of one network (2 bytes a pixel) and the occluded images of one cell, so it is
    best to ask for cells by network, attribution, occlusion, fraction and then seed. Ranks are recomputed after an
    interruption: maps of 60,000 images cost less than one retraining on 50,000.
    """

    def __init__(
        self,
        networks: Networks,
        *,
        own: Network | None = None,
        given: Mapping[str, tuple[np.ndarray, ...]] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """networks: lends the explained networks, and has the data; own: a user's, for cells whose source is saved.

        given: by attribution, maps (N, H, W) of all training and test images that need not be computed. progress:
        called with how many images are explained, and how many there are.
        """
        self.networks, self.own, self.given, self.progress = networks, own, given or {}, progress
        self.dataset = networks.dataset
        if own is not None:  # warns of one that only guesses, as a network does that takes images in another range
            some = self.dataset.test.take(min(EXAMINED, len(self.dataset.test.y)))
            evaluation.accuracy(own, some.x, some.y)
        self.own_sha256 = "" if own is None else classifiers.fingerprint(own, lasting=False)
        self._ranked: tuple[object, Ranked] | None = None
        self._occluded: tuple[object, tuple[Split, Split]] | None = None

    def splits(self, spec: RetrainSpec) -> tuple[Split, Split]:
        """Occluded training and test images of the cell `spec`. `ValueError` for a saved network other than `own`."""
        key = replace(spec, training=replace(spec.training, seed=0))
        if self._occluded is None or self._occluded[0] != key:
            self._occluded = None  # one copy of the data at a time
            self._occluded = key, self._occlude(spec)
        return self._occluded[1]

    def _occlude(self, spec: RetrainSpec) -> tuple[Split, Split]:
        train, test = self.dataset.train.take(spec.n_train), self.dataset.test.take(spec.n_test)
        masked = []
        for part, split, fill in zip((TRAIN, TEST), (train, test), self.fills(spec.n_train, spec.variant), strict=True):
            if spec.attribution == RANDOM:
                x = occlusion.replace(split.x, _random_mask(spec, part, split, spec.fraction, spec.occlusion), fill)
            else:
                ranked = self.ranked(spec)
                ranks = ranked.train if part == TRAIN else ranked.test
                x = occlusion.occlude(split.x, ranks, spec.fraction, fill, spec.occlusion)
            masked.append(Split(x, split.y))
        return masked[TRAIN], masked[TEST]

    def masks(self, spec: ControlSpec, fraction: float) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of training and test images that a cell of `spec` removes, (N, H, W) bool each.

        fraction: of the pixels, in [0, 1].
        """
        splits = self.dataset.train.take(spec.n_train), self.dataset.test.take(spec.n_test)
        if spec.attribution == RANDOM:
            train, test = (_random_mask(spec, i, split, fraction, "remove") for i, split in enumerate(splits))
            return train, test
        ranked = self.ranked(spec)
        return occlusion.occlusion_mask(ranked.train, fraction), occlusion.occlusion_mask(ranked.test, fraction)

    def fills(self, n_train: int | None, variant: str) -> occlusion.Fill:
        """What replaced pixels become in this variant, a colour of the first `n_train` training images.

        Some attributions compare images with it.
        """
        return occlusion.fill_values(occlusion.channel_mean(self.dataset.train.take(n_train).x), variant=variant)

    def ranked(self, spec: RetrainSpec | ControlSpec) -> Ranked:
        """What the maps that `spec` names say, made once for all recipes of one attribution of one network."""
        key = (spec.source, spec.attribution, spec.n_train, spec.n_test, spec.mask_seed, spec.variant)
        if self._ranked is None or self._ranked[0] != key:
            splits = self.dataset.train.take(spec.n_train), self.dataset.test.take(spec.n_test)
            ranks = []
            for part, maps in enumerate(self._maps(spec, splits)):
                ranks.append(occlusion.ranks(maps, seed=derive_seed(spec.mask_seed, part), variant=spec.variant))
            self._ranked = key, Ranked(ranks[TRAIN], ranks[TEST], controls.shape_of(maps))
        return self._ranked[1]

    def _maps(self, spec: RetrainSpec | ControlSpec, splits: tuple[Split, Split]) -> Iterator[Maps]:
        """Maps of training and of test images."""
        if spec.attribution in self.given:
            yield from (maps[: len(split.y)] for maps, split in zip(self.given[spec.attribution], splits, strict=True))
        elif spec.source is None:
            yield from (NETWORK_FREE[spec.attribution](split.x) for split in splits)
        else:
            with self._explained(spec) as network:
                for split, fill in zip(splits, self.fills(spec.n_train, spec.variant), strict=True):
                    yield attributions.attribute(
                        network, split.x, spec.attribution, variant=spec.variant, baseline=fill, progress=self.progress
                    )

    def _explained(self, spec: RetrainSpec | ControlSpec) -> AbstractContextManager[Network]:
        if isinstance(spec.source, ClassifierSpec):
            return self.networks.lend(spec.source)
        assert spec.source is not None
        if self.own is None or self.own_sha256 != spec.source.sha256:
            raise InputError(
                f"the recipe names the network {spec.source.sha256[:12]!r}, the occluder has {self.own_sha256[:12]!r}; "
                "give it the network as own=, and SavedNetwork the network's `classifiers.fingerprint`."
            )
        return nullcontext(self.own)


def _random_mask(
    spec: RetrainSpec | ControlSpec, part: int, split: Split, fraction: float, kind: Occlusion
) -> np.ndarray:
    """The mask of the random baseline, (N, H, W) bool."""
    seed = derive_seed(spec.mask_seed, part, OCCLUSIONS.index(kind), round(1e6 * fraction))
    return occlusion.random_mask(split.x.shape[:3], fraction, kind, seed=seed, variant=spec.variant)


def cell_inputs(spec: RetrainSpec | ControlSpec, dataset: Dataset) -> tuple[str, str]:
    """Names of the parts of `dataset` that `spec` is made from, a cell or controls; both name it in the store."""
    return dataset.train.take(spec.n_train).fingerprint.key, dataset.test.take(spec.n_test).fingerprint.key


def retrained_accuracy(
    spec: RetrainSpec,
    occluder: Occluder,
    *,
    network: Network | None = None,
    progress: Callable[[Position], None] | None = None,
) -> float:
    """Test accuracy after training on occluded images, in [0, 1]; trained only if the store lacks the cell.

    spec: the cell; progress: called with how far its training is; occluder: knows the data, the explained network and
    the store. network: one of the spec's architecture to train in place of a new one, which spares the trace, and
    memory (see `recipes.classifier`); `ValueError` if it is another. An interrupted training leaves a checkpoint and
    continues from it. The store keeps the accuracy after every epoch, too.
    """
    inputs = cell_inputs(spec, occluder.dataset)
    variant, precision = spec.variant, spec.training.precision
    if network is not None:
        classifiers.check_architecture(network, spec.architecture, variant=variant, precision=precision)

    def make(checkpoint: Checkpoint) -> tuple[Arrays, dict]:
        train, test = occluder.splits(spec)
        scratch = network
        if scratch is None:
            scratch = classifiers.build(spec.architecture, variant=variant, precision=precision)
        history = fit_classifier(
            scratch,
            train.x,
            train.y,
            spec.training,
            initialise=True,
            test=test,
            checkpoint=checkpoint,
            progress=progress,
        )
        found = evaluation.accuracy(scratch, test.x, test.y, warn=False)
        assert history.test_hits is not None  # the cell's own test images, which its key names
        arrays = {
            "accuracy": np.array(found.value),
            "test_hits": history.test_hits,
            "epoch_loss": np.array(history.loss),
            "epoch_accuracy": np.array(history.accuracy),
        }
        return arrays, {"seconds_last_stretch": round(history.seconds, 1)}

    return float(occluder.networks.store.fetch(spec, make, *inputs, made_with=device.describe())["accuracy"])


def measured_controls(spec: ControlSpec, occluder: Occluder) -> Controls:
    """What the maps and masks that `spec` names give away; measured only if the store lacks it.

    occluder: as for cells, whose maps these are; best asked beside the cells of the same attribution.
    """
    dataset = occluder.dataset

    def make(_: Checkpoint) -> tuple[Arrays, dict]:
        train, test = dataset.train.take(spec.n_train), dataset.test.take(spec.n_test)
        n_classes, small = len(dataset.class_names), train.x[0, ..., 0].size <= controls.MOST_PIXELS
        of_masks, leaks = [], []
        for fraction in spec.fractions:
            seen, unseen = occluder.masks(spec, fraction)
            of_masks.append(_mean(controls.by_parts(controls.moran, unseen)))
            if small:
                leaks.append(controls.leakage(seen, train.y, unseen, test.y, n_classes=n_classes))
        shape = {"moran": np.nan, "gini": np.nan}
        if spec.attribution != RANDOM:
            maps = occluder.ranked(spec).shape
            shape = {"moran": _mean(maps.moran), "gini": _mean(maps.gini)}
        found = shape | {"mask_moran": of_masks, "leakage": leaks}
        return {name: np.array(value) for name, value in found.items()}, {}

    inputs = cell_inputs(spec, dataset)
    found = occluder.networks.store.fetch(spec, make, *inputs, made_with=device.describe())
    moran, gini = (_number(float(found[name])) for name in ("moran", "gini"))
    of_masks = tuple(map(_number, found["mask_moran"].tolist()))
    return Controls(moran, gini, of_masks, tuple(found["leakage"].tolist()))


def _mean(values: np.ndarray) -> float:
    """Over the images that have one; NaN where none has."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")


def _number(value: float) -> float | None:
    """A number, and None for NaN."""
    return None if np.isnan(value) else value
