"""ICMP errors about a connection: find its server by conntrack, else ask the controller.

    error for VIP ─► ct(now) ─► ct(before) ─► ct(new) ─miss─► controller: asks the other lb switches, then decides
                        └─────────┴────────────┴─hit─► icmp_out: dr, tun ─► backend     nat, fullnat ─► controller
                                                                              └─ not of its pool ─► as a miss

OpenFlow can neither match nor rewrite the packet inside an error, so what has to be rewritten goes through the
controller, limited by a meter.
"""

from __future__ import annotations

from controller.spec.switch import ListenerSpec, VipSpec
from flows.actions import Conntrack, Report, Set
from flows.entries import Flow, flow
from flows.fields import TRACKED
from flows.spec import FAMILIES, Here, family, family_of
from flows.stages import entry
from flows.stages.listener import zones
from flows.stages.memory import FROM_MARK, UNKNOWN
from flows.tables import (
    LISTENER,
    VIP,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Meters,
    Priority,
    Stage,
)

_CHAIN = ((Stage.ICMP_NOW, Stage.ICMP_BEFORE, ZONE_BEFORE), (Stage.ICMP_BEFORE, Stage.ICMP_NEW, ZONE_NEW))


def claim(here: Here, vip: VipSpec) -> list[Flow]:
    """Claim the errors sent to one VIP."""
    placed = here.placed
    kin = family(vip.address)
    actions = (Set(VIP, vip.id), *zones(here, vip), Conntrack(ZONE_NOW, placed.table(Stage.ICMP_NOW)))
    cookie = placed.cookie(Kind.STATIC)
    base = kin.ip.plus(**{"ip_proto": kin.icmp_proto, kin.dst: vip.address})
    return [
        entry.claim(placed, Priority.ICMP, base.plus(**{kin.icmp_type: t}), actions, cookie=cookie)
        for t in kin.errors
    ]


def static(here: Here) -> list[Flow]:
    """The chain of look-ups, the same for every VIP."""
    placed = here.placed
    table = placed.table
    cookie = placed.cookie(Kind.STATIC)
    unknown_cookie = placed.cookie(Kind.ICMP_UNKNOWN)
    tell = (Report(placed.meter(Meters.ICMP)),)
    out = []
    for kin in FAMILIES:
        miss = kin.ip.plus(ct_mark=UNKNOWN)
        for this, after, zone in _CHAIN:
            out.append(flow(table(this), 10, miss, (Conntrack(zone, table(after)),), cookie=cookie))
            out.append(flow(table(this), 0, kin.ip, FROM_MARK, cookie=cookie, goto=table(Stage.ICMP_OUT)))
        out.append(flow(table(Stage.ICMP_NEW), 10, miss, tell, cookie=unknown_cookie))
        out.append(
            flow(table(Stage.ICMP_NEW), 0, kin.ip, FROM_MARK, cookie=cookie, goto=table(Stage.ICMP_OUT))
        )
        out.append(flow(table(Stage.ICMP_OUT), 0, kin.ip, tell, cookie=unknown_cookie))
        # Remembered for a backend that the listener no longer has: as good as unknown.
        errors = kin.ip.plus(ip_proto=kin.icmp_proto)
        out.append(flow(table(Stage.BACKEND), 1, errors, tell, cookie=unknown_cookie))
    return out


def deliver(here: Here, listener: ListenerSpec) -> Flow:
    """Errors about a known connection of one listener: conntrack's original tuple tells the listener."""
    placed = here.placed
    match = family_of(listener).ip.plus(
        ct_state=TRACKED,
        **{
            VIP: listener.vip.id,
            "ct_nw_proto": listener.protocol.number,
            "ct_tp_dst": listener.port,
        },
    )
    table = placed.table(Stage.ICMP_OUT)
    if listener.mode in ("dr", "tun"):
        cookie = placed.cookie(Kind.STATIC)
        return flow(
            table, 10, match, (Set(LISTENER, listener.id),), cookie=cookie, goto=placed.table(Stage.BACKEND)
        )
    tell = (Set(LISTENER, listener.id), Report(placed.meter(Meters.ICMP)))
    return flow(table, 10, match, tell, cookie=placed.cookie(Kind.ICMP_KNOWN))
