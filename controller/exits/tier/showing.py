"""How a HAProxy is, as rows of the status: the process itself, then every server of its pools. Pure.

The keys: ``state``, ``weight``, ``sessions`` (now, with those of processes from before a reload),
``requests``, ``errors``, ``retries`` (all since the present process began), ``note``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.core.shown import Scalar
from controller.exits.tier.instance import Plan, Shown
from controller.exits.tier.parse import FRONTEND, Counted
from controller.exits.tier.wanted import DRAIN_SERVER, DRAIN_SWITCH, ServerRef
from controller.spec.tier import Tier

Row = Mapping[str, Scalar]
IDLE_LOOKS = 3
_NOTHING = Counted(0, 0, 0, 0, 0, "", "")


def items(key: tuple[str, str], plan: Plan, shown: Shown) -> Iterator[tuple[str, Row]]:
    """``TIER/INSTANCE``, and ``TIER/INSTANCE/POOL/SERVER`` for each of its servers."""
    name = "/".join(key)
    yield name, _process(plan, shown)
    if shown.processes is None:
        return
    for pool in plan.tier.pools:
        for server in pool.servers:
            ref = (pool.name, server.name)
            yield f"{name}/{pool.name}/{server.name}", _server(shown, ref, "drains" if server.drain else "")
    for ref in shown.waits:
        yield f"{name}/{ref[0]}/{ref[1]}", _server(shown, ref, "leaves")


def clients(tier: Tier, shown: Shown) -> int:
    """Connections of clients, those of processes from before a reload among them."""
    refs = [(frontend.name, FRONTEND) for frontend in tier.frontends]
    now = sum(shown.counted.get(ref, _NOTHING).sessions for ref in refs)
    return now + sum(shown.former.get(ref, 0) for ref in refs)


def is_idle(tier: Tier, shown: Shown) -> bool:
    """Whether it asks clients to go and none is left."""
    switch = shown.servers.get((DRAIN_SWITCH, DRAIN_SERVER))
    asks = shown.processes is not None and switch is not None and not switch.maint
    return asks and not clients(tier, shown)


def drained(shown: Shown) -> bool:
    """Whether no client is left: not for a moment between two, while switches still send new ones."""
    return shown.idle >= IDLE_LOOKS


def _process(plan: Plan, shown: Shown) -> Row:
    processes, refs = shown.processes, [(each.name, FRONTEND) for each in plan.tier.frontends]
    if processes is None:
        return {"state": "not reached", "sessions": None}
    state = "serves"
    if plan.leaving:
        state = "drained" if drained(shown) else "drains"
    rows = [shown.counted.get(ref, _NOTHING) for ref in refs]
    old = f", {len(processes.old)} former" if processes.old else ""
    return {
        "state": state,
        "sessions": clients(plan.tier, shown),
        "requests": sum(each.requests for each in rows),
        "errors": sum(each.errors for each in rows),
        "note": f"{processes.version}, reloads {processes.reloads}{old}",
    }


def _server(shown: Shown, ref: ServerRef, note: str) -> Row:
    had = shown.servers.get(ref)
    of = shown.counted.get(ref, _NOTHING)
    sessions = of.sessions + shown.former.get(ref, 0)
    if note == "drains" and not sessions and had is not None and (had.maint or not had.weight):
        note = "drained"
    return {
        "state": of.status or "not there",
        "weight": None if had is None else had.weight,
        "sessions": sessions,
        "requests": of.requests,
        "errors": of.errors,
        "retries": of.retries,
        "note": note or of.check,
    }
