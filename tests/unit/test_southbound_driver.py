"""The OpenFlow driver against fake switches, through the real os-ken: read, write, errors, ends."""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, WriteRefused
from controller.southbound.openflow import session as session_module
from controller.southbound.openflow.events import Connected, Disconnected, Refused
from controller.spec.slots import Bytes, SlotTable
from controller.spec.switch import FALLBACKS
from flows import messages
from flows.actions import Output, pack_all
from flows.diff import diff
from flows.entries import Meter, Target, flow
from flows.match import Match
from flows.pipeline import target
from flows.tables import Kind, Placed
from tests.fakes import duties
from tests.fakes.openflow import (
    BAD_MULTIPART,
    BARRIER_REQUEST,
    MULTIPART_REQUEST,
    PACKET_OUT,
    Rule,
)
from tests.fakes.rig import GUARD, PLACED, PREFIX, SLOT, Rig, connected, drop, of_flows, small
from tests.fakes.tables import FLOW_MOD, GROUP_MOD, METER_MOD, Refusal, parse_flow_mod


@pytest.fixture
def rig() -> Iterator[Rig]:
    with connected() as made:
        yield made


@pytest.fixture(scope="module")
def everything() -> Target:
    return target(duties.lb_duty())


def test_what_was_written_is_read_back_as_it_was_meant(rig: Rig, everything: Target) -> None:
    rig.converge(everything)
    have = rig.read({duties.POOL: 256})
    assert have.target.flows == everything.flows
    assert have.target.groups == everything.groups
    assert have.target.meters == everything.meters
    assert have.target.slots.keys() == {duties.POOL}
    assert have.target.slots[duties.POOL].equals(everything.slots[duties.POOL])
    assert not have.foreign


def test_groups_of_an_edge_are_read_back_as_they_were_meant(rig: Rig) -> None:
    want = target(duties.edge_duty())
    placed = Placed(duties.EDGE_PLACE)
    rig.write(diff(placed, Target(), want))
    have = rig.control.run(rig.session.read(placed, {})).target
    assert (have.flows, have.groups, have.meters) == (want.flows, want.groups, want.meters)
    assert len(have.groups) == 2 * FALLBACKS


def test_nothing_is_written_where_nothing_differs(rig: Rig, everything: Target) -> None:
    rig.converge(everything)
    rig.switch.mods.clear()
    rig.switch.barriers.clear()
    assert len(rig.converge(everything)) == 0
    assert (rig.switch.mods, rig.switch.barriers) == ([], [])


def test_entries_spread_over_many_messages_are_read_whole(rig: Rig, everything: Target) -> None:
    rig.converge(everything)
    rig.switch.most = 500
    assert len(rig.differences(everything)) == 0


def test_only_slots_that_change_are_sent(rig: Rig) -> None:
    rig.converge(small(1, 2, 3, 4))
    rig.switch.mods.clear()
    rig.converge(small(1, 9, 3, 4))
    assert len(rig.switch.mods) == 1
    _, _, key, entry = parse_flow_mod(rig.switch.mods[0])
    assert key.table == SLOT
    assert entry == rig.switch.tables.flows[key]
    slots = rig.read().target.slots[1]
    assert slots.now[:5].tolist() == [1, 9, 3, 4, 0]


def test_a_barrier_stands_behind_each_phase(rig: Rig, everything: Target) -> None:
    changes = rig.converge(everything)
    ends = list(itertools.accumulate(len(phase) for phase in changes.phases))
    assert rig.switch.barriers == ends


def test_every_refused_message_is_named_and_the_others_stand(rig: Rig) -> None:
    flows = [drop(GUARD, port) for port in range(1, 40)]
    bad = {3, 17, 39}
    port_of = {struct.pack("!I", port): port for port in bad}
    rig.switch.rules.append(
        Rule(lambda m: m[1] == FLOW_MOD and parse_flow_mod(m)[2].match[4:] in port_of, Refusal(4, 6))
    )
    with pytest.raises(WriteRefused) as caught:
        rig.converge(of_flows(*flows))
    assert sorted(caught.value.errors) == sorted(
        f"bad match (code 6) for flow table={GUARD},priority=5,in_port={port:#x}" for port in bad
    )
    assert str(caught.value).startswith(f"lb1 refused 3 messages: bad match (code 6) for flow table={GUARD}")
    assert len(rig.switch.tables.flows) == len(flows) - len(bad)


def test_a_refused_slot_is_named_by_its_pool_and_number(rig: Rig) -> None:
    seventh = struct.pack("!I", 7)
    rig.switch.rules.append(
        Rule(lambda m: m[1] == FLOW_MOD and parse_flow_mod(m)[2].match.endswith(seventh), Refusal(5, 0))
    )
    with pytest.raises(WriteRefused) as caught:
        rig.converge(small(*[4] * 20))
    assert caught.value.errors == [
        f"flow mod failed (code 0) for flow table={SLOT},priority=10,reg2=0x1,reg3=0x7"
    ]
    assert rig.read().target.slots[1].now[:20].tolist() == [4] * 7 + [0] + [4] * 12


def test_more_than_three_refusals_are_counted(rig: Rig) -> None:
    rig.switch.rules.append(Rule(lambda m: m[1] == FLOW_MOD, Refusal(5, 0)))
    with pytest.raises(WriteRefused, match=r"^lb1 refused 10 messages: .*; .*; .* \(and 7 more\)$"):
        rig.converge(small(*[4] * 10))


def test_a_full_table_refuses_what_does_not_fit_and_says_so(rig: Rig) -> None:
    rig.switch.tables.limits[SLOT] = 100
    with pytest.raises(WriteRefused) as caught:
        rig.converge(small(*[1] * 256))
    assert len(caught.value.errors) == 156
    assert caught.value.errors[0].startswith(f"flow mod failed (table full) for flow table={SLOT},")
    assert np.count_nonzero(rig.read().target.slots[1].now) == 100


def test_a_full_table_still_takes_other_backends_for_the_slots_it_holds(rig: Rig) -> None:
    rig.switch.tables.limits[SLOT] = 256
    rig.converge(small(*[1] * 256))
    rig.converge(small(*[2] * 256))
    assert set(rig.read().target.slots[1].now) == {2}


@pytest.mark.parametrize(
    ("want", "refusal", "says"),
    [
        (
            Target(meters={1000: Meter(1000, 5, 5)}),
            Refusal(12, 4),
            "meter mod failed (out of meters) for meter 1000",
        ),
        (
            replace(target(duties.edge_duty()), meters={}),
            Refusal(6, 3),
            "group mod failed (code 3) for group 1163264008",
        ),
    ],
)
def test_refused_groups_and_meters_are_named(rig: Rig, want: Target, refusal: Refusal, says: str) -> None:
    rig.switch.rules.append(Rule(lambda m: m[1] in (GROUP_MOD, METER_MOD), refusal))
    with pytest.raises(WriteRefused) as caught:
        rig.converge(want)
    assert caught.value.errors[0] == says


def test_a_refused_request_says_why(rig: Rig) -> None:
    rig.switch.rules.append(Rule(lambda m: m[1] == MULTIPART_REQUEST, BAD_MULTIPART))
    with pytest.raises(SwitchError, match=r"bad request \(code 2\)"):
        rig.read()


def test_a_refused_packet_is_reported_though_nobody_waits_for_it(rig: Rig) -> None:
    rig.switch.rules.append(Rule(lambda m: m[1] == PACKET_OUT, Refusal(2, 4)))
    rig.control.run(rig.session.send_packet(b"x" * 60, pack_all((Output(9),)), 1))
    event = rig.control.event(rig.switch.datapath_id, Refused)
    assert event.what == "bad action (code 4) for packet out"


def test_packets_are_sent_as_they_are(rig: Rig) -> None:
    frame = bytes(range(60))
    rig.control.run(rig.session.send_packet(frame, pack_all((Output(9),)), 4))
    rig.read()
    (packet,) = rig.switch.packets_out
    assert packet == (4, pack_all((Output(9),)), frame)


def test_a_disconnection_in_the_middle_of_a_write_is_told_at_once(rig: Rig) -> None:
    rig.switch.hang_up_after = 100
    with pytest.raises(SwitchGone, match="is gone"):
        rig.write(diff(PLACED, Target(), small(*[1] * 256)))
    assert len(rig.switch.mods) == 100
    assert rig.control.event(rig.switch.datapath_id, Disconnected).session is rig.session


def test_the_end_of_an_idle_stream_is_told_at_once(rig: Rig) -> None:
    rig.switch.hang_up()
    assert rig.control.event(rig.switch.datapath_id, Disconnected).session is rig.session
    assert not rig.session.alive


def test_a_session_that_ended_takes_nothing_more(rig: Rig) -> None:
    rig.switch.hang_up()
    rig.control.event(rig.switch.datapath_id, Disconnected)
    with pytest.raises(SwitchGone):
        rig.read()
    with pytest.raises(SwitchGone):
        rig.write(diff(PLACED, Target(), small(1)))


@pytest.mark.parametrize(("lose", "again"), [(False, 156), (True, 256)])
def test_after_a_reconnection_only_what_is_missing_is_written(rig: Rig, lose: bool, again: int) -> None:
    want = small(*[1] * 256)
    rig.switch.hang_up_after = 100
    with pytest.raises(SwitchGone):
        rig.converge(want)
    rig.control.event(rig.switch.datapath_id, Disconnected)
    rig.switch.hang_up_after = None
    if lose:
        rig.switch.tables.forget()
    rig.switch.connect()
    rig.session = rig.control.session(rig.switch.datapath_id)
    assert len(rig.converge(want)) == again
    assert len(rig.differences(want)) == 0


def test_a_new_stream_of_the_same_switch_is_a_session_of_its_own(rig: Rig) -> None:
    rig.switch.hang_up()
    rig.control.event(rig.switch.datapath_id, Disconnected)
    rig.switch.connect()
    event = rig.control.event(rig.switch.datapath_id, Connected)
    assert event.session is not rig.session
    assert event.session.alive


@pytest.mark.parametrize(
    ("silent", "act"),
    [
        (BARRIER_REQUEST, lambda rig: rig.write(diff(PLACED, Target(), small(1)))),
        (MULTIPART_REQUEST, lambda rig: rig.read()),
    ],
)
def test_a_switch_that_does_not_answer_is_given_up_at_the_deadline(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, silent: int, act: Callable[[Rig], object]
) -> None:
    monkeypatch.setattr(session_module, "DEADLINE", 0.2)
    rig.switch.silent.add(silent)
    with pytest.raises(SwitchTimeout, match=r"did not answer within 0\.2 s"):
        act(rig)
    rig.switch.silent.clear()
    monkeypatch.undo()
    rig.read()


def test_a_switch_that_reads_no_more_is_given_up_at_the_deadline_and_its_end_is_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = SlotTable(np.full(1 << 16, 3, np.uint16), np.full(1 << 16, 4, np.uint16))
    changes = diff(PLACED, Target(), Target(slots={1: slots}))
    monkeypatch.setattr(session_module, "DEADLINE", 0.5)
    rig.switch.listening.clear()
    with pytest.raises(SwitchTimeout):
        rig.write(changes)
    with pytest.raises(SwitchTimeout):
        rig.read()
    rig.switch.hang_up()
    rig.control.event(rig.switch.datapath_id, Disconnected)
    with pytest.raises(SwitchGone):
        rig.read()


def test_a_switch_that_goes_on_answering_is_waited_for_longer_than_the_deadline(
    rig: Rig, everything: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of an answer comes in time, all of them take longer than one deadline."""
    rig.converge(everything)
    rig.switch.most = 1
    reply, parts = rig.switch._reply, itertools.count(1)

    def slowly(request: int, kind: int, xid: int, body: bytes) -> None:
        if request == MULTIPART_REQUEST and next(parts) <= 60:
            time.sleep(0.05)
        reply(request, kind, xid, body)

    monkeypatch.setattr(rig.switch, "_reply", slowly)
    monkeypatch.setattr(session_module, "DEADLINE", 2.0)
    began = time.monotonic()
    assert rig.read({duties.POOL: 256}).target.flows == everything.flows
    assert time.monotonic() - began > session_module.DEADLINE


def test_a_switch_that_goes_on_taking_messages_is_waited_for_longer_than_the_deadline(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each share is taken in time; packets go out between them, and no message is divided."""
    monkeypatch.setattr(session_module, "DEADLINE", 2.0)
    monkeypatch.setattr(session_module, "_FAST", session_module._Pace(1_000))
    push, shares = rig.session._push, itertools.count(1)

    def slowly(pieces: list[bytes | Bytes], _: object) -> None:
        if next(shares) <= 60:
            time.sleep(0.05)
        push(pieces)

    monkeypatch.setattr(rig.session, "_push", slowly)
    slots = SlotTable(np.full(1 << 9, 3, np.uint16), np.full(1 << 9, 4, np.uint16))
    changes = diff(PLACED, Target(), Target(slots={1: slots}))

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.session.write(changes, "lb1"))
            await asyncio.sleep(0)
            group.create_task(rig.session.send_packet(b"a frame of ours", pack_all([Output(1)]), 0))

    began = time.monotonic()
    rig.control.run(both())
    assert time.monotonic() - began > session_module.DEADLINE
    assert len(rig.switch.mods) == 2 << 9
    assert rig.switch.packets_out[0].data == b"a frame of ours"


def test_a_switch_that_serves_is_written_in_shares_with_a_gap_and_an_empty_one_is_filled_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    push, sent, gaps = rig.session._push, list[int](), list[float]()
    nap = asyncio.sleep

    async def rest(seconds: float) -> None:
        gaps.append(seconds)
        await nap(0)

    def weigh(pieces: list[bytes | Bytes], _: object) -> None:
        sent.append(sum(len(one) if isinstance(one, bytes) else one.size for one in pieces))
        push(pieces)

    monkeypatch.setattr(rig.session, "_push", weigh)
    monkeypatch.setattr(asyncio, "sleep", rest)
    full = Target(slots={1: SlotTable(np.full(1 << 12, 3, np.uint16), np.zeros(1 << 12, np.uint16))})
    other = Target(slots={1: SlotTable(np.full(1 << 12, 5, np.uint16), np.zeros(1 << 12, np.uint16))})
    rig.control.run(rig.session.write(diff(PLACED, Target(), full), "lb1"))
    assert not gaps
    assert len(sent) == 1
    sent.clear()
    rig.control.run(rig.session.write(diff(PLACED, full, other), "lb1"))
    assert set(gaps) == {session_module._BREATH}
    assert len(sent) > 6
    assert max(sent) <= session_module._GENTLE_SHARE + 256


def test_the_role_is_claimed_with_the_controllers_term(rig: Rig) -> None:
    rig.read()
    assert rig.switch.generation == 5


def test_counters_are_summed_by_listener_and_backend(rig: Rig) -> None:
    one, two = (drop(PREFIX, n, Kind.BACKEND, 3 << 16 | 9) for n in (1, 2))
    rig.converge(of_flows(one, two))
    for entry in rig.switch.tables.flows.values():
        entry.packets, entry.octets = 3, 200
    assert rig.read().packets == {(3, 9): (6, 400)}


def test_connections_that_open_and_end_are_counted_apart_and_are_packets_too(rig: Rig) -> None:
    kinds = (Kind.BACKEND, Kind.OPENS, Kind.ENDS, Kind.ENDS)
    rig.converge(of_flows(*(drop(PREFIX, n, kind, 3 << 16 | 9) for n, kind in enumerate(kinds))))
    for packets, entry in enumerate(rig.switch.tables.flows.values(), 1):
        entry.packets, entry.octets = packets, 100 * packets
    by_kind = {n: rig.switch.tables.flows[key].packets for n, key in enumerate(rig.switch.tables.flows)}
    read = rig.read()
    assert read.packets == {(3, 9): (sum(by_kind.values()), 100 * sum(by_kind.values()))}
    assert read.sessions == {(3, 9): (2, 3 + 4)}


def test_a_modification_keeps_the_counters(rig: Rig) -> None:
    rig.converge(of_flows(drop(PREFIX, 1, Kind.BACKEND, 3 << 16 | 9)))
    next(iter(rig.switch.tables.flows.values())).packets = 3
    cookie = PLACED.cookie(Kind.BACKEND, 3 << 16 | 9)
    changed = flow(PREFIX, 5, Match.of(in_port=1), (Output(1),), cookie=cookie)
    rig.converge(of_flows(changed))
    assert parse_flow_mod(rig.switch.mods[-1])[0] == messages.MODIFY_STRICT
    assert rig.read().packets == {(3, 9): (3, 0)}


def test_drops_of_meters_are_read(rig: Rig) -> None:
    rig.converge(Target(meters={n: Meter(n, 5, 5) for n in (1000, 1001)}))
    rig.switch.drops[1001] = 12
    assert rig.control.run(rig.session.meter_drops()) == {1000: 0, 1001: 12}


def test_writes_at_the_same_time_do_not_mix_their_errors(rig: Rig) -> None:
    rig.switch.rules.append(
        Rule(lambda m: m[1] == FLOW_MOD and parse_flow_mod(m)[2].table == PREFIX, Refusal(5, 0))
    )
    good = [drop(GUARD, port) for port in range(50)]
    bad = rig.control.start(rig.session.write(diff(PLACED, Target(), of_flows(drop(PREFIX, 1))), "one"))
    fine = rig.control.start(rig.session.write(diff(PLACED, Target(), of_flows(*good)), "two"))
    with pytest.raises(WriteRefused, match=r"^one refused 1 messages"):
        bad.result(20)
    fine.result(20)
