"""What a P4 switch tells the controller: how its connection fares, and the reports of its session."""

from __future__ import annotations

from dataclasses import dataclass

from controller.southbound.p4.reports import PinEnded, Punted, Refused, Report
from controller.southbound.p4.session import P4Session
from p4src.target import P4Target

__all__ = [
    "Backup",
    "Connected",
    "Disconnected",
    "Event",
    "MismatchEnded",
    "PinEnded",
    "PipelineMismatch",
    "Punted",
    "Refused",
    "Report",
    "Unreachable",
]  # fmt: skip


@dataclass(frozen=True)
class Connected:
    """A switch is ours: we are its primary controller, and it runs our pipeline."""

    session: P4Session
    empty: bool = False
    """It did not run it before, so it holds nothing."""


@dataclass(frozen=True)
class Disconnected:
    """A switch that was ours is no longer: its stream ended, or a newer controller took it over."""

    session: P4Session


@dataclass(frozen=True)
class Backup:
    """We are connected to a switch, but not its primary controller."""

    name: str
    primary: int | None
    """Term of the primary controller (the high half of its election id).

    None: there is none, and the switch waits for a newer term than it has seen: ``P4Runtime.connect`` with one.
    """
    highest: int
    """The greatest term that the switch has seen."""


@dataclass(frozen=True)
class PipelineMismatch:
    """We are a switch's primary controller, but it runs another program than ours, and goes on with what it holds.

    It waits for ``P4Runtime.allow_push``, or until ``MismatchEnded``.
    """

    id: int
    """Of the switch."""
    name: str
    cookie: int
    """Of the program that it runs; 0: it has none."""
    pins: P4Target | None
    """Its entries of table ``pin`` and nothing else; None: its program has no such table, or another one."""


@dataclass(frozen=True)
class MismatchEnded:
    """A switch that waited for its push does so no longer, and is not ours: gone, refused, or another controller's."""

    id: int
    """Of the switch."""
    name: str


@dataclass(frozen=True)
class Unreachable:
    """A switch could not be connected, or not be made ours; it is tried again."""

    id: int
    """Of the switch."""
    name: str
    why: str
    new: bool = True
    """Whether the reason is another one than the time before."""


Event = (
    Connected
    | Disconnected
    | Backup
    | PipelineMismatch
    | MismatchEnded
    | Unreachable
    | Report
    | Punted
    | PinEnded
    | Refused
)
