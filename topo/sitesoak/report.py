"""``out/report.json`` of a soak of two sites: that of the demo (``topo/sitedemo/report.py``), with more keys.

An event is an episode here: a fault, or a pair of them, and the return to health. Nothing is promised of its
``service_gap_ms`` and ``repair_ms``; ``unowned_ms`` has a bound: what each fault may cost, the time in which no site
could own a VIP (``ownerless_ms``), and ``starved_ms``.

``minutes``
    as asked for; null: the suite was played
``kinds``
    of faults that were drawn from
``events``
    besides: ``faults`` (``kind``, ``target``: whom it was done to, ``value``, ``title``, ``at_ms`` after the episode's
    begin, ``lasts_ms``), ``ownerless_ms`` (the store had no quorum, no controller could reach it, or no site was fit),
    ``starved_ms`` (what the busy machine may have added: for so long the controller and the switch that waited longest
    for a processor did so; or for so long controllers stood still for want of one, all together)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from topo.demo import rows
from topo.sitedemo import report
from topo.sitedemo.outcome import Outcome
from topo.sitesoak.faults import Kind
from topo.sitesoak.play import Note
from topo.sitesoak.spans import Did


def _fault(one: Did, begin: float) -> dict[str, Any]:
    fault = one.fault
    return {
        "kind": fault.kind,
        "target": fault.target,
        "value": fault.value,
        "title": fault.title,
        "at_ms": rows.ms(one.begin - begin),
        "lasts_ms": rows.ms(one.end - one.begin),
    }


def build(
    outcome: Outcome, notes: Sequence[Note], kinds: Sequence[Kind], minutes: float | None
) -> dict[str, Any]:
    """The report as a plain object, keys as documented above."""
    made = report.build(outcome)
    for event, happened, note in zip(made["events"], outcome.observed.happened, notes, strict=True):
        event["faults"] = [_fault(one, happened.begin) for one in note.did]
        event["ownerless_ms"] = rows.ms(note.ownerless)
        event["starved_ms"] = rows.ms(note.starved)
    return {**made, "minutes": minutes, "kinds": list(kinds)}


def lines(outcome: Outcome, notes: Sequence[Note]) -> list[str]:
    """The end of a run, for a terminal."""
    seen = outcome.observed
    shown = [f"{one.happened.event.name}: {'; '.join(one.missed)}" for one in outcome.results if one.missed]
    for fate in outcome.broken:
        at = f" at {fate.at - seen.start:.1f} s" if fate.at is not None else ""
        shown.append(f"broken {fate.id} {fate.kind} {fate.listener} on {fate.server}{at}: {fate.cause}")
    shown += [f"defect: {error}" for error in seen.defects]
    counted = ", ".join(f"{count} {name}" for name, count in sorted(outcome.verdicts.items()))
    longest = max((one.unowned_ms for one in outcome.results), default=0.0)
    starved = sum(note.starved for note in notes)
    shown += [
        f"connections: {counted}",
        f"episodes: {len(notes)}, of these pairs: {sum(len(note.did) > 1 for note in notes)}",
        f"longest without an owner: {longest / 1000:.1f} s; controllers without a processor: {starved:.1f} s",
        f"two owners at one moment: {len(seen.findings.duplicates)}",
        f"broken beyond the stated set: {len(outcome.broken)}",
    ]
    return [*shown, *(f"not passed: {one.text}" for one in outcome.promises if not one.held)]
