"""Checks of fences: the cables on which controllers claim their authority at an edge."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.spec.kinds import Protocol, kinds_of
from controller.spec.types import FenceEnd, Role, Switch


def check_fence(found: Findings) -> None:
    """Every fence of an Open vSwitch, and that no cable is named twice."""
    interfaces: dict[str, tuple[Switch, FenceEnd]] = {}
    for switch in found.intent.switches:
        if switch.of_kind.protocol is not Protocol.OPENFLOW:
            continue
        if switch.fence and Role.EDGE not in switch.roles:
            message = f'switch "{switch.name}" has a fence, but is no edge, which would answer for VIPs'
            found.add(switch, "fence", message, "leave fence out or add the role edge", [(switch, "roles")])
        ports: dict[int, FenceEnd] = {}
        for end in switch.fence:
            _check_port(found, switch, end, ports.setdefault(end.port, end))
            other, first = interfaces.setdefault(end.interface, (switch, end))
            if first is not end:
                whose = f'"{switch.name}"' if other is switch else f'"{other.name}" and "{switch.name}"'
                message = f'two fences of {whose} end at interface "{end.interface}"'
                found.add(end, "interface", message, "give each a cable of its own, and its end a name")


def _check_port(found: Findings, switch: Switch, end: FenceEnd, first: FenceEnd) -> None:
    name = f'port {end.port} of the fence of switch "{switch.name}"'
    if first is not end:
        found.add(end, "port", f"{name} is named twice", "give every controller a port of its own")
    behind = next((port.to for port in switch.ports if port.number == end.port), None)
    if behind is not None:
        right = f'connect a cable for the fence alone, or leave "{behind}" out of ports'
        found.add(end, "port", f'{name} leads to "{behind}"', right)
    if end.port not in switch.of_kind.ports:
        found.add(end, "port", f"{name} does not exist on {switch.kind}", "count from 1")


def check_no_fence(found: Findings, switch: Switch) -> None:
    """A P4 switch needs none."""
    if found.given(switch, "fence"):
        message = f'the {switch.kind} switch "{switch.name}" has a fence, and needs none: it keeps a deadline itself'
        right = f"leave fence out, or use kind {kinds_of(Protocol.OPENFLOW)}"
        found.add(switch, "fence", message, right, unless=[(switch, "kind")])
