"""What lb switches hold of the slots, as far as we know, and whether a report of theirs may be lost. Owns nothing.

    a switch took a target ─► its world ─┐
    a switch was read ─► its counters ───┼─► ``held``: from when the times of a slot that moved run
    streams, pins ───────────────────────┘

It counts who may get packets: lb switches that are admitted, and those that an edge may still send to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.storedcells import Names
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from controller.plan.pins import PinBook
from controller.plan.tracking import NEVER, Held
from controller.spec.types import Intent, Role, Switch

_LATE = 10.0
"""Seconds by which pins may come late to a switch. Under load there is always one that has not arrived: a slot settles
by what was heard until a time of which all pins are everywhere."""
_BOOKS = 256
"""Versions of the book of pins that are remembered: one for each look in which pins came or went."""


class Holdings:
    """All lb switches together."""

    def __init__(
        self,
        fleet: Fleet,
        admitted: Readable[Names],
        intent: Readable[Intent],
        pins: PinBook,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._admitted = admitted
        self._intent = intent
        self._pins = pins
        self._clock = clock
        self._lost = clock.now()
        """When a report may have been lost for the last time."""
        self._refused = pins.refused
        """Connections that had found the book full."""
        self._books: deque[tuple[int, float]] = deque([(pins.version, clock.now())], maxlen=_BOOKS)
        """Versions of the book of pins, and until when each was the newest."""
        self._pinned = NEVER
        """The latest time of which every lb switch holds all pins that there were."""
        self._edges: dict[int, PlanInput] = {}
        """What each edge took last, whether it is here or not."""

    def held(self, key: str) -> Held:
        """What they have of the state with this key."""
        now, lbs = self._clock.now(), list(self._used())
        tasks = [self._fleet.get(switch.id) for switch in lbs]
        here = [task for task in tasks if task is not None and task.synced]
        self._look(here, now)
        if len(here) < len(tasks):
            self._lost = now
            return Held(0, pinned=False, lost=now)
        return Held(
            min((_revision(task, key) for task in here), default=0),
            self._pinned >= now - _LATE,
            max([self._lost, *(task.holding.lost for task in here)]),
            min([self._pinned, *(task.holding.heard for task in here)]),
        )

    def _look(self, here: list[SwitchTask], now: float) -> None:
        if self._pins.refused != self._refused:
            self._lost, self._refused = now, self._pins.refused
        newest = self._pins.version
        held = min((task.pins_version for task in here), default=newest)
        if self._books and self._books[-1][0] == newest:
            self._books.pop()
        self._books.append((newest, now))
        self._pinned = max([self._pinned, *(until for version, until in self._books if version <= held)])

    def _used(self) -> Iterator[Switch]:
        """lb switches that packets may come to."""
        intent, used = self._intent.value, set[int]()
        for edge in intent.switches:
            if Role.EDGE in edge.roles and Role.LB not in edge.roles:
                used |= self._used_by(edge)
        for switch in intent.switches:
            if Role.LB in switch.roles and (switch.id in used or switch.name in self._admitted.value):
                yield switch

    def _used_by(self, edge: Switch) -> set[int]:
        """Ids of lb switches that one edge may send to: until we know better, all."""
        task = self._fleet.get(edge.id)
        if task is not None and task.holding.world is not None:
            self._edges[edge.id] = task.holding.world
        world = self._edges.get(edge.id)
        switches = self._intent.value.switches if world is None else world.intent.switches
        return {s.id for s in switches if world is None or s.name in world.admitted}


def _revision(task: SwitchTask, key: str) -> int:
    """Of the tracking of one state, as a switch took it."""
    world = task.holding.world
    state = None if world is None else world.pools.get(key)
    return 0 if state is None else state.tracking.revision
