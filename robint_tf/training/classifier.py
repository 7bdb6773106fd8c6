"""Training classifiers, on clean or on adversarial images only (appendix B; the authors' `trainers.py`).

`fit_classifier` runs many batches in one compiled loop over a data set that lies on the device, because that is faster
than `Model.fit` (`benchmarks/suite.py` measures it); `AdversarialClassifier` is the same step for `Model.fit`.
"""

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.attacks.pgd import ascend, check_registered, perturb
from robint_tf.catalogue import NORMS
from robint_tf.data.datasets import Split
from robint_tf.errors import DivergedError, InputError
from robint_tf.networks import classifiers, inputs
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import for_training, loop_body
from robint_tf.networks.optimizers import adam
from robint_tf.runtime import device
from robint_tf.runtime.batching import batch_signature
from robint_tf.runtime.interrupts import Interrupted, held_back
from robint_tf.specs import PGD, Training, as_dict, from_dict
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training.state import Position, State, count_hits

CHUNK_SECONDS = 0.5  # how long one call of the compiled loop should take: the reaction time to Ctrl-C


@keras.saving.register_keras_serializable("robint_tf")
class AdversarialClassifier(keras.Model):
    """A network whose `fit` trains on adversarial images only.

    >>> model = AdversarialClassifier(network, PGD(norm="l2", eps=0.4, step_size=2.0))
    >>> model.compile(adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> model.fit(x, y, batch_size=100, epochs=20, shuffle=False)
    """

    def __init__(self, network: Network, attack: PGD | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.attack = network, attack

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(x, training=training)

    def get_config(self) -> dict[str, Any]:
        network = keras.saving.serialize_keras_object(self.network)
        return super().get_config() | {"network": network, "attack": self.attack and as_dict(self.attack)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AdversarialClassifier":
        attack = config["attack"] and from_dict(config["attack"])
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**config | {"network": network, "attack": attack})

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if self.attack is not None:
            labels = tf.cast(tf.reshape(y, [-1]), tf.int32)
            x = perturb(self.network, x, labels, self.attack, batch=self.optimizer.iterations)
        return super().train_step((x, y, sample_weight))


@dataclass(frozen=True)
class History:
    """Mean loss and accuracy of each epoch on the images trained on (adversarial ones where there is an attack).

    test_hits: right answers after each epoch among the test images, (epochs, blocks) int64, by blocks of TEST_BLOCK
    images, the last of which may be smaller; None where no test images were given.
    """

    loss: list[float]
    accuracy: list[float]
    seconds: float  # of the last uninterrupted stretch
    test_hits: np.ndarray | None = None


def fit_classifier(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    training: Training,
    attack: PGD | None = None,
    *,
    initialise: bool | None = None,
    test: Split | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Position], None] | None = None,
    log_dir: Path | None = None,
) -> History:
    """Train a network in place.

    x: (N, ...) float32 in [-1, 1]; y: integer labels (N,) or (N, 1); NumPy or TensorFlow. `ValueError` for images,
    labels and networks that `inputs` refuses. The last batch of an epoch may be smaller. initialise: True begins
    from the initial weights that belong to `training.seed`, whatever the network holds; False goes on from its own
    weights, with a new optimiser. It may be left out for a network as `classifiers.build` made it, which
    begins from those of the seed; for any other, `ValueError`, since weights would be lost or kept unasked.
    test: images and labels on which right answers are counted after every epoch. log_dir: folder for TensorBoard.

    With a checkpoint the state is kept about once a minute and at an interruption (`Interrupted` is raised after
    saving), and a training that finds a state continues from it; the weights then equal those of an uninterrupted
    training. Everything random derives from (seed, batch number). `DivergedError` if the loss is not finite.
    """
    x, y = inputs.images(x), inputs.labels(y)
    inputs.check_images(network, x, y)
    if initialise is None:
        if not classifiers.is_fresh(network):
            raise InputError(
                f"the network {network.name!r} has weights of its own; say initialise=True to begin from the initial "
                "weights that belong to the seed, or initialise=False to go on from those that it has."
            )
        initialise = True
    if initialise:
        if not network.built:
            inputs.called(network, x[:1])  # which gives it its weights
        classifiers.initialise(network, training.seed)
    inputs.check_network(network, x, y)
    if attack is not None:
        check_registered(attack.norm, attack.loss)
        inputs.check_differentiable(network, x)
        inputs.warn_of_short_steps(attack)
    n_batches = -(-len(x) // training.batch_size)
    loop = _loop_of(network, x.shape[1:], attack)
    state = State.fresh(network, loop.optimizer, training, test)
    if checkpoint is not None and (saved := checkpoint.load()) is not None:
        state.restore(saved)
    writer = tf.summary.create_file_writer(str(log_dir)) if log_dir is not None else None
    data = tf.constant(x), tf.constant(y, tf.int32)
    began = warm = time.monotonic()
    total, chunk = training.epochs * n_batches, 1
    warm_position = None  # where the clock of the estimate starts: after the first call, which compiles

    with held_back() as pending:
        while state.position < total:
            epoch, lo = divmod(state.position, n_batches)
            hi = min(lo + chunk, n_batches)
            tick = time.monotonic()
            losses, accuracies = loop.run(data, _order(len(x), training, epoch), state.position, lo, hi, training)
            now = time.monotonic()
            chunk = max(1, min(2 * chunk, round((hi - lo) * CHUNK_SECONDS / max(now - tick, 1e-6))))
            if not np.isfinite(losses).all():
                bad = lo + int(np.argmin(np.isfinite(losses)))
                raise DivergedError(f"the loss is {losses[bad - lo]} in epoch {epoch + 1}, batch {bad + 1}.")
            state.advance(losses, accuracies, epoch_ends=hi == n_batches)
            if state.test is not None and hi == n_batches:
                try:
                    state.test_hits.append(count_hits(network, state.test))
                except inputs.NotFiniteError as error:
                    raise DivergedError(f"after epoch {epoch + 1}, {error}") from error
            if writer is not None and hi == n_batches:
                with writer.as_default(step=epoch + 1):
                    tf.summary.scalar("loss", state.epoch_loss[-1])
                    tf.summary.scalar("accuracy", state.epoch_accuracy[-1])
            if progress is not None:
                left = None
                if warm_position is None:
                    warm, warm_position = now, state.position
                else:
                    left = (now - warm) / (state.position - warm_position) * (total - state.position)
                progress(state.describe(epoch, training.epochs, hi, n_batches, left))
            if checkpoint is not None and (pending.signum is not None or checkpoint.due()):
                checkpoint.save(state.position, state.arrays())
            if pending.signum is not None:
                raise Interrupted(pending.signum)
    hits = None if state.test is None else state.hits()
    return History(state.epoch_loss, state.epoch_accuracy, time.monotonic() - began, hits)


def _order(n: int, training: Training, epoch: int) -> tf.Tensor:
    """The order in which an epoch visits the examples."""
    order = np.arange(n, dtype=np.int32)
    if training.shuffle:
        np.random.default_rng([training.seed, epoch]).shuffle(order)
    return tf.constant(order)


class _Loop:
    """The compiled training loop of one network against one kind of attack; all numbers enter as tensors."""

    def __init__(self, network: Network, x_shape: tuple[int, ...], attack: PGD | None) -> None:
        self.optimizer = adam()
        self.optimizer.build(network.trainable_variables)
        self.attack = attack
        self._run = _compile(network, x_shape, self.optimizer, attack)

    def run(
        self, data: tuple, order: tf.Tensor, position: int, lo: int, hi: int, training: Training
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train on batches lo to hi of an epoch; their losses and accuracies."""
        attack = self.attack or PGD(norm="l2", eps=0.0, step_size=0.0, n_steps=0)
        losses, accuracies = self._run(
            *data,
            order,
            *(tf.constant(i) for i in (lo, hi, training.batch_size, position - lo)),
            tf.constant(attack.eps),
            tf.constant(attack.step_size),
            tf.constant(attack.n_steps),
            tf.constant(attack.seed),
        )
        return losses.numpy(), accuracies.numpy()


def _compile(network: Network, x_shape: tuple[int, ...], optimizer: keras.Optimizer, attack: PGD | None) -> Callable:
    net = weakref.proxy(network)
    variables = network.trainable_variables

    images, labels = batch_signature(x_shape)
    real, whole, pair = tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)

    @loop_body(input_signature=[images, labels, real, real, whole, pair], jit_compile=device.jit_compile())
    def step(
        x: tf.Tensor, y: tf.Tensor, eps: tf.Tensor, step_size: tf.Tensor, n_steps: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if attack is not None:
            numbers = {"eps": eps, "step_size": step_size, "n_steps": n_steps}
            start = NORMS[attack.norm].start(tf.shape(x), eps, seed) if attack.random_start else None
            x, _ = ascend(net, x, y, norm=attack.norm, loss=attack.loss, start=start, **numbers)
        forward = for_training(net)
        with tf.GradientTape() as tape:
            logits = tf.cast(forward(x), tf.float32)
            loss = tf.reduce_mean(xent(logits, y))
        optimizer.apply(tape.gradient(loss, variables), variables)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), y)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    @tf.function(input_signature=[images, labels, labels, *[whole] * 4, real, real, whole, whole])
    def run(
        x: tf.Tensor,
        y: tf.Tensor,
        order: tf.Tensor,
        lo: tf.Tensor,
        hi: tf.Tensor,
        batch_size: tf.Tensor,
        first: tf.Tensor,
        eps: tf.Tensor,
        step_size: tf.Tensor,
        n_steps: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        losses = tf.TensorArray(tf.float32, hi - lo)
        accuracies = tf.TensorArray(tf.float32, hi - lo)
        for i in tf.range(lo, hi):
            chosen = order[i * batch_size : (i + 1) * batch_size]
            numbered = tf.stack([seed, first + i])
            loss, accuracy = step(tf.gather(x, chosen), tf.gather(y, chosen), eps, step_size, n_steps, numbered)
            losses = losses.write(i - lo, loss)
            accuracies = accuracies.write(i - lo, accuracy)
        return losses.stack(), accuracies.stack()

    return run


_LOOPS: "weakref.WeakKeyDictionary[Network, dict]" = weakref.WeakKeyDictionary()


def _loop_of(network: Network, x_shape: tuple[int, ...], attack: PGD | None) -> _Loop:
    """The compiled loop of a network, kept so that a second training of the same kind pays no trace."""
    key = (x_shape, None if attack is None else (attack.norm, attack.loss, attack.random_start))
    loops = _LOOPS.setdefault(network, {})
    if key not in loops:
        loops[key] = _Loop(network, x_shape, attack)
    loops[key].attack = attack
    return loops[key]
