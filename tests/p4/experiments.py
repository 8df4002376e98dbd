"""The long promises as experiments of any size: a flood of SYNs, and memory that is filled beyond its size."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from controller.spec.types import Mode
from p4src.ids import Drop, Reason
from tests.p4.box import Box, Frame
from tests.p4.keeper import Keeper
from tests.p4.scene import Scene, Service, shared
from tests.p4.traffic import Crowd, syn_flood, talks

WAYS = 4
SERVICE = Service(1, Mode.NAT)
"""NAT: answers come back through the switch."""
_MANY = tuple(range(1, 121))
"""Backends, of which one or two are replaced: there are 100,000 pins, and every change costs some."""
_CHANGES: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.4, (*_MANY[1:], 121)),
    (0.5, ()),
    (0.8, (*_MANY[2:], 121, 122)),
    (0.95, ()),
)
"""Shares of all connections at which other backends serve, or (none named) slots settle."""
_BATCH = 512
"""Spoofed SYNs among the packets of as many as 256 connections."""
_STEPS = 40
"""How often, while connections open, the controller looks at what the switch says."""


class Slots(Enum):
    """Which connections the switch remembers."""

    REMEMBERED = "all"
    SETTLED = "those of tracked slots; none is tracked at first"
    TRACKED = "those of tracked slots; all are tracked at first"

    def of(self, scene: Scene) -> Scene:
        """The scene in which it is so."""
        if self is Slots.REMEMBERED:
            return scene
        return scene.just_enough() if self is Slots.SETTLED else scene.just_enough().tracked()


@dataclass
class Outcome:
    """What became of connections."""

    connections: int
    moved: int
    lost: int
    wrong: list[str]
    pins: int
    heard: dict[str, int]
    drops: dict[str, int]
    figures: dict[str, float] = field(default_factory=dict)
    """Measured, by name and unit."""

    @property
    def kept(self) -> bool:
        """Whether the promise was."""
        return not (self.moved or self.lost or self.wrong)


@dataclass
class _Rate:
    """Packets and payload in a time."""

    seconds: float
    packets: int
    size: int

    def figures(self, when: str) -> dict[str, float]:
        each = self.packets / self.seconds
        return {f"packets/s {when}": each, f"goodput Mbit/s {when}": each * self.size * 8 / 1e6}


class _Noise:
    """Batches of frames, and how much of them was handed out."""

    def __init__(self, batches: Iterator[list[Frame]], total: int) -> None:
        self._batches = batches
        self._total = total
        self._sent = 0

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self._sent / self._total

    def __iter__(self) -> Iterator[list[Frame]]:
        return self

    def __next__(self) -> list[Frame]:
        batch = next(self._batches)
        self._sent += len(batch)
        return batch


def flood(
    box: Box,
    cells: int,
    connections: int,
    spoofed: int,
    size: int = 8,
    clock: Callable[[], float] = time.monotonic,
    slots: Slots = Slots.REMEMBERED,
) -> Outcome:
    """``spoofed`` SYNs while ``connections`` exchange data, the pool changed in the middle of it.

    ``cells``: of a way.
    """
    keeper = Keeper([box], slots.of(Scene((SERVICE,), cells_mask=cells - 1)))
    crowd = Crowd(box)
    crowd.open(talks(SERVICE, connections, size=size))
    calm = _timed(crowd, clock, lambda: _repeat(crowd, keeper, 4))
    noise = crowd.noise = _Noise(syn_flood(SERVICE, spoofed, seed=spoofed, batch=_BATCH), spoofed)

    def under_flood() -> None:
        changed = settled = False
        while noise.share < 1.0:
            crowd.exchange()
            keeper.step()
            if not changed and noise.share >= 0.5:
                changed = True
                keeper.change(keeper.scene.changing((1, 2, 3, 5)))
            elif changed and not settled and noise.share >= 0.75:
                settled = True
                keeper.sync(crowd)
                keeper.change(keeper.scene.settled())

    wild = _timed(crowd, clock, under_flood)
    crowd.noise = None
    keeper.step()
    crowd.exchange()
    figures = {**calm.figures("before"), **wild.figures("during"), "SYNs/s": spoofed / wild.seconds}
    return _outcome(crowd, keeper, figures)


def fill(box: Box, cells: int, excess: float = 0.2, slots: Slots = Slots.REMEMBERED) -> Outcome:
    """Live connections, more than memory has cells; the pool changes twice while they open, and once more at the end.

    In a transition all clients send, and connections open. Tracked slots settle only at the end.
    """
    scene = Scene((SERVICE,), backends=(*_MANY, 121, 122), table=shared(_MANY, 16_384), cells_mask=cells - 1)
    keeper = Keeper([box], slots.of(scene))
    crowd = Crowd(box)
    total = int(WAYS * cells * (1 + excess))
    them = talks(SERVICE, total)
    step = max(1, total // _STEPS)
    changes = deque(_CHANGES)
    for at in range(0, total, step):
        crowd.open(them[at : at + step])
        keeper.step()
        if keeper.scene.moves:
            _repeat(crowd, keeper, 1)
        while changes and len(crowd.talks) >= changes[0][0] * total:
            serving = changes.popleft()[1]
            if not serving:
                keeper.sync(crowd)
            if serving or slots is not Slots.TRACKED:
                keeper.change(keeper.scene.changing(serving) if serving else keeper.scene.settled())
    keeper.change(keeper.scene.changing(_MANY))
    crowd.exchange()
    keeper.sync(crowd)
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    return _outcome(crowd, keeper, {"cells": WAYS * cells, "connections over cells": total / (WAYS * cells)})


def _repeat(crowd: Crowd, keeper: Keeper, times: int) -> None:
    for _ in range(times):
        crowd.exchange()
        keeper.step()


def _timed(crowd: Crowd, clock: Callable[[], float], work: Callable[[], None]) -> _Rate:
    before, start = crowd.delivered, clock()
    work()
    return _Rate(clock() - start, crowd.delivered - before, crowd.talks[0].size)


def _outcome(crowd: Crowd, keeper: Keeper, figures: dict[str, float]) -> Outcome:
    box = crowd.box
    return Outcome(
        len(crowd.talks),
        len(crowd.moved),
        crowd.lost.total(),
        crowd.wrong[:5],
        len(keeper.pins.pins),
        {Reason(reason).name.lower(): count for reason, count in sorted(keeper.heard.items())},
        {Drop(drop).name.lower(): count for drop, count in box.drops().items() if count},
        figures,
    )
