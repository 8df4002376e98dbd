"""``report.json`` of a soak: the outcome as one JSON object with stable keys.

Keys are only ever added, never renamed. ``*_ms`` are milliseconds; ``at_ms`` counts from the load's start.

``format``
    1
``passed``, ``faults``
    whether the run passed; if not, why, in words
``seed``, ``minutes``, ``switch``, ``topology``, ``kinds``
    what the schedule is a function of: the same give the same
``duration_ms``
    from the start of the load to its end
``broken_beyond_stated``
    connections that ended, or were answered by another server, and no stated fate or risk explains it: must be 0
``connections``
    ``total``, ``opened``, ``by_verdict`` (ok, server_died, server_unreachable, drained, service_removed, at_risk,
    broken, not_opened, unproven), ``by_listener`` (listener: verdict: count), ``longest_silence_ms``
``broken``, ``at_risk``
    one entry per connection: ``id``, ``client``, ``listener``, ``kind``, ``server``, ``cause``, ``reason`` (the
    evidence for a risk), ``at_ms``, ``last_answer_ms``, ``suspects`` (what happened meanwhile, the latest first)
``suspects``
    by kind of step: of how many broken connections it was among the suspects
``counters``
    what has to be above 0 in a run of 5 minutes: ``windows`` (transition windows that ended), ``pins`` (made),
    ``generations`` (turned), ``tracked`` and ``settled`` (slots), ``edits.KIND``, ``deaths.KIND``, ``others.KIND``
``refused``
    edits that the controller refused, by kind
``steps``
    in order: ``at_ms``, ``kind``, ``action``, ``target``, ``value``, ``title``, ``outcome`` (done, accepted, refused,
    unresolved, skipped), ``took_ms``, ``why``
``requests``
    short requests: ``total``, ``failed``, ``at_rest`` (``failed`` and ``total`` of the last 5 s)
``controller_ended``
    how the controller ended by itself, each time
``sabotage``
    null, or the connection that was moved by hand: ``id``, ``server``, ``to``, ``at_ms``, ``found``
``generator_lag_ms``
    the worst lateness of the load generators themselves
``bfd_flaps``
    times that an Open vSwitch took another one for dead although nothing had been done to it or to their cable, by its
    own log: the machine was too busy for three packets of BFD in 150 ms. Each end counts
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from topo.demo import rows
from topo.soak.editor import Done
from topo.soak.judge import Judged
from topo.soak.outcome import Outcome, counters

FORMAT = 1


def _connection(one: Judged, start: float) -> dict[str, Any]:
    return {
        **rows.connection(one, start),
        "reason": one.reason,
        "last_answer_ms": None if one.last is None else rows.ms(one.last - start),
        "suspects": list(one.suspects),
    }


def _step(one: Done, start: float) -> dict[str, Any]:
    return {
        "at_ms": rows.ms(one.start - start),
        "kind": one.step.kind,
        "action": one.step.action,
        "target": one.step.target,
        "value": one.step.value,
        "title": one.step.title,
        "outcome": one.outcome,
        "took_ms": rows.ms(one.end - one.start),
        "why": one.why,
    }


def suspects(outcome: Outcome) -> dict[str, int]:
    """By kind of step, of how many broken connections it was among the suspects."""
    counts: Counter[str] = Counter()
    for one in outcome.judged:
        counts.update({text.partition("before: ")[2].partition(":")[0] for text in one.suspects})
    return dict(counts.most_common())


def build(outcome: Outcome, longest_silence: float = 0.0) -> dict[str, Any]:
    """The report as a plain object, keys as documented above."""
    seen, schedule = outcome.observed, outcome.observed.schedule
    moved = seen.sabotage
    return {
        "format": FORMAT,
        "passed": outcome.passed,
        "faults": list(outcome.faults),
        "seed": schedule.seed,
        "minutes": schedule.minutes,
        "switch": schedule.switch,
        "topology": schedule.topology,
        "kinds": list(schedule.kinds),
        "duration_ms": rows.ms(seen.end - seen.start),
        "broken_beyond_stated": outcome.verdicts["broken"],
        "connections": {
            "total": len(outcome.judged),
            "opened": len(outcome.judged) - outcome.verdicts["not_opened"],
            "by_verdict": outcome.verdicts,
            "by_listener": rows.by_listener((one.listener, one.verdict) for one in outcome.judged),
            "longest_silence_ms": rows.ms(longest_silence),
        },
        "broken": [_connection(one, seen.start) for one in outcome.judged if one.verdict == "broken"],
        "at_risk": [_connection(one, seen.start) for one in outcome.judged if one.verdict == "at_risk"],
        "suspects": suspects(outcome),
        "counters": counters(outcome),
        "refused": outcome.refused,
        "steps": [_step(one, seen.start) for one in seen.done],
        "requests": {
            "total": len(seen.requests),
            "failed": sum(1 for one in seen.requests if one.result != "ok"),
            "at_rest": {"failed": outcome.lost_at_rest[0], "total": outcome.lost_at_rest[1]},
        },
        "controller_ended": list(seen.ended),
        "sabotage": None
        if moved is None
        else {
            "id": moved.id,
            "server": moved.server,
            "to": moved.to,
            "at_ms": rows.ms(moved.at - seen.start),
            "found": any(one.id == moved.id and one.verdict == "broken" for one in outcome.judged),
        },
        "generator_lag_ms": rows.ms(seen.lag),
        "bfd_flaps": seen.flaps,
    }


def lines(outcome: Outcome) -> list[str]:
    """The end of a run, for a terminal."""
    seen = outcome.observed
    shown = [
        "connections: " + ", ".join(f"{count} {name}" for name, count in outcome.verdicts.items() if count),
        "counted: " + ", ".join(f"{name} {count}" for name, count in counters(outcome).items()),
    ]
    if seen.flaps:
        shown.append(f"too busy a machine: {seen.flaps} BFD sessions of switches that lived went down")
    if outcome.refused:
        shown.append(
            "refused: " + ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.refused.items()))
        )
    for one in outcome.judged:
        if one.verdict in ("broken", "at_risk"):
            at = "" if one.at is None else f" at {one.at - seen.start:.1f} s"
            why = f" ({one.reason})" if one.reason else ""
            shown.append(
                f"{one.verdict} {one.id} {one.kind} {one.listener} on {one.server}{at}: {one.cause}{why}"
            )
    if outcome.verdicts["broken"]:
        shown.append("suspects: " + ", ".join(f"{kind} {count}" for kind, count in suspects(outcome).items()))
    shown.append(f"broken beyond the stated set: {outcome.verdicts['broken']}")
    return [*shown, *(f"not passed: {fault}" for fault in outcome.faults)]
