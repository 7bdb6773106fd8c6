"""The command `robint`: a group that loads a command's module only when that command is named."""

import importlib
import os
import sys
import traceback
import warnings
from typing import Any, TextIO

import click

from robint_tf import __version__
from robint_tf.interrupts import Interrupted, signals_interrupt

COMMANDS = {
    "demo": ("demo", "Everything once, small and offline: start here."),
    "data": ("data", "Show which data sets are at hand, and how to get the others."),
    "train": ("train", "Train a classifier, on clean or on adversarial images."),
    "evaluate": ("evaluate", "Clean and robust accuracy of a saved classifier."),
    "section-2-1": ("section_2_1", "Figures 1, 2, 6: distance of adversarial examples to the image manifold."),
    "section-2-2": ("section_2_2", "Figure 3: decision boundaries of three toy networks."),
    "section-3-2": ("section_3_2", "Figure 4: interpretability (ROAR, KAR) against attack strength."),
    "section-3-3": ("section_3_3", "Figure 5: interpretability against test accuracy."),
    "roar": ("roar", "ROAR and KAR of your own classifier."),
    "status": ("status", "How much of the grid of sections 3.2 and 3.3 is done."),
    "plan": ("plan", "What a section costs, before it is run."),
    "pack": ("pack", "Finished measurements as one file that travels without networks."),
    "unpack": ("unpack", "Measurements from such a file into the store."),
    "report": ("report", "Our results beside the authors', a verdict per claim, on one page."),
    "redraw": ("redraw", "Draw figures again from their results files."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; `--help` and completion load none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        return module.command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        return super().resolve_command(ctx, [args[0].replace("_", "-"), *args[1:]])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the library refuses becomes one line and an exit code, never a traceback."""
        try:
            with signals_interrupt(), warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except Interrupted as stop:
            click.echo(f"{stop}; the same command continues from here.", err=True)
            ctx.exit(stop.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted; finished networks are kept, the same command continues.", err=True)
            ctx.exit(130)
        except (ValueError, OSError, ArithmeticError) as error:
            if "ROBINT_TRACEBACK" in os.environ:
                traceback.print_exc()
            lines = str(error).splitlines() or [type(error).__name__]
            code = 2 if isinstance(error, ValueError) else 1
            raise Failure(lines[0], code) from error
        except Exception as error:
            # By name: neither robint_tf.data nor TensorFlow is loaded for every command.
            if type(error).__name__ == "DataUnavailable":
                raise Failure(str(error), 3) from error
            if type(error).__name__ == "ResourceExhaustedError":
                raise Failure(
                    "the device ran out of memory; finished work is kept. Choose a smaller --batch-size where there is "
                    "one, another --device, or end what else uses it.",
                    1,
                ) from error
            if type(error).__name__ in ("RuntimeError", "UnimplementedError") and "determinism" in str(error):
                first = str(error).splitlines()[0]
                raise Failure(f"{first} Or run without --deterministic: --no-deterministic.", 1) from error
            raise


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
