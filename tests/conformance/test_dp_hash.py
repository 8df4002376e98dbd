"""The hash of Open vSwitch's datapath: what a real switch computes in both its paths is what ``dp_hash`` computes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from controller import dp_hash
from controller.spec.types import Address, Protocol
from flows.tables import Kind, Placed
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.packets import Packet, ethernet, read_frame
from tests.conformance.scenario import CLIENTS, SEGMENT, VIRTUAL_MAC
from tests.conformance.target import Wire

CLIENT = CLIENTS["c1"]
DESTINATIONS: dict[int, Address] = {4: ip_address("10.9.9.9"), 6: ip_address("fd00:9::9")}
MANY = 125
"""Connections of each protocol and IP version."""
_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}


@pytest.fixture(scope="module")
def switch() -> Iterator[ovs.OpenVSwitch]:
    """Open vSwitch that reports the hash of what is sent to one address: of the slow path, and of the datapath."""
    with live("hash") as made:
        cookie = Placed(made.switch.placement).cookie(Kind.EXCEPTION)
        made.ofctl("add-group", "br0", "group_id=77,type=select,bucket=weight:1,actions=resubmit(,200)")
        slow = "multipath(symmetric_l3l4,0,modulo_n,65536,0,NXM_NX_REG0[0..15])"
        for address, prefix in (("nw_dst", ""), ("ipv6_dst", "6")):
            to = DESTINATIONS[6 if prefix else 4]
            for protocol in Protocol:
                match = f"table=0,priority=65534,{protocol}{prefix},{address}={to}"
                made.ofctl("add-flow", "br0", f"{match},actions={slow},group:77")
        fast = "move:NXM_NX_DP_HASH[0..15]->NXM_NX_REG1[0..15]"
        made.ofctl("add-flow", "br0", f"cookie={cookie:#x},table=200,actions={fast},controller(max_len=80)")
        yield made


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_switch_hashes_as_we_do(switch: ovs.OpenVSwitch, protocol: Protocol, version: int) -> None:
    chance = random.Random(f"{protocol} {version}")
    to = DESTINATIONS[version]
    sent: dict[tuple[Address, int], int] = {}
    for _ in range(MANY):
        source = ip_address(chance.randbytes(4 if version == 4 else 16))
        port, listens = chance.randrange(1, 65_536), chance.choice((80, 443, 53, 7_000))
        packet = Packet(source, port, to, listens, protocol)
        frame = ethernet(VIRTUAL_MAC, CLIENT.mac, _ETHER_TYPES[version], packet.build())
        switch.send([Wire(SEGMENT, frame)])
        sent[source, port] = dp_hash.symmetric(source, to, protocol, port, listens) & 0xFFFF
    slow, fast = {}, {}
    for told in switch.told(len(sent)):
        packet_in = read_frame(told.frame)
        assert packet_in is not None
        connection = packet_in.source, packet_in.port(0)
        slow[connection], fast[connection] = told.fields["reg0"], told.fields["reg1"]
    assert slow == sent
    assert fast == sent
