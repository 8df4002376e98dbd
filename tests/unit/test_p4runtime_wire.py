"""The driver's own bytes against protobuf's, the order of writing, and reading what is not as expected."""

from __future__ import annotations

import numpy as np
import pytest
from finsy.proto import p4r

from controller.southbound.p4.batch import BATCH, Batch, waves
from controller.southbound.p4.pipeline import Table, balancer
from controller.southbound.p4.read import Reader, requests, split
from controller.southbound.p4.wire import Encoder, rate_of, slot_deletes, slot_puts
from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.slots import table, words
from p4src.target import ORDER, Changes, EntryBody, EntryKey, P4Target, Rate
from tests.fakes.p4driven import CONFIGURATION, entries, slots, target
from tests.fakes.p4slots import slot_body

PIPELINE = balancer()
ENCODER = Encoder(PIPELINE)
_REPLICATION = "packet_replication_engine_entry"


def octets(value: int) -> bytes:
    return value.to_bytes(max(1, -(-value.bit_length() // 8)), "big")


def as_protobuf(key: EntryKey, body: EntryBody | None) -> p4r.TableEntry:
    """An entry made of protobuf's objects."""
    table = PIPELINE.tables[key.table]
    entry = p4r.TableEntry(table_id=table.id)
    add_match(entry, table, key)
    if body is None:
        return entry
    action = PIPELINE.actions[body.action]
    entry.action.action.action_id = action.id
    for number, value in zip(action.params, body.params, strict=True):
        entry.action.action.params.add(param_id=number, value=octets(value))
    if body.idle:
        entry.idle_timeout_ns = body.idle * 10**9
    if body.meter is not None:
        rate, burst = body.meter
        entry.meter_config.CopyFrom(p4r.MeterConfig(cir=rate & 1, cburst=burst, pir=rate, pburst=burst))
    return entry


def add_match(entry: p4r.TableEntry, table: Table, key: EntryKey) -> None:
    for field, value in zip(table.fields, key.match, strict=True):
        if isinstance(value, int):
            entry.match.add(field_id=field.id).exact.value = octets(value)
        elif value[1]:
            match = entry.match.add(field_id=field.id)
            match.lpm.value, match.lpm.prefix_len = octets(value[0]), value[1]


def as_request(kind: p4r.Update.Type.ValueType, entry: p4r.TableEntry) -> bytes:
    request = p4r.WriteRequest()
    request.updates.add(type=kind).entity.table_entry.CopyFrom(entry)
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(("key", "body"), list(entries().items()), ids=lambda x: getattr(x, "table", ""))
def test_entries_are_the_bytes_that_protobuf_makes(key: EntryKey, body: EntryBody) -> None:
    for new, kind in ((True, p4r.Update.INSERT), (False, p4r.Update.MODIFY)):
        assert ENCODER.put(key, body, new) == as_request(kind, as_protobuf(key, body))
    assert ENCODER.delete(key) == as_request(p4r.Update.DELETE, as_protobuf(key, None))


def test_configuration_is_a_default_action_and_a_limit_is_a_meter_of_the_array() -> None:
    entry = as_protobuf(EntryKey("self", ()), EntryBody("configure", tuple(CONFIGURATION)))
    entry.is_default_action = True
    assert ENCODER.configure(CONFIGURATION) == as_request(p4r.Update.MODIFY, entry)
    for index in (0, 1, 15):
        request = p4r.WriteRequest.FromString(ENCODER.limit(index, Rate(1001, 7)))
        meter = request.updates[0].entity.meter_entry
        assert request.updates[0].type == p4r.Update.MODIFY
        assert (meter.meter_id, meter.index.index) == (PIPELINE.numbers["limits"], index)
        assert (meter.config.pir, meter.config.pburst) == (1001, 7)


def test_an_entry_that_the_program_does_not_have_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="table vip: 2 fields, expected 1"):
        ENCODER.delete(EntryKey("vip", (1, 2)))
    with pytest.raises(ValueError, match="action dr: 1 parameters, expected 2"):
        ENCODER.put(EntryKey("backend", (1, 2)), EntryBody("dr", (1,)), True)


@pytest.mark.parametrize("pool", [1, 255, 256, 65535])
def test_slots_in_bulk_are_the_updates_that_protobuf_makes_one_by_one(pool: int) -> None:
    have, want = words(slots(), 512), np.roll(words(slots(), 512), 258)
    want[np.arange(0, 512, 7)] = have[np.arange(0, 512, 7)]
    wide = [table(each) for each in (have, want)]
    found: dict[bytes, int] = {}
    for make in (slot_puts, slot_deletes):
        for group in make(PIPELINE, pool, wide[0], wide[1]):
            for slot, row in zip(group.slots, group.rows, strict=True):
                found[row.tobytes()] = int(slot)
    expected = {}
    for slot in range(512):
        old, new = slot_body(int(have[slot])), slot_body(int(want[slot]))
        if old == new:
            continue
        key = EntryKey("slot", (pool, slot))
        kind = p4r.Update.DELETE if new is None else p4r.Update.MODIFY if old else p4r.Update.INSERT
        entry = as_protobuf(key, new)
        expected[as_request(kind, entry)] = slot
    assert found == expected


def test_changes_go_in_order_and_tables_do_not_share_a_write() -> None:
    names = [[batch.name(n) for n in range(batch.count)] for batch in all_batches(diff(P4Target(), target()))]
    assert set(names[0]) == {"configuration", "meter 1", "meter 15"}
    assert names[1] == ["multicast group 2", "multicast group 301"]
    tables = [{name.partition("(")[0] for name in batch} for batch in names[2:]]
    assert all(len(one) == 1 for one in tables)
    order = [*ORDER[: ORDER.index("listener")], "slot", *ORDER[ORDER.index("listener") :]]
    # What blocks waits for what allows.
    order.insert(order.index("access"), "access")
    assert [one.pop() for one in tables] == order
    gone = diff(target(), P4Target())
    deleted = [batch.name(0).partition("(")[0] for batch in all_batches(gone)]
    assert deleted == [*order[::-1], "multicast group 2"]


def test_updates_are_named_by_their_number_across_batches() -> None:
    keys = [EntryKey("frame", (number,)) for number in range(BATCH + 2)]
    table = SlotTable(np.full(BATCH + 10, 300, np.uint16), np.zeros(BATCH + 10, np.uint16))
    changes = Changes(
        put=tuple((key, EntryBody("to", (1,)), True) for key in keys), slots=((3, None, table),)
    )
    batches = all_batches(changes)
    assert [batch.count for batch in batches] == [BATCH, 2, BATCH, 10]
    assert batches[1].name(1) == f"frame({BATCH + 1:#x})"
    for batch in batches:
        updates = p4r.WriteRequest.FromString(batch.body).updates
        assert len(updates) == batch.count
        for number in (0, 255, batch.count - 1):
            if number < batch.count:
                last = updates[number].entity.table_entry.match[-1].exact.value
                assert batch.name(number).endswith(f"{int.from_bytes(last, 'big'):#x})")


def all_batches(changes: Changes) -> list[Batch]:
    return [batch for wave in waves(PIPELINE, ENCODER, changes) for batch in wave]


def answer(*batches: bytes) -> p4r.ReadResponse:
    """What a switch answers that was given these updates."""
    updates = [u for body in batches for u in p4r.WriteRequest.FromString(body).updates]
    return p4r.ReadResponse(entities=[update.entity for update in updates])


def slot_answer() -> p4r.ReadResponse:
    rows = slot_puts(PIPELINE, 7, None, slots())
    return answer(*(group.rows.tobytes() for group in rows))


def read_slots(*bodies: bytes) -> dict[int, SlotTable]:
    return dict(Reader(PIPELINE).found(bodies, []).target.slots)


def test_slots_are_read_from_several_answers() -> None:
    entities = slot_answer().entities
    halves = [p4r.ReadResponse(entities=part) for part in (entities[:100], entities[100:])]
    assert read_slots(*(half.SerializeToString() for half in halves)) == {7: slots()}
    assert read_slots(b"") == {}
    assert read_slots() == {}


def test_slots_with_padded_values_are_read_all_the_same() -> None:
    """Values with leading zeros are not canonical, but some switches write them."""
    response = slot_answer()
    for number, entity in enumerate(response.entities):
        if number % 2:
            for match in entity.table_entry.match:
                match.exact.value = match.exact.value.rjust(2, b"\0")
        if number % 3 == 0:
            for param in entity.table_entry.action.action.params:
                param.value = param.value.rjust(4, b"\0")
    assert read_slots(response.SerializeToString()) == {7: slots()}


def test_slots_with_more_fields_than_expected_are_read_all_the_same() -> None:
    response = slot_answer()
    for entity in response.entities[::5]:
        entity.table_entry.time_since_last_hit.elapsed_ns = 5
    for entity in response.entities[::7]:
        entity.table_entry.metadata = b"m" * 100
    assert read_slots(response.SerializeToString()) == {7: slots()}


def test_what_looks_like_a_slot_inside_of_another_one_is_not_taken_for_one() -> None:
    response = slot_answer()
    inner = response.entities[0].SerializeToString()
    response.entities[3].table_entry.metadata = inner
    assert read_slots(response.SerializeToString()) == {7: slots()}


def test_what_is_no_entity_is_an_error() -> None:
    with pytest.raises(ValueError, match="tag 0x12 at byte 0"):
        list(split(b"\x12\x01\x00"))


def test_long_entities_are_split_where_they_end() -> None:
    response = p4r.ReadResponse()
    for size in (1, 127, 128, 20_000, 3):
        response.entities.add().table_entry.metadata = b"x" * size
    found = [p4r.Entity.FromString(item) for item in split(response.SerializeToString())]
    assert found == list(response.entities)


def test_what_was_read_before_is_known_and_what_is_gone_is_forgotten() -> None:
    reader = Reader(PIPELINE)
    pins = {key: body for key, body in entries().items() if key.table == "pin"}
    for want in (pins, dict(list(pins.items())[:1]), {}):
        body = answer(*(ENCODER.put(*item, True) for item in want.items())).SerializeToString()
        assert reader.found([], [body]).target.entries == want
        assert reader.found([], [body]).target.entries == want


def test_a_rate_that_lost_a_packet_to_rounding_is_read_as_written() -> None:
    for rate in range(100):
        given = p4r.MeterConfig(cir=rate & 1, cburst=5, pir=rate, pburst=5)
        assert rate_of(given) == Rate(rate, 5)
        if rate > 1:
            given.pir -= 1
            assert rate_of(given) == Rate(rate, 5)


def test_a_rate_that_somebody_else_wrote_is_read_as_it_is() -> None:
    assert rate_of(p4r.MeterConfig(cir=100, cburst=5, pir=201, pburst=6)) == Rate(201, 6)


def test_requests_ask_for_everything_that_a_target_holds() -> None:
    slots_asked, rest = (p4r.ReadRequest.FromString(one) for one in requests(PIPELINE, 3))
    assert [e.table_entry.table_id for e in slots_asked.entities] == [PIPELINE.tables["slot"].id]
    asked = {
        PIPELINE.tables_by_id[e.table_entry.table_id].name for e in rest.entities if e.HasField("table_entry")
    }
    assert asked == {*ORDER, "self"}
    groups = [e.packet_replication_engine_entry for e in rest.entities if e.HasField(_REPLICATION)]
    assert [each.WhichOneof("type") for each in groups] == ["multicast_group_entry"]


@pytest.mark.parametrize("replica", [p4r.Replica(egress_port=300), p4r.Replica(port=b"\x01\x2c")])
def test_a_multicast_group_is_read_whichever_way_the_switch_names_its_ports(replica: p4r.Replica) -> None:
    entity = p4r.Entity()
    group = entity.packet_replication_engine_entry.multicast_group_entry
    group.multicast_group_id = 9
    group.replicas.extend([replica, p4r.Replica(egress_port=7, instance=5)])
    body = p4r.ReadResponse(entities=[entity]).SerializeToString()
    assert Reader(PIPELINE).found([], [body]).target.multicast == {9: (7, 300)}
