"""`pin`: entries that the controller wrote for single connections.

    retracted ─► pin ─hit─► fate         SYN of a pinned tuple: a new connection ─► retract, tell, memory
                  └miss─► memory

The reporter's entry ends after `idle` seconds without a packet and says so; on every other switch the entry stays,
and a packet that hits it there is reported, because that switch now sees the connection and becomes the reporter.

A client may use a port again while the pin of its former connection is still there. The SYN then leaves a flow behind
that hides the pin from the next packets at once; the controller removes the pin itself a moment later.
"""

from __future__ import annotations

from functools import lru_cache

from controller.spec.switch import HeldPin, PinRole, PinSpec
from controller.spec.types import Address, Protocol
from flows.actions import Action, Bits, Learn, Report, Resubmit, Set, whole
from flows.entries import Flow, FlowKey, flow
from flows.match import Item, Match
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
PRIORITIES = PACKETS, ENDS = 10, 20
"""Priorities in table ``pin``: a pin's packets, and the SYN that ends it."""
_PORT = {protocol: f"{protocol}_src" for protocol in Protocol}
_USABLE: Item = (FLAGS, 0, FLAG_RETRACTED)
_SYN: Item = (FLAGS, FLAG_SYN, FLAG_SYN | FLAG_RETRACTED)


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


def keys(here: Here, listener: int, source: Address, port: int) -> tuple[FlowKey, ...]:
    """Places of all flows that a pin of this connection may have, whichever its protocol."""
    table, places = here.placed.table(Stage.PIN), []
    for protocol in Protocol:
        items = _items(listener, protocol, source, port)
        places.append(FlowKey(table, PACKETS, Match((*items, _USABLE))))
        if port and protocol is Protocol.TCP:
            places.append(FlowKey(table, ENDS, Match((*items, _SYN))))
    return tuple(places)


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
        PACKETS,
        Match((*_items(pin.listener, pin.protocol, pin.source, pin.port), _USABLE)),
        chosen,
        cookie=placed.cookie(Kind.PIN if reporter else Kind.PIN_SEEN, pin.id),
        goto=placed.table(Stage.FATE),
        idle=min(idle, 0xFFFF) if reporter else 0,
        notify=reporter,
    )


def _items(listener: int, protocol: Protocol, source: Address, port: int) -> tuple[Item, ...]:
    """What a pin's packets have in common."""
    kin = family(source)
    items: tuple[Item, ...] = (
        (LISTENER, listener, None),
        ("eth_type", kin.eth_type, None),
        ("ip_proto", protocol.number, None),
        (kin.src, int(source), None),
    )
    return (*items, (_PORT[protocol], port, None)) if port else items


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
    syn = Match((*_items(pin.listener, pin.protocol, pin.source, pin.port), _SYN))
    cookie = placed.cookie(Kind.PIN_STALE, pin.id)
    return flow(
        placed.table(Stage.PIN), ENDS, syn, (hide, tell), cookie=cookie, goto=placed.table(Stage.MEMORY)
    )
