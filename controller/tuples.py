"""Connections as people write them: ADDRESS:PORT, and TCP flags by name."""

from __future__ import annotations

import re
from ipaddress import ip_address

from controller.lbstate import Packet
from controller.spec.types import Address, Protocol

TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>\d{1,5})")


class BadPacket(ValueError):
    """What was asked for makes no sense; the text says why, and what would be right."""


def packet_of(source: str, target: str, udp: bool = False, flags: str | None = None) -> Packet:
    """``flags``: separated by commas; None: the SYN that opens a connection. Raises BadPacket."""
    protocol = Protocol.UDP if udp else Protocol.TCP
    if udp and flags is not None:
        raise BadPacket("--flags goes with TCP only; leave out --flags or --udp")
    given = {flag.strip().lower() for flag in (flags or "").split(",")} - {""}
    unknown = sorted(given - set(TCP_FLAGS))
    if unknown:
        raise BadPacket(f"--flags {flags}: {unknown[0]!r} is no TCP flag; there are {', '.join(TCP_FLAGS)}")
    opens = protocol is Protocol.TCP and (flags is None or ("syn" in given and "ack" not in given))
    from_address, from_port = _endpoint("--from", source)
    to_address, to_port = _endpoint("--to", target)
    if from_address.version != to_address.version:
        raise BadPacket(f"--from {source} and --to {target}: give two addresses of one IP version")
    return Packet(from_address, from_port, to_address, to_port, protocol, opens)


def _endpoint(option: str, text: str) -> tuple[Address, int]:
    wrong = BadPacket(f"{option} {text}: give ADDRESS:PORT, like 10.0.0.11:40000 or [fd00::11]:40000")
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise wrong
    try:
        address = ip_address(found["v6"] or found["v4"])
    except ValueError:
        raise wrong from None
    port = int(found["port"])
    if address.version != (6 if found["v6"] else 4) or port > 65_535:
        raise wrong
    return address, port
