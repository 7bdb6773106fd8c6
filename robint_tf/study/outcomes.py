"""What the functions of the study return: a table, a figure, a file.

`files.load` reads the file, a results file (docs/results-format.md): JSON with a hash, written atomically, from which
the figure can be drawn again.
"""

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from robint_tf.errors import InputError
from robint_tf.store import results
from robint_tf.store.folders import atomic_path
from robint_tf.study import figures
from robint_tf.study.packing import n_bytes, packed, restored

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Outcome:
    """A base class. figure: what draws it, a key of `figures.DRAWN`."""

    figure: ClassVar[str]

    def table(self) -> list[dict[str, Any]]:
        """Records, one a row, as pandas.DataFrame takes them. `NotImplementedError` for a class without."""
        raise NotImplementedError(f"{type(self).__name__} has no table")

    def content(self) -> dict[str, Any]:
        """Plain data for a results file."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"figure": self.figure, **{name: packed(value) for name, value in fields.items()}}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        """The inverse of `content`. `ResultsError` for data that are not such."""
        try:
            names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
            return cls(**{name: restored(content[name]) for name in names if name in content})  # one may have a default
        except (KeyError, TypeError, ValueError) as error:
            raise results.ResultsError(f"it does not hold what {cls.__name__} consists of ({error}).") from error

    def plot(self, path: Path | str | None = None) -> "Figure":
        """A matplotlib figure, which is also written to `path` if one is given: .png, .pdf or .svg.

        `ValueError` for another suffix.
        """
        if path is not None and Path(path).suffix not in SUFFIXES:
            raise InputError(f"{path} does not end in {', '.join(SUFFIXES)}.")
        figure = figures.DRAWN[self.figure](self.content())
        if path is not None:
            path = Path(path)
            drawn = io.BytesIO()
            figure.savefig(drawn, format=path.suffix[1:], dpi=160, bbox_inches="tight")
            with atomic_path(path) as scratch:
                scratch.write_bytes(drawn.getvalue())
        return figure

    def save(self, path: Path | str) -> Path:
        """Write a results file, atomically, to `path`, which ends in .json; `files.load` reads it.

        Returns the path. `ValueError` for another suffix, and for more than such a file can hold.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise InputError(f"{path} does not end in .json, as results files do.")
        content = self.content()
        if (size := n_bytes(content)) > results.MAX_BYTES // 2:
            raise InputError(f"there are {size} bytes, too many for a results file; use numpy.save, or fewer images.")
        results.write(path, content)
        return path


SUFFIXES = (".png", ".pdf", ".svg")
