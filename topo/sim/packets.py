"""Ethernet, ARP, IPv4 and TCP as simulated hosts speak them: bytes to values and back. Pure."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from controller.frames.checksum import checksum

BROADCAST = b"\xff" * 6
ARP, IPV4 = 0x0806, 0x0800
IPIP, TCP = 4, 6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_WINDOW = 65535
_TTL = 64


class Segment(NamedTuple):
    """A TCP segment."""

    src: str
    sport: int
    dst: str
    dport: int
    seq: int
    ack: int
    flags: int
    data: bytes = b""


class Question(NamedTuple):
    """An ARP packet."""

    op: int
    """1: who has ``target``; 2: ``sender`` is at ``mac``."""
    mac: bytes
    sender: str
    target: str


def ethernet(dst: bytes, src: bytes, kind: int, payload: bytes) -> bytes:
    """A frame."""
    return dst + src + kind.to_bytes(2, "big") + payload


def arp(op: int, mac: bytes, sender: str, target_mac: bytes, target: str) -> bytes:
    """An ARP packet."""
    return _ARP.pack(1, IPV4, 6, 4, op, mac, _octets(sender), target_mac, _octets(target))


def read_arp(packet: bytes) -> Question | None:
    """An ARP packet read; None for anything else."""
    if len(packet) < _ARP.size:
        return None
    hardware, protocol, _, _, op, mac, sender, _, target = _ARP.unpack_from(packet)
    if (hardware, protocol) != (1, IPV4):
        return None
    return Question(op, mac, _text(sender), _text(target))


def tcp(segment: Segment) -> bytes:
    """An IPv4 packet with the segment, both checksums right."""
    src, dst = _octets(segment.src), _octets(segment.dst)
    head = _TCP.pack(
        segment.sport, segment.dport, segment.seq, segment.ack, 5 << 4, segment.flags, _WINDOW, 0, 0
    )
    length = len(head) + len(segment.data)
    total = checksum(_pseudo(src, dst, length) + head + segment.data)
    payload = head[:16] + total.to_bytes(2, "big") + head[18:] + segment.data
    bare = _IP.pack(0x45, 0, _IP.size + length, 0, 0x4000, _TTL, TCP, 0, src, dst)
    return bare[:10] + checksum(bare).to_bytes(2, "big") + bare[12:] + payload


def read_tcp(packet: bytes) -> Segment | None:
    """The segment in an IPv4 packet, also one that comes in IPIP; None if it is none or a checksum is wrong."""
    if len(packet) < _IP.size or packet[0] >> 4 != 4:
        return None
    start = (packet[0] & 15) * 4
    _, _, length, _, _, _, proto, _, src, dst = _IP.unpack_from(packet)
    packet = packet[:length]
    if len(packet) < max(start, length) or checksum(packet[:start]):
        return None
    body = packet[start:]
    if proto == IPIP:
        return read_tcp(body)
    if proto != TCP or len(body) < _TCP.size or checksum(_pseudo(src, dst, len(body)) + body):
        return None
    sport, dport, seq, ack, offset, flags, _, _, _ = _TCP.unpack_from(body)
    return Segment(_text(src), sport, _text(dst), dport, seq, ack, flags, body[(offset >> 4) * 4 :])


def _pseudo(src: bytes, dst: bytes, length: int) -> bytes:
    return src + dst + bytes([0, TCP]) + length.to_bytes(2, "big")


def _octets(address: str) -> bytes:
    return IPv4Address(address).packed


def _text(address: bytes) -> str:
    return str(IPv4Address(address))
