"""`pin`: entries that the controller wrote for single connections.

    retracted ─► pin ─hit─► fate         SYN of a pinned tuple: a new connection ─► retract, tell, memory
                  └miss─► memory

The reporter's entry ends after `idle` seconds without a packet and says so; on every other switch the entry stays,
and a packet that hits it there is reported, because that switch now sees the connection and becomes the reporter.

A client may use a port again while the pin of its former connection is still there. The SYN then leaves a flow behind
that hides the pin from the next packets at once; the controller removes the pin itself a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from controller.model.types import Address, Protocol
from flows.actions import Action, Bits, Learn, Report, Resubmit, Set, whole
from flows.entries import Flow, flow
from flows.match import Match
from flows.spec import Here, family
from flows.tables import (
    BACKEND,
    FLAG_RETRACTED,
    FLAG_SYN,
    FLAGS,
    LISTENER,
    NO_SLOT,
    SLOT,
    Kind,
    Meters,
    Placed,
    Stage,
)

RETRACTED_IDLE = 60
"""Seconds that a retraction outlives the last packet, should the controller be away."""


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

    @property
    def match(self) -> Match:
        """Its packets."""
        kin = family(self.source)
        match = Match.of(**{LISTENER: self.listener}).plus(
            eth_type=kin.eth_type, ip_proto=self.protocol.number, **{kin.src: self.source}
        )
        return match.plus(**{f"{self.protocol}_src": self.port}) if self.port else match


class HeldPin(NamedTuple):
    """A pin as one switch holds it."""

    spec: PinSpec
    role: PinRole
    idle: int
    """Seconds without a packet after which its reporter ends it."""


def static(here: Here) -> list[Flow]:
    """Look for a retraction, then for a pin; without one go on to memory."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    look = (Resubmit(placed.table(Stage.PIN_RETRACTED)),)
    return [
        flow(placed.table(Stage.RETRACTED), 0, Match(), look, cookie=cookie, goto=placed.table(Stage.PIN)),
        flow(placed.table(Stage.PIN), 0, Match(), cookie=cookie, goto=placed.table(Stage.MEMORY)),
    ]


def entries(here: Here, pin: HeldPin) -> tuple[Flow, ...]:
    """The flows of one pin on one switch: for its packets, and (not with affinity ``source``) a SYN that ends it."""
    return _entries(here.placed, *pin)


# Plans are made again at every change, pins by the ten thousand stay as they were.
@lru_cache(maxsize=400_000)
def _entries(placed: Placed, pin: PinSpec, role: PinRole, idle: int) -> tuple[Flow, ...]:
    packets = _packets(placed, pin, role, idle)
    if pin.port and pin.protocol is Protocol.TCP:
        return (packets, _retract(placed, pin))
    return (packets,)


def _packets(placed: Placed, pin: PinSpec, role: PinRole, idle: int) -> Flow:
    chosen: tuple[Action, ...] = (Set(BACKEND, pin.backend), Set(SLOT, NO_SLOT))
    reporter = role is PinRole.REPORTER
    if not reporter:
        chosen = (*chosen, Report(placed.meter(Meters.REPORTS)))
    return flow(
        placed.table(Stage.PIN),
        10,
        pin.match.plus(**{FLAGS: (0, FLAG_RETRACTED)}),
        chosen,
        cookie=placed.cookie(Kind.PIN if reporter else Kind.PIN_SEEN, pin.id),
        goto=placed.table(Stage.FATE),
        idle=min(idle, 0xFFFF) if reporter else 0,
        notify=reporter,
    )


def _retract(placed: Placed, pin: PinSpec) -> Flow:
    kin = family(pin.source)
    hide = Learn(
        placed.table(Stage.PIN_RETRACTED),
        placed.cookie(Kind.LEARNED),
        RETRACTED_IDLE,
        same=(whole(LISTENER), whole(kin.src), whole(f"{pin.protocol}_src")),
        match=((Bits("eth_type", 0, 16), kin.eth_type), (Bits("ip_proto", 0, 8), pin.protocol.number)),
        load=((Bits(FLAGS, 4, 1), 1),),
    )
    tell = Report(placed.meter(Meters.REPORTS))
    syn = pin.match.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN | FLAG_RETRACTED)})
    cookie = placed.cookie(Kind.PIN_STALE, pin.id)
    return flow(
        placed.table(Stage.PIN), 20, syn, (hide, tell), cookie=cookie, goto=placed.table(Stage.MEMORY)
    )
