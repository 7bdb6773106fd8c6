"""The command `robint`: a group that loads a command's module only when that command is named."""

import difflib
import importlib
import os
import shlex
import sys
import tempfile
import traceback
import warnings
from importlib import metadata
from typing import Any, TextIO

import click

from robint_tf import __version__
from robint_tf.errors import RobintError
from robint_tf.runtime.interrupts import Interrupted, signals_interrupt

from . import hints, progress, streams

COMMANDS = {
    "demo": ("sections.demo", "Everything once, small and offline: start here."),
    "data": ("commands.data", "Show which data sets are at hand, and how to get the others."),
    "train": ("commands.train", "Train a classifier, on clean or on adversarial images."),
    "evaluate": ("commands.evaluate", "Clean and robust accuracy of a saved classifier."),
    "section-2-1": ("sections.section_2_1", "Figures 1, 2, 6: distance of adversarial examples to the image manifold."),
    "section-2-2": ("sections.section_2_2", "Figure 3: decision boundaries of three toy networks."),
    "section-3-2": ("sections.section_3_2", "Figure 4: interpretability (ROAR, KAR) against attack strength."),
    "section-3-3": ("sections.section_3_3", "Figure 5: interpretability against test accuracy."),
    "roar": ("commands.roar", "ROAR and KAR of your own classifier."),
    "road": ("beyond.road", "What gradients of your own classifier are worth, without retraining: a minute."),
    "methods": ("beyond.methods", "Other attributions than the paper's, of a standard and the most robust networks."),
    "gradients": ("beyond.gradients", "How loss gradients lie to the image manifold, against attack strength."),
    "vae-gan": ("own.vae_gan", "Train a VAE-GAN, which stands for the manifold of your own images."),
    "distance": ("own.distance", "Distance of adversarial examples of your own classifiers to that manifold."),
    "status": ("commands.status", "How much of the grid of sections 3.2 and 3.3 is done."),
    "doctor": ("machine.doctor", "Check that TensorFlow, CUDA and the GPU work together."),
    "plan": ("commands.plan", "What a section costs, before it is run."),
    "pack": ("commands.pack", "Finished measurements as one file that travels without networks."),
    "unpack": ("commands.unpack", "Measurements from such a file into the store."),
    "report": ("commands.report", "Our results and the authors', with a verdict on every claim."),
    "compare": ("own.compare", "Results of several runs side by side, and where they differ beyond their spread."),
    "redraw": ("commands.redraw", "Draw figures again from their results files."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; `--help` and completion load none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        _keep_numpy_to_one_thread()
        _load_extensions()
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        return module.command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0].replace("_", "-")
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, [name, *args[1:]])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a program: with standard streams that cannot end the work."""
        with streams.safe():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the library refuses becomes one line and an exit code, and so does a bug."""
        try:
            with signals_interrupt(), warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except Interrupted as stop:
            progress.interrupt()
            click.echo(f"{stop}; the same command continues from here.", err=True)
            ctx.exit(stop.exit_code)
        except KeyboardInterrupt:
            progress.interrupt()
            click.echo("interrupted; finished networks are kept, the same command continues.", err=True)
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            progress.interrupt()
            raise  # click's own, and `robint ... | head`, which click ends in silence
        except Exception as error:
            progress.interrupt()
            if os.environ.get("ROBINT_TRACEBACK"):
                traceback.print_exc()
            raise failure(error) from error


def _keep_numpy_to_one_thread() -> None:
    """Before NumPy is loaded: the threads of its BLAS wait for each other by spinning.

    Where another process wants the same cores (a second worker, a shared machine), a factorisation of a tenth of a
    second then takes tens of seconds. TensorFlow, which does the heavy work, has threads of its own.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _load_extensions() -> None:
    """Import the user's modules, which register what the options of commands then offer; see docs/extending.md."""
    for name in filter(None, (part.strip() for part in os.environ.get("ROBINT_EXTENSIONS", "").split(","))):
        try:
            importlib.import_module(name)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise click.UsageError(f"ROBINT_EXTENSIONS names {name!r}, which cannot be imported: {reason}.") from error


def failure(error: Exception) -> "Failure":
    """The message and the exit code for an exception that ended a command."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, RobintError):
        return Failure(hints.hinted(first, error), error.exit_code)
    if isinstance(error, OSError):
        return Failure(first, 1)
    tf = sys.modules.get("tensorflow")  # neither it nor what needs it is loaded for every command
    if isinstance(error, MemoryError) or (tf and isinstance(error, tf.errors.ResourceExhaustedError)):
        where = "this machine" if isinstance(error, MemoryError) else "the device"
        return Failure(
            f"{where} ran out of memory; finished work is kept. Choose a smaller --batch-size or fewer images where "
            "there is an option for it, another --device, or end what else uses it.",
            1,
        )
    if tf and isinstance(error, RuntimeError | tf.errors.UnimplementedError) and "determinism" in str(error):
        return Failure(f"{first} Or run without --deterministic: --no-deterministic.", 1)
    return Failure(
        f"this looks like a bug in robint ({type(error).__name__}: {first}); finished work is kept. Please report it "
        f"with {_written_down(error)}.",
        1,
    )


def _written_down(error: Exception) -> str:
    """Where the traceback of a bug lies, together with what is asked of those who report one."""
    versions = "".join(f"{n} {metadata.version(n)}\n" for n in ("tensorflow", "keras", "numpy") if n in sys.modules)
    about = f"{shlex.join(['robint', *sys.argv[1:]])}\nrobint_tf {__version__}, Python {sys.version}\n{versions}"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="robint-bug-", suffix=".txt", delete=False) as file:
            file.write(about + "".join(traceback.format_exception(error)))
        return f"the file {file.name}"
    except OSError:
        return "the command, `robint --version`, and what it prints with ROBINT_TRACEBACK=1 set"


class Failure(click.ClickException):
    """One line on standard error and an exit code: 1 something failed, 2 wrong input, 3 data missing."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line for the user; what libraries say to programmers is not for them."""
    if issubclass(category, UserWarning):
        progress.interrupt()
        click.echo(f"Warning: {message}", err=True)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="robint")
def main() -> None:
    """Adversarial robustness and gradient interpretability (Kim, Seo and Jeon, 2019), reproduced.

    Every command can be stopped and repeated: what is finished is kept and never computed twice.

    Completion in bash: eval "$(_ROBINT_COMPLETE=bash_source robint)"; zsh and fish alike.
    """


if __name__ == "__main__":
    sys.exit(main())
