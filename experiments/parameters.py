"""The kinds of values that options take; each refuses in one line what it cannot use."""

import math
import re
import tempfile
import uuid
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from robint_tf.catalogue import ATTRIBUTIONS, DATASETS, NETWORK_FREE
from robint_tf.errors import InputError


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


class DatasetName(click.ParamType):
    """A name of `data.DATASETS` with hyphens or underscores, as recipes hold it."""

    name = "name"

    def __init__(self, *choices: str) -> None:
        """choices: those that are allowed, and words for several of them; by default all data sets."""
        self.choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        plain = str(value).strip().lower().replace("-", "_")
        if plain in self.choices:
            return plain
        if self.choices:
            self.fail(f"{value!r} is not offered here; choose one of {', '.join(self.choices)}.", param, ctx)
        from robint_tf import data  # which loads NumPy, and more

        try:
            return data.canonical_name(value)
        except InputError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list:
        names = (name.replace("_", "-") for name in self.choices or DATASETS)
        return [click.shell_completion.CompletionItem(name) for name in names if name.startswith(incomplete)]


class Method(click.ParamType):
    """An attribution, with settings where it has some, as recipes hold it: integrated_gradients:steps=20.

    Hyphens will do, too.
    """

    name = "method"

    def __init__(self, *, ignorant: bool = False) -> None:
        """ignorant: whether maps that know no network will do, too."""
        self.others = tuple(NETWORK_FREE) if ignorant else ()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = re.split("[:(@]", value, maxsplit=1)[0]
        if name not in ATTRIBUTIONS:
            value = name.lower().replace("-", "_") + value.removeprefix(name)
        try:
            return ATTRIBUTIONS.full_name(value, *self.others)
        except InputError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list:
        names = [*ATTRIBUTIONS, *self.others]
        return [click.shell_completion.CompletionItem(name) for name in names if name.startswith(incomplete)]


class NewFile(Place):
    """A file to write to, tried before any work is done."""

    def __init__(self, suffix: str = "") -> None:
        """suffix: what its name must end in, such as .json; "" for any."""
        super().__init__()
        self.suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if self.suffix and path.name and path.suffix != self.suffix:
            self.fail(f"{path} does not end in {self.suffix}.", param, ctx)
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
