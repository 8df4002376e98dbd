"""ICMP errors about what a server was sent, by the server or a router before it: said, and as the client gets them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from controller.spec.types import Address
from tests.conformance import packets
from tests.conformance.delivery import Got, Wrong
from tests.conformance.packets import ETHER, ICMP6, Packet, cover, ethernet, header_is_right, one_sum, read
from tests.conformance.says import Connection, Delivered, Log
from tests.conformance.scenario import GATEWAY_MAC, SEGMENT, SERVER_MACS
from tests.conformance.target import Wire

_BEHIND: dict[int, Address] = {4: ip_address("10.1.0.254"), 6: ip_address("fd00:0:0:1::fe")}
"""A router between the switch and its servers."""
_KINDS = {("router", 4): (3, 4), ("router", 6): (2, 0), ("server", 4): (3, 3), ("server", 6): (1, 4)}
"""Type and code: packet too big, port unreachable."""
_QUOTED = 8
"""Octets of the transport header that are certain to be quoted."""


@dataclass(frozen=True)
class ServerError:
    """About the last packet that the connection's server was sent."""

    connection: Connection
    by: str = "server"
    """Or "router": packet too big."""
    mtu: int = 1400
    of_port: int = 0
    """About another packet: of the source port that is so much higher."""

    @property
    def kind(self) -> tuple[int, int]:
        """Type and code."""
        return _KINDS[self.by, self.connection.service.version]

    @property
    def rest(self) -> int:
        """The four bytes after the checksum."""
        return self.mtu if self.by == "router" else 0

    def about(self, log: Log) -> Packet:
        """The packet that it quotes, as the server got it."""
        got = log.last[self.connection].packet
        return replace(got, source_port=got.source_port ^ self.of_port)

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        name, quoted = log.last[self.connection].backend, self.about(log)
        sender = quoted.destination if self.by == "server" else _BEHIND[quoted.source.version]
        rest = struct.pack("!I", self.rest) + quoted.build()
        error = packets.icmp(sender, quoted.source, *self.kind, rest)
        version = self.connection.service.version
        return [Wire(name, ethernet(GATEWAY_MAC, SERVER_MACS[name], ETHER[version], error.build()))]


@dataclass(frozen=True)
class ErrorHome:
    """The client gets it from the VIP, about what it sent to the VIP."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, ServerError)
            if [wire.port for wire in got.frames] != [SEGMENT]:
                raise Wrong(f"came out at {[wire.port for wire in got.frames]}, wanted the segment once")
            _compare(got.frames[0].frame, got.say, log)
        return {}


def _compare(frame: bytes, say: ServerError, log: Log) -> None:
    found = packets.read_frame(frame)
    if found is None:
        raise Wrong(f"no IP packet: {frame.hex()}")
    sent, quoted = say.connection.packet, say.about(log)
    covered = found.payload
    if found.protocol == ICMP6:
        covered = cover(found.source, found.destination, ICMP6, covered)
    inside = found.payload[8:]
    inner = read(inside)
    if inner is None:
        raise Wrong("no packet is quoted")
    wanted = replace(
        quoted,
        source=sent.source,
        source_port=sent.source_port,
        destination=sent.destination,
        destination_port=sent.destination_port,
    )
    # The sums of the transport are those of what the server got: they cannot be checked against a quote.
    length = 20 if inner.version == 4 else 40
    for what, is_, should in (
        ("header checksum is right", header_is_right(found.whole), True),
        ("the checksums' remainder", one_sum(covered), 0),
        ("quoted header's checksum is right", header_is_right(inside), True),
        ("source", found.source, sent.destination),
        ("destination", found.destination, sent.source),
        ("type, code", tuple(found.payload[:2]), say.kind),
        ("rest", int.from_bytes(found.payload[4:8], "big"), say.rest),
        ("quoted header", inside[:length].hex(), wanted.build()[:length].hex()),
        ("quoted ports", (inner.port(0), inner.port(1)), (wanted.source_port, wanted.destination_port)),
        ("rest of the quote", inside[length + _QUOTED :], quoted.build()[length + _QUOTED :]),
    ):
        if is_ != should:
            raise Wrong(f"{what}: {is_!r}, wanted {should!r}")
