"""Connections opened in the middle of a write on a real Open vSwitch: all of each goes where its SYN went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from controller.spec.policy import OnDown, Then
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.packets import ACK, SYN, Packet, ethernet, read_frame
from tests.conformance.plant import Plant
from tests.conformance.scenario import CLIENTS, DR, SEGMENT, VIRTUAL_MAC, Setup, pool
from tests.conformance.target import Wire

CLIENT = CLIENTS["c1"]
MANY = 24
"""Connections in each moment: enough for every server of a pool."""
OTHER = replace(DR, number=1, pool="app")
RESETS = pool("b1", "b2", on_down_tcp=OnDown(3.0, Then.RESET))
BOTH = Setup((pool("b1", "b2"), pool("b3", "b4", name="app")), (DR, OTHER))


@pytest.fixture(scope="module")
def switch() -> Iterator[ovs.OpenVSwitch]:
    """Open vSwitch."""
    with live("writes") as made:
        yield made


def _frame(port: int, flags: int) -> Wire:
    source, address = CLIENT.addresses[DR.version], DR.vip
    packet = Packet(source, port, address, DR.port, DR.protocol, flags=flags)
    return Wire(SEGMENT, ethernet(VIRTUAL_MAC, CLIENT.mac, 0x800, packet.build()))


def _check(switch: ovs.OpenVSwitch, ports: Iterator[int]) -> None:
    """Open some connections, and see that a server gets all of each."""
    opened = [next(ports) for _ in range(MANY)]
    got: dict[int, list[str]] = {port: [] for port in opened}
    # A client sends no more before its SYN is answered; in one burst a switch may change their order.
    heard = [
        switch.exchange([_frame(port, flags) for port in opened], lambda _: True) for flags in (SYN, ACK)
    ]
    for wire in (*heard[0].frames, *heard[1].frames):
        packet = read_frame(wire.frame)
        if packet is not None and wire.port != SEGMENT and packet.source == CLIENT.addresses[DR.version]:
            got[packet.port(0)].append(wire.port)
    assert {port: at for port, at in got.items() if len(at) != 2 or len(set(at)) != 1} == {}


def _write(switch: ovs.OpenVSwitch, plant: Plant) -> None:
    """Bring the switch to what is planned, with connections opened in between."""
    ports = count(20_000)
    switch.forget()
    for _ in switch.steps(plant.world()):
        switch.command("revalidator/purge")
        _check(switch, ports)
    _check(switch, ports)


def test_a_backend_that_returns(switch: ovs.OpenVSwitch) -> None:
    plant = Plant(Setup((RESETS,), (DR,)), switch.switch)
    plant.judge("b2", up=False)
    plant.step(60.0)
    switch.apply(plant.world())
    plant.judge("b2", up=True)
    plant.step()
    _write(switch, plant)


def test_a_listener_that_gets_another_pool_and_its_table_that_becomes_the_shared_one(
    switch: ovs.OpenVSwitch,
) -> None:
    plant = Plant(BOTH, switch.switch)
    switch.apply(plant.world())
    plant.change(BOTH.with_service_in(0, "app"))
    plant.step()
    _write(switch, plant)
    own, before = dict(plant.tables.bound), plant.world()
    while plant.tables.bound == own:
        before = plant.world()
        plant.step(100.0)
    switch.apply(before)
    _write(switch, plant)
