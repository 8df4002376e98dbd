"""The slot hash of each kind of switch, by the name in ``Switch.hash_name``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller import ovs_hash
from controller.spec.types import Address
from p4src import hashes

SlotHash = Callable[[Address, int, int], int]
"""(source address; source port, 0 with affinity ``source``; number of slots) -> slot."""

SLOT_HASHES: Mapping[str, SlotHash] = {"ovs-jenkins": ovs_hash.slot, "p4-crc": hashes.slot}
