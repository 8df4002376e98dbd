"""``out/report.json``: the outcome as one JSON object with stable keys.

Keys are only ever added, never renamed. ``*_ms`` are milliseconds; ``at_ms`` counts from the load's start.

``format``
    1
``passed``
    all promises held; of a sabotage run: exactly one broken connection was found
``seed``, ``sabotage``, ``switch``
    how the run was started; ``switch`` is the kind of all switches
``simulated``
    hosts were simulated and cables in memory, because the demo was not run as root
``scale``
    what fits that kind: ``connections`` (default number of long-lived ones), ``rate`` (short requests per second and
    client), ``lb_ms``, ``drain_ms``, ``verdict_ms`` (bounds), ``probe`` (seconds between health
    probes and for one; null: as the topology has it), ``why`` (in words)
``duration_ms``
    from the start of the load to its end
``broken_with_live_backend``
    long-lived connections that were reset, closed, stalled for good or answered by another server although
    their server lived: must be 0 (1 with sabotage)
``connections``
    ``total`` asked for, ``opened``, ``silent`` (40 s and more at a stretch, short demo: 10 s),
    ``by_verdict`` (ok, server_died, broken_with_live_backend, client_closed, unproven, not_opened),
    ``by_listener`` (listener: verdict: count)
``broken``
    one entry per connection: ``id``, ``client``, ``listener``, ``kind``, ``server``, ``cause``, ``at_ms``
``requests``
    short requests: ``total``, ``wrong`` (lost, delayed or misdirected), ``by_listener``
``events``
    in order: ``name`` (sabotage, add_backend, change_weight, drain_backend, kill_server, move_slots, kill_lb,
    heal_lb, kill_controller, restart_controller), ``target``, ``title``, ``at_ms``, ``repair_ms`` (from the
    event until the beginning of the last new connection, before the next event, that was lost, delayed or
    misdirected; 0: none; one begun within 0.1 s before an event was still on its way, and if lost or delayed it
    is that event's), ``bound_ms`` (what is promised), ``held``, ``wrong`` (how many such connections),
    ``examples`` (up to five: ``at_ms`` after the event, ``listener``, ``what``), ``longest_stall_ms`` (the
    slowest echo on an established connection until the next event), ``broken_with_live_backend`` (that
    broke in that time)
``distribution``
    ``p`` (chi-square over all quiet phases and listeners) and ``rows``: ``phase`` (the event it follows, or
    start), ``listener``, ``weights``, ``observed``, ``chi_square``, ``df``, ``p``
``promises``
    ``name``, ``promise`` (in words), ``held``, ``value``, ``bound``
``generator_lag_ms``
    the worst lateness of the load generators themselves: figures are blurred by that much
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from topo.demo import rows
from topo.demo.ledger import Verdict
from topo.demo.outcome import EventResult, Outcome

FORMAT = 1
EXAMPLES = 5


def _event(result: EventResult, start: float) -> dict[str, Any]:
    step = result.happened.step
    return {
        "name": step.kind.value,
        "target": step.target,
        "title": step.title,
        "at_ms": rows.ms(result.happened.t - start),
        "repair_ms": result.repair_ms,
        "bound_ms": result.bound_ms,
        "held": result.held,
        "wrong": len(result.wrong),
        "examples": [
            {"at_ms": rows.ms(one.t - result.happened.t), "listener": one.listener, "what": one.what}
            for one in result.wrong[:EXAMPLES]
        ],
        "longest_stall_ms": result.stall_ms,
        "broken_with_live_backend": result.broken,
    }


def _connections(outcome: Outcome) -> dict[str, Any]:
    seen, silence = outcome.observed.connections, outcome.observed.silence
    return {
        "total": len(seen),
        "opened": sum(1 for one in seen if one.opened is not None),
        "silent": sum(1 for one in seen if one.longest_silence() >= silence),
        "by_verdict": {verdict.value: outcome.verdicts.get(verdict.value, 0) for verdict in Verdict},
        "by_listener": rows.by_listener((one.listener, one.verdict.value) for one in outcome.judgements),
    }


def build(outcome: Outcome) -> dict[str, Any]:
    """The report as a plain object, keys as documented above."""
    seen = outcome.observed
    return {
        "format": FORMAT,
        "passed": outcome.passed,
        "seed": seen.seed,
        "sabotage": seen.sabotage,
        "switch": seen.scale.switch,
        "simulated": seen.simulated,
        "scale": seen.scale.report(),
        "duration_ms": rows.ms(seen.end - seen.start),
        "broken_with_live_backend": outcome.broken,
        "connections": _connections(outcome),
        "broken": [
            rows.connection(one, seen.start) for one in outcome.judgements if one.verdict is Verdict.BROKEN
        ],
        "requests": {
            "total": len(seen.requests),
            "wrong": len(outcome.before) + sum(len(one.wrong) for one in outcome.events),
            "by_listener": dict(sorted(Counter(one.listener for one in seen.requests).items())),
        },
        "events": [_event(one, seen.start) for one in outcome.events],
        "distribution": {
            "p": outcome.p,
            "rows": [
                {
                    "phase": row.phase,
                    "listener": row.listener,
                    "weights": row.weights,
                    "observed": row.observed,
                    "chi_square": round(row.fit.statistic, 3),
                    "df": row.fit.df,
                    "p": row.fit.p,
                }
                for row in outcome.spreads
            ],
        },
        "promises": [rows.promise(one) for one in outcome.promises],
        "generator_lag_ms": rows.ms(max((client.lag for client in seen.clients), default=0.0)),
    }


def write(report: dict[str, Any], path: Path) -> None:
    """Write it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
