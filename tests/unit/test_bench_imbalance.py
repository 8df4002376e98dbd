"""How evenly slots spread: what the bench says of hashes and of bits."""

from __future__ import annotations

import random

import pytest

from controller.spec.spread import Spread
from tests.bench.imbalance import CLIENTS, heaviest


@pytest.mark.parametrize("spread", list(Spread))
def test_many_clients_are_spread_evenly(spread: Spread) -> None:
    assert 1.0 <= heaviest(spread, 10, CLIENTS["1,000 with 100 each"](random.Random(1))) < 1.1


def test_bits_spread_no_better_than_the_ports_of_clients() -> None:
    clients = CLIENTS["10,000 with the same four ports"](random.Random(1))
    assert heaviest(Spread.BITS, 40, clients) > 2 * heaviest(Spread.DATAPATH, 40, clients)
