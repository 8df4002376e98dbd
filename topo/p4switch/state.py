"""What a running program holds and control planes read and write, under one lock.

Everything here may be used by any thread that holds `Switch.lock`; the data plane holds it for a batch of
packets at a time. Names are the program's own (`ingress.pin`), as the P4Info has them. What writes refuse
they refuse with a subclass of `errors.StateError`, whose `code` names the gRPC status.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from topo.p4switch.arrays import CounterArray, Meter, MeterArray, MeterConfig, RegisterArray, ValueSet
from topo.p4switch.entries import Entry, MatchKey, MatchValue
from topo.p4switch.errors import NotFound, StateError
from topo.p4switch.profiles import Group, GroupMember, Member, Profile
from topo.p4switch.program.model import ActionCall, Program
from topo.p4switch.refs import NO_ACTION, ActionRef, GroupRef, MemberRef, OneShot, WeightedAction
from topo.p4switch.replication import CloneSession, MulticastGroup, Ports, Replica, Replication
from topo.p4switch.tables import Table

__all__ = [
    "NO_ACTION",
    "ActionCall",
    "ActionRef",
    "CloneSession",
    "CounterArray",
    "DigestMessage",
    "Entry",
    "Group",
    "GroupMember",
    "GroupRef",
    "IdleNotice",
    "MatchKey",
    "MatchValue",
    "Member",
    "MemberRef",
    "Meter",
    "MeterArray",
    "MeterConfig",
    "MulticastGroup",
    "OneShot",
    "Ports",
    "Profile",
    "RegisterArray",
    "Replica",
    "Replication",
    "StateError",
    "Switch",
    "Table",
    "ValueSet",
    "WeightedAction",
]


@dataclass(frozen=True)
class DigestMessage:
    """One digest as the data plane made it: the values in declared order, and the switch clock in ns."""

    learn_id: int
    name: str
    values: tuple[int, ...]
    time_ns: int


@dataclass(frozen=True)
class IdleNotice:
    """An entry whose idle timeout has passed."""

    table: Table
    entry: Entry


class Switch:
    """The state of one loaded program.

    `tables`, `profiles`, `counters` (indirect), `meters` (indirect), `registers` and `value_sets` are by
    name. `ports` outlives the program when it is given. `digest_sink` is called for each digest by the data
    plane, with the lock held: it must not block; None throws digests away. `clock` gives ns that only grow.
    """

    def __init__(
        self,
        program: Program,
        ports: Ports | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The state a program starts with: declared entries and defaults in place, the rest zero."""
        self.program = program
        self.clock = clock
        self.lock = threading.RLock()
        self.ports = ports if ports is not None else Ports()
        self.profiles = {
            name: Profile(definition, program.actions, self.ports.is_up)
            for name, definition in program.profiles.items()
        }
        self.tables = {
            name: Table(
                definition,
                program.actions,
                self.profiles[definition.profile] if definition.profile else None,
                program.meters[definition.direct_meter] if definition.direct_meter else None,
            )
            for name, definition in program.tables.items()
        }
        self.counters = {n: CounterArray(d) for n, d in program.counters.items() if not d.direct}
        self.meters = {n: MeterArray(d) for n, d in program.meters.items() if not d.direct}
        self.registers = {n: RegisterArray(d) for n, d in program.registers.items()}
        self.value_sets = {n: ValueSet(d) for n, d in program.value_sets.items()}
        self.replication = Replication(self.ports)
        self.digest_sink: Callable[[DigestMessage], None] | None = None
        self.ports.watch(self._port_changed)

    def table(self, name: str) -> Table:
        """The table of that name, or NotFound."""
        found = self.tables.get(name)
        if found is None:
            raise NotFound(f"no table {name} in the program")
        return found

    def table_of_direct_counter(self, name: str) -> Table:
        """The table a direct counter belongs to, or NotFound."""
        definition = self.program.counters.get(name)
        if definition is None or not definition.direct or definition.binding is None:
            raise NotFound(f"no direct counter {name} in the program")
        return self.table(definition.binding)

    def table_of_direct_meter(self, name: str) -> Table:
        """The table a direct meter belongs to, or NotFound."""
        definition = self.program.meters.get(name)
        if definition is None or not definition.direct or definition.binding is None:
            raise NotFound(f"no direct meter {name} in the program")
        return self.table(definition.binding)

    def idle_notices(self, now: int | None = None) -> list[IdleNotice]:
        """Entries that have been idle for their timeout, each told once until hit or modified again.

        To be asked periodically; only tables with idle timeouts are looked at.
        """
        at = self.clock() if now is None else now
        return [
            IdleNotice(table, entry)
            for table in self.tables.values()
            if table.definition.support_timeout
            for entry in table.idle_entries(at)
        ]

    def digest(self, learn_id: int, name: str, values: tuple[int, ...], now: int) -> None:
        """Hand one digest to the sink; the data plane calls this."""
        if self.digest_sink is not None:
            self.digest_sink(DigestMessage(learn_id, name, values, now))

    def detach(self) -> None:
        """Stop following the ports, when another program takes this one's place."""
        self.ports.unwatch(self._port_changed)

    def _port_changed(self, port: int, up: bool) -> None:
        """Recompute every selector's live members: a dead port's members get no packets from here on."""
        with self.lock:
            for profile in self.profiles.values():
                profile.refresh()
