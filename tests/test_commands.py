"""The commands as users meet them: results, repeats, wrong input, interruption."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from processes import start

from robint_experiments.parameters import Method
from robint_experiments.sections import demo
from robint_tf.specs import Training
from robint_tf.store import results

FAST = ["--epochs", "1", "--n-train", "200", "--n-test", "20"]


def test_help_lists_every_command_and_explains_it(robint):
    text = robint("--help")
    for command in ("demo", "data", "train", "evaluate", "section-2-1", "section-2-2", "redraw"):
        assert re.search(rf"^  {command} +\S+", text, re.M)


def test_version(robint):
    from robint_tf import __version__

    assert robint("--version").strip() == f"robint, version {__version__}"


def test_section_2_2_writes_figures_and_numbers_and_trains_only_once(robint, tmp_path, monkeypatch):
    monkeypatch.delenv("ROBINT_DETERMINISTIC", raising=False)
    robint("section-2-2", "--preset", "smoke", "--seeds", "1")
    one_seed = times_of(tmp_path / "store")
    assert len(one_seed) == 6  # networks and their accuracies
    first = robint("section-2-2", "--preset", "smoke")
    assert "tilt standard > weak > strong in" in first
    names = {"section_2_2", "section_2_2_sketch"}
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {
        n + s for n in names for s in (".png", ".pdf", ".json")
    }
    before = {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()}
    trained = times_of(tmp_path / "store")
    assert len(trained) == 12
    assert trained.items() > one_seed.items()  # a new seed trains only what is new
    robint("section-2-2", "--preset", "smoke")
    assert times_of(tmp_path / "store") == trained
    assert {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()} == before

    numbers = results.read(tmp_path / "figures" / "section_2_2.json")
    assert numbers["provenance"]["command"] == "robint section-2-2 --preset smoke"
    assert numbers["provenance"]["variant"] == "authors"
    assert [n["name"] for n in numbers["networks"]] == ["standard", "weak", "strong"]
    standard, _, strong = (n["tilt_degrees"]["mean"] for n in numbers["networks"])
    assert standard > strong + 10  # two epochs suffice for the paper's effect
    for network in numbers["networks"]:
        assert len(network["tilt_degrees"]["values"]) == numbers["n_seeds"] == 2


def test_redraw_gives_the_same_figures_without_the_store(robint, tmp_path):
    robint("section-2-2", "--preset", "smoke", "--seeds", "1")
    figure = tmp_path / "figures" / "section_2_2.png"
    before = figure.read_bytes()
    figure.unlink()
    robint("redraw", "figures/section_2_2.json", "figures/section_2_2_sketch.json", "--out", "again")
    assert (tmp_path / "again" / "section_2_2.png").read_bytes() == before
    assert not figure.exists()


def test_train_and_evaluate_a_network(robint, tmp_path):
    train = ["train", "--dataset", "cifar10-sample", "--save", "m.keras", *FAST]
    text = robint(*train)
    assert "clean accuracy" in text
    card = results.read(tmp_path / "m.json")
    assert card["spec"]["training"]["epochs"] == 1
    assert card["train_data"]["count"] == 200
    assert robint(*train).splitlines()[-2:] == text.splitlines()[-2:]  # from the store
    attack = ["--norm", "linf", "--eps", "0.5", "--eps", "1/2", "--eps", "8/255", "--eps", "0", "--n-steps", "3"]
    text = robint("evaluate", "m.keras", "--dataset", "cifar10_sample", "--n-test", "20", *attack, "--json", "e.json")
    assert "eps 8/255 on [-1, 1] pixels (4/255 on [0, 1]), 3 steps of 0.02" in text
    clean, _, robust, idle = results.read(tmp_path / "e.json")["evaluations"]
    assert clean["accuracy"] == idle["accuracy"] == card["clean_accuracy"]["value"]
    assert robust["loss"] > clean["loss"] == pytest.approx(idle["loss"], rel=1e-5)


def test_names_of_choices_may_be_spelt_as_the_figures_do(robint):
    train = ["train", "--dataset", "Toy", "--epochs", 1, "--norm", "L2", "--n-steps", 2, "--save", "m.keras"]
    text = robint(*train, "--eps", "8/255", "--step-size", 1)
    assert "Warning: an l2 eps of 0.0314 hardly changes an image; --norm linf changes each pixel by eps." in text
    assert results.read(Path("m.json"))["spec"]["attack"]["norm"] == "l2"
    assert "hardly changes" not in robint(*train, "--eps", 0.5, "--step-size", 1, "--overwrite")
    assert Method().convert("Integrated-Gradients:steps=3", None, None) == "integrated_gradients(steps=3,baseline=fill)"


def test_adversarial_training_stamps_the_attack_and_the_variant(robint, tmp_path):
    robint("train", "--dataset", "toy", "--epochs", 1, "--eps", 0.1, "--attack-loss", "cw", "--variant", "corrected")
    card = results.read(tmp_path / "models" / "toy_l2_0.1_cw_masked.json")
    assert card["spec"]["variant"] == card["provenance"]["variant"] == "corrected"
    assert card["spec"]["attack"]["loss"] == "cw_masked"


def test_training_by_trades_is_a_recipe_of_its_own(robint, tmp_path):
    train = ["train", "--dataset", "toy", "--epochs", 1, "--eps", 0.1, "--n-steps", 2]
    robint(*train, "--trades", 6)
    robint(*train)
    by_trades, plain = (results.read(tmp_path / "models" / f"toy_l2_0.1_{name}.json") for name in ("trades_6", "xent"))
    assert by_trades["spec"] == plain["spec"] | {"trades": 6.0}
    assert by_trades["epoch_loss"] != plain["epoch_loss"]
    assert "by --trades" in robint("train", "--help")


def test_another_network_is_not_overwritten_by_accident(robint, tmp_path):
    train = ["train", "--dataset", "toy", "--epochs", "1", "--save", "m.keras"]
    robint(*train)
    before = (tmp_path / "m.keras").read_bytes()
    assert "holds another network" in robint(*train, "--seed", "1", code=2)
    assert (tmp_path / "m.keras").read_bytes() == before
    robint(*train, "--seed", "1", "--overwrite")
    assert (tmp_path / "m.keras").read_bytes() != before


WRONG = {
    "unknown command": (["sing"], 2, "choose one of demo, data, train"),
    "a misspelt command": (["trian"], 2, "did you mean train?"),
    "steps without eps": (["train", "--dataset", "toy", "--n-steps", "5"], 2, "--n-steps describes an attack"),
    "step size without eps": (["train", "--dataset", "toy", "--step-size", "1"], 2, "--step-size describes an attack"),
    "evaluated steps without eps": (
        ["evaluate", "m.keras", "--dataset", "toy", "--norm", "l2"],
        2,
        "--norm describes",
    ),
    "a name too long": (["train", "--dataset", "toy", "--save", "x" * 240 + ".keras"], 2, "name too long"),
    "json name too long": (["evaluate", "m.keras", "--dataset", "toy", "--json", "x" * 240 + ".json"], 2, "too long"),
    "json is a folder": (["evaluate", "m.keras", "--dataset", "toy", "--json", "."], 2, "names no file"),
    "save is a folder": (["train", "--dataset", "toy", "--save", "folder.keras"], 2, "is a folder"),
    "no place": (["section-2-2", "--store", ""], 2, "names no folder"),
    "no scheduler": (["section-3-2", "--preset", "smoke", "--scheduler", "foo"], 2, "like tcp://localhost:8786"),
    "nothing to report": (["report", "--results", "folder.keras"], 2, "holds no results"),
    "unknown data set": (["train", "--dataset", "mnits"], 2, "mnist"),
    "data missing": (["train", "--dataset", "cifar10", "--offline", "--data-dir", "nowhere"], 3, "nowhere"),
    "negative eps": (["train", "--dataset", "toy", "--eps", "-1"], 2, "at least 0"),
    "eps NaN": (["train", "--dataset", "toy", "--eps", "nan"], 2, "'nan'"),
    "eps no number": (["train", "--dataset", "toy", "--eps", "1/0"], 2, "'1/0'"),
    "zero rate": (["train", "--dataset", "toy", "--learning-rate", "0"], 2, "learning_rate is 0"),
    "no images": (["train", "--dataset", "mnist-sample", "--n-train", "0"], 2, "n-train"),
    "too many images": (["train", "--dataset", "mnist-sample", "--n-train", "5000"], 2, "5000"),
    "not .keras": (["train", "--dataset", "toy", "--save", "m.h5"], 2, ".keras"),
    "out is a file": (["section-2-2", "--out", "file/figures"], 2, "cannot be written"),
    "store is a file": (["section-2-2", "--store", "file"], 2, "cannot be written"),
    "no GPU 7": (["section-2-2", "--device", "gpu:7"], 2, "gpu:7"),
    "unknown device": (["section-2-2", "--device", "abacus"], 2, "abacus"),
    "no model": (["evaluate", "none.keras", "--dataset", "toy"], 2, "none.keras does not exist"),
    "model is cut off": (["evaluate", "cut.keras", "--dataset", "toy"], 2, "it was cut off"),
    "model is text": (["evaluate", "text.keras", "--dataset", "toy"], 2, "text.keras is not a Keras model"),
    "model of other shape": (["evaluate", "small.keras", "--dataset", "toy"], 2, "shape (3,)"),
    "model of other classes": (["evaluate", "classes.keras", "--dataset", "toy"], 2, "5 classes"),
    "model with softmax": (["evaluate", "softmax.keras", "--dataset", "toy"], 2, "probabilities"),
    "model with code": (["evaluate", "code.keras", "--dataset", "toy"], 2, "code.keras is not a Keras model"),
    "no results file": (["redraw", "none.json"], 2, "none.json cannot be read"),
    "results of nothing": (["redraw", "other.json"], 2, "'poem'"),
    "results without a figure": (["redraw", "numbers.json"], 2, "holds numbers of which no figure is drawn"),
    "results that are a folder": (["redraw", "folder.keras"], 2, "folder.keras is a folder; name a results file"),
    "numbers into text": (["evaluate", "m.keras", "--dataset", "toy", "--json", "x.txt"], 2, "does not end in .json"),
}


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory):
    """A folder of the files that the wrong commands stumble over."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "file").write_text("")
    (folder / "text.keras").write_text("no zip file")
    layers = keras.layers
    for name, stack in {
        "small": [layers.Input((3,)), layers.Dense(2)],
        "classes": [layers.Input((2,)), layers.Dense(5)],
        "softmax": [layers.Input((2,)), layers.Dense(2, "softmax")],
        "code": [layers.Input((2,)), layers.Lambda(lambda x: x)],
    }.items():
        keras.Sequential(stack).save(folder / f"{name}.keras")
    (folder / "cut.keras").write_bytes((folder / "small.keras").read_bytes()[:-200])
    (folder / "folder.keras").mkdir()
    results.write(folder / "other.json", {"figure": "poem"})
    results.write(folder / "numbers.json", {"figure": None})
    return folder


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_an_exit_code(robint, odd_files, tmp_path, case):
    args, code, message = WRONG[case]
    shutil.copytree(odd_files, tmp_path, dirs_exist_ok=True)
    text = robint(*args, code=code)
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert text.rstrip().endswith(errors[0])


def test_steps_that_cannot_reach_eps_are_warned_of_once(robint):
    short = ["--norm", "linf", "--n-steps", "3", "--step-size", "0.01", "--n-test", "50"]
    few = ["--epochs", "1", "--n-train", "200"]
    text = robint("train", "--dataset", "toy", *few, *short, "--eps", "0.17", "--save", "m.keras")
    assert text.count("Warning: 3 steps of 0.01 reach 0.03 at most, not the eps of 0.17; ") == 1
    text = robint("evaluate", "m.keras", "--dataset", "toy", *short, "--eps", "0.03", "--eps", "0.18", "--eps", "0.19")
    assert text.count("reach 0.03 at most") == 2
    assert text.count("not the eps of 0.18; ") == text.count("not the eps of 0.19; ") == 1
    assert "reach" not in robint("evaluate", "m.keras", "--dataset", "toy", *short, "--eps", "0.16", "--random-start")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused_before_any_work(robint, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written" in robint("section-2-2", "--out", "locked/figures", code=2)
    assert not (tmp_path / "store" / "ClassifierSpec").exists()


def test_a_killed_command_continues_and_ends_with_the_same_bytes(tmp_path, robint):
    """One run of twelve trainings, stopped in four ways, each after another training."""
    args, finished = ["section-2-2", "--preset", "smoke", "--seeds", "4"], {}
    for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)):
        n_before, process = len(finished), start(tmp_path, *args)
        deadline = time.monotonic() + 120
        while len(found := times_of(tmp_path / "store")) <= n_before:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signum)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code
        assert "Traceback" not in errors
        if signum != signal.SIGKILL:
            assert "stopping after this batch" in errors
            assert "continue" in errors
        assert found.items() >= finished.items()
        finished = times_of(tmp_path / "store")
    robint(*args)
    assert times_of(tmp_path / "store").items() >= finished.items()
    resumed = {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()}
    robint(*args, "--store", "another", "--out", "undisturbed")
    assert resumed == {p.name: p.read_bytes() for p in (tmp_path / "undisturbed").iterdir()}


def times_of(store):
    """When each artifact of a store was made."""
    return {p: p.stat().st_mtime_ns for p in store.rglob("manifest.json") if ".part-" not in str(p)}


OWN = (
    r"(\[(piece|network) \d.*|(training|testing|trying|evaluating|measuring) .*"
    r"|mnist: .*|random, .*|Warning: .*)?"
)
TINY = "--dataset mnist-sample --n-train 20 --n-test 20"
LINES = {
    "a network of one's own": [
        f"train {TINY} --epochs 1 --eps 0.5 --n-steps 2 --bounds 0,255 --save m.keras --tensorboard logs",
        "evaluate m.keras --dataset mnist-sample --n-test 20 --bounds 0,255 --eps 8/255 --eps-range 0,1 --n-steps 2",
        f"roar m.keras {TINY} --bounds 0,255 --fractions 0.5 --seeds 1 --epochs 1",
        "pack p.json",
        "unpack p.json --store another",
    ],
    "data, plans and results": [
        "data mnist-sample",
        "data",
        "plan section-2-2 --preset smoke --seeds 1",
        "section-2-2 --preset smoke --seeds 1",
        "report",
        "redraw figures/section_2_2.json",
        "status --preset smoke",
        "plan section-3-2 --preset smoke --calibrate 0",
    ],
}
SLOW = {
    "section 2.1": [
        "plan section-2-1 --preset smoke --dataset mnist --calibrate 0",
        "section-2-1 --preset smoke --dataset mnist",
    ],
    "sections 3.2 and 3.3": ["section-3-2 --preset smoke --norms l2", "section-3-3 --preset smoke --norms l2"],
}
ONE_AFTER_ANOTHER = """
import sys
from robint_experiments.cli import main
for line in sys.argv[1:]:
    main(line.split(), standalone_mode=False)
"""


@pytest.mark.parametrize("case", [*LINES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_nothing_is_printed_but_lines_of_our_own(tmp_path, case):
    """As a user starts it: without this process's log level, which hides what TensorFlow's C++ says."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "ROBINT_DATA_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, *{**LINES, **SLOW}[case]],
        cwd=tmp_path,
        env=environment | {"ROBINT_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert [text for text in done.stderr.splitlines() if not re.fullmatch(OWN, text)] == []


def test_installed_command_runs_as_a_process(tmp_path):
    script = Path(sys.executable).with_name("robint")
    if not script.exists():
        pytest.skip("the console script is not installed beside this Python")
    done = subprocess.run(
        [
            script,
            "train",
            "--dataset",
            "toy",
            "--epochs",
            "1",
            "--store",
            tmp_path / "s",
            "--save",
            tmp_path / "m.keras",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert keras.models.load_model(tmp_path / "m.keras").output_shape == (None, 2)


def test_demo_runs_offline(robint, tmp_path, monkeypatch):
    """On less data than `robint demo` takes, which `.ci/run` runs whole, to see what adversarial training does."""
    monkeypatch.setattr(demo, "SECTION_2_2", {"quick": demo.SECTION_2_2["smoke"]})
    short = replace(demo.DEMO_2_1, training=Training(epochs=1), n_train=100, n_test=20, vae_gan_epochs=1)
    monkeypatch.setattr(demo, "DEMO_2_1", replace(short, vae_gan_n_train=40))
    quick = {"training": Training(epochs=1), "retraining": Training(epochs=1), "n_train": 100, "n_test": 50}
    monkeypatch.setattr(demo, "DEMO_3_2", replace(demo.DEMO_3_2, **quick))
    assert demo.command.make_context("demo", []).params["deterministic"]
    text = robint("demo", "--no-deterministic")  # TensorFlow cannot switch it off again for the tests that follow
    assert "Figure 3" in text
    assert "Figure 3: tilt of the boundary" in (tmp_path / "demo" / "report.md").read_text()
    standard, adversarial = results.read(tmp_path / "demo" / "networks.json")["networks"]
    assert [standard["name"], adversarial["name"]] == ["standard", "adversarial"]
    for network in (standard, adversarial):
        assert 0 <= network["robust"]["value"] <= network["clean"]["value"] <= 1
        assert {test: len(values) for test, values in network["retrained"].items()} == {"remove": 1, "keep": 1}
