"""Registries, what recipes hold of registered things, and that the code of docs/extending.md runs."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from robint_experiments.cli import main
from robint_experiments.studies import presets
from robint_tf import attacks, catalogue, data, labels
from robint_tf.attacks import PGD
from robint_tf.catalogue import ARCHITECTURES, ATTRIBUTIONS, DATASETS, FILLS, LOSSES, NORMS, VAE_GANS
from robint_tf.interpretability import occlusion
from robint_tf.networks import classifiers, vae_gan
from robint_tf.networks.classifiers import Architecture
from robint_tf.registry import Registry
from robint_tf.specs import ClassifierSpec, RetrainSpec, Training, VAEGANSpec, as_dict, from_dict
from robint_tf.store.artifacts import spec_key
from robint_tf.training import fit_classifier

REGISTRIES = (NORMS, LOSSES, ATTRIBUTIONS, FILLS, ARCHITECTURES, VAE_GANS, DATASETS)
PRESETS = (presets.SECTION_2_1, presets.SECTION_2_2, presets.SECTION_3_2)
EXTENDING = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def as_they_were(monkeypatch):
    """What a test registers is gone after it."""
    for registry in (*REGISTRIES, *PRESETS):
        monkeypatch.setattr(registry, "_things", dict(registry._things))
        monkeypatch.setattr(registry, "_newest", dict(registry._newest))


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.what)
def test_what_the_catalogue_lists_exists_under_its_plain_name(registry):
    for name in registry:
        assert not isinstance(registry[name], str)
        assert registry.full_name(name).partition("(")[0] == name  # some attributions have settings


def test_names_are_known_without_tensorflow():
    code = (
        "import sys; from robint_tf import specs, catalogue; spec = specs.PGD(norm='l2', eps=1, step_size=1)\n"
        "specs.ClassifierSpec(dataset='mnist_sample', training=specs.Training(epochs=1), attack=spec)\n"
        "assert list(catalogue.NORMS) == ['l2', 'linf']; assert not {'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def pgd(**changes):
    return PGD(**{"norm": "l2", "eps": 1.0, "step_size": 0.5} | changes)


def test_a_registered_name_is_part_of_the_recipe_with_its_version():
    LOSSES.register("mine", tf.identity, version="1")
    first = pgd(loss="mine")
    assert first.loss == "mine@1"
    assert from_dict(as_dict(first)) == first
    LOSSES.register("mine", tf.negative, version="2")
    second = pgd(loss="mine")
    assert (second.loss, list(LOSSES).count("mine")) == ("mine@2", 1)
    assert spec_key(first) != spec_key(second)
    assert LOSSES[first.loss] is tf.identity  # a spec that names the older version still means it
    assert LOSSES["mine"] is LOSSES["mine@2"] is tf.negative


def registered_in(path, body):
    path.write_text(
        f"from robint_tf.catalogue import LOSSES\n@LOSSES.added('mine')\ndef mine(logits, y):\n    {body}\n"
    )
    runpy.run_path(str(path))
    return pgd(loss="mine").loss


def test_two_peoples_thing_of_one_name_are_two_recipes(tmp_path):
    one = registered_in(tmp_path / "a.py", "return logits[:, 0]")
    assert registered_in(tmp_path / "b.py", "return logits[:, 1]") != one
    assert registered_in(tmp_path / "c.py", "return logits[:, 0]") == one  # wherever the file lies
    assert re.fullmatch(r"mine@[0-9a-f]{12}", one)


def test_a_registered_attribution_and_architecture_are_part_of_a_cell():
    ATTRIBUTIONS.register("mine", tf.identity, version="1")
    ARCHITECTURES.register("tiny", Architecture(classifiers.cifar_cnn, (32, 32, 3), 10), version="3")
    cell = RetrainSpec(
        dataset="cifar10",
        source=ClassifierSpec(dataset="cifar10", training=Training(epochs=1)),
        attribution="mine",
        occlusion="keep",
        fraction=0.5,
        training=Training(epochs=1),
        architecture="tiny",
    )
    assert (cell.attribution, cell.architecture, cell.source.architecture) == ("mine@1", "tiny@3", "cifar_cnn")
    assert from_dict(as_dict(cell)) == cell
    network = classifiers.build(cell.architecture)
    assert network.name == "tiny"
    classifiers.check_architecture(network, "tiny@3", variant="authors", precision="float32")


def unreadable(registry):
    exec(compile("registry.register('mine', abs)", "<string>", "exec"), {"registry": registry})


REFUSED = {
    "unknown": (lambda: pgd(norm="l1"), r"^norm is 'l1'; choose one of l2, linf\.$"),
    "not text": (lambda: pgd(norm=2), r"^norm is 2; choose one of l2, linf\.$"),
    "not registered": (
        lambda: NORMS[pgd(norm="l1@a").norm],
        r"^norm is 'l1@a'; choose one of l2, linf, or register it",
    ),
    "another version": (
        lambda: NORMS.register("l1", abs, version="1") and NORMS[pgd(norm="l1@2").norm],
        r"^norm is 'l1@2', but what is registered here is 'l1@1'; register the other",
    ),
    "the package's": (lambda: LOSSES.register("cw", abs), "^the loss 'cw' comes with the package; choose another"),
    "no name": (lambda: LOSSES.register("my loss", abs), "^the name of a loss is 'my loss'; give small letters"),
    "no source": (lambda: unreadable(LOSSES), "^the source of the loss 'mine' cannot be read; give a version"),
    "architecture": (
        lambda: ClassifierSpec(dataset="mnist", training=Training(epochs=1), architecture="vgg"),
        "^architecture is 'vgg'; choose one of gaussian_mlp, mnist_cnn, cifar_cnn",
    ),
    "VAE-GAN": (
        lambda: VAEGANSpec(dataset="mnist", epochs=1, architecture="stylegan"),
        "^VAE-GAN is 'stylegan'; choose one of mnist, fashion_mnist, cifar10",
    ),
    "fill": (
        lambda: occlusion.fill_values(np.zeros(3), fill="blur"),
        "^fill is 'blur'; choose one of authors_mean, mean",
    ),
    "classes": (
        lambda: (
            ARCHITECTURES.register("odd", Architecture(classifiers.cifar_cnn, (32, 32, 3), 7), version="1"),
            classifiers.build("odd"),
        ),
        r"^the architecture odd gives values of shape \(10,\); its record says 7 classes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_in_one_line(case):
    act, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        act()
    assert "\n" not in str(error.value)


MISSING = {
    "norm": {"norm": "l1@a"},
    "loss": {"loss": "mine@a"},
}


@pytest.mark.parametrize("what", MISSING)
@pytest.mark.parametrize("use", ["attack", "train"])
def test_a_thing_that_is_not_registered_is_named_before_it_is_used(linear_network, images, what, use):
    attack = pgd(**MISSING[what])
    run = {
        "attack": lambda: attacks.attack_dataset(linear_network, *images, attack),
        "train": lambda: fit_classifier(linear_network, *images, Training(epochs=1), attack, initialise=True),
    }[use]
    with pytest.raises(ValueError, match=f"^{what} is '.*@a'; choose one of .*, or register it") as error:
        run()
    assert "\n" not in str(error.value)


def test_a_sample_is_a_record_that_knows_what_it_was_taken_from():
    assert catalogue.origin("mnist_sample") == catalogue.origin("mnist") == "mnist"
    assert catalogue.origin("my_sample") == "my_sample"
    assert catalogue.sample_of("cifar10") == "cifar10_sample"
    with pytest.raises(ValueError, match="data set is 'toy'; choose one of mnist"):
        catalogue.sample_of("toy")


def test_what_has_no_label_is_called_by_its_name():
    assert (labels.NORMS["linf"], labels.NORMS["l1@0a1b"], list(labels.NORMS)) == ("L-Inf", "l1", ["l2", "linf"])


X, Y = np.zeros((4, 5, 5, 1), np.uint8), np.arange(4)


def test_arrays_become_a_data_set():
    pixels = np.array([0, 255], np.uint8).reshape(2, 1)
    found = data.from_arrays("mine", train=(pixels, np.array([0, 1])), test=(pixels / 255.0, np.array([2, 0])))
    assert found.train.x.ravel().tolist() == [-1, 1]
    assert found.test.x.ravel().tolist() == [0, 1]
    assert {found.train.x.dtype, found.test.x.dtype, found.train.y.dtype} == {np.dtype("f4"), np.dtype("i4")}
    assert (found.class_names, found.order, found.verified) == (("0", "1", "2"), "given", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (X, Y[:3])}, r"^mine, train: images have shape \(4, 5, 5, 1\), labels \(3,\); give"),
        ({"test": (X[:0], Y[:0])}, "^mine, test: images have shape"),
        ({"train": (X, Y - 1)}, "^mine, train: labels are int64 from -1; give integers from 0"),
        ({"train": (X, Y / 2)}, "^mine, train: labels are float64"),
        ({"train": (X + 2.0, Y)}, r"^mine, train: images are float64, 2\.0 to 2\.0; give uint8, or floats in"),
        ({"train": (X * np.nan, Y)}, "^mine, train: images hold NaN"),
        ({"train": (X.astype(int), Y)}, "^mine, train: images are int64"),
        ({"test": (X[:, :4], Y)}, "^mine: training images have shape"),
        ({"class_names": ("a", "b")}, "^mine: labels go up to 3; give at least 4 class_names"),
    ],
)
def test_arrays_that_are_not_images_and_labels_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        data.from_arrays("mine", **{"train": (X, Y), "test": (X, Y)} | changes)


@pytest.mark.parametrize(("load", "message"), [(None, "give its record a function load"), ("other", "record says")])
def test_a_record_that_does_not_fit_what_it_loads_is_refused(load, message):
    other = data.from_arrays("mine", train=(X, Y), test=(X, Y))
    info = data.DatasetInfo(class_names=("a",), shape=(3, 3, 1), load=load and (lambda: other))
    DATASETS.register("mine", info)
    with pytest.raises(ValueError, match=message):
        data.load("mine")


def test_the_code_of_the_document_runs_and_does_what_it_says(tmp_path, capsys):
    path = tmp_path / "my_things.py"
    path.write_text("\n\n".join(re.findall(r"```python\n(.*?)```", EXTENDING, re.DOTALL)))
    made = runpy.run_path(str(path))
    attacked, occluded, distance = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"l1@\w{12} PGD, eps 4 .*accuracy \d+%; maps \(50, 32, 32\)", attacked)
    assert re.fullmatch(r"half of the pixels black: accuracy \d+%", occluded)
    assert re.fullmatch(r"their distance to the manifold: \d+\.?\d*", distance)
    names = ("l1", "dlr", "hidden_patches", "black", "small_cnn", "small_vae_gan", "stripes")
    for registry, name in zip(REGISTRIES, names, strict=True):
        assert name in registry
    assert (made["occluded"] == -1).all(axis=-1).mean(axis=(1, 2)).min() > 0.49
    recipe = VAEGANSpec(dataset="stripes", epochs=1)
    assert re.fullmatch(r"small_vae_gan@\w{12}", recipe.architecture)
    assert from_dict(as_dict(recipe)) == recipe
    assert made["model"].name == vae_gan.build(recipe.architecture).name == "vae_gan_small_vae_gan"

    ops, rng = NORMS["l1"], np.random.default_rng(0)
    x = rng.uniform(-0.5, 0.5, (20, 4, 3, 1)).astype("float32")
    delta = rng.normal(0, 0.4, x.shape).astype("float32")
    found = ops.project(tf.constant(x + delta), tf.constant(x), tf.constant(1.5)).numpy() - x
    np.testing.assert_allclose(
        found.reshape(20, -1), [by_bisection(row, 1.5) for row in delta.reshape(20, -1)], atol=1e-5
    )
    assert np.array_equal(ops.project(tf.constant(x), tf.constant(x), tf.constant(0.0)), x)
    steps = ops.direction(tf.constant(delta)).numpy().reshape(20, -1)
    assert np.abs(steps).sum(axis=1).tolist() == [1] * 20
    np.testing.assert_allclose((steps * delta.reshape(20, -1)).sum(axis=1), np.abs(delta).max(axis=(1, 2, 3)))
    start = ops.start(tf.constant(x.shape), tf.constant(1.5), tf.constant([1, 2])).numpy()
    np.testing.assert_allclose(np.abs(start).sum(axis=(1, 2, 3)), 1.5, rtol=1e-5)

    network, images = made["network"], made["images"].test.x[:4]
    maps = made["hidden_patches"](network, tf.constant(images), baseline=tf.fill((32, 32, 3), 0.5)).numpy()
    predicted = network(images).numpy().argmax(axis=1)
    hidden = images.copy()
    hidden[:, 8:16, 24:] = 0.5
    here, there = (
        tf.keras.losses.sparse_categorical_crossentropy(predicted, network(z), from_logits=True)
        for z in (images, hidden)
    )
    np.testing.assert_allclose(maps[:, 8:16, 24:, 1], np.tile((there - here)[:, None, None], (8, 8)), atol=1e-5)


def by_bisection(delta, eps):
    """The projection to the l1 ball: entries shrunk by the threshold at which their lengths add up to eps."""
    if np.abs(delta).sum() <= eps:
        return delta
    low, high = 0.0, float(np.abs(delta).max())
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(np.abs(delta) - middle, 0).sum() > eps else (low, middle)
    return np.sign(delta) * np.maximum(np.abs(delta) - low, 0)


def test_the_command_line_offers_what_extensions_register(tmp_path, monkeypatch):
    code = (
        "from dataclasses import replace\n"
        "from robint_experiments.studies.presets import SECTION_2_2\n"
        "from robint_tf.catalogue import NORMS\n"
        "SECTION_2_2.register('ten', replace(SECTION_2_2['quick'], n_seeds=10)); NORMS.register('l1', abs)\n"
    )
    (tmp_path / "my_things.py").write_text(code)
    code = (
        "from click.testing import CliRunner; from robint_experiments.cli import main\n"
        "for name in ('section-2-2', 'train'): print(CliRunner().invoke(main, [name, '--help']).output)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("ROBINT_EXTENSIONS", "my_things")
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "smoke|quick|paper|ten" in shown
    assert "l2|linf|l1" in shown


@pytest.mark.parametrize(("body", "reason"), [(None, "No module named"), ("1 / 0", "division by zero")])
def test_an_extension_that_cannot_be_loaded_is_named(tmp_path, monkeypatch, body, reason):
    if body:
        (tmp_path / "broken_things.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    found = CliRunner().invoke(main, ["data", "toy"], env={"ROBINT_EXTENSIONS": "broken_things"})
    assert found.exit_code == 2
    assert re.search(rf"ROBINT_EXTENSIONS names 'broken_things', .*{reason}", found.output)


def test_a_norm_of_ones_own_needs_a_step_size():
    NORMS.register("l1", abs, version="1")
    from robint_experiments.options import AttackOptions

    with pytest.raises(Exception, match="the norm l1 has no step size of its own; give --step-size"):
        AttackOptions(norm="l1").attack(1.0)
    assert AttackOptions(norm="l1", step_size=0.5).attack(1.0).norm == "l1@1"


def test_a_preset_that_lacks_the_data_set_is_refused():
    from robint_experiments.sections import section_2_1

    presets.SECTION_2_1.register("few", {"mnist": presets.SECTION_2_1["smoke"]["mnist"]})
    assert section_2_1.study_of("few", "mnist", "authors").dataset == "mnist"
    with pytest.raises(Exception, match="the preset few has mnist, not cifar10"):
        section_2_1.study_of("few", "cifar10", "authors")


def test_unversioned_registries_hold_plain_names():
    registry = Registry("thing", {"a": 1}, versioned=False)
    registry.register("b", 2)
    assert (list(registry), registry.full_name("b"), len(registry), dict(registry)) == (
        ["a", "b"],
        "b",
        2,
        {"a": 1, "b": 2},
    )
