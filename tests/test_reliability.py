"""Faults that reach across modules; `docs/reliability.md` lists all of them and where each is tested."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import start

from robint_experiments.cli import COMMANDS, main
from robint_tf import artifacts, classifiers, data
from robint_tf.specs import Training
from robint_tf.training import fit_classifier

TOY = ["section-2-2", "--preset", "smoke", "--seeds", "1"]


def test_odd_paths_work(robint, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to("elsewhere")
    long = "x" * 100
    robint(*TOY, "--store", "a störe", "--out", f"linked/figures of {long}")
    assert (tmp_path / "elsewhere" / f"figures of {long}" / "section_2_2.png").exists()
    assert len(list((tmp_path / "a störe").rglob("arrays.npz"))) == 3


def test_a_second_ctrl_c_stops_at_once_and_leaves_a_usable_state(tmp_path, monkeypatch):
    toy = data.load("toy").train.take(300)
    whole = classifiers.build("gaussian_mlp")
    fit_classifier(whole, toy.x, toy.y, Training(epochs=3))
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "0")
    checkpoint = artifacts.Checkpoint(tmp_path / "a.checkpoint")
    monkeypatch.setattr("robint_tf.training.CHUNK_SECONDS", 0.0)

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
        saved.append(file)
        if len(saved) > 2:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        savez(file, **arrays)

    monkeypatch.setattr(artifacts.np, "savez", full_after_two)
    text = robint(*TOY, code=1)
    assert "No space left on device" in text.splitlines()[-1]
    assert len(list((tmp_path / "store").rglob("manifest.json"))) == 2
    assert not list((tmp_path / "store").rglob("*.part-*"))
    monkeypatch.setattr(artifacts.np, "savez", savez)
    robint(*TOY)
    assert len(list((tmp_path / "store").rglob("manifest.json"))) == 3


def test_what_a_killed_process_left_is_swept_once_it_is_old(tmp_path):
    store = artifacts.Store(tmp_path)
    spec = Training(epochs=1)
    folder = store.folder(spec)
    old, young = (folder.with_name(f"{folder.name}.part-{name}") for name in ("old", "young"))
    for scratch in (old, young):
        scratch.mkdir(parents=True)
        (scratch / "arrays.npz").write_bytes(b"half")
    past = time.time() - 2 * artifacts.ABANDONED_SECONDS
    os.utime(old, (past, past))
    store.fetch(spec, lambda: ({"a": np.zeros(1)}, {}))
    assert not old.exists()
    assert young.exists()


def test_deterministic_runs_are_equal_byte_for_byte(tmp_path):
    found = []
    for name in ("a", "b"):
        process = start(tmp_path, *TOY, "--deterministic", "--store", name, "--out", f"{name}_figures")
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found.append((tmp_path / f"{name}_figures" / "section_2_2.json").read_bytes())
    assert found[0] == found[1]
    assert b'"deterministic": true' in found[0]


WORDS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-inf", "-1", "0", "1e400", "8/0", "8/255", "é", "--", "None", "[]", "\x7f", "l2"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),  # no argument can hold NUL
    st.integers().map(str),
    st.floats().map(str),
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_words_on_the_command_line_give_a_traceback(random):
    """Parsing alone: what a command is given either becomes values or an error of click's."""
    name = random.draw(st.sampled_from(sorted(COMMANDS)))
    command = main.get_command(click.Context(main), name)
    options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts]
    folders = {"--out", "--store", "--json", "--save", "--tensorboard"}  # would be made
    words = []
    for _ in range(random.draw(st.integers(0, 4))):
        option = random.draw(st.sampled_from(options))
        words += [] if option in folders else [option]
        words += random.draw(st.lists(WORDS, max_size=2))
    with contextlib.suppress(click.ClickException, click.exceptions.Exit):
        command.make_context(name, words, parent=click.Context(main))


def test_a_process_without_a_display_draws(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    code = "from robint_tf import plots; import sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
