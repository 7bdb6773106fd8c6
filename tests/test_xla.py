"""XLA's programs agree with those of CPUs: `xla_on_cpu.py`, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

CHECKS = str(Path(__file__).with_name("xla_on_cpu.py"))
QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Compiling is nearly all that these tests do."""


def test_what_gpus_run_agrees_with_what_cpus_run():
    environment = {name: value for name, value in os.environ.items() if name != "ROBINT_DETERMINISTIC"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", CHECKS],
        capture_output=True,
        text=True,
        env=environment | {"ROBINT_TEST_MODE": "default", "XLA_FLAGS": QUICKLY},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout.splitlines()[-1]
