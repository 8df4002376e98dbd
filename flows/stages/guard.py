"""`guard`: meters for new connections: by source prefix, by listener, and for packets that are not remembered.

    SYN ─► prefix ─► guard ─► pin, or the datapath's hash ... memory finds nothing ─► unknown ─► hash
                                                                                        └► unknown_prefix ─► unknown
                                                                                           (where prefixes have rates)

Only a packet that would open a connection is metered: bare SYNs at once, other TCP packets and UDP when neither
pin nor memory knows them. Established traffic never meets a meter. A flow has one meter at most, so the rate of a
prefix and that of the listener stand in two tables.
"""

from __future__ import annotations

from controller.spec.spread import Spread
from controller.spec.switch import ListenerSpec
from controller.spec.types import Network, Protocol
from flows.actions import Action, Bits, Load, Resubmit
from flows.entries import Flow, Meter, flow
from flows.match import Match
from flows.spec import Here, family_of
from flows.stages import slotted
from flows.tables import (
    FLAG_METERED,
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

_METERED = Bits(FLAGS, FLAG_METERED.bit_length() - 1, 1)


def flows(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Metering flows of one listener."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    this = Match.of(**{LISTENER: listener.id})
    hashes = slotted.hashes(placed) if listener.spread is Spread.DATAPATH else ()
    after = None if hashes else placed.table(Stage.PIN)
    out = [flow(placed.table(Stage.GUARD), 5, this, hashes, cookie=cookie)] if hashes else []
    if any(guard.prefix is not None for guard in listener.guards):
        first = this.plus(**{FLAGS: (0, FLAG_SYN | FLAG_METERED)})
        prefixes = placed.table(Stage.UNKNOWN_PREFIX)
        out.append(flow(placed.table(Stage.UNKNOWN), 20, first, cookie=cookie, goto=prefixes))
    for guard in listener.guards:
        meter = placed.meter(Meters.GUARDS + guard.number)
        if guard.prefix is not None:
            out += _of_prefix(here, listener, guard.prefix, meter)
            continue
        unknown, hashed = this.plus(**{FLAGS: (0, FLAG_SYN)}), placed.table(Stage.HASH)
        out += [
            flow(placed.table(Stage.UNKNOWN), 10, unknown, cookie=cookie, goto=hashed, meter=meter),
            flow(placed.table(Stage.GUARD), 10, this, hashes, cookie=cookie, goto=after, meter=meter),
        ]
    return out


def _of_prefix(here: Here, listener: ListenerSpec, prefix: Network, meter: int) -> list[Flow]:
    """Where a prefix is metered: SYNs of TCP, and what is not known."""
    placed, family = here.placed, family_of(listener)
    match = Match.of(**{LISTENER: listener.id, "eth_type": family.eth_type, family.src: prefix})
    cookie, priority = placed.cookie(Kind.STATIC), 10 + prefix.prefixlen
    opens, other = placed.table(Stage.PREFIX), placed.table(Stage.UNKNOWN_PREFIX)
    unknown = flow(other, priority, match, _again(here), cookie=cookie, meter=meter)
    if listener.protocol is Protocol.UDP:
        return [unknown]
    return [flow(opens, priority, match, cookie=cookie, goto=placed.table(Stage.GUARD), meter=meter), unknown]


def _again(here: Here) -> tuple[Action, ...]:
    return (Load(1, _METERED), Resubmit(here.placed.table(Stage.UNKNOWN)))


def static(here: Here) -> list[Flow]:
    """Unmetered packets pass."""
    placed = here.placed
    steps = ((Stage.PREFIX, Stage.GUARD), (Stage.GUARD, Stage.PIN), (Stage.UNKNOWN, Stage.HASH))
    cookie = placed.cookie(Kind.STATIC)
    passing = [flow(placed.table(a), 0, Match(), cookie=cookie, goto=placed.table(b)) for a, b in steps]
    return [*passing, flow(placed.table(Stage.UNKNOWN_PREFIX), 0, Match(), _again(here), cookie=cookie)]


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
