"""The grid on many processes: Dask schedules pieces of it, the store carries the results. Needs the extra `dask`.

Nothing but specs travels to the workers and nothing but names back, so a piece that runs twice (a worker died after
it, say) finds its artifacts in the store. Workers may be on other machines if these share the store's folder.
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

from ..progress import Display
from .grid import Artifact, Grid
from .presets import InterpretabilityStudy

RETRIES = 2  # of a piece of work whose error may pass: a full disk, a GPU out of memory
WAIT_SECONDS = 120  # for the first worker
LOCALHOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """All that a worker needs to make a piece of the grid; the folders are absolute and seen by every worker."""

    study: InterpretabilityStudy
    store: Path
    data_dir: Path | None
    offline: bool
    allow_mixed: bool
    device: str
    jit: str
    threads: int | None
    deterministic: bool


class Silent(Display):
    """Shows nothing: a worker's progress is Dask's to show."""

    def _show(self, *parts: str, force: bool) -> None:
        pass


_held: list[tuple[Site, Grid]] = []


def _grid(site: Site) -> Grid:
    """The grid in this worker process, kept for its next piece so that data and traces are paid for once."""
    if _held and _held[0][0] == site:
        return _held[0][1]
    from robint_tf.runtime import device
    from robint_tf.store.artifacts import Store

    from ..run import Run

    device.configure(site.device, jit=site.jit, threads=site.threads, deterministic=site.deterministic)
    display = Silent()
    store = Store(site.store, allow_mixed=site.allow_mixed, waiting=display.waiting)
    grid = Grid(
        site.study,
        Run(store, display, {}),
        data_dir=site.data_dir,
        offline=site.offline,
    )
    _held[:] = [(site, grid)]
    return grid


def make_portion(site: Site, portion: list[Artifact], after: Any) -> None:
    """Make a piece of work in this process. after: the result of what had to be made before."""
    _grid(site).complete(portion)


@dataclass(frozen=True)
class Workers:
    """Where the grid runs: `local` processes on this machine, or those of a running `scheduler`."""

    local: int | None = None
    scheduler: str | None = None

    @contextlib.contextmanager
    def client(self, site: Site) -> Iterator[tuple[Any, Site]]:
        """A Dask client and the site as its workers see it; local workers live as long as the block."""
        distributed = _distributed()
        if self.scheduler is not None:
            _check_credentials(self.scheduler)
            try:
                client = distributed.Client(self.scheduler, timeout=WAIT_SECONDS)
            except (OSError, ValueError) as error:
                raise click.UsageError(f"no Dask scheduler answers at {self.scheduler} ({error}).") from error
            with client:
                yield client, site
            return
        assert self.local is not None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        site = replace(site, threads=site.threads or max(1, cores // self.local))
        secured = {"protocol": "tls://", "security": _temporary_credentials()}
        with (
            distributed.SpecCluster(
                scheduler={
                    "cls": distributed.Scheduler,
                    "options": {"host": LOCALHOST, "dashboard_address": f"{LOCALHOST}:8787", **secured},
                },
                workers={i: self._local_worker(i, site.device, secured) for i in range(self.local)},
                silence_logs=logging.CRITICAL,
                security=secured["security"],
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client, site

    def _local_worker(self, i: int, device: str, secured: dict[str, Any]) -> dict[str, Any]:
        """One process, restarted when it dies or outgrows its share of memory; its own GPU if there are any.

        secured: its protocol and credentials.
        """
        distributed = _distributed()
        assert self.local is not None
        gpus = [] if device == "cpu" else _visible_gpus()
        return {
            "cls": distributed.Nanny,
            "options": {
                "host": LOCALHOST,
                "nthreads": 1,
                "silence_logs": logging.CRITICAL,
                "memory_limit": distributed.system.MEMORY_LIMIT // self.local,
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
        raise click.UsageError(f"Dask's settings require encryption, which {scheduler} is not; give a tls:// address.")


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


def _visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu not in ("", "-1")]
    import tensorflow as tf

    return [str(i) for i in range(len(tf.config.list_physical_devices("GPU")))]


def make(grid: Grid, site: Site, workers: Workers) -> None:
    """Make all that the store lacks. A piece that fails does not stop the others; `ClickException` lists them."""
    portions = [(n, p, before) for n, p, before in grid.portions() if not all(map(grid.has, p))]
    if not portions:
        return
    distributed = _distributed()
    display = grid.run.display
    display.begin("starting workers")
    failed: dict[str, str] = {}
    with workers.client(site) as (client, seen):
        _check(client, site.store)
        if client.dashboard_link:
            click.echo(f"dashboard: {client.dashboard_link}", err=True)
        futures: dict[tuple[Artifact, ...], Any] = {}
        names = {}
        for name, portion, before in portions:
            first = futures.get(tuple(before))
            key = f"{name} {uuid.uuid4().hex[:6]}"
            future = client.submit(make_portion, seen, portion, first, key=key, pure=False, retries=RETRIES)
            futures[tuple(portion)] = future
            names[future.key] = name
        display.begin(f"{len(names)} pieces of the grid on {len(client.nthreads())} workers")
        for done, future in enumerate(distributed.as_completed(futures.values()), start=1):
            if future.status != "finished":
                error = future.exception()
                failed[names[future.key]] = (str(error).splitlines() or [type(error).__name__])[0]
            display.count(done, len(names), "pieces")
    display.end()
    if failed:
        listed = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        raise click.ClickException(
            f"{len(failed)} of {len(names)} pieces of the grid failed, the others are done; the same command tries "
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
