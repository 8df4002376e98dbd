"""A switch under test, of whatever kind: hold a target, take frames and give frames, tell, let time pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from controller.spec.types import Address
from p4src.ids import Drop, Op, Reason
from p4src.target import Changes, P4Target

Frame = tuple[int, bytes]
"""(port, frame)."""


class Said(NamedTuple):
    """A digest: something about a connection."""

    reason: Reason
    listener: int
    client: Address
    port: int
    backend: int


class Punt(NamedTuple):
    """A packet that needs the controller's answer."""

    reason: Reason
    port: int
    listener: int
    backend: int
    frame: bytes


class Idle(NamedTuple):
    """A pin that was not used for its idle time."""

    listener: int
    client: Address
    port: int


class Counted(NamedTuple):
    """What was dropped, apart."""

    denied: Mapping[int, int]
    """By listener."""
    over: Mapping[int, int]
    """By guard."""


Told = Said | Punt | Idle


class Box(Protocol):
    """A switch that runs the balancer. What it counts and says begins with the first ``hold``."""

    name: str

    def hold(self, target: P4Target) -> Changes:
        """Write the difference to what it holds; what was written."""
        ...

    def send(self, frames: Sequence[Frame]) -> list[Frame]:
        """Hand frames in, in this order; what came out of its ports. Frames of one port come out in order."""
        ...

    def packet_out(self, frame: bytes, op: Op, port: int = 0) -> list[Frame]:
        """A packet from the controller; what came out of its ports."""
        ...

    def told(self) -> list[Told]:
        """What it said since it was asked last; waits for what is on its way."""
        ...

    def drops(self) -> Mapping[Drop, int]:
        """Packets dropped since the beginning, by reason."""
        ...

    def counted(self) -> Counted:
        """Packets that access lists and guards dropped since the beginning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let its time pass."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
