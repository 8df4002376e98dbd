"""`memory`: conntrack marks in generations of zones, so that one-way connections outlive conntrack's own timer.

    memory ─► ct(now) ─hit────────────────────────────► fate
                └miss─► ct(before) ─hit─ copy to now ─► fate
                            └miss─► ct(new) ─hit─ promote (no SYN) ─► fate
                                        └miss─► unknown

The mark is backend << 16 | slot. Seen from one side only, a connection stays SYN_SENT in conntrack and is never
refreshed; its entry lives as long as the zone's timeout says. With that timeout at two generations and more, and
lookups in this generation's zone and the one before, whatever spoke within one generation is still known.
"""

from __future__ import annotations

from flows.actions import Action, Bits, Clone, Conntrack, Move, Set, whole
from flows.entries import Flow, flow
from flows.spec import FAMILIES, Here
from flows.tables import (
    BACKEND,
    FLAG_SYN,
    FLAGS,
    LISTENER,
    MARK,
    SLOT,
    SLOT_IN_MARK,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Stage,
)

UNKNOWN = (0, 0xFFFF0000)
"""ct_mark without a backend."""

FROM_MARK: tuple[Action, ...] = (
    Move(Bits("ct_mark", 16, 16), Bits(BACKEND, 0, 16)),
    Set(SLOT, SLOT_IN_MARK),
)
"""Take the backend from the mark. The slot stays there: a switch caches a decision for each value of what was looked
at, so packets of all slots of a backend share one as long as the slot is not asked for."""

KEEP: tuple[Action, ...] = (
    Clone(
        (
            Move(whole("ct_mark"), whole(MARK)),
            Conntrack(ZONE_NOW, commit=True, mark=whole(MARK), label=whole(LISTENER)),
        )
    ),
)
"""Copy the mark into this generation. By a copy of the packet: the packet itself still has to show its mark."""


def static(here: Here) -> list[Flow]:
    """The whole chain; it is the same for every VIP."""
    placed = here.placed
    table = placed.table
    cookie = placed.cookie(Kind.STATIC)
    out = []
    for kin in FAMILIES:
        ip, unknown = kin.ip, kin.ip.plus(ct_mark=UNKNOWN)
        syn = kin.ip.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN)})
        out += [
            flow(table(Stage.MEMORY), 0, ip, (Conntrack(ZONE_NOW, table(Stage.RECALL_NOW)),), cookie=cookie),
            flow(
                table(Stage.RECALL_NOW),
                10,
                unknown,
                (Conntrack(ZONE_BEFORE, table(Stage.RECALL_BEFORE)),),
                cookie=cookie,
            ),
            flow(table(Stage.RECALL_NOW), 0, ip, FROM_MARK, cookie=cookie, goto=table(Stage.FATE)),
            flow(
                table(Stage.RECALL_BEFORE),
                10,
                unknown,
                (Conntrack(ZONE_NEW, table(Stage.RECALL_NEW)),),
                cookie=cookie,
            ),
            flow(table(Stage.RECALL_BEFORE), 0, ip, FROM_MARK + KEEP, cookie=cookie, goto=table(Stage.FATE)),
            flow(table(Stage.RECALL_NEW), 10, unknown, cookie=cookie, goto=table(Stage.UNKNOWN)),
            flow(table(Stage.RECALL_NEW), 5, syn, FROM_MARK, cookie=cookie, goto=table(Stage.FATE)),
            flow(table(Stage.RECALL_NEW), 0, ip, FROM_MARK + KEEP, cookie=cookie, goto=table(Stage.FATE)),
        ]
    return out
