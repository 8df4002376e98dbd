"""How many entries an intent needs in every bounded table of its switches, and how many there is room for. Pure.

What is reckoned is never less than what is planned for the same intent while nothing is broken: next hops of which
some are dead may need more groups, and backends that were removed keep their entries for as long as a switch may
remember them (``lingering``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from controller.spec.kinds import Protocol as Speaks
from controller.spec.types import Intent, Listener, Mode, Protocol, Role, Switch, Vip
from flows.tables import MOST_ACCESS, MOST_GUARDS, MOST_VIPS
from p4src.sizes import MOST_VIPS as MOST_P4_VIPS
from p4src.sizes import TABLES

_BUCKETS = 256
"""Entries of ``nexthop`` for each group."""
_LOCAL = 4
"""Local addresses that fullnat uses of each IP version."""
_FEWER_VIPS = "put several listeners under one vip, or give some VIPs to other switches"
_FEWER_BACKENDS = (
    "use fewer backends or listeners on this switch, or give some VIPs to another site's switches"
)
_FEWER_SLOTS = "lower max_backends of pools that have room to spare, or share one pool among listeners"
_FEWER_GUARDS = "guard fewer prefixes, or shorter ones that hold several"
_FEWER_RULES = "name fewer prefixes, or shorter ones that hold several"
_FEWER_LISTENERS = "give some listeners to other switches"
_FEWER_ROUTES = "route prefixes that hold several of them"


class Need(NamedTuple):
    """What one table of one switch has to hold."""

    switch: str
    table: str
    """Name of the P4 table, or ``meters``, ``VIPs`` or ``access`` of Open vSwitch."""
    need: int
    """Entries."""
    size: int
    """Entries that it holds at most."""
    right: str
    """What would make it less."""


def needs(intent: Intent, lingering: Mapping[str, int] | None = None) -> Iterator[Need]:
    """The needs of all tables of all switches.

    ``lingering``: how many removed backends of a pool switches still remember, by ``POOL/PROTOCOL``.
    """
    for switch in intent.switches:
        reckoning = _Reckoning(intent, switch, lingering or {})
        yield from _RECKONED[switch.of_kind.protocol](reckoning)


def too_much(intent: Intent, lingering: Mapping[str, int] | None = None) -> list[Need]:
    """Those needs that a switch has no room for."""
    return [need for need in needs(intent, lingering) if need.need > need.size]


class _Reckoning:
    """What a switch serves."""

    def __init__(self, intent: Intent, switch: Switch, lingering: Mapping[str, int]) -> None:
        self.intent = intent
        self.switch = switch
        self.is_lb = Role.LB in switch.roles
        self.is_edge = Role.EDGE in switch.roles
        self.vips: list[Vip] = [vip for vip in intent.vips if switch.site in vip.owners]
        self.listeners: list[Listener] = [item for vip in self.vips for item in vip.listeners]
        self._version = {vip.name: vip.address.version for vip in self.vips}
        self._pools = {pool.name: pool for pool in intent.pools}
        self._lingering = lingering

    def backends(self, *modes: Mode) -> int:
        """(listener, backend) pairs of listeners of some modes (none: of all)."""
        return sum(self._members(item) for item in self.listeners if not modes or item.mode in modes)

    def sessions(self) -> int:
        """What counts connections: openings and ends of each pair of TCP."""
        return 2 * sum(self._members(item) for item in self.listeners if item.protocol is Protocol.TCP)

    def pools(self) -> dict[str, Listener]:
        """One listener of each pool and protocol."""
        return {_key(item): item for item in self.listeners}

    def fates(self) -> int:
        """(pool, backend) pairs that may all drain or be down."""
        return sum(self._members(item) for item in self.pools().values())

    def slots(self) -> int:
        """Slots of all pools."""
        return sum(self._pools[item.pool].slots for item in self.pools().values())

    def guards(self) -> int:
        """Guards of single prefixes."""
        return sum(len(item.guard.prefixes) for item in self.listeners)

    def rules(self) -> int:
        """Prefixes of access lists."""
        return sum(len(vip.access_of(item)) for vip in self.vips for item in vip.listeners)

    def locals(self) -> int:
        """Local addresses of fullnat."""
        return _LOCAL * len({self._version[item.vip] for item in self.listeners if item.mode is Mode.FULLNAT})

    def groups(self) -> int:
        """Sets of ports among which traffic is spread."""
        ports: dict[str, list[int]] = {}
        for port in self.switch.ports:
            ports.setdefault(port.to, []).append(port.number)
        sets = {
            tuple(sorted(n for via in route.via for n in ports.get(via, ()))) for route in self.switch.routes
        }
        for item in self.pools().values():
            for real in self._pools[item.pool].backends:
                names = dict.fromkeys(name for name in (real.at, real.name) if name)
                sets.add(tuple(n for name in names for n in ports.get(name, ())))
        return 1 + len(sets)

    def elsewhere(self) -> int:
        """Servers at other switches, in a fabric of several sites; of an lb switch, those behind no port."""
        if len(self.intent.sites) == 1:
            return 0
        near = {port.to for port in self.switch.ports} if self.is_lb else set()
        away = {other.name for other in self.intent.switches} - near - {self.switch.name}
        return len({real.name for pool in self.intent.pools for real in pool.backends if real.at in away})

    def _members(self, item: Listener) -> int:
        return len(self._pools[item.pool].backends) + self._lingering.get(_key(item), 0)


def _key(item: Listener) -> str:
    return f"{item.pool}/{item.protocol}"


def _openflow(of: _Reckoning) -> Iterator[Need]:
    yield Need(of.switch.name, "VIPs", len(of.intent.vips), MOST_VIPS, _FEWER_VIPS)
    if of.is_lb:
        # Numbers of meters are given out once for all switches, so those of other sites count as well.
        items = of.intent.listeners()
        guards = sum((item.guard.rate is not None) + len(item.guard.prefixes) for item in items)
        yield Need(of.switch.name, "meters", guards, MOST_GUARDS, _FEWER_GUARDS)
        yield Need(of.switch.name, "access", of.rules(), MOST_ACCESS, _FEWER_RULES)


def _p4(of: _Reckoning) -> Iterator[Need]:
    name = of.switch.name
    yield Need(name, "authority", len(of.intent.vips), MOST_P4_VIPS, _FEWER_VIPS)
    for table, need, right in (*_forwarding(of), *(_balancing(of) if of.is_lb else _spreading(of))):
        yield Need(name, table, need, TABLES[table], right)


def _forwarding(of: _Reckoning) -> Iterator[tuple[str, int, str]]:
    """What every P4 switch holds, whatever its role."""
    switch = of.switch
    bypass = next((site.bypass for site in of.intent.sites if site.name == switch.site), ())
    yield "nexthop", _BUCKETS * of.groups(), "let more routes and backends share the same ports"
    yield "address", len(switch.routes), _FEWER_ROUTES
    here = sum(route.mac is not None for route in switch.routes)
    yield "frame", here + of.elsewhere(), _FEWER_ROUTES
    yield "neighbour", len(switch.ports), "connect fewer ports"
    yield "segment", len(switch.ports), "connect fewer ports"
    yield "bypass", len(bypass), "bypass shorter prefixes that hold several"
    yield "answer", of.backends(Mode.NAT), _FEWER_BACKENDS


def _balancing(of: _Reckoning) -> Iterator[tuple[str, int, str]]:
    """What an lb switch holds."""
    yield "vip", len(of.vips) + of.locals(), _FEWER_VIPS
    yield "local_address", of.locals(), _FEWER_VIPS
    yield "listener", len(of.listeners), _FEWER_LISTENERS
    rates = sum(item.guard.rate is not None for item in of.listeners)
    yield "guard_listener", rates, _FEWER_GUARDS
    yield "guard_source", of.guards(), _FEWER_GUARDS
    yield "guard_over", rates + of.guards(), _FEWER_GUARDS
    yield "access", of.rules(), _FEWER_RULES
    yield "backend", of.backends(), _FEWER_BACKENDS
    yield "session", of.sessions(), _FEWER_BACKENDS
    yield "answer_local", of.backends(Mode.FULLNAT), _FEWER_BACKENDS
    yield "fate", of.fates(), _FEWER_BACKENDS
    yield "slot", of.slots(), _FEWER_SLOTS


def _spreading(of: _Reckoning) -> Iterator[tuple[str, int, str]]:
    """What an edge holds that is no lb switch."""
    if of.is_edge:
        yield "vip", len(of.vips), _FEWER_VIPS
        yield "listener", len(of.listeners), _FEWER_LISTENERS


_RECKONED: Mapping[Speaks, Callable[[_Reckoning], Iterator[Need]]] = {
    Speaks.OPENFLOW: _openflow,
    Speaks.P4RUNTIME: _p4,
}
