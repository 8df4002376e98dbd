"""Routes of a P4 switch by shortest path, as its intent names them: what flows of the underlay are on OVS. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from topo.plan import Address, Fabric, Switch
from topo.underlay import distances


def routes(fabric: Fabric, switch: Switch) -> list[dict[str, Any]]:
    """To every host, and to the addresses of every other lb switch; nothing for a VIP."""
    return [*_here(fabric, switch), *_elsewhere(fabric, switch)]


def _here(fabric: Fabric, switch: Switch) -> Iterator[dict[str, Any]]:
    for host in fabric.hosts.values():
        if host.attach == switch.name:
            for address in host.addresses:
                yield {"to": _single(address.ip), "via": [host.name], "mac": host.mac}


def _elsewhere(fabric: Fabric, switch: Switch) -> Iterator[dict[str, Any]]:
    for target in fabric.switches.values():
        distance = distances(fabric, target.name)
        if target.name == switch.name or switch.name not in distance:
            continue
        via = [name for name in fabric.neighbours(switch.name) if distance[name] < distance[switch.name]]
        for host in fabric.hosts.values():
            if host.attach == target.name:
                for address in host.addresses:
                    yield {"to": _single(address.ip), "via": via}
        yield from ({"to": str(network), "via": via} for network in target.local)
        if target.vtep is not None:
            yield {"to": _single(target.vtep), "via": via}


def _single(address: Address) -> str:
    return f"{address}/{address.max_prefixlen}"
