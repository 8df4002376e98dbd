"""Matches: canonical, packed with prerequisites first, and read back whatever the order."""

from __future__ import annotations

import struct
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.fields import FIELDS, as_int, field_of
from flows.match import Match, unpack_match


@st.composite
def matches(draw: st.DrawFn) -> Match:
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=8))
    fields: dict[str, int | tuple[int, int]] = {}
    for name in names:
        value = st.integers(0, FIELDS[name].all_ones)
        fields[name] = draw(st.one_of(value, st.tuples(value, value)))
    return Match.of(**fields)


@given(matches(), st.binary(max_size=16))
def test_what_is_packed_is_unpacked(match: Match, before: bytes) -> None:
    data = before + match.pack()
    assert len(match.pack()) % 8 == 0
    assert unpack_match(data, len(before)) == (match, len(data))


@given(matches(), st.randoms())
def test_the_order_of_fields_does_not_matter(match: Match, random: st.DataObject) -> None:
    tlvs = [FIELDS[name].tlv(value, mask) for name, value, mask in match]
    random.shuffle(tlvs)  # type: ignore[attr-defined]
    body = b"".join(tlvs)
    data = struct.pack("!HH", 1, 4 + len(body)) + body + bytes(-(4 + len(body)) % 8)
    again, _ = unpack_match(data, 0)
    assert again == match
    assert hash(again) == hash(match)
    assert again.pack() == match.pack()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_known_by_its_header(name: str) -> None:
    what = FIELDS[name]
    assert field_of(what.tlv(0)[:8].ljust(8, b"\0")) == (what, False)
    assert field_of(what.tlv(0, 1)[:8].ljust(8, b"\0")) == (what, True)


def test_a_field_that_nobody_declared_is_an_error() -> None:
    with pytest.raises(KeyError):
        Match.of(vlan_pcp=5)
    with pytest.raises(KeyError):
        unpack_match(struct.pack("!HHHBBB7x", 1, 9, 0x8000, 7 << 1, 1, 5), 0)


def test_bits_outside_a_mask_do_not_make_a_difference() -> None:
    assert Match.of(reg4=(0xFF, 1)) == Match.of(reg4=(1, 1))
    assert Match.of(reg4=(7, 0xFFFFFFFF)) == Match.of(reg4=7)
    assert Match.of(ipv4_src=ip_network("192.0.2.1/32")) == Match.of(ipv4_src=0xC0000201)


def test_a_mask_of_zero_is_no_field_because_switches_do_not_report_it() -> None:
    assert Match.of(eth_type=0x800, ipv4_src=ip_network("0.0.0.0/0")) == Match.of(eth_type=0x800)


def test_prerequisites_stand_first() -> None:
    packed = Match.of(
        tcp_dst=80, ip_proto=6, arp_op=1, eth_type=0x800, ct_nw_proto=6, ct_state=(32, 32)
    ).pack()
    order = [
        packed.index(FIELDS[n].tlv(v)) for n, v in (("eth_type", 0x800), ("ip_proto", 6), ("tcp_dst", 80))
    ]
    assert order == sorted(order)
    state = packed.index(FIELDS["ct_state"].tlv(32, 32))
    assert order[0] < state < packed.index(FIELDS["ct_nw_proto"].tlv(6))


@pytest.mark.parametrize(("text", "number"), [("02:45:56:00:00:fe", 0x0245560000FE), (7, 7)])
def test_values_are_numbers_addresses_or_macs(text: str | int, number: int) -> None:
    assert as_int(text) == number
