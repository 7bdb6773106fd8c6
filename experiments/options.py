"""Options that several commands share, and the values they are read into."""

import functools
import math
import shlex
import tempfile
import uuid
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from robint_tf.catalogue import LOSSES, NORMS
from robint_tf.specs import PGD, PRECISIONS, VARIANTS

from .studies.presets import STEP_SIZES


class Amount(click.ParamType):
    """A finite number of at least 0, as a decimal or a fraction such as 8/255."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(Fraction(value)) if "/" in str(value) else float(value)
        except (ValueError, ZeroDivisionError, OverflowError):
            self.fail(f"{value!r} is not a number; give a decimal or a fraction such as 8/255.", param, ctx)
        if not math.isfinite(number) or number < 0:
            self.fail(f"{value!r} is not allowed; give a finite number of at least 0.", param, ctx)
        return number


class Share(Amount):
    """A number between 0 and 1, both excluded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not 0 < number < 1:
            self.fail(f"{value!r} is not allowed; give a number between 0 and 1, such as 0.5.", param, ctx)
        return number


class Range(click.ParamType):
    """Two numbers that rise, such as 0,255."""

    name = "low,high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        try:
            low, high = value if isinstance(value, tuple) else map(float, value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a range; give its least and greatest number, such as 0,255.", param, ctx)
        if not (low < high and math.isfinite(high - low)):
            self.fail(f"{value!r} is not allowed; give two finite numbers, the smaller one first.", param, ctx)
        return low, high


class Seed(click.IntRange):
    """A whole number that NumPy and TensorFlow take as a seed."""

    def __init__(self) -> None:
        super().__init__(0, 2**31 - 1)


class Place(click.Path):
    """A path, with `~` for the user's home; an empty one, as of a variable set to nothing, is refused."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("'' names no file or folder.", param, ctx)
        return super().convert(at_home(Path(value)), param, ctx)


def at_home(path: Path) -> Path:
    """The path with `~` replaced by the user's home. `BadParameter` where the user has none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise click.BadParameter(f"{path} needs a home folder, and this user has none; give a whole path.") from error


def writable(path: Path) -> Path:
    """The folder `path`, made and tried; `BadParameter` before any work is done if it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be written ({error.strerror}); choose another folder.") from error


def writable_file(path: Path, *suffixes: str) -> Path:
    """A file to write to, tried before any work is done, also with these suffixes in the place of its own.

    `BadParameter` where it is a folder, its folder cannot be written, or its name is too long to be written beside.
    """
    if not path.name:
        raise click.BadParameter(f"{path} names no file.")
    writable(path.parent)
    for suffix in (path.suffix, *suffixes):
        scratch = path.with_name(f".{path.stem}.part-{uuid.uuid4().hex[:8]}{suffix}")  # as `folders.atomic_path` does
        try:
            if path.with_suffix(suffix).is_dir():
                raise click.BadParameter(f"{path.with_suffix(suffix)} is a folder; name a file in it.")
            scratch.touch()
            scratch.unlink()
        except OSError as error:
            raise click.BadParameter(f"{path} cannot be written ({error.strerror}); choose another name.") from error
    return path


class NewFile(Place):
    """A file to write to, tried before any work is done."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        try:
            return writable_file(path)
        except click.BadParameter as error:
            self.fail(error.message, param, ctx)


class Folder(click.ParamType):
    """A folder to write to, tried before any work is done."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        try:
            if not str(value):
                raise click.BadParameter("'' names no folder.")
            return writable(at_home(Path(value)))
        except click.BadParameter as error:
            self.fail(error.message, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list:
        return [click.shell_completion.CompletionItem(incomplete, type="dir")]


def chain(*decorators: Callable) -> Callable[[Callable], Callable]:
    """Several options as one decorator, shown in this order."""
    return lambda function: functools.reduce(lambda f, d: d(f), reversed(decorators), function)


data_options = chain(
    click.option(
        "--data-dir",
        type=Place(),
        envvar="ROBINT_DATA_DIR",
        help="Folder with prepared TFDS data sets or raw files.  [default: ROBINT_DATA_DIR, else TFDS's own]",
    ),
    click.option("--offline", is_flag=True, help="Never use the network."),
)

store_option = chain(
    click.option(
        "--store",
        "store_dir",
        type=Folder(),
        help="Folder of trained networks and finished cells.  [default: ROBINT_STORE, else the user's cache]",
    ),
    click.option(
        "--allow-mixed",
        is_flag=True,
        help="Use parts together that were made with other versions, devices or threads; the results name them.",
    ),
)

device_options = chain(
    click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N."),
    click.option(
        "--jit",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="XLA for the hot loops; auto: on GPUs only.",
    ),
    click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: all cores]"),
    click.option(
        "--deterministic/--no-deterministic",
        default=False,
        show_default=True,
        envvar="ROBINT_DETERMINISTIC",
        help="TensorFlow's deterministic ops (slower on GPUs, no XLA).",
    ),
)

variant_option = click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    default="authors",
    show_default=True,
    help="Follow the authors' code, the paper's text, or our corrections where both are doubtful.",
)

precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Of the network's layers.",
)


bounds_option = click.option(
    "--bounds",
    type=Range(),
    help="Of the pixels that the network in the file takes, such as 0,255; eps stays as it is.  [default: -1,1]",
)


def preset_option(text: str, presets: Iterable[str]) -> Callable:
    """The size of a study, from its table of presets."""
    return click.option(
        "--preset",
        type=click.Choice(list(presets)),
        default="quick",
        show_default=True,
        help=f"How much to run. {text}",
    )


def out_option(default: str) -> Callable:
    """The folder that figures and results are written to."""
    return click.option(
        "--out", type=Folder(), default=default, show_default=True, help="Folder for figures and results."
    )


def attack_options(*, required: bool = False, multiple: bool = False, n_steps: int = 40) -> Callable:
    """Options that describe a PGD attack; read with `attack_from`."""
    return chain(
        click.option("--norm", type=click.Choice(list(NORMS)), default="l2", show_default=True, help="Of the attack."),
        click.option(
            "--eps",
            type=Amount(),
            multiple=multiple,
            required=required,
            help="Radius on [-1, 1] pixels, twice the number of a [0, 1] range; 8/255 is understood.",
        ),
        click.option(
            "--step-size", type=Amount(), help="May exceed eps.  [default: the authors', 2 (l2), 0.02 (linf)]"
        ),
        click.option(
            "--eps-range",
            type=Range(),
            help="Pixel range in which --eps and --step-size are told, such as 0,1.  [default: -1,1]",
        ),
        click.option("--n-steps", type=click.IntRange(0), default=n_steps, show_default=True, help="PGD steps."),
        click.option(
            "--attack-loss",
            type=click.Choice(list(LOSSES)),
            default="xent",
            show_default=True,
            help="What the attack maximises.",
        ),
        click.option("--random-start", is_flag=True, help="Start at a random point of the ball (the authors: no)."),
        click.option("--attack-seed", type=Seed(), default=0, show_default=True, help="Of the random start."),
    )


ATTACK_OPTIONS = ("norm", "step_size", "eps_range", "n_steps", "attack_loss", "random_start", "attack_seed")
"""Parameters of `attack_options` other than eps, as `attack_from` takes them."""


def attack_from(
    eps: float,
    *,
    norm: str,
    step_size: float | None,
    eps_range: tuple[float, float] | None,
    n_steps: int,
    attack_loss: str,
    random_start: bool,
    attack_seed: int,
    variant: str = "authors",
) -> PGD:
    """The attack that the options describe; the variant `corrected` excludes the true class from `cw`.

    eps_range: pixel range in which eps and step_size are told; the default step size is on [-1, 1], as all attacks are.
    """
    if step_size is None and norm not in STEP_SIZES:
        raise click.UsageError(f"the norm {norm} has no step size of its own; give --step-size.")
    low, high = eps_range or (-1.0, 1.0)
    scale = 2 / (high - low)
    return PGD(
        norm=norm,
        eps=eps * scale,
        step_size=STEP_SIZES[norm] if step_size is None else step_size * scale,
        n_steps=n_steps,
        loss="cw_masked" if variant == "corrected" and attack_loss == "cw" else attack_loss,
        random_start=random_start,
        seed=attack_seed,
    )


def refuse_attack_without_eps(ctx: click.Context, what: str) -> None:
    """`UsageError` if an option that describes an attack is given and --eps is not; what: is done without."""
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and param.name in ATTACK_OPTIONS:
            name = param.opts[0]
            raise click.UsageError(f"{name} is of an attack, but without --eps {what}; add --eps, or leave {name} out.")


PLACES = {"store_dir", "out", "data_dir", "device", "threads", "workers", "scheduler", "tensorboard", "offline"}
"""Parameters that say where and on what a command runs, not what it computes; results are equal without them."""


def command_line(ctx: click.Context) -> str:
    """The command that gives the same results again, to be run in the same folder: its name and what it was given.

    Numbers are written exactly, as floats: 8/255 as 0.03137254901960784. `PLACES` are left out.
    """
    words = ["robint", ctx.info_name or ""]
    for param in ctx.command.params:
        value = ctx.params[param.name or ""]
        if isinstance(param, click.Argument):
            words += map(str, value if param.nargs == -1 else [value])
        if param.name in PLACES or not isinstance(param, click.Option) or not _was_given(ctx, param):
            continue
        if param.is_flag:
            words.append(param.opts[0] if value else param.secondary_opts[0])
            continue
        for item in value if param.multiple else [value]:
            words += [param.opts[0], typed(item)]
    return shlex.join(words)


def typed(value: Any) -> str:
    """A value of an option as it may be typed."""
    if isinstance(value, tuple):
        return ",".join(map(typed, value))
    return exact(value) if isinstance(value, float) else str(value)


def _was_given(ctx: click.Context, param: click.Option) -> bool:
    """On the command line, or by a variable of the environment."""
    source = ctx.get_parameter_source(param.name or "")
    return source in (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


def exact(number: float) -> str:
    """The shortest way of writing a float that reads as the same one."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
