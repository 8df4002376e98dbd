"""Scapy, which is not ours, builds the same packets: what conformance sends, and what the controller sends."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Ether

from controller.frames.announce import gratuitous_arp, unsolicited_na
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.spec.types import Address, Protocol
from tests.conformance import packets
from tests.conformance.packets import Packet

MAC, OTHER = "02:45:56:00:01:01", "02:45:56:02:00:04"
OPTIONS = bytes.fromhex("020405b4 01030307 04020101")
SAME_OPTIONS: list[tuple[str, Any]] = [
    ("MSS", 1460),
    ("NOP", None),
    ("WScale", 7),
    ("SAckOK", b""),
    ("NOP", None),
    ("NOP", None),
]
V4, V6 = (
    (IPv4Address("10.0.0.11"), IPv4Address("10.0.0.100")),
    (IPv6Address("fd00::11"), IPv6Address("fd00::100")),
)

unicast4 = st.integers(0x0A000001, 0x0AFFFFFE).map(IPv4Address)
unicast6 = st.integers(0xFD << 120 | 1, 0xFD << 120 | 2**64 - 1).map(IPv6Address)
pairs = st.one_of(st.tuples(unicast4, unicast4), st.tuples(unicast6, unicast6)).filter(
    lambda ends: ends[0] != ends[1]
)
ports = st.integers(1, 65535)


@st.composite
def suite_packets(draw: st.DrawFn) -> Packet:
    source, destination = draw(pairs)
    protocol = draw(st.sampled_from(Protocol))
    return Packet(
        source,
        draw(ports),
        destination,
        draw(ports),
        protocol,
        payload=draw(st.binary(max_size=60)),
        flags=draw(st.sampled_from([packets.SYN, packets.ACK, packets.FIN | packets.ACK, packets.RST])),
        ttl=draw(st.integers(1, 255)),
        tos=draw(st.integers(0, 255)),
        ident=draw(st.integers(0, 0xFFFF)),
        options=draw(st.sampled_from([b"", OPTIONS])) if protocol is Protocol.TCP else b"",
    )


def in_ip(packet: Packet, upper: Any) -> bytes:
    """What Scapy puts around a transport of its own."""
    source, destination = str(packet.source), str(packet.destination)
    if packet.source.version == 4:
        lower = IP(src=source, dst=destination, tos=packet.tos, ttl=packet.ttl, id=packet.ident)
    else:
        lower = IPv6(src=source, dst=destination, tc=packet.tos, hlim=packet.ttl, fl=packet.ident)
    return bytes(lower / upper)


@settings(max_examples=50)
@given(suite_packets())
def test_scapy_builds_the_same_segments_and_datagrams(packet: Packet) -> None:
    ends = {"sport": packet.source_port, "dport": packet.destination_port}
    if packet.protocol is Protocol.TCP:
        options = SAME_OPTIONS if packet.options else []
        upper = TCP(**ends, seq=1000, ack=77777, flags=packet.flags, window=8192, options=options)
    else:
        upper = UDP(**ends)
    assert packet.build() == in_ip(packet, upper / packet.payload)


def test_scapy_reads_a_datagram_without_checksum_as_one() -> None:
    packet = Packet(V4[0], 4000, V4[1], 53, Protocol.UDP, payload=b"ask", summed=False)
    assert packet.build() == in_ip(packet, UDP(sport=4000, dport=53, chksum=0) / b"ask")


@pytest.mark.parametrize("mtu", [576, 1280, 1450])
def test_scapy_builds_the_same_packet_too_big(mtu: int) -> None:
    for source, destination in (V4, V6):
        about = Packet(source, 40_000, destination, 80, Protocol.TCP, payload=b"x" * 64).build()
        ends = {"src": str(destination), "dst": str(source)}
        if source.version == 4:
            same = IP(**ends, id=0, ttl=64) / ICMP(type=3, code=4, nexthopmtu=mtu) / about
        else:
            same = IPv6(**ends, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / about
        assert packets.too_big(destination, about, mtu).build() == bytes(same)


def test_scapy_cuts_a_datagram_into_the_same_fragments() -> None:
    whole = Packet(V4[0], 4000, V4[1], 53, Protocol.UDP, payload=b"abcd" * 500, ident=77)
    cut = fragment(IP(whole.build()), fragsize=1280)
    assert [bytes(part) for part in cut] == list(whole.ip.fragments())


def test_scapy_reads_the_same_fragments_of_ipv6() -> None:
    whole = Packet(V6[0], 4000, V6[1], 53, Protocol.UDP, payload=b"abcd" * 500, ident=77)
    rest = b""
    for built, (offset, more) in zip(whole.ip.fragments(), ((0, 1), (160, 0)), strict=True):
        header = IPv6(built)[IPv6ExtHdrFragment]
        assert (header.nh, header.offset, header.m, header.id) == (17, offset, more, 77)
        rest += bytes(header.payload)
    assert bytes(IPv6(whole.build()).payload) == rest


def test_scapy_asks_by_arp_and_by_solicitation_in_the_same_words() -> None:
    asked = packets.arp(1, MAC, V4[0], V4[1])
    assert asked == bytes(
        Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC)
        / ARP(op=1, hwsrc=MAC, psrc=str(V4[0]), hwdst="00:00:00:00:00:00", pdst=str(V4[1]))
    )
    solicited = packets.solicitation(MAC, V6[0], V6[1])
    assert solicited == bytes(
        Ether(dst="33:33:ff:00:01:00", src=MAC)
        / IPv6(src=str(V6[0]), dst="ff02::1:ff00:100", hlim=255)
        / ICMPv6ND_NS(tgt=str(V6[1]))
        / ICMPv6NDOptSrcLLAddr(lladdr=MAC)
    )


def advertised(address: IPv6Address) -> bytes:
    return bytes(
        Ether(dst="33:33:00:00:00:01", src=MAC)
        / IPv6(src=str(address), dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(R=0, S=0, O=1, tgt=str(address))
        / ICMPv6NDOptDstLLAddr(lladdr=MAC)
    )


@settings(max_examples=50)
@given(unicast6)
def test_scapy_announces_an_address_as_the_controller_does(address: IPv6Address) -> None:
    assert unsolicited_na(address, MAC) == packets.advertisement(MAC, address) == advertised(address)


@settings(max_examples=50)
@given(unicast4)
def test_scapy_announces_an_ipv4_address_as_the_controller_does(address: IPv4Address) -> None:
    assert gratuitous_arp(address, MAC) == bytes(
        Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC)
        / ARP(op=1, hwsrc=MAC, psrc=str(address), hwdst="00:00:00:00:00:00", pdst=str(address))
    )


def answering(packet: Packet) -> Any:
    """Ethernet and IP headers of an answer to a packet as the controller writes them."""
    ends = {"src": str(packet.destination), "dst": str(packet.source)}
    lower = IP(**ends, id=0, flags="DF") if packet.source.version == 4 else IPv6(**ends)
    return Ether(dst=OTHER, src=MAC) / lower


def framed(packet: Packet) -> bytes:
    return packets.ethernet(MAC, OTHER, packets.ETHER[packet.source.version], packet.build())


@settings(max_examples=50)
@given(pairs, ports, ports, st.binary(max_size=20), st.sampled_from([packets.SYN, packets.ACK, packets.FIN]))
def test_scapy_resets_as_the_controller_does(
    ends: tuple[Address, Address], source_port: int, port: int, payload: bytes, flags: int
) -> None:
    packet = Packet(ends[0], source_port, ends[1], port, Protocol.TCP, payload=payload, flags=flags)
    if flags == packets.ACK:
        numbers = {"seq": 77777, "ack": 0, "flags": "R"}
    else:
        numbers = {"seq": 0, "ack": 1000 + len(payload) + 1, "flags": "RA"}
    upper = TCP(sport=port, dport=source_port, window=0, **numbers)
    assert tcp_reset(framed(packet), MAC) == bytes(answering(packet) / upper)


@settings(max_examples=50)
@given(pairs, st.integers(1280, 1500))
def test_scapy_says_packet_too_big_as_the_controller_does(ends: tuple[Address, Address], mtu: int) -> None:
    packet = Packet(*_with_ports(ends), Protocol.TCP, payload=b"x" * 1400)
    if packet.source.version == 4:
        error = ICMP(type=3, code=4, nexthopmtu=mtu) / packet.build()[:548]
    else:
        error = ICMPv6PacketTooBig(mtu=mtu) / packet.build()[:1232]
    assert packet_too_big(framed(packet), mtu, MAC) == bytes(answering(packet) / error)


def _with_ports(ends: tuple[Address, Address]) -> tuple[Address, int, Address, int]:
    return ends[0], 40_000, ends[1], 80
