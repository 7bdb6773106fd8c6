"""Options that several commands share, and the dataclasses that hold what was chosen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robint_tf.catalogue import LOSSES, NORMS
from robint_tf.specs import PGD, PRECISIONS, VARIANTS, Training

from .parameters import Amount, Folder, Place, Range, Seed
from .parsing import Placement, chain
from .studies.presets import STEP_SIZES, epochs_of

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset


@dataclass(frozen=True)
class DataOptions:
    """Where the data sets lie. data_dir: None for `data.sources.data_folder`; offline: nothing is downloaded."""

    data_dir: Path | None = None
    offline: bool = False

    def load(self, name: str, *, n_train: int | None = None, n_test: int | None = None) -> "Dataset":
        """A data set, or the first images of its splits."""
        from robint_tf import data

        return data.load(name, data_dir=self.data_dir, offline=self.offline, n_train=n_train, n_test=n_test)


data_options = chain(
    click.option(
        "--data-dir",
        cls=Placement,
        type=Place(),
        envvar="ROBINT_DATA_DIR",
        help="Folder with prepared TFDS data sets or raw files.  [default: ROBINT_DATA_DIR, else TFDS's own]",
    ),
    click.option("--offline", cls=Placement, is_flag=True, help="Never use the network."),
)


@dataclass(frozen=True)
class RunOptions:
    """The store and the device of a command. store_dir: None for `store.artifacts.default_root`."""

    store_dir: Path | None = None
    allow_mixed: bool = False
    device: str = "auto"
    jit: str = "auto"
    threads: int | None = None
    deterministic: bool = False
    tf32: bool = False


run_options = chain(
    click.option(
        "--store",
        "store_dir",
        cls=Placement,
        type=Folder(),
        help="Folder of trained networks and finished measurements.  [default: ROBINT_STORE, else the user's cache]",
    ),
    click.option(
        "--allow-mixed",
        is_flag=True,
        help="Use parts together that were made with other versions, devices or threads; the results name them.",
    ),
    click.option("--device", cls=Placement, default="auto", show_default=True, help="auto, cpu, gpu or gpu:N."),
    click.option(
        "--jit",
        type=click.Choice(["auto", "on", "off"], case_sensitive=False),
        default="auto",
        show_default=True,
        help="XLA for the hot loops; auto: on GPUs only.",
    ),
    click.option("--threads", cls=Placement, type=click.IntRange(1), help="CPU threads.  [default: all cores]"),
    click.option(
        "--deterministic/--no-deterministic",
        default=False,
        show_default=True,
        envvar="ROBINT_DETERMINISTIC",
        help="TensorFlow's deterministic ops, which are slower on GPUs and exclude XLA.",
    ),
    click.option(
        "--tf32/--no-tf32",
        default=False,
        show_default=True,
        help="On GPUs compute float32 products in TensorFloat-32: faster, with 10 bits of each factor.",
    ),
)

variant_option = click.option(
    "--variant",
    type=click.Choice(VARIANTS, case_sensitive=False),
    default="authors",
    show_default=True,
    help="Follow the authors' code, the paper's text, or our corrections where both are doubtful.",
)

bounds_option = click.option(
    "--bounds",
    type=Range(),
    help="Pixel range that the network in the file takes, such as 0,255; eps stays as it is.  [default: -1,1]",
)


saved_bounds_option = click.option(
    "--bounds",
    type=Range(),
    help="Pixel range that the saved network takes, such as 0,255; training is the same.  [default: -1,1]",
)


def preset_option(text: str, presets: Iterable[str]) -> Callable:
    """The size of a study, from its table of presets."""
    return click.option(
        "--preset",
        type=click.Choice(list(presets), case_sensitive=False),
        default="quick",
        show_default=True,
        help=f"How much to run. {text}",
    )


def out_option(default: str) -> Callable:
    """The folder that figures and results are written to."""
    return click.option(
        "--out",
        cls=Placement,
        type=Folder(),
        default=default,
        show_default=True,
        help="Folder for figures and results.",
    )


@dataclass(frozen=True)
class TrainingOptions:
    """The training of a classifier. epochs: None for the authors' of the data set."""

    epochs: int | None
    batch_size: int
    learning_rate: float
    shuffle: bool
    seed: int
    precision: str

    def training(self, dataset: str) -> Training:
        """As a spec holds it."""
        return Training(
            epochs=epochs_of(dataset) if self.epochs is None else self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            shuffle=self.shuffle,
            seed=self.seed,
            precision=self.precision,  # type: ignore[arg-type]
        )


training_options = chain(
    click.option(
        "--epochs",
        type=click.IntRange(0),
        help="Epochs.  [default: the authors': toy 10, (Fashion-)MNIST 5, CIFAR-10 20]",
    ),
    click.option("--batch-size", type=click.IntRange(1), default=100, show_default=True, help="Images per batch."),
    click.option("--learning-rate", type=Amount(), default=1e-3, show_default=True, help="Learning rate of Adam."),
    click.option("--shuffle", is_flag=True, help="Take the images in a new order every epoch (the authors: no)."),
    click.option("--seed", type=Seed(), default=0, show_default=True, help="Seed of the weights and of the order."),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS, case_sensitive=False),
        default="float32",
        show_default=True,
        help="Arithmetic of the network's layers.",
    ),
)


LEAST_L2 = 0.1
"""On [-1, 1] pixels, as of the weakest attack in the paper; smaller ones, 8/255 say, are usually meant for l_inf."""


@dataclass(frozen=True)
class AttackOptions:
    """A PGD attack without its eps. eps_range: pixel range in which eps and step_size are given, None for [-1, 1]."""

    norm: str = "l2"
    step_size: float | None = None
    eps_range: tuple[float, float] | None = None
    n_steps: int = 40
    attack_loss: str = "xent"
    random_start: bool = False
    attack_seed: int = 0

    def attack(self, eps: float, variant: str = "authors") -> PGD:
        """The attack of this eps; the variant `corrected` excludes the true class from `cw`.

        The default step size is on [-1, 1], as all attacks are.
        """
        if self.step_size is None and self.norm not in STEP_SIZES:
            raise click.UsageError(f"the norm {self.norm} has no step size of its own; give --step-size.")
        low, high = self.eps_range or (-1.0, 1.0)
        scale = 2 / (high - low)
        if self.norm == "l2" and 0 < eps * scale < LEAST_L2:
            tiny = f"an l2 eps of {eps * scale:.3g} hardly changes an image"
            click.echo(f"Warning: {tiny}; --norm linf changes each pixel by eps.", err=True)
        masked = variant == "corrected" and self.attack_loss == "cw"
        return PGD(
            norm=self.norm,
            eps=eps * scale,
            step_size=STEP_SIZES[self.norm] if self.step_size is None else self.step_size * scale,
            n_steps=self.n_steps,
            loss="cw_masked" if masked else self.attack_loss,
            random_start=self.random_start,
            seed=self.attack_seed,
        )


def attack_options(*, multiple: bool = False) -> Callable:
    """The options of an attack, with its eps; multiple: one attack for each of several eps."""
    return chain(
        click.option(
            "--norm",
            type=click.Choice(list(NORMS), case_sensitive=False),
            default="l2",
            show_default=True,
            help="Norm of the attack.",
        ),
        click.option(
            "--eps",
            type=Amount(),
            multiple=multiple,
            help="Radius on [-1, 1] pixels, twice the number on [0, 1] pixels; fractions such as 8/255 are accepted.",
        ),
        click.option(
            "--step-size",
            type=Amount(),
            help="Length of a step, may exceed eps.  [default: the authors', 2 (l2), 0.02 (linf)]",
        ),
        click.option(
            "--eps-range",
            type=Range(),
            help="Pixel range in which --eps and --step-size are given, such as 0,1.  [default: -1,1]",
        ),
        click.option("--n-steps", type=click.IntRange(0), default=40, show_default=True, help="PGD steps."),
        click.option(
            "--attack-loss",
            type=click.Choice(list(LOSSES), case_sensitive=False),
            default="xent",
            show_default=True,
            help="What the attack maximises.",
        ),
        click.option("--random-start", is_flag=True, help="Start at a random point of the ball (the authors: no)."),
        click.option("--attack-seed", type=Seed(), default=0, show_default=True, help="Seed of the random start."),
    )


trades_option = click.option(
    "--trades",
    type=Amount(),
    help="Train by TRADES (Zhang et al., 2019) with this beta, such as 6: on clean and adversarial images, the latter "
    "found by how far predictions part.  [default: on adversarial images only, as the paper does]",
)


def refuse_trades(trades: float | None, eps: float | None) -> None:
    """`UsageError` for --trades without --eps, or beside --attack-loss, in whose place a divergence is maximised."""
    if trades is None:
        return
    if eps is None:
        raise click.UsageError("--trades trains against an attack; add its --eps, or leave --trades out.")
    source = click.get_current_context().get_parameter_source("attack_loss")
    if source == click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--trades maximises a divergence of predictions; leave --attack-loss out.")


def refuse_attack_without_eps(what: str) -> None:
    """`UsageError` if an option that describes an attack is given and --eps is not; what: is done without."""
    ctx = click.get_current_context()
    names = {field.name for field in fields(AttackOptions)}
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and param.name in names:
            name = param.opts[0]
            raise click.UsageError(
                f"{name} describes an attack, but without --eps {what}; add --eps, or leave {name} out."
            )
