"""What one switch has to know, whatever it speaks: numbers and addresses of VIPs, listeners, pools and pins.

The planner fills these from intent, health and the numbers it has given out; ``flows`` makes OpenFlow of them,
``p4src`` table entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from controller.spec.access import OPEN, Access
from controller.spec.slots import SlotTable
from controller.spec.spread import Spread
from controller.spec.types import Address, Mode, Network, Protocol, Switch

STICKY_PORT = 1
"""Stands in for the source port while a sticky connection is looked up and remembered; the pool's number stands in
for the destination port, so that two pools behind one VIP keep separate memories of a source."""


SETTLED = 0
"""The class of a slot that is not tracked, and of what a switch remembers whatever the slot."""
CLASSES = 3
"""Tracked times of a slot are numbered 1, 2, 3, 1, ...: a connection that was remembered in another one is not
believed."""
MIGRATED = CLASSES + 1
"""The class of slots that moved while switches still remembered every connection, and of no other time: what was
remembered then has no class, and is believed."""
PERIODS = 8
"""Halves of a pool's ``transition`` are numbered modulo this; memory says in which one a connection was opened."""
YOUNG_PERIODS = 3
"""Periods, the present one among them, in which a connection was opened that is not older than ``transition``."""


class Fate(Enum):
    """What becomes of packets that memory or a pin gives to a backend."""

    NORMAL = "normal"
    DRAIN = "drain"
    """SYNs are new connections, the rest stays."""
    MOVE = "move"
    """Decide again."""
    RESET = "reset"
    """Tell the controller, which resets the connection."""


@dataclass(frozen=True)
class VipSpec:
    """A VIP on a switch."""

    id: int
    address: Address
    mac: str
    authority: int
    """Seconds until answers stop if not renewed; 0: this site is not the owner."""
    generation: int = 0
    """How often the time that its connections are remembered has passed since the epoch."""


@dataclass(frozen=True)
class GuardSpec:
    """A limit on new connections and the sources it is for; no prefix: all of them."""

    number: int
    """Among all guards, from 1."""
    rate: int
    """Packets per second."""
    prefix: Network | None = None


@dataclass(frozen=True)
class ListenerSpec:
    """A listener on a switch."""

    id: int
    vip: VipSpec
    protocol: Protocol
    port: int
    backend_port: int
    pool: int
    mode: Mode
    sticky: bool
    guards: tuple[GuardSpec, ...] = ()
    remembers: bool = True
    """Every connection, whatever its slot; else those of tracked slots alone."""
    local: Address | None = None
    """Fullnat: the source address that is this listener's alone on this switch; None: its ranges are too small."""
    spread: Spread = Spread.OWN
    """Of its connections over slots; ``OWN`` where it remembers all."""
    slots: int = 0
    """Of its pool, where ``spread`` is another than ``OWN``."""
    access: Access = OPEN
    """Sources that it serves."""


@dataclass(frozen=True)
class BackendSpec:
    """A backend of a pool as one switch reaches it."""

    id: int
    pool: int
    addresses: tuple[Address, ...]
    mac: str | None
    """Where frames for it go: its own MAC or the gateway's; None: others decide."""
    ports: tuple[int, ...]
    """Ports that lead to it; none: others forward."""
    fate: Fate = Fate.NORMAL

    def address(self, version: int) -> Address | None:
        """Its address of a family, if it has one."""
        return next((a for a in self.addresses if a.version == version), None)


@dataclass(frozen=True)
class PoolSpec:
    """A pool on a switch."""

    id: int
    slots: int
    backends: tuple[BackendSpec, ...]
    table: SlotTable
    period: int = 0
    """Half of the pool's ``transition`` that goes on now, 0 to ``PERIODS`` - 1."""
    spread: Spread = Spread.OWN
    """Of the connections of listeners that do not remember all."""


@dataclass(frozen=True)
class Uplink:
    """An lb switch as an edge sees it."""

    port: int
    admitted: bool
    """Audited and holding its pins."""


FALLBACKS = 8
"""Ways of an edge that begin with the same uplink: so many others share its load when it is gone."""


class Way(NamedTuple):
    """An order in which an edge prefers its uplinks."""

    id: int
    """The first port times ``FALLBACKS``, and more: it begins with that uplink, whatever others come or go."""
    ports: tuple[int, ...]
    """Of all uplinks, admitted or not."""


@dataclass(frozen=True)
class Ecmp:
    """How an edge that hashes into slots spreads packets over its uplinks."""

    ways: tuple[Way, ...] = ()
    slots: tuple[int, ...] = ()
    """Way per slot, by id; empty: there are no uplinks."""


NO_ECMP = Ecmp()


class PinRole(Enum):
    """What a switch does for a pin."""

    REPORTER = "reporter"
    SIBLING = "sibling"


@dataclass(frozen=True)
class PinSpec:
    """One pinned connection (port 0: all of a source's, with affinity ``source``)."""

    id: int
    listener: int
    protocol: Protocol
    source: Address
    port: int
    backend: int
    slot: int | None = None
    """Of its connection, where its listener's ``spread`` is another than ``OWN``."""


class HeldPin(NamedTuple):
    """A pin as one switch holds it."""

    spec: PinSpec
    role: PinRole
    idle: int
    """Seconds without a packet after which its reporter ends it."""


@dataclass(frozen=True)
class SwitchSpec:
    """Everything one switch has to know."""

    switch: Switch
    vips: tuple[VipSpec, ...]
    listeners: tuple[ListenerSpec, ...]
    pools: Mapping[int, PoolSpec]
    uplinks: tuple[Uplink, ...] = ()
    ecmp: Ecmp = NO_ECMP
    pins: tuple[HeldPin, ...] = ()
    bypass: tuple[Network, ...] = ()
    responder: bool = False
    """Whether this switch answers ARP/ND for its segment."""


def pools_alone(old: SwitchSpec, new: SwitchSpec) -> bool:
    """Whether two duties of a switch differ in their pools alone, and have the same ones."""
    return (
        old.vips is new.vips
        and old.listeners is new.listeners
        and old.pins is new.pins
        and (old.uplinks, old.bypass, old.responder) == (new.uplinks, new.bypass, new.responder)
        and old.ecmp is new.ecmp
        and (old.switch.roles, old.switch.fence) == (new.switch.roles, new.switch.fence)
        and old.pools.keys() == new.pools.keys()
    )


class Timeouts(NamedTuple):
    """Conntrack zones of a VIP and how long they must remember."""

    zones: tuple[int, ...]
    seconds: int
