"""Exits of the plan beside the switches, as ``evenkeel status`` prints them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(console: Console, exits: dict[str, Any]) -> None:
    """One table an exit, a row for each thing that it drives."""
    for name, row in exits.items():
        console.print(_table(name, row))
        if row["problem"]:
            console.print(f"[red]{name}:[/red] {escape(row['problem'])}", soft_wrap=True)


def _table(name: str, row: dict[str, Any]) -> Table:
    keys = list(dict.fromkeys(key for item in row["items"].values() for key in item))
    state = "synced" if row["synced"] else "not synced"
    table = Table(name, *keys, title=f"{name}: {state}, {row['writes']} writes, {row['repairs']} repairs")
    for item, values in row["items"].items():
        table.add_row(escape(item), *(_cell(values.get(key)) for key in keys))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:g}" if isinstance(value, float) else str(value))
