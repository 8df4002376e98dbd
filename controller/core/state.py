"""What the controller knows, as cells, and the commit: stored first, planned from and shown to switches afterwards.

    a cell changes ─► dirty ─► commit: batch to the store ─► its revision ─► ``committed``: what plans are made from

Each cell is put by one part, which is handed it; all others read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from controller.clock import Clock, Reading
from controller.core.ahead import Ahead, Asked
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.core.storedcells import (
    ALWAYS,
    FORMAT,
    POOL,
    REQUEST,
    RESOURCE,
    VERDICTS,
    IntentText,
    Links,
    Names,
    SaidBy,
    StoredCells,
    json_of,
    verdicts_told,
)
from controller.plan import history
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables, Verdicts
from controller.sites.base import Batch, Guard, GuardFailed, Loaded, Store, StoreError
from controller.sites.orders import Orders
from controller.spec.types import Intent
from controller.tracing.base import NOT_TRACED, Tracing

RETRY = 0.5
"""Seconds until a commit that failed is tried again."""
HURRIED = 1.0
"""Seconds for a commit while the store is not waited for."""
_UNKNOWN = object()
"""In place of a value that may or may not be what is stored."""


class _Last(NamedTuple):
    """What was true when something was stored last, and stays so until something is."""

    owners: Mapping[str, str]
    term: int
    absent: Names


class State:
    """The cells, and what of them is stored."""

    def __init__(
        self,
        store: Store,
        loaded: Loaded,
        clock: Clock,
        journal: Journal,
        pins: PinBook,
        lacks: frozenset[str] = frozenset(),
    ) -> None:
        """``loaded``: what the store holds; but for what it ``lacks``, by name, which is to be stored first.

        Raises StoreError when that cannot be read.
        """
        self._store = store
        self._clock = clock
        self._journal = journal
        self._pins = pins
        self._intent_text = IntentText()
        found = StoredCells(store.name, loaded.data(), clock)
        self.intent: Cell[Intent] = Cell("intent", found.intent())
        self.tables: Cell[Tables] = Cell("tables", found.tables())
        self.verdicts: Cell[Verdicts] = Cell("verdicts", found.verdicts())
        self.admitted: Cell[Names] = Cell("admitted", found.names("admitted"))
        """lb switches that edges may use."""
        self.absent: Cell[Names] = Cell("absent", found.names("absent"))
        """Switches that are gone, or not yet what they should be: nothing is sent there. One that we have only just
        begun to wait for is not among them, one that was gone before we restarted is."""
        self.dead_links: Cell[Links] = Cell("dead_links", found.links())
        """Ports (switch, number) to other P4 switches behind which hellos get lost."""
        self.owners: Cell[Mapping[str, str]] = Cell("owners", found.owners())
        """VIP -> site that owns it."""
        self.orders: Cell[Orders] = Cell("orders", found.orders())
        """What operators asked of ownership."""
        self.told: Cell[SaidBy] = Cell("told", found.told())
        """What servers have said of themselves."""
        self.resources: Cell[Mapping[str, bytes]] = Cell("resources", found.octets(RESOURCE))
        """Parts of the intent by name, each written when it changes."""
        self.requests: Cell[Mapping[str, bytes]] = Cell("requests", found.octets(REQUEST))
        """Requests that were carried out, in the batches that hold what they changed."""
        self.term: Cell[int] = Cell("term", found.number("term"))
        """Claims switches; a greater one comes before any that they have seen."""
        self.secret = found.secret()
        """What P4 switches key their memory's digests with."""
        self._revision = loaded.revision
        self._written = {name: stored.revision for name, stored in loaded.values.items()}
        self.stored = self.intent.value
        """The intent of the last commit."""
        self._committed: Cell[PlanInput | None] = Cell("committed", None)
        self._kept = found.kept({name: value for name, (value, _) in self._parts().items()})
        """What is stored, by name, as the objects that it was made from."""
        self._kept |= dict.fromkeys(lacks, _UNKNOWN)
        self._last = _Last(self.owners.value, self.term.value, self.absent.value)
        self.ahead: Ahead | None = None
        """Decides what is carried out before it can be stored; set by the one who assembles. None: nothing is."""
        self._gone_ahead: dict[str, object] = {}
        """What was, by name, since the last commit."""
        self._dirty = asyncio.Event()
        self._busy = asyncio.Lock()
        self.problem = ""
        """Why the store cannot be written; empty: it can."""
        self.observe: Callable[[float], None] = _unobserved
        """Handed the seconds that each commit took; set by the one who assembles."""
        self.tracing: Tracing = NOT_TRACED
        """Told what is stored; set by the one who assembles."""
        for cell in self._cells():
            cell.subscribe(self._dirty.set)
        journal.change = lambda: self._revision

    @property
    def committed(self) -> Readable[PlanInput | None]:
        """What plans are made from; None before the first commit."""
        return self._committed

    @property
    def revision(self) -> int:
        """Of the last commit."""
        return self._revision

    def written(self, name: str) -> int:
        """Revision of the last commit that wrote a stored value; 0: there is none."""
        return self._written.get(name, 0)

    def resource_written(self, name: str) -> int:
        """The same for one of ``resources``."""
        return self.written(RESOURCE + name)

    async def run(self) -> None:
        """Commit whenever something has changed; until cancelled. Raises GuardFailed: the store is another's now."""
        while True:
            await self._dirty.wait()
            try:
                await self.commit()
            except StoreError as error:
                if not self.problem:
                    self._journal.event("store_failed", error=str(error))
                self.problem = str(error)
                await self._go_ahead()
                await asyncio.sleep(RETRY)
            except GuardFailed as error:
                self._journal.event("store_taken", error=str(error))
                raise

    async def begin(self) -> None:
        """The first commit; without the store where an operator says so. Raises StoreError, GuardFailed."""
        try:
            await self.commit()
        except StoreError as error:
            if self.ahead is None or not self.ahead.confirmed:
                raise
            self.problem = str(error)
            self._journal.event("store_failed", error=self.problem)
            self._last = self._last._replace(term=self.term.value)
            await self._go_ahead()
            if self._committed.value is None:
                raise

    async def commit(self) -> int:
        """Store what has changed, then let plans see it; the store's revision of it.

        Raises StoreError: then no plan has seen anything, and it is tried again. Raises GuardFailed when another
        controller has written meanwhile: then this one can store nothing more.
        """
        self.tracing.asks()
        async with self._busy:
            self._dirty.clear()
            mark, traced = self._journal.keeper.mark(), self.tracing.mark()
            parts, world, intent = self._parts(), self._world(self.owners.value), self.intent.value
            last = _Last(self.owners.value, self.term.value, self.absent.value)
            batch = await self._made(parts)
            if batch:
                self._revision = await self._write(batch)
                self._note_written(batch)
                self.stored, self._last = intent, last
                self._kept = {name: value for name, (value, _) in parts.items()}
            self._journal.keeper.stored(mark, self._revision)
            if self.problem:
                self.problem = ""
                self._journal.event("store_recovered")
            self.tracing.stored(traced, self._revision)
            if batch or self._committed.value is None:
                self._committed.put(replace(world, revision=self._revision))
            if self.ahead is not None and (batch or self._gone_ahead):
                self._gone_ahead = {}
                await self.ahead.stored()
            return self._revision

    async def _go_ahead(self) -> None:
        """Let plans see what cannot be stored, where that may be. It is tried again with the next commit."""
        async with self._busy:
            edited, outdone = self.intent.value is not self.stored, self.term.value != self._last.term
            asked = Asked(self.stored, edited, outdone, self._last.absent)
            if self.ahead is None or not self.ahead.may(asked):
                return
            goes, confirmed = self.ahead.goes, self.ahead.confirmed
            parts = {name: part for name, part in self._parts().items() if goes(name)}
            found = {name: value for name, (value, _) in parts.items()}
            if self._gone_ahead and _same(self._gone_ahead, found):
                return
            owners = self.owners.value if confirmed else self._last.owners
            world, batch = self._world(owners), self._batch(parts)
            batch = {name: data for name, data in batch.items() if goes(name)}
            if not batch.keys() - ALWAYS:
                return
            try:
                await self.ahead.save(self._revision, batch)
            except StoreError as error:
                self.problem = str(error)
                return
            self._gone_ahead = found
            self._committed.put(replace(world, revision=self._revision))

    async def _write(self, batch: Batch) -> int:
        """The batch's revision. It is written after what we have written or read, and after nothing else."""
        began = self._clock.now()
        try:
            guard = Guard(head=self._revision)
            if self.ahead is not None and self.ahead.hurried:
                revision = await self._store.commit(batch, guard, HURRIED)
            else:
                revision = await self._store.commit(batch, guard)
        except (StoreError, GuardFailed, asyncio.CancelledError):
            # It may have been written after all: its outcome is unknown, or the task that asked for it has ended. So
            # what it says is no longer known to be stored.
            self._kept |= dict.fromkeys(batch.keys() - ALWAYS, _UNKNOWN)
            self._dirty.set()
            raise
        self.observe(self._clock.now() - began)
        return revision

    def _note_written(self, batch: Batch) -> None:
        for name, data in batch.items():
            if data is None:
                self._written.pop(name, None)
            else:
                self._written[name] = self._revision

    def _cells(self) -> tuple[Readable[object], ...]:
        return (
            self.intent,
            self.tables,
            self.verdicts,
            self.admitted,
            self.absent,
            self.dead_links,
            self.owners,
            self.orders,
            self.told,
            self.resources,
            self.requests,
            self.term,
        )

    def _world(self, owners: Mapping[str, str]) -> PlanInput:
        return world_of(
            self.intent.value,
            self.tables.value,
            self._pins,
            self.admitted.value,
            owners,
            self.absent.value,
            self.dead_links.value,
        )

    def _parts(self) -> dict[str, tuple[object, Callable[[], bytes]]]:
        """All that is stored: name -> value, and how it becomes bytes."""
        tables = self.tables.value
        out: dict[str, tuple[object, Callable[[], bytes]]] = {
            "ids": (tables.ids, lambda: tables.ids.dump().encode()),
            "secret": (self.secret, self.secret.octets),
        }
        for name, value in (
            ("format", FORMAT),
            ("term", self.term.value),
            ("bound", tables.bound),
            ("retained", tables.retained),
            ("former", tables.former),
            ("turns", tables.turns),
            ("writers", tables.writers),
            ("tuned", tables.tuned),
            ("told", self.told.value),
            ("admitted", self.admitted.value),
            ("absent", self.absent.value),
            ("dead_links", self.dead_links.value),
            ("owners", self.owners.value),
            ("orders", self.orders.value),
        ):
            out[name] = (value, partial(json_of, value))
        intent = self.intent.value
        out["intent"] = (intent, partial(self._intent_text.of, intent))
        for key, state in tables.pools.items():
            out[POOL + key] = (state, partial(history.dump, state))
        for prefix, cell in ((RESOURCE, self.resources), (REQUEST, self.requests)):
            out |= {prefix + name: (data, partial(bytes, data)) for name, data in cell.value.items()}
        for pool, verdicts in self.verdicts.value.items():
            out[VERDICTS + pool] = (verdicts, partial(verdicts_told, verdicts))
        return out

    async def _made(self, parts: Mapping[str, tuple[object, Callable[[], bytes]]]) -> dict[str, bytes | None]:
        """The batch; in a thread if much of it is to become bytes: nothing of a value changes."""
        if _alike(self._kept.get("intent"), parts["intent"][0]):
            return self._batch(parts)
        return await asyncio.to_thread(self._batch, parts)

    def _batch(self, parts: Mapping[str, tuple[object, Callable[[], bytes]]]) -> dict[str, bytes | None]:
        """What differs from what is stored."""
        batch: dict[str, bytes | None] = {
            name: dump()
            for name, (value, dump) in parts.items()
            if name not in self._kept or not _alike(self._kept[name], value)
        }
        batch |= dict.fromkeys(name for name in self._kept if name not in parts)
        if batch:
            reading = Reading(self._clock.boot, self._clock.now())
            batch["clock"] = json_of(reading)
        return batch


def _unobserved(_: float) -> None:
    """Nothing is counted."""


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())


def _alike(one: object, other: object) -> bool:
    """Small values are compared, tables known by identity."""
    return one is other or (isinstance(one, int | frozenset) and one == other)
