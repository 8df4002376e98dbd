"""What control planes may write is kept, and what they may not is refused with the right kind of error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.p4programs import Builder, call, data, ethernet
from topo.p4switch.arrays import GREEN, RED, YELLOW, Meter
from topo.p4switch.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ProgramError,
    ResourceExhausted,
)
from topo.p4switch.program import load_program
from topo.p4switch.state import (
    ActionCall,
    CloneSession,
    GroupMember,
    GroupRef,
    MemberRef,
    MulticastGroup,
    OneShot,
    Replica,
    Switch,
    WeightedAction,
)

OUT = ActionCall(0, (2,))


def builder() -> Builder:
    """An action `out(port)` and nothing else."""
    made = ethernet()
    made.action(
        "out",
        [call("assign", {"type": "field", "value": ["standard_metadata", "egress_spec"]}, data(0))],
        ("port", 9),
    )
    return made


def switch_with(*key: tuple[str, str], **more: Any) -> Switch:
    """A switch with table `t` on those fields of `meta`."""
    made = builder()
    made.table("t", [(kind, "meta", name) for kind, name in key], [0], **more)
    return Switch(load_program(made.json))


def test_an_entry_is_read_back_as_written() -> None:
    table = switch_with(("exact", "a"), ("exact", "b")).table("t")
    table.insert((5, 6), OUT)
    entry = table.get((5, 6))
    assert (entry.key, entry.ref, len(table)) == ((5, 6), OUT, 1)


@pytest.mark.parametrize(
    ("kinds", "key", "priority", "call", "said"),
    [
        ((("exact", "a"),), (1 << 16,), 0, OUT, "wider than 16 bits"),
        ((("exact", "a"),), (1, 2), 0, OUT, "2 match fields"),
        ((("exact", "a"),), ((1, 2),), 0, OUT, "expected an integer"),
        ((("exact", "a"),), (1,), 3, OUT, "no priority"),
        ((("lpm", "a"),), ((0x1234, 8),), 0, OUT, "outside the prefix"),
        ((("lpm", "a"),), ((0, 17),), 0, OUT, "prefix length 17"),
        ((("ternary", "a"),), ((3, 1),), 1, OUT, "outside mask"),
        ((("ternary", "a"),), ((1, 1),), 0, OUT, "priority of at least 1"),
        ((("range", "a"),), ((3, 1),), 1, OUT, "after its end"),
        ((("exact", "a"),), (1,), 0, ActionCall(9, ()), "not one of its own"),
        ((("exact", "a"),), (1,), 0, ActionCall(0, ()), "takes 1 parameters"),
        ((("exact", "a"),), (1,), 0, ActionCall(0, (512,)), "wider than 9 bits"),
        ((("exact", "a"),), (1,), 0, MemberRef(1), "no action profile"),
    ],
)
def test_what_does_not_fit_is_refused(
    kinds: tuple[tuple[str, str], ...], key: tuple[int, ...], priority: int, call: ActionCall, said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        switch_with(*kinds).table("t").insert(key, call, priority)


def test_a_full_table_takes_no_more_and_loses_nothing() -> None:
    table = switch_with(("exact", "a"), max_size=2).table("t")
    table.insert((1,), OUT)
    table.insert((2,), OUT)
    with pytest.raises(ResourceExhausted, match="full with 2"):
        table.insert((3,), OUT)
    with pytest.raises(AlreadyExists):
        table.insert((2,), OUT)
    table.delete((1,))
    table.insert((3,), OUT)
    assert [e.key for e in table.entries()] == [(2,), (3,)]


def test_modifying_keeps_counters_and_deleting_what_is_gone_is_an_error() -> None:
    table = switch_with(("exact", "a")).table("t")
    entry = table.insert((1,), OUT)
    entry.packets = 7
    table.modify((1,), ActionCall(0, (3,)))
    assert (table.get((1,)).packets, table.get((1,)).params) == (7, (3,))
    table.delete((1,))
    for refused in (lambda: table.delete((1,)), lambda: table.modify((1,), OUT)):
        with pytest.raises(NotFound):
            refused()


def test_const_entries_and_const_defaults_stay() -> None:
    made = builder()
    entry = {
        "match_key": [{"match_type": "exact", "key": "0x1"}],
        "action_entry": {"action_id": 0, "action_data": ["0x4"]},
        "priority": 1,
    }
    default = {"action_id": 0, "action_const": True, "action_data": ["0x5"], "action_entry_const": True}
    made.table("t", [("exact", "meta", "a")], [0], entries=[entry], default_entry=default)
    table = Switch(load_program(made.json)).table("t")
    for refused in (
        lambda: table.insert((2,), OUT),
        lambda: table.delete((1,)),
        table.clear,
        lambda: table.set_default(OUT),
    ):
        with pytest.raises(PermissionDenied):
            refused()
    assert (table.get((1,)).params, table.default.params) == ((4,), (5,))


def test_the_default_entry_is_one_object_that_is_set_and_reset() -> None:
    default = {"action_id": 0, "action_const": False, "action_data": ["0x5"], "action_entry_const": False}
    table = switch_with(("exact", "a"), default_entry=default).table("t")
    entry = table.default
    table.set_default(ActionCall(0, (9,)))
    assert (table.default is entry, entry.params) == (True, (9,))
    table.reset_default()
    assert entry.params == (5,)


def test_an_idle_entry_is_told_once_until_it_is_hit_again() -> None:
    switch = switch_with(("exact", "a"), support_timeout=True)
    entry = switch.table("t").insert((1,), OUT, now=100, idle_timeout_ns=50)
    assert switch.idle_notices(149) == []
    assert [n.entry for n in switch.idle_notices(150)] == [entry]
    assert switch.idle_notices(300) == []
    entry.last_hit = 310
    assert switch.idle_notices(320) == []
    assert [n.entry for n in switch.idle_notices(360)] == [entry]


def test_a_timeout_needs_a_table_that_supports_it() -> None:
    with pytest.raises(InvalidArgument, match="does not support idle timeouts"):
        switch_with(("exact", "a")).table("t").insert((1,), OUT, idle_timeout_ns=5)


def selector_switch() -> Switch:
    """Table `t` on a selector of at most 8 members."""
    made = builder()
    selector = {"algo": "crc16", "input": [{"type": "field", "value": ["eth", "src"]}]}
    made.json["pipelines"][0]["action_profiles"].append(
        {"name": "p", "id": 0, "max_size": 8, "selector": selector}
    )
    made.table("t", [("exact", "meta", "a")], [0], type="indirect_ws", action_profile="p")
    return Switch(load_program(made.json))


def test_members_in_use_stay_and_dead_ones_are_skipped() -> None:
    switch = selector_switch()
    profile = switch.profiles["p"]
    for port in (1, 2):
        switch.ports.set(port, True)
        profile.insert_member(port, ActionCall(0, (port,)))
    group = profile.insert_group(5, (GroupMember(1, 2, 1), GroupMember(2, 1, 2)))
    switch.table("t").insert((1,), GroupRef(5))
    assert [m.id for m in group.live] == [1, 1, 2]
    switch.ports.set(1, False)
    assert [m.id for m in group.live] == [2]
    switch.ports.set(2, False)
    assert group.pick(3) is None
    with pytest.raises(FailedPrecondition, match="in use"):
        profile.delete_group(5)
    with pytest.raises(FailedPrecondition, match="in use"):
        profile.delete_member(1)
    switch.table("t").delete((1,))
    profile.delete_group(5)
    profile.delete_member(1)
    assert sorted(profile.members) == [2]


@pytest.mark.parametrize("kind", ["indirect_ws", "indirect"])
def test_a_table_of_an_older_program_brings_its_action_profile_along(kind: str) -> None:
    made = builder()
    selector = {"algo": "crc16", "input": [{"type": "field", "value": ["eth", "src"]}]}
    more: dict[str, Any] = {"selector": selector} if kind == "indirect_ws" else {}
    made.table("t", [("exact", "meta", "a")], [0], type=kind, act_prof_name="p", **more)
    for pipeline in made.json["pipelines"]:
        del pipeline["action_profiles"]
    profile = Switch(load_program(made.json)).profiles["p"]
    assert (profile.definition.selector is not None) is (kind == "indirect_ws")
    profile.insert_member(1, OUT)
    assert profile.member(1).call == OUT


def test_a_table_on_an_action_profile_that_is_nowhere_is_refused_by_name() -> None:
    made = builder()
    made.table("t", [("exact", "meta", "a")], [0], type="indirect", action_profile="q")
    with pytest.raises(ProgramError, match="no action profile q"):
        load_program(made.json)


def test_one_shot_choices_follow_their_ports_while_their_entry_lives() -> None:
    switch = selector_switch()
    choices = OneShot((WeightedAction(ActionCall(0, (1,)), 1, 1), WeightedAction(ActionCall(0, (2,)), 3)))
    entry = switch.table("t").insert((1,), choices)
    assert entry.target is not None
    switch.ports.set(1, True)
    assert [m.params for m in entry.target.live] == [(1,), (2,), (2,), (2,)]  # type: ignore[union-attr]
    switch.table("t").delete((1,))
    assert list(switch.profiles["p"].all_groups()) == []


def test_groups_refuse_strangers_doubles_and_too_much_weight() -> None:
    profile = selector_switch().profiles["p"]
    profile.insert_member(1, OUT)
    with pytest.raises(NotFound, match="no member 9"):
        profile.insert_group(1, (GroupMember(9),))
    with pytest.raises(InvalidArgument, match="twice"):
        profile.insert_group(1, (GroupMember(1), GroupMember(1)))
    with pytest.raises(ResourceExhausted, match="weight 5"):
        profile.insert_group(1, (GroupMember(1, 5),), max_size=4)
    assert profile.member(1).refs == 0


def test_replication_refuses_doubles_and_picks_live_backups() -> None:
    switch = switch_with(("exact", "a"))
    pre = switch.replication
    with pytest.raises(InvalidArgument, match="twice"):
        pre.insert_group(MulticastGroup(1, (Replica(1, 1), Replica(1, 1))))
    pre.insert_group(MulticastGroup(1, (Replica(1, 1, (2, 3)),)))
    with pytest.raises(AlreadyExists):
        pre.insert_group(MulticastGroup(1, ()))
    with pytest.raises(NotFound):
        pre.modify_session(CloneSession(4, ()))
    switch.ports.set(3, True)
    assert pre.copies(pre.groups[1].replicas) == [(3, 1)]
    switch.ports.set(1, True)
    assert pre.copies(pre.groups[1].replicas) == [(1, 1)]


def test_a_two_rate_meter_colours_by_its_buckets() -> None:
    meter = Meter("packets")
    assert meter.execute(100, 0) == GREEN
    # 1,000/s with a burst of 2, peak 10,000/s with a burst of 4.
    meter.configure(((1000, 2), (10_000, 4)), now=0)
    assert [meter.execute(100, 0) for _ in range(5)] == [GREEN, GREEN, YELLOW, YELLOW, RED]
    # 200 us later the peak bucket has two more, the committed one none.
    assert [meter.execute(100, 200_000) for _ in range(3)] == [YELLOW, YELLOW, RED]
    assert meter.execute(100, 1_200_000) == GREEN


def test_a_meter_of_bytes_takes_the_frame_length() -> None:
    meter = Meter("bytes")
    meter.configure(((1_000_000, 150), (1_000_000, 250)), now=0)
    assert [meter.execute(100, 0) for _ in range(3)] == [GREEN, YELLOW, RED]


def test_meter_rates_must_rise() -> None:
    with pytest.raises(InvalidArgument, match="must rise"):
        Meter("bytes").configure(((2, 1), (1, 1)), now=0)


def test_arrays_refuse_indices_and_values_that_do_not_fit() -> None:
    made = builder()
    made.json["register_arrays"].append({"name": "r", "id": 0, "size": 4, "bitwidth": 8})
    made.json["counter_arrays"].append({"name": "c", "id": 0, "size": 4, "is_direct": False})
    made.json["meter_arrays"].append({"name": "m", "id": 0, "size": 4, "type": "bytes", "rate_count": 2})
    switch = Switch(load_program(made.json))
    register = switch.registers["r"]
    register.set(3, 255)
    assert register.get(3) == 255
    with pytest.raises(InvalidArgument, match="wider than 8 bits"):
        register.set(0, 256)
    with pytest.raises(OutOfRange, match=r"0\.\.3"):
        register.set(4, 0)
    with pytest.raises(OutOfRange, match=r"0\.\.3"):
        switch.counters["c"].get(4)
    with pytest.raises(OutOfRange, match=r"0\.\.3"):
        switch.meters["m"].set(-1, None, 0)


def test_value_sets_match_exactly_and_by_mask() -> None:
    made = builder()
    made.json["parse_vsets"].append({"name": "v", "id": 0, "compressed_bitwidth": 16})
    found = Switch(load_program(made.json)).value_sets["v"]
    found.replace(((0x1234, 0xFFFF), (0x5000, 0xF000)))
    assert [found.matches(v) for v in (0x1234, 0x1235, 0x5FFF)] == [True, False, True]
    assert found.matches(0x1200, 0xFF00)
    with pytest.raises(InvalidArgument, match="wider than 16"):
        found.replace(((1 << 16, 0xFFFF),))
