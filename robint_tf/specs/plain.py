"""Specs as JSON data, and back."""

import dataclasses
from typing import Any

from robint_tf.errors import InputError
from robint_tf.specs.measurements import (
    AccuracySpec,
    ControlSpec,
    CurveSpec,
    DistanceSpec,
    GradientSpec,
    OwnGradientSpec,
    RetrainSpec,
    RoadSpec,
    SavedNetwork,
)
from robint_tf.specs.networks import LATER, PGD, ClassifierSpec, Training, VAEGANSpec


def as_dict(spec: Any) -> dict[str, Any]:
    """A spec as plain JSON data, with the class names that a reader needs to rebuild it.

    A field that came `LATER` and is None is left out.
    """
    fields = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    for field in dataclasses.fields(spec):
        if field.metadata == LATER and fields[field.name] is None:
            del fields[field.name]
    return {
        "kind": type(spec).__name__,
        **{name: as_dict(v) if dataclasses.is_dataclass(v) else v for name, v in fields.items()},
    }


KINDS = (
    PGD,
    Training,
    ClassifierSpec,
    VAEGANSpec,
    DistanceSpec,
    AccuracySpec,
    CurveSpec,
    SavedNetwork,
    RetrainSpec,
    ControlSpec,
    RoadSpec,
    GradientSpec,
    OwnGradientSpec,
)


def from_dict(data: dict[str, Any]) -> Any:
    """The inverse of `as_dict`. `ValueError` if the data name no spec of this module or hold unknown fields."""
    kinds = {kind.__name__: kind for kind in KINDS}
    fields = dict(data)
    kind = kinds.get(fields.pop("kind", ""))
    if kind is None:
        raise InputError(f"kind is {data.get('kind')!r}; choose one of {', '.join(kinds)}.")
    unknown = set(fields) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise InputError(
            f"{kind.__name__} has no field {', '.join(sorted(unknown))}; was it written by a newer version?"
        )
    return kind(**{k: from_dict(v) if isinstance(v, dict) else v for k, v in fields.items()})
