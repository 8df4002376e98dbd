"""Changes of the intent by calls: many of them become one proposal, and each is answered once that is durable.

    calls ─► queue ─► every TICK their edits, one after the other, in a thread ─► records of them ─► a proposal
          ─► a commit ─► records of its end ─► answers

An edit that cannot be carried out is refused alone. If the proposal as a whole is refused, its halves are proposed, so
that one bad edit does not refuse others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc

from controller.api.edits import NONE, Changes, Edit, changed, changes
from controller.api.errors import Reason, Refused, precondition
from controller.api.guarding import NOT_RECORDED, Recording
from controller.api.names import Name
from controller.api.subjects import digests
from controller.clock import Clock
from controller.core.intents import Intents
from controller.core.journal import Journal
from controller.core.requests import Requests
from controller.core.state import State
from controller.sites.base import GuardFailed, StoreError
from controller.spec.types import Intent

TICK = 0.025
"""Seconds between two proposals, at least."""
SHARE = 1.0
"""And so many times as long as the one before took the event loop: half the loop's time is left to others."""
QUEUE = 4096
"""Changes that wait, at most."""
LOADS = 64
"""Edits that read a whole document, in one proposal, at most: others wait for the next one."""


class Done(NamedTuple):
    """A change that is durable."""

    revision: int
    changes: Changes


@dataclass(eq=False)
class Wanted:
    """A change that is asked for."""

    edit: Edit
    target: Name | None = None
    """The resource that it is about; None: several, or the whole intent."""
    expected: int | None = None
    """The revision that this must have."""
    about: tuple[Name, ...] = ()
    """The resources that it changes; empty: what the whole intent says."""
    dry_run: bool = False
    cheap: bool = False
    """The edit reads no document."""
    accepted: Callable[[Changes], tuple[str, str, bytes] | None] = lambda _: None
    """What to keep of the request with the commit: id, fingerprint, answer."""
    permit: Callable[[Iterable[str]], None] = lambda _: None
    """Raises Refused if resources of these names may not be changed; asked for changes of the whole intent, in a
    thread."""
    recording: Recording = NOT_RECORDED
    done: asyncio.Future[Done] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def refuse(self, error: BaseException) -> None:
        """Answer with why not."""
        if not self.done.done():
            self.done.set_exception(error)

    def answer(self, done: Done) -> None:
        """Answer, if anyone still waits."""
        if not self.done.done():
            self.done.set_result(done)


class _Good(NamedTuple):
    """An edit that can be carried out."""

    wanted: Wanted
    changes: Changes
    before: str
    """Digest of what it is about; empty: it is not recorded, or was not there."""
    after: str


class _Tried(NamedTuple):
    """Edits that can be carried out together, what each changes, and what comes of all."""

    good: list[_Good]
    refused: list[tuple[Wanted, Refused]]
    intent: Intent


class Proposals:
    """Takes changes."""

    def __init__(
        self, state: State, intents: Intents, requests: Requests, journal: Journal, clock: Clock
    ) -> None:
        self._state, self._intents, self._requests = state, intents, requests
        self._journal, self._clock = journal, clock
        self._queue: deque[Wanted] = deque()
        self._news = asyncio.Event()
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
                began = self._clock.now()
                await self._carry_out(together)
                await asyncio.sleep(max(TICK, SHARE * (self._clock.now() - began)))
        finally:
            while self._queue:
                self._queue.popleft().refuse(_ending())

    async def _gathered(self) -> list[Wanted]:
        """What waits, in order. A dry run is alone."""
        while not self._queue:
            self._news.clear()
            await self._news.wait()
        found: list[Wanted] = []
        loads = 0
        while self._queue and loads < LOADS and not (found and (found[-1].dry_run or self._queue[0].dry_run)):
            found.append(self._queue.popleft())
            loads += not found[-1].cheap
        return found

    async def _carry_out(self, together: list[Wanted]) -> None:
        waiting = [each for each in together if not each.done.done()]
        try:
            await self._propose(waiting)
        except asyncio.CancelledError:
            await self._refuse(waiting, _ending())
            raise
        except GuardFailed:  # this controller ends
            await self._refuse(waiting, _ending())
        except Exception as error:  # a defect in one call must not end what serves the others
            self._journal.failure(error, part="api")
            await self._refuse(waiting, _defect(error))

    async def _refuse(self, them: Iterable[Wanted], error: Refused) -> None:
        """Record that, where it was recorded that they were about to be made, and answer."""
        await asyncio.gather(*(self._refuse_one(each, error) for each in them))

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
        tried = await asyncio.to_thread(self._tried, before, together)
        for wanted, error in tried.refused:
            await self._refuse_one(wanted, error)
        if together[0].dry_run:
            self._answer_dry(tried)
            return
        if without := await self._not_recorded(tried.good):
            await self._propose([each.wanted for each in tried.good if each.wanted not in without])
            return
        if tried.intent is not before and (why := self._proposed(tried.intent)):
            await self._divide(tried, why)
            return
        kept = [each.wanted.accepted(each.changes) for each in tried.good]
        rows = [row for row in kept if row is not None]
        if rows:
            self._requests.note(rows)
        if tried.good:
            await self._commit(tried)

    async def _not_recorded(self, good: list[_Good]) -> set[Wanted]:
        """Have it recorded that they are about to be made. Those for which that fails are refused."""

        async def asked(each: _Good) -> Wanted | None:
            names = [name for name, _ in each.changes.listed]
            try:
                await each.wanted.recording.asked(names, each.before, each.after)
            except Refused as error:
                each.wanted.refuse(error)
                return each.wanted
            return None

        found = await asyncio.gather(*(asked(each) for each in good if each.wanted.recording.wanted))
        return {wanted for wanted in found if wanted is not None}

    def _proposed(self, intent: Intent) -> list[str]:
        self.proposed += 1
        return self._intents.propose(intent)

    async def _divide(self, tried: _Tried, why: list[str]) -> None:
        """One of the edits is why the whole is refused."""
        wanted = [each.wanted for each in tried.good]
        if len(wanted) == 1:
            await self._refuse_one(wanted[0], _refused(why))
            return
        half = len(wanted) // 2
        await self._propose(wanted[:half])
        await self._propose(wanted[half:])

    def _answer_dry(self, tried: _Tried) -> None:
        for wanted, found, _, _ in tried.good:
            why = self._intents.refusal(tried.intent) if found.total else []
            if why:
                wanted.refuse(_refused(why))
            else:
                wanted.answer(Done(self._state.revision, found))

    async def _commit(self, tried: _Tried) -> None:
        try:
            revision = await self._state.commit()
        except StoreError as error:
            await self._refuse([each.wanted for each in tried.good], not_stored(error))
            return
        for each in tried.good:
            if not each.wanted.recording.wanted:
                each.wanted.answer(Done(revision, each.changes))
        recorded = (each for each in tried.good if each.wanted.recording.wanted)
        await asyncio.gather(*(self._answer(each, revision) for each in recorded))

    @staticmethod
    async def _answer(each: _Good, revision: int) -> None:
        try:
            await each.wanted.recording.done("done", revision)
        except Refused as error:
            each.wanted.refuse(error)
        else:
            each.wanted.answer(Done(revision, each.changes))

    def _tried(self, before: Intent, together: list[Wanted]) -> _Tried:
        """In a thread: nothing here is changed, and nothing else changes the intent meanwhile."""
        tried, intent = _Tried([], [], before), before
        touched = {name for name, _ in changes(self._state.stored, before).listed}
        for wanted in together:
            try:
                self._check_expected(wanted, touched)
                after = wanted.edit(intent)
                found = changes(intent, after)
                if not wanted.about:
                    wanted.permit(name for name, _ in changed(intent, after))
                recorded = wanted.recording.wanted
                digest = tuple(digests(each, wanted.about) if recorded else "" for each in (intent, after))
            except Refused as error:
                tried.refused.append((wanted, error))
                continue
            except Exception as error:
                self._journal.failure(error, part="api")
                tried.refused.append((wanted, _defect(error)))
                continue
            touched |= {name for name, _ in found.listed}
            if found.total > len(found.listed):
                touched.add("")
            intent = after if found is not NONE and found.total else intent
            tried.good.append(_Good(wanted, found, *digest))
        return tried._replace(intent=intent)

    def _check_expected(self, wanted: Wanted, touched: set[str]) -> None:
        """``touched``: what has changed and has no revision yet, also by edits before it in this proposal."""
        if wanted.expected is None:
            return
        name = "document" if wanted.target is None else f"{wanted.target.kind.key}/{wanted.target.name}"
        actual = self.revision(wanted.target)
        changed = bool(touched) if wanted.target is None else name in touched or "" in touched
        if changed or actual != wanted.expected:
            found = "is being changed" if changed else f"has the revision {actual}"
            there = found if actual or changed else "is not there"
            raise Refused(
                grpc.StatusCode.ABORTED,
                Reason.REVISION_MISMATCH,
                f"{name} {there}, not {wanted.expected}; read it again, and apply to what it is now",
                resource=name,
                metadata={"revision": str(actual)},
            )

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


def _refused(why: list[str]) -> Refused:
    return precondition(Reason.INTENT_REFUSED, "document", why)


def _ending() -> Refused:
    return Refused(grpc.StatusCode.UNAVAILABLE, Reason.STARTING, "this controller ends", retry_in=1.0)


def _defect(error: BaseException) -> Refused:
    text = f"a defect in the controller: {type(error).__name__}: {error}"
    return Refused(grpc.StatusCode.INTERNAL, Reason.DEFECT, text)


async def stored(commit: Callable[[], Awaitable[int]]) -> int:
    """The revision of a commit of what is there. Raises Refused."""
    try:
        return await commit()
    except StoreError as error:
        raise not_stored(error) from error
    except GuardFailed as error:
        raise _ending() from error
