"""The exit of layer-7 tiers: one task for each HAProxy of the intent, and what all of them show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress

from controller.core.shown import ExitStatus
from controller.exits.base import Around
from controller.exits.tier.instance import HaproxyDriver, Plan, Refused, Shown
from controller.exits.tier.showing import drained, is_idle, items
from controller.spec.types import Intent

LOOK = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds until a HAProxy with a problem is looked at again, twice as many each time."""

Key = tuple[str, str]
"""Tier, instance."""


def plans(intent: Intent) -> dict[Key, Plan]:
    """What the intent says of each HAProxy. It leaves when its backend drains in every pool that it is in."""
    backends = [real for pool in intent.pools for real in pool.own]
    found: dict[Key, Plan] = {}
    for tier in intent.tiers:
        for instance in tier.instances:
            own = [real for real in backends if real.name == instance.name]
            addresses = tuple(dict.fromkeys(each for real in own for each in real.addresses))
            leaving = bool(own) and all(real.drain for real in own)
            found[tier.name, instance.name] = Plan(tier, instance, addresses, leaving)
    return found


class _Task:
    """Keeps one HAProxy as its plan says."""

    def __init__(self, around: Around, key: Key, plan: Plan, look: float) -> None:
        self._around, self._look_every = around, look
        self.key, self.plan = key, plan
        self.driver = HaproxyDriver(around.journal, around.clock, *key)
        self.wake = asyncio.Event()
        self.wake.set()
        self._pause = FIRST_PAUSE
        self._well: bool | None = None
        """None: neither way was said yet."""
        self._drained = False
        self._done: Plan | None = None

    async def run(self) -> None:
        """Until cancelled. No error of a HAProxy ends it."""
        while True:
            self.wake.clear()
            await self._look()
            wait = self._look_every if self._well else self._pause
            end = self.driver.deadline(self.plan)
            if end is not None:
                wait = min(wait, max(0.01, end - self._around.clock.now()))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.wake.wait()

    @property
    def shown(self) -> Shown:
        """How it is."""
        return self.driver.shown

    @property
    def settled(self) -> bool:
        """Whether it was seen to be what its present plan says."""
        return self._done is self.plan and not self.shown.problem

    async def _look(self) -> None:
        plan = self.plan
        try:
            await self.driver.look(plan)
            self._done = plan
        except (Refused, OSError, ValueError) as error:
            self._say_problem(str(error) or type(error).__name__)
            return
        self._pause = FIRST_PAUSE
        if self._well is False:
            self._around.journal.event("tier_recovered", tier=self.key[0], instance=self.key[1])
        self._well, self.shown.problem = True, ""
        self.shown.idle = self.shown.idle + 1 if plan.leaving and is_idle(plan.tier, self.shown) else 0
        gone = drained(self.shown)
        if gone and not self._drained:
            self._around.journal.event("tier_drained", tier=self.key[0], instance=self.key[1])
        self._drained = gone

    def _say_problem(self, why: str) -> None:
        if self._well is not False or why != self.shown.problem:
            self._around.journal.event("tier_problem", tier=self.key[0], instance=self.key[1], why=why)
        self._pause = FIRST_PAUSE if self._well is not False else min(2 * self._pause, LONGEST_PAUSE)
        self._well, self.shown.problem = False, why


class TierExit:
    """All HAProxy processes of the intent. One that leaves the intent goes on as it is, and is not looked at."""

    name = "tier"

    def __init__(self, around: Around, look: float = LOOK) -> None:
        """``look``: seconds between looks at a HAProxy of which nothing is known to change."""
        self._around, self._look = around, look
        self._tasks: dict[Key, _Task] = {}
        self._changed = asyncio.Event()
        self._seen: Intent | None = None
        around.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled."""
        self._seen = None
        running: dict[Key, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                intent = self._around.see().intent
                if intent is not self._seen:
                    self._seen = intent
                    self._follow(plans(intent), group, running)
                await self._changed.wait()

    def _follow(
        self, wanted: Mapping[Key, Plan], group: asyncio.TaskGroup, running: dict[Key, asyncio.Task[None]]
    ) -> None:
        for key in [key for key in running if key not in wanted]:
            running.pop(key).cancel()
        self._tasks = {key: task for key, task in self._tasks.items() if key in wanted}
        for key, plan in wanted.items():
            task = self._tasks.setdefault(key, _Task(self._around, key, plan, self._look))
            if task.plan != plan:
                task.plan = plan
                task.wake.set()
            if key not in running:
                running[key] = group.create_task(task.run())

    @property
    def settled(self) -> bool:
        """Whether all are as the present intent says."""
        return self._seen is self._around.see().intent and all(task.settled for task in self._tasks.values())

    def shown(self) -> ExitStatus | None:
        """How all of them are; None: the intent has no tier."""
        if not self._tasks:
            return None
        all_of = [task.shown for task in self._tasks.values()]
        return ExitStatus(
            self.settled,
            "; ".join(self._problems()),
            sum(each.writes for each in all_of),
            sum(each.repairs for each in all_of),
            {
                name: row
                for key, task in self._tasks.items()
                for name, row in items(key, task.plan, task.shown)
            },
        )

    def _problems(self) -> Iterator[str]:
        for key, task in self._tasks.items():
            if task.shown.problem:
                yield f"{'/'.join(key)}: {task.shown.problem}"
