"""``evenkeel status`` of an agent."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(console: Console, shown: dict[str, Any]) -> None:
    """Print what an agent shows of itself."""
    agent = shown["agent"]
    name, site, leader = agent["name"], agent["site"], agent["leader"]
    if site is None:
        console.print(f"[red]{escape(name)}: the stored intent names no agent of that name[/red]")
        return
    if agent["acts"]:
        console.print(f"{escape(name)} acts for site {site}")
    elif leader:
        console.print(f"{escape(name)} of site {site} follows {escape(leader)}, which acts for it")
    else:
        console.print(f"[yellow]{escape(name)}: no agent of site {site} is ready to act for it[/yellow]")
    if agent["store"]:
        console.print(f"[red]the store does not answer:[/red] {escape(agent['store'])}", soft_wrap=True)
    console.print(_groups(shown["groups"]))
    for each, row in shown["sites"].items():
        if not row["fit"]:
            console.print(f"[yellow]site {each} is not fit:[/yellow] {escape(row['why'])}", soft_wrap=True)
    for edge, row in shown["edges"].items():
        console.print(f"edge {edge}: {_edge(row)}", soft_wrap=True)
    console.print(_health(shown["health"]), soft_wrap=True)
    for other, row in shown["agents"].items():
        lost = [path for path, age in row["paths"].items() if age is None]
        if lost:
            console.print(f"[yellow]{escape(other)} is silent on {', '.join(lost)}[/yellow]", soft_wrap=True)


def _groups(groups: dict[str, Any]) -> Table:
    table = Table("VIPs", "owner", "holder", "epoch", "left", "why")
    for row in groups.values():
        owner = row["owner"] or "[red]none[/red]"
        left = f"{row['left']:.1f} s" if row["ours"] and row["holder"] else ""
        belongs = "" if row["belongs"] in (row["owner"], None) else f"belongs to {row['belongs']}: "
        epoch = "" if row["epoch"] is None else str(row["epoch"])
        why = belongs + escape(row["why"])
        table.add_row(", ".join(row["vips"]), owner, row["holder"] or "", epoch, left, why)
    return table


def _health(row: dict[str, Any]) -> str:
    """What it sees of servers."""
    down = [f"{name} [red]down[/red] ({escape(reason)})" for name, reason in row["down"].items()]
    said = [f"probes {row['servers']} servers", *(down or ["none is down"])]
    if row["pending"]:
        said.append(f"{row['pending']} have no verdict yet")
    if row["doubt"]:
        said.append(f"[yellow]counts for nothing: {escape(row['doubt'])}[/yellow]")
    return f"{', '.join(said)}; told to {row['controllers']} controllers"


def _edge(row: dict[str, Any]) -> str:
    if not row["connected"]:
        return "[red]not connected[/red]"
    fences = row["fence"] or {}
    said = [f"answers for {row['answers']} VIPs"]
    for interface, state in fences.items():
        what = "claimed" if state["claim"] else "not claimed" if state["up"] else "[red]down[/red]"
        said.append(f"fence {interface} {what}")
    if row["problem"]:
        said.append(f"[red]{escape(row['problem'])}[/red]")
    return ", ".join(said)
