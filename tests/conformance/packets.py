"""Packets of the suite, built and read byte by byte: what is sent, and what must come out to the last bit.

Nothing of the product helps here, so that a mistake in its checksums cannot hide itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from controller.spec.types import Address, Protocol

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, UDP, ICMP, ICMP6, IPIP, IPV6_IN_IP, FRAGMENT = 6, 17, 1, 58, 4, 41, 44
ETHER = {4: 0x0800, 6: 0x86DD}
ARP = 0x0806
VLAN, SERVICE_VLAN = 0x8100, 0x88A8
FIRST = 1280
"""Octets of transport in a first fragment."""
SMALL = 424
"""As many as fit a path of the smallest MTU that is met; Open vSwitch can be told to take nothing below 400 octets."""


def one_sum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(text: str) -> bytes:
    """Six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def ethernet(destination: str, source: str, kind: int, payload: bytes) -> bytes:
    """An untagged frame."""
    return mac(destination) + mac(source) + struct.pack("!H", kind) + payload


@dataclass(frozen=True)
class Tag:
    """An IEEE 802.1Q tag; VID 0 names no VLAN, only a priority."""

    vid: int = 0
    priority: int = 0
    kind: int = VLAN
    """``SERVICE_VLAN`` for a provider's."""

    def put(self, frame: bytes) -> bytes:
        """The frame with this tag."""
        return frame[:12] + struct.pack("!HH", self.kind, self.priority << 13 | self.vid) + frame[12:]


def without_priority(frame: bytes) -> bytes:
    """The frame without a tag that names no VLAN."""
    kind, tag = struct.unpack_from("!HH", frame, 12)
    names_none = kind in (VLAN, SERVICE_VLAN) and tag & 0xFFF == 0
    return frame[:12] + frame[16:] if names_none else frame


@dataclass(frozen=True)
class Ip:
    """An IP packet without options or extensions."""

    source: Address
    destination: Address
    protocol: int
    payload: bytes
    ttl: int = 64
    tos: int = 0
    ident: int = 0
    """IPv4 identification, IPv6 flow label."""

    def build(self) -> bytes:
        """The bytes."""
        ends = self.source.packed + self.destination.packed
        if self.source.version == 6:
            first = 6 << 28 | self.tos << 20 | self.ident
            return (
                struct.pack("!IHBB", first, len(self.payload), self.protocol, self.ttl) + ends + self.payload
            )
        length = 20 + len(self.payload)
        head = struct.pack("!BBHHHBB", 0x45, self.tos, length, self.ident, 0, self.ttl, self.protocol)
        return head + struct.pack("!H", one_sum(head + bytes(2) + ends)) + ends + self.payload

    def fragments(self, octets: int = FIRST) -> tuple[bytes, ...]:
        """The same in parts of so many octets of the payload, which must be longer."""
        last = len(self.payload) - 1
        return tuple(
            self._fragment(at, self.payload[at : at + octets], int(at + octets <= last))
            for at in range(0, last + 1, octets)
        )

    def _fragment(self, offset: int, part: bytes, more: int) -> bytes:
        if self.source.version == 6:
            head = struct.pack("!BxHI", self.protocol, offset | more, self.ident)
            return replace(self, protocol=FRAGMENT, payload=head + part).build()
        whole = replace(self, payload=part).build()
        head = whole[:6] + struct.pack("!H", offset >> 3 | more << 13) + whole[8:10] + bytes(2) + whole[12:20]
        return head[:10] + struct.pack("!H", one_sum(head)) + head[12:] + part


@dataclass(frozen=True)
class Packet:
    """A TCP segment or UDP datagram in IP."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int
    protocol: Protocol
    payload: bytes = b""
    flags: int = ACK
    ttl: int = 64
    tos: int = 0
    ident: int = 0
    options: bytes = b""
    """Of TCP; a multiple of four bytes."""
    summed: bool = True
    """False: UDP over IPv4 without checksum."""

    @property
    def ip(self) -> Ip:
        """As an IP packet."""
        return Ip(
            self.source,
            self.destination,
            self.protocol.number,
            self._transport(),
            self.ttl,
            self.tos,
            self.ident,
        )

    def build(self) -> bytes:
        """The IP packet's bytes."""
        return self.ip.build()

    def answer(self, payload: bytes, flags: int = ACK) -> Packet:
        """A packet the other way."""
        return replace(
            self,
            source=self.destination,
            source_port=self.destination_port,
            destination=self.source,
            destination_port=self.source_port,
            payload=payload,
            flags=flags,
            options=b"",
        )

    def _transport(self) -> bytes:
        ports = struct.pack("!HH", self.source_port, self.destination_port)
        if self.protocol is Protocol.UDP:
            head, at = ports + struct.pack("!HH", 8 + len(self.payload), 0), 6
        else:
            words = 5 + len(self.options) // 4
            head = ports + struct.pack("!IIBBHHH", 1000, 77777, words << 4, self.flags, 8192, 0, 0)
            head, at = head + self.options, 16
        segment = head + self.payload
        if self.protocol is Protocol.UDP and not self.summed:
            return segment
        # UDP writes a sum of zero as all ones, because zero says that there is none.
        total = one_sum(cover(self.source, self.destination, self.protocol.number, segment))
        total = total or (0xFFFF if self.protocol is Protocol.UDP else 0)
        return segment[:at] + struct.pack("!H", total) + segment[at + 2 :]


def cover(source: Address, destination: Address, protocol: int, payload: bytes) -> bytes:
    """What a transport checksum is over."""
    lengths = struct.pack("!HH" if source.version == 4 else "!II", len(payload), protocol)
    return source.packed + destination.packed + lengths + payload


def icmp(source: Address, destination: Address, kind: int, code: int, rest: bytes, ttl: int = 64) -> Ip:
    """An ICMP message; ``rest`` follows the checksum."""
    number = ICMP if source.version == 4 else ICMP6
    message = struct.pack("!BBH", kind, code, 0) + rest
    covered = message if number == ICMP else cover(source, destination, number, message)
    sealed = message[:2] + struct.pack("!H", one_sum(covered)) + message[4:]
    return Ip(source, destination, number, sealed, ttl)


def too_big(router: Address, about: bytes, mtu: int) -> Ip:
    """Packet too big about an IP packet, to who sent that."""
    version = about[0] >> 4
    at, size = (12, 4) if version == 4 else (8, 16)
    sender = ip_address(about[at : at + size])
    kind, code = (3, 4) if version == 4 else (2, 0)
    return icmp(router, sender, kind, code, struct.pack("!I", mtu) + about)


@dataclass(frozen=True)
class Odd:
    """What may be wrong, or unusual, with a question; as it stands here: nothing."""

    hardware: int = 1
    """ARP: type of the hardware addresses, Ethernet."""
    protocol: int = 0x0800
    """ARP: type of the protocol addresses, IPv4."""
    lengths: tuple[int, int] = (6, 4)
    """ARP: of both addresses, as it says."""
    hops: int = 255
    code: int = 0
    options: bytes | None = None
    """Of a solicitation; None: the asker's MAC, or none from ``::``."""
    destination: Address | None = None
    """Of a solicitation, whatever it should be."""
    sum_off_by: int = 0
    """What is added to the right checksum of a solicitation."""
    short: int = 0
    """Octets of a solicitation that its IPv6 header does not count."""


USUAL = Odd()


def arp(
    operation: int,
    sender: str,
    source: Address,
    target: Address,
    to: str = "ff:ff:ff:ff:ff:ff",
    odd: Odd = USUAL,
) -> bytes:
    """An ARP frame with an empty target MAC."""
    body = struct.pack("!HHBBH", odd.hardware, odd.protocol, *odd.lengths, operation)
    body += mac(sender) + source.packed + bytes(6) + target.packed
    return ethernet(to, sender, ARP, body)


def solicited_node(target: IPv6Address) -> IPv6Address:
    """The group to which questions for an address go."""
    return IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + target.packed[13:])


def solicitation(
    sender: str, source: Address, target: IPv6Address, unicast: str | None = None, odd: Odd = USUAL
) -> bytes:
    """A neighbour solicitation, to the solicited-node group or (``unicast``) to a MAC; from ``::`` without option."""
    group = solicited_node(target)
    destination = odd.destination or (group if unicast is None else target)
    usual = b"" if source.is_unspecified else b"\x01\x01" + mac(sender)
    options = usual if odd.options is None else odd.options
    ip = icmp(source, destination, 135, odd.code, bytes(4) + target.packed + options, odd.hops)
    right = int.from_bytes(ip.payload[2:4], "big")
    wrong = ((right + odd.sum_off_by) & 0xFFFF).to_bytes(2, "big")
    body = replace(ip, payload=ip.payload[:2] + wrong + ip.payload[4:]).build()
    counted = (len(ip.payload) - odd.short).to_bytes(2, "big")
    to = unicast or "33:33:" + ":".join(f"{byte:02x}" for byte in group.packed[12:])
    return ethernet(to, sender, ETHER[6], body[:4] + counted + body[6:])


def advertisement(
    sender: str, target: IPv6Address, asker: tuple[str, Address] | None = None, named: str | None = None
) -> bytes:
    """A neighbour advertisement: to who asked (MAC, address), or an unsolicited one to all nodes.

    ``named``: the MAC that it says; None: its sender's; empty: it says none.
    """
    to, address = asker or ("33:33:00:00:00:01", ip_address("ff02::1"))
    rest = bytes((0x60 if asker else 0x20, 0, 0, 0)) + target.packed
    if named != "":
        rest += b"\x02\x01" + mac(named or sender)
    body = icmp(target, address, 136, 0, rest, ttl=255).build()
    return ethernet(to, sender, ETHER[6], body)


@dataclass(frozen=True)
class Read:
    """What an IP packet says of itself."""

    version: int
    source: Address
    destination: Address
    protocol: int
    ttl: int
    ident: int
    offset: int
    """In octets, of a fragment."""
    more: bool
    payload: bytes
    whole: bytes
    """Without what follows the IP packet in the frame."""

    @property
    def fragment(self) -> bool:
        """Whether it is part of a datagram."""
        return self.more or self.offset > 0

    def port(self, which: int) -> int:
        """Source (0) or destination port (1)."""
        return int.from_bytes(self.payload[2 * which : 2 * which + 2], "big")


def ether_type(frame: bytes) -> int:
    """EtherType."""
    return int.from_bytes(frame[12:14], "big")


def read_frame(frame: bytes) -> Read | None:
    """The IP packet in a frame; None for other frames."""
    return read(frame[14:]) if ether_type(frame) in ETHER.values() else None


def read(data: bytes) -> Read | None:
    """An IP packet without options; None for what is none, or cut."""
    if len(data) >= 20 and data[0] == 0x45:
        length, ident, place = struct.unpack("!HHH", data[2:8])
        packet = data[:length]
        return Read(
            4,
            IPv4Address(data[12:16]),
            IPv4Address(data[16:20]),
            data[9],
            data[8],
            ident,
            (place & 0x1FFF) * 8,
            bool(place & 0x2000),
            packet[20:],
            packet,
        )
    if len(data) >= 40 and data[0] >> 4 == 6:
        return _read6(data)
    return None


def _read6(data: bytes) -> Read:
    length = struct.unpack("!H", data[4:6])[0]
    packet, protocol = data[: 40 + length], data[6]
    place, ident, payload = 0, int.from_bytes(data[:4], "big") & 0xFFFFF, packet[40:]
    if protocol == FRAGMENT:
        protocol, place, ident = struct.unpack("!BxHI", payload[:8])
        payload = payload[8:]
    ends = IPv6Address(data[8:24]), IPv6Address(data[24:40])
    return Read(6, *ends, protocol, data[7], ident, place & 0xFFF8, bool(place & 1), payload, packet)


def header_is_right(packet: bytes) -> bool:
    """Whether an IPv4 header's checksum is right (IPv6 has none)."""
    return packet[0] >> 4 == 6 or one_sum(packet[:20]) == 0


def reassembled(parts: list[Read]) -> Read | None:
    """The datagram that fragments of one identification make; None while one is missing or they disagree."""
    parts = sorted(parts, key=lambda part: part.offset)
    payload = b""
    for part in parts:
        if part.offset != len(payload):
            return None
        payload += part.payload
    first = parts[0] if parts else None
    if first is None or parts[-1].more or len({(p.source, p.destination, p.ident, p.ttl) for p in parts}) > 1:
        return None
    return replace(first, more=False, payload=payload)
