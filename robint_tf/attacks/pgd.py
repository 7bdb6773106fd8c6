"""Projected gradient attacks: the loop, its compiled form, and the checked door for whole data sets.

Appendix B and the authors' `attacks.py`: no random start by default, true labels, every iterate projected to the ball
and clipped to [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from robint_tf.catalogue import LOSSES, NORMS
from robint_tf.networks import inputs
from robint_tf.networks.classifiers import Network
from robint_tf.networks.cpu_forward import for_attack, loop_body
from robint_tf.networks.inputs import PIXEL_MAX, PIXEL_MIN
from robint_tf.runtime import device, xla
from robint_tf.runtime.batching import Progress, batch_signature, in_batches, per_network
from robint_tf.specs import PGD


def ascend(
    network: Network,
    x: tf.Tensor,
    y: tf.Tensor,
    *,
    norm: str,
    loss: str | Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    eps: tf.Tensor,
    step_size: tf.Tensor,
    n_steps: tf.Tensor | int,
    start: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """PGD as one graph loop over tensors; compile the caller.

    x: (N, ...) float32 in [-1, 1]; y: (N,) int32; network: x to logits (N, classes); norm, loss: names in `NORMS` and
    `LOSSES`, or loss a function of logits and y; start: first perturbation, like x (none: start at x). eps, step_size
    and n_steps are scalar tensors: one trace serves all their values; XLA needs an integer n_steps to run the loop
    without asking the host before every step (`laid_down`). Returns x_adv, like x, and for each example the number of
    steps at which its gradient was exactly zero, (N,) int32. `ValueError` for an unknown norm or loss.
    """
    ops, loss_fn = NORMS[norm], LOSSES[loss] if isinstance(loss, str) else loss
    axes = list(range(1, x.shape.rank))
    forward = for_attack(network)

    def inside(x_adv: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(ops.project(x_adv, x, eps), PIXEL_MIN, PIXEL_MAX)

    @loop_body
    def step(i: tf.Tensor, x_adv: tf.Tensor, n_zero: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x_adv)
            objective = loss_fn(tf.cast(forward(x_adv), tf.float32), y)
        gradient = tape.gradient(objective, x_adv)
        zero = tf.reduce_all(tf.equal(gradient, 0.0), axis=axes)
        return i + 1, inside(x_adv + step_size * ops.direction(gradient)), n_zero + tf.cast(zero, tf.int32)

    first = x if start is None else inside(x + start)
    _, x_adv, n_zero = tf.while_loop(
        lambda i, *_: i < n_steps,
        step,
        (0, first, tf.zeros_like(y)),
    )
    return tf.stop_gradient(x_adv), n_zero


def laid_down(n_steps: int) -> int | None:
    """n_steps where a program serves that number of steps alone, as XLA's do; None where it is an argument."""
    return n_steps if device.jit_compile() else None


class Kind(NamedTuple):
    """What the program of an attack depends on.

    norm and loss by name, random_start: whether it starts at random, n_steps: as `laid_down` says.
    """

    norm: str
    loss: str
    random_start: bool
    n_steps: int | None

    @classmethod
    def of(cls, attack: PGD) -> "Kind":
        """The kind of an attack."""
        return cls(attack.norm, attack.loss, attack.random_start, laid_down(attack.n_steps))


class Numbers(NamedTuple):
    """The numbers of an attack, scalar tensors: arguments of a compiled program, which serves all their values.

    eps, step_size: float32, on [-1, 1] pixels; n_steps, seed: int32.
    """

    eps: tf.Tensor
    step_size: tf.Tensor
    n_steps: tf.Tensor
    seed: tf.Tensor

    @classmethod
    def of(cls, attack: PGD) -> "Numbers":
        """The numbers of an attack as tensors."""
        return cls(*map(tf.constant, (attack.eps, attack.step_size, attack.n_steps, attack.seed)))


NUMBERS = Numbers(*(tf.TensorSpec([], dtype) for dtype in (tf.float32, tf.float32, tf.int32, tf.int32)))
"""The signature of `Numbers`."""


def perturb(network: Network, x: tf.Tensor, y: tf.Tensor, attack: PGD, *, batch: tf.Tensor | int = 0) -> tf.Tensor:
    """Adversarial examples of one batch, like x; unchecked, and meant to be called inside a `tf.function`.

    network: x to logits (N, classes); x: (N, ...) float32 in [-1, 1]; y: (N,) int32; attack: a recipe. batch: the
    number of the batch in a training, a scalar: a random start draws again for each.
    """
    return perturbed(network, x, y, Kind.of(attack), Numbers.of(attack), batch)


def perturbed(
    network: Network, x: tf.Tensor, y: tf.Tensor, kind: Kind, numbers: Numbers, batch: tf.Tensor | int
) -> tf.Tensor:
    """`perturb`, by an attack whose numbers are arguments of the compiled function that this is called in.

    network, x, y, batch: as of `perturb`. kind: of the attack.
    """
    eps, step_size, n_steps, seed = numbers
    if kind.n_steps is not None:
        n_steps = kind.n_steps
    start = None
    if kind.random_start:
        start = NORMS[kind.norm].start(tf.shape(x), eps, tf.stack([seed, tf.cast(batch, tf.int32)]))
    x_adv, _ = ascend(
        network, x, y, norm=kind.norm, loss=kind.loss, eps=eps, step_size=step_size, n_steps=n_steps, start=start
    )
    return x_adv


@dataclass(frozen=True, eq=False)
class Attacked:
    """Adversarial examples of a data set, and what happened on the way.

    x_adv: like x; logits, clean_logits: (N, classes) float32 on x_adv and x; n_zero_gradients: (N,) int32, steps at
    which an example's gradient was exactly zero (a saturated loss): such a step leaves the image where it is.
    equal: (N,) bool, where x_adv is x in every pixel. attack: the recipe.
    """

    x_adv: np.ndarray
    logits: np.ndarray
    clean_logits: np.ndarray
    n_zero_gradients: np.ndarray
    equal: np.ndarray
    attack: PGD

    @property
    def saturated(self) -> np.ndarray:
        """Which examples had a zero gradient at every step, so that no step moved them, (N,) bool."""
        return (self.n_zero_gradients == self.attack.n_steps) & (self.attack.n_steps > 0)

    @property
    def n_saturated(self) -> int:
        """How many examples no step moved."""
        return int(np.sum(self.saturated))

    @property
    def n_unchanged(self) -> int:
        """How many examples the attack left as they were, though it could have moved them.

        The saturated ones, unless they start at random; those whose gradient is too small or too large for float32, so
        that its direction is lost; and those that lie in a corner of the box already.
        """
        return int(np.sum(self.equal)) if self.attack.eps > 0 and self.attack.n_steps > 0 else 0


def attack_dataset(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    attack: PGD,
    *,
    batch_size: int = 500,
    check: bool = True,
    progress: Progress | None = None,
) -> Attacked:
    """Adversarial examples of a whole data set, made in batches, in bounded memory beyond inputs and outputs.

    network: x to logits (N, classes). x: (N, ...) float32 in [-1, 1]; y: integer labels (N,) or (N, 1); NumPy or
    TensorFlow. batch_size: images at a time, halved where memory runs out. progress: called with how many images are
    done, and how many there are. With `check`, inputs and network are examined (`inputs.check`), with one sentence in a
    `ValueError` for what would make the result meaningless; `inputs.NotFiniteError` in any case for logits that are NaN
    or infinite. The random start of example i depends on the attack's seed and on i alone, not on the batch size.

    >>> import keras
    >>> network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
    >>> x, y = np.array([[0.5, -0.5]], "float32"), np.array([0])
    >>> found = attack_dataset(network, x, y, PGD(norm="linf", eps=0.25, step_size=0.25, n_steps=1))
    >>> found.x_adv.tolist()  # away from class 0, towards class 1
    [[0.25, -0.25]]
    """
    x, y = inputs.images(x), inputs.labels(y)
    if check:
        inputs.check(network, x, y)
    inputs.warn_of_short_steps(attack)
    run = _compiled(network, x.shape[1:], attack.norm, attack.loss, laid_down(attack.n_steps))
    eps, step_size = tf.constant(attack.eps), tf.constant(attack.step_size)
    x_adv, equal = np.empty_like(x), np.empty(len(x), bool)
    logits, clean_logits, n_zero = [], [], []

    def attack_batch(lo: int, hi: int) -> None:
        xb, yb = tf.constant(x[lo:hi]), tf.constant(y[lo:hi], tf.int32)
        start = _random_start(attack, lo, xb) if attack.random_start else tf.zeros_like(xb)
        attacked = run(xb, yb, eps, step_size, tf.constant(attack.n_steps), start)
        x_adv[lo:hi], adv_logits, batch_logits, zero = (part.numpy() for part in attacked)
        inputs.check_finite(batch_logits, lo)
        inputs.check_finite(x_adv[lo:hi], lo, "gradients")
        inputs.check_finite(adv_logits, lo, "logits under attack")
        equal[lo:hi] = (x_adv[lo:hi] == x[lo:hi]).reshape(hi - lo, -1).all(axis=1)
        logits.append(adv_logits)
        clean_logits.append(batch_logits)
        n_zero.append(zero)

    in_batches(len(x), batch_size, attack_batch, progress)
    return Attacked(x_adv, np.concatenate(logits), np.concatenate(clean_logits), np.concatenate(n_zero), equal, attack)


def predict(network: Network, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Logits of a data set of at least one image, (N, classes) float32, in inference mode.

    x: (N, ...) float32, which the network takes; batch_size: images at a time, halved where memory runs out.
    `inputs.NotFiniteError` for logits that are NaN or infinite.
    """
    x = inputs.images(x)
    run = _compiled_forward(network, x.shape[1:])
    logits: list[np.ndarray] = []

    def forward(lo: int, hi: int) -> None:
        found = run(tf.constant(x[lo:hi])).numpy()
        inputs.check_finite(found, lo)
        logits.append(found)

    in_batches(len(x), batch_size, forward)
    return np.concatenate(logits)


def _random_start(attack: PGD, first: int, x: tf.Tensor) -> tf.Tensor:
    """Starts of the examples first, first + 1, ..., each from its own seed."""
    start, eps = NORMS[attack.norm].start, tf.constant(attack.eps)
    shape = tf.shape(x[:1])
    seeds = tf.stack([tf.fill([len(x)], attack.seed), tf.range(first, first + len(x))], axis=1)
    return tf.map_fn(lambda seed: start(shape, eps, seed)[0], seeds, fn_output_signature=tf.float32)


def check_registered(norm: str, loss: str) -> None:
    """`ValueError` unless norm and loss are known here; inside a trace TensorFlow would wrap the message."""
    NORMS[norm], LOSSES[loss]


def _compiled(network: Network, x_shape: tuple[int, ...], norm: str, loss: str, steps: int | None) -> Callable:
    check_registered(norm, loss)

    def make(net: Network) -> Callable:
        images, labels = batch_signature(x_shape)
        real, whole = tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int32)

        @xla.compiled(input_signature=[images, labels, real, real, whole, images])
        def run(
            x: tf.Tensor,
            y: tf.Tensor,
            eps: tf.Tensor,
            step_size: tf.Tensor,
            n_steps: tf.Tensor,
            start: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            count = n_steps if steps is None else steps
            x_adv, n_zero = ascend(
                net, x, y, norm=norm, loss=loss, eps=eps, step_size=step_size, n_steps=count, start=start
            )
            return x_adv, _logits(net, x_adv), _logits(net, x), n_zero

        return run

    return per_network(network, (x_shape, norm, loss, steps), make)


def _compiled_forward(network: Network, x_shape: tuple[int, ...]) -> Callable:
    def make(net: Network) -> Callable:
        @xla.compiled(input_signature=batch_signature(x_shape)[:1])
        def run(x: tf.Tensor) -> tf.Tensor:
            return _logits(net, x)

        return run

    return per_network(network, (x_shape, "forward"), make)


def _logits(network: Network, x: tf.Tensor) -> tf.Tensor:
    return tf.cast(network(x, training=False), tf.float32)
