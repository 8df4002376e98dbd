"""Wire forms of matches, instructions and messages, byte by byte as ovs-ofctl 3.1 sends them for the same text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from flows.actions import (
    Output,
    instructions,
)
from flows.entries import flow
from flows.match import Match, unpack_match
from flows.messages import flow_mod

MATCHES: list[tuple[str, Match, str]] = [
    (
        "in_port=3",
        Match.of(in_port=3),
        "0001000c800000040000000300000000",
    ),
    (
        "tcp,nw_dst=10.0.0.100,tcp_dst=80,nw_frag=no,tcp_flags=+syn-ack",
        Match.of(
            eth_type=0x800,
            ip_proto=6,
            ipv4_dst=IPv4Address("10.0.0.100"),
            tcp_dst=80,
            ip_frag=0,
            tcp_flags=(2, 18),
        ),
        "0001002e80000a020800800018040a0000640001340100800014010680001c020050ffff55084f4e4600000200120000",
    ),
    (
        "ip,nw_src=192.0.2.0/24",
        Match.of(eth_type=0x800, ipv4_src=IPv4Network("192.0.2.0/24")),
        "0001001680000a02080080001708c0000200ffffff000000",
    ),
    (
        "ipv6,ipv6_src=2001:db8::/48",
        Match.of(eth_type=0x86DD, ipv6_src=IPv6Network("2001:db8::/48")),
        "0001002e80000a0286dd8000352020010db8000000000000000000000000ffffffffffff000000000000000000000000",
    ),
    (
        "udp6,ipv6_dst=fd00::100,udp_dst=53",
        Match.of(eth_type=0x86DD, ip_proto=17, ipv6_dst=IPv6Address("fd00::100"), udp_dst=53),
        "0001002980000a0286dd80003610fd000000000000000000000000000100800014011180002002003500000000000000",
    ),
    (
        "ip,nw_frag=yes",
        Match.of(eth_type=0x800, ip_frag=(1, 1)),
        "0001001080000a020800000135020101",
    ),
    (
        "ip,nw_frag=later",
        Match.of(eth_type=0x800, ip_frag=3),
        "0001000f80000a020800000134010300",
    ),
    (
        "arp,arp_op=1,arp_tpa=10.0.0.100",
        Match.of(eth_type=0x806, arp_op=1, arp_tpa=IPv4Address("10.0.0.100")),
        "0001001880000a02080680002a02000180002e040a000064",
    ),
    (
        "icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::100",
        Match.of(
            eth_type=0x86DD, ip_proto=58, icmpv6_type=135, icmpv6_code=0, nd_target=IPv6Address("fd00::100")
        ),
        "0001002d80000a0286dd800014013a80003a018780003c010080003e10fd000000000000000000000000000100000000",
    ),
    (
        "reg2=1,reg3=77",
        Match.of(reg2=1, reg3=77),
        "000100140001040400000001000106040000004d00000000",
    ),
    (
        "reg2=1,reg3=77,reg4=0/1",
        Match.of(reg2=1, reg3=77, reg4=(0, 1)),
        "000100200001040400000001000106040000004d000109080000000000000001",
    ),
    (
        "ip,ct_mark=0",
        Match.of(eth_type=0x800, ct_mark=0),
        "0001001280000a0208000001d60400000000000000000000",
    ),
    (
        "ip,ct_state=+trk-inv,ct_nw_proto=6,ct_tp_dst=80",
        Match.of(eth_type=0x800, ct_state=(32, 48), ct_nw_proto=6, ct_tp_dst=80),
        "0001002180000a0208000001d30800000020000000300001ee01060001fa02005000000000000000",
    ),
    (
        "",
        Match.of(),
        "0001000400000000",
    ),
]

INSTRUCTIONS: list[tuple[str, bytes, str]] = [
    (
        "meter:7,output:5,goto_table:20",
        instructions((Output(5),), goto=20, meter=7),
        "00060008000000070004001800000000000000100000000500000000000000000001000814000000",
    ),
    (
        "goto_table:20",
        instructions((), goto=20),
        "0001000814000000",
    ),
    (
        "drop",
        instructions(()),
        "",
    ),
    (
        "meter:7,goto_table:20",
        instructions((), 20, 7),
        "00060008000000070001000814000000",
    ),
]

FLOW_MOD = (
    "040e005800000002455600000000000700000000000000000a00000300040005ffffffffffffffff"
    "ffffffff000100000001000c80000004000000030000000000040018000000000000001000000005"
    "0000000000000000"
)
"""table=10,priority=5,cookie=0x4556000000000007,idle_timeout=3,hard_timeout=4,send_flow_rem,in_port=3 ..."""


@pytest.mark.parametrize(("text", "match", "wire"), MATCHES, ids=[row[0] or "everything" for row in MATCHES])
def test_matches_are_read_as_open_vswitch_writes_them(text: str, match: Match, wire: str) -> None:
    data = bytes.fromhex(wire)
    assert unpack_match(data, 0) == (match, len(data))
    assert len(match.pack()) == len(data)


@pytest.mark.parametrize(("text", "packed", "wire"), INSTRUCTIONS, ids=[row[0] for row in INSTRUCTIONS])
def test_instructions_are_packed_as_open_vswitch_packs_them(text: str, packed: bytes, wire: str) -> None:
    assert packed.hex() == wire


def test_a_flow_mod_is_what_ovs_ofctl_sends() -> None:
    made = flow(
        10,
        5,
        Match.of(in_port=3),
        (Output(5),),
        cookie=0x4556000000000007,
        idle=3,
        hard=4,
        notify=True,
    )
    expected = bytes.fromhex(FLOW_MOD)
    assert flow_mod(made)[:4] + flow_mod(made)[8:] == expected[:4] + expected[8:]
