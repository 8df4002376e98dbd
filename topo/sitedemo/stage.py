"""What the demo of two sites knows of its fabric before it begins: listeners, sites of clients, load. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from topo.demo.ledger import Endpoint
from topo.demo.load import Long, Spec, Target
from topo.plan import Fabric
from topo.sitedemo.events import HOLD, SILENT, TRANSITION, Scale
from topo.soak.signals import seconds

ACTIVE = (0.5, 1.5)
"""Seconds between the echoes of an active connection."""
ECHO_TIMEOUT = 100.0
"""Seconds: longer than a site is away, with time for TCP to repeat itself afterwards."""


class StageError(Exception):
    """The topology lacks what the demo needs; the message says what."""


@dataclass(frozen=True)
class Stage:
    """The fabric as the demo sees it."""

    sites: tuple[str, ...]
    clients: dict[str, str]
    """Client of which load comes: its site."""
    long: tuple[Endpoint, ...]
    short: tuple[Endpoint, ...]
    servers: dict[str, str]
    """Server: its site."""
    lbs: dict[str, str]
    """lb switch: its site."""
    links: tuple[str, ...]
    group: tuple[str, tuple[str, ...]]
    """A VIP, and its owners, the home first."""
    verdict_seconds: float
    """interval x fall + timeout of the slowest health check."""
    given_up: float
    """Seconds from when a server is cut off until its connections may be given up: (fall - 1) x interval + ``keep_for``
    of the quickest pool."""
    up_again: float
    """Seconds from when it is reachable until it is found up: (rise + 1) x interval of the slowest."""

    def of_site(self, parts: dict[str, str], site: str) -> tuple[str, ...]:
        """Names of servers, lb switches or clients at a site."""
        return tuple(name for name, at in parts.items() if at == site)


def prepare(document: dict[str, Any]) -> None:
    """Have slots be in transition, and sites that are back be on trial, for no longer than a demo can wait."""
    document["moves"] = {"hold": f"{HOLD:g}s"}
    for pool in document["pools"]:
        pool["transition"] = f"{TRANSITION:g}s"


def stage_of(fabric: Fabric, document: dict[str, Any]) -> Stage:
    """What there is to play with. Raises ``StageError``."""
    if len(fabric.sites) != 2 or not fabric.members or len(fabric.stretch) < 2:
        raise StageError(
            "the demo of two sites needs two of them, two stretch links and members of a store, as two-site-small has"
        )
    clients: dict[str, str] = {}
    for host in fabric.hosts.values():
        site = fabric.site_of(host.name)
        if host.kind == "client" and site not in clients.values():
            clients[host.name] = site
    backends = {str(row["name"]) for pool in document["pools"] for row in pool["backends"]}
    ports = fabric.topology.servers
    first = document["vips"][0]
    return Stage(
        fabric.sites,
        clients,
        _endpoints(document, set(ports.echo)),
        _endpoints(document, set(ports.http)),
        {name: fabric.site_of(name) for name in sorted(backends & set(fabric.hosts))},
        {switch.name: switch.site for switch in fabric.lbs},
        tuple(link.name for link in fabric.stretch),
        (str(first["name"]), tuple(first["owners"])),
        max(_verdict(pool.get("health", {})) for pool in document["pools"]),
        min(_given_up(pool) for pool in document["pools"]),
        max(
            (int(each.get("rise", 2)) + 1) * seconds(each.get("interval", "1s"))
            for each in (pool.get("health", {}) for pool in document["pools"])
        ),
    )


def _verdict(health: dict[str, Any]) -> float:
    return seconds(health.get("interval", "1s")) * int(health.get("fall", 3)) + seconds(
        health.get("timeout", "500ms")
    )


def _given_up(pool: dict[str, Any]) -> float:
    health = pool.get("health", {})
    failing = (int(health.get("fall", 3)) - 1) * seconds(health.get("interval", "1s"))
    return failing + seconds(pool.get("on_down", {}).get("keep_for", "10s"))


def _endpoints(document: dict[str, Any], ports: set[int]) -> tuple[Endpoint, ...]:
    """TCP listeners that lead to one of the servers' ``ports``."""
    found = []
    for vip in document["vips"]:
        for row in vip["listeners"]:
            port, address = int(row["port"]), str(vip["address"])
            behind = int(row.get("backend_port", port))
            if row.get("protocol", "tcp") == "tcp" and behind in ports:
                found.append(Endpoint(f"{vip['name']}/tcp/{port}", str(row["mode"]), address, port, behind))
    return tuple(found)


def write_specs(stage: Stage, scale: Scale, seed: int, directory: str) -> list[Spec]:
    """One spec per client: connections go round clients and listeners, half of each are silent."""
    shares: dict[str, list[Long]] = {client: [] for client in stage.clients}
    clients, long = list(stage.clients), stage.long
    for number in range(scale.connections):
        client = clients[number % len(clients)]
        turn = number // len(clients)
        endpoint = long[turn % len(long)]
        kind, period = ("active", ACTIVE) if turn // len(long) % 2 else ("silent", SILENT)
        target = Target(endpoint.listener, endpoint.address, endpoint.port)
        shares[client].append(Long(f"{client}-{len(shares[client])}", target, kind, period))
    requests = tuple(Target(one.listener, one.address, one.port) for one in stage.short)
    return [
        Spec(
            client,
            seed,
            f"{directory}/{client}.jsonl",
            tuple(mine),
            requests,
            scale.rate,
            open_over=3.0,
            echo_timeout=ECHO_TIMEOUT,
        )
        for client, mine in shares.items()
    ]
