"""The end of the demo of two sites on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from topo.demo.scoreboard import SHOWN, mark, promises
from topo.sitedemo.measure import Result
from topo.sitedemo.outcome import Outcome


def _bound(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _per_site(one: Result, values: dict[str, float]) -> str:
    return ", ".join(
        f"({value:.0f})" if site in one.blind else f"{value:.0f}" for site, value in values.items()
    )


def _events(outcome: Outcome) -> Table:
    sites = ", ".join(outcome.observed.stage.sites)
    table = Table(
        title=f"Events (milliseconds, {sites}; in brackets: its clients were cut off)",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    heads = ("event", "site", "gap", "<=", "repair", "<=", "unowned", "<=", "dup", "broken", "healthy", "")
    for head in heads:
        table.add_column(head, justify="left" if head in ("event", "site", "") else "right")
    for one in outcome.results:
        seen = one.happened
        healthy = "no" if seen.healthy is None else f"{seen.healthy - seen.undone:.1f} s"
        table.add_row(
            seen.event.name,
            seen.cast.site,
            _per_site(one, dict(one.gap_ms)),
            _bound(one.bounds.gap),
            _per_site(one, dict(one.repair_ms)),
            _bound(one.bounds.repair),
            f"{one.unowned_ms:.0f}",
            _bound(one.bounds.unowned),
            str(len(one.duplicates)),
            str(one.broken),
            healthy,
            mark(not one.missed),
        )
    return table


def show(console: Console, outcome: Outcome) -> None:
    """Print it."""
    console.print(_events(outcome))
    console.print(promises(outcome.promises))
    start = outcome.observed.start
    for one in outcome.broken[:SHOWN]:
        at = f" at {one.at - start:.1f} s" if one.at is not None else ""
        console.print(f"[red]broken[/] {one.id} {one.listener} on {one.server}{at}: {one.cause}")
    for error in outcome.observed.defects[:SHOWN]:
        console.print("[red]defect[/]", error, markup=True, highlight=False)
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(outcome.verdicts.items()))
    console.print(f"connections: {verdicts}")
    console.print(f"[bold]broken although their server lived: {len(outcome.broken)}[/]")
    console.print("[green]all promises held[/]" if outcome.passed else "[red]not all promises held[/]")
