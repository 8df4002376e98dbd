"""What a flow matches: a canonical, hashable set of (field, value, mask), to and from OXM."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from flows.fields import FIELDS, Malformed, as_int, field_of

Value = int | str | IPv4Address | IPv6Address | IPv4Network | IPv6Network | tuple[int, int]
Item = tuple[str, int, int | None]

ETH_IP, ETH_IPV6, ETH_ARP = 0x0800, 0x86DD, 0x0806
PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_ICMP6 = 1, 6, 17, 58


class Match(frozenset[Item]):
    """Equal matches are equal sets; ``Match.of(eth_type=0x800, ipv4_dst=addr, ip_frag=(1, 1))``."""

    @classmethod
    def of(cls, **fields: Value) -> Match:
        """Build from field=value, field=network or field=(value, mask); a mask of 0 is no field, as in switches."""
        return cls(item for item in (_item(name, value) for name, value in fields.items()) if item[2] != 0)

    def plus(self, **fields: Value) -> Match:
        """This match narrowed by more fields."""
        return Match(self | Match.of(**fields))

    def pack(self) -> bytes:
        """The ``ofp_match`` structure, padded to 8 bytes."""
        return _pack(self)


# What one switch is told to match, others of its role are told too.
@lru_cache(maxsize=1 << 16)
def _pack(match: Match) -> bytes:
    body = b"".join(FIELDS[n].tlv(v, m) for n, v, m in sorted(match, key=_order))
    length = 4 + len(body)
    return struct.pack("!HH", 1, length) + body + bytes(-length % 8)


def _item(name: str, value: Value) -> Item:
    field = FIELDS[name]
    if isinstance(value, IPv4Network | IPv6Network):
        value = (int(value.network_address), int(value.netmask))
    if isinstance(value, tuple):
        number, mask = value
        return (name, number & mask, None if mask == field.all_ones else mask)
    return (name, as_int(value), None)


# Prerequisites come before the fields that need them, as OpenFlow demands.
_FIRST = {
    name: n for n, name in enumerate(("in_port", "eth_dst", "eth_src", "eth_type", "ct_state", "ip_proto"))
}


# Open vSwitch names the mark behind the registers when it tells what it holds.
_LAST = {"ct_mark": 100}


def _order(item: Item) -> tuple[int, str]:
    return ((_FIRST | _LAST).get(item[0], 99), item[0])


def unpack_match(data: bytes, offset: int) -> tuple[Match, int]:
    """Parse an ``ofp_match`` at ``offset``; returns it and the offset behind its padding.

    Raises KeyError when it holds a field that no flow of ours uses, Malformed.
    """
    at, end = match_ends(data, offset)
    return _unpacked(bytes(data[at:end])), end + (offset - end) % 8


# Audits read the same flows every few seconds, from switches that are told alike.
@lru_cache(maxsize=1 << 16)
def _unpacked(fields: bytes) -> Match:
    at, items = 0, list[Item]()
    while at < len(fields):
        field, masked = field_of(fields[at : at + 8])
        tail = field.size * (2 if masked else 1)
        at += len(field.header)
        if at + tail > len(fields):
            raise Malformed(f"field {field.name} of a match is cut off")
        value = int.from_bytes(fields[at : at + field.size], "big")
        at += field.size
        mask: int | None = None
        if masked:
            mask = int.from_bytes(fields[at : at + field.size], "big")
            at += field.size
        items.append((field.name, value, None if mask == field.all_ones else mask))
    return Match(items)


def match_ends(data: bytes, offset: int) -> tuple[int, int]:
    """Where the fields of the ``ofp_match`` at ``offset`` begin and end. Raises Malformed."""
    length = int.from_bytes(data[offset + 2 : offset + 4], "big")
    if length < 4 or offset + length > len(data):
        raise Malformed(f"a match says that it has {length} octets, of {max(len(data) - offset, 0)}")
    return offset + 4, offset + length
