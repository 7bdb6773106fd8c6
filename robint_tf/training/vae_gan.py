"""Training a VAE-GAN as the authors do (their `trainers.py`): batches in file order, interruptible and resumable."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from robint_tf.errors import DivergedError, InputError
from robint_tf.networks import inputs
from robint_tf.networks.vae_gan import PARTS, VAEGAN
from robint_tf.runtime import device
from robint_tf.runtime.interrupts import Interrupted, held_back
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.store.folders import Arrays


@dataclass(frozen=True)
class VAEGANPosition:
    """How far a training is, for progress displays. losses: means over this epoch so far, by part."""

    epoch: int  # from 1
    epochs: int
    batch: int  # batches done in this epoch
    batches: int
    losses: dict[str, float]
    seconds_left: float | None  # unknown until the second batch: the first one pays for compiling


@dataclass(frozen=True)
class VAEGANHistory:
    """Mean losses of each epoch, by part: encoder, decoder, and the discriminator's last run of every step."""

    losses: dict[str, list[float]]
    seconds: float  # of the last uninterrupted stretch


def n_batches(n: int, batch_size: int) -> int:
    """Batches in an epoch over n images: round(n / batch_size) as in the authors' code, but at least one."""
    return max(1, round(n / batch_size))


def fit_vae_gan(
    model: VAEGAN,
    x: np.ndarray,
    *,
    epochs: int,
    batch_size: int = 100,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[VAEGANPosition], None] | None = None,
) -> VAEGANHistory:
    """Train a compiled VAE-GAN, in place, from the weights it has.

    x: (N, H, W, C) float32 in [-1, 1]. With a checkpoint the state is kept about once a minute and at an interruption
    (`Interrupted` is raised after saving), and a training that finds a state continues from it; the weights then equal
    those of an uninterrupted training. `ValueError` for images that `inputs.check_pixels` refuses, `DivergedError` if
    a loss is not finite.
    """
    if not len(x):
        raise InputError("there are no images to train on.")
    inputs.check_pixels(x)
    batches = n_batches(len(x), batch_size)
    total = epochs * batches
    optimizers = [getattr(model, f"{part}_optimizer") for part in PARTS]
    variables = [
        v for owner in (model.encoder, model.decoder, model.discriminator, *optimizers) for v in owner.variables
    ]
    position, history, current = 0, np.zeros((0, len(PARTS))), np.zeros((0, len(PARTS)), np.float32)
    if checkpoint is not None and (saved := checkpoint.load()) is not None:
        for i, variable in enumerate(variables):
            variable.assign(saved[f"v{i}"])
        position, history, current = int(saved["position"]), saved["history"], saved["current"]

    images = tf.TensorSpec([None, *x.shape[1:]], tf.float32)

    @tf.function(input_signature=[images], jit_compile=device.jit_compile(), autograph=False)
    def step(batch: tf.Tensor) -> tf.Tensor:
        return model.descend(batch)

    def state() -> Arrays:
        values = {f"v{i}": np.asarray(v) for i, v in enumerate(variables)}
        return values | {"position": np.array(position), "history": history, "current": current}

    began = warm = time.monotonic()
    warm_position: int | None = None
    with held_back() as pending:
        while position < total:
            epoch, i = divmod(position, batches)
            losses = step(tf.constant(x[i * batch_size : (i + 1) * batch_size])).numpy()
            if not np.isfinite(losses).all():
                raise DivergedError(f"the VAE-GAN's losses are {losses} in epoch {epoch + 1}, batch {i + 1}.")
            position += 1
            current = np.concatenate([current, losses[None]])
            means = current.mean(axis=0, dtype=np.float64)
            if i + 1 == batches:
                history, current = np.concatenate([history, means[None]]), current[:0]
            now = time.monotonic()
            left = None
            if warm_position is None:
                warm, warm_position = now, position
            else:
                left = (now - warm) / (position - warm_position) * (total - position)
            if progress is not None:
                by_part = dict(zip(PARTS, map(float, means), strict=True))
                progress(VAEGANPosition(epoch + 1, epochs, i + 1, batches, by_part, left))
            if checkpoint is not None and (pending.signum is not None or checkpoint.due()):
                checkpoint.save(position, state())
            if pending.signum is not None:
                raise Interrupted(pending.signum)
    by_part_history = {part: history[:, i].tolist() for i, part in enumerate(PARTS)}
    return VAEGANHistory(by_part_history, time.monotonic() - began)
