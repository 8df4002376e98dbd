"""Checks of routes: speakers beside lb switches of owners, engines of their own, neighbours, what may be announced."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.model.routes import MOST_COST, MOST_MED
from controller.spec.routes import Routes, Speaker
from controller.spec.types import Intent, Role, Vip


def announced(intent: Intent, vip: Vip, site: str) -> bool:
    """Whether routers are told of a VIP at a site, so that it need not lie in a subnet there."""
    sites = {switch.name: switch.site for switch in intent.switches}
    routes = intent.routes
    return routes.vip(vip.name) is not None and any(sites.get(s.switch) == site for s in routes.speakers)


def check_routes(found: Findings) -> None:
    """Everything about announcing VIPs."""
    routes = found.intent.routes
    for speaker in routes.speakers:
        _check_place(found, speaker)
        _check_protocols(found, speaker)
    _check_apart(found, routes)
    _check_vips(found, routes)
    _check_values(found, routes)


def _check_place(found: Findings, speaker: Speaker) -> None:
    switch = found.intent.switch_named(speaker.switch)
    what = f'speaker "{speaker.name}"'
    if switch is None:
        found.dangling(speaker, "switch", speaker.switch, "switch", what)
    elif Role.LB not in switch.roles:
        message = f'{what} is beside "{switch.name}", which is no lb switch'
        right = "name the lb switch that takes the packets, or give it the role lb"
        found.add(speaker, "switch", message, right, unless=[(switch, "roles")])


def _check_protocols(found: Findings, speaker: Speaker) -> None:
    what = f'speaker "{speaker.name}"'
    if speaker.bgp is None and speaker.ospf is None:
        right = "add bgp: {as: 65010, neighbors: [...]}, ospf: {interfaces: [...]}, or both"
        found.add(speaker, ("bgp", "ospf"), f"{what} speaks neither BGP nor OSPF", right)
    neighbors = speaker.bgp.neighbors if speaker.bgp else ()
    addresses = [each.address for each in neighbors]
    for index, neighbor in enumerate(neighbors):
        if neighbor.address in addresses[:index]:
            message = f"{what} has the neighbor {neighbor.address} twice"
            found.add(neighbor, "address", message, "keep one of the two")
        if neighbor.address == speaker.router_id:
            message = f"{what} has itself as a neighbor: {neighbor.address} is its router_id"
            found.add(neighbor, "address", message, "name the router's address")
    if speaker.ospf is not None:
        names = [each.name for each in speaker.ospf.interfaces]
        for index, each in enumerate(speaker.ospf.interfaces):
            if each.name in names[:index]:
                message = f'{what} has the interface "{each.name}" twice'
                found.add(each, "name", message, "keep one of the two")
        if speaker.ospf.dead <= speaker.ospf.hello:
            message = (
                f"{what} takes neighbours for dead after {speaker.ospf.dead} s, and hellos come every "
                f"{speaker.ospf.hello} s"
            )
            found.add(speaker.ospf, ("dead", "hello"), message, "set dead to three or four times hello")


def _check_apart(found: Findings, routes: Routes) -> None:
    """Each speaker has an engine of its own, and a number of its own among routers."""
    sockets: dict[str, Speaker] = {}
    numbers: dict[object, Speaker] = {}
    for speaker in routes.speakers:
        other = sockets.setdefault(speaker.sockets, speaker)
        if other is not speaker:
            message = f'speakers "{other.name}" and "{speaker.name}" both have the sockets {speaker.sockets}'
            found.add(speaker, "sockets", message, "give each speaker daemons of its own")
        other = numbers.setdefault(speaker.router_id, speaker)
        if other is not speaker:
            message = (
                f'speakers "{other.name}" and "{speaker.name}" both have the router_id {speaker.router_id}'
            )
            found.add(speaker, "router_id", message, "give each an address of its own")


def _check_vips(found: Findings, routes: Routes) -> None:
    known = {vip.name: vip for vip in found.intent.vips}
    for each in routes.vips:
        if each.name not in known:
            found.dangling(each, "name", each.name, "vip", "vips of routes")
    count = len(routes.vips or found.intent.vips)
    if routes.speakers and count > routes.max_vips:
        message = f"{count} VIPs are to be announced, more than max_vips, which is {routes.max_vips}"
        found.add(routes, ("max_vips", "vips"), message, "raise max_vips if this is meant, or list fewer")


def _check_values(found: Findings, routes: Routes) -> None:
    """The worst place must still have values that the protocols can say."""
    steps = max((len(vip.owners) for vip in found.intent.vips), default=1)
    of = routes.preference
    meds = [of.med, *(each.med for each in routes.vips if each.med is not None)]
    costs = [of.cost, *(each.cost for each in routes.vips if each.cost is not None)]
    worst = (
        ("med_step", max(meds) + steps * of.med_step, MOST_MED, "MED"),
        ("cost_step", max(costs) + steps * of.cost_step, MOST_COST, "OSPF metric"),
    )
    for key, value, most, what in worst:
        if value > most:
            message = f"the worst place would have the {what} {value:,}, and {most:,} is the largest"
            found.add(of, key, message, "choose smaller values")
    if steps * of.local_pref_step >= of.local_pref:
        message = (
            f"the worst place would have the local preference {of.local_pref - steps * of.local_pref_step}"
        )
        found.add(
            of, ("local_pref_step", "local_pref"), message, "choose a smaller step, or a larger local_pref"
        )
