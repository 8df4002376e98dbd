"""The timeline as text, a line an event: when, how long after the line before, who, of which change, what, and why.

What several switches, VIPs or backends do at once is one line: events of one controller that follow each other, and
differ in that name alone. Pure, but for the time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from controller.core.events import EVENTS
from controller.core.eventwords import what
from controller.sites.timeline import Entry, Value, gap_ms

NAMES = 6
"""Names in one line; of more, only the first."""
SUBJECTS = ("switch", "vip", "backend")
"""Fields in whose names events that are one line may differ; of an event, the first that it has."""
HEAD = ("time", "+ms", "controller", "change", "what", "cause")


class _Row(NamedTuple):
    """Entries that are one line."""

    entries: list[Entry]

    @property
    def first(self) -> Entry:
        return self.entries[0]

    def takes(self, entry: Entry) -> bool:
        """Whether another entry differs in one name alone, or in numbers that add up."""
        subject = _subject(entry)
        first = self.first
        return (
            subject != "" and _kind(first) == _kind(entry) and _rest(first, subject) == _rest(entry, subject)
        )

    def what(self) -> str:
        """The words of all."""
        if len(self.entries) == 1:
            return what(self.first)
        subject = _subject(self.first)
        names = list(dict.fromkeys(str(each.fields[subject]) for each in self.entries))
        shown = ", ".join(names[:NAMES])
        if len(names) > NAMES:
            shown += f" and {len(names) - NAMES} more"
        return what(self.first._replace(fields={**_total(self.entries), subject: shown}))


def _kind(entry: Entry) -> tuple[object, ...]:
    return entry.controller, entry.change, entry.event, entry.cause


def _subject(entry: Entry) -> str:
    return next((name for name in SUBJECTS if name in entry.fields), "")


def _rest(entry: Entry, subject: str) -> str:
    """An event's words without one name, and without numbers that add up."""
    known = EVENTS.get(entry.event)
    left_out = {subject}
    if known is not None and known.line is not None and known.line.adds_up:
        left_out |= {name for name, value in entry.fields.items() if isinstance(value, int | float)}
    kept = {name: value for name, value in entry.fields.items() if name not in left_out}
    return what(entry._replace(fields=kept))


def _total(rows: Sequence[Entry]) -> dict[str, Value]:
    """Counts added, of durations the longest; the rest as in the first."""
    out = dict(rows[0].fields)
    for entry in rows[1:]:
        for name, value in entry.fields.items():
            so_far = out.get(name)
            if isinstance(value, float) and isinstance(so_far, int | float):
                out[name] = max(so_far, value)
            elif isinstance(value, int) and isinstance(so_far, int) and not isinstance(value, bool):
                out[name] = so_far + value
    return out


def _rows(entries: Sequence[Entry]) -> Iterator[_Row]:
    row: _Row | None = None
    for entry in entries:
        if row is not None and row.takes(entry):
            row.entries.append(entry)
            continue
        if row is not None:
            yield row
        row = _Row([entry])
    if row is not None:
        yield row


def lines(entries: Sequence[Entry]) -> Iterator[str]:
    """The lines of a timeline that is in order, with a heading, and one wherever the day changes."""
    cells, days = [HEAD], [""]
    before: Entry | None = None
    for row in _rows(entries):
        first = row.first
        at = datetime.fromtimestamp(first.at).astimezone()
        cells.append((
            at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}",
            "" if before is None else _gap(before, first),
            first.controller,
            str(first.change or "-"),
            row.what(),
            first.cause,
        ))  # fmt: skip
        days.append(at.strftime("%Y-%m-%d %Z"))
        before = row.entries[-1]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    widths[4] = min(widths[4], 100)
    shown = ""
    for number, (day, cell) in enumerate(zip(days, cells, strict=True)):
        if number and day != shown:
            yield day
            shown = day
        yield _line(cell, widths)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    time, gap, controller, change, text, cause = cells
    left = f"{time:<{widths[0]}}  {gap:>{widths[1]}}  {controller:<{widths[2]}}  {change:>{widths[3]}}"
    return f"{left}  {text:<{widths[4]}}  {cause}"


def _gap(before: Entry, entry: Entry) -> str:
    """Milliseconds after the line before; ``~``: by the clocks of two machines, which may differ."""
    ms, exact = gap_ms(before, entry)
    return f"{'' if exact else '~'}{ms:.0f}"
