"""A switch that takes slots from other bits, or looks its pins up by other slots, does not get away with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.spec.spread import PORT_FROM, Spread
from flows.actions import Bits, Move
from flows.entries import FlowBody, FlowKey, Target, flow
from flows.match import Match
from flows.tables import POOL, SLOT, Placed, Stage
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.life import MOST, play
from tests.conformance.rows.tracking import ROWS
from tests.conformance.scenario import switch_of

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
