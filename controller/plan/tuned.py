"""What a backend's weight is made of besides that of the intent. Pure.

Weights of the intent say which share a group or zone takes; what is here moves shares among its backends alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from controller.spec.serveragent import NOTHING_TOLD, Told

WHOLE = 100


@dataclass(frozen=True)
class Tuned:
    """Of one backend."""

    percent: int = WHOLE
    """Of its weight, as the server says."""
    drain: bool = False
    """The server takes no new connections, as it says."""

    @property
    def drains(self) -> bool:
        """Whether new connections leave it."""
        return self.drain or self.percent == 0

    @property
    def factor(self) -> Fraction:
        """By which its weight is multiplied."""
        return Fraction(self.percent, WHOLE)

    @property
    def why(self) -> str:
        """What the factor is made of, in words."""
        return f"{self.percent}% by its agent" if self.percent != WHOLE else ""


AS_CONFIGURED = Tuned()
Tunings = Mapping[str, Tuned]
"""By backend; those that are missing have the weight of the intent."""
UNTUNED: Tunings = MappingProxyType({})
Factors = Mapping[str, Fraction]
"""By backend; those that are missing have 1."""


def factors(tuned: Tunings) -> Factors:
    """Those that change anything; those of backends that drain do not matter."""
    return {name: each.factor for name, each in tuned.items() if each.factor != 1 and not each.drains}


def kept(tuned: Tunings) -> Tunings:
    """Without what says nothing."""
    return {name: each for name, each in tuned.items() if each != AS_CONFIGURED}


def said(before: Tuned | None, told: Told | None) -> Tuned:
    """With what the server says."""
    word = told or NOTHING_TOLD
    return replace(before or AS_CONFIGURED, percent=word.percent, drain=word.drain)
