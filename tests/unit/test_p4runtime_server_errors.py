from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from finsy.proto import p4r
from google.protobuf import any_pb2

from tests.fakes.p4client import DELETE, INSERT, MODIFY, Client, Failed
from tests.fakes.p4rig import Rig, exact, lpm, octets, optional, serving, span, ternary

Make = Callable[[Rig], p4r.Entity]
ROLLBACK, ATOMIC = p4r.WriteRequest.Atomicity.ROLLBACK_ON_ERROR, p4r.WriteRequest.Atomicity.DATAPLANE_ATOMIC


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with serving(Path(tmp_path_factory.mktemp("p4rt"))) as made:
        yield made


@pytest.fixture(scope="module")
def client(rig: Rig) -> Iterator[Client]:
    """One primary for the whole module: what is refused changes nothing."""
    with rig.controller() as made:
        made.write((INSERT, slot(1)(rig)))
        yield made


def slot(number: int, **more: Any) -> Make:
    return lambda rig: rig.slot(number, **more)


def raw_slot(*values: bytes, field_ids: tuple[int, ...] = (1, 2)) -> Make:
    """An entry whose match values are these very bytes."""

    def make(rig: Rig) -> p4r.Entity:
        made = p4r.TableEntry(table_id=rig.ids["slot"])
        made.action.action.CopyFrom(rig.action("set_backend", 1))
        for field_id, value in zip(field_ids, values, strict=True):
            made.match.add(field_id=field_id).exact.value = value
        return p4r.Entity(table_entry=made)

    return make


def parameter(value: bytes, *more: bytes, param_id: int = 1) -> Make:
    def make(rig: Rig) -> p4r.Entity:
        made = rig.slot(9)
        action = made.table_entry.action.action
        action.ClearField("params")
        for one in (value, *more):
            action.params.add(param_id=param_id, value=one)
        return made

    return make


def acl(*match: p4r.FieldMatch, priority: int = 1, action: str = "drop", **more: object) -> Make:
    return lambda rig: rig.entry("acl", *match, action=rig.action(action), priority=priority, **more)


def route(match: p4r.FieldMatch, port: int = 1, **more: object) -> Make:
    return lambda rig: rig.entry("route", match, action=rig.action("forward", port), **more)


def slot_with(action: str) -> Make:
    return lambda rig: rig.entry("slot", exact(1), exact(2), action=rig.action(action))


def raw(kind: str, **fields: object) -> Make:
    """An entity given field by field; ids by alias."""

    def make(rig: Rig) -> p4r.Entity:
        made = p4r.Entity()
        target = getattr(made, kind)
        for name, value in fields.items():
            known = rig.ids[value] if isinstance(value, str) else value
            if isinstance(known, int | bytes):
                setattr(target, name, known)
            else:
                getattr(target, name).CopyFrom(known)
        return made

    return make


def member_in_route(rig: Rig) -> p4r.Entity:
    made = rig.entry("route", lpm(0, 8))
    made.table_entry.action.action_profile_member_id = 1
    return made


def meter(**fields: object) -> Make:
    return raw("meter_entry", meter_id="rates", **fields)


def digest(**config: int) -> Make:
    return raw("digest_entry", digest_id="seen_t", config=p4r.DigestEntry.Config(**config))


def spread(kind: str, **fields: object) -> Make:
    return raw(f"action_profile_{kind}", action_profile_id="spread", **fields)


def cell(kind: str, **ids: str) -> Callable[[int], Make]:
    return lambda index: raw(kind, index=p4r.Index(index=index), **ids)


def profile_action(**action: object) -> Make:
    def make(rig: Rig) -> p4r.Entity:
        made = rig.entry("choice", exact(1))
        made.table_entry.action.CopyFrom(p4r.TableAction(**action))  # type: ignore[arg-type]
        return made

    return make


def action_set(*weights: int, watch_port: bytes = b"", **more: object) -> Make:
    def make(rig: Rig) -> p4r.Entity:
        made = p4r.ActionProfileActionSet(**more)  # type: ignore[arg-type]
        for weight in weights:
            one = made.action_profile_actions.add(action=rig.action("forward", 1), weight=weight)
            if watch_port:
                one.watch_port = watch_port
        return profile_action(action_profile_action_set=made)(rig)

    return make


def replicas(kind: str, number: int, *places: tuple[int, int], backup: bool = False) -> Make:
    def make(rig: Rig) -> p4r.Entity:
        made = p4r.PacketReplicationEngineEntry()
        if kind == "multicast":
            made.multicast_group_entry.multicast_group_id = number
            held = made.multicast_group_entry.replicas
        else:
            made.clone_session_entry.session_id = number
            held = made.clone_session_entry.replicas
        for port, instance in places:
            held.add(port=octets(port), instance=instance)
        if backup:
            held[0].backup_replicas.add(port=b"\1")
        return p4r.Entity(packet_replication_engine_entry=made)

    return make


def values(*numbers: int) -> Make:
    def make(rig: Rig) -> p4r.Entity:
        made = p4r.ValueSetEntry(value_set_id=rig.ids["address_types"])
        for number in numbers:
            made.members.add().match.add(field_id=1).exact.value = octets(number)
        return p4r.Entity(value_set_entry=made)

    return make


def default(table: str, action: str, *params: int, **more: object) -> Make:
    return lambda rig: rig.entry(table, action=rig.action(action, *params), is_default_action=True, **more)


counter, register = cell("counter_entry", counter_id="ports"), cell("register_entry", register_id="cells")

INVALID, RANGE = "INVALID_ARGUMENT", "OUT_OF_RANGE"
DENIED, LATER = "PERMISSION_DENIED", "UNIMPLEMENTED"

REFUSED: list[tuple[str, int, Make, str]] = [
    # Byte strings
    ("empty value", INSERT, raw_slot(b"", b"\1"), RANGE),
    ("too wide by a byte", INSERT, raw_slot(b"\1\0\0", b"\1"), RANGE),
    ("too wide by a bit", INSERT, route(lpm(0, 8), port=512), RANGE),
    ("empty parameter", INSERT, parameter(b""), RANGE),
    ("parameter too wide", INSERT, parameter(b"\1\0\0"), RANGE),
    # Match
    ("exact field left out", INSERT, raw_slot(b"\7", field_ids=(1,)), INVALID),
    ("field twice", INSERT, raw_slot(b"\7", b"\7", field_ids=(1, 1)), INVALID),
    ("unknown field", INSERT, raw_slot(b"\7", b"\7", field_ids=(1, 3)), INVALID),
    ("field of another kind", INSERT, lambda rig: rig.entry("slot", exact(1), ternary(1, 1)), INVALID),
    ("lpm bits beyond the prefix", INSERT, route(lpm(0x0A000001, 8)), INVALID),
    ("lpm of length 0", INSERT, route(lpm(0, 0)), INVALID),
    ("lpm too long", INSERT, route(lpm(0, 33)), INVALID),
    ("ternary bits outside the mask", INSERT, acl(ternary(3, 1)), INVALID),
    ("ternary mask 0", INSERT, acl(ternary(0, 0)), INVALID),
    ("range upside down", INSERT, acl(span(2, 1, 2)), INVALID),
    ("range of everything", INSERT, acl(span(0, 0xFFFF, 2)), INVALID),
    ("optional too wide", INSERT, acl(optional(0x10000, 3)), RANGE),
    # Priority
    ("no priority in a ternary table", INSERT, acl(ternary(1, 1), priority=0), INVALID),
    ("negative priority", INSERT, acl(ternary(1, 1), priority=-1), INVALID),
    ("priority in an exact table", INSERT, slot(2, priority=1), INVALID),
    ("priority in an lpm table", INSERT, route(lpm(0, 8), priority=1), INVALID),
    # Action
    ("no action", INSERT, slot(2, backend=None), INVALID),
    ("action of another table", INSERT, slot_with("drop"), INVALID),
    ("default-only action", INSERT, slot_with("NoAction"), DENIED),
    ("parameter missing", INSERT, slot_with("set_backend"), INVALID),
    ("parameter twice", INSERT, parameter(b"\1", b"\1"), INVALID),
    ("unknown parameter", INSERT, parameter(b"\1", param_id=2), INVALID),
    ("member in a direct table", INSERT, member_in_route, INVALID),
    # Other fields of an entry
    ("is_const", INSERT, slot(2, is_const=True), INVALID),
    ("idle timeout where there is none", INSERT, slot(2, idle_timeout_ns=1), INVALID),
    ("negative idle timeout", INSERT, route(lpm(0, 8), idle_timeout_ns=-1), INVALID),
    ("time since last hit", INSERT, route(lpm(0, 8), time_since_last_hit=p4r.TableEntry.IdleTimeout()), INVALID),
    ("counter where there is none", INSERT, route(lpm(0, 8), counter_data=p4r.CounterData()), INVALID),
    ("meter where there is none", INSERT, slot(2, meter_config=p4r.MeterConfig()), INVALID),
    ("table id 0", INSERT, raw("table_entry", table_id=0), INVALID),
    ("unknown table", INSERT, raw("table_entry", table_id=1), INVALID),
    ("there already", INSERT, slot(1, backend=9), "ALREADY_EXISTS"),
    ("not there to modify", MODIFY, slot(2), "NOT_FOUND"),
    ("not there to delete", DELETE, slot(2), "NOT_FOUND"),
    # Default entries
    ("default inserted", INSERT, default("route", "drop"), INVALID),
    ("default deleted", DELETE, default("route", "drop"), INVALID),
    ("default with a priority", MODIFY, default("acl", "drop", priority=1), INVALID),
    ("default with a match", MODIFY, lambda rig: rig.entry("route", lpm(0, 8), is_default_action=True), INVALID),
    ("default with a timeout", MODIFY, default("route", "drop", idle_timeout_ns=1), INVALID),
    ("table-only action as default", MODIFY, default("acl", "to_cpu", 1), DENIED),
    ("default of an indirect table", MODIFY, default("choice", "forward", 1), INVALID),
    ("const default", MODIFY, default("port", "NoAction"), DENIED),
    # Action profiles
    ("member that is not there", INSERT, profile_action(action_profile_member_id=9), "NOT_FOUND"),
    ("group that is not there", INSERT, profile_action(action_profile_group_id=9), "NOT_FOUND"),
    ("action in an indirect table", INSERT, profile_action(action=p4r.Action(action_id=1)), INVALID),
    ("weight 0", INSERT, action_set(0), INVALID),
    ("negative weight", INSERT, action_set(-1), INVALID),
    ("set larger than max_group_size", INSERT, action_set(4, 5), INVALID),
    ("watched port that is not there", INSERT, action_set(1, watch_port=b"\x63"), INVALID),
    ("selection mode", INSERT, action_set(1, action_selection_mode=2), LATER),
    ("member id 0", INSERT, spread("member"), INVALID),
    ("member without action", INSERT, spread("member", member_id=1), INVALID),
    ("unknown profile", INSERT, raw("action_profile_member", action_profile_id=1, member_id=1), INVALID),
    ("group without a selector", INSERT, raw("action_profile_group", action_profile_id="profile", group_id=1), INVALID),
    ("group larger than allowed", INSERT, spread("group", group_id=1, max_size=9), INVALID),
    # Arrays
    ("negative index", MODIFY, counter(-1), INVALID),
    ("index past the end", MODIFY, counter(16), RANGE),
    ("register index past the end", MODIFY, register(8), RANGE),
    ("register data of another type", MODIFY, register(0), INVALID),
    ("meter index past the end", MODIFY, meter(index=p4r.Index(index=4)), RANGE),
    ("eburst of a two-rate meter", MODIFY, meter(config=p4r.MeterConfig(eburst=1)), INVALID),
    ("negative rate", MODIFY, meter(config=p4r.MeterConfig(cir=-1)), INVALID),
    ("committed above peak", MODIFY, meter(config=p4r.MeterConfig(cir=2, pir=1)), INVALID),
    ("colors of a meter", MODIFY, meter(counter_data=p4r.MeterCounterData()), LATER),
    # Replication
    ("multicast group 0", INSERT, replicas("multicast", 0), INVALID),
    ("port past the last", INSERT, replicas("multicast", 1, (512, 0)), INVALID),
    ("instance too large", INSERT, replicas("multicast", 1, (1, 0x10000)), INVALID),
    ("replica twice", INSERT, replicas("multicast", 1, (1, 1), (1, 1)), INVALID),
    ("backup replicas", INSERT, replicas("multicast", 1, (1, 1), backup=True), LATER),
    ("clone session 0", INSERT, replicas("clone", 0), INVALID),
    ("neither group nor session", INSERT, raw("packet_replication_engine_entry"), INVALID),
    # Value sets, digests, externs
    ("too many members", MODIFY, values(1, 2, 3, 4, 5), "RESOURCE_EXHAUSTED"),
    ("member twice", MODIFY, values(1, 1), "ALREADY_EXISTS"),
    ("digest not configured", MODIFY, raw("digest_entry", digest_id="seen_t"), "NOT_FOUND"),
    ("negative digest timeout", INSERT, digest(max_timeout_ns=-1), INVALID),
    ("extern", INSERT, raw("extern_entry", extern_type_id=0x81, entry=any_pb2.Any()), LATER),
    # Updates
    ("no entity", INSERT, lambda rig: p4r.Entity(), INVALID),
    ("no type", 0, slot(2), INVALID),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "make", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_wrong_update_is_refused_with_its_code_and_changes_nothing(
    rig: Rig, client: Client, kind: int, make: Make, code: str
) -> None:
    with pytest.raises(Failed) as refused:
        client.write((kind, make(rig)))
    assert refused.value.code == "UNKNOWN"
    assert refused.value.codes == [code], refused.value.errors
    assert refused.value.errors[0].message
    assert client.read(rig.all_of("slot"), rig.all_of("route"), rig.all_of("acl"), rig.all_of("choice")) == [
        rig.slot(1)
    ]


READS: list[tuple[str, Make, str]] = [
    ("no entity", lambda rig: p4r.Entity(), INVALID),
    ("unknown table", raw("table_entry", table_id=1), INVALID),
    ("a key of all tables", lambda rig: p4r.Entity(table_entry=p4r.TableEntry(priority=1)), INVALID),
    ("counter where there is none", lambda rig: rig.all_of("route", counter_data=p4r.CounterData()), INVALID),
    ("index past the end", counter(16), RANGE),
    ("direct counter of no entry", lambda rig: p4r.Entity(
        direct_counter_entry=p4r.DirectCounterEntry(table_entry=rig.slot(77).table_entry)), "NOT_FOUND"),
    ("direct counter of no table", lambda rig: p4r.Entity(
        direct_counter_entry=p4r.DirectCounterEntry(table_entry=rig.all_of("route").table_entry)), INVALID),
    ("extern", raw("extern_entry", extern_type_id=0x81), "UNIMPLEMENTED"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), [row[1:] for row in READS], ids=[row[0] for row in READS])
def test_a_wrong_read_request_does_not_spoil_the_others(
    rig: Rig, client: Client, make: Make, code: str
) -> None:
    request = p4r.ReadRequest(device_id=1, entities=[rig.all_of("slot"), make(rig), rig.all_of("slot")])
    got: list[p4r.Entity] = []

    def read() -> None:
        for response in client.stub.Read(request, timeout=10):
            got.extend(response.entities)

    with pytest.raises(Failed) as refused:
        client.call(lambda *_, **__: read(), None)
    assert refused.value.codes == ["OK", code, "OK"]
    assert got == [rig.slot(1)] * 2


def test_every_update_of_a_batch_is_tried_and_told_of_in_order(rig: Rig, client: Client) -> None:
    updates = [(INSERT, slot(1)), (INSERT, slot(10)), (INSERT, raw_slot(b"", b"\1")), (INSERT, slot(11))]
    with pytest.raises(Failed) as refused:
        client.write(*((kind, make(rig)) for kind, make in updates))
    assert refused.value.code == "UNKNOWN"
    assert refused.value.codes == ["ALREADY_EXISTS", "OK", "OUT_OF_RANGE", "OK"]
    assert [bool(error.message) for error in refused.value.errors] == [True, False, True, False]
    client.write((DELETE, rig.slot(10)), (DELETE, rig.slot(11)))


def test_a_large_batch_of_failures_keeps_every_code(rig: Rig, client: Client) -> None:
    with pytest.raises(Failed) as refused:
        client.write(*((DELETE, rig.slot(number)) for number in range(100, 2100)))
    assert refused.value.codes == ["NOT_FOUND"] * 2000


@pytest.mark.parametrize("atomicity", [ROLLBACK, ATOMIC])
def test_an_atomic_batch_that_fails_leaves_everything_as_it_was(
    rig: Rig, client: Client, atomicity: int
) -> None:
    marked = rig.slot(20, metadata=b"m", counter_data=p4r.CounterData(packet_count=3, byte_count=4))
    client.write((INSERT, marked), (INSERT, rig.slot(21)), (MODIFY, values(5)(rig)))
    wanted = [
        rig.all_of("slot", counter_data=p4r.CounterData()),
        rig.all_of("route"),
        rig.all_of("route", is_default_action=True),
        counter(2)(rig),
        p4r.Entity(value_set_entry=p4r.ValueSetEntry()),
        p4r.Entity(packet_replication_engine_entry=p4r.PacketReplicationEngineEntry()),
    ]
    before = client.read(*wanted)
    cells = counter(2)(rig)
    cells.counter_entry.data.packet_count = 9
    updates = [
        (DELETE, marked),
        (MODIFY, rig.slot(21, backend=99)),
        (INSERT, rig.slot(22)),
        (INSERT, route(lpm(0, 8))(rig)),
        (MODIFY, default("route", "forward", 2)(rig)),
        (MODIFY, cells),
        (MODIFY, values(6, 7)(rig)),
        (INSERT, replicas("multicast", 3, (1, 1))(rig)),
    ]
    with pytest.raises(Failed) as refused:
        client.write(*updates, (INSERT, rig.slot(1)), (INSERT, rig.slot(23)), atomicity=atomicity)
    assert refused.value.codes == ["ABORTED"] * len(updates) + ["ALREADY_EXISTS", "ABORTED"]
    after = client.read(*wanted)
    assert sorted(map(str, after)) == sorted(map(str, before))
    client.write(*updates, atomicity=atomicity)
    assert client.read(*wanted) != before
    client.set_pipeline()
    client.write((INSERT, rig.slot(1)))


def test_a_full_table_refuses_what_is_too_much(rig: Rig, client: Client) -> None:
    updates = [(INSERT, acl(optional(number, 3))(rig)) for number in range(9)]
    with pytest.raises(Failed) as refused:
        client.write(*updates)
    assert refused.value.codes == ["OK"] * 8 + ["RESOURCE_EXHAUSTED"]
    client.write(*((DELETE, entity) for _, entity in updates[:8]))
