"""ECMP at an edge: spread a VIP's packets over the lb switches that live and are admitted.

    TCP, UDP ─► select group (5-tuple)      fragments, sticky, the rest ─► bundle (source address)
    ICMP errors ─► every lb switch: the one that knows the connection delivers

Open vSwitch chooses in a select group by rendezvous over all live buckets (its dp_hash, which is not consistent,
needs few hash values: a bucket of weight 1 that is never alive beside weights of 1,000 rules it out). That hash
leaves UDP ports out, so they are laid into the Ethernet source address, which the lb switch ignores.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.spec.switch import ListenerSpec, Uplink, VipSpec
from flows.actions import Action, Bits, Bundle, Move, Output, Set, ToGroup, pack_all, whole
from flows.entries import Bucket, Flow, Group
from flows.fields import FRAG_ANY
from flows.match import PROTO_TCP, PROTO_UDP
from flows.spec import Here, dst_field, family
from flows.stages import entry
from flows.tables import Kind, Placed, Priority

_WEIGHT = 1000
_NEVER_ALIVE = 0xFEEF
"""A port number that no bridge has."""


def group_id(placed: Placed) -> int:
    """Id of the one ECMP group."""
    return placed.place.groups_from


def group(here: Here, uplinks: Sequence[Uplink]) -> Group:
    """The select group over all lb switches; the ones not admitted weigh 0."""
    frame = Set("eth_src", here.switch.mac)
    buckets = [
        Bucket(_WEIGHT if u.admitted else 0, u.port, pack_all((frame, Output(u.port)))) for u in uplinks
    ]
    never = Bucket(1, _NEVER_ALIVE, b"")
    return Group(group_id(here.placed), (*buckets, never))


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

    def sent(priority: Priority, actions: tuple[Action, ...], **more: int | tuple[int, int]) -> Flow:
        return entry.claim(placed, priority, packets.plus(**more), actions, cookie=cookie)

    frame = (Set("eth_dst", vip.mac), Set("eth_src", here.switch.mac))
    udp_ports = Move(whole("udp_src"), Bits("eth_src", 0, 16))
    spread = ToGroup(group_id(placed))
    out = [
        sent(Priority.LISTENER, (*frame, spread), ip_proto=PROTO_TCP),
        sent(Priority.LISTENER, (*frame, udp_ports, spread), ip_proto=PROTO_UDP, ip_frag=0),
        sent(Priority.ICMP, by_source, ip_frag=FRAG_ANY),
        sent(Priority.REST, by_source),
    ]
    everybody = tuple(Output(port) for port in ports)
    for icmp_type in kin.errors:
        error = {"ip_proto": kin.icmp_proto, kin.icmp_type: icmp_type, "ip_frag": 0}
        out.append(sent(Priority.ICMP, everybody, **error))
    for listener in (item for item in listeners if item.sticky):
        match = {"ip_proto": listener.protocol.number, dst_field(listener): listener.port}
        out.append(sent(Priority.SYN, by_source, **match))
    return out
