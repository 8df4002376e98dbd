"""A switch that tracks slots against the rule itself: random moves, packets and pauses, packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import pytest

from controller.plan.duty import slotting
from controller.plan.pool import PoolState
from controller.plan.slotrule import Choice, Memory, Report, choose
from controller.spec.slots import SlotTable
from controller.spec.spread import PORT_FROM, Spread
from controller.spec.switch import PERIODS, Fate
from flows.actions import Bits, Move
from flows.entries import FlowBody, FlowKey, Target, flow
from flows.match import Match
from flows.tables import POOL, SLOT, Placed, Stage
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.plant import EMBRYONIC, Plant
from tests.conformance.rows.tracking import ROWS
from tests.conformance.says import Connection, Log, new_mark
from tests.conformance.scenario import DR, Setup, pool, server, switch_of
from tests.conformance.target import Heard, Reason

KEY = "web/tcp"
MEMORY = 900.0
SEEDS = range(40)
FEWER = 12
"""Seeds where slots come from elsewhere than a new pool's of switches that hash alike."""
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


@pytest.fixture(scope="module", params=list(Spread))
def switch(request: pytest.FixtureRequest) -> Iterator[ovs.OpenVSwitch]:
    with live("rule", spread=request.param) as made:
        yield made


@dataclass
class Known:
    """A connection as the rule's memory has it."""

    connection: Connection
    spoke: float
    entry: Memory | None = None
    period: int = 0
    confirmed: bool = False
    """More than its first packet was seen."""


@dataclass
class Life:
    """One switch, one pool, and what the rule would do."""

    switch: ovs.OpenVSwitch
    random: Random
    plant: Plant = field(init=False)
    known: dict[int, Known] = field(default_factory=dict)
    port: int = 30_000
    log: Log = field(default_factory=lambda: Log(True))
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plant = Plant(Setup((pool("b1", "b2"),), (DR,)), self.switch.switch, spread=self.switch.spread)
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
            if self.plant.now - each.spoke > MEMORY:
                del self.known[port]  # whether it is remembered depends on the turn of generations
            elif each.entry is not None and not each.confirmed and seconds >= EMBRYONIC:
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
            old = (state.tracking.period - made.period) % PERIODS > 2
            memory = memory._replace(old=old)
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
        made.entry, made.period = (
            Memory(choice.backend, class_, old=False, opened=opened),
            self.state.tracking.period,
        )
        made.confirmed = old is not None and old.class_ == class_  # what replaces another one lasts at once

    def _name(self, number: int) -> str:
        return next(m.backend.name for m in self.state.members if m.id == number)


def _complete(heard: Heard, wanted: str | None, choice: Choice) -> bool:
    return len(heard.frames) >= (wanted is not None) and len(heard.reports) >= (
        choice.report is not Report.NONE
    )


def play(switch: ovs.OpenVSwitch, seeds: Iterable[int]) -> None:
    """Lives of these seeds. Raises AssertionError where the switch does not do what the rule says."""
    for seed in seeds:
        life = Life(switch, Random(seed))
        for _ in range(STEPS):
            life.step()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tracking_switch_does_what_the_rule_says(switch: ovs.OpenVSwitch, seed: int) -> None:
    if switch.spread is not Spread.DATAPATH and seed >= FEWER:
        pytest.skip("enough of them")
    play(switch, [seed])


def _without(*columns: str) -> Callable[[SlotTable], SlotTable]:
    def damage(table: SlotTable) -> SlotTable:
        nothing: dict[str, Any] = {name: getattr(table, name)[:0] for name in columns}
        return replace(table, **nothing)

    return damage


_PLACED = Placed(switch_of("ovs").placement)
DAMAGES: dict[str, Callable[[SlotTable], SlotTable]] = {
    "nothing is tracked": _without("class_"),
    "what is not remembered is new": _without("base", "home"),
    "what is found is as good as opened": _without("home"),
    "former owners' connections are not told of": _without("former"),
    "old connections are not told of": _without("aged"),
    "memory of an earlier tracked time is believed": lambda table: replace(
        table, class_=np.minimum(table.class_, 1)
    ),
    "every slot is tracked": lambda table: replace(table, class_=np.where(table.class_, table.class_, 1)),
}


def _another_bit(body: FlowBody) -> FlowBody:
    """Slots are taken from other bits than they should be: of the port, or of the hash."""
    made = body.instructions
    for name, low in (("tcp_src", PORT_FROM), ("dp_hash", 0)):
        for count in range(1, 17):
            right, wrong = (Move(Bits(name, n, count), Bits(SLOT, 0, count)).pack() for n in (low, low + 1))
            made = made.replace(right, wrong)
    return replace(body, instructions=made)


def _without_slot(key: FlowKey, body: FlowBody) -> FlowBody:
    """The slot is not taken again behind memory: what the packet brings along is looked up."""
    if not any(item[0] == POOL for item in key.match) or key.table != _PLACED.table(Stage.HASH):
        return body
    return flow(*key, cookie=body.cookie, goto=_PLACED.table(Stage.SLOT)).body


def _other_pins(key: FlowKey) -> FlowKey:
    """Pins name the slot beside theirs."""
    if key.table != _PLACED.table(Stage.PIN):
        return key
    items = [(name, value ^ 1 if name == SLOT else value, mask) for name, value, mask in key.match]
    return FlowKey(key.table, key.priority, Match(items))


_PINNED = next(row for row in ROWS if row.name == "base-lasts-dr-v4-tcp")
"""A connection that only its pin knows."""
BROKEN: dict[str, Callable[[FlowKey, FlowBody], tuple[FlowKey, FlowBody]]] = {
    "a wrong bit": lambda key, body: (key, _another_bit(body)),
    "a slot not taken again": lambda key, body: (key, _without_slot(key, body)),
    "pins of another slot": lambda key, body: (_other_pins(key), body),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_switch_that_takes_slots_otherwise_is_caught(switch: ovs.OpenVSwitch, name: str) -> None:
    if switch.spread is Spread.OWN:
        pytest.skip("its slots come from a hash of its own")
    damage = BROKEN[name]

    def damaged(flows: Target) -> Target:
        return replace(flows, flows=dict(damage(*each) for each in flows.flows.items()), entry=None)

    switch.mutation = damaged
    try:
        with pytest.raises(AssertionError):
            _PINNED.play(switch) if "pins" in name else play(switch, range(MOST))
    finally:
        switch.mutation = None


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_switch_is_caught(switch: ovs.OpenVSwitch, name: str) -> None:
    if switch.spread is not Spread.DATAPATH:
        pytest.skip("what is damaged is the same wherever slots come from")
    damage = DAMAGES[name]

    def damaged(flows: Target) -> Target:
        return replace(flows, slots={pool: damage(table) for pool, table in flows.slots.items()})

    switch.mutation = damaged
    try:
        with pytest.raises(AssertionError):
            play(switch, range(MOST))
    finally:
        switch.mutation = None
