"""What is shown of the discovery server: all clients, each service, and clients that refuse what they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.core.shown import ExitStatus, Scalar
from controller.exits.xds.book import ELSEWHERE, Book
from controller.exits.xds.endpoints import PARKED
from controller.exits.xds.kinds import Kind
from controller.exits.xds.server import Server, Stream, refusals

MOST = 20
"""Clients that are named."""
ALL = "*"
"""The row of all clients."""


def shown(server: Server, problem: str, counted: Mapping[str, int]) -> ExitStatus:
    """Of a server. ``problem``: why it does not listen; ``counted``: ``refusals`` and clients ``cut`` off so far."""
    refused = refusals(server.streams)
    refusing = {stream for stream, _ in refused}
    words = [problem] if problem else []
    if refused:
        stream, refusal = refused[0]
        many = f"{len(refusing)} client{'s' * (len(refusing) > 1)}"
        words.append(f"{many} refused what was sent: {stream.who.node}: {refusal.kind.word}: {refusal.why}")
    everyone: dict[str, Scalar] = {
        "clients": len(server.streams),
        "refusing": len(refusing),
        "refusals": counted.get("refusals", 0),
        "cut": counted.get("cut", 0) + server.turned_away,
        "unchanged": sum(server.current.values()),
    }
    items: dict[str, Mapping[str, Scalar]] = {ALL: everyone, **dict(_services(server.book, server.streams))}
    for stream, refusal in refused[:MOST]:
        items[f"client {stream.who.node}"] = {
            "program": stream.who.program,
            "refused": refusal.kind.word,
            "version": refusal.version,
            "why": refusal.why,
        }
    waits = any(stream.waits for stream in server.streams)
    return ExitStatus(not words and not waits, "; ".join(words), sum(server.responses.values()), 0, items)


def _services(book: Book, streams: Iterable[Stream]) -> Iterable[tuple[str, Mapping[str, Scalar]]]:
    """By name."""
    asked: dict[str, int] = dict.fromkeys(book.routes, 0)
    for stream in streams:
        for name in _asked(stream, book):
            asked[name] += 1
    counts: dict[str, list[int]] = {name: [0, 0, 0] for name in book.routes}
    for name, row in book.assignments[ELSEWHERE].items():
        if name in book.clusters:
            count = counts[book.clusters[name].service]
            count[0] += 1
            count[1] += sum(len(each.endpoints) for each in row.localities)
            count[2] += sum(len(each.endpoints) for each in row.localities if each.part == PARKED)
    for name, (clusters, servers, parked) in counts.items():
        version = book.common[Kind.ROUTES][name].version
        shown_of: dict[str, Scalar] = {
            "clients": asked[name],
            "clusters": clusters,
            "servers": servers,
            "parked": parked,
            "version": version,
        }
        yield name, shown_of


def _asked(stream: Stream, book: Book) -> set[str]:
    """Services that a client asks for: by its listener, its routes, or clusters."""
    found: set[str] = set()
    for kind, to in stream.session.subscriptions.items():
        if kind in (Kind.ENDPOINTS, Kind.CLUSTERS):
            found.update(book.clusters[name].service for name in to.names if name in book.clusters)
        else:
            found.update(name for name in to.names if name in book.routes)
    return found
