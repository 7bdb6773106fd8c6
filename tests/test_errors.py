"""A bug looks like a bug, wrong input like wrong input; standard error may be closed or full."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from robint_experiments import cli
from robint_tf import errors
from robint_tf.data import sources
from robint_tf.errors import DataUnavailable, DeviceError, DivergedError, InputError
from robint_tf.networks.files import models
from robint_tf.store import artifacts, checkpoints, results


def outcome(monkeypatch, error):
    """Exit code and output of a command that raises."""

    def work(**options):
        raise error

    monkeypatch.setattr("robint_experiments.commands.data.command.callback", work)
    found = CliRunner().invoke(cli.main, ["data"])
    assert "Traceback" not in found.output
    (line,) = found.output.splitlines()
    return found.exit_code, line


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("eps is -1"), 2),
        (results.ResultsError("a.json is torn"), 2),
        (DataUnavailable("mnist is not there"), 3),
        (DivergedError("the loss is nan"), 1),
        (DeviceError("too late"), 1),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1),
    ],
)
def test_what_is_raised_on_purpose_is_one_line(monkeypatch, error, code):
    assert outcome(monkeypatch, error) == (code, f"Error: {error}")


@pytest.mark.parametrize(
    "bug", [ValueError("x"), KeyError("x"), TypeError("x"), ZeroDivisionError("x"), AssertionError(), RecursionError()]
)
def test_a_bug_is_called_one_and_says_what_to_report(monkeypatch, bug):
    code, line = outcome(monkeypatch, bug)
    assert code == 1
    assert f"this looks like a bug in robint ({type(bug).__name__}: " in line
    report = Path(re.search(r"with the file (\S+)\.$", line)[1])
    text = report.read_text()
    report.unlink()
    assert text.startswith("robint")
    assert "robint_tf 0." in text
    assert "Traceback" in text
    assert "in work" in text


def test_without_room_for_a_file_a_bug_says_how_to_see_it(monkeypatch):
    def full(*args, **settings):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(cli.tempfile, "NamedTemporaryFile", full)
    assert "ROBINT_TRACEBACK=1" in outcome(monkeypatch, KeyError("x"))[1]


def test_no_memory_is_no_bug(monkeypatch):
    code, line = outcome(monkeypatch, MemoryError())
    assert (code, "this machine ran out of memory" in line) == (1, True)


def test_the_package_raises_no_bare_errors_for_input():
    for module in (errors, cli):
        for path in Path(module.__file__).parent.rglob("*.py"):
            assert not re.search(r"raise (ValueError|TypeError|KeyError|RuntimeError)\(", path.read_text()), path.name


def test_every_error_of_the_package_is_of_the_family():
    for kind in (results.ResultsError, DivergedError, sources.DataUnavailable, DeviceError):
        assert issubclass(kind, errors.RobintError)


TRAIN = ["train", "--dataset", "toy", "--epochs", "1", "--n-train", "300", "--save", "m.keras", "--store", "store"]
CODE = [sys.executable, "-c", "from robint_experiments.cli import main; main()"]


def test_numpy_keeps_to_one_thread_unless_it_is_told_otherwise(tmp_path):
    show = "from robint_experiments import cli; cli.main(['data'], standalone_mode=False); import os; print(os.environ"
    for given, expected in ({}, "1"), ({"OPENBLAS_NUM_THREADS": "7"}, "7"):
        environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"} | given
        code = [sys.executable, "-c", show + "['OPENBLAS_NUM_THREADS'])"]
        done = subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == expected


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2> >(true)", "0<&- 1>&- 2>&-"])
def test_a_training_outlives_its_standard_error(tmp_path, stderr):
    shell = f'sleep 0.2; exec "$@" {stderr}'
    done = subprocess.run(["bash", "-c", shell, "bash", *CODE, *TRAIN], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "1>&-" in stderr or "clean accuracy" in done.stdout
    assert results.read(tmp_path / "m.json")["spec"]["n_train"] == 300
    assert models.load(tmp_path / "m.keras", n_classes=2)


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which only the store has room."""
    replace = os.replace

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artifacts.os, "replace", full)
    yield
    monkeypatch.setattr(artifacts.os, "replace", replace)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("train --dataset toy --epochs 1 --save m.keras", "m.keras"),
        ("section-2-2 --preset smoke --seeds 1 --out figures", "figures/section_2_2.json"),
    ],
)
def test_a_full_disk_is_told_with_path_size_and_remedy(robint, full_disk, line, place):
    error = robint(*line.split(), code=1).splitlines()[-1]
    assert re.search(rf"No space left on device: {place} needs more than the \d+\.\d MiB that fitted", error)
    assert "free some space" in error
    assert "repeat the command" in error


def test_a_full_disk_is_told_by_the_report(robint, tmp_path, full_disk, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    results.write(tmp_path / "figures" / "x.json", {"figure": None})
    monkeypatch.setattr(
        artifacts.os, "replace", lambda *args: (_ for _ in ()).throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    )
    assert "report/report.html needs more than" in robint("report", code=1)


def test_a_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for value, place in (("~/st", "st"), ("", "cache/robint_tf"), (str(tmp_path / "a"), "a")):
        monkeypatch.setenv("ROBINT_STORE", value)
        assert artifacts.default_root() == tmp_path / place
    monkeypatch.delenv("ROBINT_STORE")
    assert artifacts.default_root() == tmp_path / "cache" / "robint_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert artifacts.default_root() == tmp_path / ".cache" / "robint_tf"
    assert artifacts.Store("~/st").root == tmp_path / "st"
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "")
    assert checkpoints._checkpoint_seconds() == 60


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME and without an entry in the password file."""

    def none(path):
        return path

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("ROBINT_STORE", raising=False)
    monkeypatch.setattr(os.path, "expanduser", none)


def test_a_user_without_a_home_needs_none_where_places_are_given(homeless, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert artifacts.default_root() == tmp_path / "robint_tf"
    monkeypatch.setenv("ROBINT_STORE", str(tmp_path / "s"))
    monkeypatch.setenv("ROBINT_DATA_DIR", str(tmp_path / "d"))
    assert artifacts.default_root() == tmp_path / "s"
    assert sources.data_folder() == tmp_path / "d"


def test_a_user_without_a_home_is_told_in_one_line(homeless, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CACHE_HOME", "ROBINT_DATA_DIR", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for line, remedy in (("section-2-2", "--store"), ("data", "--data-dir"), ("section-2-2 --store ~/a", "whole path")):
        found = CliRunner().invoke(cli.main, line.split())
        assert found.exit_code == 2, found.output
        assert remedy in found.output.splitlines()[-1]


def test_a_data_folder_may_be_told_from_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    command = cli.main.get_command(click.Context(cli.main), "data")
    assert command.make_context("data", ["--data-dir", "~/d"]).params["data_dir"] == tmp_path / "d"
