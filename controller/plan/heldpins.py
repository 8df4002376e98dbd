"""Which pins of a switch have to be looked at again: those that changed, and not all the others. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.plan.duty import held_pin
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
        self._idle: Mapping[int, int] = {}

    def forget(self) -> None:
        """What the switch holds is not known any more."""
        self._book = None

    def follow(self, book: PinBook, switch: Switch, idle: Mapping[int, int] | None = None) -> PinChanges:
        """What changed since it was asked last.

        ``idle``: seconds until a pin falls idle, by the number of each listener whose pins the switch holds (None: as
        before). The switch must be the same each time.
        """
        keys = book.changed_since(self._version) if book is self._book else None
        everything = keys is None
        if keys is None:
            keys = set(book.pins)
        if idle is not None:
            other = {n for n in idle.keys() | self._idle.keys() if idle.get(n) != self._idle.get(n)}
            keys |= book.of_listeners(other)
            self._idle = idle
        self._book, self._version = book, book.version
        held, ended = list[HeldPin](), list[PinKey]()
        for key in keys:
            pin, seconds = book.pins.get(key), self._idle.get(key.listener)
            if pin is None or seconds is None:
                ended.append(key)
            else:
                held.append(held_pin(pin, switch, seconds))
        return PinChanges(held, ended, everything)
