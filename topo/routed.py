"""Routers in the place of edges: addresses, what switches forward to them, what they are told. Pure.

       c1          10.7.0.1/32, a default route by each router
      /  \\
    r1    r2       FRR; 10.6.N.0/30 to each client
     | \\/ |
     | /\\ |        10.5.IJ.0/24: router J (.1), through lb switch I, to speaker I (.100)
    lb1   lb2 ─ sp1, sp2
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topo.parts import RouterSpec, SpeakerSpec
from topo.plan import UNDERLAY_TABLE, Fabric, Switch
from topo.underlay import distances

ROUTER, SPEAKER = 1, 100
"""Last parts of their addresses."""
_GROUPS = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
_SEGMENT, _CLIENTS = 600, 300
"""Priorities of flows."""
_FIRST_GROUP = 0x1AC00
_CLIENT_NETWORKS = ("ip,nw_dst=10.7.0.0/24", "ipv6,ipv6_dst=fd00:0:0:7::/64")
_TUPLE = "ip_src,ip_dst,ipv6_src,ipv6_dst,tcp_src,tcp_dst,udp_src,udp_dst"


@dataclass(frozen=True)
class Segment:
    """A router, an lb switch, and the speaker beside that."""

    number: int
    router: RouterSpec
    speaker: SpeakerSpec

    def address(self, last: int) -> str:
        """IPv4."""
        return f"10.5.{self.number}.{last}"

    def address6(self, last: int) -> str:
        """IPv6, with the same digits."""
        return f"fd00:0:0:5{self.number:02x}::{last}"

    def mac(self, last: int) -> str:
        """Of the interface with that address."""
        return f"02:45:56:05:{self.number:02x}:{last:02x}"

    @property
    def port(self) -> str:
        """The switch's interface to the speaker."""
        return f"{self.speaker.name}-{self.router.name}"


def segments(fabric: Fabric) -> tuple[Segment, ...]:
    """By speaker and router; none in a lab without routers."""
    of = fabric.topology.routed
    if of is None:
        return ()
    rows = [(i, j, s, r) for i, s in enumerate(of.speakers, 1) for j, r in enumerate(of.routers, 1)]
    return tuple(Segment(10 * i + j, router, speaker) for i, j, speaker, router in rows)


def cables(fabric: Fabric) -> Iterator[tuple[str, str, str, str, str]]:
    """(switch, its interface, node, its interface, MAC of that) of all that hangs on lb switches."""
    for each in segments(fabric):
        at, router, speaker = each.speaker.at, each.router.name, each.speaker.name
        yield at, router, router, at, each.mac(ROUTER)
        yield at, each.port, speaker, router, each.mac(SPEAKER)


def links(fabric: Fabric) -> Iterator[tuple[str, str, int]]:
    """(router, client, number) of all cables between them; each end is called as the other node."""
    of = fabric.topology.routed
    if of is not None:
        for number, router in enumerate(of.routers):
            for count, client in enumerate(of.clients):
                yield router.name, client, 16 * number + count


def setup(fabric: Fabric, node: str, but: str = "") -> str:
    """Addresses and routes of a router, a speaker or a client, for ``ip -batch``. May be repeated.

    ``but``: a router that clients are not to use.
    """
    return "\n".join(_commands(fabric, node, but)) + "\n"


def _commands(fabric: Fabric, node: str, but: str) -> Iterator[str]:
    of = fabric.topology.routed
    assert of is not None
    for segment in segments(fabric):
        if node == segment.router.name:
            yield from _addressed(segment, segment.speaker.at, ROUTER)
        if node == segment.speaker.name:
            yield from _addressed(segment, segment.router.name, SPEAKER)
    for router, client, number in links(fabric):
        own = 1 + of.clients.index(client)
        if node == router:
            yield f"address replace 10.6.{number}.1/30 dev {client}"
            yield f"address replace fd00:0:0:6{number:02x}::1/64 dev {client} nodad"
            yield f"route replace 10.7.0.{own}/32 via 10.6.{number}.2"
            yield f"route replace fd00:0:0:7::{own:x}/128 via fd00:0:0:6{number:02x}::2"
        if node == client:
            yield f"address replace 10.6.{number}.2/30 dev {router}"
            yield f"address replace fd00:0:0:6{number:02x}::2/64 dev {router} nodad"
    if node in of.clients and any(router != but for router, client, _ in links(fabric) if client == node):
        own = 1 + of.clients.index(node)
        hops = [
            (router, number) for router, client, number in links(fabric) if client == node and router != but
        ]
        yield f"address replace 10.7.0.{own}/32 dev lo"
        yield f"address replace fd00:0:0:7::{own:x}/128 dev lo nodad"
        nexthops = " ".join(f"nexthop via 10.6.{n}.1 dev {r}" for r, n in hops)
        yield f"route replace default src 10.7.0.{own} {nexthops}"
        nexthops = " ".join(f"nexthop via fd00:0:0:6{n:02x}::1 dev {r}" for r, n in hops)
        yield f"route replace ::/0 src fd00:0:0:7::{own:x} {nexthops}"


def _addressed(segment: Segment, interface: str, last: int) -> Iterator[str]:
    yield f"address replace {segment.address(last)}/24 dev {interface}"
    yield f"address replace {segment.address6(last)}/64 dev {interface} nodad"


def flows(fabric: Fabric, name: str) -> str:
    """Groups and flows of a switch, for an ``ovs-ofctl -O OpenFlow15 bundle``; empty where it leads to no router."""
    switch = fabric.switches[name]
    lines = [*_segment(fabric, switch), *_towards_clients(fabric, switch)]
    return "".join(f"{line}\n" for line in lines)


def _segment(fabric: Fabric, switch: Switch) -> Iterator[str]:
    """A bridge between each router and the speaker's end for it."""
    for each in segments(fabric):
        if each.speaker.at == switch.name:
            router, speaker = switch.port(each.router.name), switch.port(each.port)
            yield _flow(_SEGMENT, f"dl_dst={each.mac(ROUTER)}", f"output:{router}")
            yield _flow(_SEGMENT, f"dl_dst={each.mac(SPEAKER)}", f"output:{speaker}")
            for one, other in ((router, speaker), (speaker, router)):
                yield _flow(_SEGMENT, f"in_port={one},{_GROUPS}", f"output:{other}")


def _towards_clients(fabric: Fabric, switch: Switch) -> Iterator[str]:
    """From servers to clients: to any router that has a carrier, by any lb switch that lives."""
    of = fabric.topology.routed
    here = [each for each in segments(fabric) if each.speaker.at == switch.name]
    if of is None:
        return
    if here:
        gateway = fabric.topology.gateway_mac
        buckets = [
            f"bucket=watch_port:{switch.port(each.router.name)},actions=set_field:{gateway}->eth_src,"
            f"set_field:{each.mac(ROUTER)}->eth_dst,output:{switch.port(each.router.name)}"
            for each in here
        ]
    else:
        far = {each.speaker.at: distances(fabric, each.speaker.at) for each in segments(fabric)}
        nearest = {
            name: min((d[name] for d in far.values() if name in d), default=999) for name in fabric.switches
        }
        ports = [p for p in fabric.cables(switch.name) if nearest[p.to] < nearest[switch.name]]
        buckets = [f"bucket=watch_port:{p.number},actions=output:{p.number}" for p in ports]
    if buckets:
        method = f"type=select,selection_method=hash,fields({_TUPLE})"
        yield f"group add group_id={_FIRST_GROUP},{method},{','.join(buckets)}"
        for match in _CLIENT_NETWORKS:
            yield _flow(_CLIENTS, match, f"dec_ttl,group:{_FIRST_GROUP}")


def _flow(priority: int, match: str, actions: str) -> str:
    return f"flow add cookie=0x1ac,table={UNDERLAY_TABLE},priority={priority},{match},actions={actions}"


def router_configs(fabric: Fabric, name: str) -> dict[str, str]:
    """What a router's daemons are configured with, by daemon."""
    of = fabric.topology.routed
    assert of is not None
    number = next(n for n, each in enumerate(of.routers, 1) if each.name == name)
    router: RouterSpec = of.routers[number - 1]
    profile = "bfd\n profile lab\n  transmit-interval 50\n  receive-interval 50\n exit\nexit\n"
    return {
        "zebra": "no zebra nexthop kernel enable\n",
        "bfdd": profile,
        "bgpd": _bgpd(fabric, router, number),
        "ospfd": _ospfd(fabric, name, f"ospf router-id 10.255.0.{number}", "ip ospf"),
        "ospf6d": _ospfd(fabric, name, f"ospf6 router-id 10.255.0.{number}", "ipv6 ospf6"),
    }


def _bgpd(fabric: Fabric, router: RouterSpec, number: int) -> str:
    lines = [
        f"router bgp {router.asn}",
        f" bgp router-id 10.255.0.{number}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " bgp bestpath as-path multipath-relax",
    ]
    families: dict[str, list[str]] = {"ipv4": [], "ipv6": []}
    for segment in (each for each in segments(fabric) if each.router == router):
        for family, address in (("ipv4", segment.address(SPEAKER)), ("ipv6", segment.address6(SPEAKER))):
            lines += [
                f" neighbor {address} remote-as {segment.speaker.asn}",
                f" neighbor {address} bfd",
                f" neighbor {address} bfd profile lab",
                f" neighbor {address} timers 3 9",
                f" neighbor {address} timers connect 1",
            ]
            families[family].append(f"  neighbor {address} activate")
    for family, activated in families.items():
        lines += [
            f" address-family {family} unicast",
            *activated,
            "  maximum-paths 8",
            " exit-address-family",
        ]
    return "\n".join([*lines, "exit", ""])


def _ospfd(fabric: Fabric, router: str, identity: str, prefix: str) -> str:
    lines: list[str] = []
    timers = ("hello-interval 1", "dead-interval 4", "network point-to-point")
    for segment in (each for each in segments(fabric) if each.router.name == router):
        values = ("area 0.0.0.0", *timers, "cost 10", "bfd", "bfd profile lab")
        lines += [f"interface {segment.speaker.at}", *(f" {prefix} {value}" for value in values), "exit"]
    lines += [f"router {identity.split()[0]}", f" {identity}", " timers throttle spf 0 50 500"]
    return "\n".join([*lines, " maximum-paths 8", "exit", ""])


def intent(fabric: Fabric, sockets: Path) -> dict[str, Any]:
    """The intent's key ``routes``; ``sockets``: a directory of theirs for each node."""
    of = fabric.topology.routed
    return {} if of is None else {"routes": {"speakers": [_speaker(fabric, s, sockets) for s in of.speakers]}}


def _speaker(fabric: Fabric, speaker: SpeakerSpec, sockets: Path) -> dict[str, Any]:
    mine = [each for each in segments(fabric) if each.speaker == speaker]
    neighbors = [
        {"address": address, "as": each.router.asn}
        for each in mine
        for address in (each.address(ROUTER), each.address6(ROUTER))
    ]
    return {
        "name": speaker.name,
        "switch": speaker.at,
        "sockets": str(sockets / speaker.name),
        "router_id": mine[0].address(SPEAKER),
        "bgp": {"as": speaker.asn, "neighbors": neighbors},
        "ospf": {"interfaces": [{"name": each.router.name} for each in mine]},
    }
