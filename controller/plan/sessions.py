"""How many connections each backend has for each listener, from what switches count: sums, a rate, an error. Pure.

    SYNs ───────► opened ─┐
                          ├─► live = what was known last + opened since - ended since
    FINs, RSTs ─► ended ──┘          ▲
                                     └─ the server says it     no packet for `memory_timeout`: 0

Settled slots keep no state, so a connection is no more than the difference of two counters. What makes them differ for
other reasons stays in the sum until the next thing that is known: a SYN that is sent again, a client that vanishes, a
server's own RST (too many), a FIN with an RST behind it (too few). The drift that servers' own counts show, as a share
of openings, is what figures may be off by where no server says; and by as many as have sent nothing but a SYN, as far
as other packets leave room for that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import exp

Pair = tuple[int, int]
"""Numbers of a listener and a backend."""
Counts = Mapping[Pair, tuple[int, int]]

ASSUMED = 0.02
"""Share of openings by which a figure is taken to drift before servers have shown it."""
PRIOR = 500
"""Openings for which that assumption stands: as many of servers' own weigh as much."""
MOST = 50_000
"""Openings that the learned share is of; older ones fade."""
SMOOTHING = 10.0
"""Seconds over which new connections per second are averaged."""
HALF = 0.5
"""A figure that may be off by more than this share of itself is none to decide by."""
FEW = 5.0
"""Nor is one that may be off by more than so many, where it is small."""


@dataclass(slots=True)
class Count:
    """One backend for one listener, over all lb switches."""

    opened: int = 0
    ended: int = 0
    live: float = 0.0
    unsure: int = 0
    """Openings since ``live`` was known."""
    bare: int = 0
    """Since then: openings less ends, and less other packets, of which each that lives has sent one at least."""
    rate: float = 0.0
    """New per second."""
    spoke: float = 0.0
    """When it was last seen to have had a packet, seconds of the clock."""
    fresh: int = 0
    """Openings that are not in ``rate`` yet."""


@dataclass(slots=True)
class Drift:
    """What servers' own counts have shown of a pool."""

    drift: float = 0.0
    """Connections that were counted and were not there."""
    openings: float = 0.0
    """Of how many."""

    def learn(self, drift: float, openings: int) -> None:
        """One more comparison."""
        if self.openings + openings > MOST:
            self.drift, self.openings = self.drift / 2, self.openings / 2
        self.drift += drift
        self.openings += openings

    @property
    def share(self) -> float:
        """Of openings."""
        return (abs(self.drift) + ASSUMED * PRIOR) / (self.openings + PRIOR)


@dataclass(frozen=True)
class Live:
    """What is known of the connections of some pairs together."""

    opened: int
    ended: int
    live: float
    error: float
    """``live`` may be off by this."""
    rate: float

    @property
    def tells(self) -> bool:
        """Whether it is good enough to decide by."""
        return self.error <= max(FEW, HALF * self.live)


class Tally:
    """All of them."""

    def __init__(self) -> None:
        self.counts: dict[Pair, Count] = {}
        self._last: dict[int, tuple[Counts, Counts]] = {}
        """What each switch had counted at the last read: packets, and openings with ends."""
        self._drifts: dict[str, Drift] = {}
        self._settled: float | None = None

    def take(self, switch: int, packets: Counts, sessions: Counts, now: float) -> None:
        """What a switch has counted by now.

        Where a counter is lower than before, the switch or the entry began again, and all three with it.
        """
        before = self._last.get(switch)
        self._last[switch] = packets, sessions
        old_packets, old_sessions = before or ({}, {})
        for pair, (opened, ended) in sessions.items():
            sent = packets.get(pair, (0, 0))[0]
            had_sent = old_packets.get(pair, (0, 0))[0]
            if sent == had_sent and pair in self.counts:
                continue
            had_opened, had_ended = old_sessions.get(pair, (0, 0))
            if opened < had_opened or ended < had_ended or sent < had_sent:
                had_sent = had_opened = had_ended = 0
            count = self.counts.setdefault(pair, Count())
            if sent != had_sent:
                count.spoke = now
            count.opened += opened - had_opened
            count.ended += ended - had_ended
            count.live += opened - had_opened - (ended - had_ended)
            count.unsure += opened - had_opened
            count.bare += 2 * (opened - had_opened) - (sent - had_sent)
            if before is not None:
                count.fresh += opened - had_opened

    def settle(self, now: float, silent_after: Callable[[Pair], float | None]) -> None:
        """After all switches were taken.

        ``silent_after``: seconds without a packet after which a pair has no connection left; None: it is none any more.
        """
        passed, self._settled = now - (now if self._settled is None else self._settled), now
        part = 1 - exp(-passed / SMOOTHING)
        for pair, count in list(self.counts.items()):
            after = silent_after(pair)
            if after is None:
                del self.counts[pair]
                continue
            if passed > 0:
                count.rate += (count.fresh / passed - count.rate) * part
            count.fresh = 0
            if count.live < 0 or now >= count.spoke + after:
                count.live = 0.0
            if now >= count.spoke + after:
                count.unsure = count.bare = 0

    def keep(self, switches: Collection[int], pools: Collection[str]) -> None:
        """Forget all others."""
        self._last = {number: each for number, each in self._last.items() if number in switches}
        self._drifts = {name: each for name, each in self._drifts.items() if name in pools}

    def correct(self, pool: str, pairs: Iterable[Pair], said: int, learns: bool) -> None:
        """What a server says it has now, for all of these pairs together. ``learns``: nothing but counting happened
        since it said so last, so the difference is drift."""
        counts = [self.counts[pair] for pair in pairs if pair in self.counts]
        if not counts:
            return
        total = sum(max(0.0, each.live) for each in counts)
        if learns:
            drift, openings = sum(each.live for each in counts) - said, sum(each.unsure for each in counts)
            self._drifts.setdefault(pool, Drift()).learn(drift, openings)
        opened = sum(each.opened for each in counts)
        for each in counts:
            part = (
                max(0.0, each.live) / total if total else each.opened / opened if opened else 1 / len(counts)
            )
            each.live, each.unsure, each.bare = said * part, 0, 0

    def share(self, pool: str) -> float:
        """Of openings, by which a pool's figures drift: as its own servers show, or else those of all pools."""
        own = self._drifts.get(pool)
        if own is not None and own.openings >= PRIOR:
            return own.share
        known = self._drifts.values()
        return Drift(sum(abs(each.drift) for each in known), sum(each.openings for each in known)).share

    def live(self, pool: str, pairs: Iterable[Pair]) -> Live | None:
        """Of these pairs together; None: none of them is counted."""
        counts = [self.counts[pair] for pair in pairs if pair in self.counts]
        if not counts:
            return None
        unsure, bare = (sum(each.unsure for each in counts), sum(max(0, each.bare) for each in counts))
        return Live(
            sum(each.opened for each in counts),
            sum(each.ended for each in counts),
            sum(max(0.0, each.live) for each in counts),
            self.share(pool) * unsure + bare,
            sum(each.rate for each in counts),
        )
