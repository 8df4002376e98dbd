"""What Open vSwitch logs of BFD: when a switch took a neighbour for dead, and when it heard it again. Pure.

Its data plane goes by that and by nothing else: on a machine that is too busy for three packets in 150 ms, packets
leave a switch that lives, and come back when it is heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from topo.soak.editor import Done
from topo.soak.stage import Stage

BFD_UP = 2.5
"""Seconds from when a cable carries again until BFD says so: while it is down each end speaks once a second, by RFC
5880, and each has to hear the other twice."""
FOREVER = float("inf")
_CHANGE = re.compile(
    r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)Z\|\d+\|bfd(?:\([^)|]*\))?\|INFO\|(\S+): BFD state change: (\w+)->(\w+) ",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Flap:
    """A BFD session came up, or was up and is no more, as one of its ends logged it."""

    t: float
    """CLOCK_MONOTONIC seconds."""
    switch: str
    """Whose log it is."""
    neighbour: str
    up: bool


def read(switch: str, text: str, ahead: float) -> list[Flap]:
    """A log of ovs-vswitchd. ``ahead``: seconds from CLOCK_MONOTONIC to the wall clock, which it is written in."""
    found = []
    for at, neighbour, before, after in _CHANGE.findall(text):
        if (before == "up") != (after == "up"):
            t = datetime.fromisoformat(f"{at}+00:00").timestamp() - ahead
            found.append(Flap(t, switch, neighbour, after == "up"))
    return found


def unprovoked(stage: Stage, done: Sequence[Done], flaps: Iterable[Flap]) -> list[Flap]:
    """Those at which a switch took another one for dead although nothing had been done to it or to the cable."""
    spells = [*_spells(stage, done)]
    return [
        one
        for one in flaps
        if not one.up
        and not any(
            ends <= {one.switch, one.neighbour} and start <= one.t <= end + BFD_UP
            for ends, start, end in spells
        )
    ]


def down(flaps: Iterable[Flap], begun: Iterable[Flap]) -> list[tuple[Flap, float]]:
    """Each of ``begun``, and when the same switch heard the same neighbour again."""
    heard = [one for one in flaps if one.up]
    return [
        (
            one,
            min(
                (
                    each.t
                    for each in heard
                    if (each.switch, each.neighbour) == (one.switch, one.neighbour) and each.t > one.t
                ),
                default=FOREVER,
            ),
        )
        for one in begun
    ]


def _spells(stage: Stage, done: Sequence[Done]) -> Iterable[tuple[frozenset[str], float, float]]:
    """What was done to lb switches and cables between switches: to which, from when, until when."""
    for one in done:
        step = one.step
        if step.kind == "pause" and step.target in stage.lbs:
            yield frozenset({step.target}), one.start, one.end
        elif step.action in ("kill", "cut") and step.target in (*stage.lbs, *stage.cables):
            healed = (
                each.end
                for each in done
                if each.step.target == step.target
                and each.step.action in ("heal", "mend")
                and each.start > one.start
            )
            ends = frozenset(step.target.split("-")) if step.kind == "cable" else frozenset({step.target})
            yield ends, one.start, min(healed, default=FOREVER)
