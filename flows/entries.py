"""What a switch holds: flows, groups and meters as values, and the target of one switch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from controller.spec.shards import Shards
from flows.actions import Action, instructions
from flows.match import Match

if TYPE_CHECKING:
    from controller.spec.slots import SlotTable


SELECT, FAST_FAILOVER = 1, 3
"""Types of groups."""


class FlowKey(NamedTuple):
    """What makes a flow the same flow."""

    table: int
    priority: int
    match: Match


@dataclass(frozen=True, slots=True)
class FlowBody:
    """What a flow does."""

    instructions: bytes
    cookie: int
    idle: int = 0
    """Idle timeout, seconds; 0: none."""
    hard: int = 0
    """Hard timeout, seconds; such a flow is a lease that has to be renewed."""
    notify: bool = False
    """Send FLOW_REMOVED when it ends."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One entry of a table."""

    key: FlowKey
    body: FlowBody


def flow(
    table: int,
    priority: int,
    match: Match,
    actions: Sequence[Action] = (),
    *,
    cookie: int,
    goto: int | None = None,
    meter: int | None = None,
    idle: int = 0,
    hard: int = 0,
    notify: bool = False,
) -> Flow:
    """Build a flow from actions; no actions and no goto: drop."""
    body = FlowBody(instructions(actions, goto, meter), cookie, idle, hard, notify)
    return Flow(FlowKey(table, priority, match), body)


ANY = 0xFFFFFFFF
"""No port, no group."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One choice of a group."""

    watch_port: int
    actions: bytes
    weight: int = 0
    """Means something in select groups alone."""
    watch_group: int = ANY
    """The bucket is also live while this group is."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group; a fast-failover group goes by the first of its buckets whose port is live, a select group by a hash."""

    id: int
    buckets: tuple[Bucket, ...]
    type: int = FAST_FAILOVER


@dataclass(frozen=True, slots=True)
class Meter:
    """A drop meter: ``rate`` and ``burst`` in packets per second and packets."""

    id: int
    rate: int
    burst: int


@dataclass(frozen=True)
class Target:
    """All that evenkeel wants on one switch. Other people's entries are not part of it."""

    flows: Mapping[FlowKey, FlowBody] = field(default_factory=dict)
    groups: Mapping[int, Group] = field(default_factory=dict)
    meters: Mapping[int, Meter] = field(default_factory=dict)
    slots: Mapping[int, SlotTable] = field(default_factory=dict)
    """Slot table per pool id: too large to be flows in Python."""
    entry: Mapping[FlowKey, FlowBody] | None = field(default=None, compare=False, repr=False)
    """Those of ``flows`` that are in the entry table, where all leases are; None: they were not kept apart."""

    def in_table(self, entry: int) -> Mapping[FlowKey, FlowBody]:
        """The flows of the entry table, which has this number."""
        if self.entry is not None:
            return self.entry
        return {key: body for key, body in self.flows.items() if key.table == entry}

    def without(self, places: Collection[FlowKey]) -> Target:
        """The same without these flows."""
        if isinstance(self.flows, Shards):
            return replace(self, flows=self.flows.changed({}, places), entry=None)
        flows = {key: body for key, body in self.flows.items() if key not in places}
        return replace(self, flows=flows, entry=None)
