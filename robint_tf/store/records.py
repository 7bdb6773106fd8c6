"""The numbers of a results file as records, one a row, each with its spread where the file tells it.

A number is called by what it is, its fraction, eps or network, wherever the file says that, so that two files share the
names of the same things only.
"""

import math
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeGuard

from scipy.special import ndtri, stdtrit

from robint_tf.intervals import LEVEL

LEFT_OUT = (
    *("figure", "schema", "date", "provenance", "plot", "sketch", "band", "scores", "uint8", "base64"),
    "fractions",
)
"""Parts that hold no results of their own: what a run was made with, what is only drawn, what is derived, names."""
NAMES = (
    *("name", "title", "network", "series", "reading"),
    *("test", "attribution", "norm", "occlusion", "measure", "removed_first", "key"),
)
"""What tells the entries of a list apart: the first that they have, or all together; else they are counted."""
INTERVALS = ("interval_95", "interval")
BY_FRACTION = (
    *("accuracies", "random", "baseline", "retrained", "pooled_baseline", "by_fraction", "most", "least"),
    *("hits_by_epoch", "baseline_hits_by_epoch"),
)
"""Below these a list as long as the file's fractions has an entry for each of them."""
OVER_FRACTIONS = ("score", "area", "areas", "panels", "diff_roar", "schedules", "regressors")
"""Areas over all of the file's fractions, and what follows from them: of other fractions they are other quantities."""


class Record(NamedTuple):
    """A number of a results file, its value.

    quantity: where it stands in the file, parts joined by " / ". low, high: the ends of its 95% interval, or None where
    the file has none. n: of how many repetitions the value is the mean, where the interval comes from them.
    """

    quantity: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class _File(NamedTuple):
    """What a file says of all of its parts: its fractions as names, networks with their norms, and retrainings."""

    fractions: tuple[str, ...] = ()
    networks: tuple[tuple[str, str | None], ...] = ()
    n_seeds: int | None = None

    def by_fraction(self, path: tuple[str, ...], n: int) -> bool:
        """Whether the n entries at a path belong to the fractions."""
        return len(self.fractions) == n and any(part in BY_FRACTION for part in path)

    def of_series(self, series: dict[str, Any]) -> list[str]:
        """Names of a series' points: of its networks, else by their places on the axis; counted as a last resort."""
        n = len(series["y"])
        x = series.get("x")
        places = [f"{v:g}" for v in x] if _numbers(x) and len(x) == n else []
        networks = [name for name, norm in self.networks if norm in (None, series.get("norm"))]
        return next((names for names in (networks, places) if len(set(names)) == n), [str(i) for i in range(n)])


def records(content: dict[str, Any]) -> list[Record]:
    """All numbers of a results file's content, in its order."""
    fractions, networks, n_seeds = (content.get(key) for key in ("fractions", "networks", "n_seeds"))
    file = _File(
        tuple(f"{f:g}" for f in fractions) if _numbers(fractions) else (),
        tuple((n["name"], n["norm"]) for n in networks if isinstance(n, dict) and {"name", "norm"} <= n.keys())
        if isinstance(networks, list)
        else (),
        n_seeds if isinstance(n_seeds, int) else None,
    )
    return list(_of_dict(content, (), file))


def differ(one: Record, other: Record) -> bool | None:
    """Whether one number differs from the other by more than their spread allows; None where either has no interval.

    Welch's test: the difference of independent numbers has the variance of both, and degrees of freedom from their
    repetitions. Where neither is a mean of repetitions, and the intervals reach h and g towards each other, it is to
    exceed sqrt(h² + g²).
    """
    variance = divisor = 0.0
    for a, b in ((one, other), (other, one)):
        if a.low is None or a.high is None:
            return None
        reach = a.high - a.value if b.value > a.value else a.value - a.low
        of_mean = (reach / _quantile(a.n)) ** 2
        variance += of_mean
        divisor += 0.0 if a.n is None else of_mean**2 / (a.n - 1)
    n = 1 + variance**2 / divisor if divisor else None
    return abs(one.value - other.value) > _quantile(n) * math.sqrt(variance)


def _quantile(n: float | None) -> float:
    """Standard errors from a mean of n repetitions to an end of its 95% interval; None: from a normal variable."""
    return float(ndtri((1 + LEVEL) / 2) if n is None else stdtrit(n - 1, (1 + LEVEL) / 2))


def _numbers(value: Any) -> TypeGuard[list]:
    return isinstance(value, list) and bool(value) and all(isinstance(v, int | float) for v in value)


def _found(value: Any, path: tuple[str, ...], file: _File) -> Iterator[Record]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int | float):
        yield _record(path, float(value))
    elif isinstance(value, dict):
        yield from _of_dict(value, path, file)
    elif isinstance(value, list):
        if file.by_fraction(path, len(value)):
            for name, part in zip(file.fractions, value, strict=True):
                yield from _at_fraction(part, (*path, name), file._replace(fractions=()))
            return
        for name, part in zip(_names(value), value, strict=True):
            yield from _found(part, (*path, name), file)


def _at_fraction(part: Any, path: tuple[str, ...], file: _File) -> Iterator[Record]:
    """What stands at a fraction: a list of numbers is one of retrainings."""
    if _numbers(part):
        yield _over(path, [float(v) for v in part])
    else:
        yield from _found(part, path, file)


def _of_dict(value: dict[str, Any], path: tuple[str, ...], file: _File) -> Iterator[Record]:
    if {"dtype", "shape", "values"} <= value.keys():  # an array, see `robint_tf.study.packing`
        yield from _of_array(value, path, file)
        return
    if {"mean", "sd", "values"} <= value.keys():  # `results.summary`
        yield _over(path, [float(v) for v in value["values"]])
        return
    interval = next((value[name] for name in INTERVALS if isinstance(value.get(name), list)), None)
    for key, part in value.items():
        if key in LEFT_OUT or key in INTERVALS or key.endswith("_interval") or key.startswith("standard_error"):
            continue
        over = f" over {', '.join(file.fractions)}" if file.fractions and key in OVER_FRACTIONS else ""
        inner = (*path, key + over)
        own = value.get(f"{key}_interval")
        ends = own if isinstance(own, list) else interval if key in ("accuracy", "value", "area") else None
        if ends is not None and isinstance(part, int | float):
            yield Record(" / ".join(inner), float(part), float(ends[0]), float(ends[1]))
        elif key in ("score", "area") and isinstance(part, int | float):
            yield _record(inner, part, value.get("standard_error"), file.n_seeds)
        elif key == "areas" and isinstance(part, dict):
            for name, found in part.items():
                if isinstance(found, list) and len(found) == 3:  # area, low, high, whose ends are None for one image
                    yield Record(" / ".join((*inner, name)), *found)
        elif key in ("x", "y") and _numbers(part) and isinstance(value.get("y"), list):
            yield from _of_series(key, value, inner, file)
        else:
            yield from _found(part, inner, file)


def _of_series(key: str, series: dict[str, Any], path: tuple[str, ...], file: _File) -> Iterator[Record]:
    """The numbers "x" or "y" of a series, by network."""
    errors = series.get("standard_errors") if key == "y" else None
    names, values = file.of_series(series), series[key]
    if not isinstance(errors, list) or len(errors) != len(values):
        errors = [None] * len(values)
    if len(names) == len(values):
        for name, v, error in zip(names, values, errors, strict=True):
            yield _record((*path, name), v, error, file.n_seeds)
    else:
        yield from _found(values, path, file)


def _of_array(value: dict[str, Any], path: tuple[str, ...], file: _File) -> Iterator[Record]:
    """The rows of a table (K, seeds) as means over the seeds; the values of any other array one by one."""
    shape, values = value["shape"], value["values"]
    by_fraction = bool(shape) and len(shape) <= 2 and file.by_fraction(path, shape[0])
    if len(shape) == 2:
        for i in range(shape[0]):
            row = values[i * shape[1] : (i + 1) * shape[1]]
            if row and None not in row:
                yield _over((*path, file.fractions[i] if by_fraction else str(i)), [float(v) for v in row])
        return
    for i, v in enumerate(values):
        if v is not None and not isinstance(v, bool):
            yield _record((*path, file.fractions[i] if by_fraction else str(i)), float(v))


def _over(path: tuple[str, ...], values: list[float]) -> Record:
    """The mean of repetitions, with its interval where there are two."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return _record(path, statistics.fmean(values), error, len(values))


def _record(path: tuple[str, ...], value: float, error: Any = None, n: int | None = None) -> Record:
    """A record; error: the standard error of the value, a mean of n repetitions."""
    if not isinstance(error, int | float) or n is None or n < 2:
        return Record(" / ".join(path), value)
    half = _quantile(n) * error
    return Record(" / ".join(path), value, value - half, value + half, n)


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
        if not isinstance(attack, dict):
            return ["clean"]
        more = [f"{key} {attack[key]}" for key in ("loss", "n_steps", "step_size") if key in attack]
        return [f"{attack.get('norm')} {attack.get('eps'):g}", *more]
    return [part[key] for key in NAMES if isinstance(part.get(key), str)]
