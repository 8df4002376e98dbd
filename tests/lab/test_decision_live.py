"""A live switch does what the oracle says, packet by packet: pins, memory, fates, transitions, exceptions."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

import numpy as np
import pytest

from controller.decision import DecidedBy, Decision, Tell, after, decide
from controller.hashes import Slotting
from controller.lbstate import ConnectionKey, Generation, LbState, Packet, Remembered
from controller.plan.pins import PinKey
from controller.southbound.ovsdb import timeouts
from controller.southbound.ovsdb.client import Ovsdb
from controller.spec.access import OPEN, Access
from controller.spec.slots import SlotTable
from controller.spec.spread import Spread
from controller.spec.switch import (
    MIGRATED,
    BackendSpec,
    Fate,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    SwitchSpec,
    Timeouts,
    VipSpec,
)
from controller.spec.types import Mode, OpenFlowPlacement, Protocol, Role, Switch
from flows import pipeline
from flows.entries import Target
from flows.spec import Here
from flows.tables import NO_SLOT, ZONES_PER_VIP, Kind
from tests.lab.bare_switch import SWITCH, TOPOLOGY, BareSwitch, Told
from tests.lab.conftest import MakeLab
from tests.lab.frames import whole
from topo.ovs import OpenVSwitch

pytestmark = pytest.mark.lab

POOL, SLOTS = 1, 256
BACKENDS = range(1, 9)
LB = Switch(SWITCH, "ovs", 0x21, "east", frozenset({Role.LB}), "02:45:56:01:00:21")
HERE = Here.of(LB)
HTTP, STICKY, DNS, TRACKED = 80, 443, 53, 8080
PROTOCOLS = {HTTP: Protocol.TCP, STICKY: Protocol.TCP, DNS: Protocol.UDP, TRACKED: Protocol.TCP}
TRACKED_POOL = 3
LAST_POOL, LAST = 2, 9
"""Pool and port of the packet that ends a round: never empty, never moving."""
CLIENTS = 12
MOST_VIP = 3
"""One more than the number of any VIP."""
REMEMBERED = 3600
"""Seconds: Open vSwitch forgets after 30 by itself, which a busy machine may need for all scenes."""
HALF_BLOCKED = {
    4: Access((ip_network("10.0.0.4/31"),), (ip_network("10.0.0.0/29"),)),
    6: Access((ip_network("fd00::4/127"),), (ip_network("fd00::/125"),)),
}
Fates = dict[int, Fate]


def no_fates() -> Fates:
    return {}


@dataclass(frozen=True)
class Scene:
    """What the switch holds in one round."""

    table: SlotTable
    tracked: SlotTable
    """Of the listeners that remember connections of tracked slots alone."""
    fates: Fates = field(default_factory=no_fates)
    pins: dict[PinKey, int] = field(default_factory=dict)
    turned: bool = False
    """Whether the next generation of zones has begun."""
    period: int = 0
    spread: Spread = Spread.OWN
    """Of the listeners that remember connections of tracked slots alone."""
    blocks: bool = False
    """Whether listeners serve some of the clients only."""

    def vips(self) -> list[VipSpec]:
        generation = 2 if self.turned else 1
        return [
            VipSpec(n, ip_address(text), "02:45:56:00:01:01", 0, generation)
            for n, text in enumerate(("10.0.0.100", "fd00::100"), 1)
        ]

    def duty(self) -> SwitchSpec:
        vips = self.vips()
        listeners = tuple(
            ListenerSpec(
                1000 * vip.id + port,
                vip,
                protocol,
                port,
                port,
                TRACKED_POOL if port == TRACKED else POOL,
                Mode.DR,
                port == STICKY,
                remembers=port != TRACKED,
                spread=self.spread if port == TRACKED else Spread.OWN,
                slots=SLOTS,
                access=HALF_BLOCKED[vip.address.version] if self.blocks else OPEN,
            )
            for vip in vips
            for port, protocol in PROTOCOLS.items()
        )
        last = ListenerSpec(LAST, vips[0], Protocol.UDP, LAST, LAST, LAST_POOL, Mode.DR, sticky=False)
        reals = tuple(
            BackendSpec(n, POOL, (ip_address(f"10.1.0.{n}"),), None, (2,), self.fates.get(n, Fate.NORMAL))
            for n in BACKENDS
        )
        by_id = {item.id: item for item in listeners}
        pins = tuple(
            HeldPin(_pin(n, by_id[key.listener], key, backend), PinRole.REPORTER, 0)
            for n, (key, backend) in enumerate(self.pins.items(), 1)
        )
        end = SlotTable(np.full(SLOTS, 1, np.uint16), np.zeros(SLOTS, np.uint16))
        pools = {
            POOL: PoolSpec(POOL, SLOTS, reals, self.table),
            TRACKED_POOL: PoolSpec(
                TRACKED_POOL,
                SLOTS,
                tuple(replace(real, pool=TRACKED_POOL) for real in reals),
                self.tracked,
                self.period,
                self.spread,
            ),
            LAST_POOL: PoolSpec(
                LAST_POOL, SLOTS, (replace(reals[0], pool=LAST_POOL, fate=Fate.NORMAL),), end
            ),
        }
        return SwitchSpec(LB, tuple(vips), (*listeners, last), pools, pins=pins)

    def target(self) -> Target:
        return pipeline.target(self.duty())


def _pin(number: int, listener: ListenerSpec, key: PinKey, backend: int) -> PinSpec:
    found = Slotting.of(listener, SLOTS, "ovs-jenkins").slot(key.source, key.port)
    slot = None if listener.spread is Spread.OWN else found
    return PinSpec(number, listener.id, listener.protocol, key.source, key.port, backend, slot)


def table(chance: random.Random, moving: float = 0.0, empty: float = 0.0, watched: bool = False) -> SlotTable:
    """Random backends; some slots moving, some empty; ``watched``: about half of all pairs."""
    now = [0 if chance.random() < empty else chance.choice(BACKENDS) for _ in range(SLOTS)]
    before = [chance.choice(BACKENDS) if chance.random() < moving else 0 for _ in range(SLOTS)]
    pairs = [b << 16 | s for b in BACKENDS for s in range(SLOTS) if watched and chance.random() < 0.5]
    return SlotTable(np.array(now, np.uint16), np.array(before, np.uint16), np.array(pairs, np.uint32))


def tracked(chance: random.Random, number: int, settled: float = 0.3) -> SlotTable:
    """Random backends; most slots are in tracked time ``number``, some with a base, which is reported or not.

    A number that was there before is not used again here, as it is not before what has it is forgotten.
    """
    now = np.array([chance.choice(BACKENDS) for _ in range(SLOTS)], np.uint16)
    class_ = [0 if chance.random() < settled else number for _ in range(SLOTS)]
    bases = [chance.choice(BACKENDS) if one and chance.random() < 0.7 else 0 for one in class_]
    told = [chance.random() < 0.5 for _ in range(SLOTS)]
    pairs = [b << 16 | s for b in BACKENDS for s in range(SLOTS) if class_[s] and chance.random() < 0.3]
    own = [int(b) << 16 | s for s, b in enumerate(now) if class_[s] and chance.random() < 0.5]
    aged = np.array(sorted(own), np.uint32)
    former = np.array([pair for pair in pairs if now[pair & 0xFFFF] != pair >> 16], np.uint32)
    base = np.array([b if t else 0 for b, t in zip(bases, told, strict=True)], np.uint16)
    home = np.array([0 if t else b for b, t in zip(bases, told, strict=True)], np.uint16)
    return SlotTable(
        now,
        np.zeros(SLOTS, np.uint16),
        young=aged,
        class_=np.array(class_, np.uint16),
        base=base,
        home=home,
        former=former,
        aged=aged,
    )


def packets(chance: random.Random, scene: Scene) -> list[Packet]:
    """One packet of each client connection, in any order, then one that no stage drops."""
    found = []
    for vip in scene.vips():
        for n in range(1, CLIENTS + 1):
            source = ip_address(f"10.0.0.{n}" if vip.address.version == 4 else f"fd00::{n}")
            for port, protocol in PROTOCOLS.items():
                syn = protocol is Protocol.TCP and chance.random() < 0.5
                found.append(Packet(source, 40_000 + n, vip.address, port, protocol, syn))
    return chance.sample(found, len(found) * 3 // 4)


def aged(memory: Mapping[ConnectionKey, Remembered]) -> dict[ConnectionKey, Remembered]:
    """Memory when a generation of zones ends."""
    older = {Generation.NOW: Generation.BEFORE, Generation.NEW: Generation.NEW}
    return {key: found._replace(generation=older[found.generation]) for key, found in memory.items()}


def told(decision: Decision) -> Told:
    assert decision.backend is not None
    return Told(decision.backend, NO_SLOT if decision.slot is None else decision.slot)


def scenes(chance: random.Random) -> list[Scene]:
    """A life: quiet, moving slots, each fate, pins, all at once."""
    pins = {
        PinKey(
            1000 * vip + port, ip_address(f"{net}{n}"), 0 if port == STICKY else 40_000 + n
        ): chance.choice(BACKENDS)
        for vip, net in ((1, "10.0.0."), (2, "fd00::"))
        for n in range(1, 5)
        for port in PROTOCOLS
    }
    fates = {1: Fate.DRAIN, 2: Fate.MOVE, 3: Fate.RESET}
    quiet = table(chance)
    moving = table(chance, moving=0.5, empty=0.1, watched=True)
    follows = tracked(chance, 1, settled=0.0)
    again = replace(follows, now=np.roll(follows.now, 1))
    life = [
        Scene(moving, follows),
        Scene(quiet, follows),
        Scene(moving, again, period=2),
        Scene(moving, again, fates, period=3),
        Scene(table(chance, moving=0.2), again, fates, turned=True, period=4),
        Scene(
            table(chance, moving=0.2, watched=True),
            tracked(chance, 2),
            {4: Fate.MOVE, 5: Fate.DRAIN},
            pins,
            turned=True,
        ),
        Scene(moving, tracked(chance, 3), {6: Fate.RESET, 7: Fate.RESET, 8: Fate.MOVE}, pins, turned=True),
        Scene(
            table(chance, empty=0.5),
            tracked(chance, MIGRATED),
            {n: Fate.MOVE for n in BACKENDS if n % 2},
            turned=True,
        ),
        Scene(quiet, tracked(chance, MIGRATED), turned=True, period=6),
    ]
    return [*life, replace(life[-1], blocks=True)]


@pytest.fixture
def switch(make_lab: MakeLab) -> BareSwitch:
    lab = make_lab(TOPOLOGY)
    switch = lab.switches[SWITCH]
    assert isinstance(switch, OpenVSwitch)
    first = OpenFlowPlacement().zones_from
    zones = tuple(range(first, first + ZONES_PER_VIP * MOST_VIP))
    asyncio.run(timeouts.ensure(Ovsdb(switch.socket), [Timeouts(zones, REMEMBERED)]))
    return BareSwitch(lab, HERE)


_TOLD = (Kind.EXCEPTION, Kind.YOUNG, Kind.BASE, Kind.FORMER, Kind.AGED)


def reported(switch: BareSwitch) -> tuple[int, int]:
    """Packets of connections that want a pin, and of those to be reset, that the switch has seen."""
    cookie = HERE.placed.cookie
    resets = sum(switch.packets(cookie(Kind.RESET, backend)) for backend in BACKENDS)
    return sum(switch.packets(cookie(kind, pool)) for kind in _TOLD for pool in (POOL, TRACKED_POOL)), resets


@pytest.mark.parametrize(
    "spread",
    [pytest.param(each, marks=() if each is Spread.DATAPATH else pytest.mark.long) for each in Spread],
)
def test_a_live_switch_decides_and_reports_every_packet_as_the_oracle_says(
    switch: BareSwitch, spread: Spread
) -> None:
    chance = random.Random(7)
    state = LbState((), {})
    seen: Counter[DecidedBy] = Counter()
    exceptions = 0
    is_turned = False
    for scene in (replace(each, spread=spread) for each in scenes(chance)):
        switch.hold(scene.target())
        memory = state.memory if scene.turned == is_turned else aged(state.memory)
        is_turned = scene.turned
        state = replace(LbState.fresh(scene.duty()), pins=scene.pins, memory=memory)
        sent = packets(chance, scene)
        decisions = []
        for packet in sent:
            decisions.append(decide(packet, state))
            state = after(packet, state, decisions[-1])
        before = reported(switch)
        end = Packet(ip_address("10.0.0.99"), 99, scene.vips()[0].address, LAST, Protocol.UDP)
        found = switch.ask([whole(packet, n) for n, packet in enumerate(sent)], end)
        assert found == {n: told(d) for n, d in enumerate(decisions) if d.backend is not None}
        stages = Counter(decision.by for decision in decisions)
        watched = sum(decision.tell is not Tell.NOTHING for decision in decisions)
        now = reported(switch)
        assert (now[0] - before[0], now[1] - before[1]) == (watched, stages[DecidedBy.RESET])
        seen += stages
        exceptions += watched
    assert set(seen) == set(DecidedBy) - {DecidedBy.NO_LISTENER}
    assert exceptions
