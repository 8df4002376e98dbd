"""`guard`: meters for new connections: by source prefix, by listener, and for packets that are not remembered.

    SYN ─► prefix ─► guard ─► pin, or the datapath's hash ... memory finds nothing ─► unknown ─► hash

Only a packet that would open a connection is metered: bare SYNs at once, other TCP packets and UDP when neither
pin nor memory knows them. Established traffic never meets a meter.
"""

from __future__ import annotations

from controller.spec.spread import Spread
from controller.spec.switch import ListenerSpec
from flows.entries import Flow, Meter, flow
from flows.match import Match
from flows.spec import Here, family_of
from flows.stages import slotted
from flows.tables import (
    FLAG_SYN,
    FLAGS,
    ICMP_RATE,
    LISTENER,
    REPORT_RATE,
    RESET_RATE,
    YOUNG_RATE,
    Kind,
    Meters,
    Placed,
    Stage,
)


def flows(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Metering flows of one listener."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    this = Match.of(**{LISTENER: listener.id})
    hashes = slotted.hashes(placed) if listener.spread is Spread.DATAPATH else ()
    after = None if hashes else placed.table(Stage.PIN)
    out = [flow(placed.table(Stage.GUARD), 5, this, hashes, cookie=cookie)] if hashes else []
    for guard in listener.guards:
        meter = placed.meter(Meters.GUARDS + guard.number)
        if guard.prefix is not None:
            family = family_of(listener)
            match = this.plus(**{"eth_type": family.eth_type, family.src: guard.prefix})
            table, priority = placed.table(Stage.PREFIX), 10 + guard.prefix.prefixlen
            out.append(
                flow(table, priority, match, cookie=cookie, goto=placed.table(Stage.GUARD), meter=meter)
            )
            continue
        unknown, hashed = this.plus(**{FLAGS: (0, FLAG_SYN)}), placed.table(Stage.HASH)
        out += [
            flow(placed.table(Stage.UNKNOWN), 10, unknown, cookie=cookie, goto=hashed, meter=meter),
            flow(placed.table(Stage.GUARD), 10, this, hashes, cookie=cookie, goto=after, meter=meter),
        ]
    return out


def static(here: Here) -> list[Flow]:
    """Unmetered packets pass."""
    placed = here.placed
    steps = ((Stage.PREFIX, Stage.GUARD), (Stage.GUARD, Stage.PIN), (Stage.UNKNOWN, Stage.HASH))
    cookie = placed.cookie(Kind.STATIC)
    return [flow(placed.table(a), 0, Match(), cookie=cookie, goto=placed.table(b)) for a, b in steps]


def meters(placed: Placed, listeners: list[ListenerSpec]) -> list[Meter]:
    """Guards of all listeners, and the limits on what reaches the controller."""
    fixed = (
        (Meters.REPORTS, REPORT_RATE),
        (Meters.RESETS, RESET_RATE),
        (Meters.ICMP, ICMP_RATE),
        (Meters.YOUNG, YOUNG_RATE),
    )
    own = [Meter(placed.meter(number), rate, rate) for number, rate in fixed]
    guards = [guard for item in listeners for guard in item.guards]
    return own + [Meter(placed.meter(Meters.GUARDS + g.number), g.rate, g.rate) for g in guards]
