"""A row: an intent, verdicts, what is sent and done in turn, and what comes of it by hand; and playing one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Shape

from controller.plan.ids import Space
from controller.spec.types import Mode, Pool
from tests.conformance.delivery import Got, Wrong, marked
from tests.conformance.expect import Expect
from tests.conformance.packets import Tag
from tests.conformance.plant import Plant
from tests.conformance.says import Log, Say, new_mark
from tests.conformance.scenario import Setup
from tests.conformance.target import DEADLINE, Can, Counts, Heard, Reason, Report, Target, Wire

_LOOK = 0.02
"""Seconds between looks at counters."""


@dataclass
class Play:
    """A row that is being played."""

    target: Target
    plant: Plant
    log: Log
    heard: list[Report] = field(default_factory=list)
    """Reports that the controller has not got yet."""
    counted: Mapping[str, Counts] = field(default_factory=dict)
    """By server, when counting began."""

    def plan(self, seconds: float = 0.0) -> None:
        """Let the plan move on, and tell the switch."""
        self.plant.step(seconds)
        self.target.apply(self.plant.world())


class Step(Shape):
    """Something that is sent or happens."""

    def play(self, play: Play) -> None:
        """Do it. Raises Wrong."""
        ...


@dataclass(frozen=True)
class Row:
    """One promise, played against every target."""

    name: str
    why: str
    """One sentence: what would go wrong without."""
    intent: Setup
    steps: tuple[Step, ...]
    down: tuple[str, ...] = ()
    """Health at the beginning: servers that are judged down."""
    needs: frozenset[Can] = frozenset()

    def lacking(self, target: Target) -> Can | None:
        """Something that the row needs and the target has not."""
        return next((what for what in sorted(self.needs) if not target.has(what)), None)

    def play(self, target: Target) -> None:
        """Play it. Raises AssertionError that names the step."""
        plant = Plant(self.intent, target.switch, self.down, target.spread)
        target.forget()
        target.apply(plant.world())
        play = Play(target, plant, Log(target.has(Can.FRAMES)))
        for number, step in enumerate(self.steps, 1):
            try:
                step.play(play)
            except Wrong as wrong:
                raise AssertionError(
                    f"{target.name}, step {number} of {self.name}: {wrong}\n{step}"
                ) from None


def _fullnat(say: Say) -> bool:
    """Whether it is of a fullnat connection."""
    connection = getattr(say, "connection", None)
    return connection is not None and connection.service.mode is Mode.FULLNAT


@dataclass(frozen=True)
class In:
    """Packets in, packets out."""

    says: Say | Sequence[Say]
    expect: Expect
    reports: frozenset[Reason] | None = frozenset()
    """What the switch tells the controller meanwhile; neither more nor less. None: its own affair."""
    tag: Tag | None = None
    """On every frame that is sent."""

    def __str__(self) -> str:
        return f"{self.says} {self.tag or ''} -> {self.expect}"

    def play(self, play: Play, within: float = DEADLINE) -> None:
        """See ``Step``; what is to come comes ``within`` seconds."""
        says: Sequence[Say] = self.says if isinstance(self.says, Sequence) else (self.says,)
        marks = [new_mark() for _ in says]
        sent = [self._wires(say, play.log, mark) for say, mark in zip(says, marks, strict=True)]
        wires = [wire for each in sent for wire in each]
        wanted = (self.reports or frozenset()) & play.target.reasons
        if not play.target.has(Can.FULLNAT_PINS) and any(_fullnat(say) for say in says):
            wanted -= {Reason.EXCEPTION, Reason.FOUND}

        def gots(heard: Heard) -> list[Got]:
            if len(says) == 1:
                return [Got(says[0], marks[0], heard.frames, sent[0])]
            each = zip(says, marks, sent, strict=True)
            return [Got(say, mark, marked(mark, heard.frames), was) for say, mark, was in each]

        def complete(heard: Heard) -> bool:
            try:
                self.expect.check(gots(heard), play.log)
            except Wrong:
                return False
            return wanted <= _reasons(heard, wanted)

        heard = play.target.exchange(wires, complete, within)
        went = self.expect.check(gots(heard), play.log)
        reasons = _reasons(heard, wanted)
        if self.reports is not None and reasons != wanted:
            raise Wrong(f"reported {sorted(reasons)}, wanted {sorted(wanted)}")
        play.log.last.update(went)
        play.log.translated |= went.keys()
        play.heard += [each for each in heard.reports if _counts(each.reason)]

    def _wires(self, say: Say, log: Log, mark: bytes) -> tuple[Wire, ...]:
        plain = say.wires(log, mark)
        return tuple(w if self.tag is None else Wire(w.port, self.tag.put(w.frame)) for w in plain)


def _counts(reason: Reason) -> bool:
    """Young connections are told of for as long as their slot is tracked: lives against the rule ask for that."""
    return reason is not Reason.YOUNG


def _reasons(heard: Heard, wanted: frozenset[Reason]) -> frozenset[Reason]:
    """Why the switch told of connections, as far as rows may ask.

    One that it found, and did not see open, is as good as an exception.
    """
    reasons = frozenset(each.reason for each in heard.reports if _counts(each.reason))
    if Reason.FOUND in reasons and not wanted & {Reason.FOUND}:
        reasons = reasons - {Reason.FOUND} | wanted & {Reason.EXCEPTION}
    return reasons


@dataclass(frozen=True)
class Count:
    """Count from here on."""

    def play(self, play: Play) -> None:
        """See ``Step``."""
        play.target.count_all()
        play.counted = by_server(play)


@dataclass(frozen=True)
class Counted:
    """What was counted since, of all listeners together."""

    packets: int
    opened: int
    ended: int
    server: str | None = None
    """Of this backend; None: of all."""

    def play(self, play: Play) -> None:
        """See ``Step``. Counters come late: packets are waited for, and connections are as right as they are."""
        wanted = Counts(self.packets, self.opened, self.ended)
        end = time.monotonic() + DEADLINE
        while (found := self._found(play)).packets < self.packets and time.monotonic() < end:
            time.sleep(_LOOK)
        if found != wanted:
            raise Wrong(f"counted {found}, wanted {wanted}")

    def _found(self, play: Play) -> Counts:
        now = by_server(play)
        names = [self.server] if self.server is not None else list(now)
        each = [
            [a - b for a, b in zip(now.get(name, Counts()), play.counted.get(name, Counts()), strict=True)]
            for name in names
        ]
        return Counts(*(sum(column) for column in zip(*each, strict=True)))


def by_server(play: Play) -> dict[str, Counts]:
    """What a switch has counted, of all listeners together."""
    names = {number: name for name, number in play.plant.world().ids.ids(Space.BACKEND).items()}
    found: dict[str, Counts] = {}
    for (_, backend), counts in play.target.counts().items():
        if backend in names:
            before = found.get(names[backend], Counts())
            found[names[backend]] = Counts(*(a + b for a, b in zip(before, counts, strict=True)))
    return found


@dataclass(frozen=True)
class Until:
    """The same, again and again, until it is as expected: for the switch's own timers."""

    step: In
    within: float
    """Seconds after which it will never be."""
    pause: float = 0.2

    def play(self, play: Play) -> None:
        """See ``Step``."""
        end = time.monotonic() + self.within
        while True:
            try:
                self.step.play(play, within=self.pause)
                return
            except Wrong:
                if time.monotonic() > end:
                    raise
            time.sleep(self.pause)


@dataclass(frozen=True)
class Judge:
    """The controller's verdict on servers changes."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()

    def play(self, play: Play) -> None:
        """See ``Step``."""
        for name in self.up:
            play.plant.judge(name, up=True)
        for name in self.down:
            play.plant.judge(name, up=False)
        play.plan()


@dataclass(frozen=True)
class Change:
    """The pool becomes another one of the same name, or the whole intent another."""

    to: Pool | Setup
    abrupt: bool = False
    """As if its listeners had always had the pools that they have now: a plan that does not know what is remembered."""

    def play(self, play: Play) -> None:
        """See ``Step``."""
        if isinstance(self.to, Pool):
            play.plant.change_pool(self.to)
        else:
            play.plant.change(self.to, abrupt=self.abrupt)
        play.plan()


@dataclass(frozen=True)
class Pass:
    """Time passes for the plan (and for what follows its clock); the wall clock stands still."""

    seconds: float

    def play(self, play: Play) -> None:
        """See ``Step``."""
        play.plan(self.seconds)


@dataclass(frozen=True)
class Hear:
    """The controller hears what was reported, and plans: pins come and go."""

    pins: int
    """How many there are then."""

    def play(self, play: Play) -> None:
        """See ``Step``."""
        play.plant.hear(play.heard)
        play.heard.clear()
        if len(play.plant.pins.pins) != self.pins:
            raise Wrong(f"{len(play.plant.pins.pins)} pins, wanted {self.pins}")
        play.plan()


@dataclass(frozen=True)
class Miss:
    """What was reported gets lost before the controller hears it: all of it, or what had this reason."""

    reason: Reason | None = None

    def play(self, play: Play) -> None:
        """See ``Step``."""
        play.heard = [one for one in play.heard if self.reason not in (None, one.reason)]


@dataclass(frozen=True)
class Forget:
    """The switch remembers nothing any more: as if a sibling had taken over."""

    def play(self, play: Play) -> None:
        """See ``Step``."""
        play.target.forget()
        play.log.translated.clear()


@dataclass(frozen=True)
class Do:
    """Anything else that happens to the controller's side."""

    what: Callable[[Plant], object]
    why: str

    def play(self, play: Play) -> None:
        """See ``Step``."""
        self.what(play.plant)
        play.plan()
