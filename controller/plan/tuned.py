"""What a backend's weight is made of besides that of the intent. Pure.

Weights of the intent say which share a group or zone takes; what is here moves shares among its backends alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from controller.spec.serveragent import Told

WHOLE, FULL, UNIT = 100, 1000, 1_000_000
PERCENT_BAND = 5
"""Points by which the share that a server asks for has to differ from the one that it has, 0 and 100 aside."""
PERCENT_EVERY = 10.0
"""Seconds between two changes of such shares in a pool, none and some aside."""
STEPS = 9
"""Of slow start, at most, after the first share; they are at least a second apart."""


@dataclass(frozen=True)
class Tuned:
    """Of one backend."""

    percent: int = WHOLE
    """Of its weight, as the server says."""
    drain: bool = False
    """The server takes no new connections, as it says."""
    ramp: int = FULL
    """Thousandths of it that slow start has reached, or begins with once the backend serves."""
    ramp_since: float | None = None
    """When it began to serve again, seconds of the clock; None: slow start is over, or the backend does not serve."""

    adapted: int = UNIT
    """Millionths of it that the pool's ``scheduler`` has come to."""

    @property
    def drains(self) -> bool:
        """Whether new connections leave it."""
        return self.drain or self.percent == 0

    @property
    def factor(self) -> Fraction:
        """By which its weight is multiplied."""
        return Fraction(self.percent, WHOLE) * Fraction(self.ramp, FULL) * Fraction(self.adapted, UNIT)

    @property
    def why(self) -> str:
        """What the factor is made of, in words."""
        parts = [f"{self.percent}% by its agent"] if self.percent != WHOLE else []
        parts += [f"{self.ramp / 10:g}% by slow start"] if self.ramp != FULL else []
        parts += [f"{self.adapted / UNIT:.3g} by the scheduler"] if self.adapted != UNIT else []
        return ", ".join(parts)


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


def said(before: Tuned, told: Told, held: bool = False) -> Tuned:
    """With what the server says. ``held``: a share moved so lately that no other one is taken, but for none or some."""
    waits = held and 0 not in (before.percent, told.percent)
    percent = before.percent if waits or not differs(before, told) else told.percent
    return replace(before, percent=percent, drain=told.drain)


def differs(before: Tuned, told: Told) -> bool:
    """Whether a server asks for a share that is worth moving slots for."""
    ends = told.percent in (0, WHOLE) or before.percent == 0
    return told.percent != before.percent and (ends or abs(told.percent - before.percent) >= PERCENT_BAND)


def ramped(before: Tuned, takes: bool, seconds: float, now: float) -> Tuned:
    """With slow start as it is now. ``takes``: the backend can take connections; ``seconds``: of the whole ramp.

    What does not serve waits with the first share, so that no table gives it more when it returns.
    """
    if not seconds:
        return replace(before, ramp=FULL, ramp_since=None)
    if not takes:
        return replace(before, ramp=_level(0, seconds), ramp_since=None)
    if before.ramp == FULL:
        return before
    since = now if before.ramp_since is None else before.ramp_since
    step = _steps_taken(now - since, seconds)
    over = step >= _steps(seconds)
    return replace(before, ramp=FULL if over else _level(step, seconds), ramp_since=None if over else since)


def ramp_due(tuned: Tuned, seconds: float, now: float) -> float | None:
    """When slow start takes its next step; None: it is over, or waits for the backend."""
    if tuned.ramp_since is None or not seconds:
        return None
    return tuned.ramp_since + (_steps_taken(now - tuned.ramp_since, seconds) + 1) * seconds / _steps(seconds)


def shifted(tuned: Tuned, seconds: float) -> Tuned:
    """The same by another clock."""
    since = tuned.ramp_since
    return tuned if since is None else replace(tuned, ramp_since=since + seconds)


def _steps(seconds: float) -> int:
    return max(1, min(STEPS, int(seconds)))


def _steps_taken(passed: float, seconds: float) -> int:
    # A timer that wakes a rounding error early must not be asked for the same moment again.
    return int(passed * _steps(seconds) / seconds + 1e-6)


def _level(step: int, seconds: float) -> int:
    """Thousandths after so many steps."""
    return FULL * (step + 1) // (_steps(seconds) + 1)
