"""Routes, an exit of the plan: VIPs announced by speakers beside lb switches while they are served there.

Seen ─► wishes ─► Holding ─► announcements ─► a task for each speaker ─► its engine
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from controller.core.shown import ExitStatus, Scalar
from controller.exits.base import LOOK, Around, Seen
from controller.exits.routes.frr.state import Met
from controller.exits.routes.holding import Held, Holding, Phase
from controller.exits.routes.rules import in_use, wishes
from controller.exits.routes.saying import say
from controller.exits.routes.speaker import SpeakerTask
from controller.spec.types import Intent


class RoutesExit:
    """All speakers."""

    name = "routes"

    def __init__(self, around: Around) -> None:
        self._around = around
        self._holding = Holding()
        self._tasks: dict[str, tuple[SpeakerTask, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        around.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._changed.clear()
                seen = self._around.see()
                self._step(seen)
                self._check()
                await self._sleep(seen)
        finally:
            tasks = [task for _, task in self._tasks.values()] + list(self._leaving)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.clear()
            self._leaving.clear()

    async def _sleep(self, seen: Seen) -> None:
        """Until something changes, which fitness does without a call."""
        due = self._holding.deadline()
        waits = [] if due is None else [max(due - self._around.clock.now(), 0.0)]
        waits += [LOOK] if seen.sites is not None and seen.intent.routes.speakers else []
        waits += [1.0] if self._tasks or self._leaving else []
        try:
            async with asyncio.timeout(min(waits, default=None)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _step(self, seen: Seen) -> None:
        for said in self._holding.step(wishes(seen), seen.intent.routes, self._around.clock.now()):
            say(self._around.journal, said)
        for speaker in seen.intent.routes.speakers:
            if speaker.name not in self._tasks:
                made = SpeakerTask(speaker, self._around.journal, self._around.clock, self._intent)
                self._tasks[speaker.name] = made, asyncio.create_task(made.run())
            task, _ = self._tasks[speaker.name]
            task.follow(speaker, self._holding.announcements(speaker.name), in_use(seen, speaker))
        named = {speaker.name for speaker in seen.intent.routes.speakers}
        for name in self._tasks.keys() - named:
            task, running = self._tasks.pop(name)
            task.retire()
            self._leaving.add(running)

    def _intent(self) -> Intent:
        return self._around.see().intent

    def _check(self) -> None:
        """Raise what a speaker's task ended with: all are begun again."""
        for running in [r for r in self._leaving if r.done()]:
            self._leaving.discard(running)
            running.result()
        for name in [n for n, (_, running) in self._tasks.items() if running.done()]:
            _, running = self._tasks.pop(name)
            running.result()

    def shown(self) -> ExitStatus | None:
        """One row for each speaker, each of its neighbours, and each VIP at it."""
        if not self._tasks and not self._intent().routes.speakers:
            return None
        tasks = {name: task for name, (task, _) in self._tasks.items()}
        items: dict[str, Mapping[str, Scalar]] = {}
        for name, task in tasks.items():
            items[name] = _speaker_row(task)
            items |= {f"{name} {m.protocol} {m.neighbor}": _neighbor_row(m) for m in task.standing.met}
        now = self._around.clock.now()
        for slot, held in sorted(self._holding.held.items()):
            items[f"{slot.speaker} {slot.vip}"] = _vip_row(held, tasks.get(slot.speaker), now)
        problems = [
            f"{name}: {task.standing.problem}" for name, task in tasks.items() if task.standing.problem
        ]
        return ExitStatus(
            bool(tasks) and all(task.standing.synced for task in tasks.values()),
            "; ".join(problems),
            sum(task.standing.writes for task in tasks.values()),
            sum(task.standing.repairs for task in tasks.values()),
            items,
        )


def _speaker_row(of: SpeakerTask) -> dict[str, Scalar]:
    state = of.standing.problem or ("synced" if of.standing.synced else "not read yet")
    return {"state": "problem" if of.standing.problem else state, "at": of.speaker.switch}


def _neighbor_row(of: Met) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {"state": of.state, "up": of.up}
    return row if of.told is None else {**row, "told": of.told}


def _vip_row(held: Held, task: SpeakerTask | None, now: float) -> dict[str, Scalar]:
    """Conditions by their names, and what is missing in words."""
    wish = held.wish
    heard = task is not None and task.is_heard(6 if ":" in wish.prefix else 4)
    row: dict[str, Scalar] = {
        "state": held.phase.value,
        "up": held.announced and heard,
        "prefix": wish.prefix,
    }
    row |= {"med": wish.attributes.med, "cost": wish.attributes.cost}
    row |= {condition.name.value: condition.met for condition in wish.conditions}
    why = [] if wish.met else [wish.why]
    if held.announced and not heard:
        why.append("no router is heard")
    if held.phase in (Phase.HELD, Phase.LEAVING):
        why.append(f"for {max(held.until - now, 0):.0f} s")
    if task is not None and wish.prefix in task.standing.waits:
        why.append("OSPF is told within 2 s")
    return {**row, "why": ", ".join(why)} if why else row
