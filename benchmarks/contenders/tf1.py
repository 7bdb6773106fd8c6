"""TensorFlow 1: a static graph, a session and a feed dictionary, which is how the study was run in 2019."""

from collections.abc import Callable

import numpy as np
import tensorflow.compat.v1 as tf
from problem import LAYERS, Problem

from contenders import BATCH, Job

tf.disable_v2_behavior()


class _Graph:
    """The network over variables, with its placeholders and a session."""

    def __init__(self, problem: Problem) -> None:
        self.session = tf.Session()
        self.kinds = LAYERS[problem.architecture]
        self.variables = [tf.Variable(w) for w in problem.weights]
        self.x = tf.placeholder(tf.float32, [None, *problem.x.shape[1:]])
        self.y = tf.placeholder(tf.int32, [None])

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        weights = iter(self.variables)
        for kind in self.kinds:
            if kind == "pool":
                x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            elif kind == "conv":
                x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, next(weights), padding="SAME"), next(weights)))
            else:
                if x.shape.rank > 2:
                    x = tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])
                x = tf.matmul(x, next(weights)) + next(weights)
                x = tf.nn.relu(x) if kind == "dense" else x
        return x

    def loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=self.logits(x))

    def attack(self, pgd) -> tf.Tensor:
        def step(i: tf.Tensor, x_adv: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gradient = tf.gradients(self.loss(x_adv, self.y), x_adv)[0]
            if pgd.norm == "linf":
                moved = x_adv + pgd.step_size * tf.sign(gradient)
                inside = tf.clip_by_value(moved, self.x - pgd.eps, self.x + pgd.eps)
            else:
                delta = x_adv + pgd.step_size * gradient / (_length(gradient) + 1e-8) - self.x
                inside = self.x + delta / (_length(delta) + 1e-8) * tf.minimum(pgd.eps, _length(delta))
            return i + 1, tf.stop_gradient(tf.clip_by_value(inside, -1, 1))

        loop = tf.while_loop(
            lambda i, _: i < pgd.n_steps, step, [tf.constant(0), self.x], back_prop=False, parallel_iterations=1
        )
        return loop[1]

    def start(self) -> None:
        self.session.run(tf.global_variables_initializer())

    def feed(self, x: np.ndarray, y: np.ndarray) -> dict:
        return {self.x: x, self.y: y}


def _length(x: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(x**2, axis=[1, 2, 3], keepdims=True))


def _batches(n: int) -> list[slice]:
    return [slice(lo, lo + BATCH) for lo in range(0, n, BATCH)]


def attack(problem: Problem, job: Job) -> Callable:
    graph = _Graph(problem)
    x_adv = graph.attack(problem.attack(job.norm, job.n_steps))
    graph.start()
    return lambda x, y: graph.session.run(x_adv, graph.feed(x, y))


def training(problem: Problem, job: Job) -> Callable:
    graph = _Graph(problem)
    update = tf.train.AdamOptimizer().minimize(tf.reduce_mean(graph.loss(graph.x, graph.y)))
    graph.start()

    def run(x: np.ndarray, y: np.ndarray) -> None:
        for part in _batches(len(x)):
            graph.session.run(update, graph.feed(x[part], y[part]))

    return run


def adversarial_training(problem: Problem, job: Job) -> Callable:
    graph = _Graph(problem)
    update = tf.train.AdamOptimizer().minimize(tf.reduce_mean(graph.loss(graph.x, graph.y)))
    x_adv = graph.attack(problem.attack(job.norm, job.n_steps))
    graph.start()

    def run(x: np.ndarray, y: np.ndarray) -> None:
        for part in _batches(len(x)):
            attacked = graph.session.run(x_adv, graph.feed(x[part], y[part]))
            graph.session.run(update, graph.feed(attacked, y[part]))

    return run


def attributions(problem: Problem, job: Job) -> Callable:
    graph = _Graph(problem)
    logits = graph.logits(graph.x)
    predicted = tf.stop_gradient(tf.argmax(logits, axis=-1))
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=predicted, logits=logits)
    maps = tf.reduce_sum(tf.abs(tf.gradients(loss, graph.x)[0]), axis=-1)
    graph.start()
    return lambda x, y: np.concatenate(
        [graph.session.run(maps, graph.feed(x[part], y[part])) for part in _batches(len(x))]
    )
