"""What a name server counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counters:
    """Since it began. Counted in the event loop."""

    rcodes: Counter[int] = field(default_factory=Counter)
    """Answers by what they say (``Rcode``; plain numbers are counted in half the time)."""
    udp: int = 0
    """Datagrams that came."""
    tcp: int = 0
    """Questions over TCP."""
    ignored: int = 0
    """Messages that are no questions: not answered."""
    dropped: int = 0
    """Answers that the rate limit held back."""
    slipped: int = 0
    """Answers that it sent without records."""
    truncated: int = 0
    """Answers without records because they are too large for UDP."""
    unsent: int = 0
    """Answers that the system did not take."""
    subnets: int = 0
    """Questions with a client's subnet."""
    cookies: int = 0
    """Questions with a cookie of ours."""
    failed: int = 0
    """Answers that a defect kept from being made: SERVFAIL."""
    connections: int = 0
    """TCP connections now."""
    refused: int = 0
    """TCP connections that were closed for others."""
