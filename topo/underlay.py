"""The lab's own forwarding as OpenFlow text: what other people's flows are to the controller. Pure.

    table 0, priority 0 ──► table 200:  ARP for the tunnel gateway ─ known host MAC ─ known address

Every switch is the same distributed router: packets are routed by host address over shortest paths,
spread over several next hops by a hash of the 5-tuple (fragments: of the addresses), past neighbours that
BFD calls dead, and round a broken link where a longer way exists. Nothing here matches a VIP. Between sites it is a
bridge as well: see ``topo.crossing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from topo.crossing import crossing
from topo.groups import Groups, fast_failover
from topo.plan import TUNNEL_GATEWAY, UNDERLAY_TABLE, Fabric, Port, Switch

COOKIE = 0x1AB
_ADDRESSES = "ip_src,ip_dst,ipv6_src,ipv6_dst"
_TUPLE = f"{_ADDRESSES},tcp_src,tcp_dst,udp_src,udp_dst"
_ARP, _MAC, _ADDRESS, _TABLE_MISS = 500, 400, 300, 0
"""Priorities; a flow for one ingress port stands 4 above its base, one for fragments 2."""


def bundle(fabric: Fabric, name: str) -> str:
    """All groups and flows of a switch as input for one ``ovs-ofctl -O OpenFlow15 bundle``."""
    switch = fabric.switches[name]
    groups = Groups()
    flows = [
        f"table=0,priority=0,actions=goto_table:{UNDERLAY_TABLE}",
        *_own(fabric, switch),
        *_delivery(fabric, switch),
        *_transit(fabric, switch, groups),
        *(_flow(priority, match, actions) for priority, match, actions in crossing(fabric, switch, groups)),
    ]
    lines = [f"group add group_id={number},{body}" for body, number in groups.ids.items()]
    lines += [f"flow add cookie={COOKIE:#x},{flow}" for flow in flows]
    return "\n".join(lines) + "\n"


def _flow(priority: int, match: str, actions: str) -> str:
    return f"table={UNDERLAY_TABLE},priority={priority},{match},actions={actions}"


def _own(fabric: Fabric, switch: Switch) -> Iterator[str]:
    """The switch's tunnel end on LOCAL, and the ARP answer that keeps its gateway resolved permanently."""
    if switch.vtep is None:
        return
    mac = int(fabric.topology.gateway_mac.replace(":", ""), 16)
    address = int(TUNNEL_GATEWAY)
    # Requests come from OVS itself without ingress port, or from LOCAL, to which nothing may go back
    # unless the ingress port is cleared.
    yield _flow(
        _ARP,
        f"arp,arp_op=1,arp_tpa={TUNNEL_GATEWAY}",
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
        f"load:{mac:#x}->NXM_OF_ETH_SRC[],load:2->NXM_OF_ARP_OP[],"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],"
        f"load:{mac:#x}->NXM_NX_ARP_SHA[],"
        "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"load:{address:#x}->NXM_OF_ARP_SPA[],"
        "load:0->NXM_OF_IN_PORT[],output:LOCAL",
    )
    yield _flow(_ADDRESS, f"ip,nw_dst={switch.vtep}", f"set_field:{switch.mac}->eth_dst,output:LOCAL")


def _delivery(fabric: Fabric, switch: Switch) -> Iterator[str]:
    """To hosts on this switch: by MAC as they are, by address as the last router would."""
    for host in fabric.hosts.values():
        if host.attach != switch.name:
            continue
        port = switch.port(host.name)
        for family in ("ip", "ipv6"):
            yield _flow(_MAC, f"{family},dl_dst={host.mac}", f"output:{port}")
        for address in host.addresses:
            yield _flow(
                _ADDRESS,
                _destination(str(address.ip), address.version),
                f"dec_ttl,set_field:{fabric.topology.gateway_mac}->eth_src,"
                f"set_field:{host.mac}->eth_dst,output:{port}",
            )


def _destination(address: str, version: int) -> str:
    return f"ip,nw_dst={address}" if version == 4 else f"ipv6,ipv6_dst={address}"


def _transit(fabric: Fabric, switch: Switch, groups: Groups) -> Iterator[str]:
    """To everything behind other switches."""
    for target in fabric.switches.values():
        if target.name == switch.name:
            continue
        matches = list(_behind(fabric, target))
        for ingress, actions, fragments in _ways(fabric, switch, target.name, groups):
            for base, match in matches:
                entry = f"in_port={ingress}," if ingress is not None else ""
                priority = base + (4 if ingress is not None else 0)
                yield _flow(priority, entry + match, f"dec_ttl,{actions}")
                if fragments != actions:
                    yield _flow(priority + 2, f"{entry}{match},ip_frag=yes", f"dec_ttl,{fragments}")


def _behind(fabric: Fabric, target: Switch) -> Iterator[tuple[int, str]]:
    """Priority and match of all that is reached through a switch."""
    for host in fabric.hosts.values():
        if host.attach == target.name:
            for family in ("ip", "ipv6"):
                yield _MAC, f"{family},dl_dst={host.mac}"
            for address in host.addresses:
                yield _ADDRESS, _destination(str(address.ip), address.version)
    for network in target.local:
        yield _ADDRESS, _destination(str(network), network.version)
    if target.vtep is not None:
        yield _ADDRESS, _destination(str(target.vtep), 4)


def _ways(
    fabric: Fabric, switch: Switch, target: str, groups: Groups
) -> Iterator[tuple[int | None, str, str]]:
    """(ingress port or None for any, actions, actions for fragments) towards a switch.

    A neighbour that sends us a packet for ``target`` although it is nearer or as near has lost its own
    way there: the packet must not go back, so such ingress ports have next hops of their own.
    """
    distance = distances(fabric, target)
    if switch.name not in distance:
        return
    linked = [port for port in switch.ports if port.to in distance and port.to in fabric.switches]
    nearer = [port for port in linked if distance[port.to] < distance[switch.name]]
    if fabric.switches[target].site != switch.site:
        # Who has lost its own link to the site sends the packet here, by neighbours that would send it there again.
        nearer = [port for port in linked if port.stretch] or nearer
    near = [port.number for port in nearer]
    farther = [port for port in linked if port not in nearer]
    far = [port.number for port in sorted(farther, key=lambda port: _worth(fabric, distance, port))]
    yield None, *_send(near, far, groups)
    if len(near) + len(far) == 1:
        return
    for port in linked:
        rest = [number for number in near if number != port.number]
        others = [number for number in far if number != port.number]
        if len(near) == 1 or port.number in near:
            yield port.number, *_send(rest, others, groups)


def _worth(fabric: Fabric, distance: Mapping[str, int], port: Port) -> tuple[int, bool, int]:
    """In what order ways round are tried: short ones first, and of equal ones a leaf's: edges lead nowhere else."""
    return distance[port.to], "leaf" not in fabric.switches[port.to].roles, port.number


def _send(near: list[int], far: list[int], groups: Groups) -> tuple[str, str]:
    """Actions to the nearest living next hops, for whole packets and for fragments."""
    if len(near) > 1:
        buckets = ",".join(f"bucket=watch_port:{port},actions=output:{port}" for port in near)
        return (
            groups.of(f"type=select,selection_method=hash,fields({_TUPLE}),{buckets}"),
            groups.of(f"type=select,selection_method=hash,fields({_ADDRESSES}),{buckets}"),
        )
    ports = near + far
    if not ports:
        return "drop", "drop"
    if len(ports) == 1:
        return f"output:{ports[0]}", f"output:{ports[0]}"
    group = groups.of(fast_failover(ports))
    return group, group


def distances(fabric: Fabric, target: str) -> dict[str, int]:
    """Hops to ``target`` from every switch that can reach it."""
    found, frontier = {target: 0}, [target]
    while frontier:
        frontier = [
            name
            for name in dict.fromkeys(neighbour for name in frontier for neighbour in fabric.neighbours(name))
            if name not in found
        ]
        found.update({name: max(found.values()) + 1 for name in frontier})
    return found
