"""Which names an intent needs numbers for, and whether there are enough: asked before any of it is carried out."""

from __future__ import annotations

from controller.plan.duty import meter_names, pool_key
from controller.plan.ids import Numbers, Space
from controller.spec.types import Intent, Mode
from flows.tables import MOST_VIPS

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


def shortages(intent: Intent, numbers: Numbers, now: float) -> list[str]:
    """One message for each space that has too few numbers for an intent now; none: it can be carried out."""
    out = []
    for space, names in demand(intent).items():
        # Conntrack zones of an Open vSwitch go by the number of the VIP, however few VIPs there are.
        most = MOST_VIPS if space is Space.VIP and any(s.p4runtime is None for s in intent.switches) else None
        room = numbers.room(space, now, most)
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
