"""A network whose `fit` is adversarial training: the step of `fit_classifier` for Keras' own loop."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robint_tf import checks
from robint_tf.attacks.pgd import Kind, Numbers, perturbed
from robint_tf.checks import Bounds
from robint_tf.data import arrays
from robint_tf.networks import inputs
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.classifiers import Network
from robint_tf.runtime import device, xla
from robint_tf.specs import PGD, as_dict, check_trades, from_dict
from robint_tf.training import trades as trades_step


@keras.saving.register_keras_serializable("robint_tf")
class AdversarialClassifier(keras.Model):
    """A network whose `fit` trains on adversarial images only; with attack None, on the images as they are.

    network: images (N, ...) in bounds to logits (N, classes), whose weights `fit` changes; kwargs: of Keras; what is
    fitted, evaluated and predicted lies in the same bounds, by default [-1, 1]. eps and step size of the attack are
    lengths on [-1, 1] pixels in any case. trades: beta of TRADES (`robint_tf.training.trades`), which trains on clean
    and adversarial images, the latter found by the divergence of the predictions in place of the attack's loss; its
    metrics are those on adversarial images. Callbacks, `tf.data`, saving and loading are Keras' own; whether XLA
    compiles is chosen by `runtime.device` unless `compile` is told. `ValueError` for bounds that are not such, and for
    a beta without an attack.

    >>> network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    >>> model = AdversarialClassifier(network, PGD(norm="l2", eps=0.4, step_size=2.0, n_steps=3))
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> history = model.fit(np.eye(2, dtype="float32"), np.array([0, 1]), epochs=2, shuffle=False, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(
        self,
        network: Network,
        attack: PGD | None = None,
        *,
        trades: float | None = None,
        bounds: Bounds | None = None,
        **kwargs: Any,
    ) -> None:
        check_trades(trades, attack)
        super().__init__(**kwargs)
        self.network, self.attack, self.trades = network, attack, trades
        self.bounds = None if bounds is None else checks.bounds(bounds)
        self._xla_chosen_here = False

    @property
    def _attacked(self) -> Network:
        """The network as one of images in [-1, 1]. Not kept: Keras would take it for a layer of its own."""
        return self.network if self.bounds is None else Bounded(self.network, self.bounds)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(x, training=training)

    def get_config(self) -> dict[str, Any]:
        network = keras.saving.serialize_keras_object(self.network)
        attack = self.attack and as_dict(self.attack)
        return super().get_config() | {
            "network": network,
            "attack": attack,
            "trades": self.trades,
            "bounds": self.bounds and list(self.bounds),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AdversarialClassifier":
        attack = config["attack"] and from_dict(config["attack"])
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**config | {"network": network, "attack": attack})

    def compile(self, *args: Any, **options: Any) -> None:
        """As Keras' own, with its args and options.

        Where these do not choose, XLA compiles if `device.jit_compile` and all layers allow it.
        """
        given = inspect.signature(super().compile).bind(*args, **options).arguments
        self._xla_chosen_here = given.get("jit_compile", "auto") == "auto"
        if self._xla_chosen_here:
            given["jit_compile"] = not given.get("run_eagerly") and device.jit_compile() and xla.takes(self.network)
        super().compile(**given)

    def get_compile_config(self) -> dict[str, Any]:
        """As Keras' own: a choice that was not the user's is made again where the model is loaded."""
        config = super().get_compile_config()
        return config | {"jit_compile": "auto"} if config and self._xla_chosen_here else config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As Keras' own; config: by `get_compile_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As Keras' own, after arrays x (N, ...) and y (N,), or a `tf.data.Dataset`'s first batch, have been checked.

        args, options: of Keras' own, the batch size and so on.
        `ValueError` for images, labels or networks that `inputs` refuses.
        """
        if y is not None:
            x, y = inputs.images(x), inputs.labels(y)
            self._check(x, y)
        elif isinstance(x, tf.data.Dataset):
            for batch in x.take(1):
                images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
                self._check(inputs.images(images), inputs.labels(labels))
        return super().fit(x, y, *args, **options)

    def _check(self, x: np.ndarray, y: np.ndarray) -> None:
        images = x if self.bounds is None else arrays.scaled(x, bounds=self.bounds)
        inputs.check_images(self._attacked, images, y)
        inputs.check_network(self._attacked, images, y)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if self.attack is None:
            return super().train_step((x, y, sample_weight))
        x_adv = self._perturbed(x, tf.cast(tf.reshape(y, [-1]), tf.int32))
        if self.trades is None:
            return super().train_step((x_adv, y, sample_weight))
        with tf.GradientTape() as tape:
            clean, attacked = self(x, training=True), self(x_adv, training=True)
            divergence = trades_step.kl(tf.cast(clean, tf.float32), tf.cast(attacked, tf.float32))
            loss = self.compute_loss(x=x, y=y, y_pred=clean, sample_weight=sample_weight)
            loss += self.trades * tf.reduce_mean(divergence)
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
            else:
                metric.update_state(y, attacked, sample_weight=sample_weight)
        return self.get_metrics_result()

    def _perturbed(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Adversarial images, in the same bounds as x."""
        assert self.attack is not None
        make = perturbed if self.trades is None else trades_step.perturbed
        low, high = self.bounds or (-1.0, 1.0)
        half, middle = (high - low) / 2, (high + low) / 2
        inside = x if self.bounds is None else (tf.cast(x, tf.float32) - middle) / half
        steps = self.attack.n_steps if self.jit_compile else None  # XLA asks the host about any other loop
        kind, numbers = Kind.of(self.attack)._replace(n_steps=steps), Numbers.of(self.attack)
        x_adv = make(self._attacked, inside, y, kind, numbers, self.optimizer.iterations)
        return x_adv if self.bounds is None else x_adv * half + middle
