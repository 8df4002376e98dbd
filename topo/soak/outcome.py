"""From judged connections and counts to whether a soak passed, and why not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from topo.demo.records import Request
from topo.soak.editor import Done
from topo.soak.judge import VERDICTS, Judged
from topo.soak.schedule import Schedule
from topo.soak.signals import Passing
from topo.soak.steps import DEATHS, EDITS, OTHERS

COUNTED_FROM = 5.0
"""Minutes of a run in which everything has to happen at least once."""
CALM = 5.0
"""The last seconds, in which short requests must be answered again."""
LOST_AT_REST = 0.02
"""Share of those requests that may fail on a busy machine."""


MOST_LOST = 0.5
"""Share of all short requests that may fail."""


@dataclass(frozen=True)
class Sabotage:
    """The connection that was moved by hand."""

    id: str
    server: str
    to: str
    at: float


@dataclass(frozen=True)
class Observed:
    """All that a run left behind, besides the connections."""

    schedule: Schedule
    start: float
    end: float
    done: tuple[Done, ...]
    passing: Passing
    requests: tuple[Request, ...]
    ended: tuple[str, ...] = ()
    """How the controller ended by itself, each time."""
    sabotage: Sabotage | None = None
    lag: float = 0.0
    """The worst lateness of the load programs, in seconds."""
    flaps: int = 0
    """Times that an Open vSwitch took another one for dead to which nothing had been done."""


@dataclass(frozen=True)
class Outcome:
    """The verdict on a run."""

    observed: Observed
    judged: tuple[Judged, ...]
    verdicts: dict[str, int]
    """By verdict, zeros too."""
    edits: dict[str, int]
    """Carried out, accepted or refused, by kind."""
    refused: dict[str, int]
    deaths: dict[str, int]
    others: dict[str, int]
    lost_at_rest: tuple[int, int]
    """Short requests of the last seconds: how many failed, of how many."""
    faults: tuple[str, ...]
    """Why the run did not pass, in words; empty: it did."""

    @property
    def passed(self) -> bool:
        """Nothing broke beyond the stated set, and everything happened; of a sabotage run: that alone was found."""
        return not self.faults


def conclude(seen: Observed, judged: Sequence[Judged]) -> Outcome:
    """Judge a run."""
    verdicts = dict.fromkeys(VERDICTS, 0) | dict(Counter(one.verdict for one in judged))
    chosen = seen.schedule.kinds
    did = [one for one in seen.done if one.outcome != "skipped"]
    tried = Counter(one.step.kind for one in did)
    edits = {kind: tried[kind] for kind in EDITS if kind in chosen}
    refused = dict(Counter(one.step.kind for one in seen.done if one.outcome == "refused"))
    # A death and its healing are two steps.
    killed = Counter(one.step.kind for one in did if one.step.action in ("kill", "cut"))
    deaths = {kind: killed[kind] for kind in DEATHS if kind in chosen}
    others = {kind: tried[kind] for kind in OTHERS if kind in chosen}
    rest = [one for one in seen.requests if one.t >= seen.end - CALM]
    lost = (sum(1 for one in rest if one.result != "ok"), len(rest))
    outcome = Outcome(seen, tuple(judged), verdicts, edits, refused, deaths, others, lost, ())
    faults = (*_broken(outcome), *_unproven(outcome), *_missing(outcome), *_unwell(outcome))
    return Outcome(seen, tuple(judged), verdicts, edits, refused, deaths, others, lost, faults)


def _broken(outcome: Outcome) -> list[str]:
    broken = [one.id for one in outcome.judged if one.verdict == "broken"]
    moved = outcome.observed.sabotage
    if not any(step.kind == "sabotage" for step in outcome.observed.schedule.steps):
        return [f"{len(broken)} connections broke beyond the stated set"] if broken else []
    if moved is None:
        return ["no connection was moved by hand"]
    others = len([one for one in broken if one != moved.id])
    found = [] if moved.id in broken else [f"the connection {moved.id}, moved by hand, was not found"]
    return found + ([f"{others} connections broke besides the one moved by hand"] if others else [])


def _unproven(outcome: Outcome) -> list[str]:
    faults = []
    if outcome.verdicts["unproven"]:
        faults.append(f"of {outcome.verdicts['unproven']} connections nothing is proven")
    if not outcome.verdicts["ok"]:
        faults.append("no connection was proven alive")
    return faults


def counters(outcome: Outcome) -> dict[str, int]:
    """Everything that a run of five minutes has to show at least once."""
    seen = outcome.observed
    counts = {
        "windows": seen.passing.windows,
        "pins": seen.passing.pins,
        "generations": seen.passing.generations,
        "tracked": seen.passing.tracked,
        "settled": seen.passing.settled,
    }
    for name, by_kind in (("edits", outcome.edits), ("deaths", outcome.deaths), ("others", outcome.others)):
        counts |= {f"{name}.{kind}": count for kind, count in by_kind.items()}
    return counts


def _missing(outcome: Outcome) -> list[str]:
    if outcome.observed.schedule.minutes < COUNTED_FROM:
        return []
    none = [name for name, count in counters(outcome).items() if count == 0]
    return [f"never happened: {', '.join(none)}"] if none else []


def _unwell(outcome: Outcome) -> list[str]:
    seen = outcome.observed
    faults = [f"the controller ended by itself: {how}" for how in seen.ended]
    lost, asked = outcome.lost_at_rest
    if not asked or lost > LOST_AT_REST * asked:
        faults.append(
            f"{lost} of {asked} short requests of the last {CALM:g} s were lost, with everything healed"
        )
    failed = sum(1 for one in seen.requests if one.result != "ok")
    if failed > MOST_LOST * len(seen.requests):
        faults.append(
            f"{failed} of {len(seen.requests)} short requests failed: a fabric that serves so little proves little"
        )
    left = len(seen.schedule.steps) - len(seen.done)
    if left:
        faults.append(f"{left} steps did not take place")
    return faults
