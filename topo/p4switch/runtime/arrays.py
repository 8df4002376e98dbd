"""Indirect counters, meters and registers over P4Runtime: cells by index, or a whole array at once."""

from __future__ import annotations

from collections.abc import Iterator

from finsy.proto import p4i, p4r

from topo.p4switch.runtime import meters
from topo.p4switch.runtime.errors import invalid, out_of_range, unimplemented
from topo.p4switch.runtime.values import DataType
from topo.p4switch.state import CounterArray, MeterArray, RegisterArray, Switch

MODIFY = p4r.Update.Type.MODIFY


def _indices(entry: p4r.CounterEntry | p4r.MeterEntry | p4r.RegisterEntry, size: int, what: str) -> range:
    """The cells that an entry names: one, or all without an index."""
    if not entry.HasField("index"):
        return range(size)
    index = entry.index.index
    if index < 0:
        raise invalid(f"{what}: index {index} is negative")
    if index >= size:
        raise out_of_range(f"{what}: index {index} is not in 0..{size - 1}")
    return range(index, index + 1)


def _modify_only(kind: int, what: str) -> None:
    if kind != MODIFY:
        raise invalid(f"{what}: cells are always there; MODIFY them")


class CounterServer:
    """One counter array. The caller holds ``Switch.lock``."""

    def __init__(self, array: CounterArray, declared: p4i.Counter) -> None:
        """The array in the data plane, and what P4Info calls it."""
        self.id = declared.preamble.id
        self.what = f"counter {declared.preamble.name}"
        self._array = array

    def write(self, kind: int, entry: p4r.CounterEntry) -> None:
        """Set cells; without data nothing changes."""
        _modify_only(kind, self.what)
        cells = _indices(entry, len(self._array), self.what)
        if not entry.HasField("data"):
            return
        for index in cells:
            self._array.set(index, entry.data.packet_count, entry.data.byte_count)

    def read(self, wanted: p4r.CounterEntry) -> Iterator[p4r.CounterEntry]:
        """The cells that a request names."""
        for index in _indices(wanted, len(self._array), self.what):
            packets, octets = self._array.get(index)
            made = p4r.CounterEntry(counter_id=self.id, index=p4r.Index(index=index))
            made.data.packet_count, made.data.byte_count = packets, octets
            yield made


class MeterServer:
    """One meter array. The caller holds ``Switch.lock``."""

    def __init__(self, switch: Switch, array: MeterArray, declared: p4i.Meter) -> None:
        """The array in the data plane, and what P4Info says of it."""
        self.id = declared.preamble.id
        self.what = f"meter {declared.preamble.name}"
        self._switch = switch
        self._array = array
        self._spec = declared.spec

    def write(self, kind: int, entry: p4r.MeterEntry) -> None:
        """Configure cells; without a config they become green for every packet."""
        _modify_only(kind, self.what)
        self._check_colors(entry)
        config = meters.config(entry.config, self._spec, self.what) if entry.HasField("config") else None
        now = self._switch.clock()
        for index in _indices(entry, len(self._array), self.what):
            self._array.set(index, config, now)

    def read(self, wanted: p4r.MeterEntry) -> Iterator[p4r.MeterEntry]:
        """The cells that a request names; an unconfigured one has no config."""
        self._check_colors(wanted)
        for index in _indices(wanted, len(self._array), self.what):
            made = p4r.MeterEntry(meter_id=self.id, index=p4r.Index(index=index))
            config = self._array.get(index)
            if config is not None:
                made.config.CopyFrom(meters.message(config))
            yield made

    def _check_colors(self, entry: p4r.MeterEntry) -> None:
        if entry.HasField("counter_data"):
            raise unimplemented(f"{self.what}: meters do not count colors here")


class RegisterServer:
    """One register array. The caller holds ``Switch.lock``."""

    def __init__(self, array: RegisterArray, declared: p4i.Register, data: DataType) -> None:
        """``data``: the type of a cell, which v1model keeps as one number."""
        self.id = declared.preamble.id
        self.what = f"register {declared.preamble.name}"
        self._array = array
        self._data = data

    def write(self, kind: int, entry: p4r.RegisterEntry) -> None:
        """Set cells."""
        _modify_only(kind, self.what)
        cells = _indices(entry, len(self._array), self.what)
        leaves = self._data.decode(entry.data)
        if len(leaves) != 1:
            raise unimplemented(f"{self.what}: cells of more than one number are not supported")
        if len(cells) == len(self._array):
            self._array.set(0, leaves[0])
            self._array.fill(leaves[0])
        else:
            self._array.set(cells[0], leaves[0])

    def read(self, wanted: p4r.RegisterEntry) -> Iterator[p4r.RegisterEntry]:
        """The cells that a request names."""
        for index in _indices(wanted, len(self._array), self.what):
            data = self._data.encode([self._array.get(index)])
            yield p4r.RegisterEntry(register_id=self.id, index=p4r.Index(index=index), data=data)
