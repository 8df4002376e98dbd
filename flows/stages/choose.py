"""`slot` and what leads to it: hash the tuple, take it modulo the pool's slots, choose, remember.

    hash ─► spread ─► slot ─► commit ─► backend

The hash is Jenkins' over six bytes laid into the Ethernet source address (which is rewritten later anyway):
IPv4 address or two 16-bit hashes of the IPv6 address, then the source port, or 0 with affinity ``source``.
``controller/decision.py`` computes the same.
"""

from __future__ import annotations

from flows.actions import HASH_ETH_SRC, HASH_NW_SRC, Action, Bits, Conntrack, Load, Move, Multipath, whole
from flows.entries import Flow, flow
from flows.fields import FRAG_ANY
from flows.match import PROTO_TCP, PROTO_UDP, Match
from flows.spec import V4, V6, Family, Here
from flows.stages.listener import TRACKED
from flows.tables import (
    BACKEND,
    FLAG_FORGET,
    FLAG_STICKY,
    FLAGS,
    MARK,
    POOL,
    SLOT,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Stage,
)

BASIS_HIGH, BASIS_LOW, BASIS_SLOT = 1, 2, 0
_PORT_BITS = Bits("eth_src", 0, 16)

_ADDRESS: dict[int, tuple[Action, ...]] = {
    4: (Move(whole("ipv4_src"), Bits("eth_src", 16, 32)),),
    6: (
        Multipath(HASH_NW_SRC, BASIS_HIGH, 65536, Bits("eth_src", 32, 16)),
        Multipath(HASH_NW_SRC, BASIS_LOW, 65536, Bits("eth_src", 16, 16)),
    ),
}


def static(here: Here) -> list[Flow]:
    """Hash and commit: the same for every pool."""
    return [f for kin in (V4, V6) for f in (*_hash(here, kin), *_commit(here, kin))]


def pool(here: Here, number: int, slots: int) -> list[Flow]:
    """Spread over the pool's ``slots``; a slot without backend drops and counts."""
    placed = here.placed
    this = Match.of(**{POOL: number})
    spread = (Multipath(HASH_ETH_SRC, BASIS_SLOT, slots, Bits(SLOT, 0, 16)),)
    return [
        flow(placed.table(Stage.SPREAD), 10, this, spread, cookie=placed.cookie(Kind.STATIC), goto=placed.table(Stage.SLOT)),
        flow(placed.table(Stage.SLOT), 0, this, cookie=placed.cookie(Kind.DROP, number)),
    ]


def _hash(here: Here, kin: Family) -> list[Flow]:
    placed = here.placed
    table, after = placed.table(Stage.HASH), placed.table(Stage.SPREAD)
    cookie = placed.cookie(Kind.STATIC)
    address = _ADDRESS[kin.version]
    sticky = kin.ip.plus(**{FLAGS: (FLAG_STICKY, FLAG_STICKY)})
    out = [flow(table, 30, sticky, (*address, Load(0, _PORT_BITS)), cookie=cookie, goto=after)]
    for proto, field in ((PROTO_TCP, "tcp_src"), (PROTO_UDP, "udp_src")):
        packets = kin.ip.plus(ip_proto=proto)
        port = (*address, Move(whole(field), _PORT_BITS))
        out.append(flow(table, 10, packets, port, cookie=cookie, goto=after))
        fragments = packets.plus(ip_frag=FRAG_ANY, ct_state=TRACKED)
        port = (*address, Move(whole("ct_tp_src"), _PORT_BITS))
        out.append(flow(table, 20, fragments, port, cookie=cookie, goto=after))
    return out


def _commit(here: Here, kin: Family) -> list[Flow]:
    placed = here.placed
    table, after = placed.table(Stage.COMMIT), placed.table(Stage.BACKEND)
    cookie = placed.cookie(Kind.STATIC)
    mark = (Move(Bits(BACKEND, 0, 16), Bits(MARK, 16, 16)), Move(Bits(SLOT, 0, 16), Bits(MARK, 0, 16)))
    forget = kin.ip.plus(**{FLAGS: (FLAG_FORGET, FLAG_FORGET)})
    new = Conntrack(ZONE_NEW, commit=True, mark=whole(MARK))
    now = Conntrack(ZONE_NOW, commit=True, mark=whole(MARK))
    return [
        flow(table, 10, forget, (*mark, now), cookie=cookie, goto=after),
        flow(table, 0, kin.ip, (*mark, new), cookie=cookie, goto=after),
    ]
