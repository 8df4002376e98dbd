"""The hash that Open vSwitch's userspace datapath computes of a packet: symmetric over addresses and ports.

A ``select`` group without a selection method has the datapath hash its packets (OVS_HASH_ALG_SYM_L4, basis 0), and
``multipath(symmetric_l3l4, ...)`` computes the same in the slow path: source and destination are combined before they
are mixed, so both directions of a connection have one hash. Ports count for TCP only, and not for fragments. The mixing
is MurmurHash3's for 32 bits (Austin Appleby, public domain), where the compiler was not told to use CRC32 instructions
instead: so a switch is asked for its hash when it connects.

The arithmetic is written once, for Python's integers and for numpy's uint32 arrays.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from controller.spec.types import Address, Protocol

_Word = TypeVar("_Word", int, npt.NDArray[Any])
_Octets = npt.NDArray[np.uint8]

_MASK = 0xFFFF_FFFF


def symmetric(
    source: Address, destination: Address, protocol: Protocol, source_port: int, destination_port: int
) -> int:
    """The 32-bit hash of a packet that is no fragment."""
    ends = (np.frombuffer(address.packed, "<u4") for address in (source, destination))
    state = 0
    for word in np.bitwise_xor(*ends).tolist():
        state = _added(state, word)
    state = _added(state, protocol.number)
    if protocol is Protocol.TCP:
        state = _added(state, _ports(source_port ^ destination_port))
    return _finished(state)


def symmetric_rows(
    sources: _Octets, destination: Address, protocol: Protocol, ports: npt.NDArray[np.uint16], port: int
) -> npt.NDArray[np.uint32]:
    """The hash of each connection to one listener; ``sources``: shape (connections, 4 or 16), ``ports``: theirs."""
    ends = np.bitwise_xor(sources, np.frombuffer(destination.packed, np.uint8))
    words = np.ascontiguousarray(ends).view("<u4").astype(np.uint32)
    state = np.zeros(len(sources), np.uint32)
    for column in words.T:
        state = _added(state, column)
    state = _added(state, np.full_like(state, protocol.number))
    if protocol is Protocol.TCP:
        both = ports ^ np.uint16(port)
        state = _added(state, both.byteswap().astype(np.uint32))
    return _finished(state)


def slot(
    source: Address,
    destination: Address,
    protocol: Protocol,
    source_port: int,
    destination_port: int,
    slots: int,
) -> int:
    """The slot of a connection in a pool of ``slots`` (a power of two up to 65,536)."""
    return symmetric(source, destination, protocol, source_port, destination_port) & (slots - 1)


def _ports(both: int) -> int:
    """Two octets in the order of the wire, as a little-endian machine reads them."""
    return int.from_bytes(both.to_bytes(2, "big"), "little")


def _added(state: _Word, word: _Word) -> _Word:
    mixed: _Word = (_rotated((word * 0xCC9E_2D51) & _MASK, 15) * 0x1B87_3593) & _MASK
    added: _Word = (_rotated(state ^ mixed, 13) * 5 + 0xE654_6B64) & _MASK
    return added


def _finished(state: _Word) -> _Word:
    """The last step. The datapath says 1 for a hash of 0, which means none to it."""
    state = ((state ^ state >> 16) * 0x85EB_CA6B) & _MASK
    state = ((state ^ state >> 13) * 0xC2B2_AE35) & _MASK
    state = state ^ state >> 16
    finished: _Word = state + (state == 0)
    return finished


def _rotated(word: _Word, turn: int) -> _Word:
    return (word << turn | word >> (32 - turn)) & _MASK
