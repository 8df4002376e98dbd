"""A switch that takes slots from other bits, or looks its pins up by other slots, does not get away with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller import dp_hash
from controller.plan.duty import listener_number, slotting
from controller.plan.pins import PinKey
from controller.spec.spread import PORT_FROM, Spread
from flows.actions import Bits, Move
from flows.entries import FlowBody, FlowKey, Target, flow
from flows.match import Match
from flows.tables import POOL, SLOT, Placed, Stage
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.life import MOST, play
from tests.conformance.plant import Plant
from tests.conformance.rows.tracking import ROWS
from tests.conformance.scenario import CLIENTS, DR, PORTS, SEGMENT, VIRTUAL_MAC, Setup, pool, switch_of

_PLACED = Placed(switch_of("ovs").placement)


@pytest.fixture(scope="module", params=[Spread.BITS, Spread.DATAPATH])
def switch(request: pytest.FixtureRequest) -> Iterator[ovs.OpenVSwitch]:
    with live("slotted", spread=request.param) as made:
        yield made


def _another_bit(body: FlowBody) -> FlowBody:
    """Slots are taken from other bits than they should be: of the port, or of the hash."""
    made = body.instructions
    for name, low in (("tcp_src", PORT_FROM), ("dp_hash", 0)):
        for count in range(1, 17):
            right, wrong = (Move(Bits(name, n, count), Bits(SLOT, 0, count)).pack() for n in (low, low + 1))
            made = made.replace(right, wrong)
    return replace(body, instructions=made)


def _without_slot(key: FlowKey, body: FlowBody) -> FlowBody:
    """The slot is not taken again behind memory: what the packet brings along is looked up."""
    if not any(item[0] == POOL for item in key.match) or key.table != _PLACED.table(Stage.HASH):
        return body
    return flow(*key, cookie=body.cookie, goto=_PLACED.table(Stage.SLOT)).body


def _other_pins(key: FlowKey) -> FlowKey:
    """Pins name the slot beside theirs."""
    if key.table != _PLACED.table(Stage.PIN):
        return key
    items = [(name, value ^ 1 if name == SLOT else value, mask) for name, value, mask in key.match]
    return FlowKey(key.table, key.priority, Match(items))


_PINNED = next(row for row in ROWS if row.name == "base-lasts-dr-v4-tcp")
"""A connection that only its pin knows."""
BROKEN: dict[str, Callable[[FlowKey, FlowBody], tuple[FlowKey, FlowBody]]] = {
    "a wrong bit": lambda key, body: (key, _another_bit(body)),
    "a slot not taken again": lambda key, body: (key, _without_slot(key, body)),
    "pins of another slot": lambda key, body: (_other_pins(key), body),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_switch_that_takes_slots_otherwise_is_caught(switch: ovs.OpenVSwitch, name: str) -> None:
    damage = BROKEN[name]

    def damaged(flows: Target) -> Target:
        return replace(flows, flows=dict(damage(*each) for each in flows.flows.items()), entry=None)

    switch.mutation = damaged
    try:
        with pytest.raises(AssertionError):
            _PINNED.play(switch) if "pins" in name else play(switch, range(MOST))
    finally:
        switch.mutation = None


def _traced(switch: ovs.OpenVSwitch, port: int) -> list[str]:
    """What the cache would tell apart for a packet of c1 from a port: one line for each pass."""
    source, frame = CLIENTS["c1"].addresses[4], f"dl_src={CLIENTS['c1'].mac},dl_dst={VIRTUAL_MAC}"
    # A trace hashes nothing: the packet brings its hash along, as on its second pass.
    hashed = dp_hash.symmetric(source, DR.vip, DR.protocol, port, DR.port)
    packet = (
        f"dp_hash={hashed},in_port={PORTS[SEGMENT]},tcp,{frame},nw_src={source},nw_dst={DR.vip},tp_src={port}"
    )
    said = switch.command("ofproto/trace", "br0", f"{packet},tp_dst={DR.port},tcp_flags=ack,nw_ttl=64")
    return [line for line in said.splitlines() if line.startswith("Megaflow:")]


def test_a_pin_has_the_cache_tell_only_connections_of_its_own_slot_apart(switch: ovs.OpenVSwitch) -> None:
    plant = Plant(Setup((pool("b1", "b2"),), (DR,)), switch.switch, spread=switch.spread)
    world = plant.world()
    item, source = world.intent.listeners()[0], CLIENTS["c1"].addresses[4]
    found = slotting(world, switch.switch, item)
    pinned = found.slot(source, 40_000)
    other = next(port for port in range(40_001, 50_000) if found.slot(source, port) != pinned)
    key = PinKey(listener_number(world, item), source, 40_000)
    plant.pins.report(switch.switch.name, key, item.protocol, plant.tables.pools["web/tcp"].members[0].id)
    switch.apply(plant.world())
    whole = (f"nw_src={source},", "tp_src=40000,")
    assert any(all(each in line for each in whole) for line in _traced(switch, 40_000)), "of the pin's slot"
    for line in _traced(switch, other):
        assert f"nw_src={source}," not in line
        assert f"tp_src={other}," not in line
