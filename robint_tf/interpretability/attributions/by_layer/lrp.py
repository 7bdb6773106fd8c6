"""Layer-wise relevance propagation (Bach et al., 2015; Montavon et al., 2019).

Relevance starts as the predicted label's logit and is handed from the outputs of each layer to its inputs, in
proportion to what they contribute. ReLUs hand on what they get; a max-pooling gives all to the winner. What a bias
contributes is kept by the bias: without biases the sum over an image is the logit (conservation).
"""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

from robint_tf.interpretability.attributions.by_layer.chain import (
    Averaged,
    MaxPooled,
    Moved,
    Scaled,
    Stage,
    Weighted,
    bounds_at,
    chain,
)
from robint_tf.interpretability.attributions.protocol import predicted
from robint_tf.networks.classifiers import Network
from robint_tf.networks.inputs import PIXEL_MAX, PIXEL_MIN
from robint_tf.settings import LRPComposite, LRPEpsilon

Rule = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From the inputs of a stage and the relevance of its outputs to that of its inputs."""


def lrp_epsilon(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    settings: LRPEpsilon = LRPEpsilon(),  # noqa: B008  (frozen)
) -> tf.Tensor:
    """The epsilon rule in every layer; signed and like x.

    In networks of ReLUs and max-poolings, with biases or without, it is x times the gradient of the logit as epsilon
    goes to 0 (Ancona et al., 2018), so it says nothing that `gradient_x_input` does not; it is here as a check, and
    because it is asked for. Networks as in `chain`.
    """
    return _relevance(
        x, [(stage, _epsilon_or_passed(stage, settings.epsilon)) for stage in chain(network, x.shape[1:])]
    )


def lrp_composite(
    network: Network,
    x: tf.Tensor,
    variant: str = "authors",
    *,
    settings: LRPComposite = LRPComposite(),  # noqa: B008
) -> tf.Tensor:
    """The epsilon rule in dense layers, gamma in convolutions, z^B in the first of either; signed and like x.

    Gamma counts positive weights (1 + gamma) times; z^B knows that pixels lie in [-1, 1] (Montavon et al., 2019, table
    10.1; there the first layer of a network of images). Networks as in `chain`; gamma is meant for convolutions of
    inputs that are not negative, which those behind a ReLU are.
    """
    stages = chain(network, x.shape[1:])
    first = next((i for i, stage in enumerate(stages) if isinstance(stage, Weighted)), len(stages))
    epsilon, gamma = settings.epsilon, settings.gamma
    rules: list[tuple[Stage, Rule]] = []
    for i, stage in enumerate(stages):
        rule = _epsilon_or_passed(stage, epsilon)
        if isinstance(stage, Scaled) and i < first:
            rule = _kept  # another unit of the same pixels, to which z^B is indifferent
        elif isinstance(stage, Weighted) and i == first:
            rule = partial(_bounded, stage, *_pixel_bounds(x, stages[:first]), epsilon)
        elif isinstance(stage, Weighted) and stage.is_convolution:
            rule = partial(_epsilon, stage.reweighted(lambda w: w + gamma * tf.nn.relu(w)), epsilon)
        rules.append((stage, rule))
    return _relevance(x, rules)


def _relevance(x: tf.Tensor, rules: list[tuple[Stage, Rule]]) -> tf.Tensor:
    inputs = []
    for stage, _ in rules:
        inputs.append(x)
        x = stage(x)
    relevance = x * tf.one_hot(predicted(x), x.shape[-1])
    for (_, rule), values in zip(reversed(rules), reversed(inputs), strict=True):
        relevance = rule(values, relevance)
    return relevance


def _epsilon_or_passed(stage: Stage, epsilon: float) -> Rule:
    if isinstance(stage, Weighted | Scaled | Averaged):
        return partial(_epsilon, stage, epsilon)
    return stage.pull if isinstance(stage, Moved | MaxPooled) else _kept


def _epsilon(stage: Stage, epsilon: float, inputs: tf.Tensor, relevance: tf.Tensor) -> tf.Tensor:
    return inputs * stage.pull(inputs, relevance / _away_from_zero(stage(inputs), epsilon))


def _bounded(
    stage: Weighted, low: tf.Tensor, high: tf.Tensor, epsilon: float, inputs: tf.Tensor, relevance: tf.Tensor
) -> tf.Tensor:
    """z^B: inputs lie between low and high, of the shape of one; biases contribute nothing."""

    def total(inputs: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
        plus, minus = tf.nn.relu(stage.kernel), -tf.nn.relu(-stage.kernel)
        return stage.product(inputs, stage.kernel) - stage.product(low, plus) - stage.product(high, minus)

    points = [tf.zeros_like(inputs) + value for value in (inputs, low, high)]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        z = total(*points)
    slopes = tape.gradient(z, points, output_gradients=relevance / _away_from_zero(z, epsilon))
    return tf.add_n([point * slope for point, slope in zip(points, slopes, strict=True)])


def _kept(inputs: tf.Tensor, relevance: tf.Tensor) -> tf.Tensor:
    return relevance


def _away_from_zero(z: tf.Tensor, epsilon: float) -> tf.Tensor:
    return z + tf.where(z < 0, -epsilon, epsilon)


def _pixel_bounds(x: tf.Tensor, stages: list[Stage]) -> tuple[tf.Tensor, tf.Tensor]:
    """What pixels of [-1, 1] become behind the stages before the first weights."""
    return bounds_at(stages, tf.fill([1, *x.shape[1:]], PIXEL_MIN), tf.fill([1, *x.shape[1:]], PIXEL_MAX))
