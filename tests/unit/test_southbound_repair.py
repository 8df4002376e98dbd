"""What the driver repairs on a fake switch, and what it leaves alone."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from controller.spec.slots import SlotTable
from flows import messages
from flows.diff import Changes, diff
from flows.entries import Flow, FlowBody, Meter, Target
from flows.match import Match
from flows.pipeline import target
from flows.tables import Kind, Placed, Stage
from tests.fakes import duties
from tests.fakes.rig import GUARD, PLACED, Rig, connected, drop, of_flows, small


@pytest.fixture
def rig() -> Iterator[Rig]:
    with connected() as made:
        yield made


@pytest.fixture(scope="module")
def everything() -> Target:
    return target(duties.lb_duty())


def test_flows_of_others_are_never_touched_and_conflicts_are_reported(rig: Rig) -> None:
    mine, taken = drop(0, 1), drop(0, 2)
    rig.switch.tables.apply(messages.flow_mod(Flow(taken.key, FlowBody(b"", 0x1AB))))
    rig.switch.tables.apply(messages.flow_mod(Flow(drop(0, 3).key, FlowBody(b"", 0))))
    before = {key: (entry.cookie, entry.instructions) for key, entry in rig.switch.tables.flows.items()}
    changes = rig.converge(of_flows(mine, taken))
    assert changes.conflicts == [taken.key]
    rig.converge(Target())
    after = {key: (entry.cookie, entry.instructions) for key, entry in rig.switch.tables.flows.items()}
    assert after == before


def test_flows_with_fields_that_we_do_not_know_are_left_alone(rig: Rig) -> None:
    priority = struct.pack("!HHHBBB7x", 1, 9, 0x8000, 7 << 1, 1, 5)
    other = messages.flow_mod(drop(GUARD, 1))
    head, end = other[:48], 48 + len(Match.of(in_port=1).pack())
    strange = head + priority + other[end:]
    strange = strange[:2] + struct.pack("!H", len(strange)) + strange[4:]
    rig.switch.tables.apply(strange)
    rig.converge(small(1, 2))
    rig.converge(Target())
    assert len(rig.switch.tables.flows) == 1


def test_groups_and_meters_of_others_are_left_alone(rig: Rig) -> None:
    rig.switch.tables.meters[7] = (1, b"")
    rig.switch.tables.groups[7] = (0, b"")
    rig.converge(target(duties.edge_duty()))
    rig.converge(Target())
    assert (set(rig.switch.tables.meters), set(rig.switch.tables.groups)) == ({7}, {7})


def change_instructions(flow: Flow) -> Flow:
    return Flow(flow.key, FlowBody(b"", flow.body.cookie))


def change_kind(flow: Flow) -> Flow:
    return Flow(flow.key, FlowBody(flow.body.instructions, PLACED.cookie(Kind.DROP, 77)))


def change_timeout(flow: Flow) -> Flow:
    return Flow(flow.key, FlowBody(flow.body.instructions, flow.body.cookie, idle=60))


@pytest.mark.parametrize("change", [change_instructions, change_kind, change_timeout])
@pytest.mark.parametrize("stage", [Stage.SLOT, Stage.FATE, Stage.BACKEND])
def test_any_entry_that_somebody_changed_is_repaired_in_one_go(
    rig: Rig, everything: Target, change: Callable[[Flow], Flow], stage: Stage
) -> None:
    rig.converge(everything)
    stats = [
        stat.flow
        for entry in rig.switch.tables.flow_stats(PLACED.table(stage))
        for stat in messages.parse_flow_stats(entry)
        if stat.flow.body.instructions
    ]
    for each in (stats[0], stats[len(stats) // 2], stats[-1]):
        rig.switch.tables.apply(messages.flow_mod(change(each)))
    assert len(rig.differences(everything)) > 0
    rig.converge(everything)
    assert len(rig.differences(everything)) == 0


@pytest.mark.parametrize("what", ["meter", "group", "flows", "slots"])
def test_anything_that_somebody_deleted_is_repaired_in_one_go(
    rig: Rig, everything: Target, what: str
) -> None:
    edge = target(duties.edge_duty())
    want = Target({**everything.flows, **edge.flows}, edge.groups, everything.meters, everything.slots)
    place = duties.LB_PLACE

    def differences() -> Changes:
        have = rig.control.run(rig.session.read(PLACED, {})).target
        more = rig.control.run(rig.session.read(Placed(duties.EDGE_PLACE), {})).target
        both = Target({**have.flows, **more.flows}, have.groups, have.meters, have.slots)
        return diff(PLACED, both, want)

    rig.write(differences())
    tables = rig.switch.tables
    if what == "meter":
        tables.apply(messages.meter_mod(Meter(place.meters_from + 18, 0, 0), 2))
    elif what == "group":
        tables.apply(messages.group_mod(next(iter(edge.groups.values())), 2))
    else:
        stage = Stage.MEMORY if what == "flows" else Stage.SLOT
        for key in [key for key in tables.flows if key.table == PLACED.table(stage)][:20]:
            del tables.flows[key]
    assert len(differences()) > 0
    rig.write(differences())
    assert len(differences()) == 0


def test_a_slot_beyond_the_table_is_deleted(rig: Rig) -> None:
    large = np.zeros(1024, np.uint16)
    large[[3, 1000]] = 4
    rig.converge(Target(slots={1: SlotTable(large, np.zeros(1024, np.uint16))}))
    assert len(rig.converge(small(1, 1, 1, 4))) == 4
    assert len(rig.differences(small(1, 1, 1, 4))) == 0


def test_flows_that_the_switch_learned_by_itself_are_left_alone(rig: Rig) -> None:
    learned = drop(PLACED.table(Stage.PIN_RETRACTED), 1, Kind.LEARNED)
    rig.switch.tables.apply(messages.flow_mod(learned))
    have = rig.read()
    assert (have.target.flows, have.foreign) == ({}, frozenset())
    rig.converge(Target())
    assert len(rig.switch.tables.flows) == 1
