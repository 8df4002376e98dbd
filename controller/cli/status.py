"""``evenkeel status``: what a running controller says of itself, from its ``status.json``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from controller.cli import agentstatus, codes, exits
from controller.cli.tables import measured, summed, weight
from controller.core.agentwords import ServerStatus, agent_words

STALE = 5.0
"""Seconds after which a status is not believed to be current."""


def status(state: Path, json_out: bool) -> int:
    """Print the status kept beside the store ``state``. 0: current; 1: older than 5 s; 2: none there; 3: stands by."""
    path = state.with_name("status.json")
    try:
        text = path.read_text()
    except OSError as error:
        print(f"{path}: {error.strerror}; is a controller running with --state {state}?", file=sys.stderr)
        return codes.Status.NONE
    shown: dict[str, Any] = json.loads(text)
    if json_out:
        print(text)
    elif "agent" in shown:
        agentstatus.show(Console(), shown)
    elif "standby" in shown:
        _show_standby(Console(), shown)
    else:
        show(Console(), shown)
    age = time.time() - shown["at"]
    if age > STALE:
        what = "agent" if "agent" in shown else "controller"
        print(f"written {age:.0f} s ago: the {what} is not running", file=sys.stderr)
        return codes.Status.STALE
    return codes.Status.STANDS_BY if "standby" in shown else codes.Status.CURRENT


def _show_standby(console: Console, shown: dict[str, Any]) -> None:
    standby = shown["standby"]
    name, leader, store = (escape(standby[key]) for key in ("name", "leader", "store"))
    console.print(f"{name} stands by and serves nothing; {leader} leads", soft_wrap=True)
    if store:
        console.print(f"[red]the store does not answer:[/red] {store}", soft_wrap=True)
    for error in standby["intent_errors"]:
        console.print(f"[red]would not be taken over:[/red] {escape(error)}", soft_wrap=True)


def show(console: Console, shown: dict[str, Any]) -> None:
    """Print the status of a controller that serves."""
    for error in shown["intent_errors"]:
        console.print(f"[red]not taken over:[/red] {error}")
    if shown["store"]:
        console.print(f"[red]nothing can be stored, so nothing changes:[/red] {shown['store']}")
    for stranger in shown["strangers"]:
        console.print(f"[yellow]connected, but not in the intent:[/yellow] {stranger}")
    for problem in shown["probe_problems"]:
        console.print(f"[yellow]probes:[/yellow] {problem}")
    console.print(*_places(shown), sep="", end="")
    draining = [name for name, row in shown["listeners"].items() if row["draining"]]
    if draining:
        console.print(f"draining: {', '.join(draining)}")
    switches = Table("switch", "state", "entries", "repairs", "problem", title=f"term {shown['term']}")
    for name, row in shown["switches"].items():
        entries, repairs = str(row.get("entries", "")), str(row.get("repairs", ""))
        switches.add_row(name, _state(row), entries, repairs, row.get("problem", ""))
    console.print(switches)
    _show_vips(console, shown)
    _show_conflicts(console, shown.get("conflicts", {}))
    console.print(*_fences(shown["switches"]), sep="", end="")
    for name, pool in shown["pools"].items():
        _show_pool(console, shown, name, pool)
    exits.show(console, shown.get("exits", {}))
    risk = shown["at_risk"]
    console.print(
        f"pins {shown['pins']}, unsynced {shown['unsynced']}; at risk: "
        f"{sum(risk['tracked_slots'].values())} tracked slots, {sum(risk['moving_slots'].values())} of them moving, "
        f"{risk['pins_refused']} pins refused, "
        f"short memory on {', '.join(risk['memory_short']) or 'no switch'}"
    )


def _show_pool(console: Console, shown: dict[str, Any], name: str, pool: dict[str, Any]) -> None:
    """One table of slots."""
    console.print(_pool(name, pool, _counts(shown["listeners"], name)))
    for words, rows in ((_groups, pool.get("groups")), (_subsets, pool.get("split"))):
        if rows:
            console.print(words(name, rows), soft_wrap=True)
    if pool["tracked"]:
        console.print(_settles(name, pool))


def _show_vips(console: Console, shown: dict[str, Any]) -> None:
    """Who answers for VIPs, where that is not one site for all."""
    if shown["drained_sites"]:
        console.print(f"[yellow]drained:[/yellow] {', '.join(shown['drained_sites'])}")
    if any(not row["fit"] for row in (shown["sites"] or {}).values()):
        console.print(_sites(shown["sites"]))
    rows = shown["vips"]
    if len({row["owner"] for row in rows.values()} | {row["belongs"] for row in rows.values()}) < 2:
        return
    table = Table("VIP", "owner", "belongs to", "why")
    for name, row in rows.items():
        table.add_row(name, row["owner"] or "[yellow]none: it moves[/yellow]", row["belongs"], row["why"])
    console.print(table)


def _show_conflicts(console: Console, conflicts: dict[str, Any]) -> None:
    """Other hosts that say they have a VIP."""
    for vip, others in conflicts.items():
        for mac, row in others.items():
            which = f" (server {escape(row['server'])})" if row["server"] else ""
            console.print(
                f"[red]{escape(vip)} is claimed by {mac}{which}:[/red] {row['frames']} frames, heard by "
                f"{escape(row['switch'])}, the last one {row['age']:.0f} s ago",
                soft_wrap=True,
            )


def _sites(rows: dict[str, Any]) -> Table:
    """Where not all are fit."""
    table = Table("site", "fit", "conditions", "unsynced")
    for name, row in rows.items():
        fit = f"for {row['fit_for']:.0f} s" if row["fit"] else "[red]no[/red]"
        conditions = ", ".join(f"{each}: {value}" for each, value in row["conditions"].items())
        table.add_row(name, fit, conditions, str(row["unsynced"]))
    return table


def _places(shown: dict[str, Any]) -> list[str]:
    """A line for each agent whose probes do not count, or that sees servers otherwise than is decided."""
    out = []
    for name, row in shown.get("places", {}).items():
        where = escape(f"{name} of {row['site']}")
        if not row["counts"]:
            age = "" if row["age"] is None else f", heard {row['age']:.0f} s ago"
            out.append(f"[yellow]what {where} sees does not count:[/yellow] {escape(row['why'])}{age}\n")
        out += [
            f"[yellow]{where} sees otherwise in {escape(pool)}:[/yellow] {escape(', '.join(servers))}\n"
            for pool, servers in row["differs"].items()
        ]
    return out


def _state(row: dict[str, Any]) -> str:
    if row.get("push") and not row["synced"]:
        return {"waiting": "[yellow]waits for its push[/yellow]", "turn": "[yellow]is pushed[/yellow]"}[
            row["push"]
        ]
    if not row["connected"]:
        return "[red]away[/red]"
    if row["leaving"]:
        return "[yellow]is emptied[/yellow]"
    if not row["synced"]:
        return "[yellow]being read[/yellow]"
    return "in use" if row["admitted"] else "in step"


def _fences(switches: dict[str, Any]) -> list[str]:
    """A line for each fence."""
    return [
        f"{_fence(name, interface, fence)}\n"
        for name, row in switches.items()
        for interface, fence in (row.get("fence") or {}).items()
    ]


def _fence(name: str, interface: str, fence: dict[str, Any]) -> str:
    """What is claimed at an edge."""
    up = f"BFD up for {fence['age']:.0f} s" if fence["up"] else "BFD down"
    claim = f"claimed for {fence['left']:.1f} s" if fence["claim"] else f"[red]silent[/red]: {fence['why']}"
    if fence["open"]:
        claim += ", [red]but open[/red]"
    return f"fence {interface} of {name}: {claim}, {up}"


def _pool(name: str, pool: dict[str, Any], counts: dict[str, list[dict[str, Any]]]) -> Table:
    title = f"pool {name}: revision {pool['revision']}, {pool['slots']} slots, {_slots(pool)}"
    if pool.get("rehash"):
        title += f", [yellow]rehash under way: {pool['rehash']}[/yellow]"
    if pool["panicked"]:
        title += ", [red]health ignored (panic)[/red]"
    if pool.get("scheduler", "weighted") != "weighted":
        waits = (
            f", [yellow]waits: {escape(pool['scheduler_waits'])}[/yellow]" if pool["scheduler_waits"] else ""
        )
        title += f", {pool['scheduler']}{waits}"
    if pool.get("writer"):
        title += f", writer {pool['writer']}"
    if pool.get("waits_for_command"):
        title += f", [yellow]{pool['waits_for_command']} waits for evenkeel failback[/yellow]"
    table = Table("backend", "weight", "slots", "state", "health", "packets", "live", title=title)
    for backend, row in pool["backends"].items():
        health = {True: "up", False: f"[red]down[/red] {row['reason']}", None: "unknown"}[row["up"]]
        for place, seen in (row.get("seen") or {}).items():
            health += f"\n{escape(place)}: {escape(seen)}"
        if row.get("measured") is not None:
            health += f"\nmeasured: {measured(row['measured'], pool['scheduler'])}"
        if row.get("agent"):
            health += f"\nagent: {escape(agent_words(ServerStatus(**row['agent'])))}"
        counted = counts.get(backend, [])
        of_tcp = summed(counted)
        live = "" if of_tcp is None else of_tcp.shown
        count = str(sum(each["packets"] for each in counted))
        where = f" in {row['zone']}" if row.get("zone") else ""
        where += f" of {row['subset']}" if row.get("subset") else ""
        table.add_row(f"{backend}{where}", weight(row), str(row["slots"]), row["state"], health, count, live)
    return table


def _slots(pool: dict[str, Any]) -> str:
    """What of a pool's slots switches remember."""
    waits = f", [yellow]{pool['held_slots']} wait for the budget[/yellow]" if pool.get("held_slots") else ""
    if not pool["tracked"]:
        return (f"{pool['moving']} moving" if pool["moving"] else "all settled") + waits
    return f"{pool['moving']} moving, {pool['tracked']} tracked{waits}"


def _settles(name: str, pool: dict[str, Any]) -> str:
    """Until when slots of a pool are tracked, and why."""
    seconds, why = pool["settles_in"], pool["settles_after"]
    when = "do not settle yet" if seconds is None else f"settle in {seconds:.0f} s"
    return f"slots of {name} {when}: {why}"


def _groups(name: str, groups: dict[str, Any]) -> str:
    """Which priority groups of a pool serve, and why."""
    parts = []
    for number, row in groups.items():
        lives = f"{row['living']} of {row['weight']} of its weight lives"
        takes = "stands by" if not row["share"] else f"takes {100 * row['share']:.3g}%"
        parts.append(f"group {number} of {row['pool']} {takes} ({lives})")
    return f"{name}: {', '.join(parts)}"


def _subsets(name: str, split: dict[str, Any]) -> str:
    """What each subset of a pool takes."""
    parts = [
        f"{subset} takes {100 * row['share']:.3g}% (weight {row['weight']}, {row['living']} of {row['backends']} live)"
        for subset, row in split.items()
    ]
    return f"{name} is split: {', '.join(parts)}"


def _counts(listeners: dict[str, Any], pool: str) -> dict[str, list[dict[str, Any]]]:
    """What was counted for each backend, by all listeners that a pool's table serves."""
    out: dict[str, list[dict[str, Any]]] = {}
    for row in listeners.values():
        if row["pool"] == pool:
            for backend, count in row["backends"].items():
                out.setdefault(backend, []).append(count)
    return out
