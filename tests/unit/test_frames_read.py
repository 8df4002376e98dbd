"""What reading frames promises: whose packet it is, how its server must see an error."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.frames import (
    Endpoint,
    Flow5,
    Quoted,
    gratuitous_arp,
    packet_too_big,
    quoted,
    redirect_error,
    tcp_reset,
    tuple_of,
)
from tests.examples import examples
from tests.unit.craft import (
    ACK,
    CLIENT,
    FIRST_FRAGMENT,
    HOP_BY_HOP,
    LATER_FRAGMENT,
    OPTIONS,
    ROUTER,
    ROUTING_DONE,
    ROUTING_ON,
    SERVER,
    SERVER_MAC,
    SYN,
    TCP,
    UDP,
    VIP,
    VIRTUAL_MAC,
    answer_of,
    datagram,
    error,
    icmp,
    in_ethernet,
    packet,
    patched,
    segment,
    sums_are_right,
    udp,
    with_extensions,
)

both = pytest.mark.parametrize("version", [4, 6])
versions = st.sampled_from([4, 6])
HEADER = {4: 20, 6: 40}


@both
@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("kept", [4, 8, 20, 99])
def test_an_error_names_the_connection_it_is_about(version: int, protocol: int, kept: int) -> None:
    quote = answer_of(VIP[version], 80, protocol)[: HEADER[version] + kept]
    assert quoted(error(VIP[version], quote)) == Quoted(
        version,
        protocol,
        Endpoint(VIP[version], 80),
        Endpoint(CLIENT[version], 40000),
        ROUTER[version],
        VIP[version],
    )


@settings(deadline=None)
@given(versions, st.sampled_from([TCP, UDP]), st.integers(4, 188), st.integers(0, 65535), st.data())
def test_a_redirected_error_is_what_the_router_would_have_sent_to_the_server(
    version: int, protocol: int, kept: int, port: int, data: st.DataObject
) -> None:
    assume(kept != {TCP: 17, UDP: 7}[protocol])  # half a checksum cannot be kept right
    pack = st.integers(1, 2**32 - 2) if version == 4 else st.integers(1, 2**128 - 2)
    number = data.draw(pack)
    server = IPv4Address(number) if version == 4 else IPv6Address(number)
    until = HEADER[version] + kept
    came = error(VIP[version], answer_of(VIP[version], 80, protocol)[:until])
    wanted = error(server, answer_of(server, port, protocol)[:until])
    got = redirect_error(came, server, port)
    assert got is not None
    assert sums_are_right(got)
    assert got == wanted


@both
def test_a_redirected_error_goes_to_the_mac_given(version: int) -> None:
    came = error(VIP[version], answer_of(VIP[version], 80, UDP))
    plain = redirect_error(came, SERVER[version], 8080)
    there = redirect_error(came, SERVER[version], 8080, SERVER_MAC)
    assert plain is not None
    assert there == bytes.fromhex(SERVER_MAC.replace(":", "")) + plain[6:]
    assert plain[:12] == came[:12]


def test_a_redirected_error_leaves_a_missing_udp_checksum_missing() -> None:
    quote = patched(answer_of(VIP[4], 80, UDP), 26, b"\x00\x00")
    got = redirect_error(error(VIP[4], quote), SERVER[4], 8080)
    assert got == error(SERVER[4], patched(answer_of(SERVER[4], 8080, UDP), 26, b"\x00\x00"))


@both
def test_a_udp_checksum_that_comes_out_as_zero_is_written_as_all_ones(version: int) -> None:
    at = HEADER[version] + 6
    # What lacks to a sum of zero, taken as the port, makes it zero.
    port = int.from_bytes(answer_of(SERVER[version], 0, UDP)[at : at + 2], "big")
    wanted = answer_of(SERVER[version], port, UDP)
    assert wanted[at : at + 2] == b"\xff\xff"
    got = redirect_error(error(VIP[version], answer_of(VIP[version], 80, UDP)), SERVER[version], port)
    assert got == error(SERVER[version], wanted)


@both
def test_a_damaged_error_stays_damaged(version: int) -> None:
    came = bytearray(error(VIP[version], answer_of(VIP[version], 80, TCP)))
    came[-1] ^= 1
    got = redirect_error(bytes(came), SERVER[version], 8080)
    assert got is not None
    assert not sums_are_right(got)


def test_a_redirected_error_keeps_options_extensions_and_padding() -> None:
    inner = answer_of(VIP[6], 80, TCP)
    came = error(VIP[6], with_extensions(inner, HOP_BY_HOP, FIRST_FRAGMENT, OPTIONS))
    moved = with_extensions(answer_of(SERVER[6], 8080, TCP), HOP_BY_HOP, FIRST_FRAGMENT, OPTIONS)
    assert redirect_error(came + b"padding", SERVER[6], 8080) == error(SERVER[6], moved) + b"padding"


QUOTE = answer_of(VIP[4], 80, TCP)
QUOTE6 = answer_of(VIP[6], 80, TCP)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(segment(4, ACK), id="no ICMP"),
        pytest.param(error(VIP[4], QUOTE, kind=8), id="ping"),
        pytest.param(error(VIP[6], QUOTE6, kind=128), id="ping, IPv6"),
        pytest.param(error(VIP[4], QUOTE, kind=5), id="redirect"),
        pytest.param(error(VIP[4], b""), id="empty quote"),
        pytest.param(error(VIP[4], QUOTE[:23]), id="ports not in the quote"),
        pytest.param(error(VIP[6], QUOTE6[:43]), id="ports not in the quote, IPv6"),
        pytest.param(error(VIP[4], patched(QUOTE, 6, b"\x00\xb9")), id="about a later fragment"),
        pytest.param(
            error(VIP[6], with_extensions(QUOTE6, LATER_FRAGMENT)), id="about a later fragment, IPv6"
        ),
        pytest.param(error(VIP[4], patched(QUOTE, 9, b"\x01")), id="about ICMP"),
        pytest.param(error(VIP[4], QUOTE6), id="IPv6 in ICMPv4"),
        pytest.param(patched(error(VIP[4], QUOTE), 20, b"\x20\x00"), id="a fragment itself"),
        pytest.param(
            error(VIP[6], with_extensions(QUOTE6, ROUTING_ON)), id="about a packet routed by its source"
        ),
    ],
)
def test_not_understood_as_an_error_about_a_connection(frame: bytes) -> None:
    assert quoted(frame) is None
    assert redirect_error(frame, SERVER[4], 8080) is None


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(error(VIP[4], QUOTE)[:-1], id="cut"),
        pytest.param(error(ROUTER[4], QUOTE), id="not sent to whom it is about"),
        pytest.param(error(VIP[6], QUOTE6), id="other IP version than the server's"),
    ],
)
def test_an_error_is_understood_but_not_redirected(frame: bytes) -> None:
    assert quoted(frame) is not None
    assert redirect_error(frame, SERVER[4], 8080) is None


# Tuples

SEGMENT6 = segment(6, SYN)[14:]
FULL = Flow5(CLIENT[6], 40000, VIP[6], 80, TCP, SYN)
OPTION4 = packet(CLIENT[4], VIP[4], UDP, bytes(4) + udp(CLIENT[4], VIP[4], (40000, 53)))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(segment(4, SYN | ACK), Flow5(CLIENT[4], 40000, VIP[4], 80, TCP, SYN | ACK), id="TCP"),
        pytest.param(segment(6, SYN), FULL, id="TCP, IPv6"),
        pytest.param(datagram(4, b""), Flow5(CLIENT[4], 40000, VIP[4], 53, UDP, 0), id="UDP"),
        pytest.param(icmp(4, 8), Flow5(CLIENT[4], 0, VIP[4], 0, 1, 0), id="ping has no ports"),
        pytest.param(
            patched(in_ethernet(OPTION4), 14, b"\x46"),
            Flow5(CLIENT[4], 40000, VIP[4], 53, UDP, 0),
            id="IPv4 options",
        ),
        pytest.param(
            patched(datagram(4, b"x"), 20, b"\x20\x00"),
            Flow5(CLIENT[4], 40000, VIP[4], 53, UDP, 0),
            id="first fragment",
        ),
        pytest.param(
            patched(segment(4, SYN), 20, b"\x20\xb9"),
            Flow5(CLIENT[4], 0, VIP[4], 0, TCP, 0),
            id="later fragment",
        ),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, HOP_BY_HOP, OPTIONS)), FULL, id="options, IPv6"),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, ROUTING_DONE)), FULL, id="routed by its source"),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, FIRST_FRAGMENT, OPTIONS)), FULL, id="first, IPv6"),
        pytest.param(
            in_ethernet(with_extensions(SEGMENT6, HOP_BY_HOP, LATER_FRAGMENT)),
            Flow5(CLIENT[6], 0, VIP[6], 0, TCP, 0),
            id="later fragment, IPv6",
        ),
        pytest.param(
            in_ethernet(with_extensions(SEGMENT6, LATER_FRAGMENT, OPTIONS)),
            Flow5(CLIENT[6], 0, VIP[6], 0, 60, 0),
            id="what follows in a later fragment is data",
        ),
        pytest.param(
            in_ethernet(with_extensions(SEGMENT6, ROUTING_ON)),
            Flow5(CLIENT[6], 0, VIP[6], 0, 43, 0),
            id="still to be routed by its source",
        ),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, *[OPTIONS] * 8)), FULL, id="eight extensions"),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, *[OPTIONS] * 9)), None, id="nine extensions"),
        pytest.param(in_ethernet(with_extensions(SEGMENT6, OPTIONS)[:47]), None, id="cut extension"),
        pytest.param(segment(4, SYN)[:47], None, id="cut before the flags"),
        pytest.param(datagram(4, b"")[:37], None, id="cut before the ports"),
        pytest.param(patched(segment(4, SYN), 12, b"\x81\x00"), None, id="VLAN tag"),
        pytest.param(gratuitous_arp(IPv4Address("10.0.0.100"), VIRTUAL_MAC), None, id="ARP"),
    ],
)
def test_tuple_of(frame: bytes, expected: Flow5 | None) -> None:
    assert tuple_of(frame) == expected


# Whatever comes

SEEDS = [
    *(segment(version, flags, b"data") for version in (4, 6) for flags in (SYN, ACK)),
    *(datagram(version, b"x" * 40) for version in (4, 6)),
    *(error(VIP[version], answer_of(VIP[version], 80, p)) for version in (4, 6) for p in (TCP, UDP)),
    *(in_ethernet(with_extensions(SEGMENT6, *chain)) for chain in ((HOP_BY_HOP, FIRST_FRAGMENT), (OPTIONS,))),
    error(VIP[6], with_extensions(QUOTE6, HOP_BY_HOP, OPTIONS)),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sensible frame with some bytes changed, cut or lengthened."""
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    # The headers are where a changed byte matters most.
    spots = st.tuples(st.integers(0, min(110, len(frame) - 1)), st.integers(0, 255))
    for at, value in draw(st.lists(spots, max_size=6)):
        frame[at] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))]) if draw(st.booleans()) else bytes(frame)


FRAMES = st.one_of(st.binary(max_size=200), damaged())


@settings(deadline=None, max_examples=examples(300, 1000))
@given(FRAMES)
def test_nothing_from_the_network_raises_and_all_that_is_sent_has_right_checksums(frame: bytes) -> None:
    tuple_of(frame)
    quoted(frame)
    for server in (*SERVER.values(), ip_address("203.0.113.1")):
        redirect_error(frame, server, 8080, SERVER_MAC)
    for made in (tcp_reset(frame, VIRTUAL_MAC), packet_too_big(frame, 1400, VIRTUAL_MAC)):
        assert made is None or sums_are_right(made)


@pytest.mark.parametrize("frame", SEEDS, ids=range(len(SEEDS)))
def test_a_frame_cut_anywhere_does_not_raise(frame: bytes) -> None:
    for end in range(len(frame)):
        cut = frame[:end]
        for made in (tcp_reset(cut, VIRTUAL_MAC), packet_too_big(cut, 1400, VIRTUAL_MAC)):
            assert made is None or sums_are_right(made)
        assert redirect_error(cut, SERVER[4], 8080) is None
        assert redirect_error(cut, SERVER[6], 8080) is None
        tuple_of(cut)
        quoted(cut)
