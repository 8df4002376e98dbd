"""The hashes of the P4 pipeline, computed in Python: for the oracle, and for tests that search collisions.

CRC-32 as in IEEE 802.3 (reflected, 0xEDB88320), which is ``HashAlgorithm.crc32`` of v1model, over the fields in the
order of the P4 source, big-endian and without padding.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from controller.spec.types import Address
from p4src.numbers import address
from p4src.spec import Secret

ORDERS = ((0, 1, 2, 3, 4), (3, 1, 4, 2, 0), (4, 3, 2, 1, 0))
"""In which order control ``Memory`` hashes its five keyed words: for ways 0 and 1, for ways 2 and 3, for the digest."""
PEERS_MASK = 0x7FFF
"""Places of fullnat connections a way, less one."""
_WORD = 0xFFFFFFFF


def spread(source: Address, port: int) -> int:
    """The 32 bits of control ``Spread``: slot in the low ones, ECMP bucket in the high ones."""
    return crc32(address(source).to_bytes(16, "big") + port.to_bytes(2, "big"))


def slot(source: Address, port: int, slots: int) -> int:
    """The slot of a connection in a pool of ``slots`` (a power of two); ``port`` 0 with affinity ``source``."""
    return spread(source, port) & 0xFFFF & (slots - 1)


def bucket(source: Address, port: int) -> int:
    """The ECMP bucket, 0 to 255."""
    return spread(source, port) >> 24


class Place(NamedTuple):
    """Where the memory keeps a connection."""

    ways: tuple[int, int, int, int]
    """The cell in each way."""
    digest: int


def words(client: Address, port: int, owner: int, secret: Secret) -> tuple[int, ...]:
    """The five keyed words that stand for a connection.

    ``port`` is the client's, 0 with affinity ``source`` unless the mode is fullnat; ``owner`` the number that stands
    for the listener.
    """
    number = address(client)
    keyed = [(number >> 32 * n & _WORD) + (secret.key >> 32 * n & _WORD) & _WORD for n in range(4)]
    return (*keyed, (port << 16 | owner) + secret.key_ports & _WORD)


def place(keyed: tuple[int, ...], cells_mask: int = 0xFFFF, fullnat: bool = False) -> Place:
    """Where control ``Memory`` looks for a connection, from its keyed words."""
    octets = [word.to_bytes(4, "big") for word in keyed]
    first, second, digest = (crc32(b"".join(octets[n] for n in order)) for order in ORDERS)
    mask = cells_mask & PEERS_MASK if fullnat else cells_mask
    return Place((first & mask, first >> 16 & mask, second & mask, second >> 16 & mask), digest)
