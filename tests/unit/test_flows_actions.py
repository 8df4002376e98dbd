"""Wire forms of actions, byte by byte as ovs-ofctl 3.1 sends them for the same text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from flows import actions as actions_module
from flows.actions import (
    CONTROLLER,
    HASH_ETH_SRC,
    HASH_NW_SRC,
    IN_PORT,
    LOCAL,
    Action,
    Bits,
    Bundle,
    CheckLarger,
    Clone,
    Conntrack,
    DecTtl,
    Learn,
    Load,
    Move,
    Multipath,
    Nat,
    Output,
    Pop,
    Push,
    Report,
    Resubmit,
    Set,
    ToGroup,
    pack_all,
    whole,
)

ACTIONS: list[tuple[str, Action, str]] = [
    (
        "output:5",
        Output(5),
        "00000010000000050000000000000000",
    ),
    (
        "in_port",
        Output(IN_PORT),
        "00000010fffffff80000000000000000",
    ),
    (
        "LOCAL",
        Output(LOCAL),
        "00000010fffffffe0000000000000000",
    ),
    (
        "controller:65535",
        Output(CONTROLLER),
        "00000010fffffffdffff000000000000",
    ),
    (
        "group:1163264000",
        ToGroup(0x45560000),
        "0016000845560000",
    ),
    (
        "dec_ttl",
        DecTtl(),
        "0018000800000000",
    ),
    (
        "set_field:02:00:00:00:00:01->eth_dst",
        Set("eth_dst", "02:00:00:00:00:01"),
        "00190010800006060200000000010000",
    ),
    (
        "set_field:10.1.0.7->ip_dst",
        Set("ipv4_dst", IPv4Address("10.1.0.7")),
        "00190010800018040a01000700000000",
    ),
    (
        "set_field:fd00::100->ipv6_src",
        Set("ipv6_src", IPv6Address("fd00::100")),
        "0019001880003410fd000000000000000000000000000100",
    ),
    (
        "set_field:80->tcp_dst",
        Set("tcp_dst", 80),
        "0019001080001c020050000000000000",
    ),
    (
        "set_field:80->udp_src",
        Set("udp_src", 80),
        "0019001080001e020050000000000000",
    ),
    (
        "set_field:7->reg1",
        Set("reg1", 7),
        "00190010000102040000000700000000",
    ),
    (
        "set_field:69->tun_id",
        Set("tunnel_id", 69),
        "0019001080004c080000000000000045",
    ),
    (
        "set_field:10.1.0.7->tun_dst",
        Set("tun_ipv4_dst", IPv4Address("10.1.0.7")),
        "00190010000140040a01000700000000",
    ),
    (
        "set_field:136->icmpv6_type",
        Set("icmpv6_type", 136),
        "0019001080003a018800000000000000",
    ),
    (
        "set_field:2->nd_options_type",
        Set("nd_options_type", 2),
        "00190010100004010200000000000000",
    ),
    (
        "set_field:0x60000000->nd_reserved",
        Set("nd_reserved", 0x60000000),
        "00190010100002046000000000000000",
    ),
    (
        "set_field:02:00:00:00:00:01->arp_sha",
        Set("arp_sha", "02:00:00:00:00:01"),
        "00190010800030060200000000010000",
    ),
    (
        "load:5->NXM_NX_REG8[16..31]",
        Load(5, Bits("reg8", 16, 16)),
        "ffff0018000023200007040f000110040000000000000005",
    ),
    (
        "load:2->NXM_OF_ARP_OP[]",
        Load(2, Bits("arp_op", 0, 16)),
        "ffff0018000023200007000f00001e020000000000000002",
    ),
    (
        "move:NXM_OF_IP_SRC[]->NXM_OF_ETH_SRC[16..47]",
        Move(whole("ipv4_src"), Bits("eth_src", 16, 32)),
        "ffff001800002320000600200000001000000e0400000406",
    ),
    (
        "move:NXM_OF_UDP_SRC[]->NXM_OF_ETH_SRC[0..15]",
        Move(whole("udp_src"), Bits("eth_src", 0, 16)),
        "ffff00180000232000060010000000000000160200000406",
    ),
    (
        "move:NXM_NX_CT_MARK[16..31]->NXM_NX_REG0[0..15]",
        Move(Bits("ct_mark", 16, 16), Bits("reg0", 0, 16)),
        "ffff00180000232000060010001000000001d60400010004",
    ),
    (
        "move:NXM_NX_ND_TLL[]->NXM_OF_ETH_SRC[]",
        Move(whole("nd_tll"), whole("eth_src")),
        "ffff00180000232000060030000000000001320600000406",
    ),
    (
        "move:NXM_NX_CT_TP_SRC[]->NXM_OF_ETH_SRC[0..15]",
        Move(whole("ct_tp_src"), Bits("eth_src", 0, 16)),
        "ffff00180000232000060010000000000001f80200000406",
    ),
    (
        "push:NXM_NX_IPV6_SRC[]",
        Push(whole("ipv6_src")),
        "ffff001800002320001b0000000126100080000000000000",
    ),
    (
        "pop:NXM_OF_IP_DST[]",
        Pop(whole("ipv4_dst")),
        "ffff001800002320001c0000000010040020000000000000",
    ),
    (
        "multipath(eth_src,0,modulo_n,4096,0,NXM_NX_REG3[0..15])",
        Multipath(HASH_ETH_SRC, 0, 4096, Bits("reg3", 0, 16)),
        "ffff002000002320000a00000000000000000fff000000000000000f00010604",
    ),
    (
        "multipath(nw_src,1,modulo_n,65536,0,NXM_OF_ETH_SRC[32..47])",
        Multipath(HASH_NW_SRC, 1, 65536, Bits("eth_src", 32, 16)),
        "ffff002000002320000a0004000100000000ffff000000000000080f00000406",
    ),
    (
        "bundle(nw_src,0,hrw,ofport,members:1,2)",
        Bundle((1, 2)),
        "ffff002800002320000c000100040000000000020002000000000000000000000001000200000000",
    ),
    (
        "bundle(nw_src,0,hrw,ofport,members:1,2,3,4)",
        Bundle((1, 2, 3, 4)),
        "ffff002800002320000c000100040000000000020004000000000000000000000001000200030004",
    ),
    (
        "resubmit(,60)",
        Resubmit(60),
        "ffff001000002320000efff83c000000",
    ),
    (
        "controller(max_len=65535,meter_id=1000)",
        Report(1000),
        "ffff001800002320002500000000000000050008000003e8",
    ),
    (
        "controller(max_len=128,meter_id=1000)",
        Report(1000, 128),
        "ffff0020000023200025000000000000000000080080000000050008000003e8",
    ),
    (
        "ct(zone=1001,table=15)",
        Conntrack(1001, 15),
        "ffff001800002320002300000000000003e90f0000000000",
    ),
    (
        "ct(zone=NXM_NX_REG8[0..15],table=15)",
        Conntrack(Bits("reg8", 0, 16), 15),
        "ffff0018000023200023000000011004000f0f0000000000",
    ),
    (
        "ct(commit,zone=NXM_NX_REG9[0..15],exec(move:NXM_NX_REG10[]->NXM_NX_CT_MARK[]))",
        Conntrack(Bits("reg9", 0, 16), commit=True, mark=whole("reg10")),
        "ffff0030000023200023000100011204000fff0000000000ffff0018000023200006002000000000000114040001d604",
    ),
    (
        "ct(commit,zone=7,exec(set_field:0x30007->ct_mark))",
        Conntrack(7, commit=True, mark=0x30007),
        "ffff00280000232000230001000000000007ff0000000000001900100001d6040003000700000000",
    ),
    (
        "clone(ct(zone=1001,table=15))",
        Clone((Conntrack(1001, 15),)),
        "ffff002800002320002a000000000000ffff001800002320002300000000000003e90f0000000000",
    ),
    (
        "ct(zone=7,table=15,nat)",
        Conntrack(7, 15, nat=Nat()),
        "ffff002800002320002300000000000000070f0000000000ffff0010000023200024000000000000",
    ),
    (
        "ct(commit,zone=NXM_NX_REG9[16..31],table=31,nat(src=10.3.0.1:1024-65535))",
        Conntrack(Bits("reg9", 16, 16), 31, commit=True, nat=Nat(IPv4Address("10.3.0.1"))),
        "ffff0030000023200023000100011204040f1f0000000000ffff00180000232000240000000100310a0300010400ffff",
    ),
    (
        "ct(commit,zone=7,table=31,nat(src=[fd00:3::1]:2000-3000))",
        Conntrack(7, 31, commit=True, nat=Nat(IPv6Address("fd00:3::1"), (2000, 3000))),
        "ffff004000002320002300010000000000071f0000000000ffff0028000023200024000000010034"
        "fd00000300000000000000000000000107d00bb800000000",
    ),
    (
        "check_pkt_larger(1464)->NXM_NX_REG4[3]",
        CheckLarger(1464, Bits("reg4", 3, 1)),
        "ffff001800002320003105b8000300010804000000000000",
    ),
    (
        "learn(table=24,priority=10,delete_learned,cookie=0x4556000000000005,eth_type=0x800,NXM_OF_IP_SRC[],NXM_NX_REG1[],load:NXM_NX_REG0[]->NXM_NX_REG0[],load:7->NXM_NX_REG3[0..15])",
        Learn(
            24,
            0x4556000000000005,
            (whole("ipv4_src"), whole("reg1")),
            ((whole("eth_type"), 0x800),),
            (whole("reg0"),),
            ((Bits("reg3", 0, 16), 7),),
        ),
        "ffff006000002320001000000000000a455600000000000500021800000000002010080000000602"
        "0000002000000e04000000000e040000002000010204000000010204000008200001000400000001"
        "00040000281000070001060400000000",
    ),
]


@pytest.mark.parametrize(("text", "action", "wire"), ACTIONS, ids=[row[0] for row in ACTIONS])
def test_actions_are_packed_as_open_vswitch_packs_them(text: str, action: Action, wire: str) -> None:
    assert action.pack().hex() == wire
    assert len(action.pack()) % 8 == 0


def test_every_kind_of_action_is_compared() -> None:
    defined = {
        value for value in vars(actions_module).values() if isinstance(value, type) and hasattr(value, "pack")
    }
    assert defined - {Action, Nat} == {type(action) for _, action, _ in ACTIONS}


def test_actions_follow_one_another() -> None:
    assert pack_all((Output(5), DecTtl())) == Output(5).pack() + DecTtl().pack()
