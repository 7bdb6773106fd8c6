"""Options are read once, into dataclasses; what the library says is missing comes with what to type."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import click
import pytest

from robint_experiments.cli import COMMANDS, main
from robint_experiments.hints import command_for, hinted
from robint_experiments.options import RunOptions, run_options
from robint_experiments.parameters import Folder
from robint_experiments.parsing import Placement, parsed, read
from robint_tf.errors import DataUnavailable, InputError, NetworkMissing
from robint_tf.paper import claims
from robint_tf.store.artifacts import default_root
from robint_tf.store.provenance import MixedError


def names(kind):
    """The parameters that a dataclass takes, with those of the dataclasses in it."""
    kinds = get_type_hints(kind)
    for field in fields(kind):
        yield from names(kinds[field.name]) if is_dataclass(kinds[field.name]) else [field.name]


def commands():
    """The commands that read their options into a dataclass, and that dataclass."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        kinds = get_type_hints(getattr(command.callback, "__wrapped__", command.callback))
        if is_dataclass(kinds.get("options")):
            yield command, kinds["options"]


OPTIONS_AS_ONE = {"demo", "methods", "train", "evaluate", "roar", "road", "gradients", "status", "vae-gan", "distance"}


def test_a_dataclass_takes_every_option_of_its_command_once():
    sections = {name for name in COMMANDS if name.startswith("section")}
    assert {command.name for command, _ in commands()} == OPTIONS_AS_ONE | sections
    for command, kind in commands():
        assert sorted(names(kind)) == sorted(param.name for param in command.params), command.name


def test_options_are_read_into_the_dataclasses_of_their_command():
    seen = []
    options = run_options(parsed(RunOptions)(lambda options: seen.append(options)))
    given = ["--threads", "2", "--jit", "off", "--no-deterministic"]
    click.command("a")(options).main(given, standalone_mode=False)
    assert seen == [RunOptions(threads=2, jit="off")]
    assert read(RunOptions, vars(seen[0]) | {"more": 1}) == seen[0]


def test_recorded_commands_leave_out_where_they_ran():
    placed = {p.opts[0] for command, _ in commands() for p in command.params if isinstance(p, Placement)}
    folders = {"--store", "--out", "--data-dir", "--tensorboard"}
    assert placed == folders | {"--device", "--threads", "--workers", "--scheduler", "--offline"}
    for command, _ in commands():
        assert not [p for p in command.params if p.opts[0] in placed and not isinstance(p, Placement)]


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (DataUnavailable("it is missing.", dataset="fashion_mnist"), "`robint data --download fashion-mnist`"),
        (NetworkMissing("m.keras does not exist.", path=Path("m.keras")), "`robint train --save m.keras`"),
        (InputError("no home.", argument="data_dir"), "--data-dir"),
        (MixedError("mixed."), "--allow-mixed"),
    ],
)
def test_what_is_missing_comes_with_what_to_type(error, hint):
    text = hinted(str(error), error)
    assert text.startswith(f"{error} ")
    assert hint in text
    assert hinted("plain", DataUnavailable("plain")) == hinted("plain", InputError("plain")) == "plain"


def test_there_is_a_command_for_every_results_file_that_decides():
    needed = dict.fromkeys(claim.needs for claim in claims.all_claims())
    assert {name: command_for(name) for name in needed} == {
        "section_2_1_mnist_xent": "robint section-2-1 --dataset mnist --preset paper",
        "section_2_1_fashion_mnist_xent": "robint section-2-1 --dataset fashion_mnist --preset paper",
        "section_2_1_cifar10_xent": "robint section-2-1 --dataset cifar10 --preset paper",
        "section_2_2": "robint section-2-2 --preset paper",
        "mnist_standard": "robint train --dataset mnist",
        "fashion_mnist_standard": "robint train --dataset fashion_mnist",
        "cifar10_standard": "robint train --dataset cifar10",
        "section_3_2_xent": "robint section-3-2 --preset paper --losses xent",
        "section_3_3_xent": "robint section-3-3 --preset paper --losses xent",
        "section_3_2_cw": "robint section-3-2 --preset paper --losses cw",
        "section_3_3_cw": "robint section-3-3 --preset paper --losses cw",
    }


def test_an_empty_name_of_a_file_or_folder_is_refused_by_every_option_and_argument():
    """As of a variable of the shell that is not set; taken for a path, it would be the working folder."""
    places = {}
    for name in COMMANDS:
        for param in main.get_command(click.Context(main), name).params:
            if isinstance(param.type, click.Path | Folder):
                places[name, param.name] = param
    known = {("train", "save"), ("demo", "out"), ("data", "data_dir"), ("report", "folder"), ("pack", "file")}
    assert known <= set(places)
    for param in places.values():
        with pytest.raises(click.BadParameter, match="'' names no f"):
            param.type.convert("", param, None)


@pytest.mark.parametrize("name", ["ROBINT_DATA_DIR", "ROBINT_STORE"])
def test_an_empty_variable_counts_as_not_set(name, robint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv(name, "")
    if name == "ROBINT_STORE":
        assert default_root() == tmp_path / "cache" / "robint_tf"
    else:
        assert str(tmp_path / "tfds") in robint("train", "--dataset", "mnist", "--offline", code=3)


def test_every_command_takes_a_data_set_by_both_spellings():
    taken = 0
    for name in COMMANDS:
        for param in main.get_command(click.Context(main), name).params:
            if param.name in ("dataset", "names", "download"):
                for spelling in ("fashion-mnist", "fashion_mnist"):
                    assert param.type.convert(spelling, param, None) == "fashion_mnist"
                taken += 1
    assert taken == 10  # train, evaluate, section-2-1, roar, road, gradients, vae-gan, distance; data twice
