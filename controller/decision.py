"""The oracle: which backend a packet gets on an lb switch, and why, as the pipeline in ``flows`` decides it.

    pin ─► memory ─► fate ─► slot (with transition) ─► commit

A pin outranks memory and both outrank the slot; what the named backend's fate makes of that is judged after
them. Guards are left out: a packet that a meter drops is not decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from controller.hashes import SLOT_HASHES
from controller.plan.pins import PinKey
from controller.spec.slots import Pairs, SlotTable
from controller.spec.switch import STICKY_PORT, Fate, ListenerSpec, SwitchSpec
from controller.spec.types import Address, Protocol

MAX_PORT = 65_535


class DecidedBy(StrEnum):
    """The stage whose word counted, or why there is no backend."""

    PIN = "pin"
    MEMORY = "memory"
    TRANSITION = "transition"
    """The slot's former backend, for a packet that opens no connection and is neither pinned nor remembered."""
    SLOT = "slot"
    NO_LISTENER = "no listener"
    NO_BACKEND = "no backend"
    """The slot is empty: dropped."""
    RESET = "reset"
    """Dropped, and reported so that the controller resets the connection."""


class Generation(StrEnum):
    """Where a switch remembers a connection; see ``flows/stages/memory.py``."""

    NOW = "now"
    BEFORE = "before"
    NEW = "new"
    """Embryonic: only its first packet was seen."""


class Remember(StrEnum):
    """What the packet does to the switch's memory."""

    NOTHING = "nothing"
    KEPT = "kept"
    """The entry that was found stays (and moves to the current generation, where it has to)."""
    NEW = "new"
    """An embryonic entry is made."""
    OVERWRITTEN = "overwritten"
    """The decision replaces whatever was remembered, at once in the current generation."""


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


@dataclass(frozen=True)
class LbPool:
    """A pool on the switch. Raises ValueError when the number of slots is no power of two up to 65,536."""

    table: SlotTable
    fates: Mapping[int, Fate] = field(default_factory=dict)
    """Fate of each of its backends, by id. What is remembered of any other is forgotten."""
    names: Mapping[int, str] = field(default_factory=dict)
    """What to call a backend id in reasons."""

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

    def watches(self, backend: int, slot: int) -> bool:
        """Whether connections remembered like this are exceptions, which have to be reported."""
        return _among(self.table.watched, backend, slot)

    def young(self, backend: int, slot: int) -> bool:
        """Whether they are those of the new backend of a slot that moves, which have to be reported too."""
        return _among(self.table.young, backend, slot)


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
            pool.id: LbPool(pool.table, {real.id: real.fate for real in pool.backends}, names or {})
            for pool in duty.pools.values()
        }
        return LbState(duty.listeners, pools, hash_name=duty.switch.hash_name)


@dataclass(frozen=True)
class Decision:
    """What becomes of a packet."""

    backend: int | None
    """Backend id; None: the packet goes to none."""
    by: DecidedBy
    slot: int | None = None
    """The slot that was looked up or, with memory, remembered; None: there was none to look at."""
    exception: bool = False
    """The switch reports the connection: it is remembered for a backend that its slot no longer names."""
    remember: Remember = Remember.NOTHING
    reasons: tuple[str, ...] = ()
    """One per stage that was asked: its name, and what it found."""
    young: bool = False
    """The switch reports the connection: it is remembered for the backend to which its slot moves."""


def decide(packet: Packet, state: LbState) -> Decision:
    """Return what an lb switch in ``state`` does with ``packet``.

    Raises KeyError when the packet's listener names a pool that ``state`` does not have, or when its hash is unknown.
    """
    listener = listener_of(packet, state)
    if listener is None:
        to = _endpoint(packet.destination, packet.destination_port)
        return Decision(None, DecidedBy.NO_LISTENER, reasons=(f"listener: none for {packet.protocol} {to}",))
    pool = state.pools[listener.pool]
    reasons = [f"listener: id {listener.id}, pool id {listener.pool}, mode {listener.mode}"]
    recalled = _recall(packet, listener, pool, state, reasons)
    decision = None if recalled is None else _fate(packet, listener, pool, recalled, reasons)
    if decision is None:
        decision = _choose(packet, listener, state, recalled, reasons)
    return replace(decision, reasons=tuple(reasons))


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


def after(packet: Packet, state: LbState, decision: Decision) -> LbState:
    """The switch's state once it has dealt with the packet as decided: memory may have changed."""
    listener = listener_of(packet, state)
    if listener is None or decision.remember is Remember.NOTHING:
        return state
    key = connection_key(packet, listener)
    if decision.remember is Remember.KEPT:
        entry = state.memory[key]
        if entry.generation is Generation.BEFORE or not packet.syn:
            entry = entry._replace(generation=Generation.NOW)
    else:
        assert decision.backend is not None
        assert decision.slot is not None
        generation = Generation.NEW if decision.remember is Remember.NEW else Generation.NOW
        entry = Remembered(decision.backend, decision.slot, generation)
    return replace(state, memory={**state.memory, key: entry})


@dataclass(frozen=True)
class _Recalled:
    """What pin or memory said."""

    backend: int
    by: DecidedBy
    slot: int | None


def _recall(
    packet: Packet, listener: ListenerSpec, pool: LbPool, state: LbState, reasons: list[str]
) -> _Recalled | None:
    # The listener stage hides a sticky connection's ports before the pin stage looks.
    port = STICKY_PORT if listener.sticky else packet.source_port
    for key in (PinKey(listener.id, packet.source, port), PinKey(listener.id, packet.source, 0)):
        pinned = state.pins.get(key)
        if pinned is not None and key.port and packet.syn:
            reasons.append("pin: of a connection that is over, since this packet opens one; retracted")
        elif pinned is not None:
            whose = "this connection" if key.port else "all of this source"
            reasons.append(f"pin: {whose} is pinned to {pool.name(pinned)}")
            return _Recalled(pinned, DecidedBy.PIN, None)
    reasons.append("pin: none")
    found = state.memory.get(connection_key(packet, listener))
    if found is None:
        reasons.append("memory: nothing remembered")
        return None
    where = {
        Generation.NOW: "",
        Generation.BEFORE: ", from the generation before; copied into this one",
        Generation.NEW: ", embryonic" if packet.syn else ", embryonic; promoted by this packet",
    }[found.generation]
    reasons.append(f"memory: {pool.name(found.backend)} from slot {found.slot}{where}")
    return _Recalled(found.backend, DecidedBy.MEMORY, found.slot)


def _fate(
    packet: Packet, listener: ListenerSpec, pool: LbPool, recalled: _Recalled, reasons: list[str]
) -> Decision | None:
    """What the named backend's fate makes of it; None: decide again."""
    name = pool.name(recalled.backend)
    fate = pool.fates.get(recalled.backend)
    if fate is None:
        reasons.append(f"fate: {name} is none of this pool's backends; forgotten, decide again")
        return None
    pinned = recalled.by is DecidedBy.PIN
    if fate is Fate.MOVE:
        reasons.append(f"fate: {name} gives its connections away; decide again")
        return None
    if fate is Fate.RESET and packet.syn:
        reasons.append(f"fate: {name} has its connections reset, but this packet opens one; decide again")
        return None
    if fate is Fate.DRAIN and packet.syn and not listener.sticky:
        reasons.append(f"fate: {name} drains, and this packet opens a connection; decide again")
        return None
    remember = Remember.NOTHING if pinned else Remember.KEPT
    if fate is Fate.RESET:
        reasons.append(f"fate: {name} has its connections reset; dropped and reported")
        return Decision(None, DecidedBy.RESET, recalled.slot, remember=remember)
    if fate is Fate.DRAIN:
        reasons.append(f"fate: {name} drains and keeps what it has")
    exception = young = False
    if recalled.slot is not None and not packet.syn:
        exception = pool.watches(recalled.backend, recalled.slot)
        young = pool.young(recalled.backend, recalled.slot)
    if exception:
        reasons.append(f"fate: an exception, slot {recalled.slot} no longer names {name}; reported")
    if young:
        reasons.append(f"fate: young, slot {recalled.slot} is still moving to {name}; reported")
    return Decision(recalled.backend, recalled.by, recalled.slot, exception, remember, young=young)


def _choose(
    packet: Packet, listener: ListenerSpec, state: LbState, recalled: _Recalled | None, reasons: list[str]
) -> Decision:
    pool = state.pools[listener.pool]
    port = 0 if listener.sticky else packet.source_port
    slot = SLOT_HASHES[state.hash_name](packet.source, port, pool.slots)
    now, before = int(pool.table.now[slot]), int(pool.table.before[slot])
    remember = Remember.NEW if recalled is None else Remember.OVERWRITTEN
    hashed = "the source" if listener.sticky else "source and port"
    where = f"{slot} of {pool.slots} (hash of {hashed})"
    # What its backend gave away was none of the slot's former backend's either.
    given_away = recalled is not None and recalled.backend in pool.fates
    waits = not given_away and pool.fates.get(before, Fate.NORMAL) in (Fate.NORMAL, Fate.DRAIN)
    if before and waits and not packet.syn:
        goes_to = f"moves to {pool.name(now)}" if now else "is being emptied"
        reasons.append(f"transition: slot {where} {goes_to}; no SYN, so still {pool.name(before)}")
        return Decision(before, DecidedBy.TRANSITION, slot, remember=remember)
    if not now:
        reasons.append(f"slot: {where} is empty; dropped")
        found = recalled is not None and recalled.by is DecidedBy.MEMORY
        return Decision(
            None, DecidedBy.NO_BACKEND, slot, remember=Remember.KEPT if found else Remember.NOTHING
        )
    left = f"; it moves there from {pool.name(before)}" if before else ""
    reasons.append(f"slot: {where} names {pool.name(now)}{left}")
    return Decision(now, DecidedBy.SLOT, slot, remember=remember)


def _endpoint(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
