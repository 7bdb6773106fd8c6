"""The grid on several processes, scheduled by Dask: what comes out, and what happens when one of them dies."""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import start

from robint_experiments.options import DataOptions, RunOptions
from robint_experiments.progress import Display
from robint_experiments.run import Run
from robint_experiments.studies import cluster
from robint_experiments.studies.grid import Grid
from robint_experiments.studies.presets import SECTION_3_2
from robint_tf.store.artifacts import Store

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

DOCUMENT = Path(__file__).parents[1] / "docs" / "clusters.md"
HERE = ["section-3-2", "--preset", "smoke", "--norms", "l2", "--eps", "1.6", "--fractions", "0.9"]
TINY = [*HERE, "--threads", "1"]  # in a process of its own: TensorFlow cannot change them once it runs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process makes of the tiny grid."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder, *TINY)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return (folder / "figures" / "section_3_2_xent.json").read_bytes()


def wait_for_cells(folder, n, process):
    deadline = time.monotonic() + 300
    while len(list((folder / "store").glob("RetrainSpec/*/manifest.json"))) < n:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finish(folder, process, expected):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert (folder / "figures" / "section_3_2_xent.json").read_bytes() == expected


def credentials(folder, monkeypatch):
    """Those of docs/clusters.md, in files that every process of this test is told of."""
    (script,) = re.findall(r"```python\n(from distributed.security.*?)```", DOCUMENT.read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, env=os.environ | {"HOME": str(folder)})
    assert done.returncode == 0
    (settings,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (folder / "dask.yaml").write_text(settings.replace("/home/me", str(folder)))
    monkeypatch.setenv("DASK_CONFIG", str(folder / "dask.yaml"))
    assert [p.stat().st_mode & 0o777 for p in folder.glob("*.pem")] == [0o600]


def test_a_running_scheduler_of_which_a_worker_is_killed_gives_the_bytes_of_one_process(
    tmp_path, undisturbed, monkeypatch
):
    pytest.importorskip("cryptography")
    credentials(tmp_path, monkeypatch)
    address = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "dask"]
    here = ["--host", "127.0.0.1", "--scheduler-file", address]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        commands = [[*command, "scheduler", *here, "--protocol", "tls", "--port", "0", "--no-dashboard"]]
        commands += 2 * [[*command, "worker", *here, "--no-nanny", "--nthreads", "1"]]
        processes = []
        for each in commands:
            processes.append(subprocess.Popen(each, cwd=tmp_path, **quiet))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        deadline = time.monotonic() + 60
        while not address.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        tls = json.loads(address.read_text())["address"]
        assert tls.startswith("tls://")
        process = start(tmp_path, *TINY, "--scheduler", tls)
        wait_for_cells(tmp_path, 3, process)
        processes[1].send_signal(signal.SIGKILL)
        finish(tmp_path, process, undisturbed)


def test_a_local_worker_that_is_killed_is_replaced(tmp_path, undisturbed):
    process = start(tmp_path, *TINY, "--workers", "2")
    wait_for_cells(tmp_path, 2, process)
    workers = [p for p in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    finish(tmp_path, process, undisturbed)


STUDY = replace(SECTION_3_2["smoke"], eps={"l2": (0.8, 1.6)})


@pytest.fixture
def grid(tmp_path):
    return Grid(STUDY, Run(Store(tmp_path), Display(), {}))


@pytest.fixture
def config(grid):
    return cluster.WorkerConfig(
        study=STUDY, store=grid.run.store.root, run=RunOptions(device="cpu"), data=DataOptions(offline=True)
    )


@pytest.fixture
def workers(monkeypatch):
    """One worker in this process, so that tests can change what it calls."""

    @contextlib.contextmanager
    def client(self, config):
        with (
            distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as c,
            distributed.Client(c) as found,
        ):
            yield found, config

    monkeypatch.setattr(cluster.Workers, "client", client)
    return cluster.Workers(local=1)


def test_the_tasks_are_the_grid_once(grid):
    tasks = [task for _, task, _ in grid.tasks()]
    everything = [*grid.of_maps(None), *(a for e in STUDY.networks() for a in grid.artifacts(e))]
    made = [artifact for task in tasks for artifact in task]
    assert len(made) == len(set(made))
    assert set(made) == set(everything)


def test_a_task_that_fails_stops_only_what_needs_it(grid, config, workers, monkeypatch):
    strongest = STUDY.networks()[-1].spec
    made = []

    def make(self, spec):
        if spec == strongest:
            raise OSError("no space left")
        made.append(spec)

    monkeypatch.setattr(Grid, "make", make)
    monkeypatch.setattr(cluster, "RETRIES", 1)
    with pytest.raises(cluster.click.ClickException) as caught:
        cluster.make(grid, config, workers)
    assert "3 of 10 tasks" in caught.value.message  # its training, and what two attributions of it explain
    assert "l2 xent eps 1.6, training: no space left" in caught.value.message
    everything = {*grid.of_maps(None), *(a for e in STUDY.networks()[:-1] for a in grid.artifacts(e))}
    assert set(made) == everything


def test_what_is_in_the_store_is_not_sent(grid, config, workers, monkeypatch):
    monkeypatch.setattr(Grid, "has", lambda self, spec: True)
    monkeypatch.setattr(cluster, "_distributed", lambda: pytest.fail("Dask was asked"))
    cluster.make(grid, config, workers)


def test_a_worker_that_does_not_see_the_store_is_named(grid, config, workers, monkeypatch):
    monkeypatch.setattr(cluster, "_exists", lambda path: False)
    with pytest.raises(cluster.click.UsageError, match=r"does not see .*; give --store"):
        cluster.make(grid, config, workers)


def test_a_scheduler_that_does_not_answer_is_one_line(robint, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 1)
    text = robint(*HERE, "--scheduler", "tcp://127.0.0.1:1", code=2)
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in text


@pytest.mark.parametrize(
    ("address", "encrypted", "message"),
    [("tls://127.0.0.1:1", None, "needs credentials"), ("tcp://127.0.0.1:1", True, "require encryption")],
)
def test_a_scheduler_and_credentials_that_do_not_fit_are_one_line(robint, monkeypatch, address, encrypted, message):
    monkeypatch.setattr(distributed, "Client", lambda *args, **options: pytest.fail("a connection was tried"))
    with dask.config.set({"distributed.comm.require-encryption": encrypted}):
        assert message in robint(*HERE, "--scheduler", address, code=2)


def test_workers_without_dask_say_what_to_install(robint, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "robint-tf[dask]" in robint(*HERE, "--workers", "2", code=2)


def test_workers_without_cryptography_say_what_to_install(robint, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert "robint-tf[dask]" in robint(*HERE, "--workers", "2", code=2)


def test_local_workers_let_nobody_in_who_has_not_their_credentials(config):
    """Neither in the clear nor with credentials of one's own: on the scheduler, a nanny and a worker."""
    pytest.importorskip("cryptography")
    with cluster.Workers(local=1).client(config) as (client, _):
        client.wait_for_workers(1, timeout=120)
        assert client.submit(sum, (1, 2)).result(timeout=60) == 3
        (worker,), (nanny,) = client.nthreads(), client.run(lambda dask_worker: dask_worker.nanny).values()
        addresses = [client.scheduler.address, worker, nanny]
        assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
        for address in addresses:
            with pytest.raises(ssl.SSLError):  # no certificate, and none but its own is trusted
                shake_hands(address, ssl._create_unverified_context())
            other = distributed.Security.temporary().get_connection_args("client")["ssl_context"]
            other.check_hostname, other.verify_mode = False, ssl.CERT_NONE  # such a visitor would not ask
            with pytest.raises(ssl.SSLError):
                shake_hands(address, other)
            with pytest.raises(OSError, match=r"(?i)timed out|in .*connect|closed"):
                distributed.Client(address.replace("tls:", "tcp:"), timeout=1)
            shake_hands(address, client.security.get_connection_args("client")["ssl_context"])


def shake_hands(address, context):
    """Open a connection and read its first byte."""
    host, port = address.removeprefix("tls://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as plain, context.wrap_socket(plain) as secure:
        assert secure.recv(1)


def test_workers_and_a_scheduler_exclude_each_other(robint):
    assert "give one of them" in robint(*HERE, "--workers", "2", "--scheduler", "tcp://127.0.0.1:1", code=2)


def test_local_workers_take_one_gpu_each(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")

    def given(device, n=3):
        gpus = cluster.gpus_for(device)
        made = [cluster.Workers(local=n)._local_worker(i, gpus, {})["options"] for i in range(n)]
        assert {options["memory_limit"] == 0 for options in made} == {bool(gpus)}
        return [options["env"].get("CUDA_VISIBLE_DEVICES") for options in made]

    assert given("auto") == given("gpu") == ["2", "5", "2"]
    assert given("cpu") == given("CPU") == [None] * 3
    assert given("gpu:1") == given("GPU:1") == ["5"] * 3
    for device in ("gpu:2", "gpu:9"):
        with pytest.raises(cluster.click.UsageError, match=f"--device is {device} and there are 2 GPUs"):
            cluster.gpus_for(device)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert given("auto") == [None] * 3
    with pytest.raises(cluster.click.UsageError, match="0 GPUs"):
        cluster.gpus_for("gpu")


def test_a_worker_takes_the_one_gpu_that_it_sees_whatever_the_number_was(config, monkeypatch):
    """The GPU is checked once, before the workers start."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    checked, started = [], []
    monkeypatch.setattr(cluster.first_use, "jit", lambda run: checked.append(run.device) or "auto")
    monkeypatch.setattr(cluster, "_temporary_credentials", lambda: None)
    monkeypatch.setattr(distributed, "SpecCluster", lambda **given: started.append(given) or contextlib.nullcontext())
    monkeypatch.setattr(distributed, "Client", lambda *args: contextlib.nullcontext())
    for device, expected in (("gpu:1", "gpu"), ("auto", "gpu"), ("cpu", "cpu")):
        named = replace(config, run=replace(config.run, device=device))
        with cluster.Workers(local=2).client(named) as (_, given):
            assert given.run.device == expected
    assert checked == ["gpu", "gpu"]
    seen = [[w["options"]["env"].get("CUDA_VISIBLE_DEVICES") for w in s["workers"].values()] for s in started]
    assert seen == [["5", "5"], ["2", "5"], [None, None]]


def test_the_process_that_hands_out_the_work_uses_no_gpu(robint, monkeypatch):
    from robint_experiments.sections import interpretability

    devices = []

    def begin(run, **_):
        devices.append(run.device)
        raise SystemExit(3)

    monkeypatch.setattr(interpretability, "begin", begin)
    for more in (["--workers", "2"], ["--scheduler", "tcp://127.0.0.1:1"], ["--workers", "2", "--dry-run"], []):
        robint(*HERE, "--device", "gpu:1", *more, code=3)
    assert devices == ["cpu", "cpu", "gpu:1", "gpu:1"]
