"""Training classifiers, on clean or on adversarial images only (appendix B; the authors' `trainers.py`), or by TRADES.

`fit_classifier` runs many batches in one compiled loop, because that is faster than `Model.fit` (`benchmarks/suite.py`
measures it); `training.adversarial` holds the same step for `Model.fit`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.attacks.pgd import NUMBERS, Kind, Numbers, check_registered, perturbed
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.networks import classifiers, inputs
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import for_training
from robint_tf.networks.optimizers import adam
from robint_tf.runtime.batching import batch_signature, per_network
from robint_tf.specs import PGD, Training, check_trades
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import loop
from robint_tf.training import trades as trades_step
from robint_tf.training.state import Counted, Position

RECORDS = ("accuracy", "loss")  # of every batch, as trained on


@dataclass(frozen=True)
class History:
    """Mean loss and accuracy of each epoch on the images trained on (adversarial ones where there is an attack).

    seconds: of the last uninterrupted stretch. test_hits: right answers after each epoch among the test images,
    (epochs, blocks) int64, by blocks of TEST_BLOCK images, the last of which may be smaller; None where no test images
    were given.
    """

    loss: list[float]
    accuracy: list[float]
    seconds: float
    test_hits: np.ndarray | None = None


def fit_classifier(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    training: Training,
    attack: PGD | None = None,
    *,
    trades: float | None = None,
    initialise: bool | None = None,
    test: Split | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Position], None] | None = None,
    log_dir: Path | None = None,
) -> History:
    """Train a network in place. Returns how loss and accuracy went.

    x: (N, ...) float32 in [-1, 1]; y: integer labels (N,) or (N, 1); NumPy or TensorFlow. training: how; attack: the
    adversary, None for standard training. progress: called about twice a second with how far it is. `ValueError` for
    images, labels and networks that `inputs` refuses. trades: beta of TRADES, see `training.trades`; the loss of a
    batch is then that of TRADES, its accuracy the one on adversarial images. Regularisers of weights add to the loss;
    networks with other losses of their own are refused. The last batch of an epoch may be smaller.
    initialise: True begins from the initial weights that belong to `training.seed`, whatever the network holds; False
    goes on from its own weights, with a new optimiser. It may be left out for a network as `classifiers.build` made it,
    which begins from those of the seed; for any other, `ValueError`, since weights would be lost or kept unasked.
    test: images and labels on which right answers are counted after every epoch. log_dir: folder for TensorBoard.

    With a checkpoint the state is kept about once a minute and at an interruption (`Interrupted` is raised after
    saving), and a training that finds a state continues from it; the weights then equal those of an uninterrupted
    training. Everything random derives from (seed, batch number). `DivergedError` if the loss is not finite.
    """
    x, y = inputs.images(x), inputs.labels(y)
    inputs.check_images(network, x, y)
    if test is not None:
        inputs.check_images(network, inputs.images(test.x), inputs.labels(test.y))
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
    _refuse_losses(network)
    check_trades(trades, attack)
    if training.batch_size < len(y) and not training.shuffle:
        inputs.warn_of_sorted_labels(y)
    if attack is not None:
        check_registered(attack.norm, attack.loss)
        inputs.check_differentiable(network, x)
        inputs.warn_of_short_steps(attack)
    stretch, optimizer = _compiled(network, x.shape[1:], attack, trades is not None)
    for variable in optimizer.variables:  # of the training before
        variable.assign(tf.zeros(variable.shape, variable.dtype))
    optimizer.learning_rate.assign(training.learning_rate)
    data = tf.constant(x), tf.constant(y, tf.int32)
    numbers = () if attack is None else tuple(Numbers.of(attack))
    if trades is not None:
        numbers += (tf.constant(trades, tf.float32),)
    n_batches = -(-len(x) // training.batch_size)

    def run(epoch: int, lo: int, hi: int) -> np.ndarray:
        order = _order(len(x), training, epoch)
        return stretch(data, order, lo, hi, training.batch_size, epoch * n_batches, numbers).numpy()

    began = time.monotonic()
    state = loop.train(
        run,
        RECORDS,
        [*network.variables, *optimizer.variables],
        epochs=training.epochs,
        batches=n_batches,
        last=(len(x) - (n_batches - 1) * training.batch_size) / training.batch_size if n_batches > 1 else 1.0,
        counted=None if test is None else Counted(network, test),
        checkpoint=checkpoint,
        progress=progress,
        log_dir=log_dir,
    )
    return History(state.means("loss"), state.means("accuracy"), time.monotonic() - began, state.hits())


def _refuse_losses(network: Network) -> None:
    """`ValueError` for a network with losses other than those of `_penalties`, which the step would leave out."""
    active = any(getattr(layer, "activity_regularizer", None) is not None for layer in network._flatten_layers())
    if active or len(network.losses) > len(_penalties(network.trainable_variables)):
        raise InputError(
            f"the network {network.name!r} has losses of its own (of activities, or by add_loss), which this training "
            "leaves out; remove them, or train it by Model.fit of AdversarialClassifier."
        )


def _penalties(variables: list[keras.Variable]) -> list[tf.Tensor]:
    """The losses of the regularisers of weights, scalars, float32 as the loss."""
    return [tf.cast(v.regularizer(v), tf.float32) for v in variables if v.regularizer is not None]


def _order(n: int, training: Training, epoch: int) -> tf.Tensor:
    """The order in which an epoch visits the examples."""
    order = np.arange(n, dtype=np.int32)
    if training.shuffle:
        np.random.default_rng([training.seed, epoch]).shuffle(order)
    return tf.constant(order)


def _compiled(
    network: Network, x_shape: tuple[int, ...], attack: PGD | None, trades: bool = False
) -> tuple[Callable, keras.Optimizer]:
    """The compiled step of a network and its optimiser, kept so that a second training of the kind pays no trace."""
    kind = None if attack is None else Kind.of(attack)

    def make(net: Network) -> tuple[Callable, keras.Optimizer]:
        optimizer = adam()
        optimizer.build(net.trainable_variables)
        numbers = () if kind is None else tuple(NUMBERS)
        if trades:
            numbers += (tf.TensorSpec([], tf.float32),)
        assert kind is not None or not trades
        step = _trades_step(net, optimizer, kind) if trades and kind else _step(net, optimizer, kind)
        return loop.compiled(step, len(RECORDS), batch_signature(x_shape), numbers), optimizer

    return per_network(network, ("training", x_shape, kind, trades), make)


def _trades_step(network: Network, optimizer: keras.Optimizer, kind: Kind) -> Callable[..., tf.Tensor]:
    """Descend the loss of TRADES of a batch; right answers are counted on the adversarial images."""
    variables = network.trainable_variables

    def step(x: tf.Tensor, y: tf.Tensor, batch: tf.Tensor, *numbers: tf.Tensor) -> tf.Tensor:
        *of_attack, beta = numbers
        x_adv = trades_step.perturbed(network, x, y, kind, Numbers(*of_attack), batch)
        forward = for_training(network)
        with tf.GradientTape() as tape:
            clean, attacked = (tf.cast(forward(images), tf.float32) for images in (x, x_adv))
            loss = sum(_penalties(variables), tf.reduce_mean(trades_step.loss(clean, attacked, y, beta)))
        optimizer.apply(tape.gradient(loss, variables), variables)
        hits = tf.equal(tf.argmax(attacked, axis=-1, output_type=tf.int32), y)
        return tf.stack([tf.reduce_mean(tf.cast(hits, tf.float32)), loss])

    return step


def _step(network: Network, optimizer: keras.Optimizer, kind: Kind | None) -> Callable[..., tf.Tensor]:
    """Descend the cross-entropy of a batch, or of adversarial images made from it by the attack of a kind."""
    variables = network.trainable_variables

    def step(x: tf.Tensor, y: tf.Tensor, batch: tf.Tensor, *numbers: tf.Tensor) -> tf.Tensor:
        if kind is not None:
            x = perturbed(network, x, y, kind, Numbers(*numbers), batch)
        forward = for_training(network)
        with tf.GradientTape() as tape:
            logits = tf.cast(forward(x), tf.float32)
            loss = sum(_penalties(variables), tf.reduce_mean(xent(logits, y)))
        optimizer.apply(tape.gradient(loss, variables), variables)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), y)
        return tf.stack([tf.reduce_mean(tf.cast(hits, tf.float32)), loss])

    return step
