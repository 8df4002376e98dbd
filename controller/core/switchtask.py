"""One connected switch: a task group and an outbox.

connect ─► read ─► diff ─► write ─► synced ─┬─ plan changed ─► diff ─► write
                                            ├─ every AUDIT seconds ─► read ─► differs? repair, and say so
                                            ├─ renew(until) ─► leases
                                            └─ send(packet) ─► outbox ─► switch
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from controller.clock import Clock
from controller.core.audits import AuditReader, AuditTurns
from controller.core.deadlines import Deadlines
from controller.core.journal import Journal
from controller.core.targets import Holding, Planned, Targets
from controller.core.watcher import Watcher
from controller.sites.causes import Cause
from controller.sites.fence.answering import Answering
from controller.southbound.driver import AnyDriver, Delta, Fenced, Leases, Packet
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, WriteRefused
from controller.spec.switch import Timeouts
from controller.spec.types import FenceEnd, Switch
from controller.tracing.base import NOT_TRACED, Tracing

AUDIT = 2.0
"""Seconds between audits."""
AUDIT_PAUSE_FACTOR = 4.0
"""An audit that took long is followed by so many times its length without one."""
RETRY = 1.0
"""Seconds until a switch that refused something is read and tried again."""
OUTBOX = 1024
"""Packets that wait for one switch; further ones are dropped and counted."""
SEND_DEADLINE = 5.0
"""Seconds that a switch may take for one packet; after that its stream is cut."""


WATCH_AGAIN = 5.0
"""Seconds between attempts to set BFD at a fence."""
FENCED_RENEWAL = 0.9
"""Seconds between renewals of the timeouts behind a fence, at least."""


class SwitchTask:
    """A connected switch and what is known of it."""

    def __init__(
        self,
        driver: AnyDriver,
        targets: Targets,
        watcher: Watcher[SwitchTask],
        journal: Journal,
        clock: Clock,
        turns: AuditTurns,
        settle: Callable[[SwitchTask], Awaitable[None]],
    ) -> None:
        self.driver = driver
        self.wake = asyncio.Event()
        self.have: object = None
        """What it holds, in the words of its kind; None: to be read."""
        self.synced = False
        self.since = clock.now()
        """When its stream came up, seconds of the clock."""
        self.retiring = False
        """Whether the intent no longer names it: it is emptied once no other switch sends there."""
        self.leaving = False
        """Whether it is emptied."""
        self.pins_version = -1
        self.holding = Holding(driver, clock)
        self.repairs = 0
        self.writes = 0
        self.conflicts: list[str] = []
        self.problem = ""
        self.memory_short = ""
        """Why its conntrack could not be told to remember; empty: it was told, or has not to."""
        self.hashes: bool | None = None
        """Whether its datapath hashes as we do; None: not known yet."""
        self.unlike = ""
        """In what its hash differs; empty: in nothing, or it was not asked."""
        self.links_shut = ""
        """Why edges could not be let use its links; empty: they may, or its OVSDB is not ours to write."""
        self.timeouts: list[Timeouts] | None = None
        """What its conntrack was told last; None: nothing yet."""
        self.telling = asyncio.Lock()
        """Held while it is told."""
        self.unsent = 0
        """Packets dropped because its outbox was full."""
        self.answering = Answering()
        """What it may answer for behind its fence, if it has one."""
        self.fence_unwatched = ""
        """Why BFD could not be set at its fence; empty: it was, or is not ours to set."""
        self.patience: Callable[[SwitchTask], Awaitable[None]] = at_once
        """What is waited for before the first plan of one that holds something; set by the one who assembles."""
        self.claim: Callable[[Switch, float], None] = _no_fence
        """Told until when its fence may be claimed; set by the one who assembles."""
        self.tracing: Tracing = NOT_TRACED
        """Told what it takes; set by the one who assembles."""
        self._targets = targets
        self._watcher = watcher
        self._journal = journal
        self._clock = clock
        self._outbox: asyncio.Queue[Packet] = asyncio.Queue(OUTBOX)
        self._reader = AuditReader(turns)
        self._settle = settle
        self._lease = asyncio.Event()
        self._known = False
        """Whether it was read, so that nothing stands there that is not reckoned with."""
        self._watched: tuple[FenceEnd, ...] = ()
        """The fence at which BFD was set, or is tried to be."""
        self._renewed = 0.0
        self._repairs = False
        """What is written next mends what the audit found."""
        self._writing = asyncio.Lock()
        """Held while anything is written: what is renewed is what was planned last."""
        self._deadlines = Deadlines(clock)
        self._group: asyncio.TaskGroup | None = None
        self._beside: set[asyncio.Task[None]] = set()

    @property
    def switch(self) -> Switch:
        """The switch, as the intent has it now."""
        return self.driver.switch

    def send(self, packet: Packet) -> None:
        """Put a packet in the outbox."""
        try:
            self._outbox.put_nowait(packet)
        except asyncio.QueueFull:
            self.unsent += 1

    def renew(self, until: Mapping[int, float]) -> None:
        """Let it answer for VIPs until these deadlines, seconds of the clock by VIP id."""
        if self._deadlines.renew(until):
            self.wake.set()
        self._lease.set()
        self.answering.renew(until)
        self._claim()

    @property
    def _fence(self) -> Fenced | None:
        driver = self.driver
        return driver if self.switch.fence and isinstance(driver, Fenced) else None

    def _claim(self) -> None:
        """What stands is known once the switch was read; until then a claim of before is neither ended nor renewed."""
        if self._fence is not None and self._known:
            self.claim(self.switch, self.answering.until)

    def may_use(self, name: str) -> bool:
        """Whether it may still send to a switch: it leads there, and may hold another plan than the present one."""
        if all(port.to != name for port in self.switch.ports):
            return False
        want = self._target().target
        return self.have is None or len(self.driver.diff(self.have, want)) > 0

    async def run(self) -> None:
        """Until the session ends. Whatever goes wrong ends this stream, and it begins again when it reconnects."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self.spawn(self._send_all())
                self.spawn(self._renew_all())
                try:
                    await self._follow()
                finally:
                    self._group = None
                    for task in self._beside:
                        task.cancel()
        except* SwitchGone:
            pass
        except* SwitchTimeout as errors:
            self._say(*errors.exceptions)
            self.driver.abort()
        except* Exception as errors:
            for error in errors.exceptions:
                self._journal.failure(error, switch=self.switch.name)
            self.driver.abort()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run something that belongs to this stream: it ends with it, and the stream ends if it fails."""
        if self._group is None:
            work.close()
            return
        try:
            task = self._group.create_task(work)
        except RuntimeError:  # another task of the stream has just failed: it ends in the loop's next round
            work.close()
            return
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _say(self, *errors: BaseException) -> None:
        for error in errors:
            self._journal.event("switch_error", switch=self.switch.name, error=str(error))

    # -- in step with the plan --------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while self.driver.alive:
            try:
                await self._follow_plan()
            except (SwitchGone, SwitchTimeout):
                raise
            except SwitchError as error:
                self.problem = str(error)
                self._say(error)
                self.have = None
                await asyncio.sleep(RETRY)
            else:
                return

    async def _follow_plan(self) -> None:
        """Until the switch is empty, if it is ours no longer."""
        if self.have is None:
            await self._first_read()
        next_audit = self._clock.now() + AUDIT
        while True:
            self.wake.clear()
            if self.leaving:
                await self._empty()
                return
            await self._converge()
            try:
                async with asyncio.timeout(max(next_audit - self._clock.now(), 0.0)):
                    await self.wake.wait()
            except TimeoutError:
                began = self._clock.now()
                await self._audit()
                ended = self._clock.now()
                next_audit = ended + max(AUDIT, AUDIT_PAUSE_FACTOR * (ended - began))

    async def _first_read(self) -> None:
        have = self.have = await self.holding.read()
        if (fence := self._fence) is not None:
            self.answering.written(fence.answers(have))
            self._known = True
            self._claim()
        if self.synced or self.leaving:
            return
        self._watcher.found(self)
        want = await self._targets.in_turn(self._target)
        if self.driver.lost_all(have, want.target):
            self._watcher.stale(self.switch)
        else:
            await self.patience(self)

    async def _converge(self) -> None:
        await self._take_plan()
        if not self.synced:
            await self._settle(self)
            await self._take_plan()
            self.synced = True
            self._watcher.synced(self)

    async def _take_plan(self) -> None:
        await self._watch_fence()
        want, changes = await self._targets.in_turn(self._lacking)
        if len(changes):
            await self._write(changes, want.target, self._cause(want), want.world.revision)
        elif (fence := self._fence) is not None:
            self.answering.acknowledged(fence.answers(self.have))
            self._claim()
        if isinstance(self.driver, Leases):
            await self.driver.apply_leases(self._deadlines.left())
        self._say_conflicts()
        self.pins_version, self.holding.world = want.pins, want.world
        self.tracing.followed(self.switch.id, want.world.revision)

    def _cause(self, want: Planned) -> Cause:
        """Why something is to be written."""
        if not self.synced:
            return Cause.CONNECTED
        if self._repairs:
            return Cause.AUDIT
        return Cause.PINS if want.world is self.holding.world else Cause.PLAN

    def _target(self) -> Planned:
        """What it should hold now: nothing begins to answer where authority has ended, whatever the plan says."""
        want = self._targets.of(self.driver)
        if isinstance(self.driver, Leases) and self._deadlines.lapsed:
            return want._replace(target=self.driver.allowed(want.target, self._deadlines.left()))
        return want

    def _lacking(self) -> tuple[Planned, Delta]:
        """What it should hold, and what is to be written."""
        want = self._target()
        return want, self.driver.diff(self.have, want.target)

    async def _write(self, changes: Delta, want: object, cause: Cause, change: int | None = None) -> None:
        """``change``: revision of the plan that is written; None: there is none."""
        began = self._clock.now()
        self.writes += 1
        fence = self._fence
        try:
            async with self._writing:
                if fence is not None:
                    self.answering.written(fence.answers(want))
                    self._claim()
                counts = (changes.added, changes.modified, changes.deleted)
                with self.tracing.write(self.switch, change, counts):
                    self.have = await self.driver.write(changes, want)
                if fence is not None:
                    self.answering.acknowledged(fence.answers(self.have))
                    self._claim()
        except WriteRefused:
            self.have = None
            raise
        self.problem, self._repairs = "", False
        self._journal.event(
            "converged",
            cause,
            change,
            switch=self.switch.name,
            added=changes.added,
            modified=changes.modified,
            deleted=changes.deleted,
            ms=round(1000 * (self._clock.now() - began), 1),
        )

    async def _empty(self) -> None:
        changes = self.driver.diff(self.have, self.driver.empty())
        if len(changes):
            await self._write(changes, self.driver.empty(), Cause.INTENT)
        self._journal.event("switch_emptied", switch=self.switch.name)
        self._watcher.emptied(self.switch)

    async def _audit(self) -> None:
        believed = self.have
        found = await self._reader.read(self.holding.read, self.wake, self._changed)
        if found is None or believed is not self.have or self.leaving:
            return
        self.have = found
        if (fence := self._fence) is not None:
            self.answering.written(fence.answers(found))
            self._claim()
        want, unexpected = await self._targets.in_turn(self._lacking)
        if not len(unexpected) or believed is None or len(self.driver.diff(believed, want.target)):
            return
        self.repairs += 1
        self._repairs = True
        self._journal.event(
            "repaired",
            switch=self.switch.name,
            missing=unexpected.added,
            modified=unexpected.modified,
            unexpected=unexpected.deleted,
            what=unexpected.touched,
        )

    async def _changed(self) -> bool:
        """Follow the plan; whether the switch is another one now."""
        believed = self.have
        if not self.leaving:
            await self._converge()
        return self.leaving or self.have is not believed

    def _say_conflicts(self) -> None:
        names = self.driver.conflicts
        if names and names != self.conflicts:
            self._journal.event("conflict", switch=self.switch.name, count=len(names), first=names[0])
        self.conflicts = names

    # -- packets and leases -----------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while True:
            packet = await self._outbox.get()
            try:
                async with asyncio.timeout(SEND_DEADLINE):
                    await self.driver.transmit(packet)
            except TimeoutError:
                raise SwitchTimeout(
                    f"switch {self.switch.name} did not take a packet within {SEND_DEADLINE:g} s"
                ) from None

    async def _renew_all(self) -> None:
        while True:
            await self._lease.wait()
            self._lease.clear()
            if not self.synced or self.leaving or not isinstance(self.driver, Leases):
                continue
            try:
                async with self._writing:
                    await self._renew(self.driver)
            except (SwitchGone, SwitchTimeout):
                raise
            except SwitchError as error:
                self._say(error)

    async def _renew(self, driver: Leases[object]) -> None:
        want = (await self._targets.in_turn(self._target)).target
        now, left = self._clock.now(), self._deadlines.left()
        if (fence := self._fence) is not None:
            if now < self._renewed + FENCED_RENEWAL or self.have is None:
                return  # deadlines come faster than timeouts, which are whole seconds, have to be renewed
            self._renewed = now
            there = fence.answers(self.have)  # nothing begins to stand by a renewal
            left = {vip: seconds for vip, seconds in left.items() if vip in there}
        await driver.renew(want, left)

    async def _watch_fence(self) -> None:
        """Have BFD run at the fence before any answer stands behind it; again and again while that fails."""
        fence = self._fence
        if fence is None or self._watched == self.switch.fence:
            return
        self._watched = self.switch.fence
        self.fence_unwatched = await fence.watch_fence()
        if self.fence_unwatched:
            self._journal.event("fence_unwatched", switch=self.switch.name, why=self.fence_unwatched)
            self.spawn(self._watch_later(fence))

    async def _watch_later(self, fence: Fenced) -> None:
        while self.fence_unwatched and self._fence is fence:
            await asyncio.sleep(WATCH_AGAIN)
            self.fence_unwatched = await fence.watch_fence()


async def at_once(_: SwitchTask) -> None:
    """Nothing is waited for."""


def _no_fence(_: Switch, __: float) -> None:
    """It is not claimed."""
