"""What rows send, symbolically: a client's packet, a server's answer to what it got, a question, an error."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from typing import Protocol as Shape

from controller.spec.types import Address, Protocol
from tests.conformance import packets
from tests.conformance.packets import ACK, ETHER, FIN, FIRST, PSH, RST, SYN, USUAL, Odd, Packet, ethernet
from tests.conformance.scenario import (
    CLIENTS,
    GATEWAY_MAC,
    ROUTER,
    SEGMENT,
    SERVER_MACS,
    STRETCH,
    VIRTUAL_MAC,
    Service,
)
from tests.conformance.target import Wire

_marks = count(1)
_NOT_IP = 0x9000
"""EtherType of the configuration test protocol (loopback)."""


def new_mark() -> bytes:
    """Eight bytes that no frame has had before: a packet is known again by them."""
    return b"EK" + next(_marks).to_bytes(6, "big")


@dataclass(frozen=True)
class Connection:
    """A client's connection, or flow of datagrams, through a service."""

    client: str
    port: int
    service: Service

    def syn(self, **fields: object) -> FromClient:
        """The packet that opens it (any datagram of UDP)."""
        return self._send(SYN, **fields)

    def data(self, **fields: object) -> FromClient:
        """A packet in the middle of it; ``fields`` are those of ``FromClient``."""
        return self._send(ACK | PSH, **fields)

    def fin(self) -> FromClient:
        """The client closes it."""
        return self._send(FIN | ACK)

    def rst(self) -> FromClient:
        """The client aborts it."""
        return self._send(RST)

    def answer(self, **fields: object) -> FromServer:
        """The server's answer to the last packet that it got."""
        return FromServer(self, **fields)  # type: ignore[arg-type]

    def error(self, mtu: int = 1280) -> TooBigError:
        """A router's complaint about the server's last answer."""
        return TooBigError(self, mtu)

    @property
    def packet(self) -> Packet:
        """An empty packet of it, as the client sends it."""
        return Packet(
            CLIENTS[self.client].addresses[self.service.version],
            self.port,
            self.service.vip,
            self.service.port,
            self.service.protocol,
        )

    def _send(self, flags: int, **fields: object) -> FromClient:
        return FromClient(self, flags, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Delivered:
    """Where a connection's last packet went."""

    backend: str
    packet: Packet
    """As the server got it."""


@dataclass
class Log:
    """What a row has seen so far."""

    exact: bool
    """Whether frames are those of a wire, to be compared to the last bit."""
    last: dict[Connection, Delivered] = field(default_factory=dict)
    translated: set[Connection] = field(default_factory=set)
    """Those whose local port, with fullnat, the switch still remembers."""


class Say(Shape):
    """Something to be sent."""

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """The frames; ``mark`` is in each of them where that is possible."""
        ...


@dataclass(frozen=True)
class FromClient:
    """A packet of a client to its service."""

    connection: Connection
    flags: int = ACK
    size: int = 32
    """Octets of payload."""
    ttl: int = 64
    tos: int = 0
    options: bytes = b""
    summed: bool = True
    fragments: str = ""
    """Which fragments of it, in this order: "12", "21"; empty: unfragmented."""
    octets: int = FIRST
    """Of transport in each fragment but the last."""

    def packet(self, mark: bytes) -> Packet:
        """As it leaves the client."""
        filling = bytes(n * 7 % 251 for n in range(max(self.size - len(mark) - len(self._end(mark)), 0)))
        return replace(
            self.connection.packet,
            payload=(mark + filling + self._end(mark))[: max(self.size, len(mark))],
            flags=self.flags,
            ttl=self.ttl,
            tos=self.tos,
            ident=int.from_bytes(mark[-2:], "big"),
            options=self.options,
            summed=self.summed,
        )

    def _end(self, mark: bytes) -> bytes:
        # The later fragment has to be known again too.
        return mark if self.fragments else b""

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        ip = self.packet(mark).ip
        parts = ip.fragments(self.octets) if self.fragments else (ip.build(),)
        chosen = [parts[int(which) - 1] for which in self.fragments] or list(parts)
        return [Wire(SEGMENT, self._frame(part)) for part in chosen]

    def _frame(self, packet: bytes) -> bytes:
        kind = ETHER[self.connection.service.version]
        return ethernet(VIRTUAL_MAC, CLIENTS[self.connection.client].mac, kind, packet)


@dataclass(frozen=True)
class FromServer:
    """A server's answer to what it got last on a connection."""

    connection: Connection
    size: int = 32
    port: int | None = None
    """Another source port than the one that was asked."""
    fragments: str = ""
    octets: int = FIRST
    """Of transport in each fragment but the last."""
    of: Connection | None = None
    """To this client instead, past the balancer: with the server's own address."""

    def packet(self, log: Log, mark: bytes) -> Packet:
        """As it leaves the server."""
        got = log.last[self.connection].packet
        payload = mark + bytes(max(self.size - 2 * len(mark), 0)) + mark
        made = replace(
            got.answer(payload), ttl=64, tos=0, ident=int.from_bytes(mark[-2:], "big"), summed=True
        )
        return made if self.port is None else replace(made, source_port=self.port)

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        name = log.last[self.connection].backend
        ip = self.packet(log, mark).ip
        parts = ip.fragments(self.octets) if self.fragments else (ip.build(),)
        kind = ETHER[self.connection.service.version]
        return [Wire(name, ethernet(GATEWAY_MAC, SERVER_MACS[name], kind, part)) for part in parts]


@dataclass(frozen=True)
class TooBigError:
    """Packet too big, from the router to the VIP, about what the server last sent to the client."""

    connection: Connection
    mtu: int = 1280

    def about(self, mark: bytes) -> Packet:
        """The packet that was too big, as it was outside."""
        return replace(self.connection.packet.answer(mark + bytes(64)), ttl=60)

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        version = self.connection.service.version
        error = packets.too_big(ROUTER[version], self.about(mark).build(), self.mtu)
        return [Wire(SEGMENT, ethernet(VIRTUAL_MAC, GATEWAY_MAC, ETHER[version], error.build()))]


@dataclass(frozen=True)
class Question:
    """Who has an address? ARP for IPv4, a neighbour solicitation for IPv6."""

    address: Address
    client: str = "c1"
    unicast: bool = False
    unspecified: bool = False
    """Asked by a host that has no address yet."""
    operation: int = 1
    """ARP's: 2 is an answer that was not asked for."""
    port: str = SEGMENT
    odd: Odd = USUAL
    source: Address | None = None
    """Who asks, if not the client."""

    @property
    def asker(self) -> Address:
        """Address of who asks."""
        if self.source is not None:
            return self.source
        if self.unspecified:
            return ip_address("0.0.0.0" if self.address.version == 4 else "::")
        return CLIENTS[self.client].addresses[self.address.version]

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        mac = CLIENTS[self.client].mac
        if isinstance(self.address, IPv4Address):
            to = VIRTUAL_MAC if self.unicast else "ff:ff:ff:ff:ff:ff"
            asked = packets.arp(self.operation, mac, self.asker, self.address, to, self.odd)
            return [Wire(self.port, asked)]
        assert isinstance(self.address, IPv6Address)
        unicast = VIRTUAL_MAC if self.unicast else None
        return [Wire(self.port, packets.solicitation(mac, self.asker, self.address, unicast, self.odd))]


@dataclass(frozen=True)
class Ping:
    """An echo request."""

    address: Address
    client: str = "c1"
    size: int = 56
    ttl: int = 64

    def message(self, mark: bytes) -> bytes:
        """What follows the checksum: identifier, sequence number, data."""
        return struct.pack("!HH", 77, 5) + mark + bytes(self.size - len(mark))

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        client, version = CLIENTS[self.client], self.address.version
        kind = 8 if version == 4 else 128
        source, message = client.addresses[version], self.message(mark)
        ip = packets.icmp(source, self.address, kind, 0, message, self.ttl)
        return [Wire(SEGMENT, ethernet(VIRTUAL_MAC, client.mac, ETHER[version], ip.build()))]


@dataclass(frozen=True)
class Stray:
    """A packet of a client to a place without a listener."""

    address: Address
    port: int = 9
    protocol: Protocol = Protocol.TCP
    number: int | None = None
    """Another IP protocol."""
    client: str = "c1"

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        client, version = CLIENTS[self.client], self.address.version
        packet = Packet(
            client.addresses[version], 40_000, self.address, self.port, self.protocol, mark, flags=SYN
        )
        ip = packet.ip if self.number is None else replace(packet.ip, protocol=self.number)
        return [Wire(SEGMENT, ethernet(VIRTUAL_MAC, client.mac, ETHER[version], ip.build()))]


@dataclass(frozen=True)
class Frame:
    """A frame that is none of the balancer's business."""

    to: str
    """Destination MAC."""
    address: Address | None = None
    """A datagram to it; None: no IP at all."""
    port: str = SEGMENT

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        client = CLIENTS["c2"]
        if self.address is None:
            return [Wire(self.port, ethernet(self.to, client.mac, _NOT_IP, mark + bytes(46)))]
        source = client.addresses[self.address.version]
        packet = Packet(source, 5353, self.address, 5353, Protocol.UDP, mark)
        return [Wire(self.port, ethernet(self.to, client.mac, ETHER[self.address.version], packet.build()))]


@dataclass(frozen=True)
class Announcement:
    """The other site, or another host, says that it has the VIP."""

    address: Address
    operation: int = 1
    """ARP's."""
    port: str = STRETCH
    mac: str = VIRTUAL_MAC
    """Who says so."""
    named: str | None = None
    """Another MAC that an advertisement names; empty: none."""

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        if isinstance(self.address, IPv4Address):
            said = packets.arp(self.operation, self.mac, self.address, self.address)
        else:
            assert isinstance(self.address, IPv6Address)
            said = packets.advertisement(self.mac, self.address, None, self.named)
        return [Wire(self.port, said)]


@dataclass(frozen=True)
class AnswerFromAfar:
    """The other site answers a client's question who has a VIP."""

    address: Address
    client: str = "c1"
    port: str = STRETCH
    mac: str = VIRTUAL_MAC
    """Who answers."""

    def wires(self, log: Log, mark: bytes) -> list[Wire]:
        """See ``Say``."""
        asker = CLIENTS[self.client]
        to = asker.addresses[self.address.version]
        if isinstance(self.address, IPv4Address):
            said = packets.arp(2, self.mac, self.address, to, asker.mac)
        else:
            assert isinstance(self.address, IPv6Address)
            said = packets.advertisement(self.mac, self.address, (asker.mac, to))
        return [Wire(self.port, said)]


def connections(
    count: int, service: Service, client: str = "c1", first: int = 41_000
) -> tuple[Connection, ...]:
    """Connections of one client from ports in a row."""
    return tuple(Connection(client, first + n, service) for n in range(count))


def opening(some: Sequence[Connection]) -> tuple[FromClient, ...]:
    """The first packet of each."""
    return tuple(one.syn() for one in some)


def going_on(some: Sequence[Connection]) -> tuple[FromClient, ...]:
    """A packet in the middle of each."""
    return tuple(one.data() for one in some)
