"""What `gpu.py` measures, in processes of its own: this module run with a job prints a line for each measurement."""

import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

MARK = "measured: "
NETWORKS = {"cifar_cnn": "CIFAR-10 network", "mnist_cnn": "MNIST network", "gaussian_mlp": "toy network"}
VAE_GANS = ("mnist", "cifar10")
BATCH = 100
TIMED_SECONDS = 2.0
TORCH = ("torch: PGD-40, cifar_cnn, batch 100", "torch: PGD-40, cifar_cnn, batch 500", "torch: training, cifar_cnn")


def names(smoke: bool) -> list[str]:
    """The measurements that the hours of all sections need, and steps of adversarial training.

    Those first that matter most.
    """
    of_3_2 = needed_for_3_2(smoke)
    if smoke:
        return of_3_2
    vae_gans = [f"VAE-GAN, {name}" for name in VAE_GANS]
    of_2_1 = ["PGD-40, mnist_cnn, batch 100", "training, mnist_cnn", "adversarial training, mnist_cnn"]
    return [*of_3_2, vae_gans[0], *of_2_1[:2], vae_gans[1], *of_2_1[2:]]


def needed_for_3_2(smoke: bool) -> list[str]:
    """Those that section 3.2 consists of, and an adversarial step."""
    network = "gaussian_mlp" if smoke else "cifar_cnn"
    kinds = ("training", "adversarial training", "host work")
    return [f"PGD-40, {network}, batch 100", *(f"{kind}, {network}" for kind in kinds)]


def more(smoke: bool) -> list[str]:
    """What the hours do not need."""
    return [] if smoke else [f"PGD-40, {network}, batch 500" for network in ("cifar_cnn", "mnist_cnn")]


TITLES = {
    **{f"PGD-40, {k}, batch {n}": f"a step of PGD-40, {v}, batch {n}" for k, v in NETWORKS.items() for n in (100, 500)},
    **{f"training, {k}": f"a training step, {v}, batch 100" for k, v in NETWORKS.items()},
    **{f"adversarial training, {k}": f"a step of adversarial training, PGD-40, {v}" for k, v in NETWORKS.items()},
    **{f"host work, {k}": f"1,000 images occluded, taken to the device, and counted, {v}" for k, v in NETWORKS.items()},
    **{f"VAE-GAN, {name}": f"a step of the VAE-GAN of {name}" for name in VAE_GANS},
}


def main() -> None:
    """Do a job until its time is over; what fails costs only itself."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name, value in done(json.loads(sys.argv[1])):
        print(MARK + json.dumps([name, value]), flush=True)


def done(job: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The measurements of a job, one after the other."""
    end = time.monotonic() + job["seconds"]
    measures = Measures(job)
    for name in job["names"]:
        if time.monotonic() > end:
            value: dict[str, Any] = {"error": "no time was left"}
        else:
            try:
                value = measures(name)
            except Exception as error:
                value = {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:300]}
        yield name, value


class Measures:
    """The measurements of one setting: device, jit, tf32, precision, smoke, folder."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.precision = job.get("precision", "float32")
        self.seconds = 0.05 if job["smoke"] else TIMED_SECONDS
        if not job["names"][0].startswith("torch"):
            from robint_tf.runtime import device

            device.configure(job["device"], jit=job.get("jit", "auto"), tf32=job.get("tf32", False))

    def __call__(self, name: str) -> dict[str, Any]:
        """What the measurement of this name finds."""
        what, _, rest = name.partition(", ")
        if name.startswith("torch"):
            return self.of_torch(name)
        if name == "workloads":
            return {"loads": workloads(Path(self.job["folder"]))}
        kinds: dict[str, Callable[[str], dict]] = {
            "PGD-40": lambda rest: self.attack(rest.split(", ")[0], int(rest.split()[-1])),
            "training": lambda rest: self.training(rest, None),
            "adversarial training": lambda rest: self.training(rest, 40),
            "host work": self.host_work,
            "VAE-GAN": self.vae_gan,
            "rate": lambda rest: self.rate(int(rest.split()[0])),
        }
        forget_peak()
        found = kinds[what](rest)
        return found | peak()

    def timed(self, call: Callable[[], float], calls: int = 3) -> tuple[float, float]:
        """The median of what `call` returns, and the seconds of its first run, which compiles."""
        began = time.monotonic()
        call()
        first, took = time.monotonic() - began, []
        began = time.monotonic()
        while len(took) < calls or (time.monotonic() - began < self.seconds and len(took) < 1000):
            took.append(call())
        return statistics.median(took), first

    def attack(self, architecture: str, n: int) -> dict[str, Any]:
        from robint_tf.attacks import attack_dataset

        network, pgd, (x, y) = self.network(architecture), self.pgd(), photos(architecture, n)

        def call() -> float:
            began = time.perf_counter()
            attack_dataset(network, x, y, pgd, batch_size=n, check=False)
            return time.perf_counter() - began

        seconds, first = self.timed(call)
        step = seconds / pgd.n_steps
        return {"seconds": step, "image_step_seconds": step / n, "first_seconds": first}

    def training(self, architecture: str, n_steps: int | None) -> dict[str, Any]:
        from robint_tf.runtime import device
        from robint_tf.specs import Training
        from robint_tf.training import fit_classifier

        batches = 2 if self.job["smoke"] else device.TRAINING_BLOCK
        network, (x, y) = self.network(architecture), photos(architecture, BATCH * batches)
        pgd = None if n_steps is None else self.pgd()

        def call() -> float:
            once = Training(epochs=1, batch_size=BATCH, precision=self.precision)
            return fit_classifier(network, x, y, once, pgd, initialise=True).seconds / batches

        with mock.patch.object(device, "training_block", return_value=batches):  # in one call, also without XLA
            seconds, first = self.timed(call)
        return {"seconds": seconds, "image_seconds": seconds / BATCH, "first_seconds": first}

    def host_work(self, architecture: str) -> dict[str, Any]:
        """Beside its steps: a retraining's images are occluded and taken to the device, its test images counted."""
        import numpy as np
        import tensorflow as tf

        from robint_tf.attacks import predict
        from robint_tf.interpretability import occlusion

        n = 50 if self.job["smoke"] else 5000
        rng, shape = np.random.default_rng(0), (32, 32, 3)
        images = rng.uniform(-1, 1, (n, *shape)).astype("float32")
        ranks = rng.permuted(np.tile(np.arange(32 * 32, dtype=np.uint16), (n, 1)), axis=1).reshape(n, 32, 32)
        fill = occlusion.fill_values(occlusion.channel_mean(images))
        network, (x, _) = self.network(architecture), photos(architecture, n)

        def occlude() -> float:
            began = time.perf_counter()
            on_device = tf.constant(occlusion.occlude(images, ranks, 0.5, fill.train))
            assert np.isfinite(tf.reduce_max(on_device).numpy())  # it has arrived
            return time.perf_counter() - began

        def count() -> float:
            began = time.perf_counter()
            predict(network, x)
            return time.perf_counter() - began

        occluded, counted = (self.timed(call)[0] / n for call in (occlude, count))
        return {"seconds": 1000 * (occluded + counted), "occluded_seconds": occluded, "counted_seconds": counted}

    def vae_gan(self, name: str) -> dict[str, Any]:
        from robint_tf.networks import vae_gan
        from robint_tf.runtime import device
        from robint_tf.training.vae_gan import fit_vae_gan

        batches = max(device.training_block(), 5)
        x, _ = photos("cifar_cnn" if name == "cifar10" else "mnist_cnn", BATCH * batches)
        model = vae_gan.build(name)
        ends: list[float] = []
        fit_vae_gan(
            model,
            x,
            epochs=3,
            batch_size=BATCH,
            progress=lambda p: p.batch == p.batches and ends.append(time.perf_counter()),
        )
        return {"seconds": min(b - a for a, b in itertools.pairwise(ends)) / batches}

    def rate(self, k: int) -> dict[str, Any]:
        """Images/s of k networks retrained in one graph, or of one, for some seconds after a common start."""
        import numpy as np
        import tensorflow as tf

        from robint_tf.networks.optimizers import adam
        from robint_tf.runtime import device
        from robint_tf.runtime.batching import batch_signature
        from robint_tf.training import classifier, loop

        architecture = "gaussian_mlp" if self.job["smoke"] else "cifar_cnn"
        batches = max(device.training_block(), 2)
        x, y = photos(architecture, BATCH * batches)
        networks, steps = [self.network(architecture) for _ in range(k)], []
        for network in networks:
            optimizer = adam()
            optimizer.build(network.trainable_variables)
            steps.append(classifier._step(network, optimizer, None))

        def together(x: tf.Tensor, y: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            return tf.concat([step(x, y, number) for step in steps], axis=0)

        stretch = loop.compiled(together, len(classifier.RECORDS) * k, batch_signature(x.shape[1:]))
        data, order = (tf.constant(x), tf.constant(y)), tf.range(len(x))

        def call() -> None:
            assert np.isfinite(stretch(data, order, 0, batches, BATCH, 0, ()).numpy()).all()

        call()
        wait_for_others(self.job)
        began, done = time.time(), 0
        while (now := time.time()) - began < 5 * self.seconds:
            call()
            done += 1
        return {"images_per_second": k * done * BATCH * batches / (now - began), "began": began, "ended": now}

    def network(self, architecture: str) -> Any:
        from robint_tf.networks import classifiers

        return classifiers.build(architecture, precision=self.precision)

    def pgd(self) -> Any:
        from robint_tf.specs import PGD

        return PGD(norm="l2", eps=1.0, step_size=0.25, n_steps=4 if self.job["smoke"] else 40)

    def of_torch(self, name: str) -> dict[str, Any]:
        """PyTorch in full float32 on the GPU, with the loops of `contenders/pytorch.py`."""
        import torch
        from contenders import pytorch

        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        network = pytorch.Network(RandomWeights()).to("cuda")
        n = 500 if name.endswith("500") else 100
        x, y = photos("cifar_cnn", n)
        images, labels = pytorch._images(x).to("cuda"), torch.from_numpy(y).long().to("cuda")
        if "training" in name:
            optimizer = torch.optim.Adam(network.parameters())

            def call() -> float:
                began = time.perf_counter()
                for _ in range(50):
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(network(images), labels).backward()
                    optimizer.step()
                torch.cuda.synchronize()
                return (time.perf_counter() - began) / 50
        else:
            network.requires_grad_(False)

            def call() -> float:
                began = time.perf_counter()
                pytorch._perturb(network, images, labels, self.pgd())
                torch.cuda.synchronize()
                return (time.perf_counter() - began) / 40

        seconds, first = self.timed(call)
        return {"seconds": seconds, "first_seconds": first}


class RandomWeights:
    """The CIFAR-10 network for `contenders.pytorch.Network`, without TensorFlow in the same process."""

    architecture = "cifar_cnn"

    def __init__(self) -> None:
        import numpy as np

        rng, shapes = np.random.default_rng(0), []
        for kernel in ((3, 3, 3, 32), (3, 3, 32, 32), (3, 3, 32, 64), (3, 3, 64, 64), (4096, 512), (512, 10)):
            shapes += [kernel, kernel[-1:]]
        self.weights = [rng.normal(0, 0.05, shape).astype("float32") for shape in shapes]


def photos(architecture: str, n: int) -> tuple[Any, Any]:
    """Random images or points of a network, and labels."""
    import numpy as np

    shape = {"cifar_cnn": (32, 32, 3), "mnist_cnn": (28, 28, 1), "gaussian_mlp": (2,)}[architecture]
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (n, *shape)).astype("float32"), rng.integers(0, 2, n).astype("int32")


def forget_peak() -> None:
    """Let the peak of the GPU's memory begin anew."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")


def peak() -> dict[str, Any]:
    """The peak of the GPU's memory since then; nothing on a CPU."""
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return {}
    return {"peak_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"]}


def wait_for_others(job: dict[str, Any]) -> None:
    """Where several processes measure together: until all of them have compiled, or time is over."""
    if "meeting" not in job:
        return
    place = Path(job["meeting"])
    (place / str(os.getpid())).touch()
    while len(list(place.iterdir())) < job["processes"] and time.time() < job["until"]:
        time.sleep(0.05)


@contextlib.contextmanager
def mps(folder: Path) -> Iterator[dict[str, str] | str]:
    """NVIDIA's MPS while the block runs: the environment of its processes, or why it does not start."""
    program = shutil.which("nvidia-cuda-mps-control")
    if program is None:
        yield "there is no nvidia-cuda-mps-control"
        return
    environment = {"CUDA_MPS_PIPE_DIRECTORY": str(folder / "mps"), "CUDA_MPS_LOG_DIRECTORY": str(folder / "mps")}
    (folder / "mps").mkdir()
    everything = os.environ | environment
    started = subprocess.run([program, "-d"], env=everything, capture_output=True, text=True, check=False)
    if started.returncode:
        yield (started.stderr.strip().splitlines() or ["MPS did not start"])[-1][:200]
        return
    try:
        yield environment
    finally:
        subprocess.run([program], input="quit\n", env=everything, text=True, timeout=30, check=False)


READY, TOGETHER = 90.0, 40.0
"""Seconds in which processes start and compile, and in which they then measure and end."""
OVERLAP = 0.8


def processes(
    k: int, setting: dict[str, Any], clock: Any, meeting: Path, more: dict[str, str] | None = None
) -> dict[str, Any]:
    """Images/s of k processes together, which begin when all of them have compiled.

    clock: says how much time is left; meeting: a new folder; more: of their environment.
    """
    ready = min(READY, clock.left() - TOGETHER)
    if ready < 30:
        return {"error": "no time was left"}
    meeting.mkdir(parents=True)
    together = {"meeting": str(meeting), "processes": k, "until": time.time() + ready}
    job = json.dumps({**setting, **together, "names": ["rate, 1 network"], "seconds": READY + TOGETHER, "folder": ""})
    environment = os.environ | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} | (more or {})
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")])
    running = [
        subprocess.Popen(
            [sys.executable, __file__, job],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        for _ in range(k)
    ]
    end, found = time.monotonic() + ready + TOGETHER, []
    for process in running:
        try:
            said, _ = process.communicate(timeout=max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        lines = [line for line in said.splitlines() if line.startswith(MARK)]
        found.append(json.loads(lines[-1].removeprefix(MARK))[1] if lines else {"error": "a process died or was late"})
    return added(found)


def added(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The rates of several processes together; an error where one has none, or where they did not run at one time.

    >>> rate = {"images_per_second": 5.0, "began": 0.0, "ended": 10.0}
    >>> added([rate, rate])
    {'images_per_second': 10.0}
    >>> added([rate, rate | {"began": 9.0, "ended": 19.0}])["error"]
    'the processes did not measure at one time (10% of it together)'
    """
    if failed := next((value for value in found if "error" in value), None):
        return failed
    together = min(v["ended"] for v in found) - max(v["began"] for v in found)
    share = together / max(v["ended"] - v["began"] for v in found)
    if share < OVERLAP:
        return {"error": f"the processes did not measure at one time ({max(share, 0):.0%} of it together)"}
    return {"images_per_second": sum(v["images_per_second"] for v in found)}


def workloads(folder: Path) -> list[dict[str, Any]]:
    """What each section takes at the scale of the paper, as `robint plan` counts it, with images that are not there."""
    import numpy as np

    from robint_experiments.progress import Display
    from robint_experiments.run import Run
    from robint_experiments.studies.grid import Grid
    from robint_experiments.studies.manifold import ManifoldRunner
    from robint_experiments.studies.presets import SECTION_2_1, SECTION_3_2
    from robint_tf import data
    from robint_tf.catalogue import DATASETS
    from robint_tf.store.artifacts import Store

    def blank(name: str, **options: Any) -> Any:
        info = DATASETS[name]
        sizes = {part: sum(b.stop - b.start for b in blocks) for part, blocks in info.published.items()}
        sizes["train"] -= info.held_back
        zero = np.float32(0)  # all images are one number in memory
        train, test = (
            data.Split(np.broadcast_to(zero, (sizes[part], *info.shape)), np.zeros(sizes[part], np.int32))
            for part in ("train", "test")
        )
        return data.Dataset(name, train, test, info.class_names, "given", "nowhere")

    run, grid = Run(Store(folder / "store"), Display(), {}), SECTION_3_2["paper"]
    with mock.patch.object(data, "load", blank):
        studies = [("3.2 and 3.3", DATASETS[grid.dataset].architecture, None, Grid(grid, run))]
        for study in SECTION_2_1["paper"].values():
            runner = ManifoldRunner(study, run, "xent")
            studies.append(("2.1", study.standard.architecture, study.vae_gan.architecture, runner))
    for *_, study in studies:
        study.has = lambda spec: False  # and nothing is hashed
    of_cells = host_work(studies[0][-1])
    return [
        {
            "section": section,
            "architecture": architecture,
            "vae_gan": "mnist" if vae_gan == "fashion_mnist" else vae_gan,
            **{
                what: sum(getattr(load, what) for load in study.workloads())
                for what in ("updates", "attack_steps", "vae_gan_steps")
            },
            **(of_cells if section == studies[0][0] else dict.fromkeys(of_cells, 0)),
        }
        for section, architecture, vae_gan, study in studies
    ]


def host_work(grid: Any) -> dict[str, int]:
    """Of the retrainings of a grid: images that are occluded and taken to the device, test images that are counted."""
    study, dataset = grid.study, grid.dataset
    n_train, n_test = (
        len(part.take(n).y) for part, n in ((dataset.train, study.n_train), (dataset.test, study.n_test))
    )
    cells = [cell for source in (None, *(n.spec for n in study.networks())) for cell in study.cells(source)]
    return {
        "occluded": len(cells) * (n_train + n_test),
        "counted": sum(cell.training.epochs for cell in cells) * n_test,
    }


if __name__ == "__main__":
    main()
