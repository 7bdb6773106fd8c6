"""How much work a study is, and how long it takes on this device, from a few measured steps of each kind."""

import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Protocol, TypeVar

from robint_tf.specs import PGD, ClassifierSpec, RetrainSpec, Training

from ..progress import duration
from ..quiet import deprecations_unsaid

if TYPE_CHECKING:
    import tensorflow as tf

    from robint_tf.data.datasets import Split
    from robint_tf.networks.classifiers import Network
    from robint_tf.specs import VAEGANSpec

    from ..run import Run

S = TypeVar("S")

SHARE = 0.02
"""Of the time that an estimate predicts, what may be spent on measuring for it beyond the few steps that it needs."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be computed and kept.

    updates: images that pass through a training step; attack_steps: images times steps of PGD (an input gradient each);
    vae_gan_steps: training steps of a VAE-GAN. size: bytes in the store.
    """

    updates: int = 0
    attack_steps: int = 0
    vae_gan_steps: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Workload(Work):
    """One kind of work: how many pieces there are, how many the store lacks, and what making those takes."""

    name: str
    total: int
    missing: int


def workload(name: str, specs: Collection[S], has: Callable[[S], bool], work: Callable[[S], Work]) -> Workload:
    """The workload of some specs; has: whether the store holds what a spec describes; work: what making it takes."""
    missing = [spec for spec in specs if not has(spec)]
    each = [asdict(work(spec)) for spec in missing]
    totals = {field.name: sum(row[field.name] for row in each) for field in fields(Work)}
    return Workload(name=name, total=len(specs), missing=len(missing), **totals)


def training_work(spec: ClassifierSpec | RetrainSpec, n_train: int, size: int) -> Work:
    """What the training of a classifier on n_train images takes; size: bytes that it keeps."""
    images = spec.training.epochs * n_train
    attack = spec.attack if isinstance(spec, ClassifierSpec) else None
    return Work(updates=images, attack_steps=images * attack.n_steps if attack else 0, size=size)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a unit of each kind of work takes, in seconds or in floating-point operations."""

    update: float = 0.0
    attack_step: float = 0.0
    vae_gan_step: float = 0.0

    def of(self, work: Work) -> float:
        """What some work takes, in the same unit."""
        return (
            work.updates * self.update + work.attack_steps * self.attack_step + work.vae_gan_steps * self.vae_gan_step
        )

    def __truediv__(self, rate: float) -> "Costs":
        return Costs(**{name: cost / rate for name, cost in asdict(self).items()})


class Estimable(Protocol):
    """A study that can say how much work is left."""

    run: "Run"

    @property
    def name(self) -> str:
        """As the estimate calls it."""

    def workloads(self) -> list[Workload]:
        """The kinds of work, in the order in which they are done."""

    def seconds(self, budget: float = 0.0) -> Costs:
        """What they take on this device, measured for `budget` seconds, at least once."""

    def flops(self) -> Costs:
        """What they take in floating-point operations."""


@dataclass(frozen=True)
class Estimate:
    """The work that a study still is, and the seconds that a unit of it takes on some device."""

    name: str
    workloads: list[Workload]
    costs: Costs

    @property
    def seconds(self) -> float:
        """All of it, in seconds."""
        return sum(map(self.costs.of, self.workloads))

    def sentence(self) -> str:
        """What is missing, and how long that takes on this device."""
        parts = [
            f"{load.missing} of {load.total} {load.name}, about {duration(self.costs.of(load))}"
            for load in self.workloads
        ]
        disk = sum(load.size for load in self.workloads) / 2**20
        return f"{self.name}: {'; '.join(parts)}; disk {disk:.0f} MiB. On this device {duration(self.seconds)} in all."


def estimate(study: Estimable, budget: float = 0.0) -> Estimate:
    """What a study takes on this device; nothing is measured where nothing is missing.

    budget: seconds that measuring may take, at most SHARE of what is predicted; a few steps are measured in any case.
    """
    workloads = study.workloads()
    costs = study.seconds() if any(load.missing for load in workloads) else Costs()
    budget = min(budget, SHARE * sum(map(costs.of, workloads)))
    estimated = Estimate(study.name, workloads, study.seconds(budget) if budget > 1 else costs)
    study.run.display.end()
    return estimated


def classifier_seconds(network: "Network", split: "Split", batch_size: int, budget: float = 0.0) -> Costs:
    """Medians over batches, after compiling. Leaves the network with other weights."""
    from robint_tf import training
    from robint_tf.runtime import device

    batch = split.take(min(batch_size * device.training_block(), len(split.y)))
    n = len(batch.y)

    def measured(n_steps: int) -> float:
        attack = PGD(norm="l2", eps=1.0, step_size=1.0, n_steps=n_steps) if n_steps else None
        once = Training(epochs=3, batch_size=min(batch_size, n))
        return training.fit_classifier(network, batch.x, batch.y, once, attack, initialise=True).seconds / once.epochs

    measured(0)  # compiles
    measured(4)
    none: list[float] = []
    few: list[float] = []
    began = time.monotonic()
    while not none or time.monotonic() - began < budget:
        none.append(measured(0))
        few.append(measured(4))
    update = statistics.median(none)
    step = max(statistics.median(few) - update, 0.0) / 4
    return Costs(update=update / n, attack_step=step / n)


def vae_gan_seconds(spec: "VAEGANSpec", split: "Split", budget: float = 0.0) -> float:
    """Seconds of one training step, after compiling."""
    from robint_tf.networks import vae_gan
    from robint_tf.runtime import device
    from robint_tf.training import vae_gan as vae_gan_training

    model = vae_gan.build(spec.architecture, spec.variant, spec.seed)
    x = split.x[: spec.batch_size * device.training_block()]
    batches = vae_gan_training.n_batches(len(x), spec.batch_size)

    def measured(n: int) -> float:
        ends: list[float] = []
        vae_gan_training.fit_vae_gan(
            model,
            x,
            epochs=n + 1,  # the first one compiles
            batch_size=spec.batch_size,
            progress=lambda position: ends.append(time.monotonic()) if position.batch == batches else None,
        )
        return (ends[-1] - ends[0]) / (n * batches)

    step = measured(2)
    return step if budget < 2 * step else measured(round(budget / step))


def classifier_flops(network: "Network", x_shape: tuple[int, ...]) -> Costs:
    """Of an image: a training step is three forward passes (forward, gradients to weights and to inputs), PGD's two."""
    import tensorflow as tf

    forward = _flops(lambda x: network(x, training=False), tf.TensorSpec([1, *x_shape], tf.float32))
    return Costs(update=3 * forward, attack_step=2 * forward)


def vae_gan_bytes(spec: "VAEGANSpec") -> int:
    """Of the weights of a trained one."""
    from robint_tf.networks import vae_gan

    model = vae_gan.build(spec.architecture, spec.variant, spec.seed)
    return 4 * sum(getattr(model, part).count_params() for part in vae_gan.PARTS)


def vae_gan_flops(spec: "VAEGANSpec", x_shape: tuple[int, ...]) -> float:
    """Of one training step: what comes before the discriminator's runs, and these, which are a loop in the graph."""
    import tensorflow as tf

    from robint_tf.networks import vae_gan

    model = vae_gan.build(spec.architecture, spec.variant, spec.seed)
    images = tf.TensorSpec([spec.batch_size, *x_shape], tf.float32)
    latent = tf.TensorSpec([spec.batch_size, model.latent_dim], tf.float32)
    run = _flops(lambda x, *z: model.update_discriminator(x, z[:2], z[2:]), images, *[latent] * 4)
    return _flops(model.descend, images) + model.n_dis * run


def _flops(function: object, *signature: "tf.TensorSpec") -> float:
    """Floating-point operations of a function, as TensorFlow's profiler counts them in its graph; none inside loops."""
    import tensorflow as tf

    graph = tf.function(function, input_signature=signature, autograph=False).get_concrete_function().graph
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    with deprecations_unsaid():
        return float(profiler.profile(graph, options=options.with_empty_output().build()).total_float_ops)
