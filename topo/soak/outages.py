"""When packets were lost because there was no controller to lead switches around what nothing else notices. Pure.

On P4 that is any cable between switches that is cut, and an lb switch that dies; on Open vSwitch a cable between an lb
switch and servers, since edges watch the rest by BFD.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from topo.soak.editor import Done
from topo.soak.fates import RECONNECT, SETTLE, PathChange, cuts, of_lbs, while_used
from topo.soak.flaps import FOREVER
from topo.soak.led import in_step
from topo.soak.stage import Stage

DIALLED = 2.0
"""Seconds from a controller's start within which a P4 switch that lives is connected: it is dialled."""
NOTICE = 3.0
"""Seconds from when the last switch connected until edges go around a cable or an lb switch, on a busy machine: all are
read first."""


@dataclass(frozen=True)
class Unled:
    """A time without a controller."""

    gone: float
    reached: float
    """When the next one had all switches that live, and had read and written them."""
    acted: float
    """When these followed it at the latest."""


@dataclass(frozen=True)
class Outage:
    """A cable was cut, or an lb switch died, that only a controller can know of, and there was none."""

    start: float
    """When that was."""
    end: float
    """When a cable was mended, or a controller went around it at the latest."""
    ends: frozenset[str]
    """The switches at its ends, or the one that died."""
    what: str


def outages(
    stage: Stage,
    done: Sequence[Done],
    unled: Sequence[Unled],
    admitted: Iterable[tuple[float, str]] = (),
    left: Sequence[tuple[float, str]] = (),
    late: float = 0.0,
) -> list[Outage]:
    """Cables between switches that were cut, and P4 lb switches that died, while no controller took anything in.

    Not those that a switch watches itself. ``admitted``: when edges began to use an lb switch again; ``left``: when a
    cable was found to carry nothing, and by which switch at its ends. One that had not been found when its controller
    went away is left to the next, if that was sooner than a busy machine finds it, and ``late``.
    """

    def unnoticed(one: Unled, start: float, ends: frozenset[str]) -> bool:
        # What it found later it may not have written.
        found = any(
            start <= t <= one.gone - SETTLE and switch.removesuffix("x") in ends for t, switch in left
        )
        return len(ends) > 1 and not found and one.gone - NOTICE - late <= start

    lost = [
        (start, mended, frozenset(target.split("-")), f"cut {target}")
        for target, start, mended in cuts(stage, done)
        if not stage.watches or not set(target.split("-")) & set(stage.edges.values())
    ]
    if not stage.watches:  # what comes back is empty: it drops as before
        lost += [(t, FOREVER, frozenset({lb}), f"kill -9 {lb}") for t, lb in _deaths(stage, done, admitted)]
    return [
        Outage(start, min(mended, one.acted), ends, what)
        for one in unled
        for start, mended, ends, what in lost
        if start <= one.reached and (one.gone - SETTLE <= start or unnoticed(one, start, ends))
    ]


def _deaths(
    stage: Stage, done: Sequence[Done], admitted: Iterable[tuple[float, str]]
) -> list[tuple[float, str]]:
    """When lb switches were killed that edges used until then."""
    kills = [
        PathChange(one.start, "", one.step.target, True)
        for one in done
        if one.step.kind == "lb" and one.step.action == "kill"
    ]
    found, out = [], set[str]()
    used = [PathChange(t, "", lb, False) for t, _, lb in of_lbs(stage, admitted)]
    for one in while_used((), kills, used):
        if one.gone and one.lb not in out:
            found.append((one.t, one.lb))
        out = out | {one.lb} if one.gone else out - {one.lb}
    return found


def leaderless(
    stage: Stage,
    absent: Sequence[tuple[float, float]],
    connected: Sequence[tuple[float, str]],
    synced: Sequence[tuple[float, str]],
    late: float,
) -> list[Unled]:
    """When there was no controller, until one is back that is not gone again before it did its work.

    ``absent``: as ``absences`` says; ``connected``, ``synced``: when switches connected, and were read and written;
    ``late``: what everything takes longer.
    """
    within = RECONNECT if stage.watches else DIALLED + late
    found: list[Unled] = []
    for gone, back in sorted(absent):
        first: dict[str, float] = {}
        for t, switch in connected:
            if back <= t <= back + within:
                first.setdefault(switch, t)
        reached = max([back, *first.values(), in_step(back, within, absent, connected, synced)])
        if found and gone <= found[-1].acted:
            before = found.pop()
            gone, reached = before.gone, max(reached, before.reached)
        found.append(Unled(gone, reached, reached + NOTICE + late))
    return found
