"""How far a training is, and all that a checkpoint must hold to continue it."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from robint_tf.attacks.pgd import predict
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.networks.classifiers import Network
from robint_tf.store.folders import Arrays

TEST_BLOCK = 1000
"""Test images counted together: some sets are known to be the published ones in their first thousand only."""


@dataclass(frozen=True)
class Position:
    """How far a training is, for progress displays.

    epoch: from 1, of epochs; batch: batches done in this epoch, of batches. means: over this epoch so far, as trained
    on: accuracy and loss, or the losses of a VAE-GAN's parts. seconds_left: None, that is unknown, until the second
    stretch: the first one pays for compiling.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    means: dict[str, float]
    seconds_left: float | None


@dataclass(frozen=True, eq=False)
class Counted:
    """A network and the test images on which its right answers are counted after every epoch."""

    network: Network
    test: Split

    @property
    def blocks(self) -> int:
        """How many blocks of TEST_BLOCK images there are, the last of which may be smaller."""
        return -(-len(self.test.y) // TEST_BLOCK)

    def hits(self) -> np.ndarray:
        """Right answers in every block, (blocks,) int64. `inputs.NotFiniteError` for logits that are not finite."""
        right = predict(self.network, self.test.x).argmax(axis=-1) == self.test.y
        return np.add.reduceat(right.astype(np.int64), np.arange(0, len(right), TEST_BLOCK))


class State:
    """What a training has reached: all that a checkpoint must hold."""

    def __init__(
        self, names: tuple[str, ...], variables: list[keras.Variable], counted: Counted | None, last: float = 1.0
    ) -> None:
        """names: of what is recorded of every batch; variables: all that a step changes.

        counted: test images, None where none are; last: the size of an epoch's last batch, as a share of the others'.
        """
        self._last = last
        self.names, self.variables, self.counted = names, variables, counted
        self.position = 0  # batches done since the beginning
        self.epochs = np.zeros((0, len(names)))  # means over each epoch that is done
        self.batches = np.zeros((0, len(names)), np.float32)  # records of the current one
        self.test_hits: list[np.ndarray] = []  # by epoch

    def advance(self, records: np.ndarray, *, epoch_ends: bool) -> dict[str, float]:
        """Take in the records of the next batches, (batches, names). Returns the means over the epoch so far, by name.

        epoch_ends: whether the last of these batches is the last of its epoch.
        """
        self.position += len(records)
        self.batches = np.concatenate([self.batches, records])
        means = self.batches.mean(axis=0, dtype=np.float64)
        if epoch_ends and self._last != 1:  # a mean over examples, not over batches
            weights = np.ones(len(self.batches))
            weights[-1] = self._last
            means = np.average(self.batches.astype(np.float64), axis=0, weights=weights)
        if epoch_ends:
            self.epochs, self.batches = np.concatenate([self.epochs, means[None]]), self.batches[:0]
        return dict(zip(self.names, means.tolist(), strict=True))

    def means(self, name: str) -> list[float]:
        """The mean over each epoch that is done of what `name` names."""
        return self.epochs[:, self.names.index(name)].tolist()

    def hits(self) -> np.ndarray | None:
        """Right answers after each epoch, (epochs, blocks) int64, where they are counted."""
        if self.counted is None:
            return None
        return np.array(self.test_hits, np.int64).reshape(len(self.test_hits), self.counted.blocks)

    def arrays(self) -> Arrays:
        """What `restore` takes, arrays by name."""
        hits = self.hits()
        return {f"v{i}": np.asarray(v) for i, v in enumerate(self.variables)} | {
            "position": np.array(self.position),
            "epochs": self.epochs,
            "batches": self.batches,
            "test_hits": np.zeros(0, np.int64) if hits is None else hits,
            "test_key": np.array("" if self.counted is None else self.counted.test.fingerprint.key),
        }

    def restore(self, saved: Arrays, folder: Path) -> None:
        """Go on from `arrays` saved in `folder`. `ValueError` for those of another version of the package."""
        if saved.keys() != self.arrays().keys():
            raise InputError(
                f"the unfinished training in {folder} is of another version of robint_tf; finish it with that version, "
                "or remove the folder to start again."
            )
        for i, variable in enumerate(self.variables):
            variable.assign(saved[f"v{i}"])
        self.position = int(saved["position"])
        self.epochs, self.batches = saved["epochs"], saved["batches"]
        if self.counted is not None and self.counted.test.fingerprint.key != str(saved["test_key"]):
            self.counted = None  # the epochs before were counted on other images
        self.test_hits = list(saved["test_hits"])
