"""`benchmarks/gpu.py` runs to its end, and says what failed."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from robint_tf.runtime import device

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """`benchmarks/gpu.py`."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("gpu")
    device.configure("cpu")
    for name in ("gpu", "gpu_measures", "document", "contenders"):
        sys.modules.pop(name, None)


def test_a_small_run_measures_everything_on_a_cpu(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "examine", lambda device, stages: EXAMINED)  # test_doctor.py does it for real
    monkeypatch.setattr(gpu, "goldens", lambda *args: {"passed": 3, "failed": 0})
    done = CliRunner().invoke(gpu.main, ["--smoke", "--json", str(tmp_path / "new" / "gpu.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "new" / "gpu.json").read_text())
    for group in gpu.GROUPS:
        assert all(value["seconds"] > 0 for value in found["groups"][group].values()), found["groups"][group]
    assert set(found["groups"]["float32"]) == set(gpu.gpu_measures.names(True))
    assert found["at_once"]["one network"]["images_per_second"] > 0
    assert {load["section"] for load in found["workloads"]} == {"2.1", "3.2 and 3.3"}
    assert "3 passed, 0 failed" in done.output
    assert "toy network, batch 100" in done.output


EXAMINED = {
    "facts": {"gpus": [], "driver": None, "tensorflow": "2.21.0", "cudnn": None},
    "verdict": {"line": "ok: there is no GPU here", "computes": True},
}


def test_what_is_measured_on_a_gpu_is_what_the_hours_need(gpu):
    names, measures = gpu.gpu_measures.names(False), gpu.gpu_measures
    assert set(measures.needed_for_3_2(False)) < set(names)
    assert set(names) <= set(measures.TITLES)
    group = {name: {"seconds": 2.0, "image_seconds": 0.02, "image_step_seconds": 0.001} for name in names}
    loads = [
        load("2.1", "mnist_cnn", vae_gan="mnist", updates=100, attack_steps=1000, vae_gan_steps=10),
        load("2.1", "cifar_cnn", vae_gan="cifar10", updates=0, attack_steps=1000),
        load("3.2 and 3.3", "cifar_cnn", updates=180_000),
    ]
    assert gpu.hours(group, loads) == pytest.approx({"2.1": (2 + 1 + 20 + 1) / 3600, "3.2 and 3.3": 1.0})
    group["VAE-GAN, cifar10"] = {"error": "it died"}
    assert list(gpu.hours(group, loads)) == ["3.2 and 3.3"]
    assert gpu.hours({}, loads) == {}


def load(section, architecture, *, vae_gan=None, updates=0, attack_steps=0, vae_gan_steps=0):
    return {
        "section": section,
        "architecture": architecture,
        "vae_gan": vae_gan,
        "updates": updates,
        "attack_steps": attack_steps,
        "vae_gan_steps": vae_gan_steps,
    }


def test_a_measurement_that_ends_its_process_costs_only_itself(gpu, tmp_path, monkeypatch):
    (tmp_path / "gpu_measures.py").write_text(
        "import json, os, sys\n"
        "for name in json.loads(sys.argv[1])['names']:\n"
        "    if name == 'b':\n"
        "        os.write(2, b'F0000 00:00:1 1 x.cc:1] Autotuner failed\\n')\n"
        "        os.abort()\n"
        "    print('measured: ' + json.dumps([name, {'seconds': 1.0}]), flush=True)\n"
    )
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    found = gpu.measured("abc", {"device": "cpu"}, gpu.Clock(60), tmp_path)
    assert found == {"a": {"seconds": 1.0}, "b": {"error": "Autotuner failed"}, "c": {"seconds": 1.0}}
    late = gpu.measured("ab", {"device": "cpu"}, gpu.Clock(1), tmp_path)
    assert late == {name: {"error": "no time was left"} for name in "ab"}


def test_a_measurement_that_fails_and_one_without_time_are_reported(gpu, tmp_path):
    job = {"device": "cpu", "smoke": True, "folder": str(tmp_path), "names": ["PGD-41, x", "training, gaussian_mlp"]}
    found = dict(gpu.gpu_measures.done({**job, "seconds": 60.0}))
    assert found["PGD-41, x"]["error"].startswith("KeyError")
    assert found["training, gaussian_mlp"]["seconds"] > 0
    assert dict(gpu.gpu_measures.done({**job, "seconds": -1.0}))["PGD-41, x"] == {"error": "no time was left"}


def test_failures_stand_in_the_table(gpu):
    results = {
        "doctor": EXAMINED,
        "goldens": gpu.tally("a.py::test_a PASSED\na.py::test_b[x y] FAILED\n") | {"unfinished": "not over"},
        "groups": {"float32": {"PGD-40, cifar_cnn, batch 100": {"seconds": 0.002, "peak_bytes": 2**30}}, "TF32": {}},
        "hours": {"float32": {"2.1": 12.34}, "TF32": {}},
        "at_once": {"4 processes": {"error": "a process died"}},
        "torch": {"torch: training": {"error": "no module | torch"}},
        "seconds": 12.0,
    }
    text = "\n".join(gpu.table(results))
    assert "1 passed, 1 failed; not over (first: `a.py::test_b[x y]`)" in text
    assert "| a step of PGD-40, CIFAR-10 network, batch 100 | 2, 1.0 GiB |  |" in text
    assert "| 2.1 | 12.3 |  |" in text
    assert "| 4 processes | a process died |" in text
    assert "failed: no module / torch" in text


def test_without_a_gpu_nothing_is_measured_and_the_table_stays(gpu, monkeypatch):
    broken = {**EXAMINED, "verdict": {"line": "no GPU: nvidia-smi lists none.", "computes": False}}
    monkeypatch.setattr(gpu, "examine", lambda device, stages: broken)
    monkeypatch.setattr(gpu.document, "write", None)
    done = CliRunner().invoke(gpu.main, [])
    assert done.exit_code == 1
    assert "--smoke runs on a CPU" in done.output


def test_the_tests_of_the_authors_numbers_are_there(gpu):
    assert all((BENCHMARKS.parent / "tests" / file).exists() for file in gpu.GOLDENS)
