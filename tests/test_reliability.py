"""Faults that reach across modules; `docs/reliability.md` lists all of them and where each is tested."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import start

import robint_experiments
import robint_tf
from robint_experiments.cli import COMMANDS, main
from robint_tf.attacks import pgd as attacks
from robint_tf.data import datasets as data
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions
from robint_tf.interpretability.attributions import maps as attribution_maps
from robint_tf.networks import classifiers
from robint_tf.runtime import batching
from robint_tf.specs import PGD, Training
from robint_tf.store import artifacts, folders
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import classifier as training
from robint_tf.training.classifier import fit_classifier

TOY = ["section-2-2", "--preset", "smoke", "--seeds", "1"]


def test_every_row_of_the_document_names_tests_that_exist():
    root = Path(__file__).parents[1]
    rows = [line for line in (root / "docs" / "reliability.md").read_text().splitlines() if re.match(r"\| \d", line)]
    assert len(rows) > 60
    files = {path.stem: path.read_text() for path in (root / "tests").glob("test_*.py")}
    tests = {name for text in files.values() for name in re.findall(r"^def (test_\w+)", text, re.M)} | set(files)
    for row in rows:
        _, number, happens, does, shown, _ = re.split(r"(?<!\\)\|", row)
        assert happens.strip(), number
        assert does.strip(), number
        named = set(re.findall(r"`(test_\w+)`", shown))
        assert named or "not tested" in shown, number
        assert named <= tests, number


def test_odd_paths_work(robint, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to("elsewhere")
    long = "x" * 100
    robint(*TOY, "--store", "a störe", "--out", f"linked/figures of {long}")
    assert (tmp_path / "elsewhere" / f"figures of {long}" / "section_2_2.png").exists()
    assert len(list((tmp_path / "a störe" / "ClassifierSpec").rglob("arrays.npz"))) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kept_by", ["nobody", "an except", "an error of its own", "a destructor"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_inside_a_library_call_is_never_taken_for_an_error(signum, kept_by, robint, monkeypatch):
    class Last:
        def __del__(self):
            os.kill(os.getpid(), signum)

    def library_call(*args, **keywords):
        if kept_by == "a destructor":
            Last()
            fit_classifier(network, np.zeros((4, 2)), np.zeros(4), Training(epochs=1))
        try:
            os.kill(os.getpid(), signum)
            time.sleep(1)
        except BaseException as error:
            if kept_by == "an error of its own":
                raise RuntimeError("a broken file") from error
            if kept_by == "an except" and isinstance(error, Exception):
                raise ValueError("a broken file") from error
            raise

    network = classifiers.build("gaussian_mlp")
    monkeypatch.setattr("robint_experiments.commands.data.command.callback", library_call)
    text = robint("data", code=128 + signum)
    assert "the same command continues" in text
    assert "broken" not in text


def test_a_second_ctrl_c_stops_at_once_and_leaves_a_usable_state(tmp_path, monkeypatch):
    toy = data.load("toy").train.take(300)
    whole = classifiers.build("gaussian_mlp")
    fit_classifier(whole, toy.x, toy.y, Training(epochs=3))
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "0")
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")
    monkeypatch.setattr("robint_tf.training.loop.CHUNK_SECONDS", 0.0)

    def twice(position):
        if position.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit_classifier(
            classifiers.build("gaussian_mlp"), toy.x, toy.y, Training(epochs=3), checkpoint=checkpoint, progress=twice
        )
    resumed = classifiers.build("gaussian_mlp")
    fit_classifier(resumed, toy.x, toy.y, Training(epochs=3), checkpoint=checkpoint)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_full_disk_ends_in_one_line_and_costs_nothing_that_was_finished(robint, tmp_path, monkeypatch):
    saved = []
    savez = np.savez

    def full_after_two(file, **arrays):
        saved.append("ClassifierSpec" in file.name)
        if sum(saved) > 2:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full_after_two)
    text = robint(*TOY, code=1)
    assert re.search(r"No space left on device: .*ClassifierSpec must take 0\.0 MiB more", text.splitlines()[-1])
    assert len(list((tmp_path / "store" / "ClassifierSpec").rglob("manifest.json"))) == 2
    assert not list((tmp_path / "store").rglob("*.part-*"))
    monkeypatch.setattr(np, "savez", savez)
    robint(*TOY)
    assert len(list((tmp_path / "store" / "ClassifierSpec").rglob("manifest.json"))) == 3


def test_what_a_killed_process_left_is_swept_once_it_is_old(tmp_path):
    store = artifacts.Store(tmp_path)
    spec = Training(epochs=1)
    folder = store.folder(spec)
    old, young = (folder.with_name(f"{folder.name}.part-{name}") for name in ("0old0old", "0young0y"))
    for scratch in (old, young):
        scratch.mkdir(parents=True)
        (scratch / "arrays.npz").write_bytes(b"half")
    past = time.time() - 2 * folders.ABANDONED_SECONDS
    os.utime(old, (past, past))
    store.fetch(spec, lambda checkpoint: ({"a": np.zeros(1)}, {}))
    assert not old.exists()
    assert young.exists()


def test_deterministic_runs_are_equal_byte_for_byte(tmp_path):
    found = []
    for name in ("a", "b"):
        process = start(tmp_path, *TOY, "--deterministic", "--store", name, "--out", f"{name}_figures")
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found.append({p.name: p.read_bytes() for p in (tmp_path / f"{name}_figures").iterdir()})
    assert found[0] == found[1]
    assert {"section_2_2.png", "section_2_2.pdf"} < found[0].keys()
    assert b'"deterministic": true' in found[0]["section_2_2.json"]


UNSEEDED = """
import tensorflow as tf
from robint_experiments import cli
from robint_experiments.commands import data

def draw(**options):
    from robint_tf.runtime import device as devices
    devices.configure("cpu", deterministic=True)
    tf.random.normal([2])

data.command.callback = draw
cli.main(["data"])
"""


def test_an_operation_that_cannot_be_deterministic_is_one_line():
    """In a process of its own: TensorFlow's determinism cannot be switched off again."""
    done = subprocess.run([sys.executable, "-c", UNSEEDED], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"Error: .*seed.*determinism.* --no-deterministic", done.stderr)


@pytest.fixture
def small_device(monkeypatch):
    """A device that takes three images at once: what is compiled raises TensorFlow's own error for more."""
    compiled = batching.per_network

    def per_network(network, key, make):
        run = compiled(network, key, make)

        def limited(x, *rest):
            if len(x) > 3:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return run(x, *rest)

        return limited

    for module in (attacks, attribution_maps):
        monkeypatch.setattr(module, "per_network", per_network)


def test_evaluation_out_of_memory_goes_on_with_smaller_batches(linear_network, images, request):
    x, y = images
    attack = PGD(norm="l2", eps=0.3, step_size=0.1, n_steps=3, random_start=True)
    pixels = np.zeros((10, 3, 3, 1), np.float32) + x
    whole = attacks.attack_dataset(linear_network, x, y, attack)
    logits = attacks.predict(linear_network, x)
    maps = attributions.attribute(linear_network, pixels, "gradient")
    request.getfixturevalue("small_device")
    with pytest.warns(UserWarning, match="out of memory with 10 images at once; going on with 5"):
        parts = attacks.attack_dataset(linear_network, x, y, attack)
    np.testing.assert_allclose(parts.x_adv, whole.x_adv, atol=1e-6)
    np.testing.assert_array_equal(parts.n_zero_gradients, whole.n_zero_gradients)
    with pytest.warns(UserWarning, match="out of memory"):
        np.testing.assert_allclose(attacks.predict(linear_network, x), logits, atol=1e-6)
    with pytest.warns(UserWarning, match="out of memory"):
        np.testing.assert_allclose(attributions.attribute(linear_network, pixels, "gradient"), maps, atol=1e-6)


def test_training_out_of_memory_is_one_line_and_never_another_batch_size(robint, tmp_path, monkeypatch):
    def exhausted(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nand a long story")

    monkeypatch.setattr(training, "_order", exhausted)
    text = robint(*TOY, code=1)
    assert text.splitlines()[-1].startswith("Error: the device ran out of memory")


def test_durations_and_order_do_not_come_from_the_wall_clock():
    """It may jump, and those of two machines may differ; it tells only the date of a run, for people."""
    users = [p.name for p in sources() if re.search(r"\btime\.time\(|datetime", p.read_text())]
    assert users == ["run.py"]


def test_nothing_is_unpickled_or_opened_as_an_archive_but_where_cifar10_is_read():
    """There without an unpickler, and without unpacking: `test_cifar.py` tries both. `identity.code` only pickles."""
    risky = r"\bpickle\b|\bdill\b|joblib|tarfile|unpack_archive|extractall|allow_pickle=True|safe_mode=False|\beval\("
    users = [p for p in sources() if re.search(risky, p.read_text())]
    assert [p.name for p in users] == ["cifar.py", "cifar_pickle.py", "code.py"]
    executed = r"import pickle\b|Unpickler|pickle\.loads?\(|tarfile\.open|extractall|\.extract\("
    assert not any(re.search(executed, p.read_text()) for p in users)


def sources():
    return [
        p for package in (robint_tf, robint_experiments) for p in sorted(Path(package.__file__).parent.rglob("*.py"))
    ]


WORDS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-inf", "-1", "0", "1e400", "8/0", "8/255", "é", "--", "None", "[]", "\x7f", "l2"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),  # no argument can hold NUL
    st.integers().map(str),
    st.floats().map(str),
)


def words(draw, command):
    """Options of a command in any order, each followed by anything or nothing."""
    options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts]
    folders = {"--out", "--store", "--json", "--save", "--tensorboard"}  # would be made
    found = []
    for _ in range(draw(st.integers(0, 4))):
        option = draw(st.sampled_from(options))
        found += [] if option in folders else [option]
        found += draw(st.lists(WORDS, max_size=2))
    return found


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_words_on_the_command_line_give_a_traceback(random):
    """Parsing alone: what a command is given either becomes values or an error of click's."""
    name = random.draw(st.sampled_from(sorted(COMMANDS)))
    command = main.get_command(click.Context(main), name)
    with contextlib.suppress(click.ClickException, click.exceptions.Exit):
        command.make_context(name, words(random.draw, command), parent=click.Context(main))


REACHED = "this is where TensorFlow would start"


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    """Commands run in an empty folder, up to where TensorFlow would start."""

    def configure(*args, **kwargs):
        raise InputError(REACHED)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.setenv("ROBINT_STORE", "store")
        patch.delenv("ROBINT_DATA_DIR", raising=False)
        patch.setattr("robint_tf.runtime.device.configure", configure)
        yield


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_words_end_a_command_otherwise_than_in_one_line(empty_folder, random):
    """What passes the parser is checked by the commands themselves, until the work would begin."""
    name = random.draw(st.sampled_from(sorted(COMMANDS)))
    given_words = words(random.draw, main.get_command(click.Context(main), name))
    result = CliRunner().invoke(main, [name, *given_words])
    assert result.exception is None or isinstance(result.exception, SystemExit), given_words
    assert result.exit_code in {0, 2, 3}, result.output
    assert "Traceback" not in result.output


def test_without_random_words_the_work_would_begin(empty_folder):
    """So that the test above reaches what lies behind the parser."""
    for command in ("train --dataset toy", "section-2-2", "section-3-2", "status", "demo"):
        assert REACHED in CliRunner().invoke(main, command.split()).output


def test_a_process_without_a_display_draws(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    code = "from robint_tf.paper.figures import plots; import sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


LATE = """
import hashlib
from robint_tf.runtime.interrupts import held_back

with held_back() as pending:
    print("calls", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 4_000_000)  # as a call into TensorFlow: Python runs no handler meanwhile
    print("returns", pending.signum, flush=True)
    print("the state is saved")
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_answered_while_tensorflow_computes(signum):
    process = subprocess.Popen(
        [sys.executable, "-c", LATE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "calls\n"
    process.send_signal(signum)
    rest = [line for line in process.communicate(timeout=60)[0].splitlines() if line]
    assert rest[:3] == [
        "stopping after this batch (Ctrl-\\ stops at once)",
        f"returns {int(signum)}",
        "the state is saved",
    ]


def test_a_hangup_is_ignored_under_nohup():
    code = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from robint_tf.runtime.interrupts import held_back, signals_interrupt\n"
        "with signals_interrupt(), held_back() as pending:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "print(pending.signum)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
