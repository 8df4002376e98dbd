"""Parts of a run's ``report.json`` that all kinds of runs have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from topo.demo.outcome import Promise


class Judged(Protocol):
    """What became of one connection."""

    @property
    def id(self) -> str:
        """Of the connection."""
        ...

    @property
    def client(self) -> str:
        """Whose it was."""
        ...

    @property
    def listener(self) -> str:
        """Where it went."""
        ...

    @property
    def kind(self) -> str:
        """How it speaks."""
        ...

    @property
    def server(self) -> str | None:
        """Who had it; None: not known."""
        ...

    @property
    def cause(self) -> str:
        """What was seen, in words."""
        ...

    @property
    def at(self) -> float | None:
        """When it failed, CLOCK_MONOTONIC seconds; None: not known, or it did not."""
        ...


def ms(seconds: float) -> float:
    """Milliseconds, rounded to tenths."""
    return round(seconds * 1000.0, 1)


def connection(one: Judged, start: float) -> dict[str, Any]:
    """One entry of ``broken``. ``start``: of the load."""
    return {
        "id": one.id,
        "client": one.client,
        "listener": one.listener,
        "kind": one.kind,
        "server": one.server,
        "cause": one.cause,
        "at_ms": None if one.at is None else ms(one.at - start),
    }


def by_listener(verdicts: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Listener -> verdict -> connections, of pairs of both."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for listener, verdict in verdicts:
        counted[listener][verdict] += 1
    return {listener: dict(counts) for listener, counts in sorted(counted.items())}


def promise(one: Promise) -> dict[str, Any]:
    """One entry of ``promises``."""
    return {
        "name": one.name,
        "promise": one.text,
        "held": one.held,
        "value": one.value,
        "bound": one.bound,
    }
