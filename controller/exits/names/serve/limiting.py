"""Limits answers over UDP to each network, so that forged questions make no flood of us. Pure.

Counted are answers of one kind (of one name; of a zone's names that are not there; errors) to one prefix in one second.
Of those beyond the limit most are dropped; each ``slip``-th is sent without records, and a client that is really there
asks again over TCP, or shows a cookie: those are never limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

V6_OCTETS = 7
"""Of an IPv6 address that are counted together: a /56. Of IPv4 it is a /24."""
COUNTED = 200_000
"""Counters in a second, at most: what comes beyond is not limited."""
_PREFIXES = 16_384


class Verdict(Enum):
    """What becomes of an answer."""

    SEND = "send"
    SLIP = "slip"
    DROP = "drop"


_SEND = Verdict.SEND


@dataclass(frozen=True)
class Limits:
    """As an operator has them."""

    rate: int = 1000
    """Answers of one kind to one prefix in a second; 0: no limit."""
    slip: int = 2
    """Each such one of the others is sent without records; 0: none."""


class Limiter:
    """Of one name server."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.rate or (1 << 62)
        self._slip = limits.slip
        self._counts: dict[tuple[object, object], int] = {}
        self._ends = 0.0
        self._prefixes: dict[str, object] = {}

    def tick(self, now: float) -> None:
        """Time passes: call it with each batch of questions."""
        if now >= self._ends:
            self._counts = {}
            self._ends = now + 1.0

    def verdict(self, host: str, kind: object) -> Verdict:
        """Count one answer."""
        counts, key = self._counts, (self._prefixes.get(host) or self._prefix(host), kind)
        count = counts.get(key, 0) + 1
        if count == 1 and len(counts) >= COUNTED:
            return _SEND
        counts[key] = count
        if count <= self._rate:
            return _SEND
        if self._slip and (count - self._rate) % self._slip == 0:
            return Verdict.SLIP
        return Verdict.DROP

    def _prefix(self, host: str) -> object:
        """What addresses of one network have in common."""
        if len(self._prefixes) >= _PREFIXES:
            self._prefixes.clear()
        if ":" in host:
            found: object = IPv6Address(host.partition("%")[0]).packed[:V6_OCTETS]
        else:
            found = host[: host.rfind(".")]
        self._prefixes[host] = found
        return found
