"""From what switches take the slot of a connection."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Spread(StrEnum):
    """From what a switch takes the slot of a connection."""

    OWN = "own"
    """The hash of its kind."""
    BITS = "bits"
    """Bits of the client's port and address: an Open vSwitch caches one decision for each slot, and hashes nothing."""
    DATAPATH = "datapath"
    """The hash that an Open vSwitch's datapath computes: one cached decision for each slot as well."""


class PoolSpread(StrEnum):
    """From what the slots of a pool's TCP connections are taken, as intents say it."""

    HASH = "hash"
    """The hash that the switches' datapaths compute where all of them are Open vSwitch and hash alike, else that of
    their kind."""
    BITS = "bits"
    """Bits of the client's port and address, without a hash."""


class BitCounts(NamedTuple):
    """How many bits of a slot come from where, with ``BITS``."""

    port: int
    """From bit ``PORT_FROM`` on; the slot's lowest."""
    address: int
    """From bit 0 on; the slot's highest."""


PORT_FROM = 1
"""The lowest bit of a port that counts: clients prefer one parity."""


def bit_counts(slots: int) -> BitCounts:
    """Of a pool of so many slots (a power of two up to 65,536): a quarter comes from the address."""
    bits = slots.bit_length() - 1
    return BitCounts(bits - bits // 4, bits // 4)
