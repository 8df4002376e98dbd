"""A pool and its backends, as the intent has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from controller.spec.addresses import Address
from controller.spec.health import HealthCheck
from controller.spec.policy import TCP_ON_DOWN, UDP_ON_DOWN, UNLIMITED, Budget, Failover, OnDown, Then, Zones
from controller.spec.scheduling import USUALLY, Adaptive, Scheduler
from controller.spec.serveragent import AgentCheck
from controller.spec.spread import PoolSpread

Labels = tuple[tuple[str, str], ...]
"""Keys and values, in order of the keys."""


@dataclass(frozen=True)
class Backend:
    """A real server in a pool. ``name`` is its identity: it seeds the Maglev permutation."""

    name: str
    """Identity of the backend: it seeds the Maglev permutation, and is one host in all pools."""
    addresses: tuple[Address, ...]
    """``address: A`` or ``addresses: [A, B]``, at most one IPv4 and one IPv6 address. One of the keys is required."""
    mac: str | None = None
    """Needed for ``dr``, and for ``nat`` and ``fullnat`` where no router is between."""
    at: str | None = None
    """Switch to which the server is connected."""
    weight: int = 1
    """Share of new connections, relative to the other backends; 0 drains."""
    group: int = 0
    """Priority group: the lowest one serves, later ones take what it cannot (``spill_below`` of the pool)."""
    drain: bool = False
    """Whether new connections stop and established ones stay for ``drain_timeout``."""
    subset: str | None = None
    """The part of the pool that it belongs to, such as ``canary`` (``split`` of the pool), whatever its labels."""
    zone: str | None = None
    """Availability zone, by any name; backends without one are in one of their own (``zones`` of the pool)."""
    labels: Labels = ()
    """Keys and values by which resources are found and roles are given; they change nothing else."""
    home: str = ""
    """The pool that names it, if it is here as a member of the pool's ``backup``; empty: this pool does."""

    def address(self, version: int) -> Address | None:
        """The address of IP ``version`` (4 or 6), if it has one."""
        return next((a for a in self.addresses if a.version == version), None)


@dataclass(frozen=True)
class Subset:
    """A part of a pool's backends, and its share of new connections."""

    name: str
    """Name by which backends say that they belong to it."""
    weight: int
    """Share of new connections of a priority group, relative to the other subsets; 0 drains its backends."""
    labels: Labels = ()
    """Backends with all of these labels belong to it that name no ``subset`` and fit no subset before it."""


@dataclass(frozen=True)
class Pool:
    """Weighted backends with one health policy."""

    name: str
    """Name by which listeners refer to it."""
    backends: tuple[Backend, ...]
    """The real servers."""
    max_backends: int = 40
    """Fixes the number of slots: the smallest power of two that is at least 100 times this (256 to 65,536). Fixed for
    the pool's life; a later change is refused with ``pool_size_kept``."""
    health: HealthCheck | None = None
    """How backends are probed. None: all backends count as alive."""
    agent: AgentCheck | None = None
    """Servers are asked what they say of themselves: drain, up or down, a share of their weight, live connections. It
    counts beside ``health``."""
    scheduler: Scheduler = Scheduler.WEIGHTED
    """By what backends of a group share new connections: their weights, or weights that follow live connections (as an
    ``agent`` of type ``http`` tells them, or else as switches count them) or the time that probes take (which needs
    ``health``)."""
    adaptive: Adaptive = USUALLY
    """How weights follow."""
    slow_start: float = 0.0
    """Time in which a backend that returns (from being down or drained, or as a new one that is up for the first time)
    gets its weight, in at most ten steps of equal size; 0: all of it at once."""
    on_down_tcp: OnDown = TCP_ON_DOWN
    """What happens to remembered connections of a backend that is down. One policy for both protocols, or one each
    under ``tcp`` and ``udp``. TCP keeps them for 10 s, so that a false verdict does not kill living connections; UDP
    moves them at once."""
    on_down_udp: OnDown = UDP_ON_DOWN
    """The same for UDP."""
    drain_timeout: float = 300.0
    """How long connections of a draining or removed backend stay."""
    drain_then: Then = Then.KEEP
    """What happens to them then: they stay for as long as they are remembered, are decided again, or reset."""
    memory_timeout: float = 900.0
    """Silence after which a connection may be forgotten."""
    transition: float = 120.0
    """The window in which a moving slot holds both backends; at most ``memory_timeout``."""
    panic_threshold: float = 0.5
    """Health is ignored when more than this share of the backends is down, in every priority group; 1.0: never."""
    spill_below: float = 0.5
    """A priority group takes all new connections while at least this share of its weight lives. Below, it takes its
    living share over this, and later groups the rest. 0%: they take nothing before all of it is down."""
    backup: str | None = None
    """A pool whose backends are later priority groups of this one, and behind them those of its own ``backup``."""
    zones: Zones = Zones.WEIGHTS
    """How backends of a group share new connections. ``even``: each zone takes the same, as long as ``spill_below`` of
    its weight lives, and below it in proportion; its backends by their weights. ``weights``: all by their weights."""
    split: tuple[Subset, ...] = ()
    """Subsets of backends that share new connections by weights of their own, whatever the weights of their backends,
    which share within them: for canaries and environments. A subset takes its part as long as ``spill_below`` of its
    weight lives, and below it in proportion. Every backend of the pool belongs to one."""
    failover: Failover | None = None
    """One writer; None: all living backends of a priority group serve."""
    spread: PoolSpread = PoolSpread.HASH
    """From what the slots of TCP connections are taken. ``hash``: from the hash that the switches' datapaths compute
    where all lb switches are Open vSwitch and hash alike, else from the hash of their kind. ``bits``: from bits of the
    client's port and address, for lb switches that are Open vSwitch. A pool in use keeps what it has until
    ``evenkeel rehash``."""
    capacity: int | None = None
    """Connections that its servers can take together; names are balanced by it (``session-threshold`` and
    ``available-sessions`` of ``zones.services``). It limits nothing by itself."""
    budget: Budget = UNLIMITED
    """How much of it may be disturbed at once; what it leaves out is as in the ``budget`` of the file."""
    labels: Labels = ()
    """Keys and values by which resources are found and roles are given; they change nothing else."""

    @property
    def own(self) -> tuple[Backend, ...]:
        """Those of its backends that are no ``backup``'s."""
        return tuple(real for real in self.backends if not real.home)

    @cached_property
    def subsets(self) -> dict[str, int]:
        """Weights of subsets by name; empty: the pool is not split."""
        return {each.name: each.weight for each in self.split}

    def weight_of(self, real: Backend) -> int:
        """Of a backend: 0 if its subset takes nothing."""
        return 0 if self.subsets.get(self.subset_of(real) or "", 1) == 0 else real.weight

    def subset_of(self, real: Backend) -> str | None:
        """The subset that a backend belongs to; None: to none, as those of a ``backup``."""
        if not self.split or real.home:
            return None
        if real.subset is not None:
            return real.subset
        had = set(real.labels)
        return next((each.name for each in self.split if each.labels and had.issuperset(each.labels)), None)

    @property
    def slots(self) -> int:
        """M: the smallest power of two >= 100 x max_backends, 256 to 65,536."""
        wanted = max(256, 100 * self.max_backends)
        return 1 << (wanted - 1).bit_length()
