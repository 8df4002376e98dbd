"""What the controller shows of itself, as typed data: ``status.json`` is a ``Snapshot``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from controller.core.agentwords import ServerStatus
from controller.core.conflicts import ConflictStatus
from controller.core.fences import FenceStatus
from controller.core.hello import LinkStatus
from controller.core.probeplaces import PlaceStatus
from controller.plan.standby import GroupStatus, SubsetStatus


@dataclass(frozen=True)
class SwitchStatus:
    """One switch of the intent, or one that is leaving it."""

    connected: bool
    """Its control stream is up."""
    admitted: bool
    """lb switches: edges may use it."""
    synced: bool
    """It holds what it should."""
    push: str
    """``waiting`` for the present P4 program, its ``turn`` to get it, or empty."""
    leaving: bool = False
    """The intent no longer names it: it is emptied."""
    entries: int = 0
    """Flows or table entries, but for slots."""
    repairs: int = 0
    """Audits that found entries other than written, and repaired them."""
    writes: int = 0
    """Times that something was written."""
    unsent: int = 0
    """Packets dropped because the switch took them too slowly."""
    conflicts: tuple[str, ...] = ()
    """Places that we want and other programs hold."""
    drops: Mapping[str, int] | None = None
    """P4: packets dropped, by reason."""
    problem: str = ""
    """What is wrong with it, in words."""
    links: Mapping[str, LinkStatus] | None = None
    """P4: its cables to other P4 switches, by port number."""
    fence: Mapping[str, FenceStatus] | None = None
    """An edge's fences that this controller has an end of, by the interface of that end; null: it has no fence."""


@dataclass(frozen=True)
class BackendStatus:
    """A backend that is, or was, in a pool."""

    id: int
    """Its number on switches."""
    weight: int
    """As the intent has it."""
    slots: int
    """Slots that name it."""
    state: str
    """``normal``, ``drain``, ``move``, ``reset``, or ``removed``."""
    up: bool | None
    """The verdict; null: not probed, or no result yet."""
    reason: str
    """Why the verdict is so."""
    since: float | None
    """Seconds since the verdict changed; null: there is none."""
    group: int = 0
    """Its priority group; those of a ``backup`` follow the pool's own."""
    zone: str | None = None
    """Its availability zone; null: it names none."""
    subset: str | None = None
    """The part of the pool that it belongs to; null: the pool has no ``split``."""
    seen: Mapping[str, str] | None = None
    """Where agents that probe it differ: by agent, ``up``, or ``down`` and why; null: they agree."""
    factor: float = 1.0
    """By which its weight is multiplied."""
    factor_why: str = ""
    """What that is made of; empty: nothing."""
    measured: float | None = None
    """What the pool's ``scheduler`` goes by, on average: live connections, or seconds of a probe; null: it is not
    known, or weights follow nothing."""
    agent: ServerStatus | None = None
    """How it goes with asking it about itself; null: its pool has no ``agent``."""


@dataclass(frozen=True)
class PoolStatus:
    """One pool and protocol, or a listener's own table while it differs from its pool's."""

    backends: Mapping[str, BackendStatus]
    """By name."""
    revision: int
    """Grows with every change of the table."""
    slots: int
    """Slots of the table."""
    spread: str
    """From what the slot of a TCP connection is taken: ``own`` (the hash of the kind of switch), ``datapath`` (that of
    Open vSwitch's datapaths) or ``bits``; empty: not decided before an lb switch has told its hash."""
    rehash: str
    """What a rehash of the pool waits for; empty: none is under way."""
    rehash_in: float | None
    """Seconds until it takes the slots otherwise, if nothing else happens; null: none is, or that depends on
    ``rehash``."""
    moving: int
    """Slots in transition."""
    tracked: int
    """Slots that moved less than ``memory_timeout`` ago, counted from when every lb switch knew (TCP): their
    connections are remembered, those of others are not."""
    settles_in: float | None
    """Seconds until no slot is tracked, if nothing else happens; null: that depends on ``settles_after``."""
    settles_after: str
    """What tracked slots wait for; empty: none is tracked."""
    watched: int
    """(backend, slot) pairs whose connections are reported and pinned."""
    panicked: bool
    """Health is ignored: too much of the pool is down."""
    held_slots: int = 0
    """Slots that wait until the pool's budget lets them move."""
    without_slots: tuple[str, ...] = ()
    """Serving backends whose share of the table rounds to nothing."""
    groups: Mapping[str, GroupStatus] = field(default_factory=dict)
    """Its priority groups, by number, the first one first; empty: it has one, or ``failover``."""
    split: Mapping[str, SubsetStatus] = field(default_factory=dict)
    """Its subsets, by name; empty: it has no ``split``."""
    scheduler: str = "weighted"
    """By what backends share new connections."""
    scheduler_waits: str = ""
    """Why weights do not follow what is measured now; empty: they do, or follow nothing."""
    writer: str | None = None
    """With ``failover``: the one backend that serves; null: all drain, or the pool has no ``failover``."""
    waits_for_command: str | None = None
    """With ``failback: manual``: a backend that lives and is preferred to the writer, and takes over with
    ``evenkeel failback``."""


@dataclass(frozen=True)
class ConnectionsStatus:
    """TCP connections of one backend for one listener, as far as switches and servers can tell."""

    opened: int
    """SYNs that switches sent to it."""
    ended: int
    """FINs and RSTs."""
    live: float
    """As the server said last, and what was opened less what ended since."""
    error: float
    """``live`` may be off by so many."""
    new: float
    """Opened per second, on average over ten seconds."""


@dataclass(frozen=True)
class CountedStatus:
    """What lb switches counted towards one backend for one listener, together."""

    packets: int
    """From clients."""
    bytes: int
    """Of these packets."""
    connections: ConnectionsStatus | None = None
    """null: the listener is not TCP's, or no lb switch was read yet."""


@dataclass(frozen=True)
class ListenerStatus:
    """One listener."""

    pool: str
    """Key of the pool's status."""
    draining: bool
    """The intent no longer names it: it takes nothing new, and keeps its connections for ``drain_timeout``."""
    backends: Mapping[str, CountedStatus]
    """What lb switches counted towards each backend."""


@dataclass(frozen=True)
class VipStatus:
    """Who answers for a VIP."""

    owner: str | None
    """The site; null: none, while it moves."""
    belongs: str
    """The site where it should be; empty: none can have it."""
    why: str
    """In words."""
    cause: str
    """The same in one word of the list of causes."""


@dataclass(frozen=True)
class SiteStatus:
    """A site as an owner of VIPs, as this controller sees it."""

    fit: bool
    """It can serve: VIPs may move there, and stay."""
    conditions: Mapping[str, str]
    """What it needs, by name, as it is; those that fail begin with ``NOT MET``."""
    fit_for: float | None
    """Seconds since it has been fit without a break; null: it is not."""
    unsynced: int
    """Pins that not every connected lb switch of the site holds yet."""
    drained: bool
    """An operator took it out of service."""


@dataclass(frozen=True)
class AtRisk:
    """What would be lost if the worst happened now."""

    moving_slots: Mapping[str, int]
    """By pool: slots that moved within ``transition``."""
    tracked_slots: Mapping[str, int]
    """By pool: slots that another lb switch would decide otherwise for what it does not remember. Connections on them
    are lost with their lb switch if they are not pinned: younger than ``transition``, or silent since they were."""
    pins_refused: int
    """Connections that found the book of pins full."""
    memory_short: tuple[str, ...]
    """lb switches whose conntrack timeouts could not be set."""


Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class ExitStatus:
    """One exit of the plan beside the switches, such as names or routes."""

    synced: bool
    """What it drives is as the plan says."""
    problem: str
    """What is wrong with it, in words; empty: nothing is."""
    writes: int
    """Times that something was written."""
    repairs: int
    """Times that what it drives was found other than written, and repaired."""
    items: Mapping[str, Mapping[str, Scalar]]
    """What it drives, by name, and what is to be known of each: the page of the exit names the keys."""

    def with_problem(self, problem: str) -> ExitStatus:
        """With another problem before its own, and not synced; the same if there is none."""
        if not problem:
            return self
        words = "; ".join(filter(None, (problem, self.problem)))
        return replace(self, synced=False, problem=words)


@dataclass(frozen=True)
class Snapshot:
    """Everything worth knowing at a glance."""

    at: float
    """Unix seconds."""
    term: int
    """Claims switches; grows with every controller that takes them over."""
    revision: int
    """Of the last commit: the change id of events."""
    store: str
    """Why the store cannot be written; empty: it can."""
    ahead: int
    """Stored values that are carried out already and are not stored yet; 0: what is stored is all there is."""
    intent_errors: tuple[str, ...]
    """Why the last proposal was refused; the one before it is in force."""
    switches: Mapping[str, SwitchStatus]
    """By name."""
    strangers: tuple[str, ...]
    """Datapath ids that are connected and that the intent does not name."""
    pools: Mapping[str, PoolStatus]
    """By key: pool/protocol, or "listener pool/protocol" for a listener's own."""
    vips: Mapping[str, VipStatus]
    """By name."""
    drained_sites: tuple[str, ...]
    """Sites that operators took out of service: they own nothing."""
    sites: Mapping[str, SiteStatus] | None
    """By name; null: the store is of one machine, so no VIP moves by itself."""
    listeners: Mapping[str, ListenerStatus]
    """By name."""
    pins: int
    """Connections that are pinned."""
    unsynced: int
    """Pins that not every connected lb switch holds yet."""
    at_risk: AtRisk
    """What would be lost if the worst happened now."""
    guard: Mapping[str, int]
    """Packets dropped by each guard, ``listener`` or ``listener prefix``."""
    denied: Mapping[str, int]
    """Packets that access lists blocked, by listener, as of the last read; listeners without a list are left out."""
    reports: Mapping[str, int]
    """What switches reported, by kind; ``incredible``: of connections that cannot be, which changes nothing."""
    hellos: Mapping[str, int]
    """Hellos between P4 switches."""
    probes_pending: int
    """Backends whose first probe is still to come."""
    places: Mapping[str, PlaceStatus]
    """Agents that probe servers, by name; empty: this controller alone does."""
    probe_problems: tuple[str, ...]
    """Why some probes cannot be asked: their verdicts stand still."""
    events_dropped: int
    """Events that the log's reader was too slow for."""
    conflicts: Mapping[str, Mapping[str, ConflictStatus]] = field(default_factory=dict)
    """Other hosts that said within a minute that they have a VIP: by VIP and MAC."""
    exits: Mapping[str, ExitStatus] = field(default_factory=dict)
    """Exits beside the switches that the intent has something for, by name."""

    def as_json(self) -> dict[str, object]:
        """Plain values, keys as named here."""
        return asdict(self)
