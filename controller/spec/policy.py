"""What a pool does with connections and backends: grace times when something ends, who serves, and who serves alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Then(StrEnum):
    """What becomes of remembered connections when a grace time has passed."""

    KEEP = "keep"
    MOVE = "move"
    RESET = "reset"


@dataclass(frozen=True)
class OnDown:
    """What remembered connections of a backend do once it is judged down."""

    keep_for: float
    """How long remembered connections stay with a backend that is down."""
    then: Then
    """What happens to them then: decided again, or reset."""


TCP_ON_DOWN = OnDown(10.0, Then.MOVE)
"""A false verdict does not kill living connections at once."""
UDP_ON_DOWN = OnDown(0.0, Then.MOVE)


class Zones(StrEnum):
    """How the backends of a priority group share new connections."""

    WEIGHTS = "weights"
    """By their weights, wherever they are."""
    EVEN = "even"
    """Each availability zone takes as much as any other, its backends by their weights."""


class Failback(StrEnum):
    """What happens when a backend lives again that is preferred to the one that serves."""

    MANUAL = "manual"
    """The one that serves goes on until it fails or is told to give way."""
    AUTO = "auto"
    """The preferred one takes over."""


@dataclass(frozen=True)
class Failover:
    """At most one backend of the pool serves at a time (a writer, such as the primary of a database).

    Preferred is the lowest priority group, and in it who stands first in the file, weight 0 and draining ones left
    out. When another takes over, connections of the former one are reset, and panic never opens a second.
    """

    failback: Failback = Failback.MANUAL
    """Whether a preferred backend that lives again takes over by itself (``auto``), or once the one that serves fails
    or is drained (``manual``)."""


@dataclass(frozen=True)
class Amount:
    """So many, or a share of all."""

    number: float
    share: bool = False
    """``number`` is a share, 0 to 1."""

    def of(self, whole: int) -> int:
        """How many of ``whole``, rounded down."""
        return int(self.number * whole + 1e-9) if self.share else int(self.number)

    def __str__(self) -> str:
        return f"{100 * self.number:g}%" if self.share else f"{self.number:g}"


@dataclass(frozen=True)
class Budget:
    """How much of a pool may be disturbed at once.

    An edit that would break it is refused with the numbers, unless ``evenkeel override`` sets it aside. When health
    changes, slots of backends that are down leave them at once all the same; what would go back waits for room.
    """

    max_slots_moved_per_minute: Amount | None = None
    """Slots that may be taken from a backend in any 60 s: a number, or a share of the pool's slots. None: no limit."""
    max_unavailable: Amount | None = None
    """Backends that may take no new connections at once: drained, of weight 0, down, or removed less than
    ``drain_timeout`` ago. A number, or a share of the pool's backends, rounded down. It keeps no server in service that
    is down. None: no limit."""
    max_tracked_share: float | None = None
    """Share of the slots that may be tracked at once (TCP). None: no limit."""


UNLIMITED = Budget()
