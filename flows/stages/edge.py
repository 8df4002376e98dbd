"""ECMP at an edge: spread a VIP's packets over the lb switches that live and are admitted.

    TCP, UDP ─► slot: bits of port and address ─► way: fast-failover group, the first that lives in an order of its own
    fragments, sticky, the rest ─► bundle (source address)
    ICMP errors ─► every lb switch: the one that knows the connection delivers

A slot is bits of the packet, not a hash: Open vSwitch then caches one decision for each slot, where a hash would cost
one for each connection. Which lb switch a slot prefers is scattered, so that it is enough for the bits to differ.
The lowest bit of a port is left out (clients prefer one parity), and UDP has more of the address, because its clients
may all use one port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from controller.spec.switch import Ecmp, ListenerSpec, Uplink, VipSpec
from flows.actions import Action, Bits, Bundle, Move, Output, Set, ToGroup, pack_all
from flows.entries import Bucket, Flow, Group, flow
from flows.fields import FRAG_ANY
from flows.match import PROTO_TCP, PROTO_UDP, Match
from flows.spec import Family, Here, dst_field, family
from flows.stages import entry
from flows.tables import SLOT, Kind, Placed, Priority, Stage

PORT_BITS = {"tcp_src": 7, "udp_src": 5}
SLOT_BITS = 10
"""Bits of port and address together."""
_SLOTS = (1 << SLOT_BITS) - 1


def groups(here: Here, ecmp: Ecmp, uplinks: Sequence[Uplink]) -> Mapping[int, Group]:
    """The groups by id: one for each way, without the uplinks that are not admitted."""
    admitted = frozenset(uplink.port for uplink in uplinks if uplink.admitted)
    return _groups(here.placed, ecmp, admitted)


@lru_cache(maxsize=256)
def _groups(placed: Placed, ecmp: Ecmp, admitted: frozenset[int]) -> Mapping[int, Group]:
    buckets = {port: Bucket(port, pack_all((Output(port),))) for port in admitted}
    ids = {way.id: placed.place.groups_from + way.id for way in ecmp.ways}
    return {
        ids[way.id]: Group(ids[way.id], tuple(buckets[port] for port in way.ports if port in admitted))
        for way in ecmp.ways
    }


def slots(here: Here, ecmp: Ecmp) -> list[Flow]:
    """The way of each slot."""
    placed = here.placed
    table, cookie = placed.table(Stage.SLOT), placed.cookie(Kind.STATIC)
    first = placed.place.groups_from
    return [
        flow(table, 0, Match.of(**{SLOT: (slot, _SLOTS)}), (ToGroup(first + way),), cookie=cookie)
        for slot, way in enumerate(ecmp.slots)
    ]


def flows(
    here: Here, vip: VipSpec, listeners: Sequence[ListenerSpec], uplinks: Sequence[Uplink]
) -> list[Flow]:
    """Flows that spread one VIP."""
    placed = here.placed
    kin = family(vip.address)
    packets = kin.ip.plus(**{kin.dst: vip.address})
    cookie = placed.cookie(Kind.STATIC)
    ports = tuple(u.port for u in uplinks if u.admitted)
    by_source: tuple[Action, ...] = (Set("eth_src", here.switch.mac), Bundle(ports)) if ports else ()

    def sent(
        priority: Priority,
        actions: tuple[Action, ...],
        goto: int | None = None,
        **more: int | tuple[int, int],
    ) -> Flow:
        return entry.claim(placed, priority, packets.plus(**more), actions, cookie=cookie, goto=goto)

    frame = (Set("eth_dst", vip.mac), Set("eth_src", here.switch.mac))
    out = [
        sent(
            Priority.LISTENER,
            (*frame, *_slot(kin, field)),
            placed.table(Stage.SLOT),
            ip_proto=protocol,
            ip_frag=0,
        )
        for protocol, field in ((PROTO_TCP, "tcp_src"), (PROTO_UDP, "udp_src"))
    ]
    out += [sent(Priority.ICMP, by_source, ip_frag=FRAG_ANY), sent(Priority.REST, by_source)]
    everybody = tuple(Output(port) for port in ports)
    for icmp_type in kin.errors:
        error = {"ip_proto": kin.icmp_proto, kin.icmp_type: icmp_type, "ip_frag": 0}
        out.append(sent(Priority.ICMP, everybody, **error))
    for listener in (item for item in listeners if item.sticky):
        match = {"ip_proto": listener.protocol.number, dst_field(listener): listener.port}
        out.append(sent(Priority.SYN, by_source, **match))
    return out


def _slot(kin: Family, field: str) -> tuple[Action, ...]:
    """Bits of port and address into SLOT."""
    count = PORT_BITS[field]
    return (
        Move(Bits(field, 1, count), Bits(SLOT, 0, count)),
        Move(Bits(kin.src, 0, SLOT_BITS - count), Bits(SLOT, count, SLOT_BITS - count)),
    )
