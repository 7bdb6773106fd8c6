"""What an attack maximises: one value per example, from logits (N, classes) and integer labels (N,).

`cw` is the authors' training form of the Carlini-Wagner objective with both of its quirks: it stops rewarding a margin
beyond 500, and the true class itself competes as "best other class" with the value 0, so that the gradient of the other
classes vanishes where all their logits are negative. `cw_unclamped` (their analysis form) drops the first quirk,
`cw_masked` (the `corrected` variant) drops both.

Of each function: logits: (N, classes) float32; y: labels (N,) int32 from 0; returned: (N,) float32.

>>> logits, y = tf.constant([[2.0, -1.0, -3.0]]), tf.constant([0])
>>> [float(loss(logits, y)[0]) for loss in (cw, cw_unclamped, cw_masked)]
[-502.0, -2.0, -3.0]
"""

import tensorflow as tf

CW_CLAMP = 500.0


def xent(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Cross entropy of the labels."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)


def cw(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """min(best other - true, 500) - 500, the true class competing with value 0 (authors' `attacks.py`, training)."""
    return -tf.nn.relu(CW_CLAMP - cw_unclamped(logits, y))


def cw_unclamped(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Best other logit minus true logit, the true class competing with value 0 (authors' `attacks.py`, analysis)."""
    true = tf.one_hot(y, logits.shape[-1])
    return tf.reduce_max((1.0 - true) * logits, axis=-1) - tf.reduce_sum(true * logits, axis=-1)


def cw_masked(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Best other logit minus true logit, the true class excluded (Carlini and Wagner, 2017)."""
    is_true = tf.one_hot(y, logits.shape[-1], on_value=True, off_value=False)
    others = tf.where(is_true, logits.dtype.min, logits)  # below any logit, however large they are
    return tf.reduce_max(others, axis=-1) - tf.reduce_sum(tf.where(is_true, logits, 0.0), axis=-1)
