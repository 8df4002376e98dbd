"""Fragments of earlier rows are known again, also when the actions for another packet damaged their headers."""

from __future__ import annotations

import pytest

from tests.conformance.held import Held
from tests.conformance.target import Wire


def fragment(payload: int) -> bytes:
    """The first fragment of an IPv4 datagram with so many octets."""
    header = (
        b"\x45\x00" + (20 + payload).to_bytes(2, "big") + bytes.fromhex("abcd2000400600000a00000b0a000064")
    )
    return bytes(12) + b"\x08\x00" + header + bytes(range(payload))


@pytest.mark.parametrize("payload", [24, 40, 200])
def test_a_damaged_fragment_of_an_earlier_row_is_late(payload: int) -> None:
    held, sent = Held(), fragment(payload)
    held.sent([Wire("c1", sent)])
    damaged = sent[:24] + bytes(10) + b"\xff\xff" + sent[36:]
    assert not held.late(damaged), "it may be of this row"
    held.next_row()
    assert held.late(damaged)
    assert not held.late(fragment(payload)[:18] + b"\x00\x01" + fragment(payload)[20:]), "another datagram"
