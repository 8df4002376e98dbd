"""The Internet checksum: whole (RFC 1071) and adjusted (RFC 1624).

A one's complement sum is the number that the bytes spell, modulo 0xFFFF, which Python divides in one step.
"""

from __future__ import annotations

_MODULUS = 0xFFFF


def checksum(data: bytes) -> int:
    """The checksum over ``data``, in which the checksum field is zero; an odd byte is padded with zero."""
    return _complement(_value(data))


def adjust(old_sum: int, old: bytes, new: bytes) -> int:
    """What a checksum becomes when the covered bytes ``old`` become ``new``.

    Both begin at an even offset of what is covered. A checksum that was wrong stays wrong, so that a damaged
    message is not made to look whole.
    """
    return _complement((_MODULUS - old_sum) + (_MODULUS - _value(old) % _MODULUS) + _value(new) % _MODULUS)


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What a transport checksum covers besides the segment; 4-byte addresses are IPv4, 16-byte ones IPv6."""
    width = 2 if len(source) == 4 else 4
    return source + destination + length.to_bytes(width, "big") + protocol.to_bytes(width, "big")


def _value(data: bytes) -> int:
    return int.from_bytes(data, "big") << (8 * (len(data) & 1))


def _complement(total: int) -> int:
    # Of the two zeros of one's complement, only a sum over nothing but zeros is +0.
    return _MODULUS - (total % _MODULUS or (_MODULUS if total else 0))
