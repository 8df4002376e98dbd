"""What one HAProxy should hold: its file, line by line, and of it what its runtime API can change. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

DRAIN_SWITCH = "evenkeel-drain"
"""The pool whose one server is up while HAProxy's clients are asked to go."""
DRAIN_SERVER = "on"
STATUS = "evenkeel-status"
"""The front end of ``status_port``."""

ServerRef = tuple[str, str]
"""Pool of a tier, server."""


@dataclass(frozen=True)
class Line:
    """One line of the file, and the key of the intent that says it."""

    text: str
    at: str


@dataclass(frozen=True)
class ServerWanted:
    """A server, as far as the runtime API can change it."""

    address: str
    port: int
    weight: int
    maint: bool
    """It takes nothing at all."""
    options: str
    """What follows the weight when it is added."""
    checked: bool
    """HAProxy probes it."""


@dataclass(frozen=True)
class PoolWanted:
    """Servers of one pool."""

    servers: Mapping[str, ServerWanted]
    grows: bool
    """Servers can be added and taken away without a reload."""
    weighs: bool
    """Weights are ours alone: no agent of the servers changes them."""
    options: str
    """What all servers have in common."""


@dataclass(frozen=True)
class Marks:
    """What is known beside the intent of one HAProxy."""

    leaving: bool = False
    """Its backend drains at layer 4: clients are asked to go."""
    retired: frozenset[ServerRef] = frozenset()
    """Draining servers of pools with a sticky cookie whose time is over."""


@dataclass(frozen=True)
class Wanted:
    """One HAProxy."""

    lines: tuple[Line, ...]
    digest: str
    """Of all that takes a reload; HAProxy shows it in its description."""
    pools: Mapping[str, PoolWanted]

    @cached_property
    def text(self) -> str:
        """The file."""
        return "".join(f"{line.text}\n" for line in self.lines)
