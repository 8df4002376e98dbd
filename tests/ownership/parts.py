"""What the model's world is made of, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from controller.sites.leasestate import NEVER, Ask, Record, Reply, View
from controller.spec.leasetimes import LeaseTimes


class Broken(Exception):
    """Switches of two sites answer at one moment, or an epoch did not grow."""


class ModelTimes(LeaseTimes):
    """Times of integer clocks."""

    def wait(self, authority: float) -> float:
        """Without what floats add to a whole number."""
        return round(super().wait(authority), 6)


@dataclass(frozen=True)
class Size:
    """How large the world is, and how long things last in units of clocks, of which a tick has ``slow`` to ``fast``."""

    sites: tuple[int, ...] = (1, 1)
    """Controllers of each."""
    renew: int = 1
    authority: int = 3
    authority_there: int = 0
    """Of the other sites' controllers, if not the same."""
    fence: int = 1
    margin: int = 0
    slow: int = 1
    fast: int = 2
    resolution: int = 1
    """Clocks are read as multiples of it."""
    lag: bool = False
    """Deadlines come to the switches at any time later, not at once (which is the worst that they can do)."""
    relative: bool = False
    """A mutation: switches count from when a deadline arrives."""
    promises: bool = False
    """Controllers hear each other."""
    history: int = 1
    """Newest states of the key that may still be observed."""
    ticks: tuple[tuple[int, ...], ...] = ()
    """By how much clocks may go on together; none given: each in every way."""

    @property
    def times_there(self) -> LeaseTimes:
        """As the rules of other sites are given them."""
        return replace(self, authority=self.authority_there or self.authority).times

    @property
    def times(self) -> LeaseTimes:
        """As the rules of the first site are given them."""
        drift = (self.fast - self.slow) / (self.fast + self.slow)
        return ModelTimes(self.renew, self.authority, drift, self.margin, self.fence)


class Node(NamedTuple):
    """A controller on a machine of its own, and the responders that listen to it."""

    site: int
    view: View | None
    """None: it is dead."""
    life: int = 1
    clock: int = 0
    deadline: float = NEVER
    """What the switches have."""
    late: float | None = None
    """A deadline on its way to them."""
    silence: int = 0
    """A Silence on its way to them; 0: none."""
    confirms: frozenset[int] = frozenset()
    """Confirmations on their way back."""


class World(NamedTuple):
    """Everything."""

    nodes: tuple[Node, ...]
    revision: int = 0
    record: Record | None = None
    history: tuple[tuple[int, Record | None], ...] = ((0, None),)
    """The newest states of the key."""
    puts: tuple[tuple[int, Record], ...] = ()
    """Under way to the store, with what they compare; those that can no longer be applied are left out."""
    asks: tuple[tuple[int, Ask], ...] = ()
    """Under way, with the number of the node that they go to."""
    replies: tuple[tuple[int, Reply], ...] = ()


class Event(NamedTuple):
    """Something that may happen."""

    kind: str
    target: tuple[int, ...] = ()
    """Numbers of nodes, of things under way in the order in which they were sent, or what clocks go on by."""

    def __str__(self) -> str:
        return ":".join((self.kind, *map(str, self.target)))
