"""Match fields: names as ``ovs-ofctl`` spells them, OXM/NXM headers, and conversion of values to bytes.

Source: OpenFlow 1.3.5 section 7.2.3 and Open vSwitch's ovs-fields(7).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

OXM_BASIC = 0x8000
NXM_0 = 0x0000
NXM_1 = 0x0001
EXPERIMENTER = 0xFFFF
ONF = 0x4F4E4600
ERICSSON = 0x1000


class Malformed(ValueError):
    """What a switch sent is no OpenFlow: a length does not fit, or something is cut off."""


@dataclass(frozen=True)
class Field:
    """One matchable, perhaps settable field of ``size`` bytes."""

    name: str
    oxm_class: int
    number: int
    size: int
    vendor: int | None = None
    nxm: int | None = None
    """Class and number (class << 16 | number) by which Open vSwitch names it in its own actions, if another."""

    @property
    def nicira_header(self) -> bytes:
        """Header as Open vSwitch's own actions (move, load, push, pop) carry it."""
        if self.nxm is None:
            return self.header
        return struct.pack("!I", (self.nxm >> 16) << 16 | (self.nxm & 0x7F) << 9 | self.size)

    @property
    def header(self) -> bytes:
        """Header without mask: 4 bytes, or 8 for an experimenter's field."""
        return self._header(self.size, masked=False)

    def tlv(self, value: int, mask: int | None = None) -> bytes:
        """Header, value and mask as they stand in a match or in set_field."""
        body = value.to_bytes(self.size, "big")
        if mask is None:
            return self._header(self.size, masked=False) + body
        return self._header(2 * self.size, masked=True) + body + mask.to_bytes(self.size, "big")

    def _header(self, length: int, *, masked: bool) -> bytes:
        extra = 0 if self.vendor is None else 4
        word = self.oxm_class << 16 | self.number << 9 | masked << 8 | (length + extra)
        tail = b"" if self.vendor is None else struct.pack("!I", self.vendor)
        return struct.pack("!I", word) + tail

    @property
    def all_ones(self) -> int:
        """The mask that matches every bit."""
        return (1 << 8 * self.size) - 1


_NXM_OF = {
    "eth_dst": 1, "eth_src": 2, "eth_type": 3, "ip_proto": 6, "ipv4_src": 7, "ipv4_dst": 8, "tcp_src": 9, "tcp_dst": 10,
    "udp_src": 11, "udp_dst": 12, "icmpv4_type": 13, "icmpv4_code": 14, "arp_op": 15, "arp_spa": 16, "arp_tpa": 17,
}  # fmt: skip
_NXM_NX = {
    "tunnel_id": 16, "arp_sha": 17, "arp_tha": 18, "ipv6_src": 19, "ipv6_dst": 20, "icmpv6_type": 21, "icmpv6_code": 22,
    "nd_target": 23, "nd_sll": 24, "nd_tll": 25,
}  # fmt: skip
_NXM = _NXM_OF | {name: NXM_1 << 16 | number for name, number in _NXM_NX.items()}


def _basic(**numbers: tuple[int, int]) -> Iterator[Field]:
    return (
        Field(name, OXM_BASIC, number, size, nxm=_NXM.get(name)) for name, (number, size) in numbers.items()
    )


def _nicira(**numbers: tuple[int, int]) -> Iterator[Field]:
    return (Field(name, NXM_1, number, size) for name, (number, size) in numbers.items())


_ALL = (
    *_basic(
        in_port=(0, 4), eth_dst=(3, 6), eth_src=(4, 6), eth_type=(5, 2), vlan_vid=(6, 2), ip_proto=(10, 1),
        ipv4_src=(11, 4), ipv4_dst=(12, 4), tcp_src=(13, 2), tcp_dst=(14, 2), udp_src=(15, 2), udp_dst=(16, 2),
        icmpv4_type=(19, 1), icmpv4_code=(20, 1), arp_op=(21, 2), arp_spa=(22, 4), arp_tpa=(23, 4),
        arp_sha=(24, 6), arp_tha=(25, 6), ipv6_src=(26, 16), ipv6_dst=(27, 16), icmpv6_type=(29, 1),
        icmpv6_code=(30, 1), nd_target=(31, 16), nd_sll=(32, 6), nd_tll=(33, 6), tunnel_id=(38, 8),
    ),
    *_nicira(
        **{f"reg{n}": (n, 4) for n in range(16)},
        ip_frag=(26, 1), ip_ttl=(29, 1), tun_ipv4_src=(31, 4), tun_ipv4_dst=(32, 4),
        dp_hash=(35, 4), ct_state=(105, 4), ct_zone=(106, 2), ct_mark=(107, 4), ct_label=(108, 16),
        ct_nw_proto=(119, 1), ct_nw_src=(120, 4), ct_nw_dst=(121, 4), ct_ipv6_src=(122, 16),
        ct_ipv6_dst=(123, 16), ct_tp_src=(124, 2), ct_tp_dst=(125, 2),
    ),
    Field("vlan_tci", NXM_0, 4, 2),
    Field("tcp_flags", EXPERIMENTER, 42, 2, ONF),
    Field("nd_reserved", ERICSSON, 1, 4),
    Field("nd_options_type", ERICSSON, 2, 1),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
_BY_NUMBER = {(f.oxm_class, f.number, f.vendor): f for f in _ALL}

FRAG_ANY = (1, 1)
"""First and later fragments."""
FRAG_FIRST, FRAG_LATER = 1, 3

CT_NEW, CT_EST, CT_REL, CT_RPL, CT_INV, CT_TRK = 1, 2, 4, 8, 16, 32

TRACKED = (CT_TRK, CT_TRK | CT_INV)
"""ct_state of a packet whose ct_* fields can be used."""

TCP_FIN, TCP_SYN, TCP_RST, TCP_ACK = 1, 2, 4, 16


def as_int(value: int | str | IPv4Address | IPv6Address) -> int:
    """A field's value as a number: numbers, addresses, MACs ("02:..")."""
    if isinstance(value, str):
        return int(value.replace(":", ""), 16)
    return int(value)


def field_of(header: bytes) -> tuple[Field, bool]:
    """The field of a TLV that starts with ``header`` and whether it carries a mask.

    Raises KeyError for a field that no flow of ours uses.
    """
    word = int.from_bytes(header[:4], "big")
    oxm_class, number, masked = word >> 16, word >> 9 & 0x7F, bool(word >> 8 & 1)
    vendor = int.from_bytes(header[4:8], "big") if oxm_class == EXPERIMENTER else None
    return _BY_NUMBER[(oxm_class, number, vendor)], masked
