"""What a name server is given to serve: zones, and for names that are balanced a choice for each question.

    zones of the intent + health, owners, counts ─► (rules) ─► Content ─► (responder, engine) ─► answers

A ``Content`` never changes: when the state does, the next one takes its place. So whatever serves it may render and
sign its record sets once. All names are in lower case, absolute, and end with a dot; values are in presentation
format (RFC 1035, 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of a name and type."""

    name: str
    type: str
    """``A``, ``AAAA``, ``HTTPS``, ``SRV``, ``NS``, ``CNAME``, ``TXT``, ..."""
    ttl: int
    """Seconds."""
    values: tuple[str, ...]
    """In the order in which they are to be answered."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as far as answers may depend on it."""

    address: Address
    """Where the client is: of its subnet (RFC 7871) with bits beyond ``prefix`` 0, or the resolver's own address."""
    prefix: int
    """Bits of ``address`` that are known."""
    resolver: Address
    """Who sent the question."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The answer to one question."""

    records: RecordSet
    """Without values: the name exists and has none of this type now."""
    scope: int = 0
    """Bits of the asker's address that the choice went by (RFC 7871): 0: it is the same for all."""


class Choice(Protocol):
    """Chooses for one balanced name and type. May remember what it chose, where a policy goes by that."""

    def __call__(self, asker: Asker) -> Chosen:
        """Choose. Takes microseconds, never blocks, never raises."""
        ...

    @property
    def possible(self) -> tuple[RecordSet, ...]:
        """Sets that can be chosen, as far as they can be listed, so that they can be rendered and signed beforehand;
        the same values in another order are the same set."""
        ...


@dataclass(frozen=True)
class Zone:
    """One zone that is served with authority."""

    origin: str
    """Such as ``example.net.``"""
    soa: RecordSet
    negative_ttl: int
    """Seconds for which "no such name" may be remembered."""
    fixed: Mapping[tuple[str, str], RecordSet]
    """By name and type: everything that is the same for all: NS of the origin, glue, delegations (NS of a name below
    the origin; what is below that is not ours), CNAMEs, TXT."""
    balanced: Mapping[tuple[str, str], Choice]
    """By name and type."""
    signed: bool = False
    """To be answered with signatures (DNSSEC) to those who want them."""


@dataclass(frozen=True)
class Content:
    """All that is served at one moment."""

    revision: int
    """Change id of what it follows from."""
    zones: Mapping[str, Zone]
    """By origin."""
