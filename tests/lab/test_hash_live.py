"""A live switch puts every packet into the slot that the oracle computes: all families, protocols, sizes."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product

import numpy as np
import pytest

from controller.decision import decide
from controller.lbstate import LbState, Packet
from controller.spec.slots import SlotTable
from controller.spec.switch import BackendSpec, ListenerSpec, PoolSpec, SwitchSpec, VipSpec
from controller.spec.types import Mode, Protocol, Role, Switch
from flows import pipeline
from flows.spec import Here
from tests.lab.bare_switch import SWITCH, TOPOLOGY, BareSwitch, Told
from tests.lab.conftest import MakeLab
from tests.lab.frames import fragments, whole

pytestmark = pytest.mark.lab

SIZES = (256, 4_096, 65_536)
BACKENDS = 100
PACKETS = 100
"""For each size, family, protocol and affinity."""
VIPS = {4: ip_address("10.0.0.100"), 6: ip_address("fd00::100")}
LB = Switch(SWITCH, "ovs", 0x21, "east", frozenset({Role.LB}), "02:45:56:01:00:21")
HERE = Here.of(LB)
STICKY_FROM = 1_000
"""Listeners at and above this port have affinity ``source``."""


def pool(number: int, slots: int) -> PoolSpec:
    table = (np.arange(slots) * 7 % BACKENDS + 1).astype(np.uint16)
    reals = tuple(
        BackendSpec(n, number, (IPv4Address(0x0A010000 + n),), "02:45:56:02:00:01", (2,))
        for n in range(1, BACKENDS + 1)
    )
    return PoolSpec(number, slots, reals, SlotTable(table, np.zeros(slots, np.uint16)))


def listeners(vip: VipSpec) -> list[ListenerSpec]:
    """One per pool, protocol and affinity; pool ``n`` is served at port ``n`` and at ``STICKY_FROM + n``."""
    kinds = product(Protocol, (False, True), range(1, len(SIZES) + 1))
    return [
        ListenerSpec(vip.id << 8 | n, vip, protocol, pool + STICKY_FROM * sticky, 80, pool, Mode.DR, sticky)
        for n, (protocol, sticky, pool) in enumerate(kinds)
    ]


def duty() -> SwitchSpec:
    vips = tuple(VipSpec(n, address, "02:45:56:00:01:01", 0) for n, address in enumerate(VIPS.values(), 1))
    specs = tuple(item for vip in vips for item in listeners(vip))
    return SwitchSpec(LB, vips, specs, {n: pool(n, slots) for n, slots in enumerate(SIZES, 1)})


DUTY = duty()
STATE = LbState.fresh(DUTY)
END = Packet(ip_address("10.0.0.99"), 99, VIPS[4], 1, Protocol.UDP)


def packets(port: int, version: int, protocol: Protocol, count: int, chance: random.Random) -> list[Packet]:
    """Packets of distinct connections from anywhere to a listener."""
    found: dict[IPv4Address | IPv6Address, Packet] = {}
    while len(found) < count:
        bits = chance.getrandbits(32 if version == 4 else 125)
        # First byte of unicast sources: 1 to 126 (IPv4); 2000::/3.
        source = IPv4Address(bits % 0x7D000000 + 0x01000000) if version == 4 else IPv6Address(1 << 125 | bits)
        syn = protocol is Protocol.TCP and chance.random() < 0.5
        found[source] = Packet(source, chance.randrange(1, 65536), VIPS[version], port, protocol, syn)
    return list(found.values())


def expected(packet: Packet) -> Told:
    decision = decide(packet, STATE)
    assert decision.backend is not None
    assert decision.slot is not None
    return Told(decision.backend, decision.slot)


@pytest.fixture(scope="module")
def switch(make_lab: MakeLab) -> BareSwitch:
    made = BareSwitch(make_lab(TOPOLOGY), HERE)
    made.hold(pipeline.target(DUTY))
    return made


@pytest.mark.parametrize("sticky", [False, True], ids=["connection", "source"])
@pytest.mark.parametrize("number", range(1, len(SIZES) + 1), ids=[f"{size}" for size in SIZES])
def test_every_packet_takes_the_slot_and_the_backend_that_the_oracle_names(
    switch: BareSwitch, number: int, sticky: bool
) -> None:
    chance = random.Random(f"{number} {sticky}")
    port = number + STICKY_FROM * sticky
    sent = [
        packet
        for version in VIPS
        for protocol in Protocol
        for packet in packets(port, version, protocol, PACKETS, chance)
    ]
    told = switch.ask([whole(packet, n) for n, packet in enumerate(sent)], END)
    assert told == {n: expected(packet) for n, packet in enumerate(sent)}
    assert len(told) == 4 * PACKETS


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("version", VIPS)
def test_both_fragments_of_a_datagram_take_the_slot_of_its_connection(
    switch: BareSwitch, version: int, protocol: Protocol
) -> None:
    sent = packets(2, version, protocol, 20, random.Random(f"{version} {protocol}"))
    sent = [Packet(p.source, p.source_port, p.destination, p.destination_port, protocol) for p in sent]
    frames = [frame for n, packet in enumerate(sent) for frame in fragments(packet, 2 * n)]
    told = switch.ask(frames, END)
    assert told == {n: expected(sent[n // 2]) for n in range(2 * len(sent))}
