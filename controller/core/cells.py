"""A cell is one value with a revision: one part puts it, all others read it or are woken when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Wake = Callable[[], None]
"""Called in the event loop after a change; must not block and must not put the cell that woke it."""


class Readable(Protocol[T_co]):
    """A cell as all parts but its owner see it."""

    @property
    def name(self) -> str:
        """What the cell holds, in a word."""
        ...

    @property
    def value(self) -> T_co:
        """The value now. Never changed in place."""
        ...

    @property
    def revision(self) -> int:
        """Grows with every change."""
        ...

    def subscribe(self, wake: Wake) -> None:
        """Call ``wake`` after every change from now on."""
        ...


class Cell(Generic[T]):
    """The owner's side."""

    def __init__(self, name: str, value: T) -> None:
        self.name = name
        self._value = value
        self._revision = 0
        self._wakes: list[Wake] = []

    @property
    def value(self) -> T:
        """The value now."""
        return self._value

    @property
    def revision(self) -> int:
        """Grows with every change."""
        return self._revision

    def put(self, value: T) -> bool:
        """Set the value and wake all who asked; nothing happens, and False is returned, if it is the same."""
        if not self.set(value):
            return False
        self.wake()
        return True

    def set(self, value: T) -> bool:
        """Set the value without waking, where another cell must change in the same breath; ``wake`` follows."""
        if value is self._value or value == self._value:
            return False
        self._value = value
        self._revision += 1
        return True

    def wake(self) -> None:
        """Wake all who asked."""
        for wake in self._wakes:
            wake()

    def subscribe(self, wake: Wake) -> None:
        """Call ``wake`` after every change from now on."""
        self._wakes.append(wake)
