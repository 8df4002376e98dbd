"""Controllers with real times on a network that can be cut: what a schedule of faults does to service.

at(seconds, fault) ──► nodes, store, network ──► answering: who answers from when until when
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from controller.sites import lease
from controller.sites.causes import Note
from controller.sites.heartbeats import Beat, Heartbeats
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import (
    Action,
    Announce,
    Ask,
    Me,
    Put,
    Record,
    Reply,
    Silence,
    Speak,
    Step,
    View,
)
from controller.sites.promise import acts, heirs
from controller.spec.leasetimes import LeaseTimes

TIMES = LeaseTimes()
HOLD = Wish(Want.HOLD)
ONE_WAY = 0.0015
SWITCH = 0.001
GROUP = "owner/02:45:56:00:01:01"


@dataclass
class Span:
    """A time in which switches answer. ``until`` is their deadline."""

    site: str
    node: str
    since: float
    until: float
    fence: float = TIMES.fence
    """For which they may go on: no longer than to a Silence."""


@dataclass
class Node:
    """A controller and the switches that listen to it."""

    name: str
    site: str
    rate: float
    wish: Wish = HOLD
    view: View = field(init=False)
    beats: Heartbeats = field(default_factory=Heartbeats)
    alive: bool = True
    stopped: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """What came while it was stopped."""
    life: int = 0
    number: int = 0
    polled: float = -1.0
    """True time of the next poll."""

    def __post_init__(self) -> None:
        self.born()

    def born(self) -> None:
        """A life begins."""
        self.life += 1
        self.view, self.beats = lease.born(Me(self.site, self.name, f"{self.name}.{self.life}")), Heartbeats()


class Simulation:
    """True time, a store, and the nodes ``names``: their first letter is their site."""

    def __init__(self, *names: str, rates: dict[str, float] | None = None, paths: int = 2) -> None:
        self.now = 0.0
        self.nodes = {each: Node(each, each[0], (rates or {}).get(each, 1.0)) for each in names}
        self.leaders = {node.site: node.name for node in reversed(self.nodes.values())}
        """Of each site; the first at first."""
        self.paths = paths
        self.spans: list[Span] = []
        self.notes: list[tuple[float, str, Note]] = []
        self.store: tuple[int, Record | None] = (0, None)
        self.store_up = True
        self._held_up: list[Callable[[], None]] = []
        self.cut: set[tuple[str, str]] = set()
        """(from, to) that do not reach each other; a node's name or ``store``, with ``/`` and the number of a path."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        for node in self.nodes.values():
            self._read(node)
            self._beat(node)

    # -- schedule

    def at(self, when: float, do: Callable[[], None]) -> None:
        """At a true time."""
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, do))

    def run(self, until: float) -> None:
        """Go on to a true time. Two sites that answer at one moment fail."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, do = heapq.heappop(self._queue)
            do()
        self.now = until
        assert not list(self.overlaps()), list(self.overlaps())

    def sever(self, one: str, other: str, path: int | None = None) -> None:
        """Nothing passes between the two, on one path or on all."""
        for which in range(self.paths) if path is None else (path,):
            self.cut |= {(one, f"{other}/{which}"), (other, f"{one}/{which}")}

    def mend(self) -> None:
        """All pass again. What was lost is read again."""
        self.cut.clear()
        for node in self.nodes.values():
            self._read(node)

    def store_stops(self) -> None:
        """No quorum: puts wait, or were lost for all that their senders know."""
        self.store_up = False

    def store_returns(self) -> None:
        """What waited is applied."""
        self.store_up = True
        waiting, self._held_up = self._held_up, []
        for each in waiting:
            each()

    def stop(self, name: str) -> None:
        """SIGSTOP."""
        self.nodes[name].stopped = True

    def resume(self, name: str) -> None:
        """SIGCONT: it polls at once, then takes what came."""
        node = self.nodes[name]
        node.stopped, waiting = False, node.waiting
        node.waiting = []
        self._poll(node)
        for each in waiting:
            each()

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.nodes[name].alive = False

    def start(self, name: str) -> None:
        """Again, with nothing remembered."""
        node = self.nodes[name]
        node.alive, node.stopped, node.waiting = True, False, []
        node.born()
        self._read(node)

    def want(self, site: str, wish: Wish) -> None:
        """What its controllers should do from now on, as far as they act for it."""
        for node in self.nodes.values():
            if node.site == site:
                node.wish = wish
                self._poll(node)

    def lead(self, name: str) -> None:
        """It leads its site."""
        self.leaders[self.nodes[name].site] = name
        self._poll(self.nodes[name])

    def force(self, name: str) -> None:
        """``claim --without-quorum`` there."""
        node = self.nodes[name]
        self._do(node, lease.force(node.view, TIMES, self.clock(node)))

    # -- what came of it

    def causes(self, name: str, since: float = 0.0) -> list[str]:
        """Of one node, in order."""
        return [str(note.cause) for at, node, note in self.notes if node == name and at >= since]

    def answering(self, when: float) -> set[str]:
        """Sites that surely answer then."""
        return {span.site for span in self.spans if span.since <= when < span.until}

    def gaps(self, since: float, until: float) -> list[tuple[float, float]]:
        """Times without an owner."""
        out, at = [], since
        for span in sorted(self.spans, key=lambda each: each.since):
            if span.since > at:
                out.append((at, min(span.since, until)))
            at = max(at, span.until)
            if at >= until:
                return out
        return [*out, (at, until)] if at < until else out

    def overlaps(self) -> Iterator[tuple[Span, Span]]:
        """Switches of two sites that may answer at one moment."""
        for number, one in enumerate(self.spans):
            for other in self.spans[number + 1 :]:
                if (
                    one.site != other.site
                    and one.since < other.until + other.fence
                    and other.since < one.until + one.fence
                ):
                    yield one, other

    # -- how it works

    def clock(self, node: Node) -> float:
        """A node's own."""
        return 1000.0 + self.now * node.rate

    def _reaches(self, one: str, other: str) -> list[int]:
        return [each for each in range(self.paths) if (one, f"{other}/{each}") not in self.cut]

    def _send(self, one: str, other: Node, do: Callable[[], None], delay: float = ONE_WAY) -> None:
        if self._reaches(one, other.name):
            self.at(self.now + delay, partial(self._deliver, other, do))

    def _deliver(self, node: Node, do: Callable[[], None]) -> None:
        if node.stopped:
            node.waiting.append(do)
        elif node.alive:
            do()

    def _read(self, node: Node) -> None:
        if self.store_up and self._reaches("store", node.name):
            revision, record = self.store
            self._send("store", node, partial(self._observe, node, revision, record))

    def _observe(self, node: Node, revision: int, record: Record | None) -> None:
        self._do(node, lease.observed(node.view, TIMES, self.clock(node), revision, record))
        self._poll(node)

    def _poll(self, node: Node) -> None:
        if not node.alive or node.stopped:
            return
        now = self.clock(node)
        heard = node.beats.heard(TIMES, now)
        controllers = {site: [n.name for n in self.nodes.values() if n.site == site] for site in "ab"}
        record = node.view.record
        named = heirs(node.view.me, controllers, heard, () if record is None else record.heirs)
        want = node.wish.want if acts(node.view, self.leaders[node.site]) else Want.FOLLOW
        wish = Wish(want, node.wish.to, named)
        holding = node.beats.holding(GROUP, TIMES, now)
        self._do(node, lease.poll(node.view, TIMES, now, wish, holding))

    def _do(self, node: Node, step: Step) -> None:
        node.view, actions = step
        for action in actions:
            self._act(node, action)
        due = self.now + (lease.due(node.view, TIMES, self.clock(node)) - self.clock(node)) / node.rate + 1e-6
        if not self.now < node.polled <= due:
            node.polled = due
            self.at(due, lambda: self._poll(node) if node.polled == due else None)

    def _act(self, node: Node, action: Action) -> None:
        match action:
            case Put():
                if self._reaches(node.name, "store"):
                    self.at(self.now + ONE_WAY, partial(self._stored, action))
            case Speak():
                self._speak(node, (action.deadline - 1000.0) / node.rate)
            case Silence(number):
                self.at(self.now + SWITCH, partial(self._silence, node, number))
            case Ask():
                for other in map(self.nodes.__getitem__, action.to):
                    self._send(node.name, other, partial(self._asked, node, other, action))
            case Note():
                self.notes.append((self.now, node.name, action))
            case Announce() | Reply():
                pass

    def _asked(self, asker: Node, node: Node, ask: Ask) -> None:
        view, actions = lease.asked(node.view, TIMES, self.clock(node), ask)
        for reply in actions:
            if isinstance(reply, Reply):
                self._send(node.name, asker, partial(self._replied, asker, reply))
        self._do(node, (view, actions))

    def _replied(self, node: Node, reply: Reply) -> None:
        self._do(node, lease.promised(node.view, TIMES, self.clock(node), reply))

    def _stored(self, put: Put) -> None:
        if not self.store_up:
            self._held_up.append(partial(self._stored, put))
            return
        revision, record = self.store
        if put.compare == (0 if record is None else revision):
            self.store = (revision + 1, put.record)
        for node in self.nodes.values():
            self._read(node)

    def _speak(self, node: Node, until: float) -> None:
        for span in self.spans:
            if span.node == node.name and span.until >= self.now and span.fence:
                span.until = until
                return
        self.spans.append(Span(node.site, node.name, self.now, until))

    def _silence(self, node: Node, number: int) -> None:
        for span in self.spans:
            if span.node == node.name and span.until + span.fence > self.now:
                span.until, span.fence = min(span.until, self.now), max(0.0, self.now - span.until)
        self.at(self.now + SWITCH, partial(self._deliver, node, partial(self._confirmed, node, number)))

    def _confirmed(self, node: Node, number: int) -> None:
        self._do(node, lease.silenced(node.view, number))
        self._poll(node)

    def _beat(self, node: Node) -> None:
        self.at(self.now + TIMES.renew / 2, partial(self._beat, node))
        if not node.alive or node.stopped:
            return
        node.number += 1
        holds = frozenset({GROUP}) if lease.holding(node.view, self.clock(node)) else frozenset[str]()
        beat = Beat(node.site, node.name, node.view.me.life, node.number, holds)
        for other in self.nodes.values():
            for path in self._reaches(node.name, other.name) if other is not node else ():
                self.at(
                    self.now + ONE_WAY, partial(self._deliver, other, partial(self._hear, other, beat, path))
                )

    def _hear(self, node: Node, beat: Beat, path: int) -> None:
        node.beats = node.beats.arrived(beat, str(path), self.clock(node))
