"""BFD control packets are read as they were made, and none is read that RFC 5880 or RFC 5881 has a receiver discard."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from controller.frames.bfd import BfdPacket, BfdState, bfd_frame, read_bfd

MACS = bytes.fromhex("002320000001024556010011")
ENDS = (bytes((169, 254, 1, 1)), bytes((169, 254, 1, 0)))
WIDE = st.integers(0, 2**32 - 1)
DISCRIMINATOR = st.integers(1, 2**32 - 1)
PACKETS = st.builds(
    BfdPacket,
    state=st.sampled_from(BfdState),
    diagnostic=st.integers(0, 31),
    ours=DISCRIMINATOR,
    theirs=DISCRIMINATOR,
    min_tx=WIDE,
    min_rx=WIDE,
    multiplier=st.integers(1, 255),
    poll=st.booleans(),
    final=st.booleans(),
)
UP = BfdPacket(BfdState.UP, 6, 0x12345678, 0x9ABCDEF0, 50_000, 60_000, poll=True)


def framed(packet: BfdPacket) -> bytes:
    return bfd_frame(packet, MACS, *ENDS, 49152)


@settings(deadline=None)
@given(PACKETS, st.binary(max_size=40))
def test_a_packet_is_read_as_it_was_made_whatever_pads_it(packet: BfdPacket, padding: bytes) -> None:
    assert read_bfd(framed(packet) + padding) == packet


@settings(deadline=None)
@given(PACKETS)
def test_a_packet_cut_short_is_refused(packet: BfdPacket) -> None:
    frame = framed(packet)
    assert all(read_bfd(frame[:length]) is None for length in range(len(frame)))


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_whatever_the_network_sends_raises_nothing(frame: bytes) -> None:
    assert read_bfd(frame) is None


def test_another_reader_finds_the_same_and_its_checksums_are_right() -> None:
    read = Ether(framed(UP))
    again = Ether(framed(UP))
    del again[IP].chksum, again[UDP].chksum
    assert bytes(again) == framed(UP)
    assert (read[IP].ttl, read[UDP].dport, read[UDP].sport) == (255, 3784, 49152)
    bfd = read[BFD]
    assert (bfd.version, bfd.diag, bfd.sta, bfd.flags, bfd.detect_mult, bfd.len) == (1, 6, 3, 0x20, 3, 24)
    assert (bfd.my_discriminator, bfd.your_discriminator) == (0x12345678, 0x9ABCDEF0)
    assert (bfd.min_tx_interval, bfd.min_rx_interval, bfd.echo_rx_interval) == (50_000, 60_000, 0)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(12, 0x86, id="no IPv4"),
        pytest.param(20, 0x20, id="a fragment"),
        pytest.param(22, 254, id="it came through a router"),
        pytest.param(23, 6, id="no UDP"),
        pytest.param(37, 0xC9, id="another port"),
        pytest.param(42, 2 << 5, id="another version"),
        pytest.param(43, 0xC4, id="authenticated"),
        pytest.param(43, 0xC1, id="for several"),
        pytest.param(44, 0, id="no multiplier"),
        pytest.param(45, 23, id="shorter than a packet"),
        pytest.param(45, 25, id="longer than its datagram"),
    ],
)
def test_what_a_receiver_has_to_discard_is_not_read(at: int, value: int) -> None:
    frame = bytearray(framed(UP))
    assert read_bfd(bytes(frame)) == UP
    frame[at] = value
    assert read_bfd(bytes(frame)) is None


@pytest.mark.parametrize("state", [BfdState.INIT, BfdState.UP])
def test_only_one_that_is_down_need_not_know_whom_it_speaks_to(state: BfdState) -> None:
    assert read_bfd(framed(UP._replace(theirs=0, state=state))) is None
    assert read_bfd(framed(UP._replace(theirs=0, state=BfdState.DOWN))) is not None
    assert read_bfd(framed(UP._replace(ours=0))) is None
