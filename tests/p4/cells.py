"""The cells of the embedded switch's memory, read as ``p4src/shared/types.p4`` lays them out."""

from __future__ import annotations

from typing import NamedTuple

from controller.spec.types import Mode
from p4src.hashes import place, words
from tests.p4.embedded import SECOND, EmbeddedBox
from tests.p4.scene import SECRET
from tests.p4.traffic import Talk

FREE, EMBRYO, ESTABLISHED, CLOSING, CLOSED = range(5)
TICK = 2**20 / 1e6
"""Seconds."""


class Cell(NamedTuple):
    """One cell."""

    backend: int
    born: int
    """Ticks."""
    left: int
    """Ticks until it is forgotten; 0 or less: it is."""
    state: int
    fullnat: bool
    fresh: bool
    opened: bool
    class_: int


def cell_of(box: EmbeddedBox, talk: Talk, cells_mask: int = 0xFFFF) -> Cell | None:
    """What the memory holds of a connection, forgotten or not; None: nothing."""
    fullnat = talk.service.mode is Mode.FULLNAT
    port = 0 if talk.service.sticky and not fullnat else talk.port
    where = place(words(talk.client, port, talk.service.id, SECRET), cells_mask, fullnat)
    for way, index in enumerate(where.ways):
        bits = box.register(f"cells{way}")[index]
        if bits and bits >> 64 == where.digest:
            return _read(bits, ticks_of(box))
    return None


def ticks_of(box: EmbeddedBox) -> int:
    """Its clock in ticks; the clock was at one second when it began."""
    return (box.now - SECOND) // 1000 >> 20


def _read(bits: int, now: int) -> Cell:
    left = (bits >> 8) - now & 0xFFFFFF
    left = left if left < 1 << 23 else left - (1 << 24)
    flags = (bool(bits & 8), bool(bits & 4), bool(bits & 16), bits & 3)
    return Cell(bits >> 48 & 0xFFFF, bits >> 32 & 0xFFFF, left, bits >> 5 & 7, *flags)
