"""What the hash promises: the values that Open vSwitch gave, and the same in bulk as one by one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import ovs_hash
from controller.spec.types import Address

SLOTS = st.sampled_from([256, 4096, 65_536])
PORTS = st.integers(0, 65_535)


@pytest.mark.parametrize(
    ("data", "basis", "low"),
    [
        pytest.param("0a00000104d2", 0, 0x67BA, id="six bytes: 10.0.0.1 port 1234"),
        pytest.param("fd" + 14 * "00" + "01", 1, 0x061D, id="a block and a rest: fd00::1, first half"),
        pytest.param("fd" + 14 * "00" + "01", 2, 0x33F8, id="another basis: fd00::1, second half"),
        pytest.param("061d33f804d2", 0, 0xAB94, id="fd00::1 port 1234"),
    ],
)
def test_hash_is_what_open_vswitch_computes(data: str, basis: int, low: int) -> None:
    assert ovs_hash.jhash_bytes(bytes.fromhex(data), basis) & 0xFFFF == low


@pytest.mark.parametrize(("data", "basis"), [(b"", 0), (b"", 7)])
def test_hash_of_nothing_is_its_start(data: bytes, basis: int) -> None:
    assert ovs_hash.jhash_bytes(data, basis) == 0xDEADBEEF + basis


def test_hash_of_whole_blocks_ends_without_the_final_round() -> None:
    # One round by hand for twelve zero bytes, from a = b = c = 0xdeadbeef + 12.
    a = b = c = 0xDEADBEEF + 12
    mask = 0xFFFFFFFF

    def rot(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & mask

    a = ((a - c) & mask) ^ rot(c, 4)
    c = (c + b) & mask
    b = ((b - a) & mask) ^ rot(a, 6)
    a = (a + c) & mask
    c = ((c - b) & mask) ^ rot(b, 8)
    b = (b + a) & mask
    a = ((a - c) & mask) ^ rot(c, 16)
    c = (c + b) & mask
    b = ((b - a) & mask) ^ rot(a, 19)
    a = (a + c) & mask
    c = ((c - b) & mask) ^ rot(b, 4)
    assert ovs_hash.jhash_bytes(bytes(12)) == c


@pytest.mark.parametrize(
    ("source", "port", "data"),
    [
        ("10.0.0.1", 1234, "0a00000104d2"),
        ("10.0.0.1", 0, "0a0000010000"),
        ("fd00::1", 1234, "061d33f804d2"),
        ("fd00::1", 0, "061d33f80000"),
    ],
)
def test_six_bytes_stand_for_address_and_port(source: str, port: int, data: str) -> None:
    assert ovs_hash.hashed_bytes(ip_address(source), port).hex() == data


@pytest.mark.parametrize(("slots", "slot"), [(65_536, 0xAB94), (4096, 0xB94), (256, 0x94)])
def test_slot_is_the_low_bits_of_the_hash(slots: int, slot: int) -> None:
    assert ovs_hash.slot(ip_address("fd00::1"), 1234, slots) == slot


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_rows_hash_as_the_same_bytes_do_alone(data: list[bytes], basis: int) -> None:
    length = min(map(len, data))
    rows = np.array([list(each[:length]) for each in data], np.uint8)
    alone = [ovs_hash.jhash_bytes(each[:length], basis) for each in data]
    assert ovs_hash.jhash_rows(rows, basis).tolist() == alone


@pytest.mark.parametrize("addresses", [st.ip_addresses(v=4), st.ip_addresses(v=6)], ids=["IPv4", "IPv6"])
@given(data=st.data(), slots=SLOTS)
def test_slots_in_bulk_are_the_slots_one_by_one(
    addresses: st.SearchStrategy[IPv4Address | IPv6Address], data: st.DataObject, slots: int
) -> None:
    tuples: list[tuple[Address, int]] = data.draw(st.lists(st.tuples(addresses, PORTS), min_size=1))
    sources = np.array([list(source.packed) for source, _ in tuples], np.uint8)
    ports = np.array([port for _, port in tuples], np.uint16)
    one_by_one = [ovs_hash.slot(source, port, slots) for source, port in tuples]
    assert ovs_hash.slots_of(sources, ports, slots).tolist() == one_by_one
