"""The picture while the demo runs: backends against their weights, events, repairs as they happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topo.demo import measure
from topo.demo.events import Fleet, Happened, Script
from topo.demo.records import ClientLog
from topo.demo.scale import Scale

RECENT = 5.0
"""Seconds of short requests that shares are taken from."""
BAR = 16
NOTES = 4
"""Lines of what the controller said."""


@dataclass
class View:
    """What there is to see."""

    script: Script
    fleet: Fleet
    """Before the first event."""
    verdict_seconds: float
    scale: Scale
    clients: Sequence[ClientLog]
    start: float
    happened: list[Happened] = field(default_factory=list)
    said: list[tuple[float, str]] = field(default_factory=list)
    """What the controller said and when, newest last."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """The controller's own status; may be empty."""

    def fleet_now(self) -> Fleet:
        """With every event so far applied."""
        fleet = self.fleet
        for one in self.happened:
            fleet = fleet.after(one.step)
        return fleet


def recent_shares(clients: Sequence[ClientLog], now: float) -> Counter[str]:
    """New connections per server within the last seconds."""
    counts: Counter[str] = Counter()
    for client in clients:
        for one in reversed(client.requests):
            if one.t < now - RECENT - 2.0:
                break
            if one.t >= now - RECENT and one.result == "ok":
                counts[one.server] += 1
    return counts


def state_of(name: str, view: View) -> str:
    """A word for what the demo did to a backend."""
    words = {"add_backend": "added", "drain_backend": "draining", "kill_server": "killed"}
    word = "not yet" if name == view.script.late else "up"
    for one in view.happened:
        if one.step.target == name and one.step.kind.value in words:
            word = words[one.step.kind.value]
    return word


def _bar(share: float) -> str:
    return "█" * round(BAR * min(1.0, share * 2))


def _backends(view: View, now: float) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("backend", "state", "weight", "wanted", f"last {RECENT:.0f} s", "", "long-lived"):
        table.add_column(head, justify="left" if head in ("backend", "state", "") else "right")
    fleet = view.fleet_now()
    serving = fleet.serving()
    whole = sum(serving.values()) or 1
    counts = recent_shares(view.clients, now)
    total = sum(counts.values()) or 1
    living = Counter(
        one.server for client in view.clients for one in client.connections.values() if one.alive
    )
    for name in sorted(fleet.weights):
        share = counts[name] / total
        table.add_row(
            name,
            state_of(name, view),
            str(fleet.weights[name]),
            f"{serving.get(name, 0) / whole:.1%}",
            f"{share:.1%}",
            f"[cyan]{_bar(share)}[/]",
            str(living[name]),
        )
    return table


def _events(view: View, now: float) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("at", "event", "repair", "promised"):
        table.add_column(head, justify="left" if head == "event" else "right")
    requests = [one for client in view.clients for one in client.requests]
    cut = measure.spans(view.fleet, view.happened, view.start, now)
    for span in cut[1:]:
        assert span.happened is not None
        step = span.happened.step
        repair = measure.repair_ms(span, measure.troubles(span, requests))
        bound = view.scale.bound_ms(step.kind, view.verdict_seconds)
        colour = "green" if repair <= bound else "red"
        table.add_row(
            f"{span.start - view.start:.0f} s", step.title, f"[{colour}]{repair:.0f} ms[/]", f"{bound:.0f} ms"
        )
    for step in view.script.steps[len(view.happened) :]:
        table.add_row(f"{step.at:.0f} s", f"[dim]{step.title}[/]", "", "")
    return table


def _line(view: View, now: float) -> Text:
    connections = [one for client in view.clients for one in client.connections.values()]
    alive = sum(1 for one in connections if one.alive)
    failed = sum(1 for one in connections if one.failure)
    requests = sum(len(client.requests) for client in view.clients)
    pools = view.status.get("pools")
    unsynced = ""
    if isinstance(pools, dict):
        counts = [
            str(pool["unsynced"]) for pool in pools.values() if isinstance(pool, dict) and "unsynced" in pool
        ]
        unsynced = f"  unsynced {', '.join(counts)}" if counts else ""
    return Text(
        f"{now - view.start:5.0f} s  long-lived {alive} alive, {failed} ended, of {len(connections)}  "
        f"requests {requests}{unsynced}",
        style="bold",
    )


def render(view: View, now: float) -> RenderableType:
    """The whole picture."""
    notes = Text(
        "\n".join(text for _, text in view.said[-NOTES:]), style="dim", no_wrap=True, overflow="ellipsis"
    )
    tables = Columns([_backends(view, now), _events(view, now)], padding=(0, 3))
    return Group(_line(view, now), tables, notes)
