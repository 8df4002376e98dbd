"""What clients and servers logged, read back into typed records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Echo:
    """One line sent and answered."""

    t: float
    rtt: float
    server: str

    @property
    def answered(self) -> float:
        """When the answer came."""
        return self.t + self.rtt


@dataclass(frozen=True)
class Failure:
    """How a connection ended against the client's will."""

    t: float
    kind: str
    during: str


@dataclass
class Connection:
    """One long-lived connection as its client saw it."""

    id: str
    client: str
    listener: str
    kind: str
    begin: float | None = None
    opened: float | None = None
    local: tuple[str, int] | None = None
    echoes: list[Echo] = field(default_factory=list)
    proof: Echo | None = None
    failure: Failure | None = None
    closed: float | None = None

    @property
    def server(self) -> str | None:
        """The server that answered first."""
        if self.echoes:
            return self.echoes[0].server
        return self.proof.server if self.proof else None

    @property
    def alive(self) -> bool:
        """Open, as far as the client has logged."""
        return self.opened is not None and self.failure is None and self.closed is None

    def longest_silence(self) -> float:
        """The longest stretch, in seconds, between an answer and the next line sent."""
        exchanges = [*self.echoes, *([self.proof] if self.proof else [])]
        pairs = pairwise(exchanges)
        return max((later.t - earlier.answered for earlier, later in pairs), default=0.0)


@dataclass(frozen=True)
class Request:
    """One short request on a connection of its own."""

    t: float
    """When the attempt began."""
    connect: float | None
    """Seconds until connected; None: it never was."""
    total: float
    client: str
    listener: str
    port: int
    server: str
    result: str


@dataclass(frozen=True)
class Served:
    """One connection as its server saw it."""

    server: str
    peer: tuple[str, int]
    local: tuple[str, int]
    opened: float
    closed: float | None
    reason: str | None


@dataclass
class ClientLog:
    """Everything one client wrote, fed line by line, so that a live view can use it while it grows."""

    client: str
    connections: dict[str, Connection]
    requests: list[Request] = field(default_factory=list)
    started: float | None = None
    ended: float | None = None
    lag: float = 0.0
    """The worst lateness of the load program itself, in seconds."""

    def feed(self, line: str) -> None:
        """Take one log line in; ValueError names a line that is none of ours."""
        record = parse_line(line)
        event, t = record.get("e"), float(record.get("t", 0.0))
        if event == "get":
            self.requests.append(
                Request(
                    t,
                    record["connect"],
                    record["total"],
                    self.client,
                    record["listener"],
                    record["port"],
                    record["server"],
                    record["result"],
                )
            )
        elif event == "start":
            self.started = t
        elif event == "end":
            self.ended = t
        elif event == "lag":
            self.lag = max(self.lag, float(record["seconds"]))
        else:
            self._feed_connection(str(event), t, record)

    def _feed_connection(self, event: str, t: float, record: dict[str, Any]) -> None:
        connection = self.connections[record["id"]]
        if event == "open":
            connection.begin, connection.opened = record["begin"], t
            connection.local = (record["local"][0], record["local"][1])
        elif event == "echo":
            connection.echoes.append(Echo(t, record["rtt"], record["server"]))
        elif event == "proof":
            connection.proof = Echo(t, record["rtt"], record["server"])
        elif event == "fail":
            connection.begin = record["begin"]
            connection.failure = Failure(t, record["kind"], record["during"])
        elif event == "close":
            connection.closed = t
        else:
            raise ValueError(f"log of {self.client}: unknown event {event!r}; it should be one of load.py's")


def parse_line(line: str) -> dict[str, Any]:
    """One JSON object; ValueError otherwise."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"a log line should be a JSON object, not {line[:60]!r}")
    return value


def whole_lines(text: str) -> Iterator[str]:
    """Lines that were finished: a process that is killed can leave half a line behind."""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n") and line.strip():
            yield line


def read_served(server: str, lines: Iterable[str]) -> list[Served]:
    """A server's log as connections; one without a close record was open when the log ended."""
    waiting: dict[tuple[tuple[str, int], tuple[str, int]], float] = {}
    served: list[Served] = []
    for line in lines:
        record = parse_line(line)
        event = record.get("event")
        if event not in ("open", "close"):
            continue
        peer, local = (record["peer"][0], record["peer"][1]), (record["local"][0], record["local"][1])
        t = float(record["mono"])
        if event == "open":
            waiting[peer, local] = t
        else:
            opened = waiting.pop((peer, local), t)
            served.append(Served(server, peer, local, opened, t, str(record.get("reason"))))
    left = [Served(server, peer, local, t, None, None) for (peer, local), t in waiting.items()]
    return sorted([*served, *left], key=lambda one: one.opened)
