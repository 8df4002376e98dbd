"""What an lb switch knows when it decides: its listeners, tables and pins, and what it remembers. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from controller.plan.pins import PinKey
from controller.spec.slots import Pairs, SlotTable
from controller.spec.switch import (
    PERIODS,
    SETTLED,
    STICKY_PORT,
    YOUNG_PERIODS,
    Fate,
    ListenerSpec,
    SwitchSpec,
)
from controller.spec.types import Address, Protocol

MAX_PORT = 65_535


class Generation(StrEnum):
    """Where a switch remembers a connection; see ``flows/stages/memory.py``."""

    NOW = "now"
    BEFORE = "before"
    NEW = "new"
    """Embryonic: only its first packet was seen."""


@dataclass(frozen=True)
class Packet:
    """What a decision depends on. Raises ValueError for what cannot be a packet."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int
    protocol: Protocol
    syn: bool = False
    """A bare SYN: set without ACK."""

    def __post_init__(self) -> None:
        if self.source.version != self.destination.version:
            raise ValueError(f"{self.source} and {self.destination} are not of one IP version")
        for port in (self.source_port, self.destination_port):
            if not 0 <= port <= MAX_PORT:
                raise ValueError(f"port {port} is not from 0 to {MAX_PORT}")
        if self.syn and self.protocol is not Protocol.TCP:
            raise ValueError(f"{self.protocol} has no SYN")


class ConnectionKey(NamedTuple):
    """A connection as memory tells it from others: the 5-tuple with the VIP by its id."""

    vip: int
    protocol: Protocol
    source: Address
    source_port: int
    port: int


class Remembered(NamedTuple):
    """What memory holds of a connection."""

    backend: int
    slot: int
    """The slot it had when it was decided."""
    generation: Generation = Generation.NOW
    class_: int = SETTLED
    """The tracked time of that slot; ``SETTLED`` where the listener's connections are all remembered."""
    period: int = 0
    """Half of the pool's ``transition`` in which it was decided."""
    opened: bool = True
    """By a SYN, or where nothing else was to be known; else it was found, and given to the slot's base."""


@dataclass(frozen=True)
class LbPool:
    """A pool on the switch. Raises ValueError when the number of slots is no power of two up to 65,536."""

    table: SlotTable
    fates: Mapping[int, Fate] = field(default_factory=dict)
    """Fate of each of its backends, by id. What is remembered of any other is forgotten."""
    names: Mapping[int, str] = field(default_factory=dict)
    """What to call a backend id in reasons."""
    period: int = 0
    """See ``PoolSpec``."""

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= 1 << 16 or self.slots & (self.slots - 1):
            raise ValueError(f"a pool of {self.slots} slots; it must be a power of two up to 65,536")

    @property
    def slots(self) -> int:
        """M."""
        return len(self.table.now)

    def name(self, backend: int) -> str:
        """How reasons call a backend."""
        return self.names.get(backend, f"backend {backend}")

    def class_of(self, slot: int) -> int:
        """The tracked time that a slot is in, or ``SETTLED``."""
        return _at(self.table.class_, slot)

    def base(self, slot: int) -> int:
        """Who gets what is not remembered on a tracked slot and opens nothing, and is reported; 0: see ``home``."""
        return _at(self.table.base, slot)

    def home(self, slot: int) -> int:
        """The same where it is not reported; 0: see ``base``."""
        return _at(self.table.home, slot)

    def old(self, period: int) -> bool:
        """Whether what was decided in a period is older than the pool's ``transition``."""
        return (self.period - period) % PERIODS >= YOUNG_PERIODS

    def watches(self, backend: int, slot: int) -> bool:
        """Whether connections remembered like this are exceptions, which have to be reported."""
        return _among(self.table.watched, backend, slot)

    def young(self, backend: int, slot: int) -> bool:
        """Whether they are those of the new backend of a slot that moves, which have to be reported too."""
        return _among(self.table.young, backend, slot)

    def former(self, backend: int, slot: int) -> bool:
        """Whether they are of a former owner of a tracked slot: reported, SYNs among them."""
        return _among(self.table.former, backend, slot)

    def aged(self, backend: int, slot: int) -> bool:
        """Whether those that are old are reported, SYNs among them."""
        return _among(self.table.aged, backend, slot)


def _at(column: npt.NDArray[np.uint16], slot: int) -> int:
    return int(column[slot]) if slot < len(column) else 0


def _among(pairs: Pairs, backend: int, slot: int) -> bool:
    pair = np.uint32(backend << 16 | slot)
    at = int(np.searchsorted(pairs, pair))
    return at < len(pairs) and bool(pairs[at] == pair)


@dataclass(frozen=True)
class LbState:
    """All of an lb switch that a decision depends on."""

    listeners: tuple[ListenerSpec, ...]
    pools: Mapping[int, LbPool]
    pins: Mapping[PinKey, int] = field(default_factory=dict)
    """Backend per pin."""
    memory: Mapping[ConnectionKey, Remembered] = field(default_factory=dict)
    hash_name: str = "ovs-jenkins"
    """Which of ``SLOT_HASHES`` the switch computes."""

    @staticmethod
    def fresh(duty: SwitchSpec, names: Mapping[int, str] | None = None) -> LbState:
        """A switch that holds what it should and has seen no connection; ``names`` of backend ids."""
        pools = {
            pool.id: LbPool(
                pool.table, {real.id: real.fate for real in pool.backends}, names or {}, pool.period
            )
            for pool in duty.pools.values()
        }
        return LbState(duty.listeners, pools, hash_name=duty.switch.hash_name)


def listener_of(packet: Packet, state: LbState) -> ListenerSpec | None:
    """The listener that claims a packet, if one does."""
    for listener in state.listeners:
        wanted = (listener.vip.address, listener.protocol, listener.port)
        if wanted == (packet.destination, packet.protocol, packet.destination_port):
            return listener
    return None


def connection_key(packet: Packet, listener: ListenerSpec) -> ConnectionKey:
    """The key under which memory holds a packet's connection; with affinity ``source``, its source."""
    ports = (packet.source_port, packet.destination_port)
    if listener.sticky:
        ports = (STICKY_PORT, listener.pool)
    return ConnectionKey(listener.vip.id, packet.protocol, packet.source, *ports)
