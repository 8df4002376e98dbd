"""Pins: who has one, who reports its end, and how the reporter changes. No I/O.

switch reports an exception ─► pin: reporter = that switch, siblings hold it too
a sibling sees the connection ─► it becomes the reporter          reporter falls idle ─► pin ends everywhere,
                                                                  or a sibling that was not heard meanwhile is asked
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from controller.spec.types import Address, Protocol

LIMIT = 100_000
"""Pins at most; connections beyond are at risk and counted."""
MOST_NUMBER = (1 << 32) - 1
"""A pin's number stands in a register of a switch."""
_TAKEN_OVER = 1 << 31
"""Numbers above are not taken over from a switch, so that there are others behind them."""
LOG = 65_536
"""Changes that are known one by one."""


class PinKey(NamedTuple):
    """A connection of a listener (port 0 with affinity ``source``)."""

    listener: int
    source: Address
    port: int


@dataclass(frozen=True)
class Pin:
    """One pinned connection."""

    id: int
    key: PinKey
    protocol: Protocol
    backend: int
    reporter: str | None
    """Switch whose entry has the idle timer; None: not settled (after a restart)."""
    version: int = 0
    """Version of the book that has it so."""


@dataclass
class PinBook:
    """All pins. Methods return whether anything changed."""

    pins: dict[PinKey, Pin] = field(default_factory=dict)
    refused: int = 0
    """Exceptions that found the book full: connections at risk."""
    version: int = 0
    """Grows with every change."""
    _by_id: dict[int, PinKey] = field(default_factory=dict)
    _last: int = 0
    _log: deque[PinKey] = field(default_factory=lambda: deque(maxlen=LOG))
    """Which pin each of the last versions changed."""
    _reporters: Counter[str | None] = field(default_factory=Counter)
    """How many pins each reports: tells that there is nothing to look for among all pins."""
    _places: dict[tuple[int, int], dict[PinKey, None]] = field(default_factory=dict)
    """Pins by listener and backend."""

    @staticmethod
    def starting_at(number: int) -> PinBook:
        """A book whose ids follow ``number``: switches may still know those of the controller before by their ids."""
        return PinBook(_last=number)

    def report(self, switch: str, key: PinKey, protocol: Protocol, backend: int) -> bool:
        """A switch saw an exception, or saw a pinned connection as a sibling."""
        known = self.pins.get(key)
        if known is not None and known.backend == backend:
            if known.reporter == switch:
                return False
            self._put(replace(known, reporter=switch))
            return True
        if known is None and len(self.pins) >= LIMIT:
            self.refused += 1
            return False
        # Another backend: another connection by now. Switches may hide the former one's pin, which they know by its id.
        self._put(Pin(self._next(), key, protocol, backend, switch))
        return True

    def seen(self, switch: str, number: int) -> bool:
        """A sibling sees the connection: it is the reporter from now on."""
        key = self._by_id.get(number)
        if key is None or self.pins[key].reporter == switch:
            return False
        self._put(replace(self.pins[key], reporter=switch))
        return True

    def idle(self, switch: str, number: int, heir: str | None = None) -> bool:
        """The reporter's entry timed out: the pin ends everywhere, unless another switch reports by now.

        ``heir``: a switch that may have seen the connection and could not say so: it keeps the idle timer from now on.
        """
        key = self._by_id.get(number)
        if key is None or self.pins[key].reporter not in (switch, None):
            return False
        if heir is None:
            self._drop(key)
        else:
            self._put(replace(self.pins[key], reporter=heir))
        return True

    def numbered(self, number: int) -> Pin | None:
        """The pin with an id."""
        key = self._by_id.get(number)
        return None if key is None else self.pins[key]

    def stale(self, number: int) -> bool:
        """A new connection uses the tuple: the pin ends everywhere."""
        key = self._by_id.get(number)
        if key is not None:
            self._drop(key)
        return key is not None

    def adopt(
        self, number: int | None, key: PinKey, protocol: Protocol, backend: int, reporter: str | None
    ) -> bool:
        """Take over a pin found on a switch (after a restart of the controller).

        ``number`` None: the switch keeps none; one that it cannot have from us counts for none. ``reporter``: the
        switch, if its entry has the idle timer.
        """
        known = self.pins.get(key)
        if number is None or not 0 < number < _TAKEN_OVER:
            number = known.id if known is not None else self._next()
        self._last = max(self._last, number)
        if known is not None and (known.reporter is not None or reporter is None):
            return False
        if self._by_id.get(number, key) != key:
            # Given to another connection since: the switch's entry will be rewritten under a number of its own.
            number = self._next()
        self._put(Pin(number, key, protocol, backend, reporter))
        return True

    def switch_lost(self, switch: str, successors: Iterable[str]) -> bool:
        """A switch is gone: another one keeps the idle timer for its pins until a switch sees a packet."""
        if not self._reporters[switch]:
            return False
        successor = next(iter(sorted(successors)), None)
        mine = [pin for pin in self.pins.values() if pin.reporter == switch]
        for pin in mine:
            self._put(replace(pin, reporter=successor))
        return bool(mine)

    def rename(self, names: Mapping[str, str]) -> bool:
        """Switches are called otherwise, all at once: two of them may have changed names."""
        found = ((pin, names.get(str(pin.reporter))) for pin in list(self.pins.values()))
        named = [(pin, name) for pin, name in found if name is not None]
        for pin, name in named:
            self._put(replace(pin, reporter=name))
        return bool(named)

    def assign_orphans(self, successor: str) -> bool:
        """Give every pin without a reporter to a switch that is here."""
        if not self._reporters[None]:
            return False
        orphans = [pin for pin in self.pins.values() if pin.reporter is None]
        for pin in orphans:
            self._put(replace(pin, reporter=successor))
        return bool(orphans)

    def drop(self, keys: Iterable[PinKey]) -> bool:
        """End these pins everywhere."""
        mine = [key for key in keys if key in self.pins]
        for key in mine:
            self._drop(key)
        return bool(mine)

    def of_listeners(self, listeners: Collection[int]) -> set[PinKey]:
        """The pins of these listeners."""
        return {key for (number, _), keys in self._places.items() if number in listeners for key in keys}

    def strays(self, kept: Mapping[int, Collection[int]]) -> list[PinKey]:
        """Pins to other backends than those that their listeners keep; takes a time by listeners and backends."""
        nothing: Collection[int] = ()
        return [
            key
            for (number, backend), keys in self._places.items()
            if backend not in kept.get(number, nothing)
            for key in keys
        ]

    def counts(self) -> dict[tuple[int, int], int]:
        """How many pins there are, by listener and backend."""
        return {place: len(keys) for place, keys in self._places.items()}

    def copy(self) -> PinBook:
        """The pins of now in a book that nothing else changes."""
        made = PinBook.starting_at(self._last)
        made.refused, made.version = self.refused, self.version
        made.pins, made._by_id = dict(self.pins), dict(self._by_id)
        made._reporters = Counter(self._reporters)
        made._places = {place: dict(keys) for place, keys in self._places.items()}
        return made

    def changed_since(self, version: int) -> set[PinKey] | None:
        """Pins that are not as they were in that version, or are no more; None: too long ago to tell."""
        count = self.version - version
        if not 0 <= count <= len(self._log):
            return None
        newest = reversed(self._log)
        return {next(newest) for _ in range(count)}

    def newer_than(self, version: int) -> int:
        """Pins that a switch with this version does not hold as they are now."""
        changed = self.changed_since(version)
        if changed is not None:
            return sum(key in self.pins for key in changed)
        if version <= 0:
            return len(self.pins)
        return sum(pin.version > version for pin in self.pins.values())

    def _next(self) -> int:
        """A number that no pin has."""
        self._last = self._last % MOST_NUMBER + 1
        while self._last in self._by_id:
            self._last = self._last % MOST_NUMBER + 1
        return self._last

    def _put(self, pin: Pin) -> None:
        known = self.pins.get(pin.key)
        if known is not None:
            self._by_id.pop(known.id, None)
            self._unplace(known)
        self._log_change(pin.key)
        self.pins[pin.key] = replace(pin, version=self.version)
        self._by_id[pin.id] = pin.key
        self._place(pin)

    def _drop(self, key: PinKey) -> None:
        self._log_change(key)
        pin = self.pins.pop(key)
        del self._by_id[pin.id]
        self._unplace(pin)

    def _place(self, pin: Pin) -> None:
        self._reporters[pin.reporter] += 1
        self._places.setdefault((pin.key.listener, pin.backend), {})[pin.key] = None

    def _unplace(self, pin: Pin) -> None:
        self._reporters[pin.reporter] -= 1
        place = pin.key.listener, pin.backend
        keys = self._places[place]
        del keys[pin.key]
        if not keys:
            del self._places[place]

    def _log_change(self, key: PinKey) -> None:
        self.version += 1
        self._log.append(key)
