"""What the core needs of a connected switch, whatever it speaks: read, plan, diff, write, and a few questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from controller.plan.duty import World
from controller.spec.types import Address, Switch

TargetT = TypeVar("TargetT")


class Delta(Protocol):
    """The difference between what a switch holds and what it should hold."""

    @property
    def added(self) -> int:
        """Entries that are new."""
        ...

    @property
    def modified(self) -> int:
        """Entries that change."""
        ...

    @property
    def deleted(self) -> int:
        """Entries that go."""
        ...

    @property
    def touched(self) -> Sequence[str]:
        """Some of them, in words."""
        ...

    def __len__(self) -> int: ...


DeltaT = TypeVar("DeltaT", bound=Delta)


class FoundPin(NamedTuple):
    """A pin that a switch was found to hold."""

    id: int | None
    """None: the switch does not keep numbers."""
    listener: int
    source: Address
    port: int
    backend: int
    timed: bool
    """Whether this switch reports when the connection falls idle."""


class Link(ABC, Generic[TargetT, DeltaT]):
    """One connected switch."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.packets: Mapping[tuple[int, int], tuple[int, int]] = {}
        """(listener, backend) -> packets, bytes; as of the last read."""
        self.drops: Mapping[str, int] = {}
        """Packets dropped, by reason; as of the last read."""
        self.conflicts: list[str] = []
        """Places that we want and somebody else holds."""

    @property
    @abstractmethod
    def session(self) -> object:
        """The stream, as events name it."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether the stream is up."""

    @abstractmethod
    def abort(self) -> None:
        """Cut a stream that does not answer; the switch connects again, or is connected to."""

    @abstractmethod
    async def read(self) -> TargetT:
        """All that the switch holds of ours. Raises SwitchError."""

    @abstractmethod
    def plan(self, world: World) -> TargetT:
        """What the switch should hold."""

    def with_pins(self, world: World) -> TargetT:
        """The same when only pins have changed since the last plan; a link that has no shorter way plans all."""
        return self.plan(world)

    @abstractmethod
    def diff(self, have: TargetT, want: TargetT) -> DeltaT:
        """What to write."""

    @abstractmethod
    async def write(self, delta: DeltaT, want: TargetT) -> TargetT:
        """Write it; what the switch holds then. Raises SwitchError."""

    @abstractmethod
    def lost_all(self, have: TargetT, want: TargetT) -> bool:
        """True for a switch that lost everything; to lack some of a newer intent is no reason to leave it."""

    @abstractmethod
    def pins(self, have: TargetT) -> Iterable[FoundPin]:
        """Pins among what it holds."""

    @abstractmethod
    def size(self, have: TargetT) -> int:
        """Entries, but for slots."""

    async def settle(self) -> None:
        """Whatever the last plan demands that is no entry. Raises SwitchError."""

    @abstractmethod
    async def renew(self, want: TargetT) -> None:
        """Renew the leases: authority to answer for VIPs. Raises SwitchError."""

    @abstractmethod
    async def live_ports(self) -> set[int]:
        """Numbers of the ports that can be used. Raises SwitchError."""

    @abstractmethod
    async def send(self, frame: bytes, ports: Sequence[int]) -> None:
        """Send a frame of ours out of ports. Raises SwitchError."""

    def guard_drops(self, number: int) -> int:
        """Packets that one guard dropped, as of the last read; ``number`` is its own in the numbers' space."""
        return 0
