"""Training a VAE-GAN as the authors do (their `trainers.py`): batches in file order."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from robint_tf.errors import InputError
from robint_tf.networks import inputs
from robint_tf.networks.vae_gan import PARTS, VAEGAN
from robint_tf.runtime import device
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import loop
from robint_tf.training.state import Position


@dataclass(frozen=True)
class VAEGANHistory:
    """Mean losses of each epoch, by part: encoder, decoder, and the discriminator's last run of every step.

    seconds: of the last uninterrupted stretch.
    """

    losses: dict[str, list[float]]
    seconds: float


def n_batches(n: int, batch_size: int) -> int:
    """Batches in an epoch over n images: round(n / batch_size) as in the authors' code, but at least one.

    >>> n_batches(55_000, 100), n_batches(140, 100), n_batches(3, 100)
    (550, 1, 1)
    """
    return max(1, round(n / batch_size))


def fit_vae_gan(
    model: VAEGAN,
    x: np.ndarray,
    *,
    epochs: int,
    batch_size: int = 100,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Position], None] | None = None,
    log_dir: Path | None = None,
) -> VAEGANHistory:
    """Train a model, a compiled VAE-GAN, in place, from the weights it has. Returns how its losses went.

    x: (N, H, W, C) float32 in [-1, 1]; epochs, batch_size: as of `VAEGANSpec`. progress: called about twice a second
    with how far it is. log_dir: folder for TensorBoard. With a checkpoint the state is kept about once a minute and at
    an interruption (`Interrupted` is raised after saving), and a training that finds a state continues from it; the
    weights then equal those of an uninterrupted training. `ValueError` for images that `inputs.check_pixels` refuses,
    `DivergedError` if a loss is not finite.
    """
    if not len(x):
        raise InputError("there are no images to train on.")
    inputs.check_pixels(x)
    optimizers = [getattr(model, f"{part}_optimizer") for part in PARTS]
    variables = [
        v for owner in (model.encoder, model.decoder, model.discriminator, *optimizers) for v in owner.variables
    ]

    run = (_in_blocks if device.jit_compile() else _batch_by_batch)(model, x, batch_size)
    began = time.monotonic()
    state = loop.train(
        run,
        tuple(f"{part}_loss" for part in PARTS),
        variables,
        epochs=epochs,
        batches=n_batches(len(x), batch_size),
        checkpoint=checkpoint,
        progress=progress,
        log_dir=log_dir,
    )
    return VAEGANHistory({part: state.means(f"{part}_loss") for part in PARTS}, time.monotonic() - began)


def _batch_by_batch(model: VAEGAN, x: np.ndarray, batch_size: int) -> loop.Run:
    """One call a batch: as the body of a compiled loop, the step would round otherwise."""

    signature = [tf.TensorSpec([None, *x.shape[1:]], tf.float32)]

    @tf.function(input_signature=signature, jit_compile=False, autograph=False)
    def step(batch: tf.Tensor) -> tf.Tensor:
        return model.descend(batch)

    def run(epoch: int, lo: int, hi: int) -> np.ndarray:
        batches = (x[i * batch_size : (i + 1) * batch_size] for i in range(lo, hi))
        return np.stack([step(tf.constant(batch)).numpy() for batch in batches])

    return run


def _in_blocks(model: VAEGAN, x: np.ndarray, batch_size: int) -> loop.Run:
    """Many batches a call, by XLA. The noise belongs to the optimiser's step; the number of the batch is not used."""
    signature = [tf.TensorSpec([None, *x.shape[1:]], tf.float32)]

    @tf.autograph.experimental.do_not_convert
    def step(batch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        return model.descend(batch)

    stretch = loop.compiled(step, len(PARTS), signature)
    data, order = (tf.constant(x),), tf.range(len(x))
    return lambda epoch, lo, hi: stretch(data, order, lo, hi, batch_size, 0, ()).numpy()
