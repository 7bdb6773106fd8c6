"""The numbers of a results file as records, one a row, each with its spread where the file tells it."""

import math
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

LEFT_OUT = ("figure", "schema", "date", "provenance", "plot", "sketch", "band", "scores", "uint8", "base64")
"""Parts that hold no results of their own: what a run was made with, what is only drawn, what is derived."""
NAMES = (
    *("name", "title", "network", "series", "reading"),
    *("test", "attribution", "norm", "occlusion", "measure", "removed_first"),
)
"""What tells the entries of a list apart: the first that they have, or all together; else they are counted."""
INTERVALS = ("interval_95", "interval")
WIDTH = 1.959964  # standard errors from the mean to an end of its 95% interval


class Record(NamedTuple):
    """A number of a results file, its value.

    quantity: where it stands in the file, parts joined by " / ". low, high: the ends of its 95% interval, or None where
    the file has none.
    """

    quantity: str
    value: float
    low: float | None = None
    high: float | None = None


def records(content: dict[str, Any]) -> list[Record]:
    """All numbers of a results file's content, in its order."""
    return list(_of_dict(content, ()))


def differ(one: Record, other: Record) -> bool | None:
    """Whether one number differs from the other by more than their spread allows; None where either has no interval.

    The difference of independent numbers, whose intervals reach h and g from them, has an interval of sqrt(h² + g²).
    """
    reach = []
    for a, b in ((one, other), (other, one)):
        if a.low is None or a.high is None:
            return None
        reach.append(a.high - a.value if b.value > a.value else a.value - a.low)
    return abs(one.value - other.value) > math.hypot(*reach)


def _found(value: Any, path: tuple[str, ...]) -> Iterator[Record]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int | float):
        yield _record(path, float(value))
    elif isinstance(value, dict):
        yield from _of_dict(value, path)
    elif isinstance(value, list):
        for name, part in zip(_names(value), value, strict=True):
            yield from _found(part, (*path, name))


def _of_dict(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[Record]:
    if {"dtype", "shape", "values"} <= value.keys():  # an array, see `robint_tf.study.packing`
        yield from _of_array(value, path)
        return
    if {"mean", "sd", "values"} <= value.keys():  # `results.summary`
        yield _over(path, [float(v) for v in value["values"]])
        return
    interval = next((value[name] for name in INTERVALS if isinstance(value.get(name), list)), None)
    errors = value.get("standard_errors")
    for key, part in value.items():
        if key in LEFT_OUT or key in INTERVALS or key.endswith("_interval") or key.startswith("standard_error"):
            continue
        own = value.get(f"{key}_interval")
        ends = own if isinstance(own, list) else interval if key in ("accuracy", "value") else None
        if ends is not None and isinstance(part, int | float):
            yield Record(" / ".join((*path, key)), float(part), float(ends[0]), float(ends[1]))
        elif key == "score" and isinstance(value.get("standard_error"), int | float):
            yield _record((*path, key), part, value["standard_error"])
        elif key == "y" and isinstance(part, list) and isinstance(errors, list) and len(errors) == len(part):
            for i, (score, error) in enumerate(zip(part, errors, strict=True)):
                yield _record((*path, key, str(i)), score, error)
        else:
            yield from _found(part, (*path, key))


def _of_array(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[Record]:
    """The rows of a table (K, seeds) as means over the seeds; the values of any other array one by one."""
    shape, values = value["shape"], value["values"]
    if len(shape) == 2:
        for i in range(shape[0]):
            row = values[i * shape[1] : (i + 1) * shape[1]]
            if None not in row:
                yield _over((*path, str(i)), [float(v) for v in row])
        return
    for i, v in enumerate(values):
        if v is not None and not isinstance(v, bool):
            yield _record((*path, str(i)), float(v))


def _over(path: tuple[str, ...], values: list[float]) -> Record:
    """The mean of repetitions, with its interval where there are two."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return _record(path, statistics.fmean(values), error)


def _record(path: tuple[str, ...], value: float, error: float | None = None) -> Record:
    if error is None:
        return Record(" / ".join(path), value)
    return Record(" / ".join(path), value, value - WIDTH * error, value + WIDTH * error)


def _names(parts: list) -> list[str]:
    """What a list's entries are called, each by another name: by their names or attacks, else by their places."""
    places = [str(i) for i in range(len(parts))]
    called = [_called(part) or [place] for part, place in zip(parts, places, strict=True)]
    together = [" ".join(words) for words in called]
    for found in ([words[0] for words in called], together):
        if len(set(found)) == len(found):
            return found
    return [f"{name} ({place})" for name, place in zip(together, places, strict=True)]


def _called(part: Any) -> list[str]:
    """The names of a list's entry, that which says most first; nothing for one without."""
    if not isinstance(part, dict):
        return []
    if "attack" in part:
        attack = part["attack"]
        return [f"{attack.get('norm')} {attack.get('eps'):g}" if isinstance(attack, dict) else "clean"]
    return [part[key] for key in NAMES if isinstance(part.get(key), str)]
