"""`robint` as a process of its own, to be killed."""

import os
import signal
import subprocess
import sys


def start(tmp_path, *args):
    """`robint` as a process of its own."""
    environment = os.environ | {"ROBINT_STORE": str(tmp_path / "store"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = "from robint_experiments.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whatever the tests run under
    )
