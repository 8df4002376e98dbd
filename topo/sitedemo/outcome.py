"""From everything observed to what the run proved: per event and overall. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from topo.demo.outcome import Promise
from topo.demo.records import ClientLog, Request, Served
from topo.sitedemo.events import Happened, Scale, bounds
from topo.sitedemo.judge import Fate, Judge, Verdict
from topo.sitedemo.measure import Result, result, wrong
from topo.sitedemo.stage import Stage
from topo.wire.judge import Findings, Heard

EXPECTED_ENDS = (4, 2, 3)
"""How a controller may end by itself: it was replaced, or the store was out of its reach when it started.
Codes of ``evenkeel run`` (docs/reference/exit-codes.md)."""


@dataclass(frozen=True)
class Observed:
    """All that a run left behind."""

    seed: int
    topology: str
    round_trip_ms: float
    stage: Stage
    scale: Scale
    events: int
    """How many the run was to have."""
    start: float
    end: float
    happened: tuple[Happened, ...]
    clients: tuple[ClientLog, ...]
    served: tuple[Served, ...]
    tables: tuple[float, ...]
    """When slots moved, by the controllers."""
    heard: tuple[Heard, ...]
    findings: Findings
    period: float
    """Seconds between questions for a VIP."""
    ends: tuple[tuple[str, int], ...]
    """Controllers that ended by themselves, and their exit codes."""
    defects: tuple[str, ...]
    """What controllers reported as errors of their own."""
    deaf: tuple[tuple[float, float], ...] = ()
    """When no controller may have heard what switches reported."""
    cuts: tuple[tuple[float, float], ...] = ()
    """When the sites were cut off from each other."""

    @property
    def requests(self) -> list[Request]:
        """Short requests of all clients, in order."""
        return sorted((one for client in self.clients for one in client.requests), key=lambda one: one.t)


@dataclass(frozen=True)
class Outcome:
    """The verdict on a run."""

    observed: Observed
    fates: tuple[Fate, ...]
    results: tuple[Result, ...]
    promises: tuple[Promise, ...]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many connections had which fate."""
        return Counter(one.verdict.value for one in self.fates)

    @property
    def broken(self) -> list[Fate]:
        """Connections broken although their server lived."""
        return [one for one in self.fates if one.verdict is Verdict.BROKEN]

    @property
    def passed(self) -> bool:
        """All promises held."""
        return all(promise.held for promise in self.promises)


def conclude(seen: Observed) -> Outcome:
    """Judge a run."""
    parts = [part for one in seen.happened for part in one.parts or (one,)]
    judge = Judge(seen.stage, parts, seen.tables, seen.served, seen.deaf, seen.cuts)
    fates = tuple(judge.judge(one) for client in seen.clients for one in client.connections.values())
    requests, duplicates = seen.requests, seen.findings.duplicates
    results = tuple(
        result(
            one,
            one.bounds or bounds(one.event, seen.scale, seen.stage.verdict_seconds),
            seen.stage,
            requests,
            fates,
            seen.heard,
            duplicates,
            seen.period,
        )
        for one in seen.happened
    )
    first = seen.happened[0].begin if seen.happened else seen.end
    early = [one for one in requests if one.t < first - 0.1 and wrong(one)]
    counted = Counter(one.verdict for one in fates)
    opened = len(fates) - counted[Verdict.NOT_OPENED]
    promises = [
        _none("no_connection_broken", "no connection with a living server broke", counted[Verdict.BROKEN]),
        _none("no_duplicates", "no two sites had one VIP at one moment", len(duplicates)),
        _none("calm_before", "no new connection was lost before the first event", len(early)),
        _none("all_proven", "every connection left was proven alive at the end", counted[Verdict.UNPROVEN]),
        Promise("some_opened", "long-lived connections were established", opened > 0, opened, 1),
        Promise(
            "all_events",
            "every event took place",
            len(seen.happened) == seen.events,
            len(seen.happened),
            seen.events,
        ),
        _none("no_defects", "no controller reported an error of its own", len(seen.defects)),
        _none(
            "controllers_end_well",
            "no controller ended by itself unless another one had replaced it",
            sum(code not in EXPECTED_ENDS for _, code in seen.ends),
        ),
        *(_event(one) for one in results),
    ]
    return Outcome(seen, fates, results, tuple(promises))


def _none(name: str, text: str, count: int) -> Promise:
    return Promise(name, text, count == 0, count, 0)


def _event(one: Result) -> Promise:
    missed: Sequence[str] = one.missed
    text = f"{one.happened.event.title}: " + ("; ".join(missed) or "within its bounds")
    return Promise(f"{one.happened.event.name}_held", text, not missed, len(missed), 0)
