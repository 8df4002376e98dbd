"""Follow one packet through a lab's embedded P4 switches, from a host to where it ends. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import ip_frame, mac_bytes
from topo.errors import LabError
from topo.lab import Lab
from topo.model import SwitchKind
from topo.p4programs import PROGRAMS
from topo.p4switch.story import tell
from topo.p4switch.tracer import ask
from topo.plan import Address, Host

HOPS = 16
"""Switches that a packet is followed through at most."""
_TCP, _UDP = 6, 17
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16}


def trace(lab: Lab, host: str, to: Address, port: int, source_port: int, flags: str) -> Iterator[str]:
    """Lines about the packet that ``host`` would send; ``flags`` of TCP by comma, or ``udp``. Raises LabError."""
    sender = lab.fabric.hosts.get(host)
    if sender is None:
        raise LabError(f"no host {host!r} in lab {lab.name}: there are {', '.join(lab.fabric.hosts)}")
    frame = build(lab, sender, to, port, source_port, flags)
    ahead = [(host, sender.attach, frame)]
    for _ in range(HOPS):
        if not ahead:
            return
        previous, node, frame = ahead.pop(0)
        switch = lab.fabric.switches[node]
        yield f"-- {node} ({switch.kind}), from {previous}"
        socket = lab.path / "switches" / node / "trace.sock"
        answer = _ask(node, switch.kind, socket, switch.port(previous), frame)
        yield from tell(answer)
        for egress, sent in answer["out"]:
            onward = next((each.to for each in switch.ports if each.number == egress), None)
            if onward is None:
                yield f"-- port {egress} of {node} is the controller's"
            elif onward not in lab.fabric.switches:
                yield f"-- {onward}"
            else:
                ahead.append((node, onward, bytes.fromhex(sent)))
    if ahead:
        raise LabError(f"the packet is still on its way after {HOPS} switches")


def build(lab: Lab, sender: Host, to: Address, port: int, source_port: int, flags: str) -> bytes:
    """The frame that a host would send: to the VIP's MAC on its own segment, else to its gateway. Raises LabError."""
    own = next((each for each in sender.addresses if each.version == to.version), None)
    if own is None:
        raise LabError(f"{sender.name} has no IPv{to.version} address")
    mac = lab.fabric.topology.gateway_mac
    for vip in lab.fabric.topology.services.vips:
        if "address" in vip and ip_address(str(vip["address"])) == to and to in own.network:
            mac = str(vip["mac"])
    ports = source_port.to_bytes(2, "big") + port.to_bytes(2, "big")
    if flags == "udp":
        protocol, head, tail = _UDP, ports + (8).to_bytes(2, "big"), b""
    else:
        unknown = [flag for flag in flags.split(",") if flag not in _FLAGS]
        if unknown:
            raise LabError(
                f"no TCP flag {unknown[0]!r}: there are {', '.join(_FLAGS)}, or udp instead of flags"
            )
        bits = sum(_FLAGS[flag] for flag in set(flags.split(",")))
        protocol, tail = _TCP, b"\0\0"
        head = ports + bytes(8) + bytes((0x50, bits)) + (0xFFFF).to_bytes(2, "big")
    source, destination = own.ip.packed, to.packed
    blank = head + b"\0\0" + tail
    total = checksum(pseudo_header(source, destination, protocol, len(blank)) + blank)
    payload = head + total.to_bytes(2, "big") + tail
    return ip_frame(mac_bytes(mac) + mac_bytes(sender.mac), source, destination, protocol, payload)


def _ask(node: str, kind: SwitchKind, socket: Path, port: int, frame: bytes) -> dict[str, Any]:
    those = [known for known, program in PROGRAMS.items() if program.traces]
    if kind not in those:
        raise LabError(
            f"{node} is a {kind} switch: only {' and '.join(those)} switches tell what they do with a packet"
        )
    try:
        return ask(socket, port, frame)
    except OSError as error:
        raise LabError(f"{node} does not answer at {socket}: {error}") from None
    except ValueError as error:
        raise LabError(f"{node}: {error}") from None
