"""Actions and instructions with their wire form (OpenFlow 1.3 plus Open vSwitch's extensions).

Every action is a small frozen value with ``pack() -> bytes``; ``ovs-actions(7)`` describes what each does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from flows.fields import FIELDS, as_int

NICIRA = 0x00002320
IN_PORT = 0xFFFFFFF8
LOCAL = 0xFFFFFFFE
CONTROLLER = 0xFFFFFFFD
HASH_ETH_SRC, HASH_L3L4, HASH_NW_SRC = 0, 2, 4
NAT_SRC, NAT_DST = 1, 2
_DELETE_LEARNED = 2


class Action(Protocol):
    """Anything that packs itself into an OpenFlow action."""

    def pack(self) -> bytes:
        """The action's bytes, a multiple of 8."""
        ...


def pack_all(actions: Sequence[Action]) -> bytes:
    """A list of actions one behind the other."""
    return b"".join(action.pack() for action in actions)


def _nx(subtype: int, body: bytes) -> bytes:
    raw = struct.pack("!IH", NICIRA, subtype) + body
    raw += bytes(-(len(raw) + 4) % 8)
    return struct.pack("!HH", 0xFFFF, 4 + len(raw)) + raw


def _bits(offset: int, count: int) -> int:
    return offset << 6 | count - 1


@dataclass(frozen=True)
class Bits:
    """Bits ``low`` to ``low + count - 1`` of a field."""

    field: str
    low: int = 0
    count: int = 32

    @property
    def header(self) -> bytes:
        """The field's header as Open vSwitch's actions carry it."""
        return FIELDS[self.field].nicira_header


def whole(field: str) -> Bits:
    """All bits of a field."""
    return Bits(field, 0, 8 * FIELDS[field].size)


@dataclass(frozen=True)
class Output:
    """Send out of a port."""

    port: int

    def pack(self) -> bytes:
        """See ``Action``."""
        return struct.pack("!HHIH6x", 0, 16, self.port, 0xFFFF if self.port == CONTROLLER else 0)


@dataclass(frozen=True)
class ToGroup:
    """Hand to a group."""

    group: int

    def pack(self) -> bytes:
        """See ``Action``."""
        return struct.pack("!HHI", 22, 8, self.group)


@dataclass(frozen=True)
class DecTtl:
    """Decrement the IP TTL or hop limit."""

    def pack(self) -> bytes:
        """See ``Action``."""
        return struct.pack("!HH4x", 24, 8)


@dataclass(frozen=True)
class Set:
    """Write a constant into a whole field."""

    field: str
    value: int | str | IPv4Address | IPv6Address

    def pack(self) -> bytes:
        """See ``Action``."""
        tlv = FIELDS[self.field].tlv(as_int(self.value))
        length = 4 + len(tlv)
        return struct.pack("!HH", 25, length + (-length % 8)) + tlv + bytes(-length % 8)


@dataclass(frozen=True)
class Load:
    """Write a constant into some bits."""

    value: int
    to: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        return _nx(
            7,
            struct.pack("!H", _bits(self.to.low, self.to.count))
            + self.to.header
            + struct.pack("!Q", self.value),
        )


@dataclass(frozen=True)
class Move:
    """Copy bits from field to field."""

    source: Bits
    to: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        head = struct.pack("!HHH", self.source.count, self.source.low, self.to.low)
        return _nx(6, head + self.source.header + self.to.header)


@dataclass(frozen=True)
class Push:
    """Push bits onto the stack."""

    bits: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        return _stack(27, self.bits)


@dataclass(frozen=True)
class Pop:
    """Pop bits off the stack."""

    bits: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        return _stack(28, self.bits)


def _stack(subtype: int, bits: Bits) -> bytes:
    body = struct.pack("!H", bits.low) + bits.header + struct.pack("!H", bits.count)
    return _nx(subtype, body + bytes(14 - len(body)))


@dataclass(frozen=True)
class Multipath:
    """Hash (``HASH_*``) with ``basis``, modulo ``links``, into bits."""

    fields: int
    basis: int
    links: int
    to: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        head = struct.pack(
            "!HHHHHIHH",
            self.fields,
            self.basis,
            0,
            0,
            self.links - 1,
            0,
            0,
            _bits(self.to.low, self.to.count),
        )
        return _nx(10, head + self.to.header)


@dataclass(frozen=True)
class Bundle:
    """Send out of the live port with the highest random weight for the source address."""

    ports: tuple[int, ...]

    def pack(self) -> bytes:
        """See ``Action``."""
        head = struct.pack("!HHHIHHI4x", 1, HASH_NW_SRC, 0, 0x00000002, len(self.ports), 0, 0)
        return _nx(12, head + struct.pack(f"!{len(self.ports)}H", *self.ports))


@dataclass(frozen=True)
class Resubmit:
    """Look up again in ``table``, then go on with the next action."""

    table: int

    def pack(self) -> bytes:
        """See ``Action``."""
        return _nx(14, struct.pack("!HB3x", 0xFFF8, self.table))


@dataclass(frozen=True)
class Report:
    """Copy the packet to the controller, limited by a meter (the packet itself goes on)."""

    meter: int
    max_len: int = 0xFFFF

    def pack(self) -> bytes:
        """See ``Action``."""
        props = b"" if self.max_len == 0xFFFF else struct.pack("!HHH2x", 0, 8, self.max_len)
        props += struct.pack("!HHI", 5, 8, self.meter)
        return _nx(37, bytes(6) + props)


@dataclass(frozen=True)
class Nat:
    """Inside ``Conntrack``: translate the source to a range, or (no address) as the connection says."""

    address: IPv4Address | IPv6Address | None = None
    ports: tuple[int, int] | None = (1024, 65535)
    """None: the same port if it is free."""
    destination: bool = False
    """Translate the destination instead."""

    def pack(self) -> bytes:
        """See ``Action``."""
        if self.address is None:
            return _nx(36, struct.pack("!2xHH", 0, 0))
        present = (1 if self.address.version == 4 else 4) | (0 if self.ports is None else 16 | 32)
        which = NAT_DST if self.destination else NAT_SRC
        ports = b"" if self.ports is None else struct.pack("!HH", *self.ports)
        return _nx(36, struct.pack("!2xHH", which, present) + self.address.packed + ports)


@dataclass(frozen=True)
class Conntrack:
    """Send through conntrack in a zone (a constant or 16 bits of a register)."""

    zone: int | Bits
    table: int | None = None
    """Table at which the packet goes on with ct_* fields set; None: no recirculation."""
    commit: bool = False
    mark: Bits | int | None = None
    """On commit: constant or register bits that become the mark."""
    label: Bits | None = None
    """On commit: register bits that become the low bits of the label."""
    nat: Nat | None = None

    def pack(self) -> bytes:
        """See ``Action``."""
        nested = b"" if self.nat is None else self.nat.pack()
        if isinstance(self.mark, Bits):
            nested += Move(self.mark, whole("ct_mark")).pack()
        elif self.mark is not None:
            nested += Set("ct_mark", self.mark).pack()
        if self.label is not None:
            nested += Move(self.label, Bits("ct_label", 0, self.label.count)).pack()
        if isinstance(self.zone, Bits):
            source, zone = self.zone.header, _bits(self.zone.low, self.zone.count)
        else:
            source, zone = bytes(4), self.zone
        table = 0xFF if self.table is None else self.table
        head = struct.pack("!H", int(self.commit)) + source + struct.pack("!HB3xH", zone, table, 0)
        return _nx(35, head + nested)


@dataclass(frozen=True)
class Clone:
    """Carry out actions on a copy: the packet itself keeps its fields, among them the ct_* that conntrack clears."""

    actions: tuple[Action, ...]

    def pack(self) -> bytes:
        """See ``Action``."""
        return _nx(42, bytes(6) + pack_all(self.actions))


@dataclass(frozen=True)
class Learn:
    """Add a flow made of this packet: it matches ``same`` fields and constants, and loads registers and constants.

    It has no timeout, and goes with the flow whose action this is.
    """

    table: int
    cookie: int
    """No other flow's: with the last flow that learns by it, all that were learned by it go."""
    same: tuple[Bits, ...]
    """Fields that the new flow matches with this packet's values."""
    match: tuple[tuple[Bits, int], ...]
    """Constants that it matches."""
    carry: tuple[Bits, ...] = ()
    """Registers that it loads with this packet's values."""
    load: tuple[tuple[Bits, int], ...] = ()
    """Constants that it loads."""

    def pack(self) -> bytes:
        """See ``Action``."""
        # Constants first: an address has the Ethernet type as its prerequisite.
        specs = b"".join(_learned(0x2000, bits, _immediate(bits, value)) for bits, value in self.match)
        specs += b"".join(_learned(0, bits, bits.header + bytes(2)) for bits in self.same)
        specs += b"".join(_learned(0x0800, b, b.header + struct.pack("!H", b.low)) for b in self.carry)
        specs += b"".join(_learned(0x2800, bits, _immediate(bits, value)) for bits, value in self.load)
        head = struct.pack("!HHHQHBxHH", 0, 0, 10, self.cookie, _DELETE_LEARNED, self.table, 0, 0)
        return _nx(16, head + specs)


def _learned(kind: int, to: Bits, source: bytes) -> bytes:
    return struct.pack("!H", kind | to.count) + source + to.header + struct.pack("!H", to.low)


def _immediate(bits: Bits, value: int) -> bytes:
    return value.to_bytes((bits.count + 15) // 16 * 2, "big")


@dataclass(frozen=True)
class CheckLarger:
    """Set one register bit if the packet (from its Ethernet header on) is longer than ``length`` bytes."""

    length: int
    to: Bits

    def pack(self) -> bytes:
        """See ``Action``."""
        body = struct.pack("!HH", self.length, self.to.low) + self.to.header
        return _nx(49, body + bytes(14 - len(body)))


def instructions(actions: Sequence[Action], goto: int | None = None, meter: int | None = None) -> bytes:
    """The instruction list of a flow: meter, then actions, then goto."""
    out = b"" if meter is None else struct.pack("!HHI", 6, 8, meter)
    if actions:
        body = pack_all(actions)
        out += struct.pack("!HH4x", 4, 8 + len(body)) + body
    if goto is not None:
        out += struct.pack("!HHB3x", 1, 8, goto)
    return out
