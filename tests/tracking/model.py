"""A small fabric in which the product's own rules run: lb switches, a controller, clients, and all that may go wrong.

    events ──► World: plan/tracking, plan/slotrule, pins ──► a packet that reached another backend: Broken, or at risk

Time is in ticks. Within a tick everything that can be delivered may come in any order, or not at all.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np

from controller.plan.slotrule import Fate, Memory, Report, SlotEntry
from controller.plan.tracking import NEVER, UNHELD, Held, Tracking
from tests.tracking.parts import GONE, Broken, Cell, Connection, Lb, Rules, Size


@dataclass
class World:
    """Everything."""

    size: Size
    rules: Rules
    plan: Tracking
    lbs: list[Lb]
    ways: list[int]
    """The lb switch of each key."""
    pins: list[int]
    """The controller's: backend by key, 0: none."""
    connections: list[Connection | None]
    gone: frozenset[int] = frozenset()
    lost: float = NEVER
    t: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def new(size: Size, rules: Rules | None = None) -> World:
        """Nothing has happened yet; slot n is of backend n % backends + 1."""
        rules = rules or Rules()
        plan = Tracking.of(np.array([n % size.backends + 1 for n in range(size.slots)], np.uint16))
        entries = [rules.entry(plan, n, frozenset()) for n in range(size.slots)]
        none: list[None] = [None] * size.keys
        lbs = [Lb(list(entries), plan.revision, list(none), list(none)) for _ in range(size.lbs)]
        return World(size, rules, plan, lbs, [0] * size.keys, [0] * size.keys, list(none))

    def copy(self) -> World:
        """One that may go another way."""
        made = copy.copy(self)
        made.lbs = [
            Lb(list(b.entries), b.held, list(b.cells), list(b.pins), b.linked, b.jammed, b.mute)
            for b in self.lbs
        ]
        made.ways, made.pins = list(self.ways), list(self.pins)
        made.connections = [copy.copy(c) for c in self.connections]
        return made

    def give(self, *backends: int) -> None:
        """These give their connections away, and no others."""
        self.gone = frozenset(backends)
        for one in self.connections:
            if one is not None and one.backend in self.gone:
                one.given = True

    # -- the controller

    def held(self) -> Held:
        """What the controller knows of its switches."""
        pinned = all(self._has_pins(lb) for lb in self.lbs)
        lost = self.lost if all(lb.linked for lb in self.lbs) else float(self.t)
        return Held(min(lb.held for lb in self.lbs), pinned, lost)

    def _has_pins(self, lb: Lb) -> bool:
        return all(_backend(had) == pin for had, pin in zip(lb.pins, self.pins, strict=True))

    def planned(self) -> None:
        """Acknowledgements and time, as far as they have come."""
        while True:
            later = self.rules.advance(self.plan, self.held(), float(self.t), self.size.memory + 1.0)
            if later is self.plan:
                return
            self.plan = later

    def move(self, slot: int, to: int) -> None:
        """A slot gets another owner."""
        table = self.plan.now.copy()
        table[slot] = to
        self.plan = self.rules.move(self.plan, table)

    def lacks(self, lb: Lb, wanted: list[SlotEntry]) -> bool:
        """Whether there is something to write."""
        return lb.entries != wanted or lb.held != self.plan.revision or not self._has_pins(lb)

    def wanted(self) -> list[SlotEntry]:
        """The slots as switches should have them."""
        return [self.rules.entry(self.plan, n, self.gone) for n in range(self.size.slots)]

    def sync(self, number: int) -> None:
        """A switch gets all that it lacks, and acknowledges it."""
        lb = self.lbs[number]
        wanted = self.wanted()
        for slot, (had, now) in enumerate(zip(lb.entries, wanted, strict=True)):
            if had != now:
                self._rewritten(number, slot)
        lb.entries, lb.held = wanted, self.plan.revision
        for key, pin in enumerate(self.pins):
            if pin != _backend(lb.pins[key]):
                lb.pins[key] = (pin, 0) if pin else None
        for key, connection in enumerate(self.connections):
            if (
                connection
                and connection.reused
                and all(_backend(b.pins[key]) == self.pins[key] for b in self.lbs)
            ):
                connection.reused = False
        self.planned()

    def _rewritten(self, number: int, slot: int) -> None:
        for key, connection in enumerate(self.connections):
            if connection and key % self.size.slots == slot and connection.lb == number:
                connection.heard = False

    def reroute_unseen(self, key: int, to: int) -> None:
        """Edges send a key's packets to another switch, and the controller does not know."""
        self.ways[key] = to
        connection = self.connections[key]
        if connection and connection.lb != to:
            connection.crossed = True

    def reroute(self, key: int, to: int) -> None:
        """The same, as the controller knows."""
        self.reroute_unseen(key, to)
        self.plan = self.rules.rerouted(self.plan)

    def heal(self, number: int) -> None:
        """A switch is heard again, and carries out what it is told."""
        lb = self.lbs[number]
        if not lb.linked:
            self.lost = float(self.t)
        lb.linked, lb.jammed, lb.mute = True, False, False

    def die(self, number: int) -> None:
        """A switch loses its memory, and is back with what the controller has; its keys go elsewhere."""
        lb = self.lbs[number]
        none: list[None] = [None] * self.size.keys
        lb.cells, lb.pins, lb.linked, lb.jammed, lb.mute = list(none), list(none), True, False, False
        for key, way in enumerate(self.ways):
            if way == number:
                self.reroute(key, (number + 1) % self.size.lbs)
        for connection in self.connections:
            if connection and connection.lb == number:
                connection.crossed, connection.lb = True, GONE
        self.sync(number)

    # -- packets

    def packet(self, number: int, key: int, syn: bool) -> int:
        """A packet of a key at a switch; the backend that it reaches."""
        lb, slot = self.lbs[number], key % self.size.slots
        if (pin := lb.pins[key]) is not None:
            if not syn and pin[0] not in self.gone:
                lb.pins[key] = (pin[0], 0)
                return pin[0]
            if syn:
                self._retract(number, key)
        entry, cell = lb.entries[slot], lb.cells[key]
        known = None if cell is None else self._recalled(cell)
        fate = Fate.GIVES if cell is not None and cell.backend in self.gone else Fate.KEEPS
        choice = self.rules.choose(entry, known, syn, fate)
        if choice.remember:
            believed = cell is not None and cell.class_ == entry.class_ and cell.backend == choice.backend
            age = cell.age if cell is not None and believed else 0
            opened = cell.opened if cell is not None and believed else syn
            lb.cells[key] = Cell(choice.backend, entry.class_, age, 0, opened)
        if choice.report is not Report.NONE:
            self._report(number, key, choice.backend, choice.report)
        return choice.backend

    def _recalled(self, cell: Cell) -> Memory:
        return Memory(cell.backend, cell.class_, cell.age >= self.size.transition, cell.opened)

    def _retract(self, number: int, key: int) -> None:
        lb = self.lbs[number]
        lb.pins[key] = None
        if lb.linked:
            self.pins[key] = 0

    def _report(self, number: int, key: int, backend: int, report: Report) -> None:
        lb = self.lbs[number]
        if lb.mute:
            self.lost = float(self.t)
        if lb.unheard or (report is Report.FOUND and self.pins[key]):
            return
        self.pins[key] = backend
        self.lbs[number].pins[key] = (backend, 0)

    # -- clients

    def open(self, key: int) -> None:
        """A client opens a connection; it is answered unless the backend is gone."""
        number = self.ways[key]
        pinned = any(lb.pins[key] for lb in self.lbs) or bool(self.pins[key])
        backend = self.packet(number, key, True)
        if backend and backend not in self.gone:
            reused = pinned and any(lb.pins[key] for lb in self.lbs)
            cut, overtook = self.lbs[number].unheard, bool(self.pins[key])
            self.connections[key] = Connection(backend, number, cut=cut, reused=reused, overtook=overtook)

    def speak(self, key: int) -> None:
        """The connection's client sends data. Raises Broken."""
        one, number = self.connections[key], self.ways[key]
        assert one is not None
        risk = self._risk(one, number, key)
        backend = self.packet(number, key, False)
        if backend != one.backend:
            self.connections[key] = None
            if risk is None:
                raise Broken(
                    f"data of key {key} via lb{number} reached {backend} and belongs to {one.backend}: {one}"
                )
            self.counts[risk] = self.counts.get(risk, 0) + 1
            return
        one.slept |= one.idle > self.size.memory
        one.lb, one.idle, one.heard = number, 0, True
        one.cut = self.lbs[number].unheard
        one.old_heard |= one.age >= self.size.transition

    def close(self, key: int) -> None:
        """It is over; switches are not told."""
        self.connections[key] = None

    def stray(self, key: int, number: int) -> None:
        """One packet of a connection goes another way."""
        one = self.connections[key]
        assert one is not None
        self.packet(number, key, False)
        one.crossed = True

    def _risk(self, one: Connection, number: int, key: int) -> str | None:
        """Why the connection was at risk, in DESIGN's words; None: it was not."""
        if one.given:
            return "its backend gave it away"
        if one.slept or one.idle > self.size.memory:
            return "silent for longer than memory_timeout"
        if one.overtook:
            return "ports used again before the pin was there"
        if not one.crossed:
            return None
        for holds, why in (
            (one.age < self.size.transition, "younger than transition"),
            (not one.old_heard, "not heard since it turned transition"),
            (not one.heard, "not heard since its slot changed"),
            (one.cut, "of a switch that was cut off"),
            # Without a controller, too, the switch has ended the pin by then.
            (one.reused and one.age <= self.size.memory + 1, "ports used again over a pin"),
            (self.pins[key] == one.backend, "its pin was on the way"),
        ):
            if holds:
                return why
        return None

    # -- time

    def tick(self) -> None:
        """Time passes; what is linked has heard all by then."""
        for number, lb in enumerate(self.lbs):
            if lb.linked and not lb.jammed:
                self.sync(number)
        self.t += 1
        if not all(lb.linked for lb in self.lbs):
            self.lost = float(self.t)
        for lb in self.lbs:
            lb.cells = [self._older(cell) for cell in lb.cells]
            lb.pins = [self._idler(pin) for pin in lb.pins]
        for one in self.connections:
            if one is not None:
                one.age, one.idle = one.age + 1, one.idle + 1
        self._end_pins()
        self.planned()

    def _older(self, cell: Cell | None) -> Cell | None:
        if cell is None or cell.idle >= self.size.memory:
            return None
        return cell._replace(age=cell.age + 1, idle=cell.idle + 1)

    def _idler(self, pin: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if pin is None else (pin[0], pin[1] + 1)

    def _end_pins(self) -> None:
        over = self.size.memory
        for key, backend in enumerate(self.pins):
            had = [lb.pins[key] for lb in self.lbs]
            idle = [pin is None or pin[1] > over for pin in had]
            if backend and (all(idle) if self.rules.idle_everywhere else any(idle)):
                self.pins[key] = 0
                for lb in self.lbs:
                    if lb.linked:
                        lb.pins[key] = None
        if self.rules.idles_alone:
            for lb in self.lbs:
                lb.pins = [
                    pin if pin is None or pin[1] <= over or self.pins[key] else None
                    for key, pin in enumerate(lb.pins)
                ]

    # -- identity

    def key(self) -> tuple[object, ...]:
        """Equal for worlds from which the same may happen."""
        low = min(lb.held for lb in self.lbs)
        plan, size = self.plan, self.size
        top = max(2 * size.transition, size.memory) + 2
        slots = tuple(
            (
                *(int(a[n]) for a in (plan.now, plan.base, plan.class_, plan.tracked, plan.ages)),
                max(int(plan.written[n]) - low, 0),
                _left(plan.base_until[n], self.t),
                _left(plan.moved_until[n], self.t),
            )
            for n in range(size.slots)
        )
        lbs = tuple(
            (
                tuple(b.entries),
                b.held - low,
                tuple(c and (c.backend, c.class_, min(c.age, top), c.idle, c.opened) for c in b.cells),
                tuple(p and (p[0], min(p[1], size.memory + 1)) for p in b.pins),
                (b.linked, b.jammed, b.mute),
            )
            for b in self.lbs
        )
        lost = max(self.lost - self.t, -size.memory - 1.0)
        known = tuple(c and _known(c, top, size.memory + 1) for c in self.connections)
        return slots, lbs, tuple(self.ways), tuple(self.pins), known, self.gone, lost, plan.revision - low


def _backend(pin: tuple[int, int] | None) -> int:
    return 0 if pin is None else pin[0]


def _left(until: float, now: int) -> float:
    return until if until in (NEVER, UNHELD) else max(until - now, -1.0)


def _known(one: Connection, top: int, longest: int) -> tuple[object, ...]:
    state = replace(one, age=min(one.age, top), idle=min(one.idle, longest))
    return tuple(vars(state).values())
