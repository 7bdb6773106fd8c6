"""What is shown of long work, on terminals of any width and in log files."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import pytest

from robint_experiments import progress
from robint_experiments.progress import Display, Job, fitted
from robint_tf.training.state import Position


def position(epoch, batch, *, seconds_left=30.0):
    return Position(epoch, 5, batch, 600, {"accuracy": 0.9312, "loss": 0.123456}, seconds_left)


@pytest.fixture
def clock(monkeypatch):
    """A clock to be set by hand."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns, or of what is set; what was written to it."""

    class Terminal:
        width = 80
        written = ""

        def isatty(self):
            return True

        def echo(self, text="", *, nl=True, err):
            self.written += text + "\n" * nl

        def screen(self):
            """The lines as a terminal shows them, without the spaces at their ends."""
            return [line.split("\r")[-1].rstrip() for line in self.written.split("\n")]

    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setattr(progress, "click", made)
    monkeypatch.setattr(progress, "columns", lambda: made.width)
    return made


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(terminal, clock, width):
    terminal.width = width
    display = Display()
    display.job("piece", 4890, {"a": 1.0, "b": 1000.0})
    for piece in "ab":
        display.begin("l2 0.4 xent seed 3, gradient_x_input, remove 0.1", piece)
        for batch in range(1, 601, 100):
            clock.now += 100
            display.training(position(1, batch))
    shown = [line for line in re.split("[\r\n]", terminal.written) if line]
    assert max(map(len, shown)) < width
    assert max(map(len, shown)) > min(width - 15, 110)
    assert "piece 4890 of 4890" in terminal.screen()[-1]


def test_what_matters_least_is_left_out_first():
    parts = ["epoch 2/5", "30 s left", "batch 3/600", "accuracy 93.12%", "loss 0.1235"]
    assert fitted("", "weak", parts, 200) == "weak: " + ", ".join(parts)
    assert fitted("", "weak", parts, 60) == "weak: epoch 2/5, 30 s left, batch 3/600, accuracy 93.12%"
    assert fitted("", "weak", parts, 40) == "weak: epoch 2/5, 30 s left, batch 3/600"
    assert fitted("[piece 1 of 9] ", "a long name of a piece", parts, 40) == "[piece 1 of 9] a long name o…: epoch 2/5"
    assert fitted("", "x" * 50, [], 30) == "x" * 29 + "…"


def test_a_vae_gan_shows_the_loss_of_every_part(terminal, clock):
    display = Display()
    terminal.width = 200
    display.training(Position(5, 5, 2, 2, {"encoder_loss": 12.5, "decoder_loss": 3.25}, None))
    assert terminal.screen() == [": epoch 5/5, batch 2/2, encoder loss 12.5000, decoder loss 3.2500"]


def test_a_job_says_where_it_is_and_what_is_left_of_all(clock):
    job = Job("cell", 12, {"slow": 30.0, "quick": 10.0, "last": 20.0})
    assert str(job) == "cell 10 of 12"  # nine were there; nothing is known of the pace
    job.piece, job.share, clock.now = "slow", 0.01, clock.now + 30
    assert str(job) == "cell 10 of 12"  # the first batch, with all that is compiled for it, says nothing of the others
    job.piece, job.share, clock.now = "slow", 0.5, clock.now + 30  # 15 of 60 units a minute
    assert str(job) == "cell 10 of 12, 3 min 0 s left"
    job.finish()
    clock.now += 60
    job.piece = "quick"
    assert str(job) == "cell 11 of 12, 2 min 0 s left"
    job.finish()
    job.piece = "a piece that was there"
    assert str(job).startswith("cell 12 of 12")
    job.piece = "last"
    job.finish()
    assert str(job) == "cell 12 of 12"


def test_the_pieces_of_a_job_share_a_line_and_other_work_leaves_one_each(terminal, clock):
    display = Display()
    display.job("piece", 2, {"a": 1.0, "b": 1.0})
    for piece in "ab":
        display.begin(f"piece {piece}", piece)
        display.training(position(5, 600))
    display.end()
    assert [line.partition(": ")[0] for line in terminal.screen()] == ["[piece 2 of 2] piece b", ""]
    for title in ("first", "second"):
        display.begin(title)
        display.training(position(5, 600))
    display.begin("nothing to do here")
    display.end()
    assert [line.partition(":")[0] for line in terminal.screen()[1:]] == ["first", "second", ""]


def test_what_is_no_progress_gets_a_line_of_its_own(terminal, clock):
    display = Display()
    display.begin("weak")
    clock.now += 1
    display.training(position(1, 1))
    progress.interrupt()
    progress.interrupt()
    terminal.echo("Warning: too hot", err=True)
    clock.now += 1
    display.training(position(1, 2))
    assert [line.partition(":")[0] for line in terminal.screen()] == ["weak", "Warning", "weak"]


def test_without_a_terminal_there_is_a_line_a_minute(capsys, clock):
    display = Display()
    for piece in range(10):
        display.begin(f"piece {piece}")
        for batch in range(1, 601):
            clock.now += 0.0625
            display.training(position(5, batch))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7  # in 375 seconds: the first title at once, then one a minute
    assert lines[0] == "piece 0"
    assert lines[1].startswith("piece 1: epoch 5/5, 30 s left, batch ")


TRAINING = """
import sys, time
from types import SimpleNamespace
from robint_experiments.progress import Display
display = Display()
display.begin("training a network with a name that is rather long, and on many images, too")
for i in range(1, 4):
    now = dict(epoch=1, epochs=1, batch=i, batches=3, means={"accuracy": 0.5, "loss": 0.1}, seconds_left=100.0)
    display.training(SimpleNamespace(**now))
    time.sleep(0.25)
display.end()
"""


def test_a_real_terminal_of_40_columns_is_not_flooded():
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    subprocess.run([sys.executable, "-c", TRAINING], stderr=follower, check=True)
    time.sleep(0.1)
    text = os.read(leader, 10_000).decode()
    os.close(leader)
    os.close(follower)
    assert text.count("\n") == 1
    assert "epoch 1/1" in text
    assert max(len(line.strip("\n")) for line in text.split("\r")) < 40
