"""From everything observed to what the run proved: per event, per promise, overall. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from topo.demo import measure
from topo.demo.events import FULL, Fleet, Happened, Kind
from topo.demo.ledger import Endpoint, Judgement, Verdict, judge_all
from topo.demo.measure import Span, Spread, Trouble
from topo.demo.records import ClientLog, Connection, Request, Served
from topo.demo.scale import Scale

P_LIMIT = 0.001


@dataclass(frozen=True)
class Observed:
    """All that a run left behind."""

    seed: int
    sabotage: bool
    steps: int
    """How many events the script has."""
    fleet: Fleet
    """Before the first event."""
    start: float
    end: float
    happened: tuple[Happened, ...]
    endpoints: tuple[Endpoint, ...]
    clients: tuple[ClientLog, ...]
    served: tuple[Served, ...]
    scale: Scale
    verdict_seconds: float
    """interval x fall + timeout of the pool's health check."""
    simulated: bool = False
    """Hosts were simulated, for want of privileges."""
    silence: float = FULL.silence
    """Seconds; a third of the connections must have been silent for that long at a stretch."""
    said: tuple[tuple[float, str], ...] = ()
    """What the controller said and when: drawn, never believed."""

    @property
    def connections(self) -> list[Connection]:
        """Long-lived connections of all clients."""
        return [one for client in self.clients for one in client.connections.values()]

    @property
    def requests(self) -> list[Request]:
        """Short requests of all clients, in order."""
        return sorted((one for client in self.clients for one in client.requests), key=lambda one: one.t)


@dataclass(frozen=True)
class EventResult:
    """What one event cost."""

    happened: Happened
    repair_ms: float
    bound_ms: float
    wrong: tuple[Trouble, ...]
    stall_ms: float
    broken: int
    """Connections that broke from this event until the next although their server lived."""

    @property
    def held(self) -> bool:
        """Repaired in time."""
        return self.repair_ms <= self.bound_ms


@dataclass(frozen=True)
class Promise:
    """One promise and whether it held."""

    name: str
    text: str
    held: bool
    value: float
    bound: float


@dataclass(frozen=True)
class Outcome:
    """The verdict on a run."""

    observed: Observed
    judgements: tuple[Judgement, ...]
    verdicts: dict[str, int]
    events: tuple[EventResult, ...]
    before: tuple[Trouble, ...]
    """What went wrong before the first event."""
    spreads: tuple[Spread, ...]
    p: float
    promises: tuple[Promise, ...]

    @property
    def broken(self) -> int:
        """Connections broken although their server lived."""
        return self.verdicts.get(Verdict.BROKEN.value, 0)

    @property
    def passed(self) -> bool:
        """All promises held; of a sabotage run: exactly the one connection moved by hand was found."""
        if self.observed.sabotage:
            return self.broken == 1
        return all(promise.held for promise in self.promises)


def _event_result(span: Span, seen: Observed, judgements: Sequence[Judgement]) -> EventResult:
    happened = span.happened
    assert happened is not None
    wrong = measure.troubles(span, seen.requests)
    broken = [
        one
        for one in judgements
        if one.verdict is Verdict.BROKEN and one.at is not None and span.start <= one.at < span.end
    ]
    return EventResult(
        happened,
        measure.repair_ms(span, wrong),
        seen.scale.bound_ms(happened.step.kind, seen.verdict_seconds),
        tuple(wrong),
        measure.longest_stall_ms(seen.connections, span.start, span.end),
        len(broken),
    )


def _connection_promises(seen: Observed, verdicts: Mapping[str, int]) -> list[Promise]:
    asked = len(seen.connections)
    opened = asked - verdicts.get(Verdict.NOT_OPENED.value, 0)
    silent = sum(1 for one in seen.connections if one.longest_silence() >= seen.silence)
    unproven = verdicts.get(Verdict.UNPROVEN.value, 0) + verdicts.get(Verdict.CLIENT_CLOSED.value, 0)
    broken = verdicts.get(Verdict.BROKEN.value, 0)
    return [
        Promise("no_connection_broken", "no connection with a living server broke", broken == 0, broken, 0),
        Promise("all_opened", "every long-lived connection was established", opened == asked, opened, asked),
        Promise(
            "all_proven",
            "every connection left was proven alive by an echo at the end",
            unproven == 0 and opened > 0,
            unproven,
            0,
        ),
        Promise(
            "a_third_silent",
            f"a third of them were silent for {seen.silence:.0f} s and more at a stretch",
            silent * 3 >= asked > 0,
            silent,
            asked / 3,
        ),
    ]


def _event_promise(result: EventResult, scale: Scale) -> Promise:
    kind = result.happened.step.kind
    if kind is Kind.KILL_SERVER:
        text = f"a server's death is repaired within interval x fall + timeout + {scale.verdict_ms:g} ms"
    elif kind is Kind.KILL_LB:
        text = f"a lb switch's death is repaired within {scale.lb_ms:g} ms"
    elif kind is Kind.DRAIN_BACKEND:
        text = "draining stops new connections at once"
    else:
        text = f"no new connection is lost or misdirected: {result.happened.step.title}"
    return Promise(f"{kind.value}_repaired", text, result.held, result.repair_ms, result.bound_ms)


def conclude(seen: Observed) -> Outcome:
    """Judge a run."""
    deaths = {one.step.target: one.t for one in seen.happened if one.step.kind is Kind.KILL_SERVER}
    judgements = judge_all(seen.connections, seen.served, seen.endpoints, deaths)
    verdicts = dict(Counter(one.verdict.value for one in judgements))
    cut = measure.spans(seen.fleet, seen.happened, seen.start, seen.end)
    results = [_event_result(span, seen, judgements) for span in cut[1:]]
    before = measure.troubles(cut[0], seen.requests)
    listeners = sorted({one.listener for one in seen.requests})
    rows = measure.spreads(cut, seen.requests, listeners)
    whole = measure.overall(rows)
    done = len(seen.happened)
    promises = [
        *_connection_promises(seen, verdicts),
        Promise("all_events", "every scripted event took place", done == seen.steps, done, seen.steps),
        Promise(
            "calm_before",
            "no new connection was lost before the first event",
            not before,
            len(before),
            0,
        ),
        *(_event_promise(one, seen.scale) for one in results),
        Promise(
            "distribution",
            "new connections follow the weights (chi-square p)",
            whole.df > 0 and whole.p > P_LIMIT,
            round(whole.p, 5),
            P_LIMIT,
        ),
    ]
    return Outcome(
        seen,
        tuple(judgements),
        verdicts,
        tuple(results),
        tuple(before),
        tuple(rows),
        whole.p,
        tuple(promises),
    )
