"""Everything that answers follow from, in one value that can be sent to where names are served.

zones of the intent ─┐
owners, fitness ─────┤
verdicts, tables ────┼─► Inputs ─► (compiling) ─► Content
connections ─────────┤
times to resolvers ──┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.spec.addresses import Address
from controller.spec.names import Zone


@dataclass(frozen=True)
class State:
    """What is known of one candidate. Never changed in place."""

    address: Address
    """Its own; ``public`` of the intent may be answered in its place."""
    site: str = ""
    """Where it is now; empty: nowhere, or not known."""
    up: bool | None = None
    """What probes of it say; None: it is not probed, or there is no verdict yet."""
    why: str = ""
    """Reason of that verdict."""
    word: str = ""
    """Why it does not serve by its site's own word; empty: it serves, or there is no word."""
    servers: int | None = None
    """Servers that live behind it; None: not known, as of one that is not ours."""
    sessions: int | None = None
    """Connections that its servers have; None: not known."""
    capacity: int | None = None
    """Connections that they can take; None: not known."""


@dataclass(frozen=True)
class Inputs:
    """All of it, at one moment."""

    revision: int
    """Change id of what it follows from."""
    zones: tuple[Zone, ...]
    """As the intent has them."""
    states: Mapping[str, State]
    """By ``state_key``; one for each candidate."""
    rtts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Prefix of resolvers -> site -> seconds, as name servers at the sites measured."""
    resolvers: tuple[str, ...] = ()
    """Addresses that each name server measures from its site."""

    def state(self, zone: Zone, service: str, candidate: str) -> State:
        """Of one candidate. Raises KeyError for one that is not in it."""
        return self.states[state_key(zone, service, candidate)]


def state_key(zone: Zone, service: str, candidate: str) -> str:
    """Of a candidate: ``SERVICE/CANDIDATE`` with the service's name whole."""
    return f"{zone.whole(service)}/{candidate}"
