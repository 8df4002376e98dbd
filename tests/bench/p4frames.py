"""Frames for the P4 benchmark, made before anything is timed."""

from __future__ import annotations

from ipaddress import IPv4Address

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import ip_frame, mac_bytes
from controller.spec.types import Mode
from tests.bench import p4scene as scene

_CLIENT = mac_bytes("02:00:00:00:00:01")
_SYN, _ACK = 2, 16
_PAYLOAD = b"x" * 10
"""64 bytes a frame."""


def plain(flows: int) -> list[bytes]:
    """What L2 forwards to port 2."""
    to = mac_bytes("02:00:00:00:00:02")
    return [_tcp(to, number, scene.MODES[Mode.DR], _ACK) for number in range(flows)]


def connections(port: int, flows: int) -> tuple[list[bytes], list[bytes]]:
    """SYNs to a listener, and packets of the connections that they open."""
    to = mac_bytes("02:45:56:00:01:01")
    return [_tcp(to, n, port, _SYN) for n in range(flows)], [_tcp(to, n, port, _ACK) for n in range(flows)]


def reported(connections: int) -> list[bytes]:
    """One packet of each pinned connection."""
    to = mac_bytes("02:45:56:00:01:01")
    return [_tcp(to, number, scene.MODES[Mode.DR], _ACK) for number in range(connections)]


def opening(client: IPv4Address, client_port: int, port: int) -> tuple[bytes, bytes]:
    """SYN of a connection to a listener, and the packet that establishes it."""
    to = mac_bytes("02:45:56:00:01:01")
    return _from(client, client_port, to, port, _SYN), _from(client, client_port, to, port, _ACK)


def _tcp(to: bytes, number: int, port: int, flags: int) -> bytes:
    return _from(*scene.source(number), to, port, flags)


def _from(client: IPv4Address, source_port: int, to: bytes, port: int, flags: int) -> bytes:
    source = client.packed
    head = source_port.to_bytes(2, "big") + port.to_bytes(2, "big") + bytes((0, 0, 0, 1)) * 2
    head += bytes((0x50, flags)) + (1000).to_bytes(2, "big")
    blank = head + bytes(4) + _PAYLOAD
    total = checksum(pseudo_header(source, scene.VIP.packed, 6, len(blank)) + blank)
    payload = head + total.to_bytes(2, "big") + bytes(2) + _PAYLOAD
    return ip_frame(to + _CLIENT, source, scene.VIP.packed, 6, payload)
