"""What the demo does to the fabric and when: a script chosen from a seed, and what it changes. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """Events; the values are the ``name`` keys of the report."""

    SABOTAGE = "sabotage"
    ADD_BACKEND = "add_backend"
    CHANGE_WEIGHT = "change_weight"
    DRAIN_BACKEND = "drain_backend"
    KILL_SERVER = "kill_server"
    MOVE_SLOTS = "move_slots"
    KILL_LB = "kill_lb"
    HEAL_LB = "heal_lb"
    KILL_CONTROLLER = "kill_controller"
    RESTART_CONTROLLER = "restart_controller"


@dataclass(frozen=True)
class Step:
    """One scripted event."""

    kind: Kind
    at: float
    """Seconds after the load has started."""
    target: str
    """The backend, switch or process it happens to."""
    weight: int | None = None
    """The new weight, where weights change."""

    @property
    def title(self) -> str:
        """For people."""
        texts = {
            Kind.SABOTAGE: "move a connection by hand",
            Kind.ADD_BACKEND: f"add {self.target}",
            Kind.CHANGE_WEIGHT: f"weight of {self.target} to {self.weight}",
            Kind.DRAIN_BACKEND: f"drain {self.target}",
            Kind.KILL_SERVER: f"kill -9 server {self.target}",
            Kind.MOVE_SLOTS: f"weight of {self.target} to {self.weight}, moves slots",
            Kind.KILL_LB: f"kill -9 switch {self.target}",
            Kind.HEAL_LB: f"bring {self.target} back",
            Kind.KILL_CONTROLLER: "kill -9 the controller",
            Kind.RESTART_CONTROLLER: "restart the controller",
        }
        return texts[self.kind]


@dataclass(frozen=True)
class Happened:
    """A step that was carried out."""

    step: Step
    t: float
    """CLOCK_MONOTONIC seconds, read just before acting."""


@dataclass(frozen=True)
class Script:
    """The whole run."""

    steps: tuple[Step, ...]
    late: str
    """The backend that is left out at first."""
    finish_at: float


@dataclass(frozen=True)
class Pace:
    """Which events there are, and how long everything takes. All in seconds."""

    at: Mapping[Kind, float]
    """Events and when, after the load has started."""
    finish_at: float
    silent: tuple[float, float]
    """Between the echoes of a silent connection: less than the pool's transition window."""
    silence: float
    """For so long a third of the connections must have been silent at a stretch."""


FULL = Pace(
    {
        Kind.ADD_BACKEND: 24,
        Kind.CHANGE_WEIGHT: 38,
        Kind.DRAIN_BACKEND: 52,
        Kind.KILL_SERVER: 66,
        Kind.MOVE_SLOTS: 82,
        Kind.KILL_LB: 92,
        Kind.HEAL_LB: 106,
        Kind.KILL_CONTROLLER: 120,
        Kind.RESTART_CONTROLLER: 127,
    },
    142,
    (41.0, 46.0),
    40.0,
)
SHORT = Pace(
    {
        Kind.ADD_BACKEND: 8,
        Kind.KILL_SERVER: 13,
        Kind.MOVE_SLOTS: 18,
        Kind.KILL_LB: 24,
        Kind.HEAL_LB: 28,
        Kind.KILL_CONTROLLER: 31,
        Kind.RESTART_CONTROLLER: 33,
    },
    42,
    (11.0, 13.0),
    10.0,
)
"""What shows in less than a minute."""


def write_script(
    seed: int,
    weights: Mapping[str, int],
    lb_switches: Sequence[str],
    sabotage: bool = False,
    pace: Pace = FULL,
) -> Script:
    """Choose who plays which part; ValueError if the fabric has too few backends or lb switches for it."""
    if len(weights) < 5 or len(lb_switches) < 2:
        raise ValueError(
            f"the demo needs at least 5 backends and 2 lb switches, not {len(weights)} and {len(lb_switches)}"
        )
    rng = random.Random(seed)
    late, heavier, drained, killed, mover = rng.sample(sorted(weights), 5)
    switch = rng.choice(sorted(lb_switches))
    parts: dict[Kind, tuple[str, int | None]] = {
        Kind.ADD_BACKEND: (late, None),
        Kind.CHANGE_WEIGHT: (heavier, weights[heavier] + 1),
        Kind.DRAIN_BACKEND: (drained, None),
        Kind.KILL_SERVER: (killed, None),
        Kind.MOVE_SLOTS: (mover, weights[mover] + 2),
        Kind.KILL_LB: (switch, None),
        Kind.HEAL_LB: (switch, None),
        Kind.KILL_CONTROLLER: ("controller", None),
        Kind.RESTART_CONTROLLER: ("controller", None),
    }
    steps = [Step(kind, at, *parts[kind]) for kind, at in pace.at.items()]
    if sabotage:
        steps.insert(0, Step(Kind.SABOTAGE, pace.at[Kind.ADD_BACKEND] * 2 / 3, "connection"))
    return Script(tuple(steps), late, pace.finish_at)


@dataclass(frozen=True)
class Fleet:
    """Which backends should get new connections, and in which proportion."""

    weights: Mapping[str, int]
    absent: frozenset[str] = field(default=frozenset())
    """Not (yet) in the intent, drained, or killed."""

    def serving(self) -> dict[str, int]:
        """Weight per backend that is in service."""
        return {name: weight for name, weight in self.weights.items() if name not in self.absent}

    def after(self, step: Step) -> Fleet:
        """The fleet once ``step`` has taken effect."""
        if step.kind is Kind.ADD_BACKEND:
            return replace(self, absent=self.absent - {step.target})
        if step.kind in (Kind.DRAIN_BACKEND, Kind.KILL_SERVER):
            return replace(self, absent=self.absent | {step.target})
        if step.weight is not None:
            return replace(self, weights={**self.weights, step.target: step.weight})
        return self
