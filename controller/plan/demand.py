"""Which names an intent needs numbers for, and whether there are enough: asked before any of it is carried out."""

from __future__ import annotations

from controller.model.types import Intent, Mode
from controller.plan.duty import meter_names, pool_key
from controller.plan.numbers import Numbers, Space
from flows.tables import MOST_GUARDS, MOST_VIPS, ZoneBase
from p4src.sizes import MOST_VIPS as MOST_P4_VIPS

LAST_ZONE = 65535
"""Of conntrack; each fullnat listener has one, by its number."""
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


def demand(intent: Intent) -> dict[Space, set[str]]:
    """Names by space. Groups of next hops are not among them: which are needed depends on what is broken."""
    items = intent.listeners()
    local: dict[int, set[str]] = {4: set(), 6: set()}
    for vip in intent.vips:
        local[vip.address.version] |= {item.name for item in vip.listeners if item.mode is Mode.FULLNAT}
    return {
        Space.VIP: {vip.name for vip in intent.vips},
        Space.LISTENER: {item.name for item in items},
        Space.POOL: {pool_key(item) for item in items},
        Space.BACKEND: {real.name for item in items for real in intent.pool(item.pool).backends},
        Space.METER: set(meter_names(intent)),
        Space.LOCAL4: local[4],
        Space.LOCAL6: local[6],
    }


def highest(intent: Intent, space: Space) -> int | None:
    """The highest number that the switches of an intent have a place for; None: all that there are.

    On switches the number is the place, however few names there are: a meter id, a conntrack zone, a register's cell.
    """
    ours = [switch for switch in intent.switches if switch.p4runtime is None]
    if space is Space.VIP:
        places = [MOST_VIPS] if ours else []
        places += [MOST_P4_VIPS] if len(ours) < len(intent.switches) else []
        return min(places, default=None)
    if space is Space.METER and ours:
        return MOST_GUARDS
    if space is Space.LISTENER and ours:
        return LAST_ZONE - ZoneBase.FULLNAT - max(switch.placement.zones_from for switch in ours)
    return None


def shortages(intent: Intent, numbers: Numbers, now: float) -> list[str]:
    """One message for each space that has too few numbers for an intent now; none: it can be carried out."""
    out = []
    for space, names in demand(intent).items():
        room = numbers.room(space, now, highest(intent, space))
        new = len(names - set(numbers.given.get(space, {})))
        if new <= room.free:
            continue
        wait = "" if room.next_free is None else f", the next for {max(room.next_free - now, 0):.0f} s"
        out.append(
            f"numbers for {WORDS[space]}: {new} new ones are needed and {room.free} are free "
            f"({room.given} in use, {room.resting} resting{wait}, {room.limit} in all): "
            "add fewer at a time; what is removed gives its numbers back, which rest until no switch can remember them"
        )
    return out
