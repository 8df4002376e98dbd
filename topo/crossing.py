"""The part of the underlay that bridges: what is for all hosts of the clients' segment, over the fabric to other sites.

Frames go up once, cross one stretch link and then go down only; ``controller.spec.stretch`` has the rule, for P4
switches too. The switch itself picks the first way that BFD calls alive. Bridged are ARP, neighbour discovery, and what
is for groups or everybody: every host is known here, so nothing else floods. Pure.

A lower switch does not see that a leaf's stretch links are dead. The leaf gives it the frame back in a VLAN of its own,
it passes that on to another leaf, which takes the tag off and crosses, or drops the frame: one detour, never a second.

    lb ─► leaf1 ─x─ (its links are dead) ─► tagged ─► lb ─► leaf2 ═► untagged, to the other site
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.spec.stretch import Stretch
from controller.spec.types import Intent, Port, Role
from controller.spec.types import Switch as Member
from topo.groups import Groups, fast_failover
from topo.plan import Fabric, Switch

_NEIGHBOURS, _GROUP = 600, 250
"""Priorities: before the routes, which would count a hop of what no router passes on; and after them."""
_DISCOVERY = (133, 134, 135, 136, 137)
"""ICMPv6 types that neighbours speak in (RFC 4861)."""
_TO_GROUP = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
_TO_BRIDGES = "dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0"
_CLIENT = "client"
_TAGGED = 700
"""Priority of what is on a detour."""
_VLAN = 4001

Rule = tuple[int, str, str]
"""Priority, match, actions."""


def crossing(fabric: Fabric, switch: Switch, groups: Groups) -> Iterator[Rule]:
    """Flows of a switch; none in a lab of one site."""
    if not fabric.stretch:
        return
    members = {each.name: _member(each) for each in fabric.switches.values()}
    ways, mine = Stretch(Intent((), tuple(members.values()), (), ())), members[switch.name]
    clients = [port.number for port in switch.ports if _is_client(fabric, port.to)]
    up = [_up(ways, mine, each, groups) for each in ways.ways_up(mine)]
    down = [_one_of(each, groups) for each in ways.ways_down(mine)]
    yield _GROUP + 4, _TO_BRIDGES, "drop"
    for port in (*ways.links(mine), *ways.above(mine)):
        yield from _flood(port.number, clients, down)
    yield from _detour(ways, mine, groups)
    for port in ways.below(mine):
        rest = [_one_of(each, groups) for each in ways.ways_down(mine, port.number)]
        yield from _flood(port.number, clients, [*up, *rest])
    for number in clients:
        yield from _flood(number, [each for each in clients if each != number], [*up, *down])


def _flood(port: int, clients: Iterable[int], onwards: Iterable[str]) -> Iterator[Rule]:
    actions = ",".join([*(f"output:{number}" for number in clients), *onwards]) or "drop"
    for kind in _DISCOVERY:
        yield _NEIGHBOURS, f"in_port={port},icmp6,icmp_type={kind}", actions
    yield _GROUP, f"in_port={port},arp", actions
    yield _GROUP, f"in_port={port},{_TO_GROUP}", actions


def _up(ways: Stretch, switch: Member, ports: list[Port], groups: Groups) -> str:
    """By one of these; where none lives, back down in the detour's VLAN."""
    if not ways.links(switch):
        return _one_of(ports, groups)
    links = [f"bucket=watch_port:{port.number},actions=output:{port.number}" for port in ports]
    tag = f"load:0->NXM_OF_IN_PORT[],push_vlan:0x8100,set_field:{_VLAN | 0x1000}->vlan_vid"
    back = [
        f"bucket=watch_port:{port.number},actions={tag},output:{port.number}" for port in ways.below(switch)
    ]
    return groups.of(",".join(["type=ff", *links, *back]))


def _detour(ways: Stretch, switch: Member, groups: Groups) -> Iterator[Rule]:
    """What comes tagged: from below it crosses or is dropped, from above it goes to another switch above."""
    links = ways.links(switch)
    for port in ways.below(switch) if links else ():
        crossing = ",".join(_one_of(each, groups) for each in ways.ways_up(switch))
        yield _TAGGED, f"in_port={port.number},dl_vlan={_VLAN}", f"pop_vlan,{crossing}"
    above = ways.above(switch)
    for port in above:
        others = [each for each in above if each.to != port.to]
        yield _TAGGED, f"in_port={port.number},dl_vlan={_VLAN}", _one_of(others, groups) if others else "drop"


def _one_of(ports: Iterable[Port], groups: Groups) -> str:
    numbers = [port.number for port in ports]
    return groups.of(fast_failover(numbers)) if len(numbers) > 1 else f"output:{numbers[0]}"


def _is_client(fabric: Fabric, name: str) -> bool:
    host = fabric.hosts.get(name)
    return host is not None and host.kind == _CLIENT


def _member(switch: Switch) -> Member:
    ports = tuple(Port(port.number, port.to) for port in switch.ports)
    roles = frozenset(Role(role) for role in switch.roles)
    return Member(switch.name, switch.kind, switch.id, switch.site, roles, switch.mac, ports)
