"""The cables of a fabric of containers: laid once, and moved into whichever container is a node now.

All cables are there from the start, with their ends in namespaces of this process. A container that becomes a node
gets the ends of that node; the namespace of a container that has ended is kept until the next one takes them over.
So a node that dies takes no port away from its neighbours.
"""

from __future__ import annotations

import os

from pyroute2 import IPRoute

from topo import netns, wires
from topo.errors import LabError
from topo.plan import Fabric

PREFIX = "cables-"
"""Of the namespaces that hold the cables of nodes that have not come yet."""


class Panel:
    """Where the ends of each node's cables are."""

    def __init__(self, fabric: Fabric) -> None:
        """Lay every cable. Raises OSError."""
        self._fabric = fabric
        self._held: dict[str, int] = {}
        self._spaces: dict[str, str] = {}
        for node in (*fabric.nodes, wires.CONTROL_BRIDGE):
            self._spaces[node] = f"{PREFIX}{node}"
            netns.create(self._spaces[node])
        wires.connect(fabric, self._spaces)

    def plug_in(self, node: str, space: int) -> None:
        """Move a node's ends into the network namespace of that file descriptor, which becomes the panel's.

        Raises ``LabError`` for a name that is none of the fabric's, OSError or NetlinkError where that fails.
        """
        if node not in self._fabric.nodes:
            os.close(space)
            raise LabError(f"no node {node!r} in this fabric; there are {', '.join(self._fabric.nodes)}")
        before, now = self._spaces[node], f"/proc/self/fd/{space}"
        with netns.enter(now):
            self._prepare(node)
        for interface in self._interfaces(node):
            _move(interface, before, space, now)
        self._spaces[node] = now
        if node in self._held:
            os.close(self._held[node])
        else:
            netns.remove(before)
        self._held[node] = space
        self._address(node, now)

    def close(self) -> None:
        """Remove the cables that no container has, and forget about the others."""
        for space in netns.names(PREFIX):
            netns.remove(space)
        for held in self._held.values():
            os.close(held)
        self._held.clear()

    def _prepare(self, node: str) -> None:
        """Kernel parameters; container engines switch IPv6 off where their own networks have none."""
        for scope in ("all", "default", "lo"):
            netns.sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", "0")
        wires.set_defaults(switch=node in self._fabric.switches)

    def _interfaces(self, node: str) -> list[str]:
        switch = self._fabric.switches.get(node)
        ports = [] if switch is None else [port.interface for port in switch.ports]
        own = [wires.HOST_INTERFACE] if node in self._fabric.hosts else []
        control = [wires.CONTROL_INTERFACE] if node in wires.controlled(self._fabric) else []
        return [*ports, *own, *control]

    def _address(self, node: str, space: str) -> None:
        """An interface that moves leaves its addresses and routes behind."""
        control = wires.controlled(self._fabric).get(node)
        if control is not None:
            wires.address_control(space, control)
        if node in self._fabric.hosts:
            wires.set_up_host(self._fabric, self._fabric.hosts[node], space)


def _move(interface: str, before: str, space: int, now: str) -> None:
    with netns.enter(before), IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname=interface)[0], net_ns_fd=space)
    with netns.enter(now), IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname=interface)[0], state="up")
