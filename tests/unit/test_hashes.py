"""The slot of a connection by whatever its pool goes by: what is taken from where, and how evenly."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller import dp_hash, ovs_hash
from controller.hashes import Slotting, bits
from controller.spec.spread import Spread, bit_counts
from controller.spec.types import Address, Protocol
from tests.fakes import duties

SIZES = [1 << n for n in range(8, 17)]
CLIENT = ip_address("10.0.0.37")


@pytest.mark.parametrize("slots", SIZES)
def test_a_quarter_of_a_slot_comes_from_the_address_and_the_rest_from_the_port(slots: int) -> None:
    port, address = bit_counts(slots)
    assert 1 << port + address == slots
    assert address == (port + address) // 4
    assert 1 + port <= 16  # the lowest bit of a port is left out


@pytest.mark.parametrize("slots", SIZES)
def test_every_slot_has_bits_of_its_own(slots: int) -> None:
    port, address = bit_counts(slots)
    found = {
        bits(ip_address(f"fd00::{low:x}"), number << 1, slots)
        for low in range(1 << address)
        for number in range(1 << port)
    }
    assert found == set(range(slots))


def test_a_port_and_the_one_after_it_are_of_one_slot() -> None:
    assert bits(CLIENT, 40_000, 4096) == bits(CLIENT, 40_001, 4096) != bits(CLIENT, 40_002, 4096)


def test_clients_that_count_their_ports_up_are_spread_evenly() -> None:
    sources: list[Address] = [ip_address(f"10.0.0.{n}") for n in range(1, 65)]
    held = Counter(bits(source, port, 256) for source in sources for port in range(32_768, 33_792, 2))
    assert len(held) == 256
    assert max(held.values()) <= 1.2 * min(held.values())


def test_a_listener_says_what_its_slots_are_taken_from() -> None:
    item = next(each for each in duties.listeners() if each.protocol is Protocol.TCP and not each.sticky)
    made = {spread: Slotting.of(replace(item, spread=spread), 4096, "ovs-jenkins") for spread in Spread}
    source = CLIENT if item.vip.address.version == 4 else ip_address("fd00::37")
    to = item.vip.address, Protocol.TCP, 40_000, item.port
    assert {spread: each.slot(source, 40_000) for spread, each in made.items()} == {
        Spread.OWN: ovs_hash.slot(source, 40_000, 4096),
        Spread.BITS: bits(source, 40_000, 4096),
        Spread.DATAPATH: dp_hash.slot(source, *to, 4096),
    }
