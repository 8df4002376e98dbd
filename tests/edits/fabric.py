"""Established connections, lb switches with memories, and a controller that plans: what an edit does to them.

Switches are the oracle's (``controller.decision``) with Open vSwitch's generations of memory and conntrack's timers.
Each connection meets one lb switch, which changes now and then. A connection that is judged must reach the server that
it was opened to, for as long as that server is a member of its listener's pool, and from then on for ``drain_timeout``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import ip_address
from random import Random
from typing import TypeVar

from controller.decision import Decision, Tell, after, decide
from controller.lbstate import LbState, Packet, listener_of
from controller.model.removal import removes_all
from controller.plan import history
from controller.plan.accept import accept, switch_renames
from controller.plan.duty import PlanInput, duty, kept_backends, world_of
from controller.plan.edits import breaking
from controller.plan.ids import IdAllocator, Space
from controller.plan.pins import PinBook, PinKey
from controller.plan.progress import advance, deadline
from controller.plan.tables import Retained, Tables, Verdicts, later
from controller.plan.turns import Turn
from controller.spec.codec import decode, encode
from controller.spec.types import Address, Intent, Pool, Protocol, Role, Switch
from tests.conformance.ageing import OneWay
from tests.conformance.moment import Moment

_T = TypeVar("_T")
SILENT = 0.9
"""Share of ``memory_timeout`` for which a connection is silent at most."""


@dataclass
class Connection:
    """One that was established."""

    source: Address
    port: int
    vip: Address
    protocol: Protocol
    to_port: int
    backend: str
    opened: float
    spoke: float
    silence: float
    """Seconds that it may be silent, as of its last packet."""
    address: Address | None = None
    """Of its server: the machine."""
    left: float | None = None
    """Since when its server is no normal member of its listener's pool."""
    grace: float = float("inf")
    """The shortest ``drain_timeout`` that held since then."""

    def packet(self, *, syn: bool = False) -> Packet:
        """The next packet of the client."""
        return Packet(
            self.source,
            self.port,
            self.vip,
            self.to_port,
            self.protocol,
            syn and self.protocol is Protocol.TCP,
        )


class Moved(AssertionError):
    """A connection reached another server, or none."""


class Fabric:
    """A controller's planner, and what it plans for. Time is a number of its own."""

    def __init__(self, random: Random, intent: Intent) -> None:
        self.random = random
        self.intent = intent
        self.now = 1000.0
        self.tables = advance(Tables(), intent, {}, self.now)
        self.verdicts: Verdicts = {}
        self.pins = PinBook()
        self.connections: list[Connection] = []
        self.log: list[str] = []
        self.refused = 0
        self.judged = 0
        self._number = 0
        self._states: dict[int, LbState] = {}
        self._ageing: dict[int, OneWay] = {}
        self._put()

    # -- what an operator does ----------------------------------------------------------------------------------

    def edit(self, name: str, new: Intent) -> None:
        """Propose another intent, as the controller takes it."""
        why = removes_all(self.intent, new) + breaking(self.intent, new, self.tables)
        self.log.append(f"{self.now:.1f} {name}{' REFUSED' if why else ''}")
        if why:
            self.refused += 1
            return
        for old, renamed in switch_renames(self.intent, new).items():
            self.pins.switch_lost(old, [renamed])
        self.tables = accept(self.tables, self.intent, new, self.now)
        self.intent = new
        self._advance()
        self._watch_members()

    def restart(self, boot: float) -> None:
        """The controller is away and returns, in the same boot (0) or in one whose clock is ``boot`` seconds off."""
        away = self.random.choice((0.5, 5.0, 30.0))
        self.log.append(f"{self.now:.1f} restart after {away:g} s, clock {boot:+g} s")
        kept = stored(self.tables)
        end = self.now + away
        for connection in list(self.connections):
            if connection.spoke + connection.silence < end + 1.0:
                self._talk(connection)
        self.now = end
        restored = restored_tables(kept)
        # In another boot the clock counts from elsewhere: what had been stored is moved by the difference since.
        self.tables = later(restored, away) if boot else restored
        for ageing in self._ageing.values() if boot else ():
            # Then a generation lasts longer than its entries may: what a reboot that takes long costs is left out.
            ageing.later(away)
        self.pins = _adopted(self.pins)
        self._advance()

    def lb_forgets(self, *, settled: bool) -> None:
        """An lb switch loses its memory, once every connection was heard; ``settled``: and no slot moves."""
        if settled:
            self._settle()
        for connection in list(self.connections):
            self._talk(connection)
        number = self.random.choice(list(self._states))
        self.log.append(f"{self.now:.1f} switch {number:#x} loses its memory")
        self._states[number] = replace(self._states[number], memory={})
        self._ageing[number] = OneWay()
        self._put()
        for connection in list(self.connections):
            self._talk(connection)

    def open(self, count: int) -> None:
        """Clients open connections."""
        listeners = [(vip, item) for vip in self.intent.vips for item in vip.listeners]
        for _ in range(count if listeners else 0):
            vip, item = self.random.choice(listeners)
            self._number += 1
            source = ip_address(f"192.0.2.{self._number % 200 + 1}")
            made = Connection(
                source, 1024 + self._number, vip.address, item.protocol, item.port, "", self.now, 0, 0
            )
            found = self._meet(made, syn=True)
            if found.backend is None:
                continue
            made.backend, made.address = self._name(found.backend), self._address(made, found.backend)
            # Datagrams have no SYN: on a slot that moves, new ones meet a backend that drains already.
            if self._normal(made):
                self.connections.append(made)
                self._talk(made)
        self._watch_members()

    def wait(self, seconds: float) -> None:
        """Time passes; every connection speaks before it has been silent for too long."""
        end = self.now + seconds
        while self.now < end:
            due = deadline(self.tables, self.intent, self.verdicts, self.now)
            speaks = min((c.spoke + c.silence for c in self.connections), default=end)
            self.now = max(self.now, min(x for x in (end, due, speaks) if x is not None))
            self._advance()
            for connection in list(self.connections):
                if connection.spoke + connection.silence <= self.now:
                    self._talk(connection)

    # -- inside -------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Until no slot moves."""
        while any(pool.moving for pool in self.tables.pools.values()):
            self.wait(2.0)

    def _advance(self) -> None:
        self.tables = advance(self.tables, self.intent, self.verdicts, self.now)
        self._put()

    def _world(self) -> Moment:
        owners = {vip.name: "east" for vip in self.intent.vips}
        made = world_of(self.intent, self.tables, self.pins, frozenset(), owners)
        return Moment(**vars(made), now=self.now)

    def _put(self) -> None:
        world = self._world()
        kept = kept_backends(world)
        self.pins.drop([k for k, p in self.pins.pins.items() if p.backend not in kept.get(k.listener, ())])
        lbs = {s.id: s for s in self.intent.switches if Role.LB in s.roles}
        for number in self._states.keys() - lbs.keys():
            del self._states[number], self._ageing[number]
        for number, switch in lbs.items():
            self._states[number] = self._state(world, switch)

    def _state(self, world: PlanInput, switch: Switch) -> LbState:
        ageing = self._ageing.setdefault(switch.id, OneWay())
        old = self._states.get(switch.id)
        memory = ageing.passes({} if old is None else old.memory, self._world())
        pins = {key: pin.backend for key, pin in self.pins.pins.items()}
        return replace(LbState.fresh(duty(world, switch)), pins=pins, memory=memory)

    def _meet(self, connection: Connection, *, syn: bool = False) -> Decision:
        """The connection's lb switch decides."""
        lbs = sorted(self._states)
        number = lbs[(connection.port + int(connection.source)) % len(lbs)]
        state, packet = self._states[number], connection.packet(syn=syn)
        decision = decide(packet, state)
        self._states[number] = after(packet, state, decision)
        listener = listener_of(packet, state)
        if decision.tell and listener and decision.backend is not None:
            key = PinKey(listener.id, packet.source, 0 if listener.sticky else packet.source_port)
            name = next(s.name for s in self.intent.switches if s.id == number)
            if decision.tell is Tell.FOUND and key in self.pins.pins:
                return decision
            if self.pins.report(name, key, packet.protocol, decision.backend):
                self._put()
        return decision

    def _talk(self, connection: Connection) -> None:
        decision = self._meet(connection)
        found = None if decision.backend is None else self._name(decision.backend)
        if self._may_leave(connection):
            self.connections.remove(connection)
            return
        self.judged += 1
        machine = None if decision.backend is None else self._address(connection, decision.backend)
        if (found, machine) != (connection.backend, connection.address):
            reasons = "\n    ".join(decision.reasons)
            told = "\n  ".join(self.log)
            raise Moved(
                f"{connection} went to {found}, {machine}, at {self.now:.1f}\n    {reasons}\n  {told}"
            )
        connection.spoke, connection.silence = self.now, SILENT * self._memory(connection)

    def _name(self, number: int) -> str:
        return self.tables.ids.name(Space.BACKEND, number) or f"id {number}"

    def _address(self, connection: Connection, number: int) -> Address | None:
        """Where a connection's listener has a backend."""
        world = self._world()
        for vip in world.intent.vips:
            for item in vip.listeners:
                key = (vip.address, item.protocol, item.port)
                if key == (connection.vip, connection.protocol, connection.to_port):
                    members = world.pools[world.state_key(item)].members
                    return next((m.backend.addresses[0] for m in members if m.id == number), None)
        return None

    def _memory(self, connection: Connection) -> float:
        """A longer memory holds from the next generation on."""
        pool = self._pool(connection)
        vip = next((v.name for v in self.intent.vips if v.address == connection.vip), "")
        if pool is None or vip not in self.tables.turns:
            return 10.0
        return min(pool.memory_timeout, self.tables.turns[vip].period)

    def _pool(self, connection: Connection) -> Pool | None:
        for vip in self.intent.vips:
            for item in vip.listeners:
                key = (vip.address, item.protocol, item.port)
                if key == (connection.vip, connection.protocol, connection.to_port):
                    return self.intent.pool(item.pool)
        return None

    def _watch_members(self) -> None:
        """Since when a connection's server is no normal member of its pool any more."""
        # What was given up once does not come back because its server does.
        self.connections = [c for c in self.connections if not self._may_leave(c)]
        shortest = min((p.drain_timeout for p in self.intent.pools), default=0.0)
        for connection in self.connections:
            if self._normal(connection):
                connection.left, connection.grace = None, float("inf")
                continue
            connection.left = self.now if connection.left is None else connection.left
            connection.grace = min(connection.grace, shortest, self._former_drain(connection))

    def _normal(self, connection: Connection) -> bool:
        pool = self._pool(connection)
        reals = () if pool is None else pool.backends
        return any(b.name == connection.backend and not b.drain and b.weight for b in reals)

    def _former_drain(self, connection: Connection) -> float:
        return min((p.drain_timeout for p in self.tables.former.values()), default=float("inf"))

    def _may_leave(self, connection: Connection) -> bool:
        return connection.left is not None and self.now >= connection.left + connection.grace


def stored(tables: Tables) -> dict[str, object]:
    """What the store would hold."""
    return {
        "ids": tables.ids.dump(),
        "pools": {key: history.dump(state) for key, state in tables.pools.items()},
        "bound": json.dumps(encode(tables.bound)),
        "retained": json.dumps(encode(tables.retained)),
        "former": json.dumps(encode(tables.former)),
        "turns": json.dumps(encode(tables.turns)),
        "writers": json.dumps(encode(tables.writers)),
    }


def restored_tables(kept: dict[str, object]) -> Tables:
    """The tables that were stored."""
    pools, ids = kept["pools"], kept["ids"]
    assert isinstance(pools, dict)
    assert isinstance(ids, str)
    return Tables(
        IdAllocator.load(ids),
        {key: history.load(data) for key, data in pools.items()},
        _each(str, kept["bound"]),
        _each(Retained, kept["retained"]),
        _each(Pool, kept["former"]),
        _each(Turn, kept["turns"]),
        _each(str, kept["writers"]),
    )


def _each(kind: type[_T], text: object) -> dict[str, _T]:
    assert isinstance(text, str)
    return {name: decode(kind, each) for name, each in json.loads(text).items()}


def _adopted(book: PinBook) -> PinBook:
    """The pins that a new controller finds on switches."""
    made = PinBook()
    for pin in book.pins.values():
        made.adopt(pin.id, pin.key, pin.protocol, pin.backend, pin.reporter)
    return made
