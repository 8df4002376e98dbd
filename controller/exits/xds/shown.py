"""What is shown of the discovery server: a row for each service, and for each client that refuses what it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.core.shown import ExitStatus, Scalar
from controller.exits.xds.book import ELSEWHERE, Book
from controller.exits.xds.endpoints import PARKED
from controller.exits.xds.kinds import Kind
from controller.exits.xds.server import Server, Stream, refusals

MOST = 20
"""Clients that are named."""


def shown(server: Server, problem: str) -> ExitStatus:
    """Of a server; ``problem``: why it does not listen."""
    refused = refusals(server.streams)
    late = sum(stream.waits for stream in server.streams)
    words = problem
    if refused:
        stream, refusal = refused[0]
        words = (
            f"{_count(len({each for each, _ in refused}), 'client')} refused what they were sent, such as "
        )
        words += f"{stream.who.node}: {refusal.kind.word}: {refusal.why}"
        words = "; ".join(filter(None, (problem, words)))
    items: dict[str, Mapping[str, Scalar]] = dict(_services(server.book, server.streams))
    for stream, refusal in refused[:MOST]:
        items[f"client {stream.who.node}"] = {
            "program": stream.who.program,
            "refused": refusal.kind.word,
            "version": refusal.version,
            "why": refusal.why,
        }
    return ExitStatus(not words and not late, words, sum(server.responses.values()), 0, items)


def _services(book: Book, streams: Iterable[Stream]) -> Iterable[tuple[str, Mapping[str, Scalar]]]:
    """By service."""
    asked: dict[str, int] = dict.fromkeys(book.routes, 0)
    for stream in streams:
        for name in _asked(stream, book):
            asked[name] += 1
    servers = book.assignments[ELSEWHERE]
    for name in book.routes:
        found = [
            (each.part, len(each.endpoints))
            for cluster, row in servers.items()
            if cluster in book.clusters and book.clusters[cluster].service == name
            for each in row.localities
        ]
        yield (
            name,
            {
                "clients": asked[name],
                "clusters": sum(each.service == name for each in book.clusters.values()),
                "servers": sum(count for _, count in found),
                "parked": sum(count for part, count in found if part == PARKED),
                "version": book.common[Kind.ROUTES][name].version,
            },
        )


def _asked(stream: Stream, book: Book) -> set[str]:
    """Services that a client asks for: by its listener, its routes, or clusters."""
    found: set[str] = set()
    for kind, to in stream.session.subscriptions.items():
        if kind is Kind.ENDPOINTS or kind is Kind.CLUSTERS:
            found.update(book.clusters[name].service for name in to.names if name in book.clusters)
        else:
            found.update(name for name in to.names if name in book.routes)
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
