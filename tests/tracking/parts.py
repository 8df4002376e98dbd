"""What the model's world is made of: switches, connections, how large it is, and the rules that it plays by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from controller.plan import rehash, tracking
from controller.plan.rehash import Rehash
from controller.plan.slotrule import Choice, Memory, SlotEntry, choose
from controller.plan.tracking import NEVER, Held, Tracking
from controller.spec.slots import Slots

GONE = -1
"""In place of an lb switch that has died since."""


class Broken(Exception):
    """A connection's packet reached another backend, and nothing that is stated says that it may."""


@dataclass(frozen=True)
class Rules:
    """The product's rules; a mutation replaces one of them."""

    choose: Callable[[SlotEntry, Memory | None, bool, bool], Choice] = choose
    entry: Callable[[Tracking, int, frozenset[int]], SlotEntry] = Tracking.entry
    move: Callable[[Tracking, Slots], Tracking] = tracking.move
    rerouted: Callable[[Tracking], Tracking] = tracking.rerouted
    advance: Callable[[Tracking, Held, float, float, bool], Tracking] = tracking.advance
    ready: Callable[[Rehash, Held, float, float], bool] = rehash.ready
    turned: Callable[[Tracking], Tracking] = rehash.turned
    idle_everywhere: bool = True
    """A pin ends when it is idle on every switch; else as soon as its reporter says so."""
    idles_alone: bool = True
    """A switch that hears of no controller ends a pin by itself when it is idle."""


@dataclass(frozen=True)
class Size:
    """How large the fabric is, and how long things last in ticks."""

    slots: int = 1
    lbs: int = 2
    sites: int = 1
    """lb switch n is in site n % sites, each with a controller of its own."""
    backends: int = 3
    keys: int = 1
    """5-tuples; see ``slot``."""
    memory: int = 3
    transition: int = 1

    def slot(self, key: int, spread: int) -> int:
        """The slot of a 5-tuple by one way or another to take it."""
        return (key * 7 // 3 + 1 if spread else key) % self.slots


class Cell(NamedTuple):
    """What a switch remembers of a 5-tuple."""

    backend: int
    class_: int
    age: int
    """Ticks since it was decided for this backend."""
    idle: int
    opened: bool
    """By a SYN."""


@dataclass
class Lb:
    """One lb switch."""

    entries: list[SlotEntry]
    held: int
    """Revision of the plan that it has."""
    cells: list[Cell | None]
    pins: list[tuple[int, int] | None]
    """(backend, ticks idle)."""
    linked: bool = True
    """Hears the controller, and is heard."""
    jammed: bool = False
    """Does not get round to what is written."""
    mute: bool = False
    """Its reports are lost, and it counts them."""
    spread: int = 0
    """How it takes slots."""

    @property
    def unheard(self) -> bool:
        """What it reports does not come to the controller."""
        return self.mute or not self.linked


@dataclass
class Controller:
    """A site's, which shares moves and pins with the other's while they hear each other."""

    plan: Tracking
    pins: list[int]
    """Backend by key, 0: none."""
    lost: float = NEVER
    spread: int = 0
    """How its switches are to take slots."""
    rehash: Rehash | None = None
    """To the other way."""


@dataclass
class Connection:
    """An open connection as its client knows it."""

    backend: int
    lb: int
    """Where its last packet went."""
    age: int = 0
    idle: int = 0
    heard: bool = True
    """Its lb switch has heard it on the slot as it has it now."""
    old_heard: bool = False
    """It has been heard since it was as old as ``transition``."""
    cut: bool = False
    """Its last packet went through a switch or a site that was cut off, did not do as told, or was not heard."""
    reused: bool = False
    """Its ports were pinned when it was opened, and some switch has not heard yet that this is over."""
    overtook: bool = False
    """Its SYN came to a switch which the pin of the connection before it had not reached."""
    followed: bool = False
    """Its SYN went where the connection before it was remembered to be, and its slot said otherwise."""
    slept: bool = False
    """It was silent for longer than ``memory``."""
    given: bool = False
    """Its backend has given its connections away."""
    risked: str = ""
    """Why it was at risk when a packet of its went another way: what came of that may show later."""
    crossed: bool = False
    """Its packets have come, or come from now on, to another switch than those before."""

    def state(self, top: int, longest: int) -> tuple[object, ...]:
        """Equal for connections to which the same may happen: ages from ``top`` on, and silences from ``longest``."""
        return tuple(vars(replace(self, age=min(self.age, top), idle=min(self.idle, longest))).values())
