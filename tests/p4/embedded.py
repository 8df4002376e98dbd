"""The embedded switch in this process, without gRPC: targets go straight into its state, its clock is the test's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import IPv6Address
from typing import TypeVar, cast

import numpy as np

from controller.spec.slots import SlotTable
from controller.spec.types import Address
from p4src.compile import outputs
from p4src.diff import diff
from p4src.ids import Drop, Op, Reason
from p4src.slots import words
from p4src.target import BLOCK, Changes, EntryBody, EntryKey, P4Target, Rate
from tests.fakes.p4slots import slot_body
from tests.p4.box import Counted, Frame, Idle, Punt, Said, Told
from topo.p4switch.engine import Engine
from topo.p4switch.program import load_program
from topo.p4switch.program.model import ActionCall, Program
from topo.p4switch.state import DigestMessage, Entry, MulticastGroup, Replica, Switch, Table

_T = TypeVar("_T")
CPU_PORT = 510
SECOND = 1_000_000_000
PACE = 20_000
"""Nanoseconds of its time that a frame takes: 50,000 a second."""
_PACKET_IN = 14
"""Bytes of header before a packet-in's frame."""


@cache
def program() -> Program:
    """The balancer as p4c compiled it."""
    return load_program(outputs("balancer")[0].read_bytes())


class EmbeddedBox:
    """A ``Box``. ``now`` is its clock in nanoseconds; each frame that is sent moves it on by ``pace``."""

    def __init__(self, name: str = "lb1", pace: int = PACE) -> None:
        self.name = name
        self.now = SECOND
        self.pace = pace
        self.switch = Switch(program(), clock=lambda: self.now)
        self.engine = Engine(self.switch)
        self.held = P4Target()
        self._said: list[Told] = []
        self._tables = _by_alias(self.switch.tables)
        self._actions = _by_alias({action.name: number for number, action in program().actions.items()})
        self.switch.digest_sink = self._digest

    def hold(self, target: P4Target) -> Changes:
        """See ``Box``."""
        changes = diff(self.held, target)
        with self.switch.lock:
            self._write(changes)
        self.held = target
        return changes

    def send(self, frames: Sequence[Frame]) -> list[Frame]:
        """See ``Box``."""
        out: list[Frame] = []
        process, pace = self.engine.process, self.pace
        for port, frame in frames:
            self.now += pace
            out += process(port, frame)
        if any(port == CPU_PORT for port, _ in out):
            self._said += [_punt(frame) for port, frame in out if port == CPU_PORT]
            out = [each for each in out if each[0] != CPU_PORT]
        assert not self.engine.failures, "the program failed; see the log"
        return out

    def packet_out(self, frame: bytes, op: Op, port: int = 0) -> list[Frame]:
        """See ``Box``."""
        head = port.to_bytes(2, "big") + bytes([op]) + bytes(9)
        return self.send([(CPU_PORT, head + frame)])

    def told(self) -> list[Told]:
        """See ``Box``."""
        for notice in self.switch.idle_notices():
            listener, client, port = (part for part in notice.entry.key if isinstance(part, int))
            self._said.append(Idle(listener, address(client), port))
        said, self._said = self._said, []
        return said

    def drops(self) -> Mapping[Drop, int]:
        """See ``Box``."""
        counted = self.switch.counters["drops"]
        return {drop: counted.get(drop)[0] for drop in Drop}

    def counted(self) -> Counted:
        """See ``Box``."""
        denied: dict[int, int] = {}
        for key, body in self.held.entries.items():
            if key.table == "access" and body.action == BLOCK:
                number = cast(int, key.match[0])
                denied[number] = denied.get(number, 0) + self._hits(key)
        over = {
            cast(int, key.match[0]): self._hits(key) for key in self.held.entries if key.table == "guard_over"
        }
        return Counted(denied, over)

    def _hits(self, key: EntryKey) -> int:
        return next(entry.packets for entry in self._tables[key.table].entries() if entry.key == key.match)

    def sleep(self, seconds: float) -> None:
        """See ``Box``."""
        self.now += round(seconds * SECOND)

    def close(self) -> None:
        """See ``Box``."""
        self.switch.detach()

    def register(self, name: str) -> list[int]:
        """Cells of a register array, live."""
        return self.switch.registers[name].cells

    def _digest(self, message: DigestMessage) -> None:
        reason, listener, client, port, backend = message.values
        self._said.append(Said(Reason(reason), listener, address(client), port, backend))

    def _write(self, changes: Changes) -> None:
        if changes.configuration is not None:
            call = ActionCall(self._actions["configure"], tuple(changes.configuration))
            self._tables["self"].set_default(call)
        for index, rate in changes.limits.items():
            self.switch.meters["limits"].set(index, _meter(rate), self.now)
        replication = self.switch.replication
        for number, ports, new in changes.multicast:
            write = replication.insert_group if new else replication.modify_group
            write(MulticastGroup(number, tuple(map(Replica, ports))))
        for key, body, new in changes.put:
            self._put(self._tables[key.table], key, body, new)
        for pool, old, table in changes.slots:
            self._slots(pool, old, table)
        for key in changes.gone:
            self._tables[key.table].delete(key.match)
        for number in changes.multicast_gone:
            replication.delete_group(number)

    def _put(self, table: Table, key: EntryKey, body: EntryBody, new: bool) -> None:
        call = ActionCall(self._actions[body.action], body.params)
        write = table.insert if new else table.modify
        entry: Entry = write(key.match, call, now=self.now, idle_timeout_ns=body.idle * SECOND)
        if body.meter is not None:
            table.set_meter(entry, _meter(body.meter), self.now)

    def _slots(self, pool: int, old: SlotTable | None, new: SlotTable | None) -> None:
        table = self._tables["slot"]
        size = max(len(each.now) for each in (old, new) if each is not None)
        had, want = words(old, size), words(new, size)
        for slot in np.flatnonzero(had != want).tolist():
            key, body = (pool, slot), slot_body(int(want[slot]))
            if body is None:
                table.delete(key)
                continue
            call = ActionCall(self._actions[body.action], body.params)
            if had[slot]:
                table.modify(key, call, now=self.now)
            else:
                table.insert(key, call, now=self.now)


def address(number: int) -> Address:
    """An address as the pipeline carries it."""
    found = IPv6Address(number)
    return found.ipv4_mapped or found


def _by_alias(named: Mapping[str, _T]) -> dict[str, _T]:
    return {name.rsplit(".", 1)[-1]: each for name, each in named.items() if name.startswith("Incoming.")}


def _meter(rate: Rate) -> tuple[tuple[float, int], ...]:
    return ((rate.rate, rate.burst), (rate.rate, rate.burst))


def _punt(frame: bytes) -> Punt:
    port, reason = int.from_bytes(frame[:2], "big"), Reason(frame[2])
    listener, backend = int.from_bytes(frame[4:6], "big"), int.from_bytes(frame[6:8], "big")
    return Punt(reason, port, listener, backend, frame[_PACKET_IN:])
