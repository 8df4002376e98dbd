from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finsy.proto import p4r

from tests.fakes.p4client import DELETE, INSERT, MODIFY, Client, Failed
from tests.fakes.p4entities import (
    acl,
    choice,
    clone,
    counter,
    digest,
    group,
    identity,
    member,
    meter,
    multicast,
    one_shot,
    rate,
    register,
    route,
    value_set,
)
from tests.fakes.p4rig import Rig, exact, lpm, optional, serving, span, ternary

Make = Callable[[Rig], p4r.Entity]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with serving(Path(tmp_path_factory.mktemp("p4rt"))) as made:
        yield made


@pytest.fixture
def client(rig: Rig) -> Iterator[Client]:
    with rig.controller() as made:
        yield made


# What is inserted, what it is modified to; both come back from a read exactly as written.
WRITTEN: list[tuple[str, Make, Make]] = [
    ("exact", lambda rig: rig.slot(1), lambda rig: rig.slot(1, backend=600)),
    ("with metadata", lambda rig: rig.slot(2, metadata=b"\x01\x02"), lambda rig: rig.slot(2, metadata=b"new")),
    ("with a cookie", lambda rig: rig.slot(3, controller_metadata=9), lambda rig: rig.slot(3, backend=1)),
    ("value zero", lambda rig: rig.slot(0, backend=0, pool=0), lambda rig: rig.slot(0, backend=65535, pool=0)),
    ("lpm", route, lambda rig: route(rig, port=3)),
    ("lpm for one host", lambda rig: route(rig, 0x0A000001, 32), lambda rig: route(rig, 0x0A000001, 32, port=2)),
    (
        "an idle timeout",
        lambda rig: route(rig, 0x0B000000, 8, idle_timeout_ns=5_000_000_000),
        lambda rig: route(rig, 0x0B000000, 8, idle_timeout_ns=7),
    ),
    (
        "ternary, range and optional",
        lambda rig: acl(rig, ternary(0x0A000000, 0xFF000000), span(80, 90), optional(0x0800)),
        lambda rig: acl(rig, ternary(0x0A000000, 0xFF000000), span(80, 90), optional(0x0800), action="learn"),
    ),
    ("only ternary", lambda rig: acl(rig, ternary(1, 1)), lambda rig: acl(rig, ternary(1, 1), action="NoAction")),
    ("only range", lambda rig: acl(rig, span(0, 5, 2)), lambda rig: acl(rig, span(0, 5, 2), action="learn")),
    (
        "only optional, which may be zero",
        lambda rig: acl(rig, optional(0, 3), priority=0x7FFFFFFF),
        lambda rig: acl(rig, optional(0, 3), priority=0x7FFFFFFF, action="learn"),
    ),
    ("don't care", lambda rig: acl(rig, priority=3), lambda rig: acl(rig, priority=3, action="learn")),
    ("two parameters",
     lambda rig: rig.entry("route", lpm(1 << 31, 1), action=rig.action("rewrite", 0x112233445566, 511)),
     lambda rig: route(rig, 1 << 31, 1)),
    ("a member", lambda rig: member(rig, 1), lambda rig: member(rig, 1, action="rewrite")),
    ("a member of a plain profile", lambda rig: member(rig, 1, profile="profile"),
     lambda rig: member(rig, 1, port=3, profile="profile")),
    ("an empty group", lambda rig: group(rig, 9), lambda rig: group(rig, 9)),
    ("multicast", lambda rig: multicast(1, (1, 0), (2, 0), (2, 1)), lambda rig: multicast(1, (3, 7), metadata=b"m")),
    ("a clone session", lambda rig: clone(7), lambda rig: clone(7, port=3, length=64)),
    ("a digest", digest, lambda rig: digest(rig, size=1)),
    ("a one-shot set", lambda rig: one_shot(rig, (1, 1, None), (2, 3, 2), (1, 1, None)),
     lambda rig: one_shot(rig, (3, 8, None))),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_an_entity_is_read_back_as_written_modified_and_deleted(
    rig: Rig, client: Client, first: Make, second: Make
) -> None:
    client.write((INSERT, first(rig)))
    assert client.read(identity(first(rig))) == [first(rig)]
    with pytest.raises(Failed) as refused:
        client.write((INSERT, second(rig)))
    assert refused.value.codes == ["ALREADY_EXISTS"]
    assert client.read(identity(first(rig))) == [first(rig)]
    client.write((MODIFY, second(rig)))
    assert client.read(identity(second(rig))) == [second(rig)]
    client.write((DELETE, identity(first(rig))))
    assert client.read(identity(first(rig))) == []
    for kind in (MODIFY, DELETE):
        with pytest.raises(Failed) as refused:
            client.write((kind, first(rig)))
        assert refused.value.codes == ["NOT_FOUND"]


# What exists from the start and is modified; a read of the same without data gives it.
ALWAYS: list[tuple[str, Make, Make]] = [
    ("a counter's cell", counter, lambda rig: counter(rig, packets=None)),
    ("a meter's cell", lambda rig: meter(rig, 1, 10, 20, 30, 40), lambda rig: meter(rig, 1)),
    ("a register's cell", register, lambda rig: register(rig, value=None)),
    ("a value set", lambda rig: value_set(rig, 0x1234, 0xFFFF), value_set),
    (
        "a default entry",
        lambda rig: rig.entry("route", action=rig.action("forward", 3), is_default_action=True),
        lambda rig: rig.entry("route", is_default_action=True),
    ),
]


@pytest.mark.parametrize(("written", "wanted"), [row[1:] for row in ALWAYS], ids=[row[0] for row in ALWAYS])
def test_what_is_always_there_can_be_modified_and_nothing_else(
    rig: Rig, client: Client, written: Make, wanted: Make
) -> None:
    before = client.read(wanted(rig))
    assert len(before) == 1
    client.write((MODIFY, written(rig)))
    assert client.read(wanted(rig)) == [written(rig)]
    for kind in (INSERT, DELETE):
        with pytest.raises(Failed) as refused:
            client.write((kind, written(rig)))
        assert refused.value.codes == ["INVALID_ARGUMENT"]
    client.set_pipeline()
    assert client.read(wanted(rig)) == before


def test_a_default_entry_without_an_action_goes_back_to_the_program(rig: Rig, client: Client) -> None:
    wanted = rig.all_of("route", is_default_action=True)
    before = client.read(wanted)
    assert before[0].table_entry.action.action.action_id == rig.ids["drop"]
    changed = rig.entry("route", action=rig.action("forward", 3), is_default_action=True, metadata=b"mine")
    client.write((MODIFY, changed))
    client.write((MODIFY, wanted))
    assert client.read(wanted) == before


@pytest.mark.parametrize("make", [counter, register, lambda rig, index: meter(rig, index, 1, 2, 3, 4)])
def test_without_an_index_every_cell_is_written_and_read(
    rig: Rig, client: Client, make: Callable[[Rig, int | None], p4r.Entity]
) -> None:
    client.write((MODIFY, make(rig, None)))
    held = client.read(make(rig, None))
    assert held == [make(rig, index) for index in range(len(held))]
    assert len(held) > 1


def test_a_meter_without_a_config_is_reset(rig: Rig, client: Client) -> None:
    client.write((MODIFY, meter(rig, 1, 10, 20, 30, 40)))
    client.write((MODIFY, meter(rig, 1)))
    assert client.read(meter(rig, 1)) == [meter(rig, 1)]


def test_a_counter_without_data_is_left_alone(rig: Rig, client: Client) -> None:
    client.write((MODIFY, counter(rig)))
    client.write((MODIFY, counter(rig, packets=None)))
    assert client.read(counter(rig, packets=None)) == [counter(rig)]


def test_group_members_are_read_back_and_hold_what_they_use(rig: Rig, client: Client) -> None:
    client.write((INSERT, member(rig, 1)), (INSERT, member(rig, 2)))
    full = group(rig, 5, (1, 3, None), (2, 1, 2))
    client.write((INSERT, full))
    entry = choice(rig, action_profile_group_id=5)
    client.write((INSERT, entry))
    assert client.read(group(rig, 5)) == [full]
    assert client.read(rig.all_of("choice")) == [entry]
    with pytest.raises(Failed) as refused:
        client.write((DELETE, member(rig, 1)), (DELETE, full))
    assert refused.value.codes == ["FAILED_PRECONDITION", "FAILED_PRECONDITION"]
    client.write((DELETE, entry))
    client.write((DELETE, full))
    client.write((DELETE, member(rig, 1)), (DELETE, member(rig, 2)))


def test_a_selector_is_programmed_in_one_style_until_nothing_of_it_is_left(rig: Rig, client: Client) -> None:
    client.write((INSERT, one_shot(rig, (1, 1, None))))
    with pytest.raises(Failed) as refused:
        client.write((INSERT, member(rig, 1)))
    assert refused.value.codes == ["INVALID_ARGUMENT"]
    client.write((DELETE, one_shot(rig)))
    client.write((INSERT, member(rig, 1)))
    with pytest.raises(Failed) as refused:
        client.write((INSERT, one_shot(rig, (1, 1, None))))
    assert refused.value.codes == ["INVALID_ARGUMENT"]


def test_replicas_are_read_with_the_port_field_they_were_written_with(rig: Rig, client: Client) -> None:
    old, new = multicast(1, (1, 0), (2, 0)), multicast(2, (1, 0))
    for one in old.packet_replication_engine_entry.multicast_group_entry.replicas:
        one.egress_port = int.from_bytes(one.port, "big")
    client.write((INSERT, old), (INSERT, new))
    assert client.read(identity(old), identity(new)) == [old, new]


def test_wildcard_reads_select_by_table_action_priority_and_metadata(rig: Rig, client: Client) -> None:
    drop, learn = acl(rig, ternary(1, 1), priority=5), acl(rig, ternary(2, 2), priority=6, action="learn")
    marked = rig.slot(1, metadata=b"m")
    client.write((INSERT, drop), (INSERT, learn), (INSERT, marked), (INSERT, rig.slot(2)))
    assert client.read(rig.all_of("acl")) == [drop, learn]
    assert client.read(rig.all_of("acl", priority=6)) == [learn]
    by_action = rig.all_of("acl")
    by_action.table_entry.action.action.action_id = rig.ids["drop"]
    assert client.read(by_action) == [drop]
    assert client.read(rig.all_of("slot", metadata=b"m")) == [marked]
    tables = {one.table_entry.table_id for one in client.read(p4r.Entity(table_entry=p4r.TableEntry()))}
    assert tables == {rig.ids["port"], rig.ids["slot"], rig.ids["acl"]}


@pytest.mark.parametrize(
    "kind",
    [
        "table_entry", "action_profile_member", "action_profile_group", "meter_entry", "direct_meter_entry",
        "counter_entry", "direct_counter_entry", "packet_replication_engine_entry", "value_set_entry",
        "register_entry", "digest_entry",
    ],
)  # fmt: skip
def test_an_empty_request_reads_everything_of_its_kind(rig: Rig, client: Client, kind: str) -> None:
    client.write(
        (INSERT, rig.slot(1)),
        (INSERT, rig.entry("limit", exact(1), action=rig.action("measure"))),
        (INSERT, member(rig, 1)),
        (INSERT, group(rig, 1)),
        (INSERT, multicast(1)),
        (INSERT, digest(rig)),
    )
    wanted = p4r.Entity()
    getattr(wanted, kind).SetInParent()
    held = client.read(wanted)
    assert held
    assert {one.WhichOneof("entity") for one in held} == {kind}


def test_a_const_table_can_be_read_and_not_written(rig: Rig, client: Client) -> None:
    held = client.read(rig.all_of("port"))
    assert [one.table_entry.is_const for one in held] == [True, True]
    assert held[0].table_entry.action.action == rig.action("set_pool", 7)
    entry = rig.entry("port", exact(9), action=rig.action("set_pool", 1))
    known = rig.entry("port", exact(1), action=rig.action("set_pool", 1))
    default = rig.entry("port", action=rig.action("NoAction"), is_default_action=True)
    with pytest.raises(Failed) as refused:
        client.write((INSERT, entry), (MODIFY, known), (DELETE, known), (MODIFY, default))
    assert refused.value.codes == ["PERMISSION_DENIED"] * 4
    assert client.read(rig.all_of("port")) == held


def test_a_direct_counter_is_part_of_its_entry_and_an_entity_of_its_own(rig: Rig, client: Client) -> None:
    data = p4d_counter(4, 400)
    client.write((INSERT, rig.slot(1, counter_data=data)))
    assert client.read(rig.slot(1, None, counter_data=p4r.CounterData())) == [rig.slot(1, counter_data=data)]
    assert client.read(rig.slot(1, None)) == [rig.slot(1)]
    own = p4r.DirectCounterEntry(table_entry=rig.slot(1, None).table_entry, data=p4d_counter(5, 500))
    client.write((MODIFY, p4r.Entity(direct_counter_entry=own)))
    (held,) = client.read(p4r.Entity(direct_counter_entry=own))
    assert held.direct_counter_entry == own
    client.write((MODIFY, rig.slot(1, backend=6)))
    (held,) = client.read(rig.slot(1, None, counter_data=p4r.CounterData()))
    assert held.table_entry.counter_data == p4d_counter(5, 500)


def test_a_direct_meter_is_reset_by_a_modify_that_does_not_repeat_it(rig: Rig, client: Client) -> None:
    wanted = rig.entry("limit", exact(1), meter_config=p4r.MeterConfig())
    plain = rig.entry("limit", exact(1), action=rig.action("measure"))
    configured = rig.entry("limit", exact(1), action=rig.action("measure"), meter_config=rate())
    client.write((INSERT, configured))
    assert client.read(wanted) == [configured]
    own = p4r.DirectMeterEntry(table_entry=rig.entry("limit", exact(1)).table_entry, config=rate(1, 2, 3, 4))
    client.write((MODIFY, p4r.Entity(direct_meter_entry=own)))
    (held,) = client.read(p4r.Entity(direct_meter_entry=own))
    assert held.direct_meter_entry == own
    client.write((MODIFY, plain))
    assert client.read(wanted) == [plain]


def test_the_time_since_the_last_hit_is_told_where_it_is_asked_for(rig: Rig, client: Client) -> None:
    client.write((INSERT, route(rig)))
    rig.plane.now += 3_000
    (held,) = client.read(rig.all_of("route", time_since_last_hit=p4r.TableEntry.IdleTimeout()))
    assert held.table_entry.time_since_last_hit.elapsed_ns == 3_000
    (held,) = client.read(rig.all_of("route"))
    assert not held.table_entry.HasField("time_since_last_hit")


def test_byte_strings_longer_than_needed_are_the_same_key(rig: Rig, client: Client) -> None:
    client.write((INSERT, rig.slot(1)))
    padded = rig.slot(1, None)
    padded.table_entry.match[1].exact.value = b"\0\0\0\x01"
    assert client.read(padded) == [rig.slot(1)]


def test_match_fields_and_parameters_may_come_in_any_order(rig: Rig, client: Client) -> None:
    straight = rig.slot(258)
    turned = rig.slot(258)
    for one, other in ((0, 1), (1, 0)):
        turned.table_entry.match[one].CopyFrom(straight.table_entry.match[other])
    client.write((INSERT, turned))
    entry = rig.entry("route", lpm(1 << 31, 1), action=rig.action("rewrite", 77, 3))
    swapped = rig.entry("route", lpm(1 << 31, 1), action=rig.action("rewrite", 77, 3))
    params = swapped.table_entry.action.action.params
    params.insert(0, params.pop())
    client.write((INSERT, swapped))
    assert client.read(rig.all_of("slot"), rig.all_of("route")) == [straight, entry]


def test_a_large_table_is_read_in_pieces_that_a_default_client_takes(rig: Rig, client: Client) -> None:
    entries = [rig.slot(number, metadata=b"x" * 100) for number in range(30_000)]
    for start in range(0, len(entries), 4096):
        client.write(*((INSERT, one) for one in entries[start : start + 4096]))
    request = p4r.ReadRequest(device_id=1, entities=[rig.all_of("slot")])
    sizes, count = [], 0
    for response in client.stub.Read(request, timeout=60):
        sizes.append(response.ByteSize())
        count += len(response.entities)
    assert count == len(entries)
    assert max(sizes) < 4 << 20 < sum(sizes)


def p4d_counter(packets: int, octet_count: int) -> p4r.CounterData:
    return p4r.CounterData(packet_count=packets, byte_count=octet_count)
