"""Without TensorFlow's determinism and on all cores, as users run by default, the numbers are the authors' as well."""

import os
import subprocess
import sys
from pathlib import Path

CHOSEN = "classifiers or attributions or (training and std) or (training and MIXNORM) or det_n1 or det_n5"
FILES = ("test_classifiers.py", "test_attacks.py", "test_attributions.py", "test_training.py")


def test_the_golden_tests_pass_in_the_default_mode():
    ours = ("ROBINT_DETERMINISTIC", "TF_NUM_INTRAOP_THREADS", "PYTEST_XDIST_WORKER")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    files = [str(Path(__file__).parent / name) for name in FILES]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "-k",
            f"authors and ({CHOSEN})",
            *files,
        ],
        capture_output=True,
        text=True,
        env=environment | {"ROBINT_TEST_MODE": "default"},
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout.splitlines()[-1]
