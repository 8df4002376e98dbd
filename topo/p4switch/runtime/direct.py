"""Direct counters and meters over P4Runtime, as entities of their own beside their table's entries."""

from __future__ import annotations

from collections.abc import Iterator

from finsy.proto import p4r

from topo.p4switch.errors import NotFound
from topo.p4switch.runtime import meters
from topo.p4switch.runtime.errors import invalid, unimplemented
from topo.p4switch.runtime.tables import TableServer
from topo.p4switch.state import Entry, Switch

MODIFY = p4r.Update.Type.MODIFY


def write_counter(table: TableServer, kind: int, wanted: p4r.DirectCounterEntry) -> None:
    """Set an entry's counter; without data nothing changes. The caller holds ``Switch.lock``."""
    _check(kind, table.counter is not None, f"{table.what}: direct counter")
    entry = table.find(wanted.table_entry)
    if wanted.HasField("data"):
        entry.packets, entry.bytes = wanted.data.packet_count, wanted.data.byte_count


def write_meter(table: TableServer, kind: int, wanted: p4r.DirectMeterEntry, switch: Switch) -> None:
    """Configure an entry's meter; without a config it is green for every packet."""
    _check(kind, table.meter is not None, f"{table.what}: direct meter")
    _check_colors(table, wanted)
    assert table.meter is not None
    config = meters.config(wanted.config, table.meter.spec, table.what) if wanted.HasField("config") else None
    table.table.set_meter(table.find(wanted.table_entry), config, switch.clock())


def read_counter(table: TableServer, wanted: p4r.TableEntry) -> Iterator[p4r.DirectCounterEntry]:
    """The counters of the entries that ``wanted`` names: one by its key, or all of the table."""
    if table.counter is None:
        raise invalid(f"{table.what} has no direct counter")
    for entry in _named(table, wanted):
        made = p4r.DirectCounterEntry(table_entry=table.identity(entry))
        made.data.packet_count, made.data.byte_count = entry.packets, entry.bytes
        yield made


def read_meter(table: TableServer, wanted: p4r.DirectMeterEntry) -> Iterator[p4r.DirectMeterEntry]:
    """The meters of the entries that are named; an unconfigured one has no config."""
    if table.meter is None:
        raise invalid(f"{table.what} has no direct meter")
    _check_colors(table, wanted)
    for entry in _named(table, wanted.table_entry):
        made = p4r.DirectMeterEntry(table_entry=table.identity(entry))
        if entry.meter is not None and entry.meter.config is not None:
            made.config.CopyFrom(meters.message(entry.meter.config))
        yield made


def _named(table: TableServer, wanted: p4r.TableEntry) -> Iterator[Entry]:
    """Raises errors.NotFound if a key is given and no entry has it."""
    found = False
    for entry in table.selected(wanted):
        found = True
        yield entry
    if wanted.match and not found:
        raise NotFound(f"{table.what}: no such entry")


def _check(kind: int, has: bool, what: str) -> None:
    if not has:
        raise invalid(f"{what}: the table has none")
    if kind != MODIFY:
        raise invalid(f"{what}: it comes and goes with its entry; MODIFY it")


def _check_colors(table: TableServer, wanted: p4r.DirectMeterEntry) -> None:
    if wanted.HasField("counter_data"):
        raise unimplemented(f"{table.what}: meters do not count colors here")
