"""Options read into dataclasses, and the command that gives the same results again."""

import functools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import click

T = TypeVar("T")


def chain(*decorators: Callable) -> Callable[[Callable], Callable]:
    """Several options as one decorator, shown in this order."""
    return lambda function: functools.reduce(lambda f, d: d(f), reversed(decorators), function)


def read(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass `kind` of a command's parameters by name; a field that is a dataclass takes its own from them."""
    kinds = get_type_hints(kind)
    taken = {
        field.name: read(kinds[field.name], values) if is_dataclass(kinds[field.name]) else values[field.name]
        for field in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**taken)


def parsed(kind: type) -> Callable[[Callable], Callable]:
    """A command that gets its parameters as one object of the dataclass `kind`."""

    def decorate(function: Callable[[Any], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            function(read(kind, values))

        return command

    return decorate


class Placement(click.Option):
    """An option that says where or on what a command runs, not what it computes: results are equal without it."""


def command_line(ctx: click.Context) -> str:
    """The command that gives the same results again, to be run in the same folder: its name and what it was given.

    Numbers are written exactly, as floats: 8/255 as 0.03137254901960784. A `Placement` is left out.
    """
    words = ["robint", ctx.info_name or ""]
    for param in ctx.command.params:
        value = ctx.params[param.name or ""]
        if isinstance(param, click.Argument):
            words += [str(v) for v in (value if param.nargs == -1 else [value]) if v is not None]
        if isinstance(param, Placement) or not isinstance(param, click.Option) or not was_given(ctx, param):
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


def was_given(ctx: click.Context, param: click.Parameter) -> bool:
    """Whether a parameter was given: on the command line, or by a variable of the environment."""
    source = ctx.get_parameter_source(param.name or "")
    return source in (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


def exact(number: float) -> str:
    """The shortest way of writing a float that reads as the same one."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
