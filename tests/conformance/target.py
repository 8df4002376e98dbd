"""What the suite asks of a switch, of whatever kind: hold what a world says, take frames, give frames and reports.

A target is a switch with all roles and with the part of the controller that turns a reported packet into another one
(resets, packet too big, ICMP errors inside nat). Plans, pins, health and time are the suite's; see ``plant.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from controller.spec.slots import SlotTable
from controller.spec.spread import Spread
from controller.spec.types import Address, Switch
from tests.conformance.moment import Moment

DEADLINE = 5.0
"""Seconds that a target waits for what is to come; not a measure of speed."""


Damage = Callable[[SlotTable], SlotTable]
"""What a broken planner makes of a pool's slots."""


class Can(StrEnum):
    """What not every target can do or show; a row names what it needs and is skipped, with this reason, without."""

    FRAMES = "the frames that leave a switch (the oracle only names backends)"
    ANSWERS = "answers of servers"
    RESPOND = "ARP, neighbour discovery and ping"
    ICMP_ERRORS = "ICMP errors"
    SERVER_ERRORS = (
        "ICMP errors about what translation sent to servers (OpenFlow cannot rewrite what they quote)"
    )
    FRAGMENTS = "fragments"
    LATE_FIRST = "fragments that come before their first"
    GUARDS = "rates of new connections"
    CONTROLLER = "packets that the controller sends"
    PINS_SEEN = "reports of pins that a switch holds for another one"
    MEMORY_CLOCK = "memory that ages by the suite's clock"
    GENERATIONS = "memory in generations and watched slots, as the fuzzer's oracle has them"
    FULLNAT_PINS = "pins of fullnat connections, whose ports no other switch has"
    FULLNAT_AFFINITY = "affinity of clients with fullnat, each of whose connections has a cell of its own"
    PROBES = "solicitations of hosts that have no address yet"
    QUESTION_SUMS = "checksums of solicitations (Open vSwitch can neither match nor check them)"
    COUNTS = "counters of packets and connections"
    FORWARDS = (
        "forwarding of its own for what is not balanced (Open vSwitch leaves that to the operator's flows)"
    )


class Reason(StrEnum):
    """Why a switch tells the controller of a connection."""

    EXCEPTION = "exception"
    """Remembered for a backend that its slot no longer names: wants a pin."""
    YOUNG = "young"
    """Remembered for the backend to which its slot moves: wants a pin until that has settled."""
    FOUND = "found"
    """Not remembered and no SYN, on a tracked slot: given to the slot's base, wants a pin unless there is one."""
    OVERFLOW = "overflow"
    """Memory is full: wants a pin."""
    PIN_SEEN = "pin seen"
    """Pinned, and another switch has the idle timer."""
    PIN_STALE = "pin stale"
    """A new connection with the ports of a pinned one."""
    RESET = "reset"
    FRAGMENT = "fragment"
    """The first of a TCP connection that is not remembered."""
    TOO_BIG = "too big"
    CONFLICT = "conflict"
    """Another MAC for a VIP."""
    ICMP = "icmp"


class Wire(NamedTuple):
    """A frame at a port: "segment", or the name of the server behind it."""

    port: str
    frame: bytes


@dataclass(frozen=True)
class Report:
    """A connection that the switch reported."""

    reason: Reason
    listener: int = 0
    source: Address | None = None
    port: int = 0
    """The client's; 0 with affinity ``source``."""
    backend: int = 0
    pin: int = 0
    """Number of the pin that it is about, if it is about one."""


class Counts(NamedTuple):
    """Of packets of one listener towards one backend."""

    packets: int = 0
    opened: int = 0
    ended: int = 0


@dataclass
class Heard:
    """What came of what was sent."""

    frames: list[Wire] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)


class Target(Protocol):
    """A switch under test."""

    name: str
    switch: Switch
    """As the intent has it; ports are those of ``scenario.PORTS``."""
    spread: Spread
    """Of its pools."""
    reasons: frozenset[Reason]
    """What it would report."""

    def has(self, what: Can) -> bool:
        """Whether it can do that."""
        ...

    def apply(self, world: Moment) -> None:
        """Hold what the world says, by the least writes, and decide by nothing older; renew the authority."""
        ...

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """Send frames in this order, and return what came out once all of them are dealt with.

        What takes longer (reports, what the controller sends) is waited for until ``done``, at most ``within``
        seconds.
        Frames of different connections may overtake one another.
        """
        ...

    def counts(self) -> Mapping[tuple[int, int], Counts]:
        """What was counted of each pair of listener and backend; a moment late. Nothing where it cannot count."""
        ...

    def count_all(self) -> None:
        """Wait until what has passed before the last change of tables is counted, or can be by no flow any more."""
        ...

    def forget(self) -> None:
        """Remember no connection any more, as a switch that took over from another one. Tables stay."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
