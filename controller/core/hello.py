"""Sends hellos between P4 switches, hears them, and says which cables do not carry.

    every 300 ms: connected, synced switches ─► a hello out of every port that leads to another one
    every 50 ms:  the same where one is overdue, or where they begin to come again
    heard ─► judge ─► dead ports ─► ``dead_links`` ─► plans leave them out    (what counts as missed: ``liveness``)

Only links between two P4 switches are watched. Two Open vSwitch switches watch each other by BFD; between a P4 and an
Open vSwitch switch there is neither, and a cut cable is known there by port state at the Open vSwitch end alone.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.fleet import Fleet
from controller.core.journal import Journal
from controller.core.liveness import SLACK, HelloJudge
from controller.core.storedcells import Links
from controller.core.switchtask import SwitchTask
from controller.frames.hello import Hello, hello_frame, key_of, read_hello
from controller.plan.paths import End, cables
from controller.southbound.errors import SwitchError
from controller.southbound.p4.events import Punted
from controller.southbound.p4.session import P4Session
from controller.spec.kinds import Protocol
from controller.spec.types import Intent, Switch
from p4src.ids import Op
from p4src.spec import Secret

STEP = 0.05
"""Seconds between looks, and between hellos of a port where something may have changed."""
EVERY = 6
"""Steps between hellos of all other ports: each costs the controller a write and a read of gRPC."""
MISWIRED = 256
"""Pairs of ports that are said to be miswired: a switch may name any port."""
_KEPT = 20.0
"""Seconds for which a hello may be on its way."""


@dataclass(frozen=True)
class LinkStatus:
    """A cable between two P4 switches, by the port of one of them."""

    to: str
    """The switch that it leads to."""
    peer_port: int | None
    """The port at its other end; null: not known yet."""
    up: bool
    """Hellos come through both ways."""
    dead: bool
    """Nothing is sent there: hellos get lost."""
    missed: int
    """Hellos missed in a row, of the worse direction."""


class Hellos:
    """All cables between P4 switches. Belongs to the event loop."""

    def __init__(
        self,
        dead_links: Cell[Links],
        intent: Readable[Intent],
        fleet: Fleet,
        journal: Journal,
        secret: Secret,
        clock: Clock,
        others: Callable[[], Links] = frozenset,
    ) -> None:
        """``others``: ports that are dead by other evidence."""
        self._dead_links = dead_links
        self._wanted = intent
        self._fleet = fleet
        self._journal = journal
        self._clock = clock
        self._others = others
        self._judge = HelloJudge(End(*each) for each in dead_links.value)
        self._key = key_of(secret.octets())
        self._run = secrets.randbits(64)
        self._number = 0
        self._times: dict[int, float] = {}
        """When hellos were sent, by number."""
        self._intent: Intent | None = None
        """The one that is followed; a newer one is from the next step on."""
        self._leads: dict[End, str] = {}
        """Its cables."""
        self._sessions: dict[str, P4Session] = {}
        """Of the switches that take part now, by the names that the accepted intent gives them."""
        self._busy: dict[int, asyncio.Task[None]] = {}
        """Sends hellos to a switch, by its id."""
        self._asking: dict[int, asyncio.Task[None]] = {}
        """Waits for a switch's clock."""
        self._group: asyncio.TaskGroup
        self._miswired: set[tuple[End, End]] = set()
        self.counts = {"sent": 0, "heard": 0, "unauthenticated": 0, "miswired": 0, "asked": 0}

    # -- what others ask ------------------------------------------------------------------------------------

    def live(self, switch: Switch) -> set[int]:
        """Ports that can be used: all but those to connected P4 switches from where no hello comes through."""
        switches, name = self._wanted.value.switches, self._called(switch)
        p4 = {s.name for s in switches if s.of_kind.protocol is Protocol.P4RUNTIME and s.id in self._fleet}
        return {
            port.number
            for port in switch.ports
            if port.to not in p4 or self._judge.is_live(End(name, port.number))
        }

    def shown(self, switch: Switch) -> dict[str, LinkStatus]:
        """The switch's watched ports by number."""
        out: dict[str, LinkStatus] = {}
        for port in switch.ports:
            end = End(self._called(switch), port.number)
            if end in self._judge.followed():
                peer = self._judge.peer(end)
                out[str(port.number)] = LinkStatus(
                    port.to,
                    None if peer is None else peer.port,
                    self._judge.is_live(end),
                    self._judge.is_dead(end),
                    self._judge.missed(end),
                )
        return out

    def problem(self, switch: Switch) -> str:
        """Which of the switch's cables carry nothing, in words; empty: all do."""
        name = self._called(switch)
        dead = [f"{p.number} ({p.to})" for p in switch.ports if self._judge.is_dead(End(name, p.number))]
        return f"hellos get lost at port {', '.join(dead)}" if dead else ""

    def _called(self, switch: Switch) -> str:
        """The name that the accepted intent gives a switch: its driver has the one of the last commit."""
        named = self._wanted.value.switch(switch.id)
        return switch.name if named is None else named.name

    # -- what happens ---------------------------------------------------------------------------------------

    def rename(self, names: Mapping[str, str]) -> None:
        """An intent was accepted that calls switches otherwise: what is known of their cables stays."""
        self._judge.rename(names)
        self._sessions = {names.get(name, name): session for name, session in self._sessions.items()}
        self._dead_links.put(
            frozenset((names.get(name, name), port) for name, port in self._dead_links.value)
        )

    def heard(self, event: Punted) -> None:
        """A switch punted a hello."""
        hello = read_hello(event.frame, self._key)
        at = self._wanted.value.switch(event.session.id)
        if hello is None or hello.run != self._run:
            self.counts["unauthenticated"] += hello is None
            return
        sent, by = self._times.get(hello.number), self._wanted.value.switch(hello.switch)
        if at is None or by is None or sent is None:
            return
        here, there = End(at.name, event.port), End(by.name, hello.port)
        now = self._clock.now()
        if self._judge.heard(here, there, hello.number, sent, now):
            self.counts["heard"] += 1
        else:
            self._wrong(here, there)

    def _wrong(self, here: End, there: End) -> None:
        """Once for each pair of ports that the intent does not connect; a hello that came twice is none of them."""
        self.counts["miswired"] += 1
        known = (here, there) in self._miswired or len(self._miswired) >= MISWIRED
        if self._judge.peer(there) != here and not known:
            self._miswired.add((here, there))
            self._journal.event(
                "link_miswired",
                switch=here.switch,
                port=here.port,
                sender=there.switch,
                sender_port=there.port,
            )

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for step in itertools.count():
                before = self._number
                self._attend()
                self._send(self._judge.pressing() if step % EVERY else self._judge.sending())
                await asyncio.sleep(STEP)
                self._ask(before)
                self._look()

    def _attend(self) -> None:
        """Take notice of another intent, and of switches that came or went."""
        intent = self._wanted.value
        if intent is not self._intent:
            self._intent = intent
            self._leads = cables(intent)
            self._judge.follow(self._leads)
        now = {self._called(t.switch): s for t in self._fleet if (s := _session(t)) is not None}
        for name, session in list(self._sessions.items()):
            if now.get(name) is not session:
                self._judge.end(name)
                del self._sessions[name]
        for name, session in now.items():
            if name not in self._sessions:
                self._judge.begin(name)
                self._sessions[name] = session

    def _send(self, ends: list[End]) -> None:
        """A round of hellos; a switch that has not taken the last round yet is left out."""
        ports: dict[str, list[int]] = {}
        for end in ends:
            ports.setdefault(end.switch, []).append(end.port)
        for name, numbers in ports.items():
            session = self._sessions[name]
            switch = self._wanted.value.switch(session.id)
            if switch is not None and session.id not in self._busy:
                task = self._group.create_task(self._round(switch, session, numbers))
                self._busy[session.id] = task
                task.add_done_callback(partial(_finished, self._busy, session.id))
        self._forget()

    async def _round(self, switch: Switch, session: P4Session, ports: list[int]) -> None:
        for port in ports:
            end = End(self._called(switch), port)
            self._number = number = self._number + 1
            self._times[number] = self._clock.now()
            frame = hello_frame(Hello(session.id, port, self._run, number), switch.mac, self._key)
            self._judge.sent(end, number)
            try:
                await session.packet_out(frame, op=Op.SEND, port=port)
            except SwitchError:  # the stream's owner deals with it
                self._judge.unsent(end, number)
                return
            self.counts["sent"] += 1

    def _forget(self) -> None:
        """Numbers grow with time: the oldest come first."""
        old = self._clock.now() - _KEPT
        while self._times and self._times[first := next(iter(self._times))] <= old:
            del self._times[first]

    def _ask(self, number: int) -> None:
        until = self._clock.now() - SLACK
        for name in self._judge.doubtful(number, until):
            session = self._sessions.get(name)
            if session is not None and session.id not in self._asking:
                task = self._group.create_task(self._ask_clock(session))
                self._asking[session.id] = task
                task.add_done_callback(partial(_finished, self._asking, session.id))

    async def _ask_clock(self, session: P4Session) -> None:
        number, asked = self._number, self._clock.now()
        self.counts["asked"] += 1
        try:
            await session.clock()
        except SwitchError:
            return
        name = next((name for name, known in self._sessions.items() if known is session), None)
        if name is not None:
            self._judge.answered(name, number, asked, self._clock.now())

    def _look(self) -> None:
        for end, up, missed in self._judge.look():
            what = "link_up" if up else "link_down"
            to = self._leads[end]
            self._journal.event(what, switch=end.switch, port=end.port, to=to, missed=missed)
        self._dead_links.put(frozenset(self._judge.dead()) | self._others())


def _session(member: SwitchTask) -> P4Session | None:
    """Of a P4 switch that holds what it should."""
    session = member.driver.session
    return session if member.synced and isinstance(session, P4Session) and session.alive else None


def _finished(tasks: dict[int, asyncio.Task[None]], number: int, _: asyncio.Task[None]) -> None:
    tasks.pop(number, None)
