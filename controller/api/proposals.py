"""Changes of the intent by calls: many of them become one proposal, and each is answered once that is durable.

    calls ─► queue ─► every TICK their edits, one after the other ─► records of them, tables in a thread ─► taken
          ─► a commit, while the next ones are tried ─► records of its end, while the next commit is made ─► answers

An edit that cannot be carried out is refused alone. If the proposal as a whole is refused, its halves are proposed, so
that one bad edit does not refuse others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import grpc

from controller.api.edits import changes
from controller.api.errors import Reason, Refused, precondition
from controller.api.names import Name
from controller.api.wanted import Done, Good, Tried, Wanted, defect, tried
from controller.clock import Clock
from controller.core.intents import Considered, Intents
from controller.core.journal import Journal
from controller.core.requests import Requests
from controller.core.state import State
from controller.sites.base import GuardFailed, StoreError
from controller.spec.types import Intent
from controller.tracing.base import NOT_TRACED, TracedProposal, Tracing

TICK = 0.025
"""Seconds from the beginning of a proposal to that of the next one, at least."""
SHARE = 1.0
"""Seconds that others have, for each that a proposal was computed: waits for the disk are theirs too."""
QUEUE = 4096
"""Changes that wait, at most."""
LOADS = 64
"""Edits that read a whole document, in one proposal, at most: others wait for the next one."""
SMALL = 1024
"""Backends that are given values in the event loop, at most; more are, and documents are read, in a thread."""


class _NotRecorded(Exception):
    """The audit log does not take some changes."""

    def __init__(self, wanted: set[Wanted]) -> None:
        super().__init__(f"{len(wanted)} changes")
        self.wanted = wanted


class Proposals:
    """Takes changes."""

    def __init__(
        self,
        state: State,
        intents: Intents,
        requests: Requests,
        journal: Journal,
        clock: Clock,
        tracing: Tracing = NOT_TRACED,
    ) -> None:
        self._state, self._intents, self._requests = state, intents, requests
        self._journal, self._clock = journal, clock
        self._tracing = tracing
        self._trace = TracedProposal()
        """Of what is carried out now."""
        self._queue: deque[Wanted] = deque()
        self._news = asyncio.Event()
        self._computed = 0.0
        """Seconds of the present proposal that the processor was needed for."""
        self._committing: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self.proposed = 0
        """Proposals so far."""

    async def change(self, wanted: Wanted) -> Done:
        """Have it carried out. Raises Refused. Nothing is done for one that is cancelled while it waits."""
        if len(self._queue) >= QUEUE:
            text = f"{QUEUE} changes wait already"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            raise Refused(code, Reason.TOO_MANY_CALLS, text, retry_in=1.0)
        self._queue.append(wanted)
        self._news.set()
        return await wanted.done

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                together = await self._gathered()
                began, self._computed = self._clock.now(), 0.0
                await self._carry_out(together)
                took = self._clock.now() - began
                waited = took - self._computed
                await asyncio.sleep(max(TICK - took, SHARE * self._computed - waited, 0.0))
        finally:
            while self._queue:
                self._queue.popleft().refuse(_ending())
            if self._committing is not None:
                self._committing.cancel()
            await self._committed()
            await self._answered()

    async def _gathered(self) -> list[Wanted]:
        """What waits, in order."""
        while not self._queue:
            self._news.clear()
            await self._news.wait()
        found: list[Wanted] = []
        loads = 0
        while self._queue and loads < LOADS and not (found and (found[-1].alone or self._queue[0].alone)):
            found.append(self._queue.popleft())
            loads += not found[-1].size
        return found

    @contextmanager
    def _computing(self) -> Iterator[None]:
        began = self._clock.now()
        try:
            yield
        finally:
            self._computed += self._clock.now() - began

    async def _carry_out(self, together: list[Wanted]) -> None:
        waiting = [each for each in together if not each.done.done()]
        try:
            with self._tracing.proposal([each.traced for each in waiting]) as self._trace:
                await self._propose(waiting)
        except asyncio.CancelledError:
            await self._refuse(waiting, _ending())
            raise
        except Exception as error:  # a defect in one call must not end what serves the others
            self._journal.failure(error, part="api")
            await self._refuse(waiting, defect(error))

    async def _refuse(self, them: Iterable[Wanted], error: Refused) -> None:
        """Record that, where it was recorded that they were about to be made, and answer."""
        for each in (listed := list(them)):
            each.recording.end(f"{error.reason}: {error}")
        for each in listed:
            await self._refuse_one(each, error)

    async def _refuse_one(self, wanted: Wanted, error: Refused) -> None:
        with suppress(Refused):  # nothing was changed, so it is no loss that this cannot be recorded
            await wanted.recording.done(f"{error.reason}: {error}")
        wanted.refuse(error)

    async def _propose(self, together: list[Wanted]) -> None:
        if not together:
            return
        if shut := self._intents.closed():
            await self._refuse(together, closed(shut))
            return
        before = self._state.intent.value
        with self._computing(), self._trace.step("validate"):
            made = await self._tried(before, together)
        for wanted, error in made.refused:
            await self._refuse_one(wanted, error)
        if together[0].dry_run:
            await self._answer_dry(made)
            return
        self._record(made.good)
        found, override = Considered([], []), together[0].override
        try:
            if made.intent is before:
                await self._recorded(made.good)
            else:
                found = await self._proposed(made, override)
        except _NotRecorded as error:  # the others are proposed without them
            await self._propose([each.wanted for each in made.good if each.wanted not in error.wanted])
            return
        if why := _why_not(found, override):
            await self._divide(made, why)
            return
        kept = [each.wanted.accepted(each.changes) for each in made.good]
        rows = [row for row in kept if row is not None]
        if rows:
            self._requests.note(rows)
        if made.good:
            await self._commit(made, found.over)

    async def _tried(self, before: Intent, together: list[Wanted]) -> Tried:
        """Nothing is changed here, and nothing else changes the intent meanwhile."""
        touched = {name for name, _ in changes(self._state.stored, before).listed}
        args = (before, together, touched, self.revision, self._journal)
        if all(each.size for each in together) and sum(each.size for each in together) <= SMALL:
            return tried(*args)
        return await asyncio.to_thread(tried, *args)

    @staticmethod
    def _record(good: list[Good]) -> None:
        """Begin to have it recorded that they are about to be made; ``_recorded`` follows."""
        for wanted, found, before, after in good:
            wanted.recording.ask((name for name, _ in found.listed), before, after)

    @staticmethod
    async def _recorded(good: list[Good]) -> None:
        """It is on the disk. Raises _NotRecorded for those for which that fails, which are refused."""
        without = set()
        for wanted, _, _, _ in good:
            try:
                await wanted.recording.have_asked()
            except Refused as error:
                wanted.refuse(error)
                without.add(wanted)
        if without:
            raise _NotRecorded(without)

    async def _proposed(self, made: Tried, override: str) -> Considered:
        """Taken, if it is accepted, once all records are on the disk. Raises _NotRecorded."""
        self.proposed += 1
        with self._computing(), self._trace.step("plan"):
            found = await self._intents.consider(made.intent, override, lambda: self._recorded(made.good))
        if _why_not(found, override) is None:
            self._trace.accepted([each.wanted.traced for each in made.good])
        return found

    async def _divide(self, made: Tried, error: Refused) -> None:
        """One of the edits is why the whole is refused."""
        wanted = [each.wanted for each in made.good]
        if len(wanted) == 1:
            await self._refuse_one(wanted[0], error)
            return
        half = len(wanted) // 2
        await self._propose(wanted[:half])
        await self._propose(wanted[half:])

    async def _answer_dry(self, made: Tried) -> None:
        for wanted, found, _, _ in made.good:
            judged = await self._intents.refusal(made.intent) if found.total else Considered([], [])
            if why := _why_not(judged, wanted.override):
                wanted.refuse(why)
            else:
                wanted.answer(Done(self._state.revision, found))

    async def _commit(self, made: Tried, over: list[str]) -> None:
        """Have it stored and answered, after those before it. ``over``: which budgets were set aside."""
        await self._committed()
        self._committing = asyncio.create_task(self._store(made, over))

    async def _committed(self) -> None:
        """The commit of the proposal before is over."""
        if self._committing is not None:
            await asyncio.wait([self._committing])

    async def _store(self, made: Tried, over: list[str]) -> None:
        together = [each.wanted for each in made.good]
        try:
            revision = await self._state.commit()
        except StoreError as error:
            await self._refuse(together, not_stored(error))
        except GuardFailed:  # this controller ends
            await self._refuse(together, _ending())
        except asyncio.CancelledError:
            await self._refuse(together, _ending())
            raise
        except Exception as error:  # a defect in one call must not end what serves the others
            self._journal.failure(error, part="api")
            await self._refuse(together, defect(error))
        else:
            for each in together:
                each.recording.end(f"done, and over budget: {'; '.join(over)}" if over else "done", revision)
            await self._answered()
            self._answering = asyncio.create_task(self._answer(made.good, revision))

    async def _answered(self) -> None:
        """The answers of the proposal before were given: two wait for their records at a time, at most."""
        if self._answering is not None:
            await asyncio.shield(self._answering)
            self._answering = None

    @staticmethod
    async def _answer(good: list[Good], revision: int) -> None:
        for wanted, found, _, _ in good:
            try:
                await wanted.recording.have_ended()
            except Refused as error:
                wanted.refuse(error)
            except Exception as error:
                wanted.refuse(defect(error))
            else:
                wanted.answer(Done(revision, found))

    def revision(self, name: Name | None) -> int:
        """When a resource (of a backend: its pool), or the intent (None), was changed last; 0: it is not there."""
        if name is None:
            return self._state.written("intent") if self._state.stored.switches else 0
        if name.backend is not None and not _has(self._state.stored, name):
            return 0
        return self._state.resource_written(f"{name.kind.key}/{name.name}")


def _has(intent: Intent, name: Name) -> bool:
    pool = next((each for each in intent.pools if each.name == name.name), None)
    return pool is not None and any(real.name == name.backend for real in pool.own)


def closed(why: str) -> Refused:
    """Nothing was taken."""
    return Refused(grpc.StatusCode.UNAVAILABLE, Reason.NOT_STORED, why, retry_in=1.0)


def not_stored(error: StoreError) -> Refused:
    """Accepted, but not durable."""
    text = f"accepted, and not durable yet: {error}; it takes effect once the store can be written"
    return Refused(grpc.StatusCode.UNAVAILABLE, Reason.NOT_STORED, text, retry_in=1.0)


def _why_not(found: Considered, override: str) -> Refused | None:
    """Why a proposal was not taken; None: it was."""
    if found.refused:
        return precondition(Reason.INTENT_REFUSED, "document", found.refused)
    return precondition(Reason.OVER_BUDGET, "document", found.over) if found.over and not override else None


def _ending() -> Refused:
    return Refused(grpc.StatusCode.UNAVAILABLE, Reason.STARTING, "this controller ends", retry_in=1.0)


async def stored(commit: Callable[[], Awaitable[int]]) -> int:
    """The revision of a commit of what is there. Raises Refused."""
    try:
        return await commit()
    except StoreError as error:
        raise not_stored(error) from error
    except GuardFailed as error:
        raise _ending() from error
