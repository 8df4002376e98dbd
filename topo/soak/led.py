"""When no controller led switches: there was none, or it stood still, or it had not read and written them yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from topo.soak.editor import Done
from topo.soak.flaps import FOREVER

CONNECTS = 3.0
"""Seconds within which switches connect to a controller that has started, if they are there."""


def absences(done: Iterable[Done], away: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """When no controller took reports in: ``away``, or stopped."""
    paused = [
        (one.start, one.end) for one in done if one.step.kind == "pause" and one.step.target == "controller"
    ]
    return [*away, *paused]


def unwritten(
    away: Sequence[tuple[float, float]],
    connected: Sequence[tuple[float, str]],
    synced: Sequence[tuple[float, str]],
    lbs: Collection[str],
    late: float = 0.0,
) -> list[tuple[float, float]]:
    """``away``, each until the lb switches that connected at once were written: before that none gets a pin.

    One that is not written before its controller ends, or the run does, gets none until then. ``late``: what
    everything takes longer.
    """
    ours = [(t, name) for t, name in connected if name.removesuffix("x") in lbs]
    return [(start, in_step(end, CONNECTS + late, away, ours, synced)) for start, end in away]


def unled(
    away: Sequence[tuple[float, float]], synced: Sequence[tuple[float, str]], lb: str
) -> list[tuple[float, float]]:
    """From when to when no controller led an lb switch: one was gone, until the next had read and written it."""
    mine = [t for t, name in synced if name.removesuffix("x") == lb]
    found: list[tuple[float, float]] = []
    for gone, _ in sorted(away):
        if not found or gone > found[-1][1]:
            found.append((gone, min((t for t in mine if t > gone), default=FOREVER)))
    return found


def in_step(
    back: float,
    within: float,
    away: Sequence[tuple[float, float]],
    connected: Sequence[tuple[float, str]],
    synced: Sequence[tuple[float, str]],
) -> float:
    """When a controller that is ``back`` had read and written the switches that connected ``within`` so many seconds.

    While it has not, it knows nothing of them, and what happens has to wait. ``away``: when there was no controller.
    """
    again = min((start for start, _ in away if start > back), default=FOREVER)
    here = {name for t, name in connected if back <= t <= back + within}
    first: dict[str, float] = {}
    for t, name in synced:
        if name in here and back <= t < again:
            first.setdefault(name, t)
    return max((first.get(name, again) for name in here), default=back)
