"""Adam as the authors ran it: TensorFlow 1's kernel and its epsilon."""

from typing import Any

import keras
import tensorflow as tf

from robint_tf.errors import InputError

ADAM_EPSILON = 1e-8  # TensorFlow 1's default, which the authors ran with; Keras has 1e-7


@keras.saving.register_keras_serializable("robint_tf")
class FusedAdam(keras.optimizers.Adam):
    """Adam that updates a variable in one pass over it, by the kernel that TensorFlow 1 had; Keras makes about ten.

    Equal to Keras' own up to rounding. args: as of Keras' own. `amsgrad` is not known to the kernel: `ValueError`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise InputError("amsgrad is True; FusedAdam knows plain Adam only, use keras.optimizers.Adam.")

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable | tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Move one variable, and its two moments, by its gradient, of the same shape, at a scalar learning_rate."""
        i, dtype = self._get_variable_index(variable), gradient.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[i]),
            v=_handle(self._velocities[i]),
            beta1_power=beta_1**step,
            beta2_power=beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=gradient,
        )


def _handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def adam(learning_rate: float = 1e-3) -> FusedAdam:
    """The authors' optimiser for classifiers; learning_rate: above 0."""
    return FusedAdam(learning_rate, beta_1=0.9, beta_2=0.999, epsilon=ADAM_EPSILON)
