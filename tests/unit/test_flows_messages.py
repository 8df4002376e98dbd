"""Slot templates, statistics and the other answers of a switch."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from flows import messages, slots
from flows.actions import Output, pack_all
from flows.entries import Bucket, Flow, Group, Meter, flow
from flows.match import Match
from flows.pipeline import target
from flows.tables import COUNT, Cookie, Kind, Placed, Stage
from tests.fakes import duties
from tests.fakes.tables import Tables

PLACED = Placed(duties.LB_PLACE)
BULK = (Kind.SLOT, Kind.TRANSITION, Kind.EXCEPTION, Kind.YOUNG)


def one_flow(kind: Kind, pool: int, slot: int, backend: int) -> Flow:
    """The one flow of a slot, made singly."""
    now, before = np.zeros(1 << 16, np.uint16), np.zeros(1 << 16, np.uint16)
    none, pair = np.empty(0, np.uint32), np.array([backend << 16 | slot], np.uint32)
    if kind in (Kind.SLOT, Kind.TRANSITION):
        (now if kind is Kind.SLOT else before)[slot] = backend
    watched, young = (pair if kind is each else none for each in (Kind.EXCEPTION, Kind.YOUNG))
    (made,) = slots.flows_of(PLACED, pool, SlotTable(now, before, watched, young))
    return made


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(BULK), st.integers(1, 0xFFFF), st.integers(0, 0xFFFF), st.integers(1, 0xFFFF))
def test_stamped_messages_equal_single_ones(kind: Kind, pool: int, slot: int, backend: int) -> None:
    single = one_flow(kind, pool, slot, backend)
    which, whose = np.array([slot]), np.array([backend])
    written = slots.write(PLACED, kind, pool, which, whose)
    removed = slots.remove(PLACED, kind, pool, which, whose)
    assert written.tobytes() == messages.flow_mod(single)
    assert removed.tobytes() == messages.flow_mod(single, messages.DELETE_STRICT)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(BULK),
    st.integers(1, 0xFFFF),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(1, 0xFFFF)), min_size=1, max_size=20),
    st.binary(min_size=24, max_size=24),
)
def test_what_was_stamped_is_absorbed_whatever_the_counters(
    kind: Kind, pool: int, pairs: list[tuple[int, int]], counters: bytes
) -> None:
    which, whose = np.array(pairs).T
    entries = []
    for message in slots.write(PLACED, kind, pool, which, whose):
        tables = Tables()
        tables.apply(message.tobytes())
        (entry,) = tables.flow_stats(255)
        entries.append(entry[:4] + counters[:8] + entry[12:32] + counters[8:] + entry[48:])
    assert {len(entry) for entry in entries} == {slots.stats_length(PLACED, kind, pool)}
    got_slots, got_backends, regular = slots.absorb(PLACED, kind, pool, entries)
    assert regular.all()
    assert got_slots.tolist() == which.tolist()
    assert got_backends.tolist() == whose.tolist()


def test_rows_that_we_would_not_have_written_are_not_regular() -> None:
    tables = Tables()
    for row in slots.write(PLACED, Kind.SLOT, 1, np.arange(4), np.full(4, 9)):
        tables.apply(row.tobytes())
    entries = [bytearray(entry) for entry in tables.flow_stats(255)]
    entries[1][-1] ^= 1  # where it goes to next
    entries[2][15] = 5  # an idle timeout
    _, _, regular = slots.absorb(PLACED, Kind.SLOT, 1, [bytes(entry) for entry in entries])
    assert regular.tolist() == [True, False, False, True]


def test_nothing_is_absorbed_from_nothing() -> None:
    which, backends, regular = slots.absorb(PLACED, Kind.SLOT, 1, [])
    assert (len(which), len(backends), len(regular)) == (0, 0, 0)


def test_tables_are_equal_when_the_same_flows_result() -> None:
    one = duties.table()
    assert one.equals(SlotTable(**{name: column.copy() for name, column in vars(one).items()}))
    assert not one.equals(SlotTable.empty(256))
    assert len(slots.flows_of(PLACED, 1, one)) == 256 + 8 * 20


def entries_of(*flows: Flow) -> bytes:
    """Statistics of flows that have counted 3 packets, 200 bytes, in 7 seconds."""
    tables = Tables()
    tables.meters[5] = (0, b"")
    for each in flows:
        assert tables.apply(messages.flow_mod(each)) is None
    for entry in tables.flows.values():
        entry.packets, entry.octets = 3, 200
    return b"".join(tables.flow_stats(255))


def test_statistics_give_back_the_flow_and_its_counters() -> None:
    made = [
        flow(
            10,
            5,
            Match.of(in_port=n),
            (Output(n),),
            cookie=n,
            goto=20,
            meter=5,
            idle=n,
            hard=2,
            notify=n == 2,
        )
        for n in (1, 2)
    ]
    stats = list(messages.parse_flow_stats(entries_of(*made)))
    assert [stat.flow for stat in stats] == made
    assert {(stat.packets, stat.bytes, stat.seconds) for stat in stats} == {(3, 200, 7)}


def test_the_whole_pipeline_goes_through_statistics_unchanged() -> None:
    want = target(duties.lb_duty())
    tables = Tables()
    for meter in want.meters.values():
        assert tables.apply(messages.meter_mod(meter, 0)) is None
    for key, body in want.flows.items():
        assert tables.apply(messages.flow_mod(Flow(key, body))) is None
    stats = messages.parse_flow_stats(b"".join(tables.flow_stats(255)))
    assert {stat.flow.key: stat.flow.body for stat in stats} == want.flows


def test_flows_with_fields_unknown_to_us_are_left_out() -> None:
    known = entries_of(flow(10, 5, Match.of(in_port=1), cookie=1))
    strange = bytearray(known)
    strange[52:56] = struct.pack("!HBB", 0x8000, 9 << 1, 4)
    assert [s.flow.key.table for s in messages.parse_flow_stats(bytes(strange) + known)] == [10]


def test_groups_meters_and_drops_are_read_back() -> None:
    tables = Tables()
    group = Group(7, (Bucket(3, pack_all((Output(3),))), Bucket(0xFEEF, b"")))
    meters = [Meter(1, 10, 20), Meter(2, 5, 5)]
    assert tables.apply(messages.group_mod(group, 0)) is None
    for meter in meters:
        assert tables.apply(messages.meter_mod(meter, 0)) is None
    assert list(messages.parse_groups(b"".join(tables.group_desc()))) == [group]
    assert list(messages.parse_meters(b"".join(tables.meter_config()))) == meters
    stats = struct.pack("!IH6xIQQII", 1, 56, 0, 9, 900, 0, 0) + struct.pack("!QQ", 4, 400)
    bandless = struct.pack("!IH6xIQQII", 2, 40, 0, 9, 900, 0, 0)
    assert list(messages.parse_meter_drops(stats + bandless)) == [(1, 4), (2, 0)]


@pytest.mark.parametrize("build", [messages.group_mod, messages.meter_mod])
def test_deletions_carry_no_contents(build: object) -> None:
    thing = Group(7, (Bucket(1, b""),)) if build is messages.group_mod else Meter(7, 1, 1)
    assert len(build(thing, 2)) == 16  # type: ignore[operator]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_cookie_tells_owner_kind_and_number(kind: Kind) -> None:
    cookie = Cookie(0x4556, kind, 0x12345678)
    assert Cookie.parse(cookie.value) == cookie
    assert cookie.value >> messages.COOKIE_SHIFT == 0x4556


def test_a_cookie_of_no_kind_is_none_of_ours() -> None:
    assert Cookie.parse(0x4556 << 48 | 250 << 40) is None


def test_gotos_only_lead_forward() -> None:
    want = target(duties.lb_duty())
    for key, body in want.flows.items():
        at = 0
        while at < len(body.instructions):
            kind, length = struct.unpack_from("!HH", body.instructions, at)
            if kind == 1:
                assert body.instructions[at + 4] > key.table
            at += length


def test_tables_of_ours_are_the_entry_and_the_stages() -> None:
    assert PLACED.tables == (0, *range(10, 10 + COUNT))
    assert {key.table for key in target(duties.lb_duty()).flows} <= set(PLACED.tables)
    assert PLACED.table(Stage(0)) == 10


def test_port_names_are_read_from_port_descriptions_by_number() -> None:
    def port(number: int, name: bytes) -> bytes:
        return struct.pack("!I4x6s2x16s32x", number, b"\2\0\0\0\0\1", name)

    body = port(1, b"edge1") + port(0xFFFFFFFE, b"br0") + port(7, b"fifteen-letters")
    assert messages.parse_port_names(body) == {1: "edge1", 0xFFFFFFFE: "br0", 7: "fifteen-letters"}
