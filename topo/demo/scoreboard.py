"""The end of the demo on the terminal: what every event cost and which promises held."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from topo.demo.ledger import Verdict
from topo.demo.outcome import Outcome, Promise

SHOWN = 10
"""Broken connections listed one by one."""


def mark(held: bool) -> str:
    """Whether a promise was kept, for people."""
    return "[green]kept[/]" if held else "[red]not kept[/]"


def _events(outcome: Outcome) -> Table:
    table = Table(title="Events", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("event", "at", "repair", "promised", "wrong", "stall", "broken", ""):
        table.add_column(head, justify="left" if head in ("event", "") else "right", no_wrap=head != "event")
    for one in outcome.events:
        table.add_row(
            one.happened.step.title,
            f"{one.happened.t - outcome.observed.start:.0f} s",
            f"{one.repair_ms:.0f} ms",
            f"{one.bound_ms:.0f} ms",
            str(len(one.wrong)),
            f"{one.stall_ms:.0f} ms",
            str(one.broken),
            mark(one.held),
        )
    return table


def promises(made: Iterable[Promise]) -> Table:
    """What was promised, and whether it held."""
    table = Table(title="Promises", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("promise", "value", "bound", ""):
        table.add_column(head, justify="left" if head in ("promise", "") else "right")
    for one in made:
        table.add_row(one.text, f"{one.value:g}", f"{one.bound:g}", mark(one.held))
    return table


def show(console: Console, outcome: Outcome) -> None:
    """Print it."""
    console.print(_events(outcome))
    console.print(promises(outcome.promises))
    broken = [one for one in outcome.judgements if one.verdict is Verdict.BROKEN]
    for one in broken[:SHOWN]:
        at = f" at {one.at - outcome.observed.start:.1f} s" if one.at is not None else ""
        console.print(f"[red]broken[/] {one.id} {one.listener} on {one.server}{at}: {one.cause}")
    if len(broken) > SHOWN:
        console.print(f"... and {len(broken) - SHOWN} more")
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(outcome.verdicts.items()))
    console.print(f"connections: {verdicts}; distribution p = {outcome.p:.4f}")
    console.print(f"[bold]broken although their server lived: {outcome.broken}[/]")
    if outcome.observed.sabotage:
        found = outcome.passed
        console.print(
            "[green]the sabotage was found[/]" if found else "[red]the sabotage was not found exactly once[/]"
        )
    else:
        console.print("[green]all promises held[/]" if outcome.passed else "[red]not all promises held[/]")
