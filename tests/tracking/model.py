"""A small fabric in which the product's own rules run: lb switches, a controller, clients, and all that may go wrong.

    events ──► World: plan/tracking, plan/slotrule, pins ──► a packet that reached another backend: Broken, or at risk

Time is in ticks. Within a tick everything that can be delivered may come in any order, or not at all.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np

from controller.plan import rehash, tracking
from controller.plan.rehash import Rehash
from controller.plan.slotrule import Memory, Report, SlotEntry
from controller.plan.tracking import MARGIN, Held, Tracking
from tests.tracking.parts import GONE, Broken, Cell, Connection, Controller, Lb, Rules, Size


@dataclass
class World:
    """Everything."""

    size: Size
    rules: Rules
    sites: list[Controller]
    lbs: list[Lb]
    ways: list[int]
    """The lb switch of each key."""
    connections: list[Connection | None]
    gone: frozenset[int] = frozenset()
    parted: bool = False
    """Sites do not hear each other."""
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
        sites = [Controller(plan, [0] * size.keys) for _ in range(size.sites)]
        return World(size, rules, sites, lbs, [0] * size.keys, list(none))

    def copy(self) -> World:
        """One that may go another way."""
        made = copy.copy(self)
        made.lbs = [
            Lb(list(b.entries), b.held, list(b.cells), list(b.pins), b.linked, b.jammed, b.mute, b.spread)
            for b in self.lbs
        ]
        made.sites = [replace(each, pins=list(each.pins)) for each in self.sites]
        made.ways = list(self.ways)
        made.connections = [copy.copy(c) for c in self.connections]
        return made

    def give(self, *backends: int) -> None:
        """These give their connections away, and no others."""
        self.gone = frozenset(backends)
        for one in self.connections:
            if one is not None and one.backend in self.gone:
                one.given = True

    # -- controllers

    def site(self, number: int) -> Controller:
        """The controller of an lb switch."""
        return self.sites[number % self.size.sites]

    def hearers(self, number: int) -> list[Controller]:
        """The controllers that come to know what this lb switch says."""
        if not self.lbs[number].linked:
            return []
        return [self.site(number)] if self.parted else self.sites

    def held(self, site: Controller) -> Held:
        """What a controller knows of its switches."""
        mine = [lb for number, lb in enumerate(self.lbs) if self.site(number) is site]
        pinned = all(_pinned(lb, site) for lb in (mine if self.parted else self.lbs))
        heard = all(lb.linked for lb in mine) and not self.parted
        revision, lost = min(lb.held for lb in mine), site.lost if heard else float(self.t)
        return Held(revision, pinned, lost, elsewhere=self._elsewhere(site))

    def _elsewhere(self, site: Controller) -> tracking.Flags | None:
        if self.size.sites == 1:
            return None
        if self.parted:
            return np.ones(self.size.slots, np.bool_)
        found = np.zeros(self.size.slots, np.bool_)
        for number, lb in enumerate(self.lbs):
            if (other := self.site(number)) is not site:
                found |= (other.plan.base != 0) | (other.plan.written > lb.held)
        return found

    def planned(self) -> None:
        """Acknowledgements and time, as far as they have come."""
        for site in self.sites:
            while self._advanced(site):
                pass

    def _advanced(self, site: Controller) -> bool:
        """Whether that changed anything."""
        before = site.plan, site.rehash
        known = self.held(site), float(self.t), self.size.memory + MARGIN
        site.plan = self.rules.advance(site.plan, *known, site.rehash is not None)
        if site.rehash is not None:
            site.plan, site.rehash = rehash.step(site.plan, site.rehash, *known)
            if self.rules.ready(site.rehash, *known):
                site.plan, site.rehash, site.spread = self.rules.turned(site.plan), None, 1 - site.spread
        return before[0] is not site.plan or before[1] is not site.rehash

    def turn(self) -> None:
        """Slots are to be taken the other way."""
        for site in self.sites:
            site.rehash = Rehash()
        self.planned()

    def move(self, slot: int, to: int, site: int | None = None) -> None:
        """A slot gets another owner: everywhere, or at one site that is on its own."""
        for one in self.sites if site is None else [self.sites[site]]:
            table = one.plan.now.copy()
            table[slot] = to
            one.plan = self.rules.move(one.plan, table)

    def join(self) -> None:
        """Sites hear each other again: the first one's table holds. Until then none had ended a base."""
        self.parted = False
        first, *others = self.sites
        for other in others:
            other.plan = self.rules.move(other.plan, first.plan.now)
            for key, mine in enumerate(other.pins):
                if mine and (not first.pins[key] or self.site(self.ways[key]) is other):
                    first.pins[key] = mine
        for other in others:
            other.pins = list(first.pins)
        for site in self.sites:
            site.lost = float(self.t)

    def lacks(self, number: int) -> bool:
        """Whether there is something to write to a switch."""
        lb, site = self.lbs[number], self.site(number)
        told = lb.entries == self.wanted(site) and lb.held == site.plan.revision and lb.spread == site.spread
        return not told or not _pinned(lb, site)

    def wanted(self, site: Controller) -> list[SlotEntry]:
        """The slots as its switches should have them."""
        return [self.rules.entry(site.plan, n, self.gone) for n in range(self.size.slots)]

    def sync(self, number: int) -> None:
        """A switch gets all that it lacks, and acknowledges it."""
        lb, site = self.lbs[number], self.site(number)
        wanted = self.wanted(site)
        for slot, (had, now) in enumerate(zip(lb.entries, wanted, strict=True)):
            if had != now or lb.spread != site.spread:
                self._rewritten(number, slot)
        lb.entries, lb.held, lb.spread = wanted, site.plan.revision, site.spread
        for key, pin in enumerate(site.pins):
            if pin != _backend(lb.pins[key]):
                lb.pins[key] = (pin, 0) if pin else None
        for key, one in enumerate(self.connections):
            if one and one.reused and all(_backend(b.pins[key]) == site.pins[key] for b in self.lbs):
                one.reused = False
        self.planned()

    def _rewritten(self, number: int, slot: int) -> None:
        for key, connection in enumerate(self.connections):
            if connection and self.slot(number, key) == slot and connection.lb == number:
                connection.heard = False

    def reroute_unseen(self, key: int, to: int) -> None:
        """Edges send a key's packets to another switch, and no controller knows."""
        self.ways[key] = to
        connection = self.connections[key]
        if connection and connection.lb != to:
            connection.crossed = True

    def reroute(self, key: int, to: int) -> None:
        """The same, as the controllers know."""
        self.reroute_unseen(key, to)
        for site in self.sites:
            site.plan = self.rules.rerouted(site.plan)

    def heal(self, number: int) -> None:
        """A switch is heard again, and carries out what it is told."""
        lb = self.lbs[number]
        if not lb.linked:
            self.site(number).lost = float(self.t)
        lb.linked, lb.jammed, lb.mute = True, False, False

    def die(self, number: int) -> None:
        """A switch loses its memory, and is back with what its controller has; its keys go elsewhere."""
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

    def slot(self, number: int, key: int) -> int:
        """The slot of a key at a switch."""
        return self.size.slot(key, self.lbs[number].spread)

    def packet(self, number: int, key: int, syn: bool) -> int:
        """A packet of a key at a switch; the backend that it reaches."""
        lb, slot = self.lbs[number], self.slot(number, key)
        if (pin := lb.pins[key]) is not None:
            if not syn and pin[0] not in self.gone:
                lb.pins[key] = (pin[0], 0)
                return pin[0]
            if syn:
                lb.pins[key] = None
                for site in self.hearers(number):
                    site.pins[key] = 0
        entry, cell = lb.entries[slot], lb.cells[key]
        known = None if cell is None else self._recalled(cell)
        given = cell is not None and cell.backend in self.gone
        choice = self.rules.choose(entry, known, syn, given)
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

    def _report(self, number: int, key: int, backend: int, report: Report) -> None:
        lb, site = self.lbs[number], self.site(number)
        if lb.mute:
            site.lost = float(self.t)
        if lb.unheard or (report is Report.FOUND and site.pins[key]):
            return
        for one in self.hearers(number):
            one.pins[key] = backend
        lb.pins[key] = (backend, 0)

    # -- clients

    def open(self, key: int) -> None:
        """A client opens a connection; it is answered unless the backend is gone."""
        number = self.ways[key]
        pinned = any(lb.pins[key] for lb in self.lbs) or any(site.pins[key] for site in self.sites)
        backend = self.packet(number, key, True)
        if backend and backend not in self.gone:
            reused = pinned and any(lb.pins[key] for lb in self.lbs)
            overtook = any(site.pins[key] for site in self.sites)
            made = Connection(backend, number, cut=self._cut(number), reused=reused, overtook=overtook)
            made.followed = backend != self.lbs[number].entries[self.slot(number, key)].now
            self.connections[key] = made

    def speak(self, key: int) -> None:
        """The connection's client sends data. Raises Broken."""
        one, number = self.connections[key], self.ways[key]
        assert one is not None
        risk = self._risk(one, key)
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
        one.cut = self._cut(number)
        one.old_heard |= one.age >= self.size.transition

    def _cut(self, number: int) -> bool:
        # What does not carry out a move knows nothing of it, and so reports nothing: it is cut off, too.
        return self.parted or self.lbs[number].unheard or self.lbs[number].jammed

    def close(self, key: int) -> None:
        """It is over; switches are not told."""
        self.connections[key] = None

    def stray(self, key: int, number: int) -> None:
        """One packet of a connection goes another way."""
        one = self.connections[key]
        assert one is not None
        one.crossed = True
        if not any(site.pins[key] for site in self.sites):
            one.risked = self._risk(one, key) or ""
        self.packet(number, key, False)

    def _risk(self, one: Connection, key: int) -> str | None:
        """Why the connection was at risk, in DESIGN's words; None: it was not."""
        if one.given:
            return "its backend gave it away"
        if one.slept or one.idle > self.size.memory:
            return "silent for longer than memory_timeout"
        if one.overtook:
            return "ports used again before the pin was there"
        if one.risked or (one.followed and one.cut):
            return one.risked or "ports used again, and its report was lost"
        if not one.crossed:
            return None
        for holds, why in (
            (one.age < self.size.transition, "younger than transition"),
            (not one.old_heard, "not heard since it turned transition"),
            (one.cut, "of a switch or site that was cut off"),
            # Without a controller, too, the switch has ended the pin by then.
            (one.reused and one.age <= self.size.memory + 1, "ports used again over a pin"),
            (any(site.pins[key] == one.backend for site in self.sites), "its pin was on the way"),
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
        for number, lb in enumerate(self.lbs):
            if not lb.linked or self.parted:
                self.site(number).lost = float(self.t)
            lb.cells = [self._older(cell) for cell in lb.cells]
            lb.pins = [self._idler(pin) for pin in lb.pins]
        for one in self.connections:
            if one is not None:
                one.age, one.idle = one.age + 1, one.idle + 1
        for site in self.sites:
            self._end_pins(site)
        self.planned()

    def _older(self, cell: Cell | None) -> Cell | None:
        if cell is None or cell.idle >= self.size.memory:
            return None
        return cell._replace(age=cell.age + 1, idle=cell.idle + 1)

    def _idler(self, pin: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if pin is None else (pin[0], pin[1] + 1)

    def _end_pins(self, site: Controller) -> None:
        over = self.size.memory
        asked = [lb for n, lb in enumerate(self.lbs) if self.site(n) is site or not self.parted]
        mine = [lb for n, lb in enumerate(self.lbs) if self.site(n) is site]
        for key, backend in enumerate(site.pins):
            idle = [pin is None or pin[1] > over for pin in (lb.pins[key] for lb in asked)]
            if backend and (all(idle) if self.rules.idle_everywhere else any(idle)):
                site.pins[key] = 0
                for lb in mine:
                    if lb.linked:
                        lb.pins[key] = None
        for lb in mine if self.rules.idles_alone else ():
            lb.pins = [
                pin if pin is None or pin[1] <= over or site.pins[key] else None
                for key, pin in enumerate(lb.pins)
            ]


def _pinned(lb: Lb, site: Controller) -> bool:
    return all(_backend(had) == pin for had, pin in zip(lb.pins, site.pins, strict=True))


def _backend(pin: tuple[int, int] | None) -> int:
    return 0 if pin is None else pin[0]
