"""Hashes and checksums give the published values."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topo.p4switch.errors import ProgramError
from topo.p4switch.hashes import CrcConfig, configure_crc, csum16, make_hash, ones_complement_sum, pack_parts

DIGITS = b"123456789"


@pytest.mark.parametrize(
    ("algo", "value"),
    [
        ("crc16", 0xBB3D),
        ("crc16_custom", 0xBB3D),
        ("crc32", 0xCBF43926),
        ("crc32_custom", 0xCBF43926),
        ("crcCCITT", 0x29B1),
        ("crc8_custom", 0xF4),
        ("crc64_custom", 0x46A5A9388A5BEFFE),
        ("identity", 0x3132333435363738),
        ("xor16", 0x3132 ^ 0x3334 ^ 0x3536 ^ 0x3738 ^ 0x3900),
        ("xor32", 0x31323334 ^ 0x35363738 ^ 0x39000000),
    ],
)
def test_algorithms_give_their_check_value(algo: str, value: int) -> None:
    assert make_hash(algo)(DIGITS) == value


def test_a_custom_crc_takes_other_parameters() -> None:
    function = make_hash("crc32_custom")
    # CRC-32C (Castagnoli).
    configure_crc(function, CrcConfig(32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, True, True))
    assert function(DIGITS) == 0xE3069283


def test_a_custom_crc_without_reflection() -> None:
    function = make_hash("crc16_custom")
    configure_crc(function, CrcConfig(16, 0x1021, 0xFFFF, 0, False, False))
    assert function(DIGITS) == 0x29B1


def test_a_fixed_hash_takes_no_parameters() -> None:
    with pytest.raises(ProgramError, match="only crc8_custom"):
        configure_crc(zlib.crc32, CrcConfig(32, 1, 0, 0, True, True))


def test_the_checksum_of_the_rfc_example() -> None:
    assert csum16(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


@given(st.binary(max_size=200))
def test_the_sum_is_that_of_words_with_end_around_carry(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert ones_complement_sum(data) == total


def test_round_robin_counts_and_its_consistent_form_remembers() -> None:
    plain, consistent = make_hash("round_robin"), make_hash("round_robin_consistent")
    assert [plain(b"x"), plain(b"x")] == [0, 1]
    assert [consistent(b"x"), consistent(b"y"), consistent(b"x")] == [0, 1, 0]


def test_invalid_parts_are_left_out_and_the_last_byte_is_filled() -> None:
    assert pack_parts(((1, 0x5, 3), (0, 0xFF, 8), (1, b"\xaa", -1), (1, 1, 1))) == bytes(
        [0b10110101, 0b01010000]
    )
