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
    monkeypatch.setattr(gpu, "examine", lambda *args: EXAMINED)  # test_doctor.py does it for real
    monkeypatch.setattr(gpu, "goldens", lambda *args: {"passed": 3, "failed": 0})
    path = tmp_path / "new" / "gpu.json"
    done = CliRunner().invoke(gpu.main, ["--smoke", "--json", str(path)])
    assert done.exit_code == 0, done.output
    found = json.loads(path.read_text())
    for group in gpu.GROUPS:
        assert all(value["seconds"] > 0 for value in found["groups"][group].values()), found["groups"][group]
    assert set(found["groups"]["float32"]) == set(gpu.gpu_measures.names(True))
    assert found["at_once"]["one network"]["images_per_second"] > 0
    assert {load["section"] for load in found["workloads"]} == {"2.1", "3.2 and 3.3"}
    assert all((load["counted"] > 0) == (load["section"] == "3.2 and 3.3") for load in found["workloads"])
    assert "without XLA: 3 passed, 0 failed" in done.output
    assert "toy network, batch 100" in done.output

    del found["groups"]["float32"]["training, gaussian_mlp"]  # as after a call that was killed
    path.write_text(json.dumps(found))
    again = CliRunner().invoke(gpu.main, ["--smoke", "--json", str(path)])
    assert again.exit_code == 0, again.output
    assert again.output.count(": measured") == 1
    completed = json.loads(path.read_text())
    assert completed["groups"]["float32"].pop("training, gaussian_mlp")["seconds"] > 0
    del found["groups"]["float32"]
    assert completed["groups"].keys() - {"float32"} == found["groups"].keys()
    assert all(completed["groups"][name] == values for name, values in found["groups"].items())
    assert completed["calls"][:1] == found["calls"]
    assert list(path.parent.iterdir()) == [path]


EXAMINED = {
    "facts": {"gpus": [], "driver": None, "tensorflow": "2.21.0", "cudnn": None},
    "verdict": {"line": "ok: there is no GPU here", "computes": True},
}


def test_what_is_measured_on_a_gpu_is_what_the_hours_need(gpu):
    names, measures = gpu.gpu_measures.names(False), gpu.gpu_measures
    assert set(measures.needed_for_3_2(False)) < set(names)
    assert set(names) <= set(measures.TITLES)
    assert not set(measures.more(False)) & set(names)
    assert set(measures.more(False)) <= set(measures.TITLES)
    costs = {"seconds": 2.0, "image_seconds": 0.02, "image_step_seconds": 0.001}
    group = {name: costs | {"occluded_seconds": 0.01, "counted_seconds": 0.1} for name in names}
    loads = [
        load("2.1", "mnist_cnn", vae_gan="mnist", updates=100, attack_steps=1000, vae_gan_steps=10),
        load("2.1", "cifar_cnn", vae_gan="cifar10", updates=0, attack_steps=1000),
        load("3.2 and 3.3", "cifar_cnn", updates=180_000, occluded=360_000, counted=36_000),
    ]
    assert gpu.hours(group, loads) == pytest.approx({"2.1": (2 + 1 + 20 + 1) / 3600, "3.2 and 3.3": 1.0 + 1.0 + 1.0})
    group["VAE-GAN, mnist"] = {"error": "it died"}
    assert list(gpu.hours(group, loads)) == ["3.2 and 3.3"]
    del group["host work, cifar_cnn"]
    assert gpu.hours(group, loads) == {}
    assert gpu.hours({}, loads) == {}


def load(section, architecture, *, vae_gan=None, **amounts):
    nothing = dict.fromkeys(("updates", "attack_steps", "vae_gan_steps", "occluded", "counted"), 0)
    return {"section": section, "architecture": architecture, "vae_gan": vae_gan, **nothing, **amounts}


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
    found = {}

    def keep(value, name):
        found[name] = value

    gpu.measured("abc", {"device": "cpu"}, gpu.Clock(60), tmp_path, keep)
    assert found == {"a": {"seconds": 1.0}, "b": {"error": "Autotuner failed"}, "c": {"seconds": 1.0}}
    gpu.measured("ab", {"device": "cpu"}, gpu.Clock(1), tmp_path, keep)
    assert found == {name: {"error": "no time was left"} for name in "ab"} | {"c": {"seconds": 1.0}}


SLOW = """
import json, sys, time
for i, name in enumerate(json.loads(sys.argv[1])["names"]):
    time.sleep(60 * i)
    print("measured: " + json.dumps([name, {"seconds": 1.0}]), flush=True)
"""


def test_what_was_measured_before_time_is_over_is_kept_and_the_rest_is_tried_again(gpu, tmp_path, monkeypatch):
    (tmp_path / "gpu_measures.py").write_text(SLOW)
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    monkeypatch.setattr(gpu, "LEAST", 0.5)
    kept = gpu.Kept(tmp_path / "gpu.json", {"gpu": "one"})
    gpu.measured("ab", {"device": "gpu"}, gpu.Clock(3), tmp_path, lambda value, name: kept.put(value, "groups", name))
    on_disk = gpu.Kept(tmp_path / "gpu.json", {"gpu": "one"})
    assert on_disk.results["groups"] == {"a": {"seconds": 1.0}, "b": {"error": "no time was left"}}
    assert on_disk.lacking("abc", "groups") == ["b", "c"]
    on_disk.put({"error": "Autotuner failed"}, "groups", "b")
    assert on_disk.lacking("abc", "groups") == ["c"]


def test_results_of_another_gpu_are_kept_beside_the_new_ones(gpu, tmp_path):
    path = tmp_path / "gpu.json"
    for i, (about, fresh) in enumerate([({"gpu": "one"}, False), ({"gpu": "two"}, False), ({"gpu": "two"}, True)]):
        kept = gpu.Kept(path, about, fresh=fresh)
        assert kept.results == {"about": about}
        kept.put(i, "number")
    numbers = {p.name: json.loads(p.read_text())["number"] for p in tmp_path.iterdir()}
    assert numbers == {"gpu.json": 2, "gpu-1.json": 0, "gpu-2.json": 1}


def test_processes_measure_together_or_are_not_added(gpu, tmp_path, monkeypatch):
    """Each waits until the others have compiled."""
    measures = gpu.gpu_measures
    waiting = (
        "import json, sys, time\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import gpu_measures\n"
        "gpu_measures.wait_for_others(json.loads(sys.argv[1]))\n"
        "now = time.time()\n"
        "time.sleep(2)\n"
        "value = {'images_per_second': 5.0, 'began': now, 'ended': time.time()}\n"
        "print(gpu_measures.MARK + json.dumps(['rate, 1 network', value]))\n"
    )
    (tmp_path / "waiting.py").write_text(waiting)
    monkeypatch.setattr(measures, "__file__", str(tmp_path / "waiting.py"))
    setting = {"device": "cpu", "smoke": True}
    assert measures.processes(2, setting, gpu.Clock(100), tmp_path / "a") == {"images_per_second": 10.0}
    assert measures.processes(2, setting, gpu.Clock(20), tmp_path / "b") == {"error": "no time was left"}
    alone = {"images_per_second": 5.0, "began": 0.0, "ended": 10.0}
    late = {"images_per_second": 5.0, "began": 2.5, "ended": 12.5}
    assert "75% of it together" in measures.added([alone, late])["error"]
    assert measures.added([alone, {"error": "it died"}]) == {"error": "it died"}


def test_the_rate_of_a_process_says_when_it_was_measured(gpu):
    job = {"device": "cpu", "smoke": True, "names": ["rate, 1 network"], "folder": "", "seconds": 60.0}
    (found,) = dict(gpu.gpu_measures.done(job)).values()
    assert 0 < found["ended"] - found["began"] < 60
    assert found["images_per_second"] > 0


def test_a_table_is_written_of_what_is_there(gpu, tmp_path, monkeypatch):
    path, written = tmp_path / "gpu.json", []
    monkeypatch.setattr(gpu.document, "write", lambda name, lines: written.extend(lines))
    assert "measure a GPU first" in CliRunner().invoke(gpu.main, ["--only-table", "--json", str(path)]).output
    kept = gpu.Kept(path, {"gpu": "one"})
    kept.put(EXAMINED, "doctor")
    kept.put([load("2.1", "cifar_cnn", updates=3600)], "workloads")
    kept.put({"seconds": 1.0, "image_seconds": 1.0}, "groups", "float32, XLA", "training, cifar_cnn")
    done = CliRunner().invoke(gpu.main, ["--only-table", "--json", str(path)])
    assert done.exit_code == 0, done.output
    assert "| 2.1 | 1.0 |" in written


def test_a_measurement_that_fails_and_one_without_time_are_reported(gpu, tmp_path):
    job = {"device": "cpu", "smoke": True, "folder": str(tmp_path), "names": ["PGD-41, x", "training, gaussian_mlp"]}
    found = dict(gpu.gpu_measures.done({**job, "seconds": 60.0}))
    assert found["PGD-41, x"]["error"].startswith("KeyError")
    assert found["training, gaussian_mlp"]["seconds"] > 0
    assert dict(gpu.gpu_measures.done({**job, "seconds": -1.0}))["PGD-41, x"] == {"error": "no time was left"}


def test_failures_stand_in_the_table(gpu):
    step = {"seconds": 0.002, "peak_bytes": 2**30, "image_step_seconds": 12.34}
    results = {
        "doctor": EXAMINED,
        "goldens": {
            "with XLA": gpu.tally("a.py::test_a PASSED\na.py::test_b[x y] FAILED\n") | {"unfinished": "not over"}
        },
        "groups": {"float32": {"PGD-40, cifar_cnn, batch 100": step}, "TF32": {}},
        "workloads": [load("2.1", "cifar_cnn", attack_steps=3600)],
        "at_once": {"4 processes": {"error": "a process died"}},
        "torch": {"torch: training": {"error": "no module | torch"}},
        "calls": [7.0, 5.0],
    }
    text = "\n".join(gpu.table(results))
    assert "12 seconds in all" in text
    assert "with XLA: 1 passed, 1 failed; not over (first: `a.py::test_b[x y]`)" in text
    assert "| a step of PGD-40, CIFAR-10 network, batch 100 | 2, 1.0 GiB |  |" in text
    assert "| 2.1 | 12.3 |  |" in text
    assert "| 4 processes | a process died |" in text
    assert "failed: no module / torch" in text


def test_without_a_gpu_nothing_is_measured_and_the_table_stays(gpu, monkeypatch, tmp_path):
    broken = {**EXAMINED, "verdict": {"line": "no GPU: nvidia-smi lists none.", "computes": False}}
    monkeypatch.setattr(gpu, "examine", lambda *args: broken)
    monkeypatch.setattr(gpu.document, "write", None)
    done = CliRunner().invoke(gpu.main, ["--json", str(tmp_path / "gpu.json")])
    assert done.exit_code == 1
    assert not (tmp_path / "gpu.json").exists()
    assert "--smoke runs on a CPU" in done.output


def test_the_tests_of_the_authors_numbers_are_there(gpu):
    assert all((BENCHMARKS.parent / "tests" / file).exists() for file in gpu.GOLDENS)
