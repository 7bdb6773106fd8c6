"""Results files: JSON from which every figure is drawn, readable by people, equal byte for byte for equal results."""

import base64
import contextlib
import hashlib
import json
import math
import os
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from robint_tf.errors import InputError
from robint_tf.store.folders import atomic_path
from robint_tf.store.records import Record, records

SCHEMA = 1
DIGEST = "sha256"


class ResultsError(InputError):
    """A results file that cannot be used; the message says why in one line."""


def write(path: Path | str, results: dict[str, Any]) -> None:
    """Write a results file atomically to `path`. Arrays become lists; `ValueError` for NaN and infinity.

    The last line is a hash of the rest, so that `read` can tell a file that was changed afterwards. Such a file, or
    any that `read` would refuse, is not overwritten but moved aside, with a warning.
    """
    path, content = Path(path), {"schema": SCHEMA, **results}
    text = _render({**content, DIGEST: _digest(content)}, 0) + "\n"
    _set_aside_if_refused(path)
    with atomic_path(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def read(path: Path | str) -> dict[str, Any]:
    """The content of the results file `path`. Whatever it holds, reading it gives nothing but this, or `ResultsError`.

    `ResultsError` if it is missing, too large, not JSON, of another schema, holds numbers or texts that no results file
    can (NaN, 1e999, half a character), is nested too deep, or was changed after it was written.
    """
    name, again = printable(str(path)), "run its command again"
    try:
        results = _parsed(Path(path))
        schema = results.get("schema") if isinstance(results, dict) else None
        if schema != SCHEMA:
            theirs = printable(repr(schema))[:20]
            raise ResultsError(f"{name} has schema {theirs}, this version reads {SCHEMA}; {again}.")
        if results.pop(DIGEST, None) != _digest(results):
            raise ResultsError(f"{name} was changed after it was written (its {DIGEST} differs); {again}.")
    except ResultsError:
        raise
    except OSError as error:
        raise ResultsError(f"{name} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ResultsError(f"{name} is nested too deep for a results file; {again}.") from error
    except MemoryError as error:
        raise ResultsError(f"{name} does not fit in memory; {again}.") from error
    except ValueError as error:
        raise ResultsError(f"{name} is not valid JSON ({printable(str(error))[:200]}); {again}.") from error
    return results


def load(path: Path | str) -> list[Record]:
    """Every number of the results file at path with its 95% interval, as records that pandas takes. `ResultsError`."""
    return records(read(path))


MAX_BYTES = 32 * 2**20
"""Largest file that is read, fifty times the largest that a section writes."""


def _parsed(path: Path) -> Any:
    """The JSON of a file, of finite numbers and whole characters; `ValueError` or `RecursionError` for any other.

    `ResultsError` for what is no file, or too large.
    """
    if path.exists() and not path.is_file():
        kind = "a folder; name a results file in it" if path.is_dir() else "not a file"
        raise ResultsError(f"{printable(str(path))} is {kind}.")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ResultsError(f"{printable(str(path))} is larger than the {MAX_BYTES} bytes of a results file.")
    found = json.loads(data.decode("utf-8"))
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")  # refuses NaN, infinity, half characters
    return found


def printable(text: str) -> str:
    """A text for messages and documents: what terminals or UTF-8 files cannot show stands as an escape, e.g. \\x1b."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _set_aside_if_refused(path: Path) -> None:
    if not path.exists():
        return
    try:
        read(path)
    except ResultsError:
        aside = path.with_name(f"{path.name}.kept-{uuid.uuid4().hex[:8]}")  # no .json: not for reports
        with contextlib.suppress(FileNotFoundError):  # another process has moved it already
            os.replace(path, aside)
        warnings.warn(
            f"{printable(str(path))} was not what a command of this version had written; it is kept as "
            f"{printable(str(aside))}.",
            stacklevel=3,
        )


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_render(content, 0).encode()).hexdigest()


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation, smallest and largest of a few values, and the values themselves.

    >>> summary([1.0, 3.0])["mean"], summary([2.0])["sd"]
    (2.0, None)
    """
    return {
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
        "values": list(values),
    }


def rounded(array: Any, decimals: int) -> list:
    """An array of any shape as nested lists, rounded to so many decimals, for files that are drawn from."""
    return (np.round(np.asarray(array, np.float64), decimals) + 0.0).tolist()


def packed(images: np.ndarray) -> dict[str, Any]:
    """images (N, H, W, C) in [-1, 1] as 256 levels, for files that are drawn from: shape and base64 of the bytes."""
    levels = np.round((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    return {"shape": list(levels.shape), "uint8": base64.b64encode(levels.tobytes()).decode()}


def unpacked(data: dict[str, Any]) -> np.ndarray:
    """The inverse of `packed`: levels 0 to 255, uint8. `ResultsError` if the data do not fit their shape."""
    try:
        return np.frombuffer(base64.b64decode(data["uint8"], validate=True), np.uint8).reshape(data["shape"])
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(f"images in a results file are damaged ({error}); run its command again.") from error


PLAIN = {float, int, bool, type(None)}
"""Types of which a list is written at once: results files are lists of numbers for the most part."""


def _render(value: Any, depth: int) -> str:
    """JSON with one key a line, and lists on one line as far as they fit."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"a result is {value!r}; results files hold finite numbers and null only.")
    pad, end = " " * (depth + 1), " " * depth
    if isinstance(value, dict):
        if not value:
            return "{}"
        items = (f"{pad}{json.dumps(str(k))}: {_render(v, depth + 1)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + f"\n{end}}}"
    if isinstance(value, list | tuple):
        if {type(v) for v in value} <= PLAIN:
            with contextlib.suppress(ValueError):  # a number that is not finite, which is told below
                return json.dumps(value, allow_nan=False)
        if any(isinstance(v, dict) for v in value):
            return "[\n" + ",\n".join(pad + _render(v, depth + 1) for v in value) + f"\n{end}]"
        return "[" + ", ".join(_render(v, depth + 1) for v in value) + "]"
    if isinstance(value, str):  # a file's name may hold bytes that are not UTF-8: escaped, they can be written
        value = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return json.dumps(value, ensure_ascii=False)
