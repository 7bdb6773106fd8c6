"""`robint plan`: how much work a study is, and how long it takes."""

import re
from types import SimpleNamespace

import pytest
import tensorflow as tf

from robint_experiments.studies import estimate
from robint_experiments.studies.estimate import Costs, Work, Workload
from robint_tf.data import datasets as data
from robint_tf.networks import classifiers, vae_gan
from robint_tf.specs import VAEGANSpec
from robint_tf.store import results

# Positions x kernel x channels in x channels out of every convolution, then the dense layers.
MULTIPLICATIONS = {
    "cifar_cnn": 1024 * 9 * (3 * 32 + 32 * 32) + 256 * 9 * (32 * 64 + 64 * 64) + 8 * 8 * 64 * 512 + 512 * 10,
    "mnist_cnn": 784 * 25 * (1 * 32 + 32 * 64) + 196 * 64 * 1024 + 1024 * 10,
}


@pytest.mark.parametrize("architecture", MULTIPLICATIONS)
def test_flops_of_a_classifier_are_those_of_its_layers(architecture):
    network = classifiers.build(architecture)
    costs = estimate.classifier_flops(network, classifiers.ARCHITECTURES[architecture].input_shape)
    forward = 2 * MULTIPLICATIONS[architecture]
    assert costs.attack_step == pytest.approx(2 * forward, rel=0.02)  # activations and biases count a little
    assert costs.update == pytest.approx(3 * forward, rel=0.02)


def test_a_vae_gan_step_costs_more_on_more_images():
    few, more = (
        estimate.vae_gan_flops(VAEGANSpec(dataset="mnist", epochs=1, batch_size=n), (28, 28, 1)) for n in (2, 20)
    )
    assert 4 < more / few < 10.5  # spectral normalisation costs the same for any batch


@pytest.mark.parametrize(("name", "runs"), [("mnist", 1), ("cifar10", 5)])
def test_flops_of_a_vae_gan_step_count_every_run_of_the_discriminator(name, runs):
    model, n = vae_gan.build(name), 50  # so many that the power iterations, once a run, hardly count
    shape = model.encoder.example_shape

    def forward(part):
        network = getattr(model, part)
        return estimate._flops(network, tf.TensorSpec([n, *network.example_shape], tf.float32))

    # Passes forward, to the inputs, and to the kernels where the part itself is trained, of one batch each.
    passes = {
        "encoder": 3 + 1,  # its own loss; once more for the other parts
        "decoder": 2 + 2 * 3 + 2 * runs,  # the encoder's loss, its own two batches, two batches for each run
        "discriminator": 2 * 2 + 3 * 3 * runs,  # the decoder's two batches; three batches in each run
    }
    by_hand = sum(count * forward(part) for part, count in passes.items())
    counted = estimate.vae_gan_flops(VAEGANSpec(dataset=name, epochs=1, batch_size=n), shape)
    assert 0.9 * by_hand < counted < 1.02 * by_hand  # the first layers pass nothing on to images


def test_costs_add_up():
    work = Work(updates=10, attack_steps=100, vae_gan_steps=7)
    costs = Costs(update=1, attack_step=0.1, vae_gan_step=2)
    assert costs.of(work) == pytest.approx(34)
    assert (costs / 2).of(work) == pytest.approx(17)


def test_a_workload_is_what_the_specs_take_that_the_store_lacks():
    load = estimate.workload("a", range(5), lambda n: n < 2, lambda n: Work(updates=n, size=10))
    assert load == Workload(name="a", total=5, missing=3, updates=2 + 3 + 4, size=30)
    assert estimate.workload("a", [], bool, None) == Workload(name="a", total=0, missing=0)


def test_a_larger_budget_measures_longer():
    network, digits = classifiers.build("gaussian_mlp"), data.load("toy").train
    costs = estimate.classifier_seconds(network, digits, 100, budget=0.5)
    assert costs.attack_step > 0
    assert 0 < costs.update < 1e-3


ROW = r"{}\s+(\d+)\s+(\d+)\s+([\d,]+)\s+([\d,]+)\s+(\d+)"


def numbers(name, text):
    return tuple(int(n.replace(",", "")) for n in re.search(ROW.format(name), text).groups())


def test_a_plan_counts_what_is_missing_and_takes_the_sections_options(robint, monkeypatch):
    tiny = ["section-3-2", "--preset", "smoke", "--norms", "l2", "--eps", "1.6", "--fractions", "0.9"]
    monkeypatch.setattr(estimate, "classifier_seconds", lambda *args: pytest.fail("measured"))
    text = robint("plan", "--device-rate", "10", *tiny)
    assert numbers("networks to train", text) == (2, 2, 100 * 2, 2 * 100, 0)  # images times steps; images
    assert numbers("networks to attack", text) == (2, 2, 2 * 20 * 40, 0, 0)
    assert numbers("retrainings", text) == (10, 10, 4 * (100 + 50), 10 * 100, 0)
    assert "at 10 TFLOP/s" in text
    monkeypatch.undo()


def test_a_plan_of_section_2_1_counts_the_vae_gan_and_as_a_file_holds_the_printed_numbers(robint, tmp_path):
    path = tmp_path / "plan.json"
    text = robint("plan", "--device-rate", "0.5", "--json", path, "section-2-1", "--preset", "smoke")
    assert numbers("VAE-GANs to train", text) == (1, 1, 0, 0, 10)
    assert numbers("networks to attack", text) == (7, 7, 7 * 20 * 4, 0, 0)
    plan = results.read(path)
    assert plan["plan_of"]["options"] == ["--preset", "smoke"]
    (study,) = plan["studies"]
    loads = {load["name"]: load for load in study["loads"]}
    attacked = loads["networks to attack"]
    assert numbers("networks to attack", text)[:3] == tuple(attacked[k] for k in ("total", "missing", "attack_steps"))
    assert study["seconds"] == pytest.approx(sum(load["flop"] for load in loads.values()) / 0.5e12)
    assert study["unit_seconds"] is None


def test_a_plan_of_other_methods_counts_the_gradients_of_their_maps(robint, tmp_path):
    args = ("--device-rate", "1", "--preset", "smoke", "--norms", "l2", "--strongest", "1", "--fractions", "0.5")

    def retrainings(*methods):
        given = [word for method in methods for word in ("--attribution", method)]
        robint("plan", "methods", *args, *given, "--json", tmp_path / "p.json")
        (study,) = results.read(tmp_path / "p.json")["studies"]
        assert study["power"] == []  # slopes of the paper's maps are another question
        (load,) = (load for load in study["loads"] if load["name"] == "retrainings")
        return load

    one, two = retrainings("gradient"), retrainings("gradient", "integrated_gradients:steps=7")
    assert two["missing"] - one["missing"] == 2 * 2  # networks, tests
    assert two["attack_steps"] == 8 * one["attack_steps"] == 8 * 2 * (100 + 50)


def test_what_is_done_is_not_planned(robint, monkeypatch):
    robint("section-2-2", "--preset", "smoke", "--seeds", "1")
    text = robint("plan", "--calibrate", "0", "section-2-2", "--preset", "smoke", "--seeds", "2")
    assert numbers("networks to train", text)[:2] == (6, 3)
    assert "TFLOP/s reached here: training" in text


@pytest.mark.parametrize(
    "line",
    [
        "--device-rate 10 section-3-2 --preset smoke --norms l2",
        "section-3-2 --preset smoke --norms l2 --device-rate 10",
        "--preset smoke section_3_2 --device-rate=10 --norms=l2",
    ],
)
def test_options_stand_before_or_behind_the_section(robint, line):
    text = robint("plan", *line.split())
    assert "at 10 TFLOP/s" in text
    assert numbers("networks to train", text)[:2] == (3, 3)


def test_a_wrong_option_of_the_section_names_the_sections_help(robint):
    text = robint("plan", "section-2-2", "--preset", "big", code=2)
    (hint,) = re.findall(r"Try '(robint|main) (section-2-2 --help)'", text)
    assert "--preset" in robint(*hint[1].split())


class Study:
    """As many seconds of work as are asked for."""

    name = "a study"
    run = SimpleNamespace(display=SimpleNamespace(end=lambda: None))

    def __init__(self, seconds):
        self.work, self.budgets = seconds, []

    def workloads(self):
        return [Workload(name="a", total=1, missing=int(self.work > 0), updates=self.work)]

    def seconds(self, budget=0.0):
        self.budgets.append(budget)
        return Costs(update=1.0)


@pytest.mark.parametrize(("work", "budgets"), [(0, []), (40, [0.0]), (1000, [0.0, 20.0]), (10**6, [0.0, 120.0])])
def test_measuring_takes_a_small_share_of_what_it_predicts(work, budgets):
    study = Study(work)
    assert estimate.estimate(study, 120.0).seconds == work
    assert study.budgets == budgets


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--preset", "smoke"], "no section is named"),
        (["section-9"], "section-9"),
        (["section-3-2", "--preset", "big"], "big"),
        (["--device-rate", "0", "section-2-2"], "above 0"),
        (["--device-rate", "fast", "section-2-2"], "'fast'"),
        (["--calibrate", "-1", "section-2-2"], "-1"),
        ([], "section-2-1"),
    ],
)
def test_wrong_input_is_refused_in_one_line(robint, args, message):
    assert message in robint("plan", *args, code=2)
