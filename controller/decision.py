"""The oracle: which backend a packet gets on an lb switch, and why, as the pipeline in ``flows`` decides it.

    access ─► pin ──────────────────────────────► fate ─► slot ─► commit
     └► none   └► settled slot ─► its backend      ▲
               └► tracked slot, or a listener      │
                  that remembers all ─► memory ────┘─none──► slot (SYN: now; else base, or during a transition the
                                                                  former one)

A pin outranks memory and both outrank the slot; what the named backend's fate makes of that is judged after
them. Guards are left out: a packet that a meter drops is not decided. The rule of tracked slots: ``plan/slotrule.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from controller.hashes import Slotting
from controller.lbstate import (
    Generation,
    LbPool,
    LbState,
    Packet,
    Remembered,
    connection_key,
    listener_of,
)
from controller.plan.pins import PinKey
from controller.plan.slotrule import believed
from controller.spec.spread import Spread
from controller.spec.switch import SETTLED, STICKY_PORT, Fate, ListenerSpec
from controller.spec.types import Address


class DecidedBy(StrEnum):
    """The stage whose word counted, or why there is no backend."""

    PIN = "pin"
    MEMORY = "memory"
    TRANSITION = "transition"
    """The slot's former backend, for a packet that opens no connection and is neither pinned nor remembered."""
    BASE = "base"
    """Whose a tracked slot was while it was settled, for such a packet."""
    SLOT = "slot"
    SETTLED = "settled slot"
    """It has not moved for ``memory_timeout``: nothing is looked up or remembered."""
    NO_LISTENER = "no listener"
    BLOCKED = "access list"
    """Its source is one that the listener does not serve: dropped."""
    NO_BACKEND = "no backend"
    """The slot is empty: dropped."""
    RESET = "reset"
    """Dropped, and reported so that the controller resets the connection."""


class Remember(StrEnum):
    """What the packet does to the switch's memory."""

    NOTHING = "nothing"
    KEPT = "kept"
    """The entry that was found stays (and moves to the current generation, where it has to)."""
    NEW = "new"
    """An embryonic entry is made."""
    OVERWRITTEN = "overwritten"
    """The decision replaces whatever was remembered, at once in the current generation."""


class Tell(StrEnum):
    """Why the switch reports the connection, so that it is pinned."""

    NOTHING = ""
    EXCEPTION = "exception"
    """Siblings would send it elsewhere."""
    YOUNG = "young"
    """The same, of one that is not older than ``transition``: at a rate of its own."""
    FOUND = "found"
    """The same, of one that this switch did not see open: another one may know better."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a packet."""

    backend: int | None
    """Backend id; None: the packet goes to none."""
    by: DecidedBy
    slot: int | None = None
    """The slot that was looked up or, with memory, remembered; None: there was none to look at."""
    tell: Tell = Tell.NOTHING
    remember: Remember = Remember.NOTHING
    reasons: tuple[str, ...] = ()
    """One per stage that was asked: its name, and what it found."""
    opened: bool = True
    """What is remembered counts as seen open."""


def decide(packet: Packet, state: LbState) -> Decision:
    """Return what an lb switch in ``state`` does with ``packet``.

    Raises KeyError when the packet's listener names a pool that ``state`` does not have, or when its hash is unknown.
    """
    listener = listener_of(packet, state)
    if listener is None:
        to = _endpoint(packet.destination, packet.destination_port)
        return Decision(None, DecidedBy.NO_LISTENER, reasons=(f"listener: none for {packet.protocol} {to}",))
    made = _Deciding(packet, listener, state)
    decision = made.decide() if made.served() else Decision(None, DecidedBy.BLOCKED)
    return replace(decision, reasons=tuple(made.reasons))


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
        pool = state.pools[listener.pool]
        generation = Generation.NEW if decision.remember is Remember.NEW else Generation.NOW
        class_ = SETTLED if listener.remembers else pool.class_of(decision.slot)
        entry = Remembered(decision.backend, decision.slot, generation, class_, pool.period, decision.opened)
    return replace(state, memory={**state.memory, key: entry})


@dataclass(frozen=True)
class _Recalled:
    """What pin or memory said."""

    backend: int
    by: DecidedBy
    memory: Remembered | None = None

    @property
    def slot(self) -> int | None:
        return None if self.memory is None else self.memory.slot


class _Deciding:
    """One packet on its way through the stages."""

    def __init__(self, packet: Packet, listener: ListenerSpec, state: LbState) -> None:
        self._packet, self._listener, self._state = packet, listener, state
        self._pool: LbPool = state.pools[listener.pool]
        port = 0 if listener.sticky else packet.source_port
        self._slot = Slotting.of(listener, self._pool.slots, state.hash_name).slot(packet.source, port)
        self._class = SETTLED if listener.remembers else self._pool.class_of(self._slot)
        self.reasons = [f"listener: id {listener.id}, pool id {listener.pool}, mode {listener.mode}"]

    def served(self) -> bool:
        """Whether the listener's access list lets the packet pass."""
        access, source = self._listener.access, self._packet.source
        rule = access.rule_of(source)
        if rule is not None:
            self.reasons.append(
                f"access: {rule.prefix} is {'allowed' if rule.allows else 'blocked; dropped'}"
            )
        elif access:
            self.reasons.append(f"access: no prefix names {source}, so it is served")
        return rule is None or rule.allows

    def decide(self) -> Decision:
        recalled = self._pin()
        if recalled is None:
            self.reasons.append("pin: none")
            if self._class == SETTLED and not self._listener.remembers:
                return self._settled()
            recalled = self._memory()
        decision = None if recalled is None else self._fate(recalled)
        return self._choose(recalled) if decision is None else decision

    def _pin(self) -> _Recalled | None:
        packet, listener = self._packet, self._listener
        # The listener stage hides a sticky connection's ports before the pin stage looks.
        port = STICKY_PORT if listener.sticky else packet.source_port
        for key in (PinKey(listener.id, packet.source, port), PinKey(listener.id, packet.source, 0)):
            pinned = self._state.pins.get(key)
            if pinned is not None and key.port and packet.syn:
                self.reasons.append(
                    "pin: of a connection that is over, since this packet opens one; retracted"
                )
            elif pinned is not None:
                whose = "this connection" if key.port else "all of this source"
                self.reasons.append(f"pin: {whose} is pinned to {self._pool.name(pinned)}")
                return _Recalled(pinned, DecidedBy.PIN)
        return None

    def _settled(self) -> Decision:
        now = int(self._pool.table.now[self._slot])
        if not now:
            return self._empty()
        name = self._pool.name(now)
        self.reasons.append(f"slot: {self._where} is settled on {name}; stateless, nothing is remembered")
        return Decision(now, DecidedBy.SETTLED, self._slot)

    def _memory(self) -> _Recalled | None:
        found = self._state.memory.get(connection_key(self._packet, self._listener))
        if found is not None and not believed(self._class, found.class_):
            self.reasons.append("memory: of an earlier connection, before the slot moved; not believed")
            return None
        if found is None:
            self.reasons.append("memory: nothing remembered")
            return None
        where = {
            Generation.NOW: "",
            Generation.BEFORE: ", from the generation before; copied into this one",
            Generation.NEW: ", embryonic" if self._packet.syn else ", embryonic; promoted by this packet",
        }[found.generation]
        self.reasons.append(f"memory: {self._pool.name(found.backend)} from slot {found.slot}{where}")
        return _Recalled(found.backend, DecidedBy.MEMORY, found)

    def _fate(self, recalled: _Recalled) -> Decision | None:
        """What the named backend's fate makes of it; None: decide again."""
        name, syn = self._pool.name(recalled.backend), self._packet.syn
        fate = self._pool.fates.get(recalled.backend)
        again = None
        if fate is None:
            again = "is none of this pool's backends; forgotten"
        elif fate is Fate.MOVE:
            again = "gives its connections away"
        elif fate is Fate.RESET and syn:
            again = "has its connections reset, but this packet opens one"
        elif fate is Fate.DRAIN and syn and not self._listener.sticky:
            again = "drains, and this packet opens a connection"
        if again is not None:
            self.reasons.append(f"fate: {name} {again}; decide again")
            return None
        remember = Remember.NOTHING if recalled.memory is None else Remember.KEPT
        if fate is Fate.RESET:
            self.reasons.append(f"fate: {name} has its connections reset; dropped and reported")
            return Decision(None, DecidedBy.RESET, recalled.slot, remember=remember)
        if fate is Fate.DRAIN:
            self.reasons.append(f"fate: {name} drains and keeps what it has")
        tell = self._told(recalled)
        return Decision(recalled.backend, recalled.by, recalled.slot, tell, remember)

    def _told(self, recalled: _Recalled) -> Tell:
        memory, pool = recalled.memory, self._pool
        if memory is None:
            return Tell.NOTHING
        pair, name = (memory.backend, memory.slot), pool.name(memory.backend)
        tell, syn = Tell.NOTHING, self._packet.syn
        if pool.former(*pair) or (pool.watches(*pair) and not syn):
            self.reasons.append(f"fate: an exception, slot {memory.slot} no longer names {name}; reported")
            tell = Tell.EXCEPTION
        elif self._class != SETTLED and pool.aged(*pair) and pool.old(memory.period):
            self.reasons.append(f"fate: older than the pool's transition, slot {memory.slot} moved; reported")
            tell = Tell.EXCEPTION
        elif pool.young(*pair) and not syn:
            self.reasons.append(f"fate: young, slot {memory.slot} is still moving to {name}; reported")
            tell = Tell.YOUNG
        return Tell.FOUND if tell is not Tell.NOTHING and not memory.opened else tell

    def _choose(self, recalled: _Recalled | None) -> Decision:
        pool, packet = self._pool, self._packet
        now = int(pool.table.now[self._slot])
        remember = Remember.NEW if recalled is None else Remember.OVERWRITTEN
        # What its backend gave away was none of the slot's former backend's either.
        given_away = recalled is not None and recalled.backend in pool.fates
        if not packet.syn and not given_away:
            former = self._former(now, remember)
            if former is not None:
                return former
        if not now:
            found = recalled is not None and recalled.by is DecidedBy.MEMORY
            return replace(self._empty(), remember=Remember.KEPT if found else Remember.NOTHING)
        before = int(pool.table.before[self._slot])
        left = f"; it moves there from {pool.name(before)}" if before else ""
        tracked = ", tracked" if self._class else ""
        self.reasons.append(f"slot: {self._where}{tracked} names {pool.name(now)}{left}")
        return Decision(now, DecidedBy.SLOT, self._slot, remember=remember)

    def _former(self, now: int, remember: Remember) -> Decision | None:
        """What the slot says of packets that open nothing; None: what it says of all."""
        pool, slot = self._pool, self._slot
        before, base = int(pool.table.before[slot]), pool.base(slot) or pool.home(slot)
        if base:
            tell = Tell.FOUND if pool.base(slot) else Tell.NOTHING
            said = "; reported" if tell else ""
            self.reasons.append(
                f"base: slot {self._where} is tracked; no SYN, so {pool.name(base)}, whose it was{said}"
            )
            return Decision(base, DecidedBy.BASE, slot, tell, remember, opened=False)
        if before and pool.fates.get(before, Fate.NORMAL) in (Fate.NORMAL, Fate.DRAIN):
            goes_to = f"moves to {pool.name(now)}" if now else "is being emptied"
            self.reasons.append(
                f"transition: slot {self._where} {goes_to}; no SYN, so still {pool.name(before)}"
            )
            return Decision(before, DecidedBy.TRANSITION, slot, remember=remember)
        return None

    def _empty(self) -> Decision:
        self.reasons.append(f"slot: {self._where} is empty; dropped")
        return Decision(None, DecidedBy.NO_BACKEND, self._slot)

    @property
    def _where(self) -> str:
        by = "hash of the source" if self._listener.sticky else _FROM[self._listener.spread]
        return f"{self._slot} of {self._pool.slots} ({by})"


_FROM = {
    Spread.OWN: "hash of source and port",
    Spread.BITS: "bits of source and port",
    Spread.DATAPATH: "the datapath's hash of both ends",
}


def _endpoint(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
