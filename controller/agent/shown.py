"""What an agent shows of itself: the contents of its ``status.json``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from controller.agent.edges import Edges
from controller.agent.owning import Owning
from controller.agent.watching import Watching
from controller.core import statusfile
from controller.core.journal import Journal
from controller.sites import lease
from controller.sites.heartbeats import Heartbeats
from controller.sites.placement import SiteState

STATUS_PERIOD = 1.0
"""Seconds between writes of ``status.json``."""


def shown(
    name: str,
    site: str,
    leader: str,
    problem: str,
    owning: Owning,
    states: Mapping[str, SiteState],
    beats: Heartbeats,
    edges: Edges,
    watching: Watching,
    now: float,
    at: float,
) -> dict[str, object]:
    """``at``: Unix time. ``now``: seconds of the clock."""
    return {
        "at": at,
        "agent": {
            "name": name,
            "site": site or None,
            "acts": leader == name,
            "leader": leader or None,
            "store": problem,
        },
        "groups": _groups(owning, now),
        "sites": {
            each: {
                "fit": state.fitness.fit,
                "why": state.fitness.why,
                "for": round(state.fitness.for_seconds(now), 1),
                "unsynced": state.unsynced,
            }
            for each, state in states.items()
        },
        "agents": _agents(owning, beats, now),
        "edges": _edges(edges),
        "health": _health(watching),
    }


def _health(watching: Watching) -> dict[str, object]:
    """What it sees of servers."""
    view = watching.view
    down = {f"{pool} {name}": seen.reason for (pool, name), seen in view.verdicts.items() if not seen.up}
    return {
        "servers": watching.servers,
        "pending": watching.servers - len(view.verdicts),
        "down": dict(sorted(down.items())),
        "doubt": view.doubt,
        "controllers": watching.listeners,
    }


def _groups(owning: Owning, now: float) -> dict[str, object]:
    out: dict[str, object] = {}
    for group, view, decision in owning.shown(now):
        record = view.record
        out[group.mac] = {
            "vips": list(group.vips),
            "owner": None if record is None or record.released else record.site or None,
            "holder": None if record is None else record.holder,
            "epoch": None if record is None else record.epoch,
            "ours": not group.moves or lease.holding(view, now),
            "left": round(max(view.until - now, 0.0), 3) if view.until > float("-inf") else 0.0,
            "belongs": None if decision is None else decision.site or None,
            "why": "" if decision is None else decision.text,
            "cause": None if decision is None else decision.cause.value,
        }
    return out


def _agents(owning: Owning, beats: Heartbeats, now: float) -> dict[str, object]:
    silent = {(path.controller, path.name) for path in beats.silent(owning.times, now)}
    out: dict[str, object] = {}
    for name, beat in sorted(beats.beats.items()):
        paths = sorted(path.name for path in beats.arrivals if path.controller == name)
        out[name] = {
            "site": beat.site,
            "paths": {
                each: None if (name, each) in silent else round(now - _arrived(beats, name, each), 3)
                for each in paths
            },
        }
    return out


def _arrived(beats: Heartbeats, name: str, path: str) -> float:
    return next(at for each, at in beats.arrivals.items() if (each.controller, each.name) == (name, path))


def _edges(edges: Edges) -> dict[str, object]:
    claims = edges.claims()
    return {
        edge.switch.name: {
            "connected": edge.session is not None,
            "answers": len(edge.standing) if edges.answers(edge) and edge.session is not None else 0,
            "problem": edge.problem,
            "takes_authority": edge.takes_authority,
            "fence": {
                end.interface: {"up": claims[end.interface].up, "claim": claims[end.interface].claim}
                for end in edge.switch.fence
                if end.interface in claims
            }
            or None,
        }
        for edge in edges
    }


async def written(path: Path, take: Callable[[], dict[str, object]], journal: Journal) -> None:
    """``status.json``, again and again, until cancelled."""
    while True:
        try:
            text = json.dumps(take(), indent=1)
            await asyncio.to_thread(statusfile.write, path, text)
        except Exception as error:  # what is shown must not end what is shown
            journal.failure(error, file=str(path))
        await asyncio.sleep(STATUS_PERIOD)
