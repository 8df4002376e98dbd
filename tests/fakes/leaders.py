"""Controllers that want to lead, and a register whose messages are late, lost and out of order, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

from controller.sites import leading
from controller.sites.leading import Leader, Look, Put, View
from controller.spec.leasetimes import LeaseTimes


class Register:
    """One value, compared and put by revision."""

    def __init__(self) -> None:
        self.revision = 10
        self.leader: Leader | None = None
        self.store = 10

    def put(self, compare: int, leader: Leader | None) -> None:
        """Carry out a put, or a deletion, if the comparison holds."""
        if compare == (0 if self.leader is None else self.revision):
            self.store += 1
            self.leader, self.revision = leader, self.store

    def shown(self) -> tuple[int, Leader | None]:
        """As a read has it."""
        return (self.store if self.leader is None else self.revision), self.leader


class One:
    """One life of a controller, with a clock of its own."""

    def __init__(self, name: str, rate: float, ahead: float) -> None:
        self.view: View = leading.born(name, name)
        self.rate, self.ahead = rate, ahead
        self.alive = True
        self.paused_until = 0.0
        self.turn = -1
        self.starts = False

    def clock(self, real: float) -> float:
        """What its clock shows."""
        return self.ahead + self.rate * real

    def leads(self, real: float) -> bool:
        """By its own clock."""
        return self.alive and leading.leads(self.view, self.clock(real))


class World:
    """Events in the order of real time."""

    def __init__(self, times: LeaseTimes, random: Random, worst: float = 0.02, lost: float = 0.0) -> None:
        """``worst``: seconds that a message takes at most; ``lost``: the share that arrives nowhere."""
        self.times, self.random, self.worst, self.lost = times, random, worst, lost
        self.now = 0.0
        self.register = Register()
        self.all: list[One] = []
        self.start = 0.0
        """Seconds from when a controller leads until it serves."""
        self.out_of_reach = False
        """The store answers nothing, and takes nothing."""
        self.most = 0
        """Leaders at one moment, at most."""
        self.led: list[tuple[float, str]] = []
        """Since when who led, by changes."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def add(self, name: str, rate: float = 1.0, ahead: float = 0.0) -> One:
        """A controller starts."""
        one = One(name, rate, ahead)
        self.all.append(one)
        self._turn(one)
        return one

    def kill(self, one: One) -> None:
        """It ends without a word."""
        one.alive = False

    def stop(self, one: One) -> None:
        """It ends, and releases what it has."""
        compare = leading.released(one.view)
        one.alive = False
        if compare is not None:
            self._after(self._delay(), lambda: self._carry_out(compare, None))

    def pause(self, one: One, seconds: float) -> None:
        """It stands still; what comes meanwhile is heard afterwards."""
        one.paused_until = self.now + seconds

    def run(self, until: float) -> None:
        """Until a moment of real time."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
            leaders = [each.view.name for each in self.all if each.leads(self.now)]
            self.most = max(self.most, len(leaders))
            if leaders and (not self.led or self.led[-1][1] != leaders[0]):
                self.led.append((self.now, leaders[0]))
        self.now = until

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._number), event))

    def _delay(self) -> float:
        return self.random.uniform(0.0, self.worst)

    def _arrives(self) -> bool:
        return self.random.random() >= self.lost

    def _when_awake(self, one: One, event: Callable[[], None]) -> None:
        if one.paused_until > self.now:
            self._after(one.paused_until - self.now + 1e-6, lambda: self._when_awake(one, event))
        elif one.alive:
            event()

    def _turn(self, one: One) -> None:
        """Poll now, and again when it is due; only the newest of these chains goes on."""
        one.turn = mine = next(self._number)

        def turn() -> None:
            if one.turn != mine:
                return
            one.view, action = leading.poll(one.view, self.times, one.clock(self.now))
            if action is not None:
                self._act(one, action)
            ahead = (leading.due(one.view, self.times) - one.clock(self.now)) / one.rate
            self._after(max(1e-3, ahead), lambda: self._when_awake(one, turn))

        self._when_awake(one, turn)

    def _act(self, one: One, action: Look | Put) -> None:
        sent = self.now
        if not self._arrives():
            self._after(self.times.renew, lambda: self._unanswered(one))
            return

        def there() -> None:
            if self.out_of_reach:
                self._unanswered(one)
                return
            if isinstance(action, Put):
                self._carry_out(action.compare, action.leader)
            shown = self.register.shown()
            if self._arrives():
                self._after(self._delay(), lambda: self._answered(one, sent, *shown))
            else:
                self._after(self.times.renew, lambda: self._unanswered(one))

        self._after(self._delay(), there)

    def _carry_out(self, compare: int, leader: Leader | None) -> None:
        if self.out_of_reach:
            return
        before = self.register.store
        self.register.put(compare, leader)
        if self.register.store != before:
            shown = self.register.shown()
            for each in self.all:
                if self._arrives():
                    self._after(self._delay(), lambda each=each: self._told(each, *shown))  # type: ignore[misc]

    def _told(self, one: One, revision: int, leader: Leader | None) -> None:
        def hear() -> None:
            one.view = leading.observed(one.view, one.clock(self.now), revision, leader)
            if one.leads(self.now) and not one.starts:
                one.starts = True
                self._after(self.start, lambda: self._when_awake(one, lambda: self._serves(one)))
            self._turn(one)

        self._when_awake(one, hear)

    def _serves(self, one: One) -> None:
        one.view = leading.serves(one.view)

    def _answered(self, one: One, sent: float, revision: int, leader: Leader | None) -> None:
        if leading.slow(self.times, self.now - sent):
            self._unanswered(one)
        self._told(one, revision, leader)

    def _unanswered(self, one: One) -> None:
        def miss() -> None:
            one.view = leading.blind(one.view, one.clock(self.now))

        self._when_awake(one, miss)
