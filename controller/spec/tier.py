"""A layer-7 tier, as the intent has it: HAProxy processes behind an L4 pool, what they listen on and lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.spec.addresses import Address

ANY, ANY6, OWN = "any", "::", "own"
"""Addresses of a bind that are more than one."""


class ProxyMode(StrEnum):
    """What a front end or pool of a tier sees of a connection."""

    HTTP = "http"
    TCP = "tcp"


class Balance(StrEnum):
    """How requests are shared among the servers of a tier's pool, in HAProxy's words."""

    ROUNDROBIN = "roundrobin"
    LEASTCONN = "leastconn"
    FIRST = "first"
    RANDOM = "random"
    SOURCE = "source"
    URI = "uri"
    URL_PARAM = "url_param"
    HDR = "hdr"
    RDP_COOKIE = "rdp-cookie"

    @property
    def hashes(self) -> bool:
        """Whether a server is found by a hash, which is a consistent one."""
        return self in (Balance.SOURCE, Balance.URI, Balance.URL_PARAM, Balance.HDR, Balance.RDP_COOKIE)

    @property
    def reads_http(self) -> bool:
        """Whether it looks at a request."""
        return self in (Balance.URI, Balance.URL_PARAM, Balance.HDR)


class ForwardedFor(StrEnum):
    """What becomes of X-Forwarded-For."""

    REPLACE = "replace"
    APPEND = "append"
    NONE = "none"


class SendProxy(StrEnum):
    """Whether servers are told the client's address before the first octet of a connection."""

    NONE = "none"
    V1 = "v1"
    V2 = "v2"


class TierProbe(StrEnum):
    """How HAProxy probes a server."""

    TCP = "tcp"
    HTTP = "http"


class RetryOn(StrEnum):
    """What a request is sent again for, in HAProxy's words."""

    CONN_FAILURE = "conn-failure"
    EMPTY_RESPONSE = "empty-response"
    JUNK_RESPONSE = "junk-response"
    RESPONSE_TIMEOUT = "response-timeout"
    STATUS_500 = "500"
    STATUS_502 = "502"
    STATUS_503 = "503"
    STATUS_504 = "504"


@dataclass(frozen=True)
class Instance:
    """One HAProxy. The operator's service manager starts it in master-worker mode (``-W -S SOCKET``)."""

    name: str
    """The backend of an L4 pool that it is."""
    master: str
    """Its master socket (``-S``), through which everything is asked and told: ``unix:/PATH``, or ``tcp:ADDRESS:PORT``
    within a management network, as it knows no passwords."""
    config: str
    """Absolute path of its configuration file (``-f``), which the controller writes, as this controller sees it; ends
    with ``.cfg``. A file that is there already and was not written by a controller is left alone, and that is said."""


@dataclass(frozen=True)
class Bind:
    """What a front end listens on."""

    port: int
    """TCP port."""
    address: str = ANY
    """An address; ``any``: all IPv4 addresses of the machine (a VIP of mode ``dr`` or ``tun`` is one of them); ``::``:
    all IPv6 addresses; ``own``: those of the backend that the instance is."""
    certificates: tuple[str, ...] = ()
    """Absolute paths of PEM files with certificate chain and key: TLS ends here, and HTTP/2 is offered. Each name of a
    certificate is served by it. None: no TLS."""
    accept_proxy: bool = False
    """Whether every connection begins with a header of the PROXY protocol, from a balancer in front that is trusted."""


@dataclass(frozen=True)
class Match:
    """A header or cookie, and its value."""

    name: str
    """Name; of a header in any case."""
    value: str
    """Value, in full; of a header one of those that commas divide."""


@dataclass(frozen=True)
class TierRoute:
    """Requests that go to a pool of their own. All that is given has to match; of a list one item."""

    pool: str
    """The pool of the tier."""
    hosts: tuple[str, ...] = ()
    """Names as in ``api.example.org``, or ``*.example.org`` for all below it. In mode ``tcp``: of TLS (SNI)."""
    paths: tuple[str, ...] = ()
    """Whole paths such as ``/login``, or with ``*`` at the end all that begin so: ``/api/*``."""
    headers: tuple[Match, ...] = ()
    """Headers, all of which are there."""
    cookies: tuple[Match, ...] = ()
    """Cookies, all of which are there."""


@dataclass(frozen=True)
class Frontend:
    """What clients talk to. The first route that matches decides."""

    name: str
    """Name by which HAProxy's statistics call it."""
    binds: tuple[Bind, ...]
    """Ports on which it listens."""
    mode: ProxyMode = ProxyMode.HTTP
    """``tcp`` takes connections as they are."""
    routes: tuple[TierRoute, ...] = ()
    """Which requests go where, in order."""
    pool: str | None = None
    """Where all else goes. None: it is refused (503; a TCP connection is closed)."""
    forwarded_for: ForwardedFor = ForwardedFor.REPLACE
    """What servers read in X-Forwarded-For: the client's address alone, in place of what the client wrote, or after it;
    ``none``: what the client wrote. With the first two, X-Forwarded-Proto says ``http`` or ``https``."""
    max_connections: int | None = None
    """Connections at a time; more wait. None: as many as HAProxy has descriptors for."""
    raw: tuple[str, ...] = ()
    """Lines of HAProxy's own language for this section, after ours and before the routes."""


@dataclass(frozen=True)
class Sticky:
    """Clients stay with a server by a cookie that HAProxy sets and servers do not see."""

    cookie: str
    """Its name; its value is the server's name."""
    secure: bool = False
    """Whether it is sent by TLS only."""


IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


@dataclass(frozen=True)
class Retries:
    """When a request is sent again, to another server if the balancing finds one."""

    attempts: int = 3
    """How often, after the first; 0: never."""
    on: tuple[RetryOn, ...] = (RetryOn.CONN_FAILURE, RetryOn.EMPTY_RESPONSE, RetryOn.RESPONSE_TIMEOUT)
    """What for. In mode ``tcp``: connections that fail, whatever stands here."""
    methods: tuple[str, ...] = IDEMPOTENT
    """Methods of requests that may reach a server twice. Others are sent again only if nothing was sent yet."""


@dataclass(frozen=True)
class TierHealth:
    """How HAProxy probes the servers of a pool."""

    type: TierProbe = TierProbe.TCP
    """A connection, or a request that is answered with status 200 to 399."""
    path: str = "/"
    """Of type ``http``: path of the request."""
    host: str | None = None
    """Of type ``http``: the Host header."""
    port: int | None = None
    """Port that is probed; None: the server's."""
    interval: float = 2.0
    """Time between two probes of a server, by each HAProxy."""
    timeout: float = 1.0
    """Time for an answer; at most ``interval``."""
    rise: int = 2
    """Passes in a row that make a server up."""
    fall: int = 3
    """Failures in a row that make it down."""


@dataclass(frozen=True)
class TierServer:
    """One server of a tier's pool."""

    name: str
    """Name by which HAProxy calls it; also the value of sticky cookies."""
    address: Address
    """Where it listens."""
    port: int
    """TCP port."""
    weight: int = 1
    """Share of requests, relative to the other servers; 0: only clients whose cookie names it."""
    drain: bool = False
    """Whether it takes nothing new: its sessions end by themselves, and clients whose cookie names it may come back for
    ``drain_timeout``."""
    backup: bool = False
    """Whether it serves only while no other does."""


@dataclass(frozen=True)
class TierPool:
    """Servers that serve the same, with probes of their own."""

    name: str
    """Name by which front ends and routes refer to it."""
    servers: tuple[TierServer, ...]
    """The servers."""
    mode: ProxyMode = ProxyMode.HTTP
    """``tcp`` passes octets on: database reads, for instance."""
    balance: Balance = Balance.ROUNDROBIN
    """How servers are chosen: in HAProxy's words; those that hash (``source``, ``uri``, ``url_param``, ``hdr``,
    ``rdp-cookie``) do so consistently, so that few clients change servers with a weight. ``uri`` is what other programs
    call ``url_hash``."""
    balance_on: str | None = None
    """Of ``url_param`` and ``hdr``: the name of the parameter or header; of ``rdp-cookie`` that of the cookie,
    ``mstshash`` if it is not said."""
    sticky: Sticky | None = None
    """Clients stay with a server. None: they do not."""
    retries: Retries = field(default_factory=Retries)
    """When a request is sent again."""
    health: TierHealth | None = None
    """How servers are probed. None: they count as alive."""
    send_proxy: SendProxy = SendProxy.NONE
    """Whether servers are told the client's address by the PROXY protocol."""
    drain_timeout: float = 300.0
    """How long clients whose cookie names a draining server may come back to it; then they get another. Sessions that
    are open are never cut."""
    raw: tuple[str, ...] = ()
    """Lines of HAProxy's own language for this section, after ours."""
    raw_server: tuple[str, ...] = ()
    """Words of HAProxy's own language for each of its servers, such as ``ssl verify none``."""


@dataclass(frozen=True)
class TierTimeouts:
    """How long HAProxy waits."""

    connect: float = 2.0
    """For a server to take a connection, and in its queue."""
    client: float = 60.0
    """For a client that is silent while it should send or read."""
    server: float = 60.0
    """For a server that is silent while it should answer."""
    http_request: float = 10.0
    """For the head of a request."""
    keep_alive: float = 60.0
    """For the next request of a client."""


@dataclass(frozen=True)
class Tier:
    """HAProxy processes that serve the same."""

    name: str
    """Name of the tier."""
    instances: tuple[Instance, ...]
    """The processes, each a backend of an L4 pool."""
    frontends: tuple[Frontend, ...]
    """What they listen on."""
    pools: tuple[TierPool, ...]
    """Where requests go."""
    status_port: int | None = None
    """Port of each instance where a GET is answered with the number of its clients' connections (503 when no front end
    has a server that is up): for ``health`` of type ``http`` and ``agent`` of type ``http`` of the L4 pool. None: there
    is none."""
    timeouts: TierTimeouts = field(default_factory=TierTimeouts)
    """How long HAProxy waits."""
    hard_stop_after: float | None = None
    """Time after a reload in which connections of the former process have to end. None: they end by themselves."""
    raw_global: tuple[str, ...] = ()
    """Lines of HAProxy's own language for ``global``, such as ``user haproxy``."""
    raw_defaults: tuple[str, ...] = ()
    """Lines of HAProxy's own language for ``defaults``."""
    raw_sections: tuple[str, ...] = ()
    """Lines of HAProxy's own language at the end of the file: whole sections."""
