"""Zones of names, as the intent gives them: what is answered by DNS, and by what rules addresses are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.spec.addresses import Address, Network
from controller.spec.health import HealthCheck
from controller.spec.pool import Labels

APEX = "@"
"""The name of the zone itself, where names are relative to it."""


class Policy(StrEnum):
    """One step of a chain. docs/names.md has the formula of each."""

    HEALTH = "health"
    REGION = "region"
    SESSION_THRESHOLD = "session-threshold"
    ACTIVE_SERVERS = "active-servers"
    RTT = "rtt"
    AVAILABLE_SESSIONS = "available-sessions"
    PREFERENCE = "preference"
    SITE_WEIGHT = "site-weight"
    WEIGHT = "weight"
    LEAST_SELECTED = "least-selected"
    ROUND_ROBIN = "round-robin"


ORDERS = frozenset({Policy.WEIGHT, Policy.LEAST_SELECTED, Policy.ROUND_ROBIN})
"""Policies that put what is left in an order; nothing can come after one."""
COUNTS = frozenset({Policy.SESSION_THRESHOLD, Policy.AVAILABLE_SESSIONS})
"""Policies that go by the connections of servers."""


class NoneLive(StrEnum):
    """What is answered when no candidate lives."""

    ALL = "all"
    NONE = "none"


class RecordType(StrEnum):
    """Types of records that are the same for all."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    TXT = "TXT"
    MX = "MX"
    SRV = "SRV"


@dataclass(frozen=True)
class Region:
    """Where clients are."""

    name: str
    """Name by which ``regions`` of candidates refer to it."""
    prefixes: tuple[Network, ...]
    """Addresses of its clients; of two regions that hold an address, the longer prefix counts."""
    served_by: tuple[str, ...] = ()
    """Sites that serve it: their addresses are of this region, whatever their ``regions`` say."""


@dataclass(frozen=True)
class NameServer:
    """A host that serves a zone."""

    name: str
    """Its name, relative to the zone; with a dot at the end it is whole, and may be of another zone."""
    addresses: tuple[Address, ...] = ()
    """Its addresses, which are answered as glue: needed if its name is in the zone, refused if it is not."""
    site: str | None = None
    """Site from which it answers: times of its own TCP connections to resolvers count for that site (policy ``rtt``).
    None: they do not count."""


@dataclass(frozen=True)
class Delegation:
    """A part of the zone that other name servers serve, such as a next load balancer of names."""

    name: str
    """Name of the part, relative to the zone."""
    servers: tuple[NameServer, ...]
    """Who serves it; addresses (glue) are needed for names in the zone."""
    ttl: int | None = None
    """Seconds for which resolvers keep it. None: the zone's ``ttl``."""
    ds: tuple[str, ...] = ()
    """Digests of its keys, ``TAG ALGORITHM DIGEST-TYPE DIGEST``, where both zones are signed."""


@dataclass(frozen=True)
class Record:
    """Records of one name and type that are the same for all."""

    name: str
    """Name, relative to the zone; ``@`` is the zone itself."""
    type: RecordType
    """Type of the records."""
    values: tuple[str, ...]
    """Addresses, ``PRIORITY WEIGHT PORT NAME`` (SRV), ``PREFERENCE NAME`` (MX), a name (CNAME), or texts (TXT). Names
    are relative to the zone unless they end with a dot."""
    ttl: int | None = None
    """Seconds for which resolvers keep them. None: the zone's ``ttl``."""


@dataclass(frozen=True)
class Candidate:
    """An address that may be answered."""

    name: str
    """Name in messages, and under the service's name in SRV records. Without it: the VIP's name, or the address."""
    vip: str | None = None
    """A VIP of this file. One of ``vip`` and ``address`` is required."""
    address: Address | None = None
    """An address that is not ours: a site's that is balanced by others."""
    public: Address | None = None
    """Answered in place of the address, of the same IP version: one that is translated to it on the way. It is probed
    too: the candidate is up while both are."""
    site: str | None = None
    """Site that an ``address`` counts as. A VIP is of the site that owns it at the time."""
    regions: tuple[str, ...] = ()
    """Regions whose clients it serves, besides those that its site serves."""
    weight: int = 1
    """Share of answers in which it comes first (``weight``, ``round-robin``), relative to the other candidates; 0: not
    while there is another."""
    preference: int = 0
    """Of an administrator: the highest wins (``preference``)."""


@dataclass(frozen=True)
class Srv:
    """SRV records that lead to the candidates."""

    name: str
    """What stands before the service's name, such as ``_https._tcp``."""
    port: int
    """Port in the records."""
    priority: int = 0
    """Priority in the records. Their weights are those of the candidates."""


@dataclass(frozen=True)
class Https:
    """An HTTPS record (RFC 9460) that says how the service is reached."""

    alpn: tuple[str, ...] = ()
    """Protocols, such as ``[h2, h3]``."""
    port: int | None = None
    """Another port than 443."""
    hints: bool = False
    """Whether it carries addresses: those that the chain leaves, before one is drawn."""


@dataclass(frozen=True)
class Service:
    """A name whose addresses are chosen for each question."""

    name: str
    """Name, relative to the zone; ``@`` is the zone itself."""
    candidates: tuple[Candidate, ...]
    """Addresses that may be answered, in order of preference where no policy gives another."""
    ttl: int = 10
    """Seconds for which resolvers keep an answer."""
    answers: int | None = 1
    """Addresses in a reply, at most, or ``all`` that the chain leaves."""
    policies: tuple[Policy, ...] = (Policy.HEALTH, Policy.ROUND_ROBIN)
    """The chain: each policy is handed what the one before it leaves. One that would leave nothing is passed over."""
    none_live: NoneLive = NoneLive.ALL
    """What is answered when no candidate lives: ``all`` of them, as if ``health`` were not there, or ``none``."""
    otherwise: str | None = None
    """In its place when no candidate lives: a CNAME to this name, such as that of a next load balancer of names."""
    port: int | None = None
    """Port of the VIPs' listeners that are meant: their servers and connections count. None: all listeners of a VIP."""
    health: HealthCheck | None = None
    """How the candidates themselves are probed, from the controller and from agents. None: the sites' own word is all
    that is known of them."""
    threshold: float = 0.9
    """Share of a pool's ``capacity`` from which on ``session-threshold`` leaves a candidate out."""
    rtt_within: float = 0.01
    """Candidates that take at most so much longer than the nearest are as near as it (``rtt``)."""
    site_weights: tuple[tuple[str, int], ...] = ()
    """Shares of answers by site (``site-weight``), whatever the candidates' own weights; a site that is not named has
    1, and one with 0 is taken only while there is no other."""
    https: Https | None = None
    """An HTTPS record beside the addresses."""
    srv: tuple[Srv, ...] = ()
    """SRV records that lead to the candidates that the chain leaves; each candidate gets a name of its own under the
    service's."""

    def site_weight(self, site: str) -> int:
        """Share of answers of a site."""
        return dict(self.site_weights).get(site, 1)


@dataclass(frozen=True)
class Zone:
    """A zone that is served with authority."""

    name: str
    """Name of the zone, such as ``example.net``."""
    servers: tuple[NameServer, ...]
    """Its name servers (NS); the first is named as the primary one (SOA)."""
    ttl: int = 3600
    """Seconds for which resolvers keep what is the same for all, where nothing else is said."""
    negative_ttl: int = 30
    """Seconds for which resolvers keep that a name does not exist."""
    contact: str = "hostmaster"
    """Mailbox of the one who runs it, ``NAME`` or ``NAME@DOMAIN``."""
    signed: bool = False
    """Whether answers are signed (DNSSEC)."""
    regions: tuple[Region, ...] = ()
    """Where clients are, for policy ``region``."""
    services: tuple[Service, ...] = ()
    """Names whose addresses are chosen for each question."""
    records: tuple[Record, ...] = ()
    """Names that are answered to all alike: also CNAMEs to a next load balancer of names."""
    delegations: tuple[Delegation, ...] = ()
    """Parts of the zone that others serve."""
    labels: Labels = ()
    """Keys and values by which resources are found and roles are given; they change nothing else."""

    @property
    def origin(self) -> str:
        """Its name, whole."""
        return f"{self.name}."

    def whole(self, name: str) -> str:
        """A name of the file, whole: with a dot at the end."""
        return whole(name, self.origin)


def whole(name: str, origin: str) -> str:
    """A name that is relative to ``origin`` unless it ends with a dot."""
    if name == APEX:
        return origin
    return name if name.endswith(".") else f"{name}.{origin}"


_PROBED = "name:"


def probe_key(zone: Zone, service: Service) -> str:
    """Under which verdicts on a service's candidates are kept: no pool can be called so."""
    return f"{_PROBED}{zone.whole(service.name)[:-1]}"


def is_probe_key(pool: str) -> bool:
    """Whether verdicts under a key are on candidates, and not on the servers of a pool."""
    return pool.startswith(_PROBED)
