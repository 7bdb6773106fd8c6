"""TRADES (Zhang et al., 2019): adversarial training that weighs accuracy against the stability of the prediction.

The loss of a batch is mean(xent(f(x), y) + beta * KL(p(x) || p(x'))), where p is the softmax of the logits f and x' is
found by projected ascent of that divergence, p(x) held fixed, with the norm, eps and steps of an attack. The ascent
starts at x plus normal noise of standard deviation `START`, as at x itself the divergence has no gradient; an attack
with a random start begins there instead.
"""

import tensorflow as tf

from robint_tf.attacks.losses import xent
from robint_tf.attacks.pgd import Kind, Numbers, ascend
from robint_tf.catalogue import NORMS
from robint_tf.networks.classifiers import Network

START = 0.002
"""On [-1, 1] pixels: 0.001 on [0, 1], as in the paper's Algorithm 1."""


def kl(logits: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Kullback-Leibler divergence of the softmax of logits (N, classes) from that of others, (N,)."""
    log_p, log_q = tf.nn.log_softmax(logits), tf.nn.log_softmax(others)
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)


def loss(clean: tf.Tensor, attacked: tf.Tensor, y: tf.Tensor, beta: tf.Tensor | float) -> tf.Tensor:
    """The loss (N,) of examples from logits (N, classes) on clean and attacked images, labels y (N,) and beta."""
    return xent(clean, y) + beta * kl(clean, attacked)


def start(x: tf.Tensor, kind: Kind, numbers: Numbers, batch: tf.Tensor | int) -> tf.Tensor:
    """The first perturbation of images x, like x, for an attack of a kind and with numbers.

    batch: number of the batch, for which noise is drawn anew.
    """
    seed = tf.stack([numbers.seed, tf.cast(batch, tf.int32)])
    if kind.random_start:
        return NORMS[kind.norm].start(tf.shape(x), numbers.eps, seed)
    return START * tf.random.stateless_normal(tf.shape(x), seed, alg="philox")


def perturbed(
    network: Network, x: tf.Tensor, y: tf.Tensor, kind: Kind, numbers: Numbers, batch: tf.Tensor | int
) -> tf.Tensor:
    """Images near x on which the prediction of a network differs most, like x; y: (N,) labels, which do not matter.

    kind, numbers: of the attack; batch: as for `start`. Unchecked, for use inside a `tf.function`.
    """
    clean = tf.stop_gradient(tf.cast(network(x, training=False), tf.float32))
    x_adv, _ = ascend(
        network,
        x,
        y,
        norm=kind.norm,
        loss=lambda logits, _: kl(clean, logits),
        eps=numbers.eps,
        step_size=numbers.step_size,
        n_steps=numbers.n_steps if kind.n_steps is None else kind.n_steps,
        start=start(x, kind, numbers, batch),
    )
    return x_adv
