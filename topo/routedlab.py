"""Routers, speakers and their clients in a lab, as they run: cables, addresses, FRR's daemons; broken and repaired."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from controller.spec.kinds import KINDS, Protocol
from topo import frr, model, netns, process, routed, wires
from topo.errors import LabError
from topo.plan import Fabric


def check(topology: model.Topology) -> None:
    """Raise ``LabError`` unless its routers can be there."""
    if topology.routed is None:
        return
    reason = frr.missing()
    if reason is not None:
        raise LabError(reason)
    for switch in topology.switches:
        kind = switch.kind or model.DEFAULT_KIND
        if KINDS[kind].protocol is Protocol.P4RUNTIME:
            why = "which bridges nothing between routers and a speaker"
            raise LabError(f"{switch.name} is {kind}, {why}: with routers all switches are ovs")


_LEARNT = 15.0


class RoutedParts:
    """Nothing, in a lab without routers."""

    def __init__(self, fabric: Fabric, path: Path, spaces: Mapping[str, str], pids: Path) -> None:
        self._fabric = fabric
        self._spaces = spaces
        self._pids = pids
        self.sockets = path / "frr"
        """A directory for each node, with its daemons' vty sockets."""
        of = fabric.topology.routed
        self._routers = () if of is None else tuple(each.name for each in of.routers)
        self._speakers = () if of is None else tuple(each.name for each in of.speakers)
        self.engines = (*self._routers, *self._speakers)
        """Nodes that run FRR."""

    def connect(self) -> None:
        """All cables and addresses."""
        of, spaces = self._fabric.topology.routed, self._spaces
        if of is None:
            return
        for switch, inner, node, outer, mac in routed.cables(self._fabric):
            wires.cable(spaces[switch], inner, spaces[node], outer, mac)
            self._plain(node, outer)
        for router, client, _ in routed.links(self._fabric):
            wires.cable(spaces[router], client, spaces[client], router)
            self._plain(router, client)
            self._plain(client, router)
        for node in of.nodes:
            with netns.enter(spaces[node]):
                for family, key in (("ipv4", "ip_forward"), ("ipv6", "conf/all/forwarding")):
                    netns.sysctl(f"net/{family}/{key}", str(int(node in self._routers)))
                    netns.sysctl(f"net/{family}/fib_multipath_hash_policy", "1")
                # A router that lost a carrier is no way to go.
                netns.sysctl("net/ipv4/conf/all/ignore_routes_with_linkdown", "1")
                netns.sysctl("net/ipv6/conf/all/ignore_routes_with_linkdown", "1")
            self._address(node)

    def tasks(self) -> list[Callable[[], None]]:
        """What starts all engines."""
        return [partial(self._start, node) for node in self.engines]

    def change(self, node: str, mend: bool) -> None:
        """End an engine, and a router's links with it; or start what does not run, and its links.

        A router that returns is used by clients when it has a way to all VIPs, or after ``_LEARNT`` seconds.
        """
        clients = [client for router, client, _ in routed.links(self._fabric) if router == node]
        if not mend:
            frr.stop(self._pids, node)
            self._set_links(node, up=False)
            self._use(clients, node, False)
        elif not self.running(node):
            self._set_links(node, up=True)
            self._address(node)
            self._start(node)
            end = time.monotonic() + _LEARNT
            while clients and not self._has_learnt(node) and time.monotonic() < end:
                time.sleep(0.1)
            self._use(clients, node, True)

    def _use(self, clients: Iterable[str], router: str, use: bool) -> None:
        """Whether clients send by a router."""
        for client in clients:
            self._address(client, "" if use else router)

    def _has_learnt(self, router: str) -> bool:
        """Whether it has a way to every VIP."""
        with netns.enter(self._spaces[router]):
            asked = (["ip", f"-{vip.version}", "route", "show", str(vip)] for vip in self._fabric.vips)
            return all(process.run(command).strip() for command in asked)

    def running(self, node: str) -> bool:
        """Whether all daemons of an engine live."""
        found = process.recall(self._pids, node)
        return len(found) == len(frr.DAEMONS) and all(each.alive for each in found)

    def status(self) -> dict[str, dict[str, Any]]:
        """Each node as ``Lab.status`` has it."""
        of = self._fabric.topology.routed
        rows: dict[str, dict[str, Any]] = {}
        for each in routed.segments(self._fabric):
            ends = (
                (each.router.name, "router", routed.ROUTER),
                (each.speaker.name, "speaker", routed.SPEAKER),
            )
            for name, kind, last in ends:
                usual = {"kind": kind, "at": "", "addresses": [], "running": self.running(name)}
                row = rows.setdefault(name, usual)
                known = [*row["at"].split(", "), each.speaker.at]
                row["at"] = ", ".join(dict.fromkeys(filter(None, known)))
                row["addresses"].append(each.address(last))
        for number, name in enumerate(() if of is None else of.clients, 1):
            rows[name] = {"kind": "client", "at": ", ".join(self._routers), "addresses": [f"10.7.0.{number}"]}
        return rows

    def _start(self, node: str) -> None:
        configs = routed.router_configs(self._fabric, node) if node in self._routers else None
        frr.start(self._spaces[node], self.sockets / node, self._pids, node, configs)

    def _set_links(self, node: str, up: bool) -> None:
        """Of a router; what is no router keeps them."""
        for name in wires.links(self._spaces[node]) if node in self._routers else ():
            if name not in ("lo", wires.CONTROL_INTERFACE):
                wires.set_link(self._spaces[node], name, up)

    def _address(self, node: str, but: str = "") -> None:
        with netns.enter(self._spaces[node]):
            process.run(["ip", "-force", "-batch", "-"], stdin=routed.setup(self._fabric, node, but))

    def _plain(self, node: str, interface: str) -> None:
        with netns.enter(self._spaces[node]):
            wires.checksum_in_software(interface)
