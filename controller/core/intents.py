"""What is wanted: proposals are refused with reasons, or accepted whole. Owns ``intent``.

The file is one proposer; others propose in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from controller.core.cells import Cell
from controller.core.journal import Journal
from controller.core.judging import Basis, refusal
from controller.core.pools import Pools
from controller.model.errors import ConfigErrors
from controller.model.load import digest_of, load_text
from controller.model.reload import IntentFile
from controller.model.yaml_source import read_text
from controller.plan.accept import switch_renames
from controller.plan.tables import Tables
from controller.spec.types import Intent

DIFFERS = "is not the intent in the store, which stays in force; to propose the file: edit it, or send SIGHUP"
"""Said of the file of a controller that begins to lead."""
POLL = 0.3
"""Seconds between looks at the intent file."""


BESIDE = 3
"""Times that a proposal is judged beside the event loop."""


class Considered(NamedTuple):
    """What became of a proposal, or would."""

    refused: list[str]
    """Why it is refused in any case; empty: it is not."""
    over: list[str]
    """Which budgets it breaks, with the numbers: it is refused for that too, unless they are set aside."""

    @property
    def why(self) -> list[str]:
        """Why it is refused if budgets count."""
        return self.refused or self.over


class _Judged(NamedTuple):
    considered: Considered
    tables: Tables | None
    """Those that it leads to."""


class Change(NamedTuple):
    """From one intent to the next."""

    old: Intent
    new: Intent

    @property
    def renamed(self) -> dict[str, str]:
        """Switches that have another name now."""
        return switch_renames(self.old, self.new)

    @property
    def removed(self) -> list[str]:
        """Switches that are no longer named."""
        return [switch.name for switch in self.old.switches if self.new.switch(switch.id) is None]


class Intents:
    """Takes proposals."""

    def __init__(
        self,
        intent: Cell[Intent],
        pools: Pools,
        journal: Journal,
        refusals: Iterable[Callable[[Intent, Intent], list[str]]] = (),
        adapted: Callable[[Intent], Intent] = lambda intent: intent,
    ) -> None:
        """``refusals``: rules that say why ``new`` may not take the place of ``old``; ``adapted``: a proposal as this
        controller carries it out.
        """
        self._adapted = adapted
        self._intent = intent
        self._pools = pools
        self._journal = journal
        self._refusals = tuple(refusals)
        self.on_change: Callable[[Change], None] = lambda _: None
        """Called after a proposal was accepted, before it is committed."""
        self.closed: Callable[[], str] = str
        """Why nothing is taken now, whatever it says; empty: it is. Set by the one who assembles."""
        self.errors: tuple[str, ...] = ()
        """Why the last proposal was refused; empty: it was not."""

    def keeps(self, file: IntentFile) -> bool:
        """Whether the stored intent stays in force at the start, although the file says something else; that is said.

        For controllers that share a store: the file of one that takes over may be older than what is in force.
        """
        assert file.intent is not None, "an intent file is read before a controller is made of it"
        now = self._intent.value
        if not now.switches or self._adapted(file.intent) == self._adapted(now):
            return False
        self.adapt()
        self.errors = (f"{file.path}: {DIFFERS}",)
        self._journal.event("intent_kept", file=str(file.path), why=DIFFERS)
        return True

    def adapt(self) -> None:
        """Carry out the stored intent as this controller does: it may be of one that shared its store with none."""
        now = self._intent.value
        if self._adapted(now) != now:
            self.propose(now)

    async def refusal(self, new: Intent) -> Considered:
        """What would become of ``new`` if it were proposed now. Found in a thread."""
        new = self._adapted(new)
        return (await asyncio.to_thread(self._judged, new, self._pools.basis(new))).considered

    def _judged(self, new: Intent, basis: Basis) -> _Judged:
        """In any thread, as far as the basis is frozen."""
        if shut := self.closed():
            return _Judged(Considered([shut], []), None)
        now = self._pools.now
        try:
            why = [each for rule in self._refusals for each in rule(basis.intent, new)]
            why += basis.refusal(new, now())
            if why:
                return _Judged(Considered(why, []), None)
            tables = basis.tables_with(new, now)
            return _Judged(Considered([], basis.over_budget(new, tables, now())), tables)
        except Exception as error:  # whatever an intent raises, the last good one stays
            self._journal.failure(error, part="intent")
            why = [f"it cannot be planned ({type(error).__name__}: {error})"]
            return _Judged(Considered(why, []), None)

    def reasons(self, old: Intent, new: Intent, tables: Tables, now: float) -> list[str]:
        """Why ``new`` would be refused in place of ``old``, which has these tables. Pure."""
        return [each for rule in self._refusals for each in rule(old, new)] + refusal(old, new, tables, now)

    def adapted(self, intent: Intent) -> Intent:
        """A proposal as this controller carries it out."""
        return self._adapted(intent)

    def propose(self, new: Intent, override: str = "", digest: str | None = None) -> list[str]:
        """Why ``new`` is refused, and nothing has changed; empty: it is accepted.

        ``override``: why budgets are set aside, if they are. ``digest``: of the text that says so
        (``model.load.digest_of``), for the journal; None: there is none.
        """
        new = self._adapted(new)
        judged = self._concluded(new, self._judged(new, self._pools.basis()), override, digest)
        return judged.refused if override else judged.why

    async def consider(
        self, new: Intent, override: str = "", ready: Callable[[], Awaitable[None]] | None = None
    ) -> Considered:
        """The same, and the tables are made in a thread: that of a large intent takes a second. Nothing else proposes
        meanwhile. What changes meanwhile, such as health, has it judged again; the last time it holds up the loop.

        ``ready``: is over before it is taken, or raises, and it is not.
        """
        new = self._adapted(new)
        for _ in range(BESIDE):
            basis = self._pools.basis(new)
            judged = await asyncio.to_thread(self._judged, new, basis)
            if ready is not None:
                await ready()
            if basis.is_that_of(self._pools.basis()):
                return self._concluded(new, judged, override)
        return self._concluded(new, self._judged(new, self._pools.basis()), override)

    def _concluded(
        self, new: Intent, judged: _Judged, override: str = "", digest: str | None = None
    ) -> Considered:
        """Refused, or taken."""
        considered, tables = judged
        over = considered.over
        why = considered.refused if override else considered.why
        if why or tables is None:
            self.errors = tuple(why)
            self._journal.event("intent_refused", errors=why, digest=digest)
            return considered
        if over:
            self._journal.event("override", reason=override, broken=over)
        change = Change(self._intent.value, new)
        self._journal.event("intent_accepted", pools=len(new.pools), vips=len(new.vips), digest=digest)
        self._intent.set(new)
        self._pools.take(tables)
        self._intent.wake()
        self.errors = ()
        self.on_change(change)
        return considered


async def propose_again(file: IntentFile | None, intents: Intents, override: str) -> list[str]:
    """Propose what a file says now, with budgets set aside; why it is refused. Raises ConfigErrors."""
    if file is None:
        return ["this controller has no intent file to propose"]
    text = await asyncio.to_thread(read_text, file.path)
    new = await asyncio.to_thread(load_text, text, str(file.path))
    return intents.propose(new, override, digest_of(text))


async def follow_file(file: IntentFile, intents: Intents, journal: Journal, reload: asyncio.Event) -> None:
    """Propose what an intent file says whenever it changes; ``reload``: look at it now. Until cancelled."""
    while True:
        try:
            async with asyncio.timeout(POLL):
                await reload.wait()
        except TimeoutError:
            pass
        if intents.closed():  # the edit waits in the file
            await asyncio.sleep(POLL)
            continue
        asked = reload.is_set()
        reload.clear()
        try:
            news = await asyncio.to_thread(file.poll)
            if news is None and asked and file.errors is None:
                news = file.intent
        except Exception as error:  # what a file holds must not end its being read
            journal.failure(error, file=str(file.path))
            continue
        if isinstance(news, ConfigErrors):
            intents.errors = tuple(str(each) for each in news)
            journal.event("intent_refused", errors=list(intents.errors), digest=file.digest)
        elif news is not None:
            intents.propose(news, digest=file.intent_digest)
