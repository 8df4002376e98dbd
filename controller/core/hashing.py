"""How the datapaths of lb switches hash: each is asked when it connects, and new pools are spread accordingly.

    connected ─► holds its target, but for pools that are not decided ─► asked: packets that come back with their hashes
                         as we say: ─► a new pool of such switches goes by the datapath's hash
                         otherwise, or no answer in time: ─► it goes by the hash of their kind;
                                                             where one goes by the datapath's, it is not admitted,
                                                             and one that answers otherwise is used no more

Compilers mix differently ("controller/dp_hash.py"), and a kernel's datapath hashes as it likes: two lb switches that do
not agree would send one connection to two servers. What a switch said is forgotten with its stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

from controller import dp_hash
from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.journal import Journal
from controller.core.presence import Presence
from controller.core.switchtask import SwitchTask
from controller.frames.segment import acknowledgement
from controller.frames.tuple import tuple_of
from controller.plan import spreads
from controller.plan.duty import PlanInput
from controller.plan.tables import Tables
from controller.sites.base import GuardFailed, StoreError
from controller.sites.causes import Cause
from controller.southbound.driver import Hashes
from controller.southbound.openflow.events import PacketIn
from controller.spec.spread import Spread
from controller.spec.types import Address, Protocol, Role
from flows.stages.slotted import HASHED, SLOW

WAIT = 5.0
"""Seconds for an answer."""
DECISION = 15.0
"""Seconds after which a switch that is not asked yet, since it is still read, is not waited for."""
AGAIN = 1.0
"""Seconds until the question is put again."""
_LOOK = 0.02
_LOW = 0xFFFF
"""Bits of the hash that the slow path tells."""


class Question(NamedTuple):
    """A connection of no host, whose hash is asked for: networks that stand in documents."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int

    @property
    def hash(self) -> int:
        """As we have it."""
        return dp_hash.symmetric(
            self.source, self.destination, Protocol.TCP, self.source_port, self.destination_port
        )

    @property
    def frame(self) -> bytes:
        """A packet of it."""
        return acknowledgement(*self)


QUESTIONS = tuple(
    Question(ip_address(source), source_port, ip_address(destination), port)
    for source, source_port, destination, port in (
        ("192.0.2.1", 40_001, "198.51.100.9", 80),
        ("192.0.2.77", 1_024, "203.0.113.5", 443),
        ("203.0.113.250", 65_535, "198.51.100.200", 8_080),
        ("2001:db8::1", 40_001, "2001:db8:1::9", 80),
        ("2001:db8:ffff::77", 1_024, "2001:db8::100", 443),
        ("2001:db8:7::abcd:1", 50_000, "2001:db8:9::2", 7_000),
    )
)


@dataclass
class _Asked:
    """What one stream has answered so far."""

    task: SwitchTask
    answers: dict[Question, tuple[int, int]] = field(default_factory=dict)
    """The hash of the datapath, and the low bits of the slow path's."""
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def judge(self) -> str:
        """What is wrong with it; empty: nothing."""
        for question, (fast, slow) in self.answers.items():
            for path, said, ours in (
                ("datapath", fast, question.hash),
                ("slow path", slow, question.hash & _LOW),
            ):
                if said != ours:
                    ends = f"{question.source}:{question.source_port} to {question.destination}"
                    return f"its {path} hashes {ends}:{question.destination_port} to {said:#x}, not {ours:#x}"
        return ""


class Hashing:
    """Asks, and knows who answered what."""

    def __init__(
        self,
        committed: Readable[PlanInput | None],
        tables: Readable[Tables],
        fleet: Fleet,
        presence: Presence,
        journal: Journal,
        clock: Clock,
        step: Callable[[], None],
        commit: Callable[[], Awaitable[int]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``step``: has the tables decided again; ``commit``: stores them, and lets plans see them."""
        self._committed = committed
        self._tables = tables
        self._fleet = fleet
        self._presence = presence
        self._journal = journal
        self._clock = clock
        self._step = step
        self._commit = commit
        self._sleep = sleep
        self._asked: dict[int, _Asked] = {}

    # -- what is asked of us ----------------------------------------------------------------------------------

    def verdict(self, names: frozenset[str]) -> bool | None:
        """Whether those of these switches that are here hash as we do; None: not known yet."""
        return self.verdicts()(names)

    def verdicts(self) -> spreads.Answers:
        """The same as it is now, which may be asked in any thread."""
        here = [(task.switch.name, task.hashes, task.since) for task in self._fleet]
        late = self._clock.now() - DECISION

        def verdict(names: frozenset[str]) -> bool | None:
            found = [(hashes, since) for name, hashes, since in here if name in names]
            asked = [hashes for hashes, _ in found if hashes is not None]
            if not asked or any(hashes is None and since > late for hashes, since in found):
                return None
            return all(asked)

        return verdict

    def bars(self, number: int) -> str:
        """Why edges may not use a switch; empty: they may."""
        task = self._fleet.get(number)
        by_hash = any(state.spread is Spread.DATAPATH for state in self._tables.value.pools.values())
        return task.unlike if task is not None and by_hash else ""

    # -- a switch's stream ------------------------------------------------------------------------------------

    async def settle(self, task: SwitchTask) -> None:
        """Ask a switch that holds what can be written already; ends when the plan has all of its pools."""
        driver = task.driver
        if Role.LB not in task.switch.roles or not isinstance(driver, Hashes):
            task.hashes = False
        else:
            await self._ask(task, driver)
        self.decide()
        while self._undecided(task):
            with suppress(StoreError, GuardFailed):  # it is said by those who store
                await self._commit()
            await self._sleep(_LOOK)
            self.decide()

    def decide(self) -> None:
        """Decide how new pools are spread, where that is known by now."""
        if spreads.undecided(self._tables.value):
            self._step()

    def heard(self, event: PacketIn) -> None:
        """A packet came back."""
        asked, flow = self._asked.get(event.session.id), tuple_of(event.frame)
        if asked is None or asked.task.driver.session is not event.session or flow is None:
            return
        question = Question(*flow[:4])
        if question in QUESTIONS:
            asked.answers[question] = event.fields.get(HASHED, 0), event.fields.get(SLOW, 0)
        if len(asked.answers) == len(QUESTIONS):
            asked.complete.set()

    async def _ask(self, task: SwitchTask, driver: Hashes) -> None:
        asked = self._asked[task.switch.id] = _Asked(task)
        end = self._clock.now() + WAIT
        while not await self._answered(asked, driver) and self._clock.now() < end:
            pass
        if not asked.complete.is_set():
            # One in use was in order when it was asked before: on a busy machine it is silent, and serves.
            self._take(asked, f"its datapath did not tell its hash within {WAIT:g} s", silent=True)
            task.spawn(self._go_on(asked, driver))
        else:
            self._take(asked, asked.judge())

    async def _go_on(self, asked: _Asked, driver: Hashes) -> None:
        """It may have been busy."""
        while not await self._answered(asked, driver):
            pass
        self._take(asked, asked.judge())

    async def _answered(self, asked: _Asked, driver: Hashes) -> bool:
        for question in QUESTIONS:
            if question not in asked.answers:
                asked.task.send(driver.hash_question(question.frame))
        try:
            async with asyncio.timeout(AGAIN):
                await asked.complete.wait()
        except TimeoutError:
            return False
        return True

    def _take(self, asked: _Asked, unlike: str, silent: bool = False) -> None:
        task = asked.task
        task.hashes, task.unlike = not unlike, unlike
        if unlike:
            self._journal.event("hash_differs", switch=task.switch.name, why=unlike)
        if self.bars(task.switch.id) and not silent:
            self._presence.withdraw(task.switch.id, "its datapath hashes otherwise", Cause.HASH)

    def _undecided(self, task: SwitchTask) -> bool:
        """Whether the plan lacks pools that a switch serves."""
        world = self._committed.value
        if world is None or self._fleet.get(task.switch.id) is not task:
            return False
        pools = {state.name for state in world.pools.values() if state.spread is None}
        return any(
            switch.id == task.switch.id for name in pools for switch in spreads.lbs_of(world.intent, name)
        )
