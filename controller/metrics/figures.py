"""What metrics are made from: values that never change, taken in the event loop and made into text beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.agent.figures import AgentFigures
from controller.core.shown import Snapshot
from controller.health.places import Seen
from controller.health.prober import ProberStats
from controller.metrics.observations import Observed


@dataclass(frozen=True)
class Standing:
    """What this controller is among others."""

    leads: bool
    """It serves switches."""
    ready: bool
    """It does its work: it leads and can store, or it could take over."""
    why: str
    """The same in words."""
    store: bool
    """The store answers."""
    name: str = ""
    """Of this controller; empty: the store is of one machine."""
    leader: str = ""
    """The controller that it waits for; empty: none is known, or it leads."""
    lease: float | None = None
    """Seconds for which no other one can lead; None: there is no lease."""


@dataclass(frozen=True)
class SwitchFigures:
    """A connected switch, besides its status."""

    lost_reports: int
    """As of the last read."""
    packets: Mapping[tuple[int, int], tuple[int, int]] | None
    """(listener, backend) -> packets, bytes, of an lb switch; None: of another one, or it counts nothing."""
    guards: Mapping[tuple[str, str], int]
    """Packets dropped by (listener, prefix)."""
    denied: Mapping[str, int] = field(default_factory=dict)
    """Packets that access lists blocked, by listener."""


@dataclass(frozen=True)
class SwitchFacts:
    """A switch of the intent."""

    site: str
    kind: str
    roles: str
    """Such as ``edge,lb``."""
    serves: bool
    """It is an lb switch."""


@dataclass(frozen=True)
class Serving:
    """What a controller has that leads."""

    snapshot: Snapshot
    age: float
    """Seconds since the snapshot was taken."""
    switches: Mapping[str, SwitchFigures]
    facts: Mapping[str, SwitchFacts]
    listeners: Mapping[int, str]
    """Listener ids -> name."""
    vips: Mapping[str, str]
    """Listener -> VIP."""
    backends: Mapping[int, str]
    """Backend ids -> name."""
    sites: tuple[str, ...]
    conditions: Mapping[tuple[str, str], bool]
    """Whether each condition of a site's fitness is met, by (site, condition)."""
    authority: Mapping[str, float]
    """Seconds by VIP."""
    latencies: Mapping[tuple[str, str], float]
    """Seconds of the last probe, by (pool, backend)."""
    prober: ProberStats
    conflicts: Mapping[str, int] = field(default_factory=dict)
    """Frames in which other hosts said that they have a VIP, by VIP."""
    views: Mapping[str, Mapping[tuple[str, str], Seen]] = field(default_factory=dict)
    """What agents that count see, by agent and (pool, backend)."""


@dataclass(frozen=True)
class ProcessFigures:
    """The process, from the kernel."""

    cpu: float
    """Seconds."""
    memory: int
    """Bytes."""
    files: int
    files_most: int
    began: float
    """Unix seconds."""
    certificates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Unix seconds at which each ends, by option and file."""


@dataclass(frozen=True)
class Figures:
    """All that is shown."""

    version: str
    standing: Standing
    observed: Observed
    process: ProcessFigures
    serving: Serving | None
    """None: it stands by, or starts."""
    dropped: int
    """Events that the journal's reader was too slow for."""


@dataclass(frozen=True)
class AgentShown:
    """All that an agent shows."""

    version: str
    agent: AgentFigures
    observed: Observed
    process: ProcessFigures
    dropped: int
    """Events that the journal's reader was too slow for."""
