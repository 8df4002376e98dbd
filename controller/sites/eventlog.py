"""The log of the store: events of all controllers, in values that each controller adds and never changes.

    NAME of a value    CONTROLLER/FIRST-LAST: whose events, and by what numbers
    its data           JSON: format, controller, boot, and the events

So what is in the log, and how much of it is whose, is known by the names alone. It is bounded: a controller that has
added ``SWEEP`` events removes what is too much, the oldest of those who have most. Two that do so at once harm nothing:
each value is removed by its revision.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from controller.sites.base import ABSENT, LOG_SIZE, Guard, GuardFailed, Loaded, Space, Stored, StoreError
from controller.sites.timeline import Entry, Value

FORMAT = 1
"""Of a value; others are shown by no reader of this version."""
BOUND = 2000
"""Events in the log, of all controllers; a little more, until one removes them."""
SWEEP = 100
"""Events that a controller adds until it removes what is too much."""
TOGETHER = 100
"""Values that are removed at once, at most."""
EVENTS = 100
"""Events in one value, at most."""
OCTETS = LOG_SIZE // 2
"""Of the events in one value, at most."""
LONGEST = 300
"""Characters of a text in an event; the rest is cut off."""
ITEMS = 8
"""Of a list in an event; the rest is counted."""
_ATTEMPTS = 3


class Made(NamedTuple):
    """An event that is to be added."""

    t: float
    at: float
    change: int
    known: int
    event: str
    cause: str
    fields: Mapping[str, object]


class Name(NamedTuple):
    """The name of a value."""

    controller: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.controller}/{self.first:012d}-{self.last:012d}"

    @property
    def events(self) -> int:
        """Events in it."""
        return self.last - self.first + 1


def parsed(text: str) -> Name | None:
    """Inverse of ``str``; None: no name of ours."""
    controller, slash, numbers = text.rpartition("/")
    first, _, last = numbers.partition("-")
    if not slash or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
        return None
    return Name(controller, int(first), int(last))


def encode(controller: str, boot: str, events: Sequence[Made]) -> bytes:
    """A value of the log."""
    rows = [(*e[:-1], {key: cut(value) for key, value in e.fields.items()}) for e in events]
    value = {"format": FORMAT, "controller": controller, "boot": boot, "events": rows}
    return json.dumps(value, separators=(",", ":")).encode()


def decode(name: Name, data: bytes) -> list[Entry]:
    """Its events. Raises ValueError."""
    try:
        found: dict[str, Any] = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"has the format {found['format']}, this version reads {FORMAT}")
        made = [Made(*row) for row in found["events"]]
        if len(made) != name.events or found["controller"] != name.controller:
            raise ValueError(f"is not what its name says: {len(made)} events of {found['controller']}")
        return [
            Entry(name.controller, name.first + i, str(found["boot"]), *_checked(e))
            for i, e in enumerate(made)
        ]
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"is damaged ({type(error).__name__}: {error})") from error


def _checked(made: Made) -> tuple[float, float, int, int, str, str, Mapping[str, Value]]:
    fields = {str(key): _value(value) for key, value in made.fields.items()}
    numbers = float(made.t), float(made.at), int(made.change), int(made.known)
    return *numbers, str(made.event), str(made.cause), fields


def _value(value: object) -> Value:
    """What JSON holds, as a field; it was cut when it was written."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def cut(value: object) -> Value:
    """A field's value, not longer than is useful."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = (
            sorted(map(str, value)) if isinstance(value, set | frozenset) else [str(each) for each in value]
        )
        more = [f"and {len(items) - ITEMS} more"] if len(items) > ITEMS else []
        return [_short(each) for each in items[:ITEMS]] + more
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def pieces(events: Sequence[Made]) -> Iterator[list[Made]]:
    """Events in order, as few values as they fit into."""
    piece: list[Made] = []
    octets = 0
    for event in events:
        size = len(encode("", "", [event]))
        if piece and (len(piece) == EVENTS or octets + size > OCTETS):
            yield piece
            piece, octets = [], 0
        piece.append(event)
        octets += size
    if piece:
        yield piece


def excess(there: Mapping[str, int], bound: int) -> list[str]:
    """Names of values to remove, so that not more than ``bound`` events stay. ``there``: names by their revision.

    The oldest value goes of the controller that has most events, until few enough are left: so one that says much
    removes its own, and of each of ``n`` controllers at least ``bound / n`` stay, but for one value.
    """
    own: dict[str, list[tuple[Name, int]]] = defaultdict(list)
    for text, revision in there.items():
        name = parsed(text)
        if name is not None:
            own[name.controller].append((name, revision))
    for values in own.values():
        values.sort(key=lambda each: each[0].first, reverse=True)
    counts = {controller: sum(name.events for name, _ in values) for controller, values in own.items()}
    out = []
    while sum(counts.values()) > bound:
        controller = max(counts, key=lambda each: (counts[each], -own[each][-1][1], each))
        name, _ = own[controller].pop()
        out.append(str(name))
        counts[controller] -= name.events
        if not own[controller]:
            del counts[controller]
    return out


class EventLog:
    """One controller's end of the log."""

    def __init__(self, space: Space, controller: str, boot: str) -> None:
        """``boot``: which one the times of its events count from."""
        self._space, self._controller, self._boot = space, controller, boot
        self._next: int | None = None
        """Number of the next event; None: the log was not read yet."""
        self._added = 0
        """Since the last sweep."""

    async def append(self, events: Sequence[Made], within: float) -> None:
        """Add one value. Raises StoreError: then it may be there or not; the same call again finds that out."""
        for _ in range(_ATTEMPTS):
            if self._next is None:
                loaded = await self._space.load()
                self._next = _last(loaded, self._controller) + 1
                await self._sweep(loaded, within)
            name = str(Name(self._controller, self._next, self._next + len(events) - 1))
            data = encode(self._controller, self._boot, events)
            if await self._put(name, data, within):
                self._next += len(events)
                self._added += len(events)
                return
            self._next = None  # another process has our name
        raise StoreError(f"the log: another process adds events as {self._controller!r}")

    async def sweep(self, within: float) -> None:
        """Remove what is too much, if enough was added since that was done last. Raises StoreError."""
        if self._added >= SWEEP:
            await self._sweep(await self._space.load(), within)

    async def _put(self, name: str, data: bytes, within: float) -> bool:
        """Whether the value is there, by this attempt or an earlier one."""
        try:
            await self._space.commit({name: data}, Guard(keys={name: ABSENT}), within)
        except GuardFailed as error:
            there = error.found.get(name)
            return there is not None and there.data == data
        return True

    async def _sweep(self, loaded: Loaded, within: float) -> None:
        self._added = 0
        revisions = {name: stored.revision for name, stored in loaded.values.items()}
        gone = excess(revisions, BOUND)
        for at in range(0, len(gone), TOGETHER):
            names = gone[at : at + TOGETHER]
            try:
                guard = Guard(keys={name: revisions[name] for name in names})
                await self._space.commit(dict.fromkeys(names), guard, within)
            except GuardFailed:
                return  # another controller removes the same


def _last(loaded: Loaded, controller: str) -> int:
    names = (parsed(text) for text in loaded.values)
    return max((name.last for name in names if name is not None and name.controller == controller), default=0)


class Read(NamedTuple):
    """What the log holds."""

    entries: list[Entry]
    problems: list[str]
    """Values that cannot be read, and why."""


def entries(values: Mapping[str, Stored]) -> Read:
    """All events that can be read, and what cannot."""
    read = Read([], [])
    for text, stored in sorted(values.items()):
        name = parsed(text)
        try:
            if name is None:
                raise ValueError("is none of ours")
            read.entries.extend(decode(name, stored.data))
        except ValueError as error:
            read.problems.append(f"the value {text!r} of the log {error}")
    return read
