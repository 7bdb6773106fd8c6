"""How far a training is, and all that a checkpoint must hold to continue it."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from robint_tf.attacks.pgd import predict
from robint_tf.data.datasets import Split
from robint_tf.networks.classifiers import Network
from robint_tf.specs import Training
from robint_tf.store.folders import Arrays

TEST_BLOCK = 1000
"""Test images counted together: some sets are known to be the published ones in their first thousand only."""


@dataclass(frozen=True)
class Position:
    """How far a training is, for progress displays. loss and accuracy: means over this epoch so far, as trained on."""

    epoch: int  # from 1
    epochs: int
    batch: int  # batches done in this epoch
    batches: int
    loss: float
    accuracy: float
    seconds_left: float | None  # unknown until the second stretch: the first one pays for compiling


def count_hits(network: Network, test: Split) -> np.ndarray:
    """Right answers of a network in every block of TEST_BLOCK test images, (blocks,) int64."""
    right = predict(network, test.x).argmax(axis=-1) == test.y
    return np.add.reduceat(right.astype(np.int64), np.arange(0, len(right), TEST_BLOCK))


class State:
    """What a training has reached: all that a checkpoint must hold."""

    def __init__(self, variables: list[keras.Variable], test: Split | None) -> None:
        self.variables = variables
        self.test = test
        self.position = 0  # batches done since the beginning
        self.epoch_loss: list[float] = []
        self.epoch_accuracy: list[float] = []
        self.test_hits: list[np.ndarray] = []  # by epoch
        self.losses = np.zeros(0, np.float32)  # of the batches of the current epoch
        self.accuracies = np.zeros(0, np.float32)

    @classmethod
    def fresh(cls, network: Network, optimizer: keras.Optimizer, training: Training, test: Split | None) -> "State":
        for variable in optimizer.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))
        optimizer.learning_rate.assign(training.learning_rate)
        return cls([*network.variables, *optimizer.variables], test)

    def hits(self) -> np.ndarray:
        """Right answers, (epochs, blocks) int64."""
        assert self.test is not None
        return np.array(self.test_hits, np.int64).reshape(len(self.test_hits), -(-len(self.test.y) // TEST_BLOCK))

    def advance(self, losses: np.ndarray, accuracies: np.ndarray, *, epoch_ends: bool) -> None:
        self.position += len(losses)
        self.losses = np.concatenate([self.losses, losses])
        self.accuracies = np.concatenate([self.accuracies, accuracies])
        if epoch_ends:
            self.epoch_loss.append(float(self.losses.mean(dtype=np.float64)))
            self.epoch_accuracy.append(float(self.accuracies.mean(dtype=np.float64)))
            self.losses = self.accuracies = np.zeros(0, np.float32)

    def describe(self, epoch: int, epochs: int, batch: int, batches: int, seconds_left: float | None) -> Position:
        if batch == batches:
            loss, accuracy = self.epoch_loss[-1], self.epoch_accuracy[-1]
        else:
            loss, accuracy = float(self.losses.mean()), float(self.accuracies.mean())
        return Position(epoch + 1, epochs, batch, batches, loss, accuracy, seconds_left)

    def arrays(self) -> Arrays:
        values = {f"v{i}": np.asarray(v) for i, v in enumerate(self.variables)}
        return values | {
            "position": np.array(self.position),
            "epoch_loss": np.array(self.epoch_loss),
            "epoch_accuracy": np.array(self.epoch_accuracy),
            "test_hits": np.zeros(0, np.int64) if self.test is None else self.hits(),
            "test_key": np.array("" if self.test is None else self.test.fingerprint.key),
            "losses": self.losses,
            "accuracies": self.accuracies,
        }

    def restore(self, saved: Arrays) -> None:
        for i, variable in enumerate(self.variables):
            variable.assign(saved[f"v{i}"])
        self.position = int(saved["position"])
        self.epoch_loss, self.epoch_accuracy = saved["epoch_loss"].tolist(), saved["epoch_accuracy"].tolist()
        if self.test is not None and self.test.fingerprint.key != str(saved["test_key"]):
            self.test = None  # the epochs before were counted on other images
        self.test_hits = list(saved["test_hits"])
        self.losses, self.accuracies = saved["losses"], saved["accuracies"]
