"""How values look in entries, and the hashes that Python computes as the pipeline does."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p4src.hashes import bucket, place, slot, spread, words
from p4src.numbers import TICK, address, change, mac, prefix, ticks
from p4src.spec import Secret
from tests.conformance.packets import one_sum

V4, V6 = st.ip_addresses(v=4), st.ip_addresses(v=6)
ADDRESSES = V4 | V6
PAIRS = st.tuples(V4, V4) | st.tuples(V6, V6)


@given(ADDRESSES)
def test_an_address_is_carried_as_ipv6_and_comes_back(value: IPv4Address | IPv6Address) -> None:
    carried = IPv6Address(address(value))
    assert (carried.ipv4_mapped if value.version == 4 else carried) == value


@given(V4, st.integers(0, 32))
def test_a_prefix_of_ipv4_holds_just_its_addresses(value: IPv4Address, length: int) -> None:
    network = IPv4Network((value, length), strict=False)
    start, bits = prefix(network)
    assert bits == 96 + length
    for inside in (network.network_address, network.broadcast_address, value):
        assert address(inside) >> (128 - bits) == start >> (128 - bits)
    assert start & ((1 << (128 - bits)) - 1) == 0


@given(V6, st.integers(0, 128))
def test_a_prefix_of_ipv6_is_itself(value: IPv6Address, length: int) -> None:
    network = IPv6Network((value, length), strict=False)
    assert prefix(network) == (int(network.network_address), length)


def test_all_of_ipv6_is_written_as_nothing_to_match() -> None:
    assert prefix(IPv6Network("::/0")) == (0, 0)


@given(PAIRS, st.binary(max_size=64))
def test_a_change_keeps_a_checksum_right(
    pair: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address], rest: bytes
) -> None:
    """RFC 1624: what the switch adds to the one's complement sum makes it that of the new address."""
    old, new = pair
    total = one_sum(old.packed + rest) ^ 0xFFFF
    total += change(old, new)
    total = (total & 0xFFFF) + (total >> 16)
    assert total % 0xFFFF == (one_sum(new.packed + rest) ^ 0xFFFF) % 0xFFFF


@given(PAIRS)
def test_a_change_fits_its_parameter(
    pair: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address],
) -> None:
    assert 0 <= change(*pair) <= 0xFFFF


@given(st.floats(0, 60_000))
def test_ticks_last_at_least_as_long_as_asked_and_at_most_a_tick_and_a_half_longer(seconds: float) -> None:
    assert seconds <= ticks(seconds) * TICK <= seconds + 1.5 * TICK


@given(st.floats(60_000, 1e9))
def test_ticks_fit_a_cell(seconds: float) -> None:
    assert 0 < ticks(seconds) <= 0xFFFF


def test_a_mac_is_a_number() -> None:
    assert mac("02:45:56:00:01:01") == 0x024556000101
    assert mac(None) == 0


@pytest.mark.parametrize(
    ("client", "port", "hashed"),
    [
        # zlib.crc32 of 00..00ffff 0a000001 04d2, and of fd00::1 0000, written down once.
        (IPv4Address("10.0.0.1"), 1234, 0x7F8EBC36),
        (IPv6Address("fd00::1"), 0, 0xF2711858),
    ],
)
def test_the_spread_of_known_connections_never_changes(client: IPv4Address, port: int, hashed: int) -> None:
    assert spread(client, port) == hashed


@given(ADDRESSES, st.integers(0, 65_535), st.sampled_from([256, 4096, 65_536]))
def test_slot_and_bucket_come_from_different_bits(
    client: IPv4Address | IPv6Address, port: int, slots: int
) -> None:
    hashed = spread(client, port)
    assert slot(client, port, slots) == hashed % slots
    assert bucket(client, port) == hashed >> 24


@given(ADDRESSES, st.integers(0, 65_535), st.integers(1, 8191), st.binary(min_size=20, max_size=20))
def test_a_connection_has_a_place_in_each_way_within_the_memory(
    client: IPv4Address | IPv6Address, port: int, owner: int, secret: bytes
) -> None:
    keyed = words(client, port, owner, Secret.of(secret))
    assert all(0 <= word < 1 << 32 for word in keyed)
    assert all(index <= 0x3FF for index in place(keyed, 0x3FF).ways)
    assert all(index <= 0x7FFF for index in place(keyed, fullnat=True).ways)


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a secret of 19 bytes; it must have 20"):
        Secret.of(bytes(19))
