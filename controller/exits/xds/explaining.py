"""What a client is told of a service, and why: routes with their shares, and who serves in which order. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.exits.xds.book import ELSEWHERE, Book
from controller.exits.xds.endpoints import Locality
from controller.exits.xds.kinds import Kind
from controller.exits.xds.plan import Route
from controller.spec.discovery import Limits


class UnknownService(ValueError):
    """There is no service of that name, or no site; the message says which there are."""


@dataclass(frozen=True)
class Share:
    """A cluster's share of a route."""

    cluster: str
    share: float
    """0 to 1."""


@dataclass(frozen=True)
class Led:
    """One route."""

    path: str
    headers: tuple[str, ...]
    """Such as ``x-env: staging``."""
    to: tuple[Share, ...]


@dataclass(frozen=True)
class Server:
    """One server."""

    name: str
    address: str
    port: int
    state: str
    """``up``, ``down``, ``draining``, or ``unknown``: not probed, or its verdict is not heeded."""


@dataclass(frozen=True)
class Place:
    """Servers of one site, zone and weight."""

    priority: int
    site: str
    zone: str
    share: float
    """Of the priority's requests, 0 to 1."""
    servers: tuple[Server, ...]


@dataclass(frozen=True)
class Served:
    """One cluster."""

    name: str
    pool: str
    version: str
    limits: Limits
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Explained:
    """What clients of one place are told of a service."""

    service: str
    region: str
    """Site of the client; empty: it is at none."""
    revision: int
    """Of the store; 0: it is of a file."""
    routes: tuple[Led, ...]
    clusters: tuple[Served, ...]


def explained(book: Book, service: str, region: str) -> Explained:
    """Raises UnknownService."""
    found = book.routes.get(service)
    if found is None:
        raise UnknownService(f'there is no service "{service}"; services: {", ".join(book.routes) or "none"}')
    if region not in book.assignments:
        sites = ", ".join(each for each in book.assignments if each != ELSEWHERE)
        raise UnknownService(f'there is no site "{region}"; sites: {sites}')
    clusters = (each for each in book.clusters.values() if each.service == service)
    return Explained(
        service,
        region,
        book.revision,
        tuple(_led(each) for each in found.routes),
        tuple(
            Served(
                each.name,
                each.pool,
                book.rows(Kind.ENDPOINTS, region)[each.name].version,
                each.limits,
                _places(book.assignments[region][each.name].localities),
            )
            for each in clusters
        ),
    )


def _led(of: Route) -> Led:
    total = sum(each.weight for each in of.clusters)
    headers = tuple(f"{each.name}: {each.value}" for each in of.headers)
    return Led(of.path, headers, tuple(Share(each.cluster, each.weight / total) for each in of.clusters))


def _places(of: tuple[Locality, ...]) -> tuple[Place, ...]:
    totals: dict[int, int] = {}
    for each in of:
        totals[each.priority] = totals.get(each.priority, 0) + each.weight
    return tuple(
        Place(
            each.priority,
            each.site,
            each.zone,
            each.weight / (totals[each.priority] or 1),
            tuple(Server(s.name, str(s.address), s.port, s.state.value) for s in each.endpoints),
        )
        for each in of
    )
