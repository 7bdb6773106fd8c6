"""The two threat models: what a steepest step is, how a point returns to the ball, where a random start lies.

Norms run over all axes but the first. Each function follows the authors' `attacks.py` to the last rounding that
matters: the 1e-8 in the denominators lets gradients shorter than that take a short step, and a zero gradient none.

x, x_adv, gradient: (N, ...) float32; eps: scalar float32, on [-1, 1] pixels; shape: of the result, (N, ...); seed: (2,)
int32. What is returned is like x, or of `shape`.

>>> print(l2_direction(tf.constant([[3.0, 4.0]])).numpy())
[[0.6 0.8]]
>>> print(linf_project(tf.constant([[0.5, -0.1]]), tf.zeros([1, 2]), tf.constant(0.25)).numpy())
[[ 0.25 -0.1 ]]
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

TINY = 1e-8


def l2_length(x: tf.Tensor) -> tf.Tensor:
    """Euclidean length of each example, shape (N, 1, ..., 1) to broadcast against x (N, ...)."""
    axes = list(range(1, len(x.shape)))
    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=axes, keepdims=True))


def l2_direction(gradient: tf.Tensor) -> tf.Tensor:
    """The ascent direction of length one in l2, like gradient (N, ...)."""
    return gradient / (l2_length(gradient) + TINY)


def l2_project(x_adv: tf.Tensor, x: tf.Tensor, eps: tf.Tensor) -> tf.Tensor:
    """The point of the l2 ball of radius eps around x that is closest to x_adv, like x."""
    delta = x_adv - x
    length = l2_length(delta)
    return x + delta / (length + TINY) * tf.minimum(eps, length)


def l2_start(shape: tf.Tensor, eps: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A uniformly random point on the sphere of radius eps, float32 of `shape`."""
    return eps * l2_direction(tf.random.stateless_normal(shape, seed, alg="philox"))


def linf_project(x_adv: tf.Tensor, x: tf.Tensor, eps: tf.Tensor) -> tf.Tensor:
    """The point of the box of half-width eps around x that is closest to x_adv, like x."""
    return tf.clip_by_value(x_adv, x - eps, x + eps)


def linf_start(shape: tf.Tensor, eps: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A uniformly random point of the box of half-width eps, float32 of `shape`."""
    return eps * tf.random.stateless_uniform(shape, seed, minval=-1.0, maxval=1.0, alg="philox")


class NormOps(NamedTuple):
    """What PGD needs to know of a norm; x is (N, ...) float32, compiled with XLA on GPUs.

    direction: from the gradient, like x, to the steepest step of length one. project: from x_adv, x and the radius eps,
    a scalar, to the point of the ball around x that is to be taken instead of x_adv. start: from a shape, eps and a
    seed of two integers to a random point of the ball around 0.
    """

    direction: Callable[[tf.Tensor], tf.Tensor]
    project: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    start: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


L2 = NormOps(l2_direction, l2_project, l2_start)
LINF = NormOps(tf.sign, linf_project, linf_start)
