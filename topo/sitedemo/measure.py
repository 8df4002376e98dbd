"""Figures of one event: how long new connections failed, how long no site had a VIP, who claimed one twice. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from topo.demo.measure import SLOW_CONNECT
from topo.demo.records import Request
from topo.sitedemo.events import Bounds, Happened
from topo.sitedemo.judge import Fate, Verdict
from topo.sitedemo.stage import Stage
from topo.wire.judge import Duplicate, Heard

UNDER_WAY = 0.1
"""Seconds; who began so shortly before an event may have had its first packet on the way."""
EXAMPLES = 5


@dataclass(frozen=True)
class Wrong:
    """A new connection that failed, or had to repeat its first packet."""

    t: float
    site: str
    listener: str
    what: str


@dataclass(frozen=True)
class Result:
    """What one event cost. Milliseconds."""

    happened: Happened
    bounds: Bounds
    gap_ms: Mapping[str, float]
    """Site -> for so long no new connection of its clients to some listener was right, at worst."""
    repair_ms: Mapping[str, float]
    """Site -> from the event to the last new connection that was not."""
    blind: frozenset[str]
    """Sites to whose clients nothing was promised until the fabric was healthy."""
    silence: Silence
    """The longest in which no site claimed some VIP."""
    duplicates: tuple[Duplicate, ...]
    broken: int
    wrong: tuple[Wrong, ...]
    """At sites to which something was promised."""

    @property
    def unowned_ms(self) -> float:
        """How long that was."""
        return _ms(self.silence.seconds)

    @property
    def missed(self) -> list[str]:
        """Promises that did not hold, in words; none: all held."""
        said = []
        if self.happened.healthy is None:
            said.append(f"not healthy again: {self.happened.why}")
        if self.duplicates:
            said.append(f"{len(self.duplicates)} times two sites had one VIP")
        if self.broken:
            said.append(f"{self.broken} connections broke")
        for name, values, bound in (
            ("service_gap_ms", self.gap_ms, self.bounds.gap),
            ("repair_ms", self.repair_ms, self.bounds.repair),
        ):
            said += [
                f"{name} at {site}: {value:g} > {bound:g}"
                for site, value in values.items()
                if bound is not None and site not in self.blind and value > bound
            ]
        if self.bounds.unowned is not None and self.unowned_ms > self.bounds.unowned:
            said.append(f"unowned_ms: {self.unowned_ms:g} > {self.bounds.unowned:g}")
        return said


def wrong(request: Request) -> str:
    """What was wrong with a short request; empty: nothing."""
    if request.result != "ok" or request.connect is None:
        return f"lost: {request.result}"
    return f"connected after {request.connect:.2f} s" if request.connect > SLOW_CONNECT else ""


def gap(requests: Sequence[Request]) -> float:
    """Seconds from the first of some that were wrong, one after the other, to the next that was right; the longest.

    ``requests``: of one client to one listener, in order.
    """
    longest, since = 0.0, None
    for one in requests:
        if wrong(one):
            since = one.t if since is None else since
            longest = max(longest, one.t - since + 0.001)
        elif since is not None:
            longest, since = max(longest, one.t - since), None
    return longest


class Silence(NamedTuple):
    """A time in which no site claimed a VIP."""

    seconds: float
    """Less the time between two questions."""
    vip: str
    since: float
    """CLOCK_MONOTONIC seconds."""


def unowned(heard: Iterable[Heard], begin: float, end: float, period: float) -> Silence:
    """The longest time without a claim by any site."""
    claims: dict[str, list[float]] = defaultdict(list)
    for each in heard:
        if each.made and begin - 2 * period <= each.at <= end:
            claims[each.vip].append(each.at)
    gaps = [
        Silence(max(0.0, later - max(before, begin) - period), vip, before)
        for vip, times in claims.items()
        for before, later in pairwise([begin, *sorted(times), end])
    ]
    return max(gaps, default=Silence(end - begin, "all", begin))


def result(
    happened: Happened,
    bounds: Bounds,
    stage: Stage,
    requests: Sequence[Request],
    fates: Iterable[Fate],
    heard: Sequence[Heard],
    duplicates: Iterable[Duplicate],
    period: float,
) -> Result:
    """Judge one event. ``requests``: all of the run, in order. ``period``: seconds between questions for a VIP."""
    begin, end = happened.begin, happened.end
    blind = frozenset(happened.cast.sites[where] for where in happened.event.blind)
    by_listener: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for one in requests:
        if begin - UNDER_WAY <= one.t < end - UNDER_WAY:
            by_listener[one.client, one.listener].append(one)
    gaps, repairs = dict.fromkeys(stage.sites, 0.0), dict.fromkeys(stage.sites, 0.0)
    found: list[Wrong] = []
    for (client, listener), its in by_listener.items():
        site = stage.clients[client]
        gaps[site] = max(gaps[site], gap(its))
        bad = [one for one in its if wrong(one)]
        repairs[site] = max([repairs[site], *(max(one.t - begin, 0.0001) for one in bad)])
        if site not in blind:
            found += [Wrong(one.t, site, listener, wrong(one)) for one in bad]
    return Result(
        happened,
        bounds,
        {site: _ms(value) for site, value in gaps.items()},
        {site: _ms(value) for site, value in repairs.items()},
        blind,
        unowned(heard, begin, end, period),
        tuple(each for each in duplicates if begin <= each.begin < end),
        sum(one.verdict is Verdict.BROKEN and one.at is not None and begin <= one.at < end for one in fates),
        tuple(sorted(found, key=lambda one: one.t)),
    )


def _ms(seconds: float) -> float:
    return round(1000.0 * seconds, 1)
