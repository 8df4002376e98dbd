"""What happened, as the log of the store has it, of all controllers in one order. Pure.

Each controller numbers its own events, and names revisions of the store with them: the one that an event belongs to
(``change``), such as that of the batch that holds a decision, and the newest one that it knew (``known``): controllers
that share a store see each other's renewals of leadership, a few revisions a second. Revisions are the one count that
all controllers share, so they decide the order between controllers. Clocks of machines differ and may be set at any
time: they are shown, and order only what happened between the same two revisions, where nothing better is known.

    an event's place: the greatest revision that its controller had named until then, this one's included;
                      before the first that it named: that one
    at one place:     the greatest time of day that this controller had shown there until then

Both only grow along a controller's own numbers, so its own order always stays. A controller that has heard of no newer
revision is shown beside the last one that it knew: perhaps too early, never too late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

Value = str | int | float | bool | None | list[str]
"""What a field of an event holds."""


class Entry(NamedTuple):
    """One event of one controller."""

    controller: str
    seq: int
    """Its number among those of its controller; grows, also over restarts."""
    boot: str
    """Which boot of which machine ``t`` counts from."""
    t: float
    """Seconds of the monotonic clock of that boot."""
    at: float
    """Unix time by the controller's own clock."""
    change: int
    """Revision of the store that it belongs to; 0: none was known."""
    known: int
    """The newest revision that its controller knew; 0: none."""
    event: str
    cause: str
    fields: Mapping[str, Value]


class Place(NamedTuple):
    """Where an entry stands among those of all controllers."""

    change: int
    at: float
    controller: str
    seq: int


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Entries of all controllers in one order, whatever order they come in."""
    own = sorted(entries, key=_own)
    placed = [each for _, group in groupby(own, lambda one: one.controller) for each in _placed(list(group))]
    return [entry for _, entry in sorted(placed, key=lambda each: each[0])]


def _own(entry: Entry) -> tuple[str, int, float]:
    return entry.controller, entry.seq, entry.at


def _placed(own: list[Entry]) -> Iterator[tuple[Place, Entry]]:
    """Places of one controller's entries, which are in its own order."""
    change = next((named(each) for each in own if named(each)), 0)
    at = float("-inf")
    for entry in own:
        if named(entry) > change:
            change, at = named(entry), float("-inf")
        at = max(at, entry.at)
        yield Place(change, at, entry.controller, entry.seq), entry


def named(entry: Entry) -> int:
    """The greatest revision that an entry names."""
    return max(entry.change, entry.known)


SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "vip": ("vip", "vips", "listener"),
    "switch": ("switch", "to", "sender"),
    "other": ("pool", "backend", "site"),
}
"""Fields that say what an event is about. One without any of them is about its controller as a whole."""


class Wanted(NamedTuple):
    """Which entries are asked for; empty: all."""

    since: float | None = None
    """Unix time."""
    vip: str = ""
    switch: str = ""


def chosen(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """Those that name the VIP or the switch, and those about a controller as a whole: who led explains the rest."""
    return [each for each in entries if _fits(each, wanted)]


def _fits(entry: Entry, wanted: Wanted) -> bool:
    if wanted.since is not None and entry.at < wanted.since:
        return False
    names = {kind: _names(entry, fields) for kind, fields in SUBJECTS.items()}
    if not any(names.values()):
        return True
    vips = {name.partition("/")[0] for name in names["vip"]}
    return (not wanted.vip or wanted.vip in vips) and (not wanted.switch or wanted.switch in names["switch"])


def _names(entry: Entry, fields: Iterable[str]) -> list[str]:
    found: list[str] = []
    for field in fields:
        value = entry.fields.get(field)
        found += value if isinstance(value, list) else [str(value)] if value else []
    return found


def gap_ms(before: Entry, entry: Entry) -> tuple[float, bool]:
    """Milliseconds between two entries, and whether one clock measured them: that of one boot of one machine."""
    exact = before.boot == entry.boot
    seconds = entry.t - before.t if exact else entry.at - before.at
    return 1000 * seconds, exact
