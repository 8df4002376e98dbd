"""`pin`: entries that the controller wrote for single connections.

    pin ─hit─► pin_retracted ─► pinned ─► fate          SYN of a pinned tuple: a new connection ─► retract, tell, memory
      └miss─► memory              └ of a connection that is over ─► tell, memory

The reporter's entry ends after `idle` seconds without a packet and says so; on every other switch the entry stays,
and a packet that hits it there is reported, because that switch now sees the connection and becomes the reporter.

A client may use a port again while the pin of its former connection is still there. The SYN then leaves a flow behind
that hides that pin, and only that one, from the packets that follow; the switch says so with each of them until the
controller removes the pin, and the flow goes with it. A pin that the new connection gets has another id, so nothing
hides it.

Open vSwitch carries a SYN's actions out once more when it attributes what its cache has counted. A pin made within
seconds of such a SYN can so be hidden for nothing; it is then told to be stale, ends, and comes again with the next
report.
"""

from __future__ import annotations

from functools import lru_cache

from controller.spec.switch import HeldPin, PinRole, PinSpec
from controller.spec.types import Address, Protocol
from flows.actions import Action, Bits, Learn, Load, Report, Resubmit, Set, whole
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
    PIN,
    SLOT,
    Kind,
    Meters,
    Placed,
    Stage,
)

SIBLING, REPORTER, ENDS = 10, 11, 20
"""Priorities in table ``pin``: a pin's packets by its role here, and the SYN that ends it.

The roles have places of their own because Open vSwitch counts the idle time of a flow that replaces another one from
when that was last hit: an heir that never saw the connection would end its pin at once.
"""
PRIORITIES = (SIBLING, REPORTER, ENDS)
_PORT = {protocol: f"{protocol}_src" for protocol in Protocol}
_SYN: Item = (FLAGS, FLAG_SYN, FLAG_SYN)
_DONE: tuple[Action, ...] = (Set(PIN, 0),)
_HIDDEN = Bits(FLAGS, 4, 1)


def static(here: Here) -> list[Flow]:
    """Without a pin, or with one that a SYN retracted, on to memory."""
    placed = here.placed
    cookie, stale = placed.cookie(Kind.STATIC), placed.cookie(Kind.PIN_STALE)
    pinned, memory = placed.table(Stage.PINNED), placed.table(Stage.MEMORY)
    retracted = Match.of(**{FLAGS: (FLAG_RETRACTED, FLAG_RETRACTED)})
    tell = Report(placed.meter(Meters.REPORTS))
    unpinned = (tell, *_DONE, Set(BACKEND, 0), Set(SLOT, 0), Load(0, _HIDDEN))
    return [
        flow(placed.table(Stage.PIN), 0, Match(), cookie=cookie, goto=memory),
        flow(pinned, 10, retracted, unpinned, cookie=stale, goto=memory),
        flow(pinned, 0, Match(), _DONE, cookie=cookie, goto=placed.table(Stage.FATE)),
    ]


def entries(here: Here, pin: HeldPin) -> tuple[Flow, ...]:
    """The flows of one pin on one switch: for its packets, and (not with affinity ``source``) a SYN that ends it."""
    return _entries(here.placed, *pin)


def keys(
    here: Here, listener: int, source: Address, port: int, slot: int | None = None
) -> tuple[FlowKey, ...]:
    """Places of all flows that a pin of this connection may have, whichever its protocol and role."""
    table, places = here.placed.table(Stage.PIN), []
    for protocol in Protocol:
        items = _items(listener, protocol, source, port, slot)
        places += [FlowKey(table, priority, Match(items)) for priority in (SIBLING, REPORTER)]
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
    look = Resubmit(placed.table(Stage.PIN_RETRACTED))
    chosen: tuple[Action, ...] = (Set(BACKEND, pin.backend), Set(SLOT, NO_SLOT), Set(PIN, pin.id), look)
    reporter = role is PinRole.REPORTER
    if not reporter:
        chosen = (*chosen, Report(placed.meter(Meters.REPORTS)))
    return flow(
        placed.table(Stage.PIN),
        REPORTER if reporter else SIBLING,
        Match(_items(pin.listener, pin.protocol, pin.source, pin.port, pin.slot)),
        chosen,
        cookie=placed.cookie(Kind.PIN if reporter else Kind.PIN_SEEN, pin.id),
        goto=placed.table(Stage.PINNED),
        idle=min(idle, 0xFFFF) if reporter else 0,
        notify=reporter,
    )


def _items(
    listener: int, protocol: Protocol, source: Address, port: int, slot: int | None
) -> tuple[Item, ...]:
    """What a pin's packets have in common.

    The slot stands among it where it is known by now. Open vSwitch looks registers up first: packets of other slots
    then have decisions in its cache that tell no address or port apart.
    """
    kin = family(source)
    items: tuple[Item, ...] = (
        (LISTENER, listener, None),
        ("eth_type", kin.eth_type, None),
        ("ip_proto", protocol.number, None),
        (kin.src, int(source), None),
    )
    if slot is not None:
        items = (*items, (SLOT, slot, None))
    return (*items, (_PORT[protocol], port, None)) if port else items


def _retract(placed: Placed, pin: PinSpec) -> Flow:
    kin = family(pin.source)
    hide = Learn(
        placed.table(Stage.PIN_RETRACTED),
        placed.cookie(Kind.LEARNED, pin.id),
        same=(whole(LISTENER), whole(PIN), whole(kin.src), whole(f"{pin.protocol}_src")),
        match=((Bits("eth_type", 0, 16), kin.eth_type), (Bits("ip_proto", 0, 8), pin.protocol.number)),
        load=((_HIDDEN, 1),),
    )
    tell = Report(placed.meter(Meters.REPORTS))
    syn = Match((*_items(pin.listener, pin.protocol, pin.source, pin.port, pin.slot), _SYN))
    cookie = placed.cookie(Kind.PIN_STALE, pin.id)
    return flow(
        placed.table(Stage.PIN),
        ENDS,
        syn,
        (Set(PIN, pin.id), hide, tell, *_DONE),
        cookie=cookie,
        goto=placed.table(Stage.MEMORY),
    )
