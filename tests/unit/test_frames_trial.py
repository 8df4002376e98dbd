"""The datagram with which a switch is tried: whole and valid once put together, small until then."""

from __future__ import annotations

import pytest

from controller.frames.trial import small_fragments
from tests.conformance.packets import UDP, cover, header_is_right, one_sum, read_frame, reassembled

SMALLEST = 400
"""Octets of an IP packet."""


@pytest.mark.parametrize("version", [4, 6])
def test_the_fragments_make_a_valid_datagram(version: int) -> None:
    found = [read_frame(frame) for frame in small_fragments(version)]
    parts = [part for part in found if part is not None]
    assert len(parts) == 2
    assert all(part.fragment and header_is_right(part.whole) for part in parts)
    whole = reassembled(parts)
    assert whole is not None
    assert whole.protocol == UDP
    assert one_sum(cover(whole.source, whole.destination, UDP, whole.payload)) == 0
    assert int.from_bytes(whole.payload[4:6], "big") == len(whole.payload)


@pytest.mark.parametrize("version", [4, 6])
def test_the_first_is_as_small_as_a_switch_can_be_told_to_take(version: int) -> None:
    first, _ = small_fragments(version)
    assert SMALLEST <= len(first) - 14 < SMALLEST + 48
