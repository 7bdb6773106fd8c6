import gc
import weakref

import goldens
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from robint_tf.attacks import pgd as attacks
from robint_tf.attacks.named import bim, fgsm
from robint_tf.attacks.norms import l2_direction
from robint_tf.catalogue import LOSSES, NORMS
from robint_tf.networks import classifiers
from robint_tf.specs import PGD

FILES = {
    "attacks_mixnorm": ("gaussian_mlp", "MIXNORM_DNN"),
    "attacks_mnist": ("mnist_cnn", "MNIST_CNN"),
    "attacks_cifar": ("cifar_cnn", "CIFAR_CNN"),
}
LOSS_NAMES = {"xent": "xent", "cw": "cw", "cwa": "cw_unclamped"}


def golden_network(file):
    """The network of a golden file; the files hold the same one with other last weights, too."""
    architecture, name = FILES[file]
    network = classifiers.build(architecture)
    goldens.set_weights(network, goldens.weights(name, goldens.meta(file)["seed"]))
    return network


def cases(file):
    return sorted(key.removesuffix("/adv") for key in goldens.load(file) if key.endswith("/adv"))


@pytest.fixture(scope="module", params=FILES)
def golden(request):
    return request.param, golden_network(request.param)


def run_case(file, network, case):
    """(our adversarial examples, the attack's loss on them, our logits) of one golden case."""
    values, meta = goldens.load(file), goldens.meta(file)
    tail = case.rpartition("/")[2]
    norm, loss, start, steps = (
        ["l2", *tail.split("_")[2:3], "det", tail.split("_")[3]] if tail.startswith("analysis") else tail.split("_")
    )
    norms = {"l2": meta["norms"]["2"], "linf": meta["norms"]["inf"]}
    eps, step_size = meta["analysis_l2"] if tail.startswith("analysis") else norms[norm]
    x, y = tf.constant(values["x"]), tf.constant(values["y"])
    begin = None
    if start == "rnd":
        draw = tf.constant(values[f"draw_{norm}"])
        begin = eps * l2_direction(draw) if norm == "l2" else draw

    @tf.function
    def attack(x, y):
        return attacks.ascend(
            network,
            x,
            y,
            norm=norm,
            loss=LOSS_NAMES[loss],
            eps=tf.constant(eps, tf.float32),
            step_size=tf.constant(step_size, tf.float32),
            n_steps=tf.constant(int(steps[1:])),
            start=begin,
        )

    x_adv, _ = attack(x, y)
    logits = network(x_adv)
    return x_adv.numpy(), LOSSES[LOSS_NAMES[loss]](logits, y).numpy(), logits.numpy()


def check_case(file, network, case):
    """Short attacks point by point where the golden is stable; long ones by what they reach, too (goldens' README)."""
    values = goldens.load(file)
    x_adv, loss, logits = run_case(file, network, case)
    stable = values.get(f"{case}/stable", np.ones(len(x_adv))).astype(bool)
    # an independent implementation left one of 2,892 stable examples: allow one example a case, and only at 40 steps
    off = np.abs(x_adv - values[f"{case}/adv"]).reshape(len(x_adv), -1).max(axis=1) > 1e-5
    assert np.sum(off & stable) <= (1 if case.endswith("n40") else 0), f"{case}: {np.flatnonzero(off & stable)}"
    np.testing.assert_array_equal(logits.argmax(axis=-1)[stable], values[f"{case}/pred"][stable], err_msg=case)
    np.testing.assert_allclose(loss, values[f"{case}/loss"], rtol=0.03, atol=0.03, err_msg=case)
    length = np.sqrt(np.square(x_adv - values["x"]).reshape(len(x_adv), -1).sum(axis=1))
    np.testing.assert_allclose(length, values[f"{case}/pert_l2"], rtol=0.03, atol=1e-5, err_msg=case)


def test_attacks_equal_the_authors(golden):
    file, network = golden
    ordinary = [case for case in cases(file) if "/" not in case]
    assert len(ordinary) >= 20
    for case in ordinary:
        check_case(file, network, case)


def test_attacks_equal_the_authors_where_the_cw_objective_is_clamped():
    file = "attacks_mixnorm"
    network = golden_network(file)
    kernel = network.layers[-1].kernel
    kernel.assign(kernel * goldens.meta(file)["scaled_dense2_kernel_factor"])
    scaled = [case for case in cases(file) if case.startswith("scaled/")]
    assert scaled
    np.testing.assert_allclose(network(goldens.load(file)["x"]), goldens.load(file)["scaled/logits"], rtol=1e-4)
    for case in scaled:
        check_case(file, network, case)


@pytest.mark.parametrize("file", ["attacks_mnist", "attacks_cifar"])
def test_attacks_equal_the_authors_where_all_logits_are_negative(file):
    network = golden_network(file)
    bias = network.layers[-1].bias
    bias.assign(bias + goldens.meta(file)["shifted_last_bias"])
    shifted = [case for case in cases(file) if case.startswith("shifted/")]
    assert shifted
    for case in shifted:
        check_case(file, network, case)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", LOSSES)
def test_attack_on_a_linear_network_is_the_closed_form(linear_network, images, norm, loss):
    """For two classes the input gradient of a linear network has one direction, so one long step is the optimum."""
    x, y = images
    w = linear_network.get_weights()[0].copy()
    w[:, 2] = 0  # class 2 out of the way
    linear_network.set_weights([w, np.array([0, 0, -1e3], np.float32)])
    y, eps = y % 2, 0.3
    attacked = attacks.attack_dataset(
        linear_network, x, y, PGD(norm=norm, eps=eps, step_size=1.0, n_steps=1, loss=loss)
    )
    if loss in (
        "cw",
        "cw_unclamped",
    ):  # the true class competes with value 0: the other class may not be attacked
        other = np.where(attacked.clean_logits[np.arange(10), 1 - y] > 0, 1, 0)
    else:
        other = np.ones(10)
    ascent = w.T[1 - y] * other[:, None] - w.T[y]
    step = np.sign(ascent) if norm == "linf" else ascent / np.linalg.norm(ascent, axis=1, keepdims=True)
    np.testing.assert_allclose(attacked.x_adv, np.clip(x + eps * step.reshape(x.shape), -1, 1), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    norm=st.sampled_from(sorted(NORMS)),
    loss=st.sampled_from(sorted(LOSSES)),
    eps=st.floats(0, 4),
    step_size=st.floats(0, 4),
    n_steps=st.integers(0, 6),
    random_start=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_attacks_stay_in_the_ball_and_in_the_box(norm, loss, eps, step_size, n_steps, random_start, seed):
    network = tiny_network()
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (7, 4, 4, 1)).astype("float32")
    y = rng.integers(0, 3, 7)
    attack = PGD(
        norm=norm,
        eps=eps,
        step_size=step_size,
        n_steps=n_steps,
        loss=loss,
        random_start=random_start,
        seed=seed,
    )
    attacked = attacks.attack_dataset(network, x, y, attack)
    delta = (attacked.x_adv - x).reshape(7, -1)
    size = np.abs(delta).max(axis=1) if norm == "linf" else np.linalg.norm(delta, axis=1)
    assert (size <= eps + 1e-6).all()
    assert np.abs(attacked.x_adv).max() <= 1
    if eps == 0 or (not random_start and 0 in (step_size, n_steps)):
        np.testing.assert_allclose(attacked.x_adv, x, atol=1e-7)
    shuffled = rng.permutation(7)
    if not random_start:
        again = attacks.attack_dataset(network, x[shuffled], y[shuffled], attack)
        np.testing.assert_allclose(again.x_adv, attacked.x_adv[shuffled], atol=1e-5)


def tiny_network(_cache=[]):  # noqa: B006  (one network for all examples of a property)
    if not _cache:
        keras.utils.set_random_seed(0)
        _cache.append(
            keras.Sequential(
                [
                    keras.layers.Input((4, 4, 1)),
                    keras.layers.Conv2D(4, 3),
                    keras.layers.Flatten(),
                    keras.layers.Dense(3),
                ]
            )
        )
    return _cache[0]


@pytest.mark.parametrize("norm", NORMS)
def test_more_eps_never_lowers_the_loss_of_a_linear_network(linear_network, images, norm):
    x, y = images
    losses = []
    for eps in (0.0, 0.1, 0.2, 0.4):
        attacked = attacks.attack_dataset(linear_network, x, y, PGD(norm=norm, eps=eps, step_size=0.05, n_steps=20))
        losses.append(LOSSES["xent"](attacked.logits, y).numpy())
    assert (np.diff(losses, axis=0) >= -1e-5).all()


def test_batches_do_not_change_an_attack_even_with_a_random_start():
    network = tiny_network()
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-1, 1, (11, 4, 4, 1)).astype("float32"), rng.integers(0, 3, 11)
    for norm in NORMS:
        attack = PGD(norm=norm, eps=0.5, step_size=0.1, n_steps=3, random_start=True, seed=9)
        whole, parts = (attacks.attack_dataset(network, x, y, attack, batch_size=b) for b in (11, 4))
        np.testing.assert_allclose(whole.x_adv, parts.x_adv, atol=1e-6)
        other = attacks.attack_dataset(network, x, y, PGD(**{**vars(attack), "seed": 10}))
        assert np.abs(other.x_adv - whole.x_adv).max() > 1e-3


def test_one_trace_serves_all_eps_steps_and_batch_sizes(linear_network, images):
    x, y = images
    traces = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            traces.append(1)
            return x

    network = keras.Sequential([keras.layers.Input((3, 3, 1)), Spy(), linear_network])
    attacks.attack_dataset(network, x, y, PGD(norm="l2", eps=0.1, step_size=0.2, n_steps=2), batch_size=4, check=False)
    n = len(traces)
    for eps, step_size, n_steps in ((0.2, 0.1, 3), (0.3, 2.0, 40), (4.0, 0.02, 1)):
        attack = PGD(norm="l2", eps=eps, step_size=step_size, n_steps=n_steps)
        attacks.attack_dataset(network, x, y, attack, batch_size=4, check=False)
    assert len(traces) == n


def test_compiled_attacks_die_with_their_network(images):
    network = keras.Sequential([keras.layers.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    attacks.attack_dataset(network, *images, fgsm(0.1))
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_saturated_examples_are_counted_and_left_alone():
    network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    network.set_weights([np.array([[1e6, -1e6], [0, 0]], np.float32), np.zeros(2, np.float32)])
    x, y = np.array([[0.5, 0.0], [1e-6, 0.0]], np.float32), np.array([0, 0])  # cross entropy 0 for the first
    for norm in NORMS:
        attacked = attacks.attack_dataset(network, x, y, PGD(norm=norm, eps=0.1, step_size=0.1, n_steps=3))
        assert attacked.n_saturated == 1
        np.testing.assert_array_equal(attacked.x_adv[0], x[0])
        assert np.isfinite(attacked.x_adv).all()


def test_fgsm_and_bim_are_presets():
    assert fgsm(0.1) == PGD(norm="linf", eps=0.1, step_size=0.1, n_steps=1)
    assert bim(0.1, n_steps=4) == PGD(norm="linf", eps=0.1, step_size=0.025, n_steps=4)
    assert bim(0.1, n_steps=4, step_size=0.05).step_size == 0.05


def bad_inputs():
    x, y = np.zeros((2, 3, 3, 1), np.float32), np.array([0, 1])
    nan = x.copy()
    nan[0, 0, 0, 0] = np.nan
    yield "float64", x.astype("float64"), y, "give float32"
    yield "uint8", x.astype("uint8"), y, "give float32"
    yield "range", x + 1.5, y, r"scale them to \[-1, 1\]"
    yield "nan", nan, y, "NaN"
    yield "channels first", x.transpose(0, 3, 1, 2), y, r"shape \(1, 3, 3\)"
    yield "label too large", x, np.array([0, 3]), "from 0 to 2"
    yield "negative label", x, np.array([-1, 0]), "from 0 to 2"
    yield "float labels", x, np.array([0.0, 1.0]), "integers"
    yield "too few labels", x, y[:1], "2 images and 1 labels"
    yield "nothing", x[:0], y[:0], "0 images"


@pytest.mark.parametrize(("x", "y", "message"), [c[1:] for c in bad_inputs()], ids=[c[0] for c in bad_inputs()])
def test_bad_inputs_are_refused(linear_network, x, y, message):
    with pytest.raises(ValueError, match=message) as refusal:
        attacks.attack_dataset(linear_network, x, y, fgsm(0.1))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (lambda: keras.layers.Softmax(), "probabilities"),
        (lambda: keras.layers.Lambda(lambda z: z + tf.random.normal(tf.shape(z), seed=1)), "two calls"),
        (lambda: keras.layers.Lambda(lambda z: z * float("nan")), "NaN or infinite logits"),
    ],
    ids=["softmax", "noise", "nan"],
)
def test_networks_that_make_attacks_meaningless_are_refused(linear_network, images, last, message):
    network = keras.Sequential([keras.layers.Input((3, 3, 1)), linear_network, last()])
    with pytest.raises(ValueError, match=message):
        attacks.attack_dataset(network, *images, fgsm(0.1))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("random_start", [False, True])
def test_foolbox_finds_the_same(norm, random_start, monkeypatch):
    """Foolbox 3 as a second opinion, from the same start."""
    # eagerpy, on which Foolbox stands, asks NumPy for a function that NumPy 2 has dropped
    monkeypatch.setattr(np, "find_common_type", lambda a, s: np.result_type(*a, *s), raising=False)
    fb = pytest.importorskip("foolbox", reason="the oracle needs foolbox: pip install '.[test]'")
    ep = pytest.importorskip("eagerpy")
    network = golden_network("attacks_cifar")
    values = goldens.load("attacks_cifar")
    x, y = values["x"], values["y"]
    attack = PGD(
        norm=norm,
        eps=0.4 if norm == "l2" else 0.02,
        step_size=0.1 if norm == "l2" else 0.004,
        n_steps=5,
        random_start=random_start,
        seed=3,
    )
    ours = attacks.attack_dataset(network, x, y, attack)
    model = fb.TensorFlowModel(network, bounds=(-1, 1))
    base = fb.attacks.L2PGD if norm == "l2" else fb.attacks.LinfPGD
    oracle = base(abs_stepsize=attack.step_size, steps=attack.n_steps, random_start=random_start)
    if random_start:
        begin = attacks._random_start(attack, 0, tf.constant(x)).numpy()
        oracle.get_random_start = lambda x0, eps: ep.astensor(tf.constant(x + begin))
    theirs, *_ = oracle(model, tf.constant(x), tf.constant(y), epsilons=attack.eps)
    raw = theirs[0] if isinstance(theirs, list) else theirs
    np.testing.assert_allclose(ours.x_adv, raw.numpy(), atol=1e-5)
