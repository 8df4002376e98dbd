"""The datapath's hash: known values of a real switch, both directions alike, and the same in bulk."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import dp_hash
from controller.spec.types import Address, Protocol

DESTINATIONS: dict[int, Address] = {4: ip_address("10.9.9.9"), 6: ip_address("fd00:9::9")}
PORTS = st.integers(0, 65_535)
ADDRESSES = st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address))


@given(ADDRESSES, st.sampled_from(Protocol), PORTS, PORTS, st.sampled_from((1, 256, 4_096, 65_536)))
def test_both_directions_have_one_slot(
    source: Address, protocol: Protocol, port: int, listens: int, slots: int
) -> None:
    to = DESTINATIONS[source.version]
    there = dp_hash.slot(source, to, protocol, port, listens, slots)
    assert there == dp_hash.slot(to, source, protocol, listens, port, slots)
    assert 0 <= there < slots


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), PORTS), min_size=1, max_size=20),
    st.sampled_from(Protocol),
    PORTS,
)
def test_many_at_once_are_hashed_as_each(
    some: list[tuple[int, int]], protocol: Protocol, listens: int
) -> None:
    for version, width in ((4, 4), (6, 16)):
        sources = [(number * 0x9E37_79B1 % 2 ** (8 * width)).to_bytes(width, "big") for number, _ in some]
        rows = np.frombuffer(b"".join(sources), np.uint8).reshape(-1, width)
        ports = np.array([port for _, port in some], np.uint16)
        to = DESTINATIONS[version]
        found = dp_hash.symmetric_rows(rows, to, protocol, ports, listens)
        one = [
            dp_hash.symmetric(ip_address(source), to, protocol, port, listens)
            for source, (_, port) in zip(sources, some, strict=True)
        ]
        assert found.tolist() == one


def test_datagrams_are_hashed_by_their_addresses_alone() -> None:
    source, to = ip_address("192.0.2.1"), DESTINATIONS[4]
    udp = {dp_hash.symmetric(source, to, Protocol.UDP, port, 53) for port in range(100)}
    tcp = {dp_hash.symmetric(source, to, Protocol.TCP, port, 53) for port in range(100)}
    assert (len(udp), len(tcp)) == (1, 100)


@pytest.mark.parametrize("slots", [256, 4_096])
def test_connections_of_one_client_spread_evenly(slots: int) -> None:
    rows = np.tile(np.frombuffer(ip_address("192.0.2.1").packed, np.uint8), (60_000, 1))
    ports = np.arange(1_024, 61_024).astype(np.uint16)
    hashes = dp_hash.symmetric_rows(rows, DESTINATIONS[4], Protocol.TCP, ports, 80)
    counts = np.bincount(hashes & np.uint32(slots - 1), minlength=slots)
    mean = 60_000 / slots
    assert counts.min() > mean - 6 * mean**0.5
    assert counts.max() < mean + 6 * mean**0.5
