"""The hashes of the P4 pipeline, computed in Python: for the oracle, and for tests that search collisions.

CRC-32 as in IEEE 802.3 (reflected, 0xEDB88320), which is ``HashAlgorithm.crc32`` of v1model, over the fields in the order
of the P4 source, big-endian and without padding.
"""

from __future__ import annotations

from zlib import crc32

from controller.model.types import Address
from p4src.numbers import address


def spread(source: Address, port: int) -> int:
    """The 32 bits of control ``Spread``: slot in the low ones, ECMP bucket in the high ones."""
    return crc32(address(source).to_bytes(16, "big") + port.to_bytes(2, "big"))


def slot(source: Address, port: int, slots: int) -> int:
    """The slot of a connection in a pool of ``slots`` (a power of two); ``port`` 0 with affinity ``source``."""
    return spread(source, port) & 0xFFFF & (slots - 1)


def bucket(source: Address, port: int) -> int:
    """The ECMP bucket, 0 to 255."""
    return spread(source, port) >> 24
