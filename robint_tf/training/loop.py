"""The training loop: interruptible and resumable. Trainings differ in what they do with a batch, their step, alone.

`train` asks for a stretch of batches at a time, and between the stretches looks after interruptions, checkpoints,
progress and TensorBoard. `compiled` makes one compiled loop of a stretch, over data that lies on the device.
"""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from robint_tf.errors import DivergedError
from robint_tf.networks import inputs
from robint_tf.networks.cpu_forward import loop_body
from robint_tf.runtime import device, xla
from robint_tf.runtime.interrupts import Interrupted, held_back
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training.state import Counted, Position, State

CHUNK_SECONDS = 0.5  # how long one call of the compiled loop should take: the reaction time to Ctrl-C

Run = Callable[[int, int, int], np.ndarray]
"""run(epoch, lo, hi): take batches lo to hi of an epoch, all counted from 0; their records, (hi - lo, K) float32."""


def train(
    run: Run,
    names: tuple[str, ...],
    variables: list[keras.Variable],
    *,
    epochs: int,
    batches: int,
    last: float = 1.0,
    counted: Counted | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Position], None] | None = None,
    log_dir: Path | None = None,
) -> State:
    """Run all batches of all epochs, from where the checkpoint is. Returns the state at the end.

    epochs, batches: how many, batches of each epoch. progress: called after each stretch, about twice a second. names:
    of the K values recorded of a batch. variables: all that `run` changes. last: the size of an epoch's last batch, as
    a share of the others'. counted: test images on which right answers are counted after every epoch. log_dir: folder
    for TensorBoard. `DivergedError` if a record, or an output on the test images, is not finite; for a signal
    `Interrupted`, after saving.
    """
    state = State(names, variables, counted, last)
    if checkpoint is not None and (saved := checkpoint.load()) is not None:
        state.restore(saved, checkpoint.folder)
    writer = tf.summary.create_file_writer(str(log_dir)) if log_dir is not None else None
    total, chunk, block = epochs * batches, 1, min(device.training_block(), batches)
    clock = _Clock(total)
    with held_back() as pending:
        while state.position < total:
            epoch, lo = divmod(state.position, batches)
            hi = min(max(_whole(lo + chunk, block), _whole(lo, block) + block), batches)
            tick = time.monotonic()
            records = run(epoch, lo, hi)
            now = time.monotonic()
            chunk = max(1, min(2 * chunk, round((hi - lo) * CHUNK_SECONDS / max(now - tick, 1e-6))))
            _check_finite(names, records, epoch, lo)
            means = state.advance(records, epoch_ends=hi == batches)
            if hi == batches:
                _after_epoch(state, epoch, means, writer)
            if progress is not None:
                left = clock.seconds_left(now, state.position)
                progress(Position(epoch + 1, epochs, hi, batches, means, left))
            if checkpoint is not None and (pending.signum is not None or checkpoint.due()):
                checkpoint.save(state.position, state.arrays())
            if pending.signum is not None:
                raise Interrupted(pending.signum)
    return state


def _whole(n: int, block: int) -> int:
    """The largest multiple of block that is not above n."""
    return n - n % block


def _check_finite(names: tuple[str, ...], records: np.ndarray, epoch: int, first: int) -> None:
    if not np.isfinite(records).all():
        i, column = np.argwhere(~np.isfinite(records))[0]
        what = names[column].replace("_", " ")
        raise DivergedError(f"the {what} is {records[i, column]} in epoch {epoch + 1}, batch {first + i + 1}.")


def _after_epoch(state: State, epoch: int, means: dict[str, float], writer: tf.summary.SummaryWriter | None) -> None:
    if state.counted is not None:
        try:
            state.test_hits.append(state.counted.hits())
        except inputs.NotFiniteError as error:
            raise DivergedError(f"after epoch {epoch + 1}, {error}") from error
    if writer is not None:
        with writer.as_default(step=epoch + 1):
            for name, mean in means.items():
                tf.summary.scalar(name, mean)


class _Clock:
    """Estimates the time left. It starts after the first call of a loop, which compiles."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._start: tuple[float, int] | None = None

    def seconds_left(self, now: float, position: int) -> float | None:
        if self._start is None:
            self._start = now, position
            return None
        began, first = self._start
        return (now - began) / (position - first) * (self._total - position)


def compiled(
    step: Callable[..., tf.Tensor],
    n_records: int,
    examples: Sequence[tf.TensorSpec],
    numbers: Sequence[tf.TensorSpec] = (),
) -> Callable[..., tf.Tensor]:
    """A step, compiled for many batches a call.

    step(*batch, number of the batch since the beginning, *numbers) changes variables and records (n_records,) float32.
    examples: signature of a batch; numbers: of scalars that the step takes. The function that comes back takes the
    data, a tuple of tensors of one length, and the order in which an epoch visits it; the first batch of the stretch
    and the one past its last; the batch size; the batches before the epoch; the numbers. It returns all records,
    (batches, n_records) float32.
    """
    if device.jit_compile():
        return _compiled_by_xla(step, n_records, examples, numbers)
    whole, wholes = tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.int32)
    body = loop_body(step, input_signature=[*examples, whole, *numbers], jit_compile=False)

    @tf.function(input_signature=[tuple(examples), wholes, *[whole] * 4, tuple(numbers)])
    def stretch(
        data: tuple[tf.Tensor, ...],
        order: tf.Tensor,
        lo: tf.Tensor,
        hi: tf.Tensor,
        batch_size: tf.Tensor,
        before: tf.Tensor,
        given: tuple[tf.Tensor, ...],
    ) -> tf.Tensor:
        records = tf.TensorArray(tf.float32, hi - lo, element_shape=[n_records])
        for i in tf.range(lo, hi):
            chosen = order[i * batch_size : (i + 1) * batch_size]
            batch = [tf.gather(part, chosen) for part in data]
            records = records.write(i - lo, body(*batch, before + i, *given))
        return records.stack()

    return stretch


def _compiled_by_xla(
    step: Callable[..., tf.Tensor],
    n_records: int,
    examples: Sequence[tf.TensorSpec],
    numbers: Sequence[tf.TensorSpec],
) -> Callable[..., tf.Tensor]:
    """`compiled`, as programs whose every shape and number of batches XLA knows, so that none asks the host anything.

    Which program takes a batch depends on its place in the epoch alone, not on where a stretch begins: programs may
    round differently, and a training that was interrupted must go on as if it had not been.
    """
    whole, block = tf.TensorSpec([], tf.int32), device.training_block()

    @functools.cache
    def program(n: int, size: int) -> Callable[..., tf.Tensor]:
        """For n batches of `size` examples: from the data, the examples of each batch and the first one's number."""
        places = tf.TensorSpec([n, size], tf.int32)  # gathered from: XLA would compile anew for every place of a slice

        @xla.compiled(input_signature=[tuple(examples), places, whole, tuple(numbers)])
        def run(
            data: tuple[tf.Tensor, ...], chosen: tf.Tensor, number: tf.Tensor, given: tuple[tf.Tensor, ...]
        ) -> tf.Tensor:
            def body(i: tf.Tensor, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                batch = tf.gather(chosen, i)
                record = step(*(tf.gather(part, batch) for part in data), number + i, *given)
                return i + 1, tf.tensor_scatter_nd_update(records, [[i]], [record])

            return tf.while_loop(lambda i, _: i < n, body, (0, tf.zeros([n, n_records])))[1]

        return run

    def stretch(
        data: tuple[tf.Tensor, ...],
        order: tf.Tensor,
        lo: int,
        hi: int,
        batch_size: int,
        before: int,
        given: tuple[tf.Tensor, ...],
    ) -> tf.Tensor:
        records = []
        in_block = min(block, max(len(order) // batch_size, 1))  # of full batches; an epoch may have fewer
        while lo < hi:
            first = lo * batch_size
            size = min(batch_size, len(order) - first)  # an epoch's last batch may be smaller
            end = lo + in_block
            n = in_block if lo % in_block == 0 and end * batch_size <= len(order) and end <= hi else 1
            chosen = tf.reshape(order[first : first + n * size], [n, size])
            records.append(program(n, size)(data, chosen, before + lo, given))
            lo += n
        return tf.concat(records, axis=0)

    return stretch
