"""What the library says is missing, with the command or the option that helps: the library itself knows neither."""

from robint_tf.errors import DataUnavailable, NetworkMissing, RobintError


def hinted(message: str, error: RobintError) -> str:
    """The message of an error, and what to type."""
    if isinstance(error, DataUnavailable) and error.dataset:
        return f"{message} `robint data --download {error.dataset.replace('_', '-')}` downloads it."
    if isinstance(error, NetworkMissing):
        return f"{message} `robint train --save {error.path}` makes one."
    if error.argument:
        return f"{message} The option for that is --{error.argument.replace('_', '-')}."
    return message


def command_for(results: str) -> str:
    """The command that makes a results file which decides about the paper; results: its name without .json."""
    if results.endswith("_standard"):
        return f"robint train --dataset {results.removesuffix('_standard')}"
    section, rest = results[: len("section_2_1")], results[len("section_2_1_") :]
    command = f"robint {section.replace('_', '-')}"
    if section == "section_2_1":
        return f"{command} --dataset {rest.removesuffix('_xent')} --preset paper"
    return f"{command} --preset paper" + (f" --losses {rest}" if rest else "")


def cost_of(results: str) -> str | None:
    """The command that tells what `command_for` would cost; None for a single network, which has no plan."""
    command = command_for(results)
    return command.replace("robint ", "robint plan ", 1) if results.startswith("section_") else None
