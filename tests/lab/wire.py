"""Looking at and putting single frames on the lab's wires: taps, ARP and ND questions, ICMP errors."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from types import TracebackType

from controller.frames.checksum import checksum, pseudo_header
from controller.spec.types import Address
from topo.lab import Lab

_IP_RECVTTL = 12
TTL = {4: (socket.IPPROTO_IP, _IP_RECVTTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT)}
"""Socket options by which the TTL of a datagram comes with it."""
_EVERYTHING = socket.htons(3)
_OUTGOING = 4
_ICMP, _ICMP6 = 1, 58
_AT = {0x0800: (22, 23, 26, 30, 4), 0x86DD: (21, 20, 22, 38, 16)}
"""EtherType -> offsets of TTL, protocol, source, destination; length of an address."""


@dataclass(frozen=True)
class Seen:
    """A frame and where it was."""

    host: str
    outgoing: bool
    frame: bytes

    @property
    def version(self) -> int:
        """4, 6, or 0 for other than IP."""
        return {0x0800: 4, 0x86DD: 6}.get(self._type, 0)

    @property
    def _type(self) -> int:
        return int.from_bytes(self.frame[12:14], "big")

    @property
    def ttl(self) -> int:
        """TTL or hop limit."""
        return self.frame[_AT[self._type][0]]

    @property
    def protocol(self) -> int:
        """IP protocol, 0 for other than IP."""
        return self.frame[_AT[self._type][1]] if self.version else 0

    @property
    def source(self) -> Address:
        """IP source."""
        return self._address(2)

    @property
    def destination(self) -> Address:
        """IP destination."""
        return self._address(3)

    @property
    def packet(self) -> bytes:
        """Without the Ethernet header and padding."""
        length = 2 if self.version == 4 else 4
        total = int.from_bytes(self.frame[14 + length : 16 + length], "big") + (
            0 if self.version == 4 else 40
        )
        return self.frame[14 : 14 + total]

    @property
    def payload(self) -> bytes:
        """Behind the IP header (which has no options in this lab)."""
        return self.packet[20 if self.version == 4 else 40 :]

    def _address(self, which: int) -> Address:
        at, size = _AT[self._type][which], _AT[self._type][4]
        return ip_address(self.frame[at : at + size])


class Tap:
    """What passes some hosts' interfaces, from when the tap is made."""

    def __init__(self, lab: Lab, *hosts: str) -> None:
        self._sockets: dict[socket.socket, str] = {}
        self._seen: list[Seen] = []
        for host in hosts:
            with lab.namespace(host):
                one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _EVERYTHING)
            one.bind(("eth0", 0))
            self._sockets[one] = host

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._sockets:
            one.close()

    def frames(self, wanted: Callable[[Seen], object], within: float = 5.0, rest: float = 0.2) -> list[Seen]:
        """Frames seen so far that are ``wanted``: waits for one at most ``within`` seconds, then ``rest`` for more."""
        end = time.monotonic() + within
        found = list(filter(wanted, self._seen))
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select(list(self._sockets), [], [], left if not found else min(rest, left))
            if not ready and found:
                break
            for one in ready:
                frame, address = one.recvfrom(65536)
                seen = Seen(self._sockets[one], address[2] == _OUTGOING, frame)
                self._seen.append(seen)
                if wanted(seen):
                    found.append(seen)
        return found


def mac_of(text: str) -> bytes:
    """The six bytes of a MAC."""
    return bytes.fromhex(text.replace(":", ""))


def send(lab: Lab, host: str, frame: bytes) -> None:
    """Put a frame on a host's interface."""
    with lab.namespace(host):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _EVERYTHING)
    with one:
        one.bind(("eth0", 0))
        one.send(frame)


def arp_answer(lab: Lab, host: str, address: str) -> str | None:
    """The MAC that an ARP request for ``address`` brings within half a second."""
    own = lab.fabric.hosts[host]
    source = next(each.ip.packed for each in own.addresses if each.version == 4)
    target = ip_address(address).packed
    mac = mac_of(own.mac)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + source + bytes(6) + target
    with Tap(lab, host) as tap:
        send(lab, host, b"\xff" * 6 + mac + b"\x08\x06" + body)
        answers = tap.frames(
            lambda f: f.frame[12:14] == b"\x08\x06" and f.frame[21] == 2 and f.frame[28:32] == target,
            0.5,
            0.0,
        )
    return answers[0].frame[22:28].hex(":") if answers else None


def neighbour_answer(lab: Lab, host: str, address: str) -> str | None:
    """The MAC that a neighbour solicitation for ``address`` brings within half a second."""
    own = lab.fabric.hosts[host]
    source = next(each.ip.packed for each in own.addresses if each.version == 6)
    target = IPv6Address(address).packed
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + target[13:]
    mac = mac_of(own.mac)
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac
    packet = ip_packet(ip_address(source), ip_address(group), _ICMP6, body, ttl=255, sum_at=2)
    with Tap(lab, host) as tap:
        send(lab, host, b"\x33\x33" + group[12:] + mac + b"\x86\xdd" + packet)
        answers = tap.frames(
            lambda f: f.protocol == _ICMP6 and f.payload[0] == 136 and f.payload[8:24] == target, 0.5, 0.0
        )
    if not answers:
        return None
    option = answers[0].payload[24:]
    assert option[:2] == b"\x02\x01", "the advertisement names the target's MAC"
    return option[2:8].hex(":")


def ip_packet(
    source: Address,
    destination: Address,
    protocol: int,
    payload: bytes,
    ttl: int = 64,
    sum_at: int | None = None,
) -> bytes:
    """An IP packet; with ``sum_at`` the checksum there in the payload is put (over the pseudo header in IPv6)."""
    if sum_at is not None:
        over = (
            pseudo_header(source.packed, destination.packed, protocol, len(payload))
            if source.version == 6
            else b""
        )
        total = checksum(over + payload)
        payload = payload[:sum_at] + total.to_bytes(2, "big") + payload[sum_at + 2 :]
    ends = source.packed + destination.packed
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + ends + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, ttl, protocol, 0) + ends
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def too_big(sender: Address, about: bytes, mtu: int) -> bytes:
    """Packet too big from ``sender`` about the IP packet ``about``, to who sent that."""
    version = about[0] >> 4
    source = ip_address(about[12:16] if version == 4 else about[8:24])
    if version == 4:
        return ip_packet(sender, source, _ICMP, struct.pack("!BBHI", 3, 4, 0, mtu) + about[:128], sum_at=2)
    return ip_packet(sender, source, _ICMP6, struct.pack("!BBHI", 2, 0, 0, mtu) + about[:1000], sum_at=2)
