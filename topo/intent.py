"""The controller's intent file, generated from a lab. Pure up to ``dump``."""

from __future__ import annotations

from io import StringIO
from ipaddress import IPv4Address
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarint import HexInt

from topo.errors import TopologyError
from topo.plan import (
    OVSDB_PORT,
    P4RUNTIME_PORT,
    PEER_PORT,
    TUNNEL_PORT,
    UNDERLAY_TABLE,
    Fabric,
    Host,
    Switch,
    probes,
)
from topo.routes import routes


def intent(fabric: Fabric) -> dict[str, Any]:
    """Sites and switches as built, services as written with their backends' whereabouts filled in."""
    services = fabric.topology.services
    backends = {str(row.get("name")) for pool in services.pools for row in pool.get("backends", ())}
    return {
        "sites": [_site(fabric, spec.name) for spec in fabric.topology.sites],
        "switches": [_switch(fabric, switch, backends) for switch in fabric.switches.values()],
        "pools": [_pool(fabric, pool) for pool in services.pools],
        "vips": list(services.vips),
    }


def dump(document: dict[str, Any]) -> str:
    """As YAML."""
    writer = YAML(typ="rt", pure=True)
    writer.width = 110
    text = StringIO()
    writer.dump(document, text)
    return text.getvalue()


def _site(fabric: Fabric, name: str) -> dict[str, Any]:
    hosts = fabric.topology.hosts
    switches = {switch.name for switch in fabric.switches.values() if switch.site == name}
    probed = {host.subnet for host in probes(fabric.topology)}
    # Stretch links make one segment of what both sites have of a subnet.
    used = {host.subnet for host in hosts if fabric.stretch or host.attach in switches} - probed
    subnets = [subnet for subnet in fabric.topology.subnets if subnet.name in used]
    bypass = [
        str(prefix)
        for subnet in fabric.topology.subnets
        if subnet.name in probed
        for prefix in subnet.prefixes
    ]
    site: dict[str, Any] = {
        "name": name,
        "subnets": [
            {"name": subnet.name, "prefixes": [str(prefix) for prefix in subnet.prefixes]}
            for subnet in subnets
        ],
        "bypass": bypass,
    }
    if fabric.topology.agents:
        site["agents"] = [_agent(fabric, node, at) for node, at in fabric.agents(name).items()]
    return site


def _agent(fabric: Fabric, node: str, control: IPv4Address) -> dict[str, Any]:
    """It is heard on the control network, and through the fabric where its node is attached to that."""
    paths = [str(control)]
    if node in fabric.hosts:
        paths += [str(each.ip) for each in fabric.hosts[node].addresses if each.version == 4]
    return {"name": node, "peers": [f"{each}:{PEER_PORT}" for each in paths]}


def _switch(fabric: Fabric, switch: Switch, backends: set[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": switch.name,
        "site": switch.site,
        "kind": switch.kind,
        "id": HexInt(switch.id),
        "roles": list(switch.roles),
        "mac": switch.mac,
        "ports": _ports(fabric, switch, backends),
        "gateway_mac": fabric.topology.gateway_mac,
    }
    if switch.local:
        result["local"] = [str(network) for network in switch.local]
    if switch.p4:
        result["p4runtime"] = f"{switch.control}:{P4RUNTIME_PORT}"
        result["routes"] = routes(fabric, switch)
        return result
    result["ovsdb"] = f"tcp:{switch.control}:{OVSDB_PORT}"
    result["openflow"] = {"next_table": UNDERLAY_TABLE}
    if switch.fences:
        result["fence"] = [{"port": each.port, "interface": each.interface} for each in switch.fences]
    if switch.vtep is not None:
        result["tunnel_port"] = TUNNEL_PORT
    return result


def _ports(fabric: Fabric, switch: Switch, backends: set[str]) -> dict[int, str]:
    """Port numbers and what is behind them; a P4 switch's routes need a name for every host."""
    ports: dict[int, str] = {}
    apart = fabric.topology.routed.at(switch.name) if fabric.topology.routed else ()
    for port in (each for each in switch.ports if each.to not in apart):
        host = fabric.hosts.get(port.to)
        if host is None or port.to in backends or switch.p4:
            ports[port.number] = port.to
        elif host.kind == "client":
            ports[port.number] = "segment"
    return ports


def backend(host: Host) -> dict[str, Any]:
    """Whereabouts of a server, as keys of a backend."""
    return {"addresses": [str(address.ip) for address in host.addresses], "mac": host.mac, "at": host.attach}


def _pool(fabric: Fabric, pool: dict[str, Any]) -> dict[str, Any]:
    return {**pool, "backends": [_backend(fabric, pool, entry) for entry in pool.get("backends", ())]}


def _backend(fabric: Fabric, pool: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """What is written wins over what the lab knows."""
    name = entry.get("name")
    host = fabric.hosts.get(str(name))
    if host is None:
        if "address" in entry or "addresses" in entry:
            return entry
        names = ", ".join(each.name for each in fabric.hosts.values() if each.kind == "server")
        raise TopologyError(
            f"services: pool {pool.get('name')}: backend {name!r} is no host of the lab and has "
            f"no address; servers are {names}"
        )
    known = backend(host)
    if "address" in entry or "addresses" in entry:
        del known["addresses"]
    rest = {key: value for key, value in entry.items() if key != "name"}
    return {"name": name, **known, **rest}
