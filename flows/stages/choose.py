"""`slot` and what leads to it: hash the tuple, take it modulo the pool's slots, choose, remember.

    hash ─► spread ─► slot ─► commit ─► backend

The hash is Jenkins' over six bytes laid for a moment into the Ethernet source address:
IPv4 address or two 16-bit hashes of the IPv6 address, then the source port, or 0 with affinity ``source``.
``controller/decision.py`` computes the same.
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import (
    HASH_ETH_SRC,
    HASH_NW_SRC,
    Action,
    Bits,
    Conntrack,
    Load,
    Move,
    Multipath,
    Pop,
    Push,
    whole,
)
from flows.entries import Flow, flow
from flows.fields import FRAG_FIRST, TRACKED
from flows.match import PROTO_TCP, PROTO_UDP, Match
from flows.spec import V4, V6, Family, Here
from flows.tables import (
    BACKEND,
    FLAG_AHEAD,
    FLAG_FORGET,
    FLAG_STICKY,
    FLAGS,
    LISTENER,
    MARK,
    PERIOD,
    POOL,
    SLOT,
    TRACK,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Stage,
)

BASIS_HIGH, BASIS_LOW, BASIS_SLOT = 1, 2, 0
_PORT_BITS = Bits("eth_src", 0, 16)

_ADDRESS: dict[int, tuple[Action, ...]] = {
    4: (Push(whole("eth_src")), Move(whole("ipv4_src"), Bits("eth_src", 16, 32))),
    6: (
        Push(whole("eth_src")),
        Multipath(HASH_NW_SRC, BASIS_HIGH, 65536, Bits("eth_src", 32, 16)),
        Multipath(HASH_NW_SRC, BASIS_LOW, 65536, Bits("eth_src", 16, 16)),
    ),
}


def static(here: Here) -> list[Flow]:
    """Hash and commit: the same for every pool."""
    return [f for kin in (V4, V6) for f in (*_hash(here, kin), *_commit(here, kin))]


def pool(here: Here, number: int, slots: int, period: int) -> list[Flow]:
    """Spread over the pool's ``slots``; a slot without backend drops and counts. ``period``: see ``PoolSpec``."""
    placed = here.placed
    this = Match.of(**{POOL: number})
    # A pin left a mark above the slot's 16 bits; what comes here is decided again.
    clear = Load(0, Bits(SLOT, 16, 16))
    into_slot = Multipath(HASH_ETH_SRC, BASIS_SLOT, slots, Bits(SLOT, 0, 16))
    spread = (clear, into_slot, Pop(whole("eth_src")), Load(period, Bits(TRACK, *PERIOD)))
    return [
        flow(
            placed.table(Stage.SPREAD),
            10,
            this,
            spread,
            cookie=placed.cookie(Kind.STATIC),
            goto=placed.table(Stage.SLOT),
        ),
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
        fragments = packets.plus(ip_frag=FRAG_FIRST, ct_state=TRACKED)
        port = (*address, Move(whole("ct_tp_src"), _PORT_BITS))
        out.append(flow(table, 20, fragments, port, cookie=cookie, goto=after))
    return out


def _commit(here: Here, kin: Family) -> list[Flow]:
    placed = here.placed
    table, after = placed.table(Stage.COMMIT), placed.table(Stage.BACKEND)
    cookie = placed.cookie(Kind.STATIC)
    mark = (
        Move(Bits(BACKEND, 0, 16), Bits(MARK, 16, 16)),
        Move(Bits(SLOT, 0, 16), Bits(MARK, 0, 16)),
        Move(Bits(LISTENER, 0, 16), Bits(TRACK, 0, 16)),
    )
    ahead = kin.ip.plus(**{FLAGS: (FLAG_AHEAD, FLAG_AHEAD)})
    out = [flow(table, 20, ahead, cookie=cookie)]
    for priority, zone, flags in ((10, ZONE_NOW, {FLAGS: (FLAG_FORGET, FLAG_FORGET)}), (0, ZONE_NEW, {})):
        remember = Conntrack(zone, commit=True, mark=whole(MARK), label=whole(TRACK))
        this = kin.ip.plus(**flags)
        out.append(flow(table, priority, this, (*mark, remember), cookie=cookie, goto=after))
        # The later fragments wait in this very zone, and leave it with the first.
        first = this.plus(ip_frag=FRAG_FIRST)
        out.append(flow(table, priority + 1, first, (*mark, replace(remember, table=after)), cookie=cookie))
    return out
