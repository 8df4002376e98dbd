"""What a P4 switch holds: table entries, slot tables and meters as values. Names are those of the P4Info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.spec.slots import SlotTable

Match = int | tuple[int, int]
"""Exact: the value; lpm: (value, prefix length)."""


BLOCK = "block"
"""The action of entries of ``access`` that drop."""


class EntryKey(NamedTuple):
    """What makes an entry the same entry."""

    table: str
    """Alias of the table; ``slot`` is not among them (see ``P4Target.slots``)."""
    match: tuple[Match, ...]
    """In the order of the table's fields; an lpm field of prefix length 0 is written as (0, 0)."""


class Rate(NamedTuple):
    """A meter: packets per second, and how many may come at once."""

    rate: int
    burst: int


class EntryBody(NamedTuple):
    """What an entry does."""

    action: str
    params: tuple[int, ...] = ()
    idle: int = 0
    """Idle timeout, seconds; 0: none."""
    meter: Rate | None = None
    """The entry's direct meter, in tables that have one."""


class Configuration(NamedTuple):
    """The only entry of table ``self``: its default action's parameters."""

    mac: int
    key: int
    """128 bits."""
    key_ports: int
    cells_mask: int
    embryo: int
    """Ticks, as the next two."""
    closing: int
    closed: int


@dataclass(frozen=True)
class P4Target:
    """Everything that a switch should hold, or was read to hold."""

    entries: Mapping[EntryKey, EntryBody] = field(default_factory=dict)
    configuration: Configuration | None = None
    limits: Mapping[int, Rate] = field(default_factory=dict)
    """Meter ``limits`` by index (REASON_* in ``shared/ids.p4``)."""
    slots: Mapping[int, SlotTable] = field(default_factory=dict)
    """By pool number; a slot of which nothing is said has no entry. ``watched``, ``young`` and ``former`` mean nothing
    here."""
    multicast: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Ports of each multicast group, in ascending order."""


class Found(NamedTuple):
    """What was read from a switch."""

    target: P4Target
    packets: Mapping[tuple[int, int], tuple[int, int]]
    """(listener, backend) -> packets, bytes."""
    sessions: Mapping[tuple[int, int], tuple[int, int]]
    """(listener, backend) -> connections opened, ended."""
    denied: Mapping[int, int]
    """Listener -> packets that its access list blocked."""
    over: Mapping[int, int]
    """Guard -> packets over its rate."""
    drops: Mapping[int, int]
    """Packets by DROP_* (``shared/ids.p4``)."""
    lost: Mapping[int, int]
    """Reports over their rate by REASON_*."""


@dataclass(frozen=True)
class Changes:
    """The difference between two targets, in the order in which it must be written.

    First what is new or different, in the order of ``ORDER`` (what others point to comes first), then deletions in the
    reverse order.
    """

    put: tuple[tuple[EntryKey, EntryBody, bool], ...] = ()
    """(key, body, whether it is new)."""
    slots: tuple[tuple[int, SlotTable | None, SlotTable | None], ...] = ()
    """(pool, what the switch has, what it should have); None: nothing."""
    gone: tuple[EntryKey, ...] = ()
    blocks: frozenset[EntryKey] = frozenset()
    """Entries that drop what others of their table allow: put after those, and deleted before them."""
    configuration: Configuration | None = None
    """None: as it is."""
    limits: Mapping[int, Rate] = field(default_factory=dict)
    multicast: tuple[tuple[int, tuple[int, ...], bool], ...] = ()
    """(group, ports, whether it is new): before all entries."""
    multicast_gone: tuple[int, ...] = ()
    """After all entries."""
    added: int = 0
    modified: int = 0
    deleted: int = 0
    touched: tuple[str, ...] = ()
    """Some of what changes, in words."""

    def __len__(self) -> int:
        return self.added + self.modified + self.deleted


ORDER = (
    "segment",
    "neighbour",
    "nexthop",
    "address",
    "frame",
    "bypass",
    "answer",
    "answer_local",
    "local_address",
    "backend",
    "session",
    "fate",
    "access",
    "guard_over",
    "guard_source",
    "guard_listener",
    "pin",
    "listener",
    "vip",
)
"""Tables in the order in which new entries are written; slots come before ``listener``. Of ``access``: what allows,
then what blocks."""
