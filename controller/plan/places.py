"""Whether there are enough ids for an intent, of those that its switches have places for. Pure.

Asked before any of the intent is carried out.
"""

from __future__ import annotations

from controller.plan.demand import demand
from controller.plan.ids import IdAllocator, Space
from controller.spec.kinds import Protocol
from controller.spec.types import Intent
from flows.tables import MOST_GUARDS, MOST_VIPS, ZoneBase
from p4src.sizes import MOST_VIPS as MOST_P4_VIPS

LAST_ZONE = 65535
"""Of conntrack; each fullnat listener has one, by its id."""
WORDS = {
    Space.VIP: "VIPs",
    Space.LISTENER: "listeners",
    Space.POOL: "pools by protocol",
    Space.BACKEND: "backends",
    Space.METER: "guards",
    Space.LOCAL4: "local IPv4 addresses of fullnat listeners",
    Space.LOCAL6: "local IPv6 addresses of fullnat listeners",
    Space.GROUP: "groups of next hops",
}


def highest(intent: Intent, space: Space) -> int | None:
    """The highest id that the switches of an intent have a place for; None: all that there are.

    On switches the id is the place, however few names there are: a meter id, a conntrack zone, a register's cell.
    """
    ours = [switch for switch in intent.switches if switch.of_kind.protocol is Protocol.OPENFLOW]
    if space is Space.VIP:
        places = [MOST_VIPS] if ours else []
        places += [MOST_P4_VIPS] if len(ours) < len(intent.switches) else []
        return min(places, default=None)
    if space is Space.METER and ours:
        return MOST_GUARDS
    if space is Space.LISTENER and ours:
        return LAST_ZONE - ZoneBase.FULLNAT - max(switch.placement.zones_from for switch in ours)
    return None


def shortages(intent: Intent, ids: IdAllocator, now: float) -> list[str]:
    """One message for each space that has too few ids for an intent now; none: it can be carried out."""
    out = []
    for space, names in demand(intent).items():
        room = ids.room(space, now, highest(intent, space))
        new = len(names.keys() - ids.ids(space).keys() - ids.quarantined_names(space))
        if new <= room.free:
            continue
        wait = "" if room.next_free is None else f", the next for {max(room.next_free - now, 0):.0f} s"
        out.append(
            f"ids for {WORDS[space]}: {new} new ones are needed and {room.free} are free "
            f"({room.allocated} in use, {room.quarantined} quarantined{wait}, {room.limit} in all): "
            "add fewer at a time; what is removed gives its ids back, once no switch can remember them"
        )
    return out
