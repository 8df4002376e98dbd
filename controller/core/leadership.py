"""This controller among several on one store: it stands by until it leads, and leads until another one does.

The rules are ``controller.sites.leading``; this asks the store, and says what becomes of it.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.sites import leading
from controller.sites.base import Change, Guard, GuardFailed, Loaded, Space, Stored, StoreError
from controller.sites.causes import Cause
from controller.sites.leading import KEY, TIMES, TIMES_BESIDE_AGENTS, Leader, Look, Put
from controller.spec.leasetimes import LeaseTimes
from controller.spec.types import Intent

LONGEST = 0.5
"""Seconds slept at most: clocks may have been suspended."""
PUT = 1.0
"""Seconds for a put, at most. A longer one would keep the next one from being tried."""
RELEASE = 2.0
"""Seconds for the release at a clean stop, at most; without it, the next controller waits."""
SETTLED = 3.0
"""Seconds after the end of leadership in which another controller leads, starts, and claims switches."""
AGAIN = 0.5
"""Seconds until a watch that ended is begun again."""


class ClaimRefused(ValueError):
    """Nothing has to be claimed; the message says why."""


class Deposed(RuntimeError):
    """Another controller leads in the place of this one, which has to end."""


class Leadership:
    """One life of a controller that wants to lead."""

    def __init__(
        self, registers: Space, name: str, clock: Clock, journal: Journal, times: LeaseTimes = TIMES
    ) -> None:
        """``name``: what others call this controller."""
        self._registers, self._clock, self._journal = registers, clock, journal
        self._times = self._usual = times
        self._view = leading.born(name, secrets.token_hex(8))
        journal.known = lambda: 0 if self._view.seen is None else self._view.seen.revision
        self._news = asyncio.Event()
        self._won = asyncio.Event()
        self._leads = False
        """It was said that this one does."""
        self._shown = ""
        """Life for which it was said that this one stands by."""
        self._after: str | None = None
        """Who was silent for too long when this one claimed last."""
        self._confirmed = False
        """An operator has said that no other controller can lead while the store is out of reach."""
        self.problem = ""
        """Why the store does not answer; empty: it does."""

    @property
    def name(self) -> str:
        """Of this controller."""
        return self._view.name

    @property
    def until(self) -> float:
        """Until when no other controller can lead, by the clock; in the past: another one may, or does."""
        if not (self._view.holds or self._confirmed) or self._view.lost is not None:
            return float("-inf")
        longest = self._clock.now() + self._times.authority
        return longest if self._confirmed else min(self._view.until, longest)

    @property
    def alone(self) -> bool:
        """The store does not answer, this one led last, and one that reaches the store would lead by now."""
        if not self.problem or self._view.lost is not None:
            return False
        settled = self._view.holds and self._clock.now() >= self._view.until + SETTLED
        return self._confirmed or settled

    @property
    def confirmed(self) -> bool:
        """An operator has said so, and the store has not answered since."""
        return self._confirmed

    def claim(self) -> None:
        """Lead without the store: an operator confirms that no other controller can. Raises ClaimRefused.

        It ends by itself once the store answers: then this one leads by it, unless another one does.
        """
        if leading.leads(self._view, self._clock.now()):
            raise ClaimRefused("the store answers, and this controller leads: there is nothing to claim")
        if self._view.lost is not None:
            raise ClaimRefused(f"{self._view.lost.name} leads in the place of this controller")
        if not self._view.holds:
            if not self.problem:
                raise ClaimRefused(
                    f"the store answers, and {self.leader or 'no controller'} leads by it: there is nothing to claim"
                )
            self._view = leading.forced(self._view)
        self._confirmed = True
        self._news.set()
        self._journal.event("claimed_without_store", why=self.problem)

    def follow(self, intent: Readable[Intent]) -> None:
        """Renew as the intent that is carried out asks for."""

        def look() -> None:
            self._times = TIMES_BESIDE_AGENTS if intent.value.by_agents else self._usual

        intent.subscribe(look)
        look()

    @property
    def leader(self) -> str | None:
        """Who is known to lead."""
        return None if self._view.leader is None else self._view.leader.name

    async def begin(self) -> None:
        """Read the store for the first time. Raises StoreError: then it cannot be used."""
        self._found(await self._registers.load())

    async def won(self) -> None:
        """Until this controller leads."""
        await self._won.wait()

    def serves(self) -> None:
        """The start is over."""
        self._view = leading.serves(self._view)

    async def run(self) -> None:
        """Until cancelled. Raises a group of Deposed. A store that is out of reach ends nothing."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            while True:
                self._news.clear()
                self._view, action = leading.poll(self._view, self._times, self._clock.now())
                if action is not None:
                    await self._act(action)
                self._say()
                await self._rest()

    async def release(self) -> None:
        """End leadership at a clean stop, after ``run`` and once nothing is served. Gives up after ``RELEASE``."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE):
                while (revision := leading.released(self._view)) is not None:
                    try:
                        gone = await self._registers.commit({KEY: None}, Guard(keys={KEY: revision}), RELEASE)
                    except GuardFailed as error:  # a put was under way
                        self._refused(error)
                    else:
                        self._journal.event("leadership_released", None, gone)
                        return

    async def _rest(self) -> None:
        """Until something is due, or was seen."""
        left = leading.due(self._view, self._times) - self._clock.now()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(left, 0.0), LONGEST)):
                await self._news.wait()

    async def _act(self, action: Look | Put) -> None:
        began = self._clock.now()
        try:
            if isinstance(action, Look):
                self._found(await self._registers.load())
                if leading.slow(self._times, self._clock.now() - began):
                    self._view = leading.blind(self._view, self._clock.now())
            else:
                if not self._view.holds:
                    self._after = self.leader
                batch, guard = {KEY: action.leader.encode()}, Guard(keys={KEY: action.compare})
                self._observed(await self._registers.commit(batch, guard, PUT), action.leader)
        except GuardFailed as error:
            self._refused(error)
        except StoreError as error:
            self.problem = str(error)
            self._view = leading.blind(self._view, self._clock.now())
        else:
            self.problem = ""

    async def _watch(self) -> None:
        """What becomes known before it is asked for: a release above all."""
        since: int | None = None
        while True:
            try:
                async for change in self._registers.watch(since):
                    since = change.revision
                    self._changed(change)
            except StoreError:
                await asyncio.sleep(AGAIN)

    def _changed(self, change: Change | Loaded) -> None:
        if isinstance(change, Loaded):
            self._found(change)
        elif KEY in change.values:
            data = change.values[KEY]
            self._observed(change.revision, None if data is None else self._decoded(data))
        self._news.set()

    def _found(self, loaded: Loaded) -> None:
        self._seen(loaded.values.get(KEY), loaded.revision)

    def _refused(self, error: GuardFailed) -> None:
        self._seen(error.found.get(KEY), error.head)

    def _seen(self, stored: Stored | None, revision: int) -> None:
        if stored is None:
            self._observed(revision, None)
        else:
            self._observed(stored.revision, self._decoded(stored.data))

    def _decoded(self, data: bytes) -> Leader:
        try:
            return Leader.decode(data)
        except ValueError as error:
            raise StoreError(str(error)) from error

    def _observed(self, revision: int, leader: Leader | None) -> None:
        self._view = leading.observed(self._view, self._clock.now(), revision, leader)

    def _say(self) -> None:
        """What became of leadership. Raises Deposed."""
        view = self._view
        change = None if view.seen is None else view.seen.revision
        if view.lost is not None:
            self._journal.event("leadership_lost", None, change, leader=view.lost.name)
            raise Deposed(f"{view.lost.name} leads in the place of this controller ({view.name})")
        leads = leading.leads(view, self._clock.now())
        if leads and self._confirmed:
            self._confirmed = False
            self._journal.event("claim_ended")
        if self._confirmed:
            self._won.set()
        if leads and not self._leads:
            self._journal.event("leads", self._cause(), change, controller=view.name, after=self._after)
            self._after = None
            self._won.set()
        elif self._leads and not leads:
            why = self.problem or "this process stood still"
            self._journal.event("leadership_lapsed", None, change, why=why)
        elif view.leader is not None and not view.holds and view.leader.life != self._shown:
            self._shown = view.leader.life
            self._journal.event("standby", None, change, controller=view.name, leader=view.leader.name)
        self._leads = leads

    def _cause(self) -> Cause:
        """Why this one leads."""
        if self._won.is_set():
            return Cause.RESUMED
        if self._after is not None:
            return Cause.CLAIMED_SILENT
        return Cause.CLAIMED_RELEASED if self._shown else Cause.CLAIMED_FREE
