"""The settings of attributions that have some: frozen, checked, and written out in the names that recipes hold.

A recipe holds "integrated_gradients(steps=50,baseline=fill)": every setting, so that a default that changes one day is
another recipe. On command lines, "integrated_gradients:steps=20" names the settings that differ from the defaults.

name: of the attribution, in `robint_tf.catalogue`. Settings that cannot be used raise `ValueError`, in one line.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from robint_tf import checks
from robint_tf.errors import InputError

BASELINES = ("fill", "zero")
"""What an image is compared with: `fill` is the colour that occluded pixels get, `zero` the grey of 0 in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the attribution `name` can be told; `str` gives the full name."""

    name: ClassVar[str]

    def __str__(self) -> str:
        return f"{self.name}({','.join(f'{field.name}={getattr(self, field.name)}' for field in fields(self))})"

    @classmethod
    def of(cls, text: str) -> Self:
        """Settings from a text such as "steps=20,baseline=zero".

        `ValueError` for a setting that there is not, and for a value of another type.
        """
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(cls)}
        found: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if key not in kinds or not equals or key in found:
                raise InputError(
                    f"the setting {part.strip()!r} of {cls.name} cannot be read; "
                    f"give {', '.join(f'{field.name}={field.default}' for field in fields(cls))}, each at most once."
                )
            try:
                found[key] = kinds[key](value)
            except ValueError as error:
                kind = "a whole number" if kinds[key] is int else "a number"
                raise InputError(f"{key} of {cls.name} is {value!r}; give {kind}.") from error
        return cls(**found)

    @property
    def gradients(self) -> int:
        """How many gradients a map takes."""
        return 1

    @property
    def told(self) -> str:
        """The settings that are not the defaults, as people read them: "steps 20", or nothing."""
        differ = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        return ", ".join(f"{name} {getattr(self, name)}" for name in differ)


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(Settings):
    """steps: points between baseline and image, each in the middle of its part of the way."""

    name = "integrated_gradients"
    steps: int = 50
    baseline: str = "fill"

    def __post_init__(self) -> None:
        checks.count(self, "steps", 1)
        checks.choice(self, "baseline", BASELINES)

    @property
    def gradients(self) -> int:
        """One at each step."""
        return self.steps


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(Settings):
    """noise: standard deviation on pixels in [-1, 1], 0.2 being a tenth of their range; samples; seed of the noise."""

    name = "smoothgrad"
    samples: int = 50
    noise: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        checks.count(self, "samples", 1)
        checks.number(self, "noise", positive=True)
        checks.seed(self, "seed")

    @property
    def gradients(self) -> int:
        """One of each sample."""
        return self.samples


@dataclass(frozen=True, kw_only=True)
class SmoothGradSquared(SmoothGrad):
    """As `SmoothGrad`."""

    name = "smoothgrad_squared"


@dataclass(frozen=True, kw_only=True)
class VarGrad(SmoothGrad):
    """As `SmoothGrad`; at least two samples, one has no variance."""

    name = "vargrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.count(self, "samples", 2)


@dataclass(frozen=True, kw_only=True)
class DeepLIFT(Settings):
    """baseline: the image that everything is compared with."""

    name = "deeplift"
    baseline: str = "fill"

    def __post_init__(self) -> None:
        checks.choice(self, "baseline", BASELINES)


@dataclass(frozen=True, kw_only=True)
class LRPEpsilon(Settings):
    """epsilon: added to what is divided by, with its sign."""

    name = "lrp_epsilon"
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        checks.number(self, "epsilon", positive=True)


@dataclass(frozen=True, kw_only=True)
class LRPComposite(LRPEpsilon):
    """gamma: by how much more positive weights of convolutions count; 0 is the epsilon rule."""

    name = "lrp_composite"
    gamma: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self, "gamma")


KINDS: dict[str, type[Settings]] = {
    kind.name: kind
    for kind in (IntegratedGradients, SmoothGrad, SmoothGradSquared, VarGrad, DeepLIFT, LRPEpsilon, LRPComposite)
}
"""By the name of the attribution."""


def settings_of(name: str) -> Settings | None:
    """The settings that a name holds, the defaults where it holds none; None for an attribution that has no settings.

    >>> settings_of("integrated_gradients:steps=20")
    IntegratedGradients(steps=20, baseline='fill')
    >>> str(settings_of("integrated_gradients(steps=20)"))
    'integrated_gradients(steps=20,baseline=fill)'

    `ValueError` for settings that cannot be read or used.
    """
    found = re.fullmatch(r"(\w+)(?:\((.*)\)|:(.*))?", str(name))
    kind = KINDS.get(found[1]) if found else None
    if found is None or kind is None:
        return None
    return kind.of(found[2] or found[3] or "")


def gradients_of(name: str) -> int:
    """How many gradients a map of an attribution takes.

    >>> gradients_of("gradient"), gradients_of("integrated_gradients:steps=20")
    (1, 20)
    """
    settings = settings_of(name)
    return 1 if settings is None else settings.gradients
