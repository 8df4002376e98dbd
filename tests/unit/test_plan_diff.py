"""The diff of two targets, carried out on a model of a switch: it ends where it should, by a safe way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from controller.spec.switch import Fate
from flows.actions import Action, Output, ToGroup
from flows.diff import Changes, Phase, diff, leases
from flows.entries import Bucket, FlowBody, FlowKey, Group, Meter, Target, flow
from flows.match import Match
from flows.order import KEEPS
from flows.pipeline import target
from flows.readback import Readback, Reader
from flows.tables import Kind, Placed, Priority, Stage
from tests.examples import examples
from tests.fakes import duties
from tests.fakes.tables import ADD, DELETE_STRICT, FLOW_MOD, GROUP_MOD, METER_MOD, Tables, parse_flow_mod

PLACED = Placed(duties.LB_PLACE)
PLACE = duties.LB_PLACE
SLOTS = 256
TABLES = (PLACED.entry, PLACED.table(Stage.PIN), PLACED.table(Stage.SLOT), PLACED.table(Stage.FATE))


def messages_of(phase: Phase) -> Iterator[bytes]:
    """The messages of a phase one by one."""
    yield from phase.messages
    for rows in phase.bulk:
        for row in rows:
            yield row.tobytes()


def carry_out(tables: Tables, changes: Changes) -> None:
    """Apply everything; nothing may be refused."""
    for phase in changes.phases:
        for message in messages_of(phase):
            assert tables.apply(message) is None


def holding(target: Target) -> Tables:
    """A switch that holds a target."""
    tables = Tables()
    carry_out(tables, diff(PLACED, Target(), target))
    return tables


def read(tables: Tables) -> Readback:
    """Read the switch as the driver does."""
    reader = Reader(PLACED, {})
    for number in PLACED.tables:
        reader.table(number, b"".join(tables.flow_stats(number)))
    return reader.result(b"".join(tables.group_desc()), b"".join(tables.meter_config()))


@st.composite
def bodies(draw: st.DrawFn, groups: list[int], meters: list[int]) -> FlowBody:
    kind = draw(st.sampled_from([Kind.STATIC, Kind.PIN, Kind.RESPOND]))
    use = draw(st.sampled_from(["nothing", "port", "group", "meter"]))
    actions: dict[str, tuple[Action, ...]] = {
        "port": (Output(draw(st.integers(1, 3))),),
        "group": tuple(ToGroup(g) for g in groups[:1]),
    }
    built = flow(
        0,
        0,
        Match(),
        actions.get(use, ()),
        cookie=PLACED.cookie(kind, draw(st.integers(0, 2))),
        goto=draw(st.sampled_from([None, 60])),
        meter=meters[0] if use == "meter" and meters else None,
        idle=draw(st.sampled_from([0, 5])),
        hard=draw(st.sampled_from([0, 30])),
        notify=draw(st.booleans()),
    )
    return built.body


@st.composite
def slot_tables(draw: st.DrawFn) -> SlotTable:
    now, before = np.zeros(SLOTS, np.uint16), np.zeros(SLOTS, np.uint16)
    for column in (now, before):
        for first, length, backend in draw(
            st.lists(st.tuples(st.integers(0, 255), st.integers(1, 64), st.integers(0, 4)), max_size=3)
        ):
            column[first : first + length] = backend
    pairs = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 255)), max_size=5)
    watched, young = (np.unique(np.array([b << 16 | s for b, s in draw(pairs)], np.uint32)) for _ in range(2))
    class_ = np.where(before != 0, np.arange(SLOTS) % 3 + 1, 0).astype(np.uint16)
    base, aged = np.roll(before, draw(st.integers(0, 9))), draw(pairs)
    base = np.where(class_ != 0, base, 0).astype(np.uint16)
    # Slot 255 fixes the size that a reader finds out by itself.
    now[255] = now[255] or 1
    former = np.unique(np.array([b << 16 | s for b, s in draw(pairs)], np.uint32))
    reported = np.unique(np.array([b << 16 | s for b, s in aged], np.uint32))
    return SlotTable(now, before, watched, young, class_, base, np.roll(base, 1), former, reported)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    groups = draw(st.lists(st.integers(PLACE.groups_from, PLACE.groups_from + 2), unique=True, max_size=2))
    meters = draw(st.lists(st.integers(PLACE.meters_from, PLACE.meters_from + 2), unique=True, max_size=2))
    keys = st.builds(
        lambda table, priority, port: FlowKey(table, priority, Match.of(in_port=port)),
        st.sampled_from(TABLES),
        st.sampled_from([5, 30_000]),
        st.integers(1, 3),
    )
    return Target(
        draw(st.dictionaries(keys, bodies(groups, meters), max_size=10)),
        {g: Group(g, (Bucket(draw(st.integers(1, 3)), b""),)) for g in groups},
        {m: Meter(m, draw(st.integers(1, 3)), 4) for m in meters},
        draw(st.dictionaries(st.integers(1, 2), slot_tables(), max_size=2)),
    )


@settings(deadline=None, max_examples=examples(20, 60))
@given(targets(), targets())
def test_applied_to_the_old_state_it_gives_the_new_one(old: Target, new: Target) -> None:
    tables = holding(old)
    carry_out(tables, diff(PLACED, old, new))
    got = read(tables).target
    assert (got.flows, got.groups, got.meters) == (new.flows, new.groups, new.meters)
    assert got.slots.keys() == new.slots.keys()
    assert all(got.slots[pool].equals(table) for pool, table in new.slots.items())


@settings(deadline=None, max_examples=examples(10, 30))
@given(targets(), targets())
def test_replayed_on_a_switch_that_has_part_of_it_a_new_diff_still_converges(
    old: Target, new: Target
) -> None:
    tables = holding(old)
    changes = diff(PLACED, old, new)
    changes.phases = changes.phases[: len(changes.phases) // 2]
    carry_out(tables, changes)
    carry_out(tables, diff(PLACED, read(tables).target, new))
    assert len(diff(PLACED, read(tables).target, new)) == 0


@settings(deadline=None, max_examples=examples(10, 30))
@given(targets())
def test_of_equals_it_is_empty(same: Target) -> None:
    changes = diff(PLACED, same, same)
    assert (len(changes), changes.phases, changes.touched) == (0, [], [])
    assert (changes.added, changes.modified, changes.deleted) == (0, 0, 0)


@settings(deadline=None, max_examples=examples(10, 30))
@given(targets(), targets())
def test_it_counts_what_it_sends(old: Target, new: Target) -> None:
    changes = diff(PLACED, old, new)
    assert changes.added + changes.modified + changes.deleted == len(changes)


def kind_of(message: bytes) -> str:
    """What a message does, in the words of the order."""
    if message[1] in (GROUP_MOD, METER_MOD):
        return "things gone" if message[9] == 2 else "things"
    command, _, key, entry = parse_flow_mod(message)
    kind, fate = Kind(entry.cookie >> 40 & 0xFF), key.table == PLACED.table(Stage.FATE)
    if command == DELETE_STRICT:
        claim = key.table == PLACED.entry or kind is Kind.LISTENER
        keeps = (fate and key.priority == KEEPS) or kind is Kind.ALLOW
        return "claims gone" if claim else "forgotten" if keeps else "gone"
    if kind in (
        Kind.TRANSITION,
        Kind.EXCEPTION,
        Kind.YOUNG,
        Kind.TRACKED,
        Kind.BASE,
        Kind.HOME,
        Kind.FORMER,
        Kind.AGED,
        Kind.BLOCK,
    ):
        return "shield"
    if kind is Kind.LISTENER or key.table == PLACED.entry:
        return "syns" if key.priority == PLACED.priority(Priority.SYN) else "claims"
    return "slots" if kind is Kind.SLOT else "stages"


ORDER = [
    "things", "stages", "shield", "slots", "claims", "syns", "claims gone", "gone", "forgotten", "things gone",
]  # fmt: skip


def turned(duty_slots: SlotTable) -> SlotTable:
    """The next table: every slot names the next backend, and the present one while it moves."""
    return SlotTable((duty_slots.now % 5 + 1).astype(np.uint16), duty_slots.now, np.empty(0, np.uint32))


def rich() -> list[tuple[Target, Target]]:
    """Pairs of targets between which everything happens."""
    full = target(duties.lb_duty())
    edge = target(replace(duties.edge_duty(), switch=duties.switch(PLACE, *duties.edge_duty().switch.roles)))
    small = target(replace(duties.lb_duty(), vips=duties.VIPS[:1], listeners=duties.listeners()[:3]))
    moved = duties.with_slots(small, turned(small.slots[1]))
    return [(Target(), full), (full, Target()), (full, edge), (edge, full), (full, small), (small, moved)]


@pytest.mark.parametrize("pair", rich())
def test_phases_come_in_the_one_safe_order(pair: tuple[Target, Target]) -> None:
    changes = diff(PLACED, *pair)
    kinds = [{kind_of(message) for message in messages_of(phase)} for phase in changes.phases]
    assert all(len(each) == 1 for each in kinds), kinds
    order = [ORDER.index(each.pop()) for each in kinds]
    assert order == sorted(set(order))


def test_everything_that_can_happen_is_in_those_pairs() -> None:
    found = {
        kind_of(m) for pair in rich() for phase in diff(PLACED, *pair).phases for m in messages_of(phase)
    }
    assert found == set(ORDER)


@settings(deadline=None, max_examples=examples(10, 30))
@given(slot_tables(), slot_tables())
def test_at_no_moment_a_moved_slot_lacks_the_transition_that_protects_it(
    one: SlotTable, two: SlotTable
) -> None:
    old, new = Target(slots={1: one}), Target(slots={1: two})
    tables = holding(old)
    for phase in diff(PLACED, old, new).phases:
        # Within a phase the order is free: look after its first message and after its last.
        for n, message in enumerate(messages_of(phase)):
            tables.apply(message)
            if n in (0, len(phase) - 1):
                got = read(tables).target.slots.get(1, SlotTable.empty(SLOTS))
                moved = (got.now != one.now) & (two.before != 0)
                assert np.array_equal(got.before[moved], two.before[moved])
                moved = got.now != one.now
                for name in ("class_", "base"):
                    want = np.where(moved, getattr(two, name), 0)
                    held = np.where(moved, getattr(got, name), 0)
                    assert np.array_equal(held[want != 0], want[want != 0])


def test_a_flow_that_keeps_its_life_is_modified_and_any_other_is_added_anew() -> None:
    def only(body: FlowBody) -> Target:
        return Target({FlowKey(0, 5, Match.of(in_port=1)): body})

    old = FlowBody(b"", PLACED.cookie(Kind.STATIC), idle=5)
    goto = flow(0, 0, Match(), goto=60, cookie=0).body.instructions
    for new, command in (
        (replace(old, instructions=goto), 2),
        (replace(old, idle=6), ADD),
        (replace(old, hard=6), ADD),
        (replace(old, notify=True), ADD),
        (replace(old, cookie=PLACED.cookie(Kind.DROP)), ADD),
    ):
        (phase,) = diff(PLACED, only(old), only(new)).phases
        (message,) = phase.messages
        assert (message[1], parse_flow_mod(message)[0]) == (FLOW_MOD, command)


def test_places_of_others_are_named_and_left() -> None:
    want = target(duties.lb_duty())
    taken = sorted(want.flows, key=str)[:2]
    changes = diff(PLACED, Target(), want, frozenset(taken))
    assert sorted(changes.conflicts, key=str) == taken
    sent = [parse_flow_mod(m)[2] for p in changes.phases for m in messages_of(p) if m[1] == FLOW_MOD]
    assert len(sent) == len(want.flows) - 2 + 256 + 8 * 20


def test_the_first_few_entries_are_named_for_people() -> None:
    key = FlowKey(0, 30_000, Match.of(eth_type=0x800, ip_frag=(1, 1)))
    changes = diff(PLACED, Target(), Target({key: FlowBody(b"", PLACED.cookie(Kind.STATIC))}))
    assert changes.touched == ["added table=0,priority=30000,eth_type=0x800,ip_frag=0x1/0x1"]
    many = diff(PLACED, Target(), target(duties.lb_duty()))
    assert len(many.touched) == 5


def test_a_slot_that_somebody_changed_is_replaced_and_not_deleted() -> None:
    want = Target(slots={1: duties.table()})
    tables = holding(want)
    in_slots = (Kind.SLOT, Kind.TRANSITION, Kind.TRACKED, Kind.BASE, Kind.HOME)
    for kind in (*in_slots, Kind.EXCEPTION, Kind.YOUNG, Kind.FORMER, Kind.AGED):
        stage = Stage.SLOT if kind in in_slots else Stage.FATE
        key = next(
            key
            for key, entry in tables.flows.items()
            if key.table == PLACED.table(stage) and entry.cookie >> 40 & 0xFF == kind
        )
        tables.flows[key].instructions = b""
    changes = diff(PLACED, read(tables).target, want)
    assert changes.deleted == 0
    carry_out(tables, changes)
    assert len(diff(PLACED, read(tables).target, want)) == 0


def test_tables_of_two_sizes_are_compared_slot_by_slot() -> None:
    small, large = duties.table(256, moving=0), duties.table(1024, moving=0)
    grow = diff(PLACED, Target(slots={1: small}), Target(slots={1: large}))
    shrink = diff(PLACED, Target(slots={1: large}), Target(slots={1: small}))
    assert (grow.added, grow.modified, grow.deleted) == (768, 0, 0)
    assert (shrink.added, shrink.modified, shrink.deleted) == (0, 0, 768)


def test_leases_renew_flows_with_a_hard_timeout_and_no_others() -> None:
    want = target(duties.lb_duty())
    due = [key for key, body in want.flows.items() if body.hard]
    (phase,) = leases(want).phases
    assert len(due) == len(phase) == 5
    tables = holding(want)
    carry_out(tables, leases(want))
    assert len(diff(PLACED, read(tables).target, want)) == 0
    assert leases(Target()).phases == []


def test_a_fate_changes_alone() -> None:
    duty = duties.lb_duty()
    pool = duty.pools[1]
    normal = replace(pool, backends=tuple(replace(b, fate=Fate.NORMAL) for b in pool.backends))
    changes = diff(PLACED, target(duty), target(replace(duty, pools={1: normal})))
    tables = {parse_flow_mod(m)[2].table for p in changes.phases for m in messages_of(p)}
    assert tables == {PLACED.table(Stage.FATE)}
