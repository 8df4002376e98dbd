"""`pin`: entries that the controller wrote for single connections.

The reporter's entry ends after `idle` seconds without a packet and says so; on every other switch the entry stays,
and a packet that hits it there is reported, because that switch now sees the connection and becomes the reporter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from controller.model.types import Address, Protocol
from flows.actions import Action, Report, Set
from flows.entries import Flow, flow
from flows.match import Match
from flows.spec import Here, family
from flows.tables import BACKEND, LISTENER, NO_SLOT, SLOT, Kind, Meters, Stage


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


def entry(here: Here, pin: PinSpec, role: PinRole, idle: int) -> Flow:
    """The flow of one pin on one switch."""
    placed = here.placed
    kin = family(pin.source)
    match = Match.of(
        **{
            LISTENER: pin.listener,
            "eth_type": kin.eth_type,
            "ip_proto": pin.protocol.number,
            kin.src: pin.source,
        }
    )
    if pin.port:
        match = match.plus(**{f"{pin.protocol}_src": pin.port})
    chosen: tuple[Action, ...] = (Set(BACKEND, pin.backend), Set(SLOT, NO_SLOT))
    reporter = role is PinRole.REPORTER
    if not reporter:
        chosen = (*chosen, Report(placed.meter(Meters.REPORTS)))
    return flow(
        placed.table(Stage.PIN),
        10,
        match,
        chosen,
        cookie=placed.cookie(Kind.PIN if reporter else Kind.PIN_SEEN, pin.id),
        goto=placed.table(Stage.FATE),
        idle=min(idle, 0xFFFF) if reporter else 0,
        notify=reporter,
    )
