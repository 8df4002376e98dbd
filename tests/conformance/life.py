"""Lives of a switch that tracks slots against the rule itself: random moves, packets and pauses, packet by packet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import numpy as np

from controller.plan.duty import slotting
from controller.plan.pool import PoolState
from controller.plan.slotrule import Choice, Memory, Report, choose
from controller.spec.switch import Fate
from tests.conformance import ovs
from tests.conformance.plant import Plant
from tests.conformance.remembering import Cells, Generations, Known, Remembering
from tests.conformance.says import Connection, Log, new_mark
from tests.conformance.scenario import DR, Setup, pool, server
from tests.conformance.target import Damage, Heard, Reason, Target

KEY = "web/tcp"
STEPS = 60
MOST = 200
"""Lives after which damage that was not noticed never will be."""
_POOLS = (
    pool("b1", "b2"),
    pool("b1", "b2", "b3"),
    pool("b1", "b3"),
    pool(server("b1", group=1), server("b2", group=1), "b3"),
    pool("b1", server("b2", drain=True), "b3"),
)
_PAUSES = (1.0, 20.0, 61.0, 130.0, 400.0, 890.0)
_SAID = {
    Report.NONE: frozenset[Reason](),
    Report.OPENED: frozenset({Reason.EXCEPTION}),
    Report.FOUND: frozenset({Reason.FOUND}),
}


class Tracker(Target, Protocol):
    """A switch that tracks slots, and can be given wrong ones."""

    damage: Damage | None
    """What becomes of each pool's slots before they are written."""


@dataclass
class Life:
    """One switch, one pool, and what the rule would do."""

    switch: Tracker
    random: Random
    plant: Plant = field(init=False)
    ways: Remembering = field(init=False)
    known: dict[int, Known] = field(default_factory=dict)
    port: int = 30_000
    log: Log = field(default_factory=lambda: Log(True))
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plant = Plant(Setup((pool("b1", "b2"),), (DR,)), self.switch.switch, spread=self.switch.spread)
        self.ways = Generations() if isinstance(self.switch, ovs.OpenVSwitch) else Cells()
        self.switch.forget()
        self._apply()

    @property
    def state(self) -> PoolState:
        return self.plant.tables.pools[KEY]

    def _apply(self) -> None:
        self.switch.apply(self.plant.world())

    def step(self) -> None:
        """Something happens."""
        draw = self.random.random()
        if draw < 0.12:
            chosen_pool = self.random.choice(_POOLS)
            self._tell(f"pool {_POOLS.index(chosen_pool)}")
            self.plant.change_pool(chosen_pool)
            self.plant.step()
            self._apply()
        elif draw < 0.3:
            self._pause(self.random.choice(_PAUSES))
        elif draw < 0.5 or not self.known:
            self.port += self.random.randrange(1, 90)
            made = self.known[self.port] = Known(Connection("c1", self.port, DR), self.plant.now)
            self._send(made, syn=self.random.random() < 0.7)
        else:
            chosen = self.random.choice(list(self.known.values()))
            self._send(chosen, syn=self.random.random() < 0.1)

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.plant.now:.0f} {what}")

    def _pause(self, seconds: float) -> None:
        self._tell(f"pause {seconds:.0f}")
        self.plant.step(seconds)
        self._apply()
        for port, each in list(self.known.items()):
            if self.ways.unsure(each, self.plant.now):
                del self.known[port]
            elif not each.confirmed and self.ways.forgets(each, self.plant.now, seconds):
                each.entry = None

    def _send(self, made: Known, *, syn: bool) -> None:
        choice, slot = self._chosen(made, syn=syn)
        say = made.connection.syn() if syn else made.connection.data()
        wanted = None if not choice.backend else self._name(choice.backend)
        heard = self.switch.exchange(
            say.wires(self.log, new_mark()), lambda got: _complete(got, wanted, choice)
        )
        entry = self.state.tracking.entry(slot)
        self._tell(f"{'SYN' if syn else 'data'} of {made.connection.port}, {entry}, {made.entry} -> {choice}")
        what = "\n".join(self.story[-30:])
        assert [wire.port for wire in heard.frames] == ([wanted] if wanted else []), what
        assert {report.reason for report in heard.reports} == self._said(made, choice, syn=syn), what
        self._remember(made, choice, syn=syn)

    def _said(self, made: Known, choice: Choice, *, syn: bool) -> frozenset[Reason]:
        """What the rule reports, and young connections that other switches would send elsewhere."""
        state, entry = self.state, made.entry
        slot = self._chosen(made, syn=syn)[1]
        now, class_ = int(state.now[slot]), int(state.tracking.class_[slot])
        tracked = bool(state.tracking.tracked[slot])
        ages = bool(np.isin(np.uint32(now << 16 | slot), state.tracked_table.aged))
        known = entry is not None and entry.class_ == class_ and tracked and ages
        if choice.report is Report.NONE and entry and known and choice.backend == now and not syn:
            return frozenset({Reason.YOUNG if entry.opened else Reason.FOUND})
        return _SAID[choice.report]

    def _chosen(self, made: Known, *, syn: bool) -> tuple[Choice, int]:
        state = self.state
        packet = made.connection.packet
        world = self.plant.world()
        found = slotting(world, self.plant.switch, world.intent.listeners()[0])
        slot = found.slot(packet.source, packet.source_port)
        fates = state.fates
        gone = [number for number, fate in fates.items() if fate in (Fate.MOVE, Fate.RESET)]
        entry, memory = state.tracking.entry(slot, gone), made.entry
        if memory is not None:
            memory = memory._replace(old=self.ways.old(state, made, self.plant.now))
        given = memory is not None and syn and fates[memory.backend] is Fate.DRAIN
        return choose(entry, memory, syn, given), slot

    def _remember(self, made: Known, choice: Choice, *, syn: bool) -> None:
        made.spoke = self.plant.now
        if not choice.remember:
            return
        class_ = int(self.state.tracking.class_[self._chosen(made, syn=syn)[1]])
        old = made.entry
        if old is not None and (old.backend, old.class_) == (choice.backend, class_):
            made.confirmed |= not syn
            return
        opened = syn
        made.entry = Memory(choice.backend, class_, old=False, opened=opened)
        made.born, made.period = self.plant.now, self.state.tracking.period
        replaces = old is not None and old.class_ == class_
        made.confirmed = replaces and (self.ways.lasts_at_once or made.confirmed or not syn)

    def _name(self, number: int) -> str:
        return next(m.backend.name for m in self.state.members if m.id == number)


def _complete(heard: Heard, wanted: str | None, choice: Choice) -> bool:
    return len(heard.frames) >= (wanted is not None) and len(heard.reports) >= (
        choice.report is not Report.NONE
    )


def play(switch: Tracker, seeds: Iterable[int]) -> None:
    """Lives of these seeds. Raises AssertionError where the switch does not do what the rule says."""
    for seed in seeds:
        life = Life(switch, Random(seed))
        for _ in range(STEPS):
            life.step()
