"""The hash by which Open vSwitch spreads connections over a pool's slots, one by one and in bulk.

``flows/stages/choose.py`` lays six bytes into the Ethernet source address and lets the switch hash them with
``multipath``. The function there is Bob Jenkins' (lookup3, public domain, burtleburtle.net/bob/c/lookup3.c),
in the form that every build of Open vSwitch has: words are little-endian, and a length that is a multiple of
twelve gets no final round.

The arithmetic is written once, for Python's integers and for numpy's uint32 arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from controller.spec.types import Address

BASIS_SLOT, BASIS_HIGH, BASIS_LOW = 0, 1, 2
"""Bases of the slot, and of the upper and lower 16 bits that stand for an IPv6 address."""

_Words = npt.NDArray[np.uint32]
_Word = TypeVar("_Word", int, npt.NDArray[Any])

_MASK = 0xFFFF_FFFF
_START = 0xDEAD_BEEF
_BLOCK = 12
_MIX = (4, 6, 8, 16, 19, 4)
_FINAL = (14, 11, 25, 16, 4, 14, 24)


def jhash_bytes(data: bytes, basis: int = 0) -> int:
    """Return the 32-bit hash of ``data``."""
    padded = data.ljust(_padded(len(data)), b"\0")
    words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, len(padded), 4)]
    return _hash(words, (_START + len(data) + basis) & _MASK, len(data))


def jhash_rows(rows: npt.NDArray[np.uint8], basis: int = 0) -> _Words:
    """Return the hash of each row of an array of shape (rows, bytes): dtype uint32."""
    count, length = rows.shape
    padded = np.zeros((count, _padded(length)), np.uint8)
    padded[:, :length] = rows
    words = list(padded.view("<u4").astype(np.uint32).T)
    return _hash(words, np.full(count, (_START + length + basis) & _MASK, np.uint32), length)


def hashed_bytes(source: Address, port: int) -> bytes:
    """The six bytes that a connection's slot depends on; ``port`` is 0 with affinity ``source``."""
    if source.version == 4:
        address = source.packed
    else:
        halves = (jhash_bytes(source.packed, basis) & 0xFFFF for basis in (BASIS_HIGH, BASIS_LOW))
        address = b"".join(half.to_bytes(2, "big") for half in halves)
    return address + port.to_bytes(2, "big")


def slot(source: Address, port: int, slots: int) -> int:
    """The slot of a connection in a pool of ``slots`` (a power of two up to 65,536)."""
    return jhash_bytes(hashed_bytes(source, port), BASIS_SLOT) & (slots - 1)


def slots_of(
    sources: npt.NDArray[np.uint8], ports: npt.NDArray[np.uint16], slots: int
) -> npt.NDArray[np.uint16]:
    """The slot of each connection: ``sources`` has shape (connections, 4 or 16), ``ports`` (connections,)."""
    rows = np.empty((len(sources), 6), np.uint8)
    if sources.shape[1] == 4:
        rows[:, :4] = sources
    else:
        rows[:, 0:2] = _big_endian(jhash_rows(sources, BASIS_HIGH))
        rows[:, 2:4] = _big_endian(jhash_rows(sources, BASIS_LOW))
    rows[:, 4:6] = _big_endian(ports)
    return (jhash_rows(rows, BASIS_SLOT) & np.uint32(slots - 1)).astype(np.uint16)


def _big_endian(numbers: npt.NDArray[np.uint16] | _Words) -> npt.NDArray[np.uint8]:
    """The low 16 bits of each number as two bytes."""
    return numbers.astype(">u2").view(np.uint8).reshape(-1, 2)


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _hash(words: Sequence[_Word], start: _Word, length: int) -> _Word:
    """Hash ``length`` bytes given as little-endian words, padded with zeros to whole blocks of three."""
    a = b = c = start
    for at in range(0, len(words), 3):
        a, b, c = (a + words[at]) & _MASK, (b + words[at + 1]) & _MASK, (c + words[at + 2]) & _MASK
        if 4 * (at + 3) > length:
            return _finished(a, b, c)
        a, b, c = _mixed(a, b, c)
    return c


def _mixed(a: _Word, b: _Word, c: _Word) -> tuple[_Word, _Word, _Word]:
    # Each step is the same with the names one further; after six they stand where they began.
    for turn in _MIX:
        a = ((a - c) & _MASK) ^ _rotated(c, turn)
        c = (c + b) & _MASK
        a, b, c = b, c, a
    return a, b, c


def _finished(a: _Word, b: _Word, c: _Word) -> _Word:
    for turn in _FINAL:
        c = ((c ^ b) - _rotated(b, turn)) & _MASK
        a, b, c = b, c, a
    # The word finished last is called b by now.
    return b


def _rotated(word: _Word, turn: int) -> _Word:
    return (word << turn | word >> (32 - turn)) & _MASK
