"""`listener`: claim VIP traffic on an lb switch and say which pool, zones and flags it has.

SYN ─► prefix     other packets ─► pin, or see slotted.py     fragments ─► see fragment.py     other ports ─► dropped
all of a listener with an access list ─► see access.py
"""

from __future__ import annotations

from controller.spec.spread import Spread
from controller.spec.switch import STICKY_PORT, ListenerSpec, VipSpec
from flows.actions import Action, Bits, Load, Move, Set, whole
from flows.entries import Flow
from flows.fields import TCP_ACK, TCP_SYN
from flows.spec import Here, dst_field, family, packets, src_field
from flows.stages import entry, slotted
from flows.tables import (
    FLAG_REMEMBER,
    FLAG_STICKY,
    FLAG_SYN,
    FLAGS,
    LISTENER,
    POOL,
    SOURCE_PORT,
    VIP,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Priority,
    Stage,
)
from flows.zones import of_vip


def flows(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Flows that claim one listener's packets."""
    placed = here.placed
    cookie = placed.cookie(Kind.LISTENER, listener.id)
    whole_packets = packets(listener).plus(**{dst_field(listener): listener.port, "ip_frag": 0})
    loaded = _hide_ports(listener) + slotted.claimed(listener)
    claimed, goto = regs(here, listener, 0) + loaded, None
    if listener.access:
        goto = placed.table(Stage.ACCESS)
    elif listener.spread is Spread.DATAPATH:
        claimed += slotted.hashes(placed)
    else:
        goto = placed.table(Stage.PIN)
    out = [entry.claim(placed, Priority.LISTENER, whole_packets, claimed, cookie=cookie, goto=goto)]
    if listener.protocol == "tcp":
        syn = whole_packets.plus(tcp_flags=(TCP_SYN, TCP_SYN | TCP_ACK))
        claimed = regs(here, listener, FLAG_SYN) + loaded
        first = placed.table(Stage.ACCESS if listener.access else Stage.PREFIX)
        out.append(entry.claim(placed, Priority.SYN, syn, claimed, cookie=cookie, goto=first))
    return out


def rest(here: Here, vip: VipSpec) -> Flow:
    """What is sent to a VIP and to no listener: dropped and counted."""
    placed = here.placed
    kin = family(vip.address)
    match = kin.ip.plus(**{kin.dst: vip.address})
    return entry.leave(placed, Priority.REST, match, cookie=placed.cookie(Kind.DROP, vip.id))


def zones(here: Here, vip: VipSpec) -> tuple[Action, ...]:
    """Load the VIP's conntrack zones."""
    now, before, new = of_vip(here.placed, vip)
    return (Load(now, ZONE_NOW), Load(before, ZONE_BEFORE), Load(new, ZONE_NEW))


def regs(here: Here, listener: ListenerSpec, flags: int) -> tuple[Action, ...]:
    """Load everything that later stages need to know of a listener."""
    flags |= FLAG_STICKY if listener.sticky else 0
    flags |= FLAG_REMEMBER if listener.remembers else 0
    return (
        Set(LISTENER, listener.id),
        Set(POOL, listener.pool),
        Set(VIP, listener.vip.id),
        Set(FLAGS, flags),
        *zones(here, listener.vip),
    )


def _hide_ports(listener: ListenerSpec) -> tuple[Action, ...]:
    if not listener.sticky:
        return ()
    return (
        Move(whole(src_field(listener)), Bits(SOURCE_PORT, 0, 16)),
        Set(src_field(listener), STICKY_PORT),
        Set(dst_field(listener), listener.pool),
    )
