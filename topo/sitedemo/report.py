"""``out/report.json`` of the demo of two sites: one JSON object with stable keys.

Keys are only ever added, never renamed. ``*_ms`` are milliseconds; ``at_ms`` counts from the load's start. Keys that
are not explained here are those of the one-site demo (``topo/demo/report.py``).

``format``, ``passed``, ``seed``, ``switch``, ``duration_ms``, ``broken_with_live_backend``
    as there
``topology``, ``round_trip_ms``
    of the lab; bounds are stated for 3 ms between the sites
``duplicates``
    times that two sites claimed a VIP at one moment, by the wire: must be 0
``connections``
    long-lived ones: ``total``, ``by_verdict`` (ok, server_died, server_unreachable, lb_died: in mode fullnat, at_risk:
    no other switch could know it when its lb switches died, broken_with_live_backend, unproven, not_opened),
    ``by_listener``
``broken``
    one entry per connection
``requests``
    short ones: ``total``, ``by_listener``
``events``
    in order: ``name``, ``title``, ``site`` (where), ``leader`` (the leading controller when it began), ``at_ms``,
    ``lasts_ms`` (until it was undone), ``healthy_ms`` (from then until the fabric was healthy; null: it was not),
    ``service_gap_ms`` (site: for so long no new connection of its clients to some listener was right, at worst),
    ``repair_ms`` (site: from the event to the beginning of its last new connection that was lost or had to repeat its
    first packet), ``unowned_ms`` (for so long no site claimed some VIP, less the 100 ms between two questions),
    ``unowned`` (which ``vip`` that was, and since when: ``at_ms`` after the event),
    ``bounds`` (``service_gap_ms``, ``repair_ms``, ``unowned_ms``; null: nothing is promised), ``cut_off`` (sites to
    whose clients nothing is promised until the fabric is healthy), ``duplicates``, ``broken_with_live_backend``,
    ``wrong`` (new connections that went wrong at the other sites), ``examples`` (up to five), ``held``, ``missed``
``controllers``
    ``ended`` (node and exit code of those that ended by themselves), ``defects``
``promises``
    as there
``generator_lag_ms``
    as there
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from topo.demo import rows
from topo.sitedemo.judge import Fate, Verdict
from topo.sitedemo.measure import EXAMPLES, Result
from topo.sitedemo.outcome import Outcome

FORMAT = 1


def _event(one: Result, start: float) -> dict[str, Any]:
    seen, bounds = one.happened, one.bounds
    return {
        "name": seen.event.name,
        "title": seen.event.title,
        "site": seen.cast.site,
        "leader": seen.cast.leader,
        "at_ms": rows.ms(seen.begin - start),
        "lasts_ms": rows.ms(seen.undone - seen.begin),
        "healthy_ms": None if seen.healthy is None else rows.ms(seen.healthy - seen.undone),
        "service_gap_ms": dict(one.gap_ms),
        "repair_ms": dict(one.repair_ms),
        "unowned_ms": one.unowned_ms,
        "unowned": {"vip": one.silence.vip, "at_ms": rows.ms(one.silence.since - seen.begin)},
        "bounds": {
            "service_gap_ms": bounds.gap,
            "repair_ms": bounds.repair,
            "unowned_ms": bounds.unowned,
        },
        "cut_off": sorted(one.blind),
        "duplicates": len(one.duplicates),
        "broken_with_live_backend": one.broken,
        "wrong": len(one.wrong),
        "examples": [
            {
                "at_ms": rows.ms(each.t - seen.begin),
                "site": each.site,
                "listener": each.listener,
                "what": each.what,
            }
            for each in one.wrong[:EXAMPLES]
        ],
        "held": not one.missed,
        "missed": one.missed,
    }


def _connections(fates: tuple[Fate, ...]) -> dict[str, Any]:
    counted = Counter(one.verdict for one in fates)
    return {
        "total": len(fates),
        "by_verdict": {verdict.value: counted[verdict] for verdict in Verdict},
        "by_listener": rows.by_listener((one.listener, one.verdict.value) for one in fates),
    }


def build(outcome: Outcome) -> dict[str, Any]:
    """The report as a plain object, keys as documented above."""
    seen = outcome.observed
    return {
        "format": FORMAT,
        "passed": outcome.passed,
        "seed": seen.seed,
        "topology": seen.topology,
        "switch": seen.scale.switch,
        "round_trip_ms": seen.round_trip_ms,
        "duration_ms": rows.ms(seen.end - seen.start),
        "broken_with_live_backend": len(outcome.broken),
        "duplicates": len(seen.findings.duplicates),
        "connections": _connections(outcome.fates),
        "broken": [rows.connection(one, seen.start) for one in outcome.broken],
        "requests": {
            "total": len(seen.requests),
            "by_listener": dict(sorted(Counter(one.listener for one in seen.requests).items())),
        },
        "events": [_event(one, seen.start) for one in outcome.results],
        "controllers": {
            "ended": [{"node": node, "code": code} for node, code in seen.ends],
            "defects": list(seen.defects),
        },
        "promises": [rows.promise(one) for one in outcome.promises],
        "generator_lag_ms": rows.ms(max((client.lag for client in seen.clients), default=0.0)),
    }
