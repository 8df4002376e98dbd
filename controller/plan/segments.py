"""Which ports of a switch lead to clients, routers or another site: where VIPs are announced, and frames flood. Pure.

A P4 switch has no forwarding but ours, so what a bridge would pass from one of these ports to the others it has to be
told. Ports of one subnet are one segment. What comes from another site goes to this one's clients, never on to a
further site: sites are meshed, and so frames do not go round. How frames cross the fabric is ``stretch``'s affair.

Of a site's edges on one segment (ports that lead to the same "segment-NAME") one answers and announces: the first that
is there, by id. It is the first of all, there or not, that passes frames on: two would make a loop, and an edge that
the controller does not see may still be at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from controller.spec.stretch import Stretch
from controller.spec.types import SHARED_SEGMENT, Address, Intent, Network, Role, Switch, Vip


def segment_ports(intent: Intent, switch: Switch) -> list[int]:
    """Ports behind which are clients and routers ("segment", or on P4, whose routes name hosts, a host's own name),
    and those that lead to a switch of another site."""
    return sorted([*_clients(intent, switch), *_stretch(intent, switch)])


def floods(
    intent: Intent,
    switch: Switch,
    absent: frozenset[str] = frozenset(),
    dead_links: frozenset[tuple[str, int]] = frozenset(),
) -> dict[int, tuple[int, ...]]:
    """Ports to which a broadcast frame goes, by the port where it came in.

    That port may be among them: the switch leaves it out. Ports whose frames have nowhere to go are left out.
    ``absent``, ``dead_links``: switches that are gone, and ports that carry nothing; they are gone round.
    """
    subnets: dict[str, list[int]] = {}
    for port in (port for port in _clients(intent, switch) if leads(intent, switch, port)):
        subnets.setdefault(_subnet(intent, switch, port), []).append(port)
    stretched = _stretched(intent, switch)
    ways = Stretch(intent, absent, dead_links)
    clients, up, down = subnets.get(stretched, []), ways.up(switch), ways.down(switch)
    out = {port.number: [*clients, *down] for port in (*ways.links(switch), *ways.above(switch))}
    out |= {p.number: [*clients, *up, *ways.down(switch, p.number)] for p in ways.below(switch)}
    for subnet, ports in subnets.items():
        everybody = [*ports, *up, *down] if subnet == stretched else ports
        out |= dict.fromkeys(ports, everybody)
    return {port: tuple(sorted(to)) for port, to in out.items() if set(to) - {port}}


def responds(intent: Intent, switch: Switch, absent: Set[str]) -> bool:
    """Whether a switch answers for VIPs: an edge, unless all its clients are on segments where another one does.

    ``absent``: switches that are not there.
    """
    if Role.EDGE not in switch.roles:
        return False
    ports = _clients(intent, switch)
    return not ports or any(leads(intent, switch, port, absent) for port in ports)


def announced_on(intent: Intent, switch: Switch, absent: Set[str]) -> list[int]:
    """Ports on which a switch says where VIPs are: to its clients and, by every way, to those of other sites."""
    if not responds(intent, switch, absent):
        return []
    own = [port for port in segment_ports(intent, switch) if leads(intent, switch, port, absent)]
    return sorted([*own, *(port.number for port in Stretch(intent).above(switch))])


def leads(intent: Intent, switch: Switch, port: int, absent: Set[str] = frozenset()) -> bool:
    """Whether no other edge of the site comes before this switch on the segment behind a port."""
    to = next(each.to for each in switch.ports if each.number == port)
    if not to.startswith(SHARED_SEGMENT):
        return True
    others = (o for o in intent.switches if o.site == switch.site and Role.EDGE in o.roles)
    first = (o for o in others if o.id < switch.id and o.name not in absent)
    return not any(each.to == to for other in first for each in other.ports)


def _clients(intent: Intent, switch: Switch) -> list[int]:
    beyond = {port.to for port in switch.ports} - {other.name for other in intent.switches}
    if beyond:
        beyond -= {real.name for pool in intent.pools for real in pool.backends if real.name in beyond}
    return [port.number for port in switch.ports if port.to in beyond]


def _stretch(intent: Intent, switch: Switch) -> list[int]:
    away = {other.name for other in intent.switches if other.site != switch.site}
    return [port.number for port in switch.ports if port.to in away]


def _subnet(intent: Intent, switch: Switch, port: int) -> str:
    """By the hosts that the switch's routes know behind a port; the VIPs' subnet if they know none, or there is one."""
    to = next(each.to for each in switch.ports if each.number == port)
    hosts = [route.to.network_address for route in switch.routes if route.mac is not None and to in route.via]
    if not hosts or not intent.site(switch.site).subnets:
        return _stretched(intent, switch)
    found = (name for host in hosts for name, prefix in _prefixes(intent, switch) if host in prefix)
    return next(found, f"port {port}")


def _stretched(intent: Intent, switch: Switch) -> str:
    """The subnet of the first VIP: the one that both sites see."""
    vips: list[Vip] = [vip for vip in intent.vips if switch.site in vip.owners]
    where: list[Address] = [vip.address for vip in vips]
    return next((name for at in where for name, prefix in _prefixes(intent, switch) if at in prefix), "")


def _prefixes(intent: Intent, switch: Switch) -> Iterator[tuple[str, Network]]:
    site = intent.site(switch.site)
    yield from ((subnet.name, prefix) for subnet in site.subnets for prefix in subnet.prefixes)
    yield from ((f"bypass {prefix}", prefix) for prefix in site.bypass)
