"""Octets made from octets: bits, numbers, lengths and pieces are changed. Pure."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

LONGEST = 1 << 16
"""Octets of an input, at most."""
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 31)
_WIDTHS = (1, 2, 4, 8)
YAML = (b"\n", b": ", b"- ", b"{", b"}", b"[", b"]", b"*a", b"&a ")
"""Pieces of the YAML that people write."""
_MOST_CHANGES = 6


def mutated(chance: Random, data: bytes, other: bytes, tokens: tuple[bytes, ...] = ()) -> bytes:
    """A few changes, one after the other."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, _MOST_CHANGES)):
        if tokens and chance.random() < 0.2:
            _token(chance, out, tokens)
        else:
            chance.choice(_CHANGES)(chance, out, other)
        del out[LONGEST:]
    return bytes(out)


def _place(chance: Random, out: bytearray) -> int:
    return chance.randrange(len(out) + 1)


def _token(chance: Random, out: bytearray, tokens: tuple[bytes, ...]) -> None:
    at, token = _place(chance, out), chance.choice(tokens)
    out[at : at + (len(token) if chance.random() < 0.5 else 0)] = token


def _flip(chance: Random, out: bytearray, _: bytes) -> None:
    if out:
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)


def _octet(chance: Random, out: bytearray, _: bytes) -> None:
    if out:
        out[chance.randrange(len(out))] = chance.randrange(256)


def _number(chance: Random, out: bytearray, _: bytes) -> None:
    width = chance.choice(_WIDTHS)
    if len(out) < width:
        return
    at, bits = chance.randrange(len(out) - width + 1), 8 * width
    if chance.random() < 0.3:
        value = int.from_bytes(out[at : at + width], "big") + chance.randrange(-9, 10)
    else:
        value = chance.choice(_NUMBERS) * chance.choice((1, -1))
    out[at : at + width] = (value % (1 << bits)).to_bytes(width, chance.choice(("big", "little")))


def _remaining(chance: Random, out: bytearray, _: bytes) -> None:
    """A number becomes the length of what follows it, or nearly."""
    width = chance.choice((1, 2, 4))
    if len(out) >= width:
        at = chance.randrange(len(out) - width + 1)
        value = max(len(out) - at + chance.randrange(-8, 9), 0) % (1 << 8 * width)
        out[at : at + width] = value.to_bytes(width, "big")


def _delete(chance: Random, out: bytearray, _: bytes) -> None:
    at = _place(chance, out)
    del out[at : at + chance.choice((1, 2, 4, 8, 32))]


def _truncate(chance: Random, out: bytearray, _: bytes) -> None:
    del out[_place(chance, out) :]


def _insert(chance: Random, out: bytearray, _: bytes) -> None:
    at = _place(chance, out)
    out[at:at] = chance.choice((chance.randbytes(chance.randrange(1, 9)), bytes(chance.choice((1, 4, 16)))))


def _repeat(chance: Random, out: bytearray, _: bytes) -> None:
    at = _place(chance, out)
    piece = out[at : at + chance.randrange(1, 65)]
    out[at:at] = piece * chance.choice((1, 1, 2, 8, 64))


def _take(chance: Random, out: bytearray, other: bytes) -> None:
    """A piece of another input."""
    at, start = _place(chance, out), chance.randrange(len(other) + 1)
    piece = other[start : start + chance.randrange(1, 129)]
    out[at : at + chance.choice((0, len(piece)))] = piece


def _cross(chance: Random, out: bytearray, other: bytes) -> None:
    out[_place(chance, out) :] = other[chance.randrange(len(other) + 1) :]


_CHANGES: tuple[Callable[[Random, bytearray, bytes], None], ...] = (
    _flip,
    _octet,
    _number,
    _number,
    _remaining,
    _delete,
    _truncate,
    _insert,
    _repeat,
    _take,
    _cross,
)
