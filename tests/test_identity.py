"""What a network is known by: all that computes otherwise has another name, all that computes the same has one."""

import functools
import importlib
import os
import subprocess
import sys
import threading
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import robint_tf
from robint_tf.errors import InputError
from robint_tf.networks.classifiers import architecture_of, fingerprint
from robint_tf.networks.identity import own
from robint_tf.specs import Training
from robint_tf.training import AdversarialClassifier

X = np.random.default_rng(0).uniform(-1, 1, (40, 4, 4, 1)).astype(np.float32)
SCALE = 1.0
SETTINGS = {"slope": 0.5}


def net(*inner, **options):
    return keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), *inner, layers.Dense(2, **options)])


def leaky(slope):
    def activation(v):
        return keras.ops.where(v > 0, v, slope * v)

    return activation


def with_gradient(slope):
    def scaled_by(v):
        return slope * v, lambda upstream: upstream

    return scaled_by


def by_default(slope):
    def activation(v, slope=slope):
        return slope * v

    return activation


def scaled(v):
    return v * SCALE


def indirectly(v):
    return scaled(v)


def decorated(scale):
    def decorator(function):
        @functools.wraps(function)
        def wrapped(v):
            return function(v) * scale

        return wrapped

    return decorator


class Scaling(layers.Layer):
    """Of which others inherit."""

    factor = 1.0

    def call(self, v):
        return v * self.factor


class Child(Scaling):
    pass


class Held(layers.Layer):
    """What it computes depends on an attribute that its configuration does not hold."""

    def __init__(self, held, **options):
        super().__init__(**options)
        self._held = held

    def call(self, v):
        return v * (self._held(-1.0) if callable(self._held) else self._held)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config()


class Pool(layers.Layer):
    def call(self, v, mode="mean"):
        return keras.ops.mean(v, (1, 2)) if mode == "mean" else keras.ops.max(v, (1, 2))


class Tempered(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.flatten, self.last = layers.Flatten(), layers.Dense(2, kernel_initializer="ones")
        self.temperature = 1.0

    def call(self, v):
        return self.last(self.flatten(v)) / self.temperature


def functional(pool):
    images = layers.Input((4, 4, 1))
    return keras.Model(images, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(pool(images))))


def with_global(value):
    yield net(layers.Lambda(indirectly))
    globals()["SCALE"] = value
    try:
        yield net(layers.Lambda(indirectly))
    finally:
        globals()["SCALE"] = 1.0


def with_base(monkeypatch, name, value):
    yield net(Child())
    monkeypatch.setattr(Scaling, name, value)
    yield net(Child())


def set_on(model):
    model(X)
    yield model
    model.temperature = 5
    yield model


class Zeros(keras.constraints.Constraint):
    def __init__(self, value):
        self.value = value

    def __call__(self, w):
        return w * self.value


PAIRS = {
    "closure": lambda m: (net(layers.Dense(3, activation=leaky(s))) for s in (0.0, -3.0)),
    "closure of a tf.function": lambda m: (net(layers.Dense(3, tf.function(leaky(s)))) for s in (0.0, -3.0)),
    "closure of a tf.custom_gradient": lambda m: (
        net(layers.Lambda(tf.custom_gradient(with_gradient(s)))) for s in (0.0, 2.0)
    ),
    "default": lambda m: (net(layers.Lambda(by_default(s))) for s in (1.0, 2.0)),
    "global": lambda m: with_global(3.0),
    "decorator": lambda m: (net(layers.Dense(3, decorated(s)(keras.ops.abs))) for s in (1.0, 2.0)),
    "functions in one line": lambda m: (net(layers.Dense(3, f)) for f in (lambda v: v * 1, lambda v: v * 2)),
    "base class": lambda m: with_base(m, "call", lambda self, v: v * -7.0),
    "data of a base class": lambda m: with_base(m, "factor", -7.0),
    "text given to a layer": lambda m: (functional(lambda v, t=t: Pool()(v, mode=t)) for t in ("mean", "max")),
    "text given to an operation": lambda m: (
        functional(lambda v, t=t: keras.ops.einsum(t, v[..., 0], v[..., 0])) for t in ("bij,bjk->bik", "bij,bkj->bik")
    ),
    "function given to an operation": lambda m: (
        functional(lambda v, s=s: keras.ops.vectorized_map(leaky(s), v)) for s in (0.0, -3.0)
    ),
    "attribute": lambda m: (net(Held(v)) for v in (1.0, 2.0)),
    "array": lambda m: (net(Held(np.float32(v))) for v in (np.eye(16)[3], np.eye(16)[4])),
    "function as attribute": lambda m: (net(Held(leaky(s))) for s in (0.0, -3.0)),
    "partial as attribute": lambda m: (net(Held(functools.partial(np.multiply, s))) for s in (0.0, -3.0)),
    "constraint": lambda m: (net(kernel_constraint=Zeros(s)) for s in (0.0, 1.0)),
    "number set afterwards": lambda m: set_on(Tempered()),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_what_computes_otherwise_has_another_name(pair, monkeypatch):
    names, architectures, outputs = [], [], []
    networks = iter(PAIRS[pair](monkeypatch))
    for _ in range(2):
        keras.utils.set_random_seed(0)
        network = next(networks)
        names.append(fingerprint(network))
        architectures.append(architecture_of(network))
        outputs.append(np.asarray(network(X)))
    assert names[0] != names[1]
    assert architectures[0] != architectures[1]
    assert pair == "constraint" or not np.allclose(*outputs)


SAME = {
    "closure": lambda: net(layers.Dense(3, activation=leaky(0.5))),
    "attribute": lambda: net(Held(2.0)),
    "array": lambda: net(Held(np.arange(16, dtype=np.float32))),
    "classes": lambda: net(Child(), Held(leaky(1.0))),
    "global": lambda: net(layers.Lambda(indirectly)),
    "functional": lambda: functional(lambda v: Pool()(v, mode="max")),
}


@pytest.mark.parametrize("made", SAME)
def test_what_computes_the_same_has_one_name(made):
    first, again = SAME[made](), SAME[made]()
    again.set_weights(first.get_weights())
    assert fingerprint(first) == fingerprint(again)
    assert architecture_of(first) == architecture_of(again)


def test_a_network_keeps_its_name_whatever_is_done_with_it():
    network = Tempered()
    network(X)
    name = architecture_of(network)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    network.fit(X, np.zeros(len(X)), verbose=0)
    network.evaluate(X, np.zeros(len(X)), verbose=0)
    network.predict(X, verbose=0)
    network.note = "not read"
    assert architecture_of(network) == name
    assert architecture_of(AdversarialClassifier(network)) == architecture_of(AdversarialClassifier(network))


@pytest.mark.slow
def test_a_name_holds_in_another_process(tmp_path):
    """Neither the order of a set nor a place in memory goes into it."""
    (tmp_path / "mine.py").write_text(
        "import keras\nfrom robint_tf.networks import fingerprint\n"
        "KNOWN = {'a', 'b', 'c', 'd'}\n"
        "def f(v):\n    return v if 'x' in KNOWN or 'y' in {'p', 'q', 'r'} else v * 2\n"
        "class L(keras.layers.Layer):\n    kinds = frozenset('klmnop')\n    def call(self, v):\n        return f(v)\n"
        "def name():\n"
        "    made = [keras.layers.Input((2,)), L(), keras.layers.Dense(2, f, kernel_initializer='ones')]\n"
        "    return fingerprint(keras.Sequential(made))\n"
        "if __name__ == '__main__':\n    import mine\n    print(mine.name())\n"
    )
    names = set()
    for seed in "12":  # of the order of sets
        done = subprocess.run(
            [sys.executable, "mine.py"], cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
        )
        names.add(done.stdout)
    assert len(names) == 1
    assert len(names.pop().strip()) == 64


def test_code_is_what_runs_not_what_its_file_holds_by_now(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_later.py"
    file.write_text("def f(v):\n    return v * 1\n")
    import edited_later

    before = architecture_of(net(layers.Dense(3, edited_later.f)))
    file.write_text("def f(v):\n    return v * -2.0\n")
    assert architecture_of(net(layers.Dense(3, edited_later.f))) == before
    importlib.invalidate_caches()
    again = importlib.reload(edited_later)
    assert architecture_of(net(layers.Dense(3, again.f))) != before


def test_modules_are_described_by_what_is_read_of_them(monkeypatch):
    module = types.ModuleType("of_ones_own")
    module.factor, module.unread = 1.0, object()
    monkeypatch.setitem(globals(), "of_ones_own", module)
    network = net(layers.Lambda(eval("lambda v: v * of_ones_own.factor", globals())))
    before = fingerprint(network)
    module.factor = 2.0
    assert fingerprint(network) != before


def test_installed_packages_are_known_by_their_files(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "shared_layers.py").write_text(
        "import keras\nclass Twice(keras.layers.Layer):\n    def call(self, v):\n        return v * 2.0\n"
    )
    monkeypatch.syspath_prepend(folder)
    import shared_layers

    before = architecture_of(net(shared_layers.Twice()))
    assert architecture_of(net(shared_layers.Twice())) == before
    file = folder / "shared_layers.py"
    file.write_text(file.read_text().replace("v * 2.0", "v * -2.00"))
    importlib.invalidate_caches()
    own.origin.cache_clear()
    assert architecture_of(net(importlib.reload(shared_layers).Twice())) != before


def test_the_store_gives_no_network_the_numbers_of_another(tmp_path):
    first, second = (net(layers.Dense(8, activation=leaky(slope))) for slope in (0.0, -3.0))
    second.set_weights(first.get_weights())
    data = X, np.asarray(first(X)).argmax(1)
    settings = {"fractions": (0.3,), "attribution": "gradient"}
    robint_tf.road(first, data, store=tmp_path, **settings)
    kept = robint_tf.road(second, data, store=tmp_path, **settings)
    assert kept.table() == robint_tf.road(second, data, **settings).table()


def test_what_cannot_be_described_is_refused_and_needs_no_store(tmp_path):
    lock = threading.Lock()
    network = net(Held(lambda _: 1.0 if lock.locked() else 2.0))
    with pytest.raises(InputError, match=r"reads lock .* give no store") as refused:
        fingerprint(network)
    assert "\n" not in str(refused.value)
    assert fingerprint(network, lasting=False) == fingerprint(network, lasting=False)
    data = X, np.arange(len(X)) % 2
    once = {"fractions": (0.3,), "seeds": 1, "occlusions": ("keep",), "training": Training(epochs=1, batch_size=20)}
    road = functools.partial(robint_tf.road, fractions=(0.3,))
    for study in (road, functools.partial(robint_tf.roar, train=data, build=net, **once)):
        with pytest.raises(InputError, match="give no store"):
            study(network, test=data, store=tmp_path)
        assert study(network, test=data).table()
    with pytest.raises(InputError, match="give no store"):
        robint_tf.roar(net(), data, data, build=lambda: network, store=tmp_path, **once)
