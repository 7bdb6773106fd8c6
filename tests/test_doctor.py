"""What is wrong with a machine: judged from facts and outcomes that are made up, and once for real on this CPU."""

import json
import re
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest

from robint_experiments.machine import doctor, facts, first_use, probes, verdict
from robint_experiments.machine.facts import Facts
from robint_experiments.machine.probes import Outcome
from robint_experiments.options import RunOptions
from robint_tf.errors import DeviceError
from robint_tf.runtime import cuda, device

GPU = Facts(
    python="3.12.3",
    tensorflow="2.21.0",
    keras="3.15.1",
    cuda_build=True,
    built_cuda="12.5.1",
    built_cudnn="9",
    cudnn="9.24.0",
    wheels={"nvidia-cudnn-cu12": "9.24.0.43"},
    driver="560.35.03",
    driver_cuda="12.6",
    driver_gpus=("NVIDIA H200",),
    gpus=("NVIDIA H200",),
)
UNSEEN = replace(GPU, gpus=())
NONE = replace(GPU, gpus=(), driver_gpus=(), driver=None, driver_cuda=None, cudnn=None, wheels={})
FINE = {name: Outcome(True, 1.0) for name in probes.STAGES}
DEAD, NO_XLA, WELL = (False, False, False), (False, True, False), (True, True, True)
AUTOTUNER = "Autotuner could not find any supported configs for HLO: cudnn-conv-bias-activation"


def failing(stage, error):
    return {**FINE, stage: Outcome(False, error=error)}


@pytest.mark.parametrize(
    ("found", "outcomes", "asked", "ok", "computes", "jit", "line"),
    [
        (GPU, FINE, "auto", *WELL, "ok: .* on NVIDIA H200, with XLA"),
        (NONE, FINE, "auto", *WELL, "ok: there is no GPU"),
        (GPU, FINE, "cpu", *WELL, "the CPU works"),
        (NONE, {}, "gpu", *DEAD, "nvidia-smi lists none.*--gpus all"),
        (UNSEEN, {}, "auto", *DEAD, "a library of CUDA does not open"),
        (replace(UNSEEN, unopened=("libcufft.so.11",)), {}, "auto", *DEAD, "libcufft.so.11 does not open. pip install"),
        (replace(UNSEEN, cuda_build=False), {}, "auto", *DEAD, r"built without CUDA. pip install .*\[gpu\]"),
        (replace(UNSEEN, cudnn=None), {}, "gpu:0", *DEAD, "finds no cuDNN"),
        (replace(UNSEEN, driver_cuda="11.8"), {}, "auto", *DEAD, "knows CUDA 11.8 at most.*newer driver"),
        (GPU, failing("convolution", "no kernel image is available"), "gpu", *DEAD, "no code for this GPU"),
        (GPU, failing("convolution", "CUDNN_STATUS_INTERNAL_ERROR"), "gpu", *DEAD, "cuDNN 9.24.0 does not"),
        (GPU, failing("attack", "ResourceExhaustedError: OOM"), "auto", *DEAD, "another process holds"),
        (GPU, failing("attack", "odd"), "auto", *DEAD, r"without XLA on NVIDIA H200 failed \(odd\).*cpu"),
        (replace(GPU, cudnn="9.3.0"), failing("attack_xla", "SIGABRT"), "auto", *NO_XLA, "cuDNN 9.3.0 is too"),
        (GPU, failing("attack_xla", AUTOTUNER), "auto", *NO_XLA, "pip install -U .*9.24.*--jit off"),
        (GPU, failing("attack_xla", "libdevice not found"), "auto", *NO_XLA, "nvidia-cuda-nvcc-cu12.*--jit off"),
        (GPU, failing("attack_xla", "odd"), "auto", *NO_XLA, r"XLA fails .*\(odd\).*without it.*--jit off"),
        (GPU, failing("attack_xla", "out of memory"), "auto", *NO_XLA, "ran out of memory"),
        (GPU, failing("training_xla", AUTOTUNER), "auto", *NO_XLA, "cuDNN 9.24.0 is too old for XLA.*--jit off"),
        (GPU, failing("training_bfloat16", "odd"), "auto", *WELL, r"^ok: .*mixed_bfloat16, though \(odd\): leave"),
        (replace(GPU, cudnn="9.7.1"), FINE, "auto", *WELL, r"^ok: .*9.7.1 is little known with XLA.*--jit off"),
    ],
)  # fmt: skip
def test_a_verdict_is_one_line_with_what_to_do(found, outcomes, asked, ok, computes, jit, line):
    judged = verdict.judge(found, outcomes, asked)
    assert (judged.ok, judged.computes, judged.jit) == (ok, computes, jit)
    assert re.search(line, judged.line), judged.line
    assert "\n" not in judged.line
    assert judged.passing == ("memory" in judged.line)


@pytest.mark.parametrize(
    ("tensorflow", "cudnn", "aborts"),
    [
        ("2.21.0", "9.3.0", True),
        ("2.21.0", "9.5.1.17", True),
        ("2.21.1", "9.4", True),
        ("2.21.0", "9.24.0.43", False),
        ("2.21.0", "9.8.0", False),
        ("2.20.0", "9.3.0", False),
        ("2.21.0", None, False),
        ("2.21.0", "unknown", False),
    ],
)
def test_the_cudnn_with_which_xla_aborts_is_known(tensorflow, cudnn, aborts):
    assert cuda.xla_aborts(tensorflow, cudnn) is aborts


def test_the_library_goes_on_without_xla_where_it_is_known_to_abort(monkeypatch):
    monkeypatch.setattr(device, "_settings", device._Settings())  # whatever was chosen before
    monkeypatch.setattr(device, "on_cpu", lambda: False)
    monkeypatch.setattr(cuda.tf, "__version__", "2.21.0")
    for version, works in (("9.3.0", False), ("9.24.0", True)):
        monkeypatch.setattr(cuda, "cudnn", lambda version=version: version)
        cuda.xla_works.cache_clear()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert [device.jit_compile(), device.jit_compile()] == [works, works]
        assert sum("going on without XLA" in str(w.message) for w in said) == (0 if works else 1)
    cuda.xla_works.cache_clear()


def test_what_nvidia_smi_says_of_two_gpus_or_of_none():
    said = "Driver Version: 550.1  CUDA Version: 12.4\nGPU 0: Tesla T4 (UUID: GPU-a)\nGPU 1: Tesla T4 (UUID: GPU-b)\n"
    assert facts.driver(said) == {"driver": "550.1", "driver_cuda": "12.4", "driver_gpus": ("Tesla T4", "Tesla T4")}
    assert facts.driver("") == {"driver": None, "driver_cuda": None, "driver_gpus": ()}


ABORTING = """
import json, os, sys
for name in sys.argv[2:]:
    if name == "attack":
        os.write(2, b"E0000 00:00:1 1 a.cc:1] first\\nF0000 00:00:1 1 b.cc:2] Autotuner could not find any\\n*** stack")
        os.abort()
    print("a line of another program")
    print(json.dumps([name, {"ok": name != "attack_xla", "seconds": 1.0}]), flush=True)
"""


def test_a_stage_that_ends_its_process_is_reported_and_the_next_is_done():
    outcomes = probes.run("cpu", ["convolution", "attack", "attack_xla"], program=ABORTING)
    assert list(outcomes) == ["convolution", "attack", "attack_xla"]
    assert outcomes["convolution"].ok
    assert not outcomes["attack"].ok
    assert outcomes["attack"].error == "the process was ended by SIGABRT: Autotuner could not find any"
    assert not outcomes["attack_xla"].ok


FACTORY = "E0000 00:00:1.1 3 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register"
SLEEPING = f"import sys, time; print({FACTORY!r}, file=sys.stderr, flush=True); time.sleep(60)"


def test_a_stage_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(probes, "SECONDS", 1)
    outcomes = probes.run("cpu", ["convolution"], program=SLEEPING)
    assert outcomes["convolution"].error == "no answer within 1 seconds: it said nothing"
    assert "cuDNN" not in verdict.judge(GPU, outcomes, "gpu").line


def test_all_stages_together_end_in_time():
    began = time.monotonic()
    outcomes = probes.run("cpu", ["convolution", "attack"], seconds=2, program=SLEEPING)
    assert time.monotonic() - began < 20
    assert not outcomes["convolution"].ok
    assert "no answer within 1 seconds" in outcomes["attack"].error


def test_what_tensorflow_says_at_every_start_explains_nothing():
    """The last error does: the one before the process ended."""
    log = f"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n{FACTORY}\n"
    assert probes.telling_line(log) == "it said nothing"
    log += "E0000 00:00:2.1 3 a.cc:1] something small\nE0000 00:00:3.1 3 b.cc:2] an illegal memory access\nI0000 end"
    assert probes.telling_line(log) == "an illegal memory access"


def test_a_library_that_tensorflow_cannot_open_is_named():
    said = "\n".join(f"I0000 dso_loader.cc:1] Could not load dynamic library '{n}'; dlerror" for n in "aba")
    assert facts.unopened(said) == ("a", "b")
    assert facts.unopened("Cannot dlopen some GPU libraries") == ()


def test_tensorflow_names_what_it_cannot_open_when_it_is_asked_to():
    """As this machine has no driver, its library is the first that is missing."""
    if facts.said_by_nvidia_smi():
        pytest.skip("this machine has a driver")
    assert facts.unopened(facts.said_by_tensorflow())[0].startswith("libcuda.so")


def test_an_error_of_a_stage_is_its_outcome(monkeypatch, capsys):
    monkeypatch.setattr(probes, "STAGES", {"convolution": lambda device: 1 / 0})
    monkeypatch.setattr(sys, "argv", ["probes", "cpu", "convolution"])
    probes.main()
    name, outcome = json.loads(capsys.readouterr().out)
    assert (name, outcome["ok"]) == ("convolution", False)
    assert outcome["error"].startswith("ZeroDivisionError")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a GPU whose probes have the outcomes that a test gives; counts how often they ran."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(first_use, "_gpus", lambda: ["one"])
    monkeypatch.setattr(facts, "gather", lambda: machine.facts)
    monkeypatch.setattr(probes, "run", lambda name: machine.runs.append(name) or machine.outcomes)

    class machine:
        facts, outcomes, runs = GPU, FINE, []

    return machine


def test_a_gpu_is_checked_once_for_each_set_of_versions(machine, capsys):
    assert [first_use.jit(RunOptions(device="gpu")) for _ in range(3)] == ["auto"] * 3
    first_use.jit(RunOptions(device="GPU"))
    assert machine.runs == ["gpu"]
    assert capsys.readouterr().err.count("\n") == 1
    machine.facts = replace(GPU, gpus=GPU.gpus * 8, driver_gpus=GPU.driver_gpus * 8)  # seen by whom workers serve
    first_use.jit(RunOptions(device="gpu"))
    assert machine.runs == ["gpu"]
    machine.facts = replace(GPU, cudnn="9.25.0")
    first_use.jit(RunOptions(device="gpu"))
    assert machine.runs == ["gpu", "gpu"]


def test_where_xla_fails_a_command_goes_on_without_it_and_says_so_every_time(machine, capsys):
    machine.outcomes = failing("attack_xla", AUTOTUNER)
    assert [first_use.jit(RunOptions()) for _ in range(2)] == ["off"] * 2
    assert capsys.readouterr().err.count("Warning: XLA fails on NVIDIA H200") == 2
    assert machine.runs == ["auto"]


def test_a_gpu_that_does_not_compute_is_refused_and_a_full_one_is_tried_again(machine):
    machine.outcomes = failing("convolution", "CUDNN_STATUS_INTERNAL_ERROR")
    with pytest.raises(DeviceError, match="does not work with TensorFlow"):
        first_use.jit(RunOptions(device="gpu:0"))
    machine.outcomes = failing("attack", "out of memory")
    for _ in range(2):
        with pytest.raises(DeviceError, match="out of memory"):
            first_use.jit(RunOptions(device="auto"))
    assert machine.runs == ["gpu:0", "auto", "auto"]


def test_what_needs_no_check_is_not_checked(machine, monkeypatch):
    for options in (
        RunOptions(device="cpu"),
        RunOptions(device="CPU"),
        RunOptions(jit="on"),
        RunOptions(jit="off"),
        RunOptions(deterministic=True),
    ):
        assert first_use.jit(options) == options.jit
    monkeypatch.setattr(first_use, "_gpus", list)
    assert first_use.jit(RunOptions()) == "auto"
    assert machine.runs == []


def test_a_cache_that_cannot_be_read_or_written_costs_a_check(machine, tmp_path):
    (tmp_path / "robint_tf_doctor").write_text("a file")
    assert [first_use.jit(RunOptions()) for _ in range(2)] == ["auto"] * 2
    (tmp_path / "robint_tf_doctor").unlink()
    first_use.jit(RunOptions())
    (kept,) = (tmp_path / "robint_tf_doctor").glob("*.json")
    kept.write_text("{}")
    first_use.jit(RunOptions())
    assert len(machine.runs) == 4


def test_the_command_prints_facts_outcomes_and_the_verdict(machine, robint):
    text = robint("doctor")
    assert "2.21.0, built for CUDA 12.5.1 and cuDNN 9" in text
    assert all(name in text for name in doctor.STAGES.values())
    assert text.splitlines()[-1].startswith("ok: ")
    machine.outcomes = failing("attack_xla", AUTOTUNER)
    found = json.loads(robint("doctor", "--json", code=1))
    assert found["verdict"]["jit"] is False
    assert found["probes"]["attack_xla"]["error"] == AUTOTUNER
    assert found["facts"]["driver_gpus"] == ["NVIDIA H200"]
    machine.facts = NONE
    assert "nvidia-smi lists none" in robint("doctor", "--device", "gpu", code=1)
    assert "choose auto, cpu, gpu" in robint("doctor", "--device", "abacus", code=2)


def test_the_cpu_of_this_machine_is_well():
    code = "from robint_experiments.cli import main; main(['doctor', '--device', 'cpu', '--json'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert set(found["probes"]) == set(doctor.STAGES) == set(probes.STAGES)
    assert all(outcome["ok"] for outcome in found["probes"].values())
    assert found["verdict"]["ok"]
