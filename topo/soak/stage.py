"""What the soak knows of its fabric before anything is built, and how much load fits a kind of switch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.spec.kinds import KINDS
from topo import intent
from topo.demo.ledger import Endpoint
from topo.model import SwitchKind, Topology
from topo.plan import Fabric, plan
from topo.soak.edits import Document, set_times

MEMORY_TIMEOUT, TRANSITION, KEEP_FOR, DRAIN_TIMEOUT = 20.0, 5.0, 3.0, 10.0
"""Seconds: short enough for every deadline to pass many times in five minutes."""
TIMES: dict[str, Any] = {
    "memory_timeout": f"{MEMORY_TIMEOUT:g}s",
    "transition": f"{TRANSITION:g}s",
    "drain_timeout": f"{DRAIN_TIMEOUT:g}s",
    "on_down": {"keep_for": f"{KEEP_FOR:g}s", "then": "move"},
}
SILENT = (0.5 * MEMORY_TIMEOUT, 0.9 * MEMORY_TIMEOUT)
"""Seconds between the echoes of a silent connection."""


@dataclass(frozen=True)
class Scale:
    """What fits a kind of switch on two busy processor cores."""

    switch: SwitchKind
    connections: int
    """Long-lived ones over all clients and listeners."""
    rate: float
    """Short requests per second and client."""
    probe: float
    """Seconds between health probes, and for one: on shared processors it has to wait."""


SCALES: tuple[Scale, ...] = (
    Scale("ovs", 200, 10.0, 0.8),
    Scale("bmv2", 120, 5.0, 0.8),
    Scale("embedded", 60, 2.0, 0.8),
)


class StageError(Exception):
    """The topology lacks what a soak needs; the message says what."""


@dataclass(frozen=True)
class Stage:
    """A fabric as the soak sees it."""

    topology: str
    kind: SwitchKind
    document: Document
    """The intent that the run begins with."""
    lbs: tuple[str, ...]
    cables: tuple[str, ...]
    """Between an lb switch and another switch, as ``lab fail`` names them."""
    server_cables: dict[str, str]
    """Server: its cable."""
    clients: tuple[str, ...]
    edges: dict[str, str]
    """Client: the switch that it is at."""
    long: tuple[Endpoint, ...]
    """TCP listeners that echo."""
    short: tuple[Endpoint, ...]
    """TCP listeners that speak HTTP."""
    local: dict[str, tuple[str, ...]]
    """lb switch: prefixes of its own source addresses in mode fullnat."""

    @property
    def watches(self) -> bool:
        """Whether switches see by themselves, without a controller, that a neighbour is gone (BFD)."""
        return KINDS[self.kind].sees_bfd


def stage_of(topology: Topology, scale: Scale) -> Stage:
    """What there is to play with. Raises ``StageError``."""
    fabric = plan(topology.of_kind(scale.switch))
    document = set_times(intent.intent(fabric), TIMES, scale.probe)
    lbs = tuple(name for name, switch in fabric.switches.items() if "lb" in switch.roles)
    ports = fabric.topology.servers
    clients = tuple(host.name for host in fabric.hosts.values() if host.kind == "client")
    stage = Stage(
        topology=topology.name,
        kind=scale.switch,
        document=document,
        lbs=lbs,
        cables=tuple(f"{one}-{other}" for one, other in fabric.links if {one, other} & set(lbs)),
        server_cables={name: f"{name}-{fabric.hosts[name].attach}" for name in _servers(fabric, document)},
        clients=clients[:2],
        edges={name: fabric.hosts[name].attach for name in clients[:2]},
        long=_endpoints(document, set(ports.echo)),
        short=_endpoints(document, set(ports.http)),
        local={name: tuple(str(each) for each in fabric.switches[name].local) for name in lbs},
    )
    _check(stage)
    return stage


def _servers(fabric: Fabric, document: Document) -> list[str]:
    names = {str(row["name"]) for pool in document["pools"] for row in pool["backends"]}
    return sorted(names & set(fabric.hosts))


def _endpoints(document: Document, ports: set[int]) -> tuple[Endpoint, ...]:
    found = []
    for vip in document["vips"]:
        for row in vip["listeners"]:
            port = int(row["port"])
            behind = int(row.get("backend_port", port))
            if row.get("protocol", "tcp") == "tcp" and behind in ports:
                address = str(vip["address"])
                found.append(Endpoint(f"{address}/{port}", str(row["mode"]), address, port, behind))
    return tuple(found)


def _check(stage: Stage) -> None:
    wrong = []
    if len(stage.server_cables) < 3:
        wrong.append(f"at least 3 servers in its pools, not {len(stage.server_cables)}")
    if not stage.clients:
        wrong.append("a host of kind client")
    if not stage.long:
        wrong.append("a TCP listener that leads to one of servers.echo")
    if not stage.short:
        wrong.append("a TCP listener that leads to one of servers.http")
    if wrong:
        raise StageError(f"topology {stage.topology} should have {'; '.join(wrong)}")
