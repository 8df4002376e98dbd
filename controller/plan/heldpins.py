"""Which pins of a switch have to be looked at again: those that changed, and not all the others. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.plan.duty import PinRule, held_pin
from controller.plan.pins import PinBook, PinKey
from controller.spec.switch import HeldPin
from controller.spec.types import Switch


class PinChanges(NamedTuple):
    """What is to be done with the pins of one switch."""

    held: list[HeldPin]
    """Pins that it holds, and perhaps held otherwise."""
    ended: list[PinKey]
    """Connections of which it holds none, and perhaps held one."""
    all: bool
    """Whether ``held`` are all that it may hold, whatever it held."""


class PinFollower:
    """Follows the book for one switch."""

    def __init__(self) -> None:
        self._book: PinBook | None = None
        self._version = 0
        """Of the book, when it was looked at last."""
        self._rules: Mapping[int, PinRule] = {}

    def forget(self) -> None:
        """What the switch holds is not known any more."""
        self._book = None

    def follow(self, book: PinBook, switch: Switch, rules: Mapping[int, PinRule] | None = None) -> PinChanges:
        """What changed since it was asked last.

        ``rules``: by the number of each listener whose pins the switch holds (None: as before). The switch must be the
        same each time.
        """
        keys = book.changed_since(self._version) if book is self._book else None
        everything = keys is None
        if keys is None:
            keys = set(book.pins)
        if rules is not None:
            known = self._rules
            other = {n for n in rules.keys() | known.keys() if rules.get(n) != known.get(n)}
            keys |= book.of_listeners(other)
            self._rules = rules
        self._book, self._version = book, book.version
        held, ended = list[HeldPin](), list[PinKey]()
        for key in keys:
            pin, rule = book.pins.get(key), self._rules.get(key.listener)
            if pin is None or rule is None:
                ended.append(key)
            else:
                held.append(held_pin(pin, switch, rule))
        return PinChanges(held, ended, everything)
