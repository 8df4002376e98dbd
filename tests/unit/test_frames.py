"""What crafted frames promise: the bytes the RFCs ask for, right checksums, None for what fits not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.frames import (
    Endpoint,
    Flow5,
    gratuitous_arp,
    packet_too_big,
    quoted,
    tcp_reset,
    tuple_of,
    unsolicited_na,
)
from tests.unit.craft import (
    ACK,
    CLIENT,
    CLIENT_MAC,
    FIN,
    LATER_FRAGMENT,
    RST,
    SYN,
    TCP,
    VIP,
    VIRTUAL_MAC,
    datagram,
    icmp,
    in_ethernet,
    patched,
    segment,
    sums_are_right,
    with_extensions,
)

both = pytest.mark.parametrize("version", [4, 6])
versions = st.sampled_from([4, 6])
TRANSPORT_AT = {4: 34, 6: 54}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(
            lambda: tcp_reset(segment(4, SYN), VIRTUAL_MAC),
            "02455602000102455600010108004500002800004000400626 6c0a0000640a00000100509c40"
            "0000 0000 0000 03e9 5014 0000 faf2 0000",
            id="reset of a SYN, IPv4",
        ),
        pytest.param(
            lambda: tcp_reset(segment(6, SYN), VIRTUAL_MAC),
            "02455602000102455600010186dd6000000000140640fd000000000000000000000000000100"
            "fd00000000000000000000000000000100509c4000000000000003e95014000014550000",
            id="reset of a SYN, IPv6",
        ),
        pytest.param(
            lambda: gratuitous_arp(IPv4Address("10.0.0.100"), VIRTUAL_MAC),
            "ffffffffffff 024556000101 0806 0001 0800 06 04 0001024556000101 0a000064 000000000000 0a000064",
            id="ARP announcement",
        ),
        pytest.param(
            lambda: unsolicited_na(IPv6Address("fd00::100"), VIRTUAL_MAC),
            "33330000000102455600010186dd6000000000203afffd000000000000000000000000000100"
            "ff0200000000000000000000000000018800015820000000fd000000000000000000000000000100"
            "0201024556000101",
            id="neighbour advertisement",
        ),
        pytest.param(
            lambda: packet_too_big(
                bytes.fromhex(
                    "02455600010102455602000108004500002400014000401126640a0000010a000064"
                    "9c400035001094337175657374696f6e"
                ),
                1400,
                VIRTUAL_MAC,
            ),
            "02455602000102455600010108004500004000004000400126590a0000640a00000103040c0a00000578"
            "4500002400014000401126640a0000010a0000649c400035001094337175657374696f6e",
            id="packet too big, IPv4",
        ),
        pytest.param(
            lambda: packet_too_big(
                bytes.fromhex(
                    "02455600010102455602000186dd6000000000101140fd000000000000000000000000000001"
                    "fd0000000000000000000000000001009c4000350010ad957175657374696f6e"
                ),
                1400,
                VIRTUAL_MAC,
            ),
            "02455602000102455600010186dd6000000000403a40fd000000000000000000000000000100"
            "fd00000000000000000000000000000102008bdb000005786000000000101140fd000000000000000000000000000001"
            "fd0000000000000000000000000001009c4000350010ad957175657374696f6e",
            id="packet too big, IPv6",
        ),
    ],
)
def test_frame_is_what_another_implementation_makes(made: Callable[[], bytes | None], expected: str) -> None:
    assert made() == bytes.fromhex(expected)


# Resets


@settings(deadline=None)
@given(versions, st.binary(max_size=60), st.sampled_from([ACK, ACK | FIN, SYN | ACK]))
def test_reset_of_a_segment_with_ack_stands_where_the_sender_expects_the_next_byte(
    version: int, data: bytes, flags: int
) -> None:
    reset = tcp_reset(segment(version, flags, data), VIRTUAL_MAC)
    assert reset is not None
    assert sums_are_right(reset)
    assert tuple_of(reset) == Flow5(VIP[version], 80, CLIENT[version], 40000, TCP, RST)
    assert struct.unpack_from("!II", reset, TRANSPORT_AT[version] + 4) == (77777, 0)
    assert reset[:12] == bytes.fromhex((CLIENT_MAC + VIRTUAL_MAC).replace(":", ""))


@settings(deadline=None)
@given(versions, st.binary(max_size=60), st.sampled_from([0, SYN, FIN, SYN | FIN]))
def test_reset_of_a_segment_without_ack_acknowledges_all_of_it(version: int, data: bytes, flags: int) -> None:
    reset = tcp_reset(segment(version, flags, data), VIRTUAL_MAC)
    assert reset is not None
    assert sums_are_right(reset)
    assert tuple_of(reset) == Flow5(VIP[version], 80, CLIENT[version], 40000, TCP, RST | ACK)
    length = len(data) + bool(flags & SYN) + bool(flags & FIN)
    assert struct.unpack_from("!II", reset, TRANSPORT_AT[version] + 4) == (0, 1000 + length)


@both
def test_reset_does_not_count_ethernet_padding_as_data(version: int) -> None:
    frame = segment(version, SYN, b"x")
    assert tcp_reset(frame + bytes(20), VIRTUAL_MAC) == tcp_reset(frame, VIRTUAL_MAC)


@both
def test_reset_counts_data_that_the_report_cut_off(version: int) -> None:
    frame = segment(version, SYN, b"x" * 500)
    assert tcp_reset(frame[:128], VIRTUAL_MAC) == tcp_reset(frame, VIRTUAL_MAC)


@both
def test_reset_bears_the_ports_that_a_switch_had_overwritten(version: int) -> None:
    reset = tcp_reset(segment(version, ACK), VIRTUAL_MAC, ports=(50000, 443))
    assert reset is not None
    assert sums_are_right(reset)
    assert tuple_of(reset) == Flow5(VIP[version], 443, CLIENT[version], 50000, TCP, RST)


@both
def test_reset_sequence_wraps(version: int) -> None:
    frame = bytearray(segment(version, SYN))
    at = TRANSPORT_AT[version] + 4
    frame[at : at + 4] = b"\xff" * 4
    reset = tcp_reset(bytes(frame), VIRTUAL_MAC)
    assert reset is not None
    assert struct.unpack_from("!II", reset, at) == (0, 0)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(segment(4, RST), id="reset"),
        pytest.param(segment(6, RST | ACK), id="reset, IPv6"),
        pytest.param(datagram(4, b"x"), id="UDP"),
        pytest.param(patched(segment(4, ACK), 20, b"\x20\x00"), id="first fragment"),
        pytest.param(patched(segment(4, ACK), 20, b"\x00\x05"), id="later fragment"),
        pytest.param(patched(segment(4, ACK), 46, b"\x40"), id="header of four words"),
        pytest.param(patched(segment(4, ACK), 46, b"\xf0"), id="header longer than the packet"),
        pytest.param(segment(4, ACK)[:-1], id="cut header"),
        pytest.param(patched(segment(4, ACK), 0, b"\xff" * 6), id="broadcast frame"),
        pytest.param(patched(segment(4, ACK), 6, b"\x01"), id="group as sender's MAC"),
        pytest.param(patched(segment(4, ACK), 26, b"\xe0\x00\x00\x01"), id="from multicast"),
        pytest.param(patched(segment(4, ACK), 26, bytes(4)), id="from nobody"),
        pytest.param(patched(segment(4, ACK), 26, b"\x7f\x00\x00\x01"), id="from loopback"),
        pytest.param(patched(segment(4, ACK), 26, b"\xff" * 4), id="from broadcast"),
        pytest.param(patched(segment(6, ACK), 22, b"\xff\x02"), id="from multicast, IPv6"),
        pytest.param(patched(segment(4, ACK), 26, VIP[4].packed), id="from the VIP itself"),
        pytest.param(patched(segment(4, ACK), 30, b"\xef\x01\x01\x01"), id="to multicast"),
        pytest.param(patched(segment(4, ACK), 12, b"\x81\x00"), id="VLAN tag"),
        pytest.param(patched(segment(4, ACK), 12, b"\x86\xdd"), id="IPv4 announced as IPv6"),
        pytest.param(patched(segment(4, ACK), 16, b"\x00\x10"), id="total length below the header"),
        pytest.param(patched(segment(4, ACK), 14, b"\x44"), id="IP header of four words"),
        pytest.param(patched(segment(4, ACK), 14, b"\x75"), id="IP version 7"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_no_reset_in_answer_to(frame: bytes) -> None:
    assert tcp_reset(frame, VIRTUAL_MAC) is None


def test_a_mac_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"'02:45' is not a MAC address; write it like 02:45:56:00:01:01"):
        tcp_reset(segment(4, ACK), "02:45")


# Packet too big


@settings(deadline=None, max_examples=60)
@given(versions, st.integers(0, 2500), st.integers(1280, 65535))
def test_packet_too_big_quotes_as_much_as_the_rfcs_allow(version: int, size: int, mtu: int) -> None:
    frame = datagram(version, bytes(size))
    reply = packet_too_big(frame, mtu, VIRTUAL_MAC)
    assert reply is not None
    assert sums_are_right(reply)
    header, most = {4: (20, 576), 6: (40, 1280)}[version]
    assert reply[14 + header + 8 :] == frame[14:][: most - header - 8]
    kind, code, _, told = struct.unpack_from("!BBHI", reply, TRANSPORT_AT[version])
    assert (kind, code, told) == ((3, 4, mtu) if version == 4 else (2, 0, mtu))
    assert reply[:12] == bytes.fromhex((CLIENT_MAC + VIRTUAL_MAC).replace(":", ""))
    about = quoted(reply)
    assert about is not None
    assert about.server_side == Endpoint(CLIENT[version], 40000)
    assert (about.outer_source, about.outer_destination) == (VIP[version], CLIENT[version])


def test_packet_too_big_tells_ipv6_no_less_than_its_minimum() -> None:
    assert packet_too_big(datagram(6, bytes(1300)), 1000, VIRTUAL_MAC) == packet_too_big(
        datagram(6, bytes(1300)), 1280, VIRTUAL_MAC
    )


@pytest.mark.parametrize("mtu", [67, 65536, -1])
def test_an_mtu_that_cannot_be_is_refused(mtu: int) -> None:
    with pytest.raises(ValueError, match=f"an MTU of {mtu} cannot be; it is from 68 to 65535"):
        packet_too_big(datagram(4, b""), mtu, VIRTUAL_MAC)


@pytest.mark.parametrize(
    "frame",
    [
        *(pytest.param(icmp(4, kind), id=f"ICMP type {kind}") for kind in (3, 4, 5, 11, 12)),
        *(pytest.param(icmp(6, kind), id=f"ICMPv6 type {kind}") for kind in (1, 2, 3, 4, 127, 137)),
        pytest.param(datagram(4, b"x", destination=IPv4Address("239.1.1.1")), id="multicast"),
        pytest.param(datagram(6, b"x", destination=IPv6Address("ff02::1")), id="multicast, IPv6"),
        pytest.param(datagram(4, b"x", destination=IPv4Address("255.255.255.255")), id="broadcast"),
        pytest.param(patched(datagram(4, b"x"), 0, b"\xff" * 6), id="broadcast frame"),
        pytest.param(datagram(4, b"x", source=IPv4Address("0.0.0.0")), id="from nobody"),
        pytest.param(datagram(6, b"x", source=IPv6Address("::")), id="from nobody, IPv6"),
        pytest.param(patched(datagram(4, b"x" * 99), 20, b"\x00\xb9"), id="later fragment"),
        pytest.param(in_ethernet(with_extensions(datagram(6, b"x")[14:], LATER_FRAGMENT)), id="later, IPv6"),
        pytest.param(datagram(4, b"")[:-1], id="less than 8 bytes to quote"),
        pytest.param(gratuitous_arp(IPv4Address("10.0.0.100"), VIRTUAL_MAC), id="ARP"),
    ],
)
def test_no_packet_too_big_in_answer_to(frame: bytes) -> None:
    assert packet_too_big(frame, 1400, VIRTUAL_MAC) is None


@pytest.mark.parametrize(("version", "request_kind"), [(4, 8), (6, 128)])
def test_packet_too_big_answers_pings(version: int, request_kind: int) -> None:
    assert packet_too_big(icmp(version, request_kind), 1400, VIRTUAL_MAC) is not None


def test_packet_too_big_answers_a_first_fragment() -> None:
    first = patched(datagram(4, b"x" * 99), 20, b"\x20\x00")
    assert packet_too_big(first, 1400, VIRTUAL_MAC) is not None
