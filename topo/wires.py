"""Cables and addresses: veth pairs, the control network, and how hosts are set up."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, ip_interface
from itertools import combinations

from pyroute2 import IPRoute

from topo import netns
from topo.p4programs import PROGRAMS
from topo.plan import (
    CONTROL_NETWORK,
    TUNNEL_GATEWAY,
    TUNNEL_NETWORK,
    VNI,
    VXLAN_PORT,
    Address,
    Fabric,
    Host,
    Interface,
    Stretch,
    Switch,
)

HOST_INTERFACE = "eth0"
CONTROL_INTERFACE = "mgmt0"
CONTROL_BRIDGE = "net"
"""Node that holds the bridge of the control network."""
WAN_CONTROL = "wan"
"""What joins the control networks of two places, in the relay's words."""
TUNNEL_TABLE = 69
IPIP_INTERFACE = "tun0"
"""Where what came in IPIP is given to a server's kernel."""
_NOTHING_PASSES = "blackhole"
"""Queueing discipline that drops all."""
_NO_DAD = 0x02
_PERMANENT = 0x80
_SIOCETHTOOL = 0x8946
_TX_CHECKSUM = 0x17
_OFFLOADS = (_TX_CHECKSUM, 0x1F, 0x24, 0x2C)
"""Commands to set what ethtool calls tx, tso, gso and gro."""


def connect(fabric: Fabric, spaces: Mapping[str, str]) -> None:
    """Lay every cable of the lab; ``spaces`` names the namespace of each node (and of ``CONTROL_BRIDGE``)."""
    for node, space in spaces.items():
        with netns.enter(space):
            set_defaults(switch=node in fabric.switches or node == CONTROL_BRIDGE)
    for one, other in fabric.links:
        cable(spaces[one], other, spaces[other], one)
        if fabric.switches[one].p4 or fabric.switches[other].p4:
            _plain_cable((spaces[one], other), (spaces[other], one))
    for host in fabric.hosts.values():
        cable(spaces[host.attach], host.name, spaces[host.name], HOST_INTERFACE, host.mac)
        if fabric.switches[host.attach].p4:
            _plain_cable((spaces[host.attach], host.name), (spaces[host.name], HOST_INTERFACE))
    for switch in fabric.switches.values():
        for fence in switch.fences:
            cable(spaces[fence.controller], fence.interface, spaces[switch.name], fence.name)
    for link in fabric.stretch:
        _stretch(fabric, spaces, link)
    _control_network(fabric, spaces)


def controlled(fabric: Fabric) -> dict[str, IPv4Address]:
    """Nodes on the control network and their addresses there."""
    switches = {each.name: each.control for each in fabric.switches.values()}
    return {**fabric.controllers, **fabric.members, **switches}


def control_paths(fabric: Fabric) -> dict[str, tuple[str, str]]:
    """What joins the control networks of two places, and which two: each pair is joined by a path of its own."""
    pairs = combinations(fabric.places, 2)
    return {f"{WAN_CONTROL}{number}": pair for number, pair in enumerate(pairs, start=1)}


def relayed(fabric: Fabric) -> dict[str, tuple[str, str]]:
    """What is relayed between sites, and between which interfaces of ``CONTROL_BRIDGE``: stretch links, and the ways
    between control networks."""
    paths = [*(link.name for link in fabric.stretch), *control_paths(fabric)]
    return {name: (f"{name}-0", f"{name}-1") for name in paths}


def _stretch(fabric: Fabric, spaces: Mapping[str, str], link: Stretch) -> None:
    """Two cables, each from a switch to the relay."""
    for switch, inner in zip(link.ends, relayed(fabric)[link.name], strict=True):
        cable(spaces[switch], link.name, spaces[CONTROL_BRIDGE], inner)
        _plain_cable((spaces[switch], link.name), (spaces[CONTROL_BRIDGE], inner))


def set_defaults(switch: bool) -> None:
    """Kernel parameters of the namespace that the calling thread is in, before any interface is born in it."""
    for scope in ("all", "default"):
        netns.sysctl(f"net/ipv4/conf/{scope}/rp_filter", "0")
        for key, value in (
            ("accept_dad", "0"),
            ("accept_ra", "0"),
            ("autoconf", "0"),
            ("router_solicitations", "0"),
        ):
            netns.sysctl(f"net/ipv6/conf/{scope}/{key}", value)
    if switch:
        # A switch's ports are not its kernel's business: no address, no multicast of its own on the cables.
        netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
    netns.sysctl("net/ipv4/ping_group_range", "0 2147483647")
    with IPRoute() as route:
        route.link("set", index=1, state="up")


def cable(
    space: str, interface: str, other_space: str, other_interface: str, other_mac: str | None = None
) -> None:
    """A veth pair between two namespaces, both ends up."""
    with open(netns.RUN / other_space) as other, netns.enter(space), IPRoute() as route:
        peer: dict[str, object] = {"ifname": other_interface, "net_ns_fd": other.fileno()}
        if other_mac is not None:
            peer["address"] = other_mac
        route.link("add", ifname=interface, kind="veth", peer=peer)
        _up(route, interface)
    with netns.enter(other_space), IPRoute() as route:
        _up(route, other_interface)


def _plain_cable(*ends: tuple[str, str]) -> None:
    """No offloads at these (namespace, interface)."""
    for space, interface in ends:
        with netns.enter(space):
            _plain(interface)


def _up(route: IPRoute, interface: str) -> int:
    index = int(route.link_lookup(ifname=interface)[0])
    route.link("set", index=index, state="up")
    return index


def _control_network(fabric: Fabric, spaces: Mapping[str, str]) -> None:
    """A bridge for each place; the relay joins every two.

    What came from another place goes to no third one: so there is no loop.
    """
    bridge, addresses = spaces[CONTROL_BRIDGE], controlled(fabric)
    members: dict[str, list[str]] = {place: [] for place in fabric.places}
    ways: list[str] = []
    for node, address in addresses.items():
        cable(bridge, f"to-{node}", spaces[node], CONTROL_INTERFACE)
        address_control(spaces[node], address)
        members[fabric.site_of(node)].append(f"to-{node}")
    paths = relayed(fabric)
    for name, pair in control_paths(fabric).items():
        for end, inner in zip(pair, paths[name], strict=True):
            outer = f"{inner}-br"
            cable(bridge, outer, bridge, inner)
            _plain_cable((bridge, inner), (bridge, outer))
            members[end].append(outer)
            ways.append(outer)
    with netns.enter(bridge), IPRoute() as route:
        for index, own in enumerate(members.values()):
            name = f"control{index or ''}"
            route.link("add", ifname=name, kind="bridge")
            master = _up(route, name)
            for interface in own:
                route.link("set", index=route.link_lookup(ifname=interface)[0], master=master)
        for interface in ways:
            route.brport("set", index=route.link_lookup(ifname=interface)[0], isolated=1)


def address_control(space: str, address: IPv4Address) -> None:
    """Give a node's interface on the control network its address."""
    with netns.enter(space), IPRoute() as route:
        index = route.link_lookup(ifname=CONTROL_INTERFACE)[0]
        route.addr("add", index=index, address=str(address), prefixlen=CONTROL_NETWORK.prefixlen)


def set_up_host(fabric: Fabric, host: Host, space: str) -> None:
    """Addresses, permanent neighbours and routes of a host; a server's VIPs and tunnel end too."""
    with netns.enter(space), IPRoute() as route:
        index = route.link_lookup(ifname=HOST_INTERFACE)[0]
        if not fabric.topology.tso:
            checksum_in_software(HOST_INTERFACE)
        for address in host.addresses:
            _address(route, index, address)
        for known in (*host.gateways, *_same_subnet(fabric, host)):
            _neighbour(route, index, known, fabric.topology.gateway_mac)
        for gateway in host.gateways:
            route.route(
                "add",
                dst="default" if gateway.version == 4 else "::/0",
                gateway=str(gateway),
                family=_family(gateway),
            )
        if host.kind == "server":
            _set_up_server(route, fabric, host)


def _same_subnet(fabric: Fabric, host: Host) -> list[Address]:
    """Neighbours on the segment: reached through the router, so that only VIPs need ARP and ND."""
    own = [address.network for address in host.addresses]
    return [
        address.ip
        for other in fabric.hosts.values()
        if other.name != host.name
        for address in other.addresses
        if address.network in own
    ]


def _set_up_server(route: IPRoute, fabric: Fabric, host: Host) -> None:
    for key, value in (("arp_ignore", "1"), ("arp_announce", "2")):
        netns.sysctl(f"net/ipv4/conf/all/{key}", value)
    for vip in fabric.vips:
        _address(route, 1, ip_interface(f"{vip}/{vip.max_prefixlen}"))
    local = next((address.ip for address in host.addresses if address.version == 4), None)
    if local is not None:
        # The host's own MAC, so that inner frames addressed to the server are for this device.
        route.link(
            "add",
            ifname="vx69",
            kind="vxlan",
            vxlan_id=VNI,
            vxlan_port=VXLAN_PORT,
            vxlan_local=str(local),
            vxlan_learning=0,
            address=host.mac,
        )
        _up(route, "vx69")
    # Of answers to tunnelled questions: the client is told by it how large these may be.
    mtu = fabric.tunnel_mtu(host)
    for gateway in host.gateways:
        for vip in sorted(fabric.tunnelled, key=str):
            if vip.version == gateway.version:
                family = _family(gateway)
                route.rule(
                    "add",
                    src=f"{vip}/{vip.max_prefixlen}",
                    table=TUNNEL_TABLE,
                    priority=TUNNEL_TABLE,
                    family=family,
                )
        headers = 40 if gateway.version == 4 else 60
        route.route(
            "add",
            dst="default" if gateway.version == 4 else "::/0",
            gateway=str(gateway),
            family=_family(gateway),
            table=TUNNEL_TABLE,
            metrics={"mtu": mtu, "advmss": mtu - headers},
        )


def set_up_tunnel(switch: Switch, gateway_mac: str) -> None:
    """Address and route of a switch's tunnel end, in its kernel, from which OVS learns its routes."""
    with IPRoute() as route:
        index = _up(route, "br0")
        route.addr("replace", index=index, address=str(switch.vtep), prefixlen=TUNNEL_NETWORK.prefixlen)
        _neighbour(route, index, TUNNEL_GATEWAY, gateway_mac)
        route.route("replace", dst="default", gateway=str(TUNNEL_GATEWAY))


def plug(fabric: Fabric, spaces: Mapping[str, str], one: str, other: str, up: bool) -> None:
    """Plug or unplug a cable between two nodes; ``up``: the former. May be repeated.

    Always the same end goes down, and never a host's, which would forget its IPv6 addresses and routes, nor that of a
    switch that would stop to receive from any port: between two such nodes the cable lets nothing through.
    """
    ends = {one: _interface(fabric, other, at=one), other: _interface(fabric, one, at=other)}
    for node, interface in ends.items():
        switch = fabric.switches.get(node)
        if switch is not None and (not switch.p4 or PROGRAMS[switch.kind].may_lose_carrier):
            set_link(spaces[node], interface, up)
            return
    for node, interface in ends.items():
        _pass(spaces[node], interface, up)


def _interface(fabric: Fabric, neighbour: str, at: str) -> str:
    return neighbour if at in fabric.switches else HOST_INTERFACE


def set_link(space: str, interface: str, up: bool) -> None:
    """Set one end of a cable up or down; the other end sees no carrier."""
    with netns.enter(space), IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname=interface)[0], state="up" if up else "down")


def _pass(space: str, interface: str, everything: bool) -> None:
    """Let everything out of an interface, or nothing; senders do not notice."""
    with netns.enter(space), IPRoute() as route:
        index = route.link_lookup(ifname=interface)[0]
        closed = route.get_links(index)[0].get_attr("IFLA_QDISC") == _NOTHING_PASSES
        if closed and everything:
            route.tc("del", _NOTHING_PASSES, index)
        elif not closed and not everything:
            route.tc("replace", _NOTHING_PASSES, index)


def links(space: str) -> dict[str, bool]:
    """Interfaces of a namespace and whether each has a carrier, and lets something out."""
    with netns.enter(space), IPRoute() as route:
        return {
            link.get_attr("IFLA_IFNAME"): link.get_attr("IFLA_CARRIER") == 1
            and link.get_attr("IFLA_QDISC") != _NOTHING_PASSES
            for link in route.get_links()
        }


def checksum_in_software(interface: str) -> None:
    """``ethtool -K INTERFACE tx off``: OVS's userspace datapath forwards half-made checksums as they are."""
    _switch_off(interface, _TX_CHECKSUM)


def _plain(interface: str) -> None:
    """``ethtool -K INTERFACE tx off tso off gso off gro off``: a P4 switch takes and gives whole packets only."""
    for command in _OFFLOADS:
        _switch_off(interface, command)


def _switch_off(interface: str, command: int) -> None:
    value = array.array("B", struct.pack("II", command, 0))
    request = struct.pack("16sP16x", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


def _family(address: Address) -> int:
    return int(socket.AF_INET if address.version == 4 else socket.AF_INET6)


def _address(route: IPRoute, index: int, address: Interface) -> None:
    flags = {"flags": _NO_DAD} if address.version == 6 else {}
    route.addr(
        "add",
        index=index,
        address=str(address.ip),
        prefixlen=address.network.prefixlen,
        family=_family(address.ip),
        **flags,
    )


def _neighbour(route: IPRoute, index: int, address: Address, mac: str) -> None:
    route.neigh(
        "replace", dst=str(address), lladdr=mac, ifindex=index, state=_PERMANENT, family=_family(address)
    )
