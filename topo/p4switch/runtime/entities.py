"""One entity of a write or read, handed to whatever serves its kind. The caller holds ``Switch.lock``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from finsy.proto import p4r

from topo.p4switch.runtime import direct
from topo.p4switch.runtime.errors import invalid, not_found, unimplemented
from topo.p4switch.runtime.pipeline import Pipeline
from topo.p4switch.runtime.tables import TableServer

Held = TypeVar("Held")

_KINDS = (p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE)


def write(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    """Carry out one update; raises P4Error or StateError, and then nothing has changed."""
    which = entity.WhichOneof("entity")
    if kind not in _KINDS:
        raise invalid(f"update type {kind} is none of INSERT, MODIFY and DELETE")
    if which is None:
        raise invalid("the update has no entity")
    _WRITERS[which](pipeline, kind, entity)


def read(pipeline: Pipeline, wanted: p4r.Entity) -> Iterator[p4r.Entity]:
    """The entities that one request selects; raises P4Error or StateError, perhaps after some of them."""
    which = wanted.WhichOneof("entity")
    if which is None:
        raise invalid("the request has no entity; set the kind that is wanted, empty for all of it")
    return _READERS[which](pipeline, wanted)


def encoded(pipeline: Pipeline, wanted: p4r.Entity) -> Iterator[bytes] | None:
    """As ``read``, each as bytes of ``ReadResponse.entities``; None for requests that have no such short way."""
    if wanted.WhichOneof("entity") != "table_entry":
        return None
    table = pipeline.tables.get(wanted.table_entry.table_id)
    return None if table is None else table.encoded(wanted.table_entry)


def current(pipeline: Pipeline, entity: p4r.Entity) -> list[p4r.Entity]:
    """What an update is about to change, as entities that write it back; empty if it is not there."""
    if entity.WhichOneof("entity") == "table_entry":
        table = _table(pipeline, entity.table_entry.table_id)
        return [p4r.Entity(table_entry=one) for one in table.current(entity.table_entry)]
    return list(read(pipeline, entity))


def everything(pipeline: Pipeline) -> Iterator[p4r.Entity]:
    """All that a controller could have written and that is not at its default, in an order to write it again."""
    for which in ("action_profile_member", "action_profile_group"):
        yield from read(pipeline, _blank(which))
    for table in pipeline.tables.values():
        for message in table.written():
            yield p4r.Entity(table_entry=message)
    for which in ("meter_entry", "packet_replication_engine_entry", "value_set_entry", "digest_entry"):
        yield from read(pipeline, _blank(which))


def _blank(which: str) -> p4r.Entity:
    """A request for all entities of a kind."""
    entity = p4r.Entity()
    getattr(entity, which).SetInParent()
    return entity


def _known(held: dict[int, Held], number: int, kind: str) -> Held:
    found = held.get(number)
    if found is None:
        raise invalid(f"no {kind} has id {number} in the P4Info")
    return found


def _table(pipeline: Pipeline, number: int) -> TableServer:
    name = pipeline.removed.get(number)
    if name is not None:
        raise not_found(
            f"table {name} is in the P4Info, but the compiler removed it: the program has no such table"
        )
    return _known(pipeline.tables, number, "table")


def _chosen(held: dict[int, Held], number: int, kind: str) -> Iterable[Held]:
    """What a read names: one, or with id 0 all."""
    return list(held.values()) if number == 0 else [_known(held, number, kind)]


def _write_table(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    _table(pipeline, entity.table_entry.table_id).write(kind, entity.table_entry)


def _write_member(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.action_profile_member
    _known(pipeline.profiles, wanted.action_profile_id, "action profile").write_member(kind, wanted)


def _write_group(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.action_profile_group
    _known(pipeline.profiles, wanted.action_profile_id, "action profile").write_group(kind, wanted)


def _write_meter(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    _known(pipeline.meters, entity.meter_entry.meter_id, "meter").write(kind, entity.meter_entry)


def _write_counter(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    _known(pipeline.counters, entity.counter_entry.counter_id, "counter").write(kind, entity.counter_entry)


def _write_direct_meter(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.direct_meter_entry
    table = _table(pipeline, wanted.table_entry.table_id)
    direct.write_meter(table, kind, wanted, pipeline.switch)


def _write_direct_counter(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.direct_counter_entry
    direct.write_counter(_table(pipeline, wanted.table_entry.table_id), kind, wanted)


def _write_replication(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    pipeline.replication.write(kind, entity.packet_replication_engine_entry)


def _write_value_set(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.value_set_entry
    _known(pipeline.value_sets, wanted.value_set_id, "value set").write(kind, wanted)


def _write_register(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    wanted = entity.register_entry
    _known(pipeline.registers, wanted.register_id, "register").write(kind, wanted)


def _write_digest(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    with pipeline.digest_lock:
        _known(pipeline.digests, entity.digest_entry.digest_id, "digest").write(kind, entity.digest_entry)


def _write_extern(pipeline: Pipeline, kind: int, entity: p4r.Entity) -> None:
    raise unimplemented("v1model has no extern that is written as an extern entry")


def _read_table(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.table_entry
    if wanted.table_id in pipeline.removed:
        return  # a table that is not there has no entries
    if wanted.table_id:
        for one in _table(pipeline, wanted.table_id).read(wanted):
            yield p4r.Entity(table_entry=one)
        return
    if wanted.match or wanted.priority or wanted.HasField("action"):
        raise invalid("a read of all tables (table_id 0) takes no match, priority or action")
    for table in pipeline.tables.values():
        for one in table.read_all(wanted):
            yield p4r.Entity(table_entry=one)


def _read_member(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.action_profile_member
    for profile in _chosen(pipeline.profiles, wanted.action_profile_id, "action profile"):
        for one in profile.members(wanted.member_id):
            yield p4r.Entity(action_profile_member=one)


def _read_group(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.action_profile_group
    for profile in _chosen(pipeline.profiles, wanted.action_profile_id, "action profile"):
        for one in profile.groups(wanted.group_id):
            yield p4r.Entity(action_profile_group=one)


def _read_meter(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.meter_entry
    for meter in _chosen(pipeline.meters, wanted.meter_id, "meter"):
        for one in meter.read(wanted if wanted.meter_id else p4r.MeterEntry()):
            yield p4r.Entity(meter_entry=one)


def _read_counter(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.counter_entry
    for counter in _chosen(pipeline.counters, wanted.counter_id, "counter"):
        for one in counter.read(wanted if wanted.counter_id else p4r.CounterEntry()):
            yield p4r.Entity(counter_entry=one)


def _tables(pipeline: Pipeline, wanted: p4r.TableEntry, counters: bool) -> Iterable[TableServer]:
    """The tables whose direct counters, or meters, a read names."""
    if wanted.table_id in pipeline.removed:
        return []
    if wanted.table_id:
        return [_table(pipeline, wanted.table_id)]
    held = pipeline.tables.values()
    return [one for one in held if (one.counter if counters else one.meter) is not None]


def _read_direct_counter(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.direct_counter_entry.table_entry
    for table in _tables(pipeline, wanted, counters=True):
        for one in direct.read_counter(table, wanted):
            yield p4r.Entity(direct_counter_entry=one)


def _read_direct_meter(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.direct_meter_entry
    for table in _tables(pipeline, wanted.table_entry, counters=False):
        for one in direct.read_meter(table, wanted):
            yield p4r.Entity(direct_meter_entry=one)


def _read_replication(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    for one in pipeline.replication.read(entity.packet_replication_engine_entry):
        yield p4r.Entity(packet_replication_engine_entry=one)


def _read_value_set(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    for one in _chosen(pipeline.value_sets, entity.value_set_entry.value_set_id, "value set"):
        yield p4r.Entity(value_set_entry=one.read())


def _read_register(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    wanted = entity.register_entry
    for register in _chosen(pipeline.registers, wanted.register_id, "register"):
        for one in register.read(wanted if wanted.register_id else p4r.RegisterEntry()):
            yield p4r.Entity(register_entry=one)


def _read_digest(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    for digest in _chosen(pipeline.digests, entity.digest_entry.digest_id, "digest"):
        with pipeline.digest_lock:
            held = digest.read()
        if held is not None:
            yield p4r.Entity(digest_entry=held)


def _read_extern(pipeline: Pipeline, entity: p4r.Entity) -> Iterator[p4r.Entity]:
    if entity.extern_entry.extern_type_id:
        raise unimplemented("v1model has no extern that is read as an extern entry")
    return iter(())


_WRITERS: dict[str, Callable[[Pipeline, int, p4r.Entity], None]] = {
    "extern_entry": _write_extern,
    "table_entry": _write_table,
    "action_profile_member": _write_member,
    "action_profile_group": _write_group,
    "meter_entry": _write_meter,
    "direct_meter_entry": _write_direct_meter,
    "counter_entry": _write_counter,
    "direct_counter_entry": _write_direct_counter,
    "packet_replication_engine_entry": _write_replication,
    "value_set_entry": _write_value_set,
    "register_entry": _write_register,
    "digest_entry": _write_digest,
}

_READERS: dict[str, Callable[[Pipeline, p4r.Entity], Iterator[p4r.Entity]]] = {
    "extern_entry": _read_extern,
    "table_entry": _read_table,
    "action_profile_member": _read_member,
    "action_profile_group": _read_group,
    "meter_entry": _read_meter,
    "direct_meter_entry": _read_direct_meter,
    "counter_entry": _read_counter,
    "direct_counter_entry": _read_direct_counter,
    "packet_replication_engine_entry": _read_replication,
    "value_set_entry": _read_value_set,
    "register_entry": _read_register,
    "digest_entry": _read_digest,
}
