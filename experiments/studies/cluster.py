"""The grid on many processes: Dask schedules its tasks, the store carries the results. Needs the extra `dask`.

Only specs travel to the workers, and only names come back. A task that runs a second time, because its worker died for
example, finds its artifacts in the store. Workers may be on other machines if these share the store's folder.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from ..machine import first_use
from ..options import DataOptions, RunOptions
from ..progress import Display
from .grid import Grid
from .presets import InterpretabilityStudy
from .runner import Artifact

RETRIES = 2  # of a task whose error may pass: a full disk, a GPU out of memory
WAIT_SECONDS = 120  # for the first worker
LOCALHOST = "127.0.0.1"


@dataclass(frozen=True)
class WorkerConfig:
    """All that a worker needs to run a task of the grid; the folders are absolute and seen by every worker."""

    study: InterpretabilityStudy
    store: Path
    run: RunOptions
    data: DataOptions

    @classmethod
    def of(cls, study: InterpretabilityStudy, run: RunOptions, data: DataOptions, *, store: Path) -> "WorkerConfig":
        """The same for workers in other folders than this process's."""
        data = replace(data, data_dir=data.data_dir and data.data_dir.absolute())
        return cls(study, store.absolute(), run, data)


class Silent(Display):
    """Shows nothing: a worker's progress is Dask's to show."""

    def _show(self, *parts: str, force: bool) -> None:
        pass


_held: list[tuple[WorkerConfig, Grid]] = []


def _grid(config: WorkerConfig) -> Grid:
    """The grid in this worker process, kept for its next task: data are read, and functions compiled, only once."""
    if _held and _held[0][0] == config:
        return _held[0][1]
    from robint_tf.store.artifacts import Store

    from ..run import Run, configured

    run = config.run
    configured(run)
    display = Silent()
    store = Store(config.store, allow_mixed=run.allow_mixed, waiting=display.waiting)
    grid = Grid(
        config.study,
        Run(store, display, {}),
        data_dir=config.data.data_dir,
        offline=config.data.offline,
    )
    _held[:] = [(config, grid)]
    return grid


def run_task(config: WorkerConfig, artifacts: list[Artifact], after: Any) -> None:
    """Make the artifacts of a task in this process. after: the result of the task that had to run before."""
    _grid(config).complete(artifacts)


@dataclass(frozen=True)
class Workers:
    """Where the grid runs: `local` processes on this machine, or those of a running `scheduler`."""

    local: int | None = None
    scheduler: str | None = None

    @contextlib.contextmanager
    def client(self, config: WorkerConfig) -> Iterator[tuple[Any, WorkerConfig]]:
        """A Dask client and the configuration that its workers take; local workers live as long as the block."""
        distributed = _distributed()
        if self.scheduler is not None:
            _check_credentials(self.scheduler)
            try:
                client = distributed.Client(self.scheduler, timeout=WAIT_SECONDS)
            except (OSError, ValueError) as error:
                raise click.UsageError(f"no Dask scheduler answers at {self.scheduler} ({error}).") from error
            with client:
                yield client, config
            return
        assert self.local is not None
        gpus = gpus_for(config.run.device)
        if gpus:  # each worker sees one of them
            config = replace(config, run=replace(config.run, device="gpu"))
            first_use.jit(config.run)  # once, not in each of them
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = config.run.threads or max(1, cores // self.local)
        config = replace(config, run=replace(config.run, threads=threads))
        secured = {"protocol": "tls://", "security": _temporary_credentials()}
        with (
            distributed.SpecCluster(
                scheduler={
                    "cls": distributed.Scheduler,
                    "options": {"host": LOCALHOST, "dashboard_address": f"{LOCALHOST}:8787", **secured},
                },
                workers={i: self._local_worker(i, gpus, secured) for i in range(self.local)},
                silence_logs=logging.CRITICAL,
                security=secured["security"],
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client, config

    def _local_worker(self, i: int, gpus: list[str], secured: dict[str, Any]) -> dict[str, Any]:
        """One process, restarted when it dies; its own GPU if there are any, else its share of memory.

        gpus: as CUDA_VISIBLE_DEVICES names them; secured: its protocol and credentials. A process that uses a GPU holds
        gigabytes of CUDA's libraries beside the data: a share of the memory would have it restarted for ever.
        """
        distributed = _distributed()
        assert self.local is not None
        return {
            "cls": distributed.Nanny,
            "options": {
                "host": LOCALHOST,
                "nthreads": 1,
                "silence_logs": logging.CRITICAL,
                "memory_limit": 0 if gpus else distributed.system.MEMORY_LIMIT // self.local,  # 0: none
                "env": {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {},
                **secured,
            },
        }


def _distributed() -> Any:
    """Dask's package, set up for long work in compiled code. `UsageError` where it is not installed."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise click.UsageError("--workers and --scheduler need Dask: pip install 'robint-tf[dask]'.") from error
    # TensorFlow keeps its memory: a worker above a soft limit would wait for ever. Only the hard one restarts it.
    soft = {f"distributed.worker.memory.{name}": False for name in ("target", "spill", "pause")}
    dask.config.set(soft)
    return distributed


def _check_credentials(scheduler: str) -> None:
    """`UsageError` if Dask's settings do not allow to connect as the address says; Dask itself may then hang."""
    from distributed.security import Security

    security = Security()
    is_tls = scheduler.startswith("tls://")
    if is_tls and not security.get_connection_args("client")["ssl_context"]:
        raise click.UsageError(f"{scheduler} needs credentials; Dask's settings name none: see docs/clusters.md.")
    if security.require_encryption and not is_tls:
        raise click.UsageError(f"Dask's settings require encryption; {scheduler} has none, give a tls:// address.")


def _temporary_credentials() -> Any:
    """A key and its certificate, in memory, for the processes of this command alone.

    Without them any user of the machine could connect to Dask's ports and run code. `UsageError` where the library that
    makes them is missing.
    """
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError as error:
        raise click.UsageError(
            "--workers needs the package cryptography, to let nobody else run code on them: "
            "pip install 'robint-tf[dask]'."
        ) from error


def gpus_for(device: str) -> list[str]:
    """The GPUs that workers share for a --device, as CUDA_VISIBLE_DEVICES names them; none of them is used for that.

    All for "auto" and "gpu", one for "gpu:1". `UsageError` where it is not there.
    """
    if device.lower() == "cpu":
        return []
    there = _visible_gpus()
    _, named, number = device.lower().partition(":")
    if device.lower().startswith("gpu") and len(there) <= int(number or 0):
        raise click.UsageError(f"--device is {device} and there are {len(there)} GPUs; choose another, or cpu.")
    return [there[int(number)]] if named else there


def _visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu not in ("", "-1")]
    import tensorflow as tf

    return [str(i) for i in range(len(tf.config.list_physical_devices("GPU")))]


def make(grid: Grid, config: WorkerConfig, workers: Workers) -> None:
    """Make all that the store lacks. A task that fails does not stop the others; `ClickException` lists them."""
    tasks = [(name, made, needed) for name, made, needed in grid.tasks() if not all(map(grid.has, made))]
    if not tasks:
        return
    distributed = _distributed()
    display = grid.run.display
    display.begin("starting workers")
    failed: dict[str, str] = {}
    with workers.client(config) as (client, config):
        _check(client, config.store)
        if client.dashboard_link:
            click.echo(f"dashboard: {client.dashboard_link}", err=True)
        futures: dict[tuple[Artifact, ...], Any] = {}
        names = {}
        for name, made, needed in tasks:
            first = futures.get(tuple(needed))
            key = f"{name} {uuid.uuid4().hex[:6]}"
            future = client.submit(run_task, config, made, first, key=key, pure=False, retries=RETRIES)
            futures[tuple(made)] = future
            names[future.key] = name
        display.begin(f"{len(names)} tasks of the grid on {len(client.nthreads())} workers")
        for done, future in enumerate(distributed.as_completed(futures.values()), start=1):
            if future.status != "finished":
                error = future.exception()
                failed[names[future.key]] = (str(error).splitlines() or [type(error).__name__])[0]
            display.count(done, len(names), "tasks")
    display.end()
    if failed:
        listed = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        raise click.ClickException(
            f"{len(failed)} of {len(names)} tasks of the grid failed, the others are done; the same command tries "
            f"them again.{listed}"
        )


def _check(client: Any, store: Path) -> None:
    """`UsageError` unless there are workers and all of them see the store."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        raise click.UsageError(
            f"the scheduler has no workers; start some: dask worker {client.scheduler.address}."
        ) from error
    probe = store / f".seen-{uuid.uuid4().hex[:8]}"
    probe.touch()
    try:
        blind = [address for address, sees in client.run(_exists, probe).items() if not sees]
    finally:
        probe.unlink()
    if blind:
        raise click.UsageError(
            f"worker {blind[0]} does not see {store}; give --store a folder that all machines share."
        )


def _exists(path: Path) -> bool:
    return path.exists()
