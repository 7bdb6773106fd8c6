"""The command that results name gives them again: it asks for the same, to the last digit."""

import hashlib
import shlex

import click
import pytest
from click.core import ParameterSource

from robint_experiments.cli import main
from robint_experiments.parsing import Placement, command_line
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


def test_a_card_names_a_command_that_finds_the_same_network(robint, tmp_path):
    attack = ["--eps", "8/255", "--norm", "linf", "--n-steps", "5"]
    robint("train", "--dataset", "toy", "--epochs", "1", *attack, "--save", "m.keras")
    card = results.read(tmp_path / "m.json")
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*") if p.is_file()}
    text = robint(*shlex.split(card["provenance"]["command"])[1:])
    assert "this network was trained before" in text
    assert "epoch 1" not in text
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*") if p.is_file()} == kept
    again = results.read(tmp_path / "m.json")
    assert again.pop("model") != card.pop("model")  # Keras puts the hour into the file, whose hash this is
    assert card == again


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
