"""Datagrams larger than a packet pass in fragments, both ways, in every mode."""

from __future__ import annotations

import pytest

from tests.lab.balanced import Balanced
from tests.lab.services import SERVICES, Service, ask, datagrams
from tests.lab.wire import Tap

pytestmark = pytest.mark.lab

LARGE = bytes(range(256)) * 12
"""3,072 bytes, and as many back; no two neighbours are the same, so that damage shows."""
SOCKETS = 8

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


@each_service
def test_a_large_datagram_is_answered_by_a_large_one(balanced_pair: Balanced, service: Service) -> None:
    for _ in range(SOCKETS):
        with datagrams(balanced_pair.lab, "c1", service) as one, Tap(balanced_pair.lab, "c1") as tap:
            ask(one, LARGE)
            frames = tap.frames(lambda f: f.outgoing is False and len(f.frame) > 1000)
            assert len(frames) >= 2, "the answer came in fragments"
