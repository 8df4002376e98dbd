"""Services whose clients find servers by themselves (xDS), as the intent has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

CONTROL_PLANE = "evenkeel"
"""What the server calls itself to its clients."""


class Speaks(StrEnum):
    """What the servers of a service speak."""

    GRPC = "grpc"
    """HTTP/2 without TLS."""
    HTTP = "http"
    """HTTP/1.1."""


@dataclass(frozen=True)
class DiscoveryTls:
    """Files in PEM on the controller's machine; read again when they change."""

    cert: str
    """The server's certificate, with those between it and its authority behind it."""
    key: str
    """Its private key, for its owner's eyes alone."""
    ca: str | None = None
    """Who signs the certificates of clients. None: they need none."""


@dataclass(frozen=True)
class Limits:
    """What one client opens to one cluster at most. gRPC knows ``requests`` alone."""

    connections: int | None = None
    """Connections at a time. None: as many as the client likes (Envoy: 1,024)."""
    pending: int | None = None
    """Requests that wait for a connection. None: as for ``connections``."""
    requests: int | None = None
    """Requests at a time; further ones fail at once. None: 1,024."""


UNLIMITED = Limits()


@dataclass(frozen=True)
class Header:
    """A header that a request must have."""

    name: str
    """In lower case."""
    value: str
    """Exactly this."""


@dataclass(frozen=True)
class Target:
    """A part of a route's requests, and who serves it."""

    pool: str
    """The pool that serves them."""
    subset: str | None = None
    """The part of the pool that serves them. None: the whole pool; its ``split`` says which part takes what share."""
    weight: int = 1
    """Share of the route's requests, relative to its other targets."""


@dataclass(frozen=True)
class ServiceRoute:
    """Which requests go where; the first route that fits counts."""

    path: str = "/"
    """Paths that begin so."""
    headers: tuple[Header, ...] = ()
    """Headers that all must be there."""
    to: tuple[Target, ...] = ()
    """Who serves them."""


@dataclass(frozen=True)
class Service:
    """What clients ask for by name: ``xds:///NAME``."""

    name: str
    """Name that clients dial, with a port if they dial one."""
    port: int
    """Port of the servers."""
    routes: tuple[ServiceRoute, ...]
    """Which requests go where, the first that fits. ``pool: NAME`` in its place: all go to that pool."""
    speaks: Speaks = Speaks.GRPC
    """What the servers speak."""
    prefer: tuple[str, ...] = ()
    """Sites in order of preference; those left out follow in the order of the file."""
    local_first: bool = True
    """Whether clients whose locality names a site as its region have that site first."""
    limits: Limits = UNLIMITED
    """What one client opens at most."""
    listen: str | None = None
    """Where an Envoy that asks for all listeners takes requests for the service. None: it opens nothing for it."""

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the pools that it leads to, each once."""
        return tuple(dict.fromkeys(target.pool for route in self.routes for target in route.to))


@dataclass(frozen=True)
class Discovery:
    """A discovery server (xDS) for gRPC clients without a proxy, and for Envoy."""

    listen: str
    """Where clients connect; beyond this machine with ``tls``, or with ``insecure``."""
    services: tuple[Service, ...] = field(default=())
    """What clients can ask for."""
    tls: DiscoveryTls | None = None
    """Certificates. None: without TLS."""
    insecure: bool = False
    """Whether others than this machine may connect without TLS."""
