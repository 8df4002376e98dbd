"""The slot of a connection, whatever it is taken from: all that computes one asks here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from controller import dp_hash, ovs_hash
from controller.spec.spread import PORT_FROM, Spread, bit_counts
from controller.spec.switch import ListenerSpec
from controller.spec.types import Address, Protocol
from p4src import hashes

SlotHash = Callable[[Address, int, int], int]
"""(source address; source port, 0 with affinity ``source``; number of slots) -> slot."""

SLOT_HASHES: Mapping[str, SlotHash] = {"ovs-jenkins": ovs_hash.slot, "p4-crc": hashes.slot}
"""The slot hash of each kind of switch, by the name in ``Switch.hash_name``."""


class Slotting(NamedTuple):
    """How the slots of one listener's connections are found."""

    spread: Spread
    slots: int
    """Of its pool: a power of two up to 65,536."""
    hash_name: str
    """Of the kind of switch."""
    address: Address
    """Of the VIP."""
    port: int
    """Of the listener."""
    protocol: Protocol

    @staticmethod
    def of(listener: ListenerSpec, slots: int, hash_name: str) -> Slotting:
        """Of a listener whose pool has so many slots, on a kind of switch with this hash."""
        vip = listener.vip.address
        return Slotting(listener.spread, slots, hash_name, vip, listener.port, listener.protocol)

    def slot(self, source: Address, port: int) -> int:
        """The slot of a client's connection; ``port``: 0 with affinity ``source``. Raises KeyError: unknown hash."""
        if self.spread is Spread.BITS:
            return bits(source, port, self.slots)
        if self.spread is Spread.DATAPATH:
            return dp_hash.slot(source, self.address, self.protocol, port, self.port, self.slots)
        return SLOT_HASHES[self.hash_name](source, port, self.slots)


def bits(source: Address, port: int, slots: int) -> int:
    """Bits of port and address as a slot."""
    counts = bit_counts(slots)
    low = port >> PORT_FROM & (1 << counts.port) - 1
    return low | (int(source) & (1 << counts.address) - 1) << counts.port
