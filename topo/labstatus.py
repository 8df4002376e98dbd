"""What lives of a lab, as ``evenkeel lab status`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topo import process, wires
from topo.plan import Fabric
from topo.switches import SwitchProcess
from topo.wan import Wan


def status(
    path: Path, fabric: Fabric, spaces: Mapping[str, str], switches: Mapping[str, SwitchProcess], wan: Wan
) -> dict[str, Any]:
    """{"lab", "tso", "nodes": {name: {...}}, "links": {"a-b": up}} of the lab whose directory is ``path``."""
    nodes: dict[str, dict[str, Any]] = {}
    carriers = {node: wires.links(spaces[node]) for node in fabric.switches}
    for name, switch in switches.items():
        running = switch.running()
        nodes[name] = {
            "kind": "switch",
            "type": switch.switch.kind,
            "roles": list(switch.switch.roles),
            "id": switch.switch.id,
            "control": str(switch.switch.control),
            "running": running,
            "neighbours": switch.liveness() if running else {},
        }
    for host in fabric.hosts.values():
        nodes[host.name] = {
            "kind": host.kind,
            "at": host.attach,
            "mac": host.mac,
            "addresses": [str(address.ip) for address in host.addresses],
        }
        if host.kind == "server":
            nodes[host.name]["running"] = any(each.alive for each in process.recall(path / "pids", host.name))
    links = {
        f"{one}-{other}": carriers[one].get(other, False) and carriers[other].get(one, False)
        for one, other in fabric.links
    }
    links |= wan.carried()
    links |= {
        f"{host.name}-{host.attach}": carriers[host.attach].get(host.name, False)
        for host in fabric.hosts.values()
    }
    return {
        "lab": path.name,
        "tso": fabric.topology.tso,
        "intent": str(path / "intent.yaml"),
        "nodes": nodes,
        "links": links,
    }
