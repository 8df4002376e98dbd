"""Announcements with which a new owner tells a segment where a VIP is now, and questions whose answers are that."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import ICMP6, ip_frame, mac_bytes

_BROADCAST = b"\xff" * 6
_ARP_REQUEST = bytes.fromhex("0806 0001 0800 06 04 0001")
_SOLICITATION, _SOLICITED = 135, bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff")
_ALL_NODES = IPv6Address("ff02::1").packed
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ADVERTISEMENT, _OVERRIDE, _TARGET_OPTION = 136, b"\x20\x00\x00\x00", b"\x02\x01"
_PROBER = bytes.fromhex("024556 00ffff")
"""Who probes: no host has it, and no answer goes there."""
_ONE_LINK = 255
"""Hop limit that proves that no router passed it on (RFC 4861)."""


def announcement(address: IPv4Address | IPv6Address, mac: str) -> bytes:
    """The announcement of one VIP."""
    return gratuitous_arp(address, mac) if isinstance(address, IPv4Address) else unsolicited_na(address, mac)


def gratuitous_arp(address: IPv4Address, mac: str) -> bytes:
    """A broadcast ARP announcement (RFC 5227): a request of ``address`` for itself."""
    sender = mac_bytes(mac)
    return _BROADCAST + sender + _ARP_REQUEST + sender + address.packed + bytes(6) + address.packed


def unsolicited_na(address: IPv6Address, mac: str) -> bytes:
    """A neighbour advertisement to all nodes (RFC 4861, 7.2.6) that overrides what they have cached."""
    sender = mac_bytes(mac)
    body = _OVERRIDE + address.packed + _TARGET_OPTION + sender
    head = bytes((_ADVERTISEMENT, 0))
    cover = pseudo_header(address.packed, _ALL_NODES, ICMP6, 4 + len(body))
    sealed = checksum(cover + head + b"\x00\x00" + body).to_bytes(2, "big")
    payload = head + sealed + body
    return ip_frame(_ALL_NODES_MAC + sender, address.packed, _ALL_NODES, ICMP6, payload, _ONE_LINK)


def question(address: IPv4Address | IPv6Address, mac: str) -> bytes:
    """A question for a VIP whose answer, by the switch that gets it, goes to all hosts there and announces the VIP.

    For IPv4 it is the announcement itself, from nowhere: an answer goes back to all. A switch without authority
    passes it on, and no bridge learns from it where the VIP is. For IPv6 it is that of a host which probes the address
    (RFC 4862, 5.4), and has none to be answered at.
    """
    if isinstance(address, IPv4Address):
        return _BROADCAST + _BROADCAST + gratuitous_arp(address, mac)[12:]
    group = IPv6Address(_SOLICITED + address.packed[-3:])
    body = bytes(4) + address.packed
    head = bytes((_SOLICITATION, 0))
    sealed = checksum(
        pseudo_header(bytes(16), group.packed, ICMP6, 4 + len(body)) + head + b"\x00\x00" + body
    )
    payload = head + sealed.to_bytes(2, "big") + body
    ethernet = b"\x33\x33" + group.packed[-4:] + _PROBER
    return ip_frame(ethernet, bytes(16), group.packed, ICMP6, payload, _ONE_LINK)
