"""The command that results name gives them again: it asks for the same, to the last digit."""

import hashlib
import shlex
from dataclasses import replace

import click
import pytest
from click.core import ParameterSource

from robint_experiments.cli import main
from robint_experiments.parsing import Placement, command_line
from robint_experiments.studies.presets import SECTION_2_1, SECTION_3_2
from robint_tf.specs import PGD, Training
from robint_tf.store import results

GIVEN = {
    "train": "train --dataset toy --eps 8/255 --norm linf --step-size 2/255 --learning-rate 0.0012345678 --epochs 1 "
    "--no-deterministic --save 'my models/m.keras' --random-start --n-train 300",
    "evaluate": "evaluate 'my models/m.keras' --dataset toy --norm linf --eps 8/255 --eps 4/255 --json found/e.json "
    "--eps-range 0,1 --bounds -0.5,0.1",
    "roar": "roar models/m.keras --dataset mnist-sample --bounds 0,255 --fractions 1/3 --seeds 1 --json r.json",
    "section-2-1": "section-2-1 --dataset mnist --attack-loss cw --preset smoke --scale common --variant corrected",
    "section-2-2": "section-2-2 --preset smoke --seeds 2 --deterministic --out elsewhere",
    "section-3-2": "section-3-2 --preset smoke --norms linf --eps 8/255 --eps 16/255 --fractions 1/3 --losses cw",
    "section-3-3": "section-3-3 --preset smoke --losses xent --losses cw --explained-seeds 2 --variant paper",
}


def parsed(line):
    _, name, *words = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    return command.make_context(name, words, parent=click.Context(main, info_name="robint"))


@pytest.mark.parametrize("name", GIVEN)
def test_the_recorded_command_asks_for_the_same(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBINT_DETERMINISTIC", raising=False)
    first = parsed(f"robint {GIVEN[name]}")
    recorded = command_line(first)
    again = parsed(recorded)
    asked = {param.name for param in first.command.params if not isinstance(param, Placement)}
    assert {key: again.params[key] for key in asked} == {key: first.params[key] for key in asked}
    assert command_line(again) == recorded
    given = {key for key in asked if first.get_parameter_source(key) == ParameterSource.COMMANDLINE}
    assert len(given) >= 3  # so that something is compared


def test_what_the_environment_asks_for_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBINT_DETERMINISTIC", "1")
    monkeypatch.setenv("ROBINT_DATA_DIR", "/somewhere")
    assert command_line(parsed("robint section-2-2 --preset smoke")) == (
        "robint section-2-2 --preset smoke --deterministic"
    )


TINY = Training(epochs=1, batch_size=20)
TINY_2_1 = replace(
    SECTION_2_1["smoke"]["mnist"],
    training=TINY,
    n_train=20,
    n_test=6,
    attack=PGD(norm="l2", eps=12, step_size=2, n_steps=1),
    norms=("l2",),
    losses=("xent",),
    vae_gan_n_train=20,
)
TINY_3_2 = replace(
    SECTION_3_2["smoke"], training=TINY, retraining=TINY, n_train=20, n_test=20, n_attacked=4, losses=("cw",)
)
NETWORK = "--dataset mnist-sample --n-train 40 --n-test 20 --epochs 1"
RUN = {
    "train": [
        (
            "train --dataset toy --eps 8/255 --norm linf --step-size 2/255 --n-steps 3 --learning-rate 0.0012345678 "
            "--epochs 1 --n-train 300 --save 'my models/m.keras'",
            "my models/m.json",
        ),
        ("evaluate 'my models/m.keras' --dataset toy --norm linf --eps 8/255 --eps-range 0,1 --json e.json", "e.json"),
    ],
    "roar": [
        (f"train {NETWORK} --bounds 0,255 --save m.keras", "m.json"),
        (f"roar m.keras {NETWORK} --bounds 0,255 --fractions 1/3 --seeds 1 --json r.json", "r.json"),
    ],
    "section-2-1": [
        (
            "section-2-1 --dataset mnist --preset smoke --attack-loss xent --variant corrected --scale common",
            "figures/section_2_1_mnist_xent.json",
        )
    ],
    "section-2-2": [("section-2-2 --preset smoke --seeds 1 --variant corrected", "figures/section_2_2.json")],
    "section-3-2": [
        (
            f"{section} --preset smoke --norms linf --eps 8/255 --fractions 1/3 --losses cw --variant corrected",
            f"figures/{section.replace('-', '_')}_cw.json",
        )
        for section in ("section-3-2", "section-3-3")
    ],
}


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow) if c == "section-2-1" else c for c in RUN])
def test_the_recorded_command_finds_all_that_the_first_one_made(robint, tmp_path, monkeypatch, case):
    monkeypatch.setattr("robint_experiments.sections.section_2_1.SECTION_2_1", {"smoke": {"mnist": TINY_2_1}})
    monkeypatch.setattr("robint_experiments.sections.interpretability.SECTION_3_2", {"smoke": TINY_3_2})

    def kept():
        return {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*") if p.is_file()}

    for line, file in RUN[case]:
        robint(*shlex.split(line))
        first, made = results.read(tmp_path / file), kept()
        assert any("/arrays.npz" in str(path) for path in made)
        text = robint(*shlex.split(first["provenance"]["command"])[1:])
        assert kept() == made
        again = results.read(tmp_path / file)
        if line.startswith("train"):
            assert "this network was trained before" in text
            assert "epoch 1" not in text
            assert again.pop("model") != first.pop("model")  # Keras puts the hour into the file, whose hash this is
        assert again == first


def test_files_about_a_network_tell_the_day_and_its_hash_but_no_figure_does(robint, tmp_path):
    robint(*["train", "--dataset", "toy", "--epochs", "1", "--save", "m.keras"])
    robint(*["evaluate", "m.keras", "--dataset", "toy", "--json", "e.json"])
    for name in ("m.json", "e.json"):
        content = results.read(tmp_path / name)
        assert len(content["date"].split("-")) == 3
        assert "date" not in content["provenance"]  # which is compared
    network = hashlib.sha256((tmp_path / "m.keras").read_bytes()).hexdigest()
    assert results.read(tmp_path / "e.json")["model_sha256"] == network
    robint("section-2-2", "--preset", "smoke", "--seeds", "1")
    assert "date" not in results.read(tmp_path / "figures" / "section_2_2.json")
