"""Fragments: conntrack collects a datagram, then every fragment goes the way of the first.

    entry ─► ct(now) ─► ct(before) ─► ct(new) ─miss─► first: listener by port ─► unknown ─► hash ... commit (learn)
                └───────────┴────────────┴─hit─► fragment ─► fate       later: learned ─► commit

Open vSwitch holds the fragments of a datagram at each conntrack action until all are there, so all of them must take
the same actions; and a later fragment has no ports, not even in ct_tp_*. For a remembered connection the mark tells
every fragment its backend and the label its listener. Of an unknown one only the first fragment can choose; it leaves
a short-lived flow behind by which the later ones, next in the same batch, find the same registers.
"""

from __future__ import annotations

from flows.actions import Action, Bits, Conntrack, Learn, Move, Resubmit, Set, whole
from flows.entries import Flow, flow
from flows.fields import FRAG_ANY, FRAG_FIRST, FRAG_LATER
from flows.match import Match
from flows.spec import FAMILIES, Family, Here, ListenerSpec, VipSpec, family
from flows.stages.listener import TRACKED, regs, zones
from flows.stages.memory import FROM_MARK, KEEP, UNKNOWN
from flows.tables import (
    BACKEND,
    LISTENER,
    POOL,
    SLOT,
    VIP,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Priority,
    Stage,
)

IPV6_FRAGMENT = 44
LEARNED_IDLE = 5
"""Seconds that a learned flow stays; it is needed for the moment between two fragments."""

_FROM_LABEL: tuple[Action, ...] = (*FROM_MARK, Move(Bits("ct_label", 0, 32), whole(LISTENER)))


def claim(here: Here, vip: VipSpec) -> list[Flow]:
    """Claim the fragments sent to one VIP."""
    placed = here.placed
    kin = family(vip.address)
    actions = (Set(VIP, vip.id), *zones(vip), Conntrack(ZONE_NOW, placed.table(Stage.FRAGMENT_NOW)))
    match = kin.ip.plus(**{kin.dst: vip.address, "ip_frag": FRAG_ANY})
    cookie = placed.cookie(Kind.STATIC)
    return [flow(placed.entry, placed.priority(Priority.FRAGMENT), match, actions, cookie=cookie)]


def static(here: Here) -> list[Flow]:
    """The chain of look-ups, the same for every VIP."""
    placed = here.placed
    table = placed.table
    cookie = placed.cookie(Kind.STATIC)
    out = []
    for kin in FAMILIES:
        miss = kin.ip.plus(ct_mark=UNKNOWN)
        known = table(Stage.FRAGMENT)
        before = (Conntrack(ZONE_BEFORE, table(Stage.FRAGMENT_BEFORE)),)
        new = (Conntrack(ZONE_NEW, table(Stage.FRAGMENT_NEW)),)
        out += [
            flow(table(Stage.FRAGMENT_NOW), 10, miss, before, cookie=cookie),
            flow(table(Stage.FRAGMENT_NOW), 0, kin.ip, _FROM_LABEL, cookie=cookie, goto=known),
            flow(table(Stage.FRAGMENT_BEFORE), 10, miss, new, cookie=cookie),
            flow(table(Stage.FRAGMENT_BEFORE), 0, kin.ip, (*_FROM_LABEL, *KEEP), cookie=cookie, goto=known),
            flow(table(Stage.FRAGMENT_NEW), 10, miss, cookie=cookie, goto=known),
            flow(table(Stage.FRAGMENT_NEW), 0, kin.ip, (*_FROM_LABEL, *KEEP), cookie=cookie, goto=known),
            flow(known, 10, kin.ip.plus(ip_frag=FRAG_LATER), cookie=cookie, goto=table(Stage.HASH)),
            _follow(here, kin.ip),
        ]
    return out


def listener(here: Here, item: ListenerSpec) -> list[Flow]:
    """Fragments of one listener's connections: remembered ones by label, a first fragment by its port."""
    placed = here.placed
    cookie = placed.cookie(Kind.LISTENER, item.id)
    table = placed.table(Stage.FRAGMENT)
    remembered = item.family.ip.plus(**{LISTENER: item.id})
    first = item.packets.plus(
        ip_frag=FRAG_FIRST,
        ct_state=TRACKED,
        ct_nw_proto=item.protocol.number,
        ct_tp_dst=item.port,
        **{LISTENER: 0},
    )
    load = regs(item, 0)
    return [
        flow(table, 30, remembered, load, cookie=cookie, goto=placed.table(Stage.FATE)),
        flow(table, 20, first, load, cookie=cookie, goto=placed.table(Stage.UNKNOWN)),
    ]


def learn(here: Here, kin: Family) -> Learn:
    """What a first fragment leaves for the later ones: its registers, under its addresses."""
    placed = here.placed
    same, match = later_like_this(kin)
    return Learn(
        placed.table(Stage.LEARNED),
        placed.cookie(Kind.LEARNED),
        LEARNED_IDLE,
        same=same,
        match=match,
        carry=(whole(BACKEND), whole(LISTENER), whole(POOL), whole(SLOT)),
    )


def later_like_this(kin: Family) -> tuple[tuple[Bits, ...], tuple[tuple[Bits, int], ...]]:
    """Fields in which a later fragment equals its first, and constants that it has (for ``Learn``)."""
    eth_type = (Bits("eth_type", 0, 16), kin.eth_type)
    if kin.version == 4:
        return (whole(kin.src), whole(kin.dst), whole("ip_proto")), (eth_type,)
    # The protocol of a later IPv6 fragment is the fragment header's, whatever it carries.
    return (whole(kin.src), whole(kin.dst)), (eth_type, (whole("ip_proto"), IPV6_FRAGMENT))


def _follow(here: Here, ip: Match) -> Flow:
    """A later fragment takes over what the first one left; with nothing left it is dropped in commit."""
    placed = here.placed
    look = (Resubmit(placed.table(Stage.LEARNED)),)
    match = ip.plus(ip_frag=FRAG_LATER)
    cookie = placed.cookie(Kind.STATIC)
    return flow(placed.table(Stage.HASH), 40, match, look, cookie=cookie, goto=placed.table(Stage.COMMIT))
