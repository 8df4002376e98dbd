"""Datagrams larger than a packet pass in fragments, both ways, in every mode, and go where whole ones go."""

from __future__ import annotations

import pytest

from tests.lab.balanced import Balanced
from tests.lab.services import SERVICES, Service, ask, datagrams
from tests.lab.wire import Tap

pytestmark = pytest.mark.lab

LARGE = bytes(range(256)) * 12
"""3,072 bytes, and as many back; no two neighbours are the same, so that damage shows."""
SOCKETS = 6

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


@each_service
def test_a_large_datagram_is_answered_by_a_large_one(balanced_pair: Balanced, service: Service) -> None:
    for _ in range(SOCKETS):
        with datagrams(balanced_pair.lab, "c1", service) as one, Tap(balanced_pair.lab, "c1") as tap:
            ask(one, LARGE)
            frames = tap.frames(lambda f: f.outgoing is False and len(f.frame) > 1000)
            assert len(frames) >= 2, "the answer came in fragments"


@each_service
@pytest.mark.parametrize("first", ["large", "small"])
def test_large_and_small_datagrams_of_a_socket_reach_the_same_server(
    balanced_pair: Balanced, service: Service, first: str
) -> None:
    payloads = (LARGE, b"small") if first == "large" else (b"small", LARGE)
    for _ in range(SOCKETS):
        with datagrams(balanced_pair.lab, "c1", service) as one:
            names = {ask(one, payload) for payload in payloads * 3}
        assert len(names) == 1


@each_service
def test_fragments_of_two_clients_do_not_mix(balanced_pair: Balanced, service: Service) -> None:
    lab = balanced_pair.lab
    ones = [datagrams(lab, client, service) for client in ("c1", "c2") for _ in range(2)]
    try:
        names = [ask(one, LARGE) for one in ones]
        for turn in range(10):
            payloads = [bytes([turn, number]) + LARGE for number in range(len(ones))]
            for one, payload in zip(ones, payloads, strict=True):
                one.send(payload)
            for one, payload, name in zip(ones, payloads, names, strict=True):
                assert one.recv(65536) == name.encode() + b" " + payload
    finally:
        for one in ones:
            one.close()
