"""What the core needs of a connected switch, whatever it speaks: a driver, and what some drivers can do besides.

Driver        connect, read, plan, diff, write
HoldsPins     pins among what it holds, and a plan for a new pin that costs as much as the pin
Leases        authority that ends by itself
Ports         which ports can be used, and packets out of them
Looks         the few entries that one connection depends on
Counts        packets and connections by listener and backend, drops by reason
Fenced        answers for VIPs only while a controller claims its authority
Doors         links to other switches that are shut until it may be used
Remembers     how long its memory lasts is told to it apart
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from controller.plan.duty import PlanInput
from controller.spec.switch import Timeouts
from controller.spec.types import Address, Switch
from controller.spec.types import Protocol as Protocols

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


@dataclass(frozen=True)
class Packet:
    """A packet that a switch is asked to send or to put through its pipeline; each driver has its own."""

    frame: bytes


@dataclass(frozen=True)
class FramePacket(Packet):
    """A frame of ours for some of a switch's ports: any driver with ``Ports`` sends it."""

    ports: Sequence[int]


class Send(NamedTuple):
    """A packet for a switch, by name."""

    switch: str
    packet: Packet


class Stream(Protocol):
    """A switch's control stream."""

    @property
    def alive(self) -> bool:
        """Whether it is up."""
        ...

    def abort(self) -> None:
        """Cut it."""
        ...


class Driver(ABC, Generic[TargetT, DeltaT]):
    """One connected switch. Every method that waits has a deadline and raises SwitchError."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.conflicts: list[str] = []
        """Places that we want and other programs hold."""
        self.unreported = 0
        """Reports that the switch held back because there were too many, or that got lost, as of the last read."""

    @property
    @abstractmethod
    def session(self) -> Stream:
        """The stream, as events name it."""

    @property
    def alive(self) -> bool:
        """Whether the stream is up."""
        return self.session.alive

    def abort(self) -> None:
        """Cut a stream that does not answer; the switch connects again, or is connected to."""
        self.session.abort()

    @abstractmethod
    async def read(self) -> TargetT:
        """All that the switch holds of ours."""

    @abstractmethod
    def plan(self, world: PlanInput) -> TargetT:
        """What the switch should hold."""

    @abstractmethod
    def empty(self) -> TargetT:
        """What a switch should hold that is ours no longer."""

    @abstractmethod
    def diff(self, have: TargetT, want: TargetT) -> DeltaT:
        """What to write."""

    @abstractmethod
    async def write(self, delta: DeltaT, want: TargetT) -> TargetT:
        """Write it; what the switch holds then."""

    @abstractmethod
    async def transmit(self, packet: Packet) -> None:
        """Send a packet of ours."""

    @abstractmethod
    def lost_all(self, have: TargetT, want: TargetT) -> bool:
        """True for a switch that lost everything; to lack some of a newer intent is no reason to leave it."""

    @abstractmethod
    def size(self, have: TargetT) -> int:
        """Entries, but for slots."""


AnyDriver = Driver[Any, Any]
"""A driver of whatever kind: what its targets are is its own affair."""


class HoldsPins(ABC, Generic[TargetT]):
    """A driver whose switch holds pins."""

    @abstractmethod
    def with_pins(self, world: PlanInput) -> TargetT:
        """The last plan with the pins of now, when nothing else has changed."""

    @abstractmethod
    def pins(self, have: TargetT) -> Iterable[FoundPin]:
        """Pins among what the switch holds."""


class Leases(ABC, Generic[TargetT]):
    """A driver whose switch answers for VIPs until a deadline."""

    @abstractmethod
    async def renew(self, want: TargetT, left: Mapping[int, float]) -> None:
        """Let the switch answer for so many seconds from now, by VIP id; VIPs that are not named run out."""

    @abstractmethod
    async def apply_leases(self, left: Mapping[int, float]) -> None:
        """What the last plan changes in who answers, at once, and for no longer than ``left``."""

    @abstractmethod
    def allowed(self, want: TargetT, left: Mapping[int, float]) -> TargetT:
        """A target without entries that would begin to answer for a VIP of which no authority is left."""


class Ports(ABC):
    """A driver that knows its switch's ports."""

    @abstractmethod
    async def live_ports(self) -> Set[int]:
        """Numbers of the ports that can be used."""


class Counts(ABC):
    """A driver that counts; as of the last read."""

    packets: Mapping[tuple[int, int], tuple[int, int]]
    """(listener, backend) -> packets, bytes."""
    sessions: Mapping[tuple[int, int], tuple[int, int]]
    """(listener, backend) -> TCP connections opened (SYN) and ended (FIN, RST); another mapping after each read. One of
    a listener that is not TCP's is not in it."""
    denied: Mapping[int, int]
    """Listener -> packets that its access list blocked."""
    drops: Mapping[str, int]
    """Packets dropped, by reason."""

    @abstractmethod
    def guard_drops(self, number: int) -> int:
        """Packets that one guard dropped; ``number`` is its id."""


class Spot(NamedTuple):
    """What of a switch one connection depends on."""

    listener: int
    pool: int
    slot: int
    protocol: Protocols
    source: Address
    port: int
    """0 with affinity ``source``."""


class SeenEntry(NamedTuple):
    """One entry as it stands on a switch now."""

    what: str
    """``slot`` or ``pin``."""
    state: str
    """``as planned``, ``missing``, ``modified`` or ``unexpected``."""
    entry: str
    """In words."""
    packets: int | None = None
    """That hit it; None: it does not count."""


class Looks(ABC, Generic[TargetT]):
    """A driver whose switch can be asked for few entries at once."""

    @abstractmethod
    async def look(self, want: TargetT, spot: Spot) -> list[SeenEntry]:
        """What is there of a connection's slot and pin, compared with what should be. Raises SwitchError."""


@runtime_checkable
class Fenced(Protocol):
    """A driver whose switch may have a fence: see ``Switch.fence``."""

    def answers(self, held: Any) -> frozenset[int]:
        """VIPs that a switch which holds this answers for, by id, as long as authority is claimed."""
        ...

    async def watch_fence(self) -> str:
        """See to it that the switch runs BFD on the ports of its fence; why that failed. Raises SwitchError."""
        ...


@runtime_checkable
class Doors(Protocol):
    """A driver whose switch keeps neighbours from sending until it may be used."""

    async def open_links(self, ports: Set[int]) -> None:
        """Let neighbours behind these ports send. Raises OvsdbError, SwitchError."""
        ...


@runtime_checkable
class Redials(Protocol):
    """A driver whose switch dials its controllers, and waits between two attempts."""

    async def redial_soon(self) -> None:
        """See to it that it waits for no longer than it is set to. Raises OvsdbError."""
        ...


@runtime_checkable
class Hashes(Protocol):
    """A driver whose switch can be asked how its datapath hashes."""

    def hash_question(self, frame: bytes) -> Packet:
        """A packet that comes back as a report, with its hash."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A driver whose switch has to be told how long to remember."""

    async def remember(self, wanted: Sequence[Timeouts]) -> int:
        """See to it; how many zones were changed. Raises OvsdbError."""
        ...
