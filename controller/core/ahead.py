"""Goes on without the store: servers die while nothing can be stored, and their slots have to move all the same.

    the store is silent, leadership has been over for SETTLED, and most switches of every site obey this controller
        ─► what has changed is saved beside the state file ─► plans ─► switches, as often as something changes
    the store answers ─► one commit of all of it
                         another controller has led ─► this one ends, and what it was ahead is dropped

Who could lead in its place would have claimed the switches by then: so there is none that both reaches the store and
them. An intent, orders and owners go ahead of nothing: they are as they were stored. An operator may say instead that
no other controller leads, also to one that stood by: then owners go ahead too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from controller.clock import Clock
from controller.core.journal import Journal
from controller.sites.aheadfile import AheadFile, applied
from controller.sites.base import Batch, Loaded
from controller.spec.types import Intent

HEARD = 1.0
"""Seconds in which a switch says that another controller has it."""
EDITED = "an edit of the intent waits to be stored"
OUTDONE = "a switch names a newer controller"
CLOSED = "the store cannot be written, and this controller goes on without it: no edit is taken until it can"
_STAYS = frozenset({"intent", "orders", "format"})
_OWNED = frozenset({"owners", "term"})
"""They go ahead by an operator's word alone."""
_STAY = ("resource/", "request/")


class Alone(Protocol):
    """Leadership, where the store does not answer."""

    @property
    def alone(self) -> bool:
        """This one led last, and another one that reaches the store would lead by now; or ``confirmed``."""
        ...

    @property
    def confirmed(self) -> bool:
        """An operator has said that no other controller leads."""
        ...


class Asked(NamedTuple):
    """What would go ahead."""

    intent: Intent
    edited: bool
    """It is not the stored one."""
    outdone: bool
    """The term is not the stored one."""
    absent: frozenset[str]
    """Switches that were known to be gone when something was stored last."""


def begun(file: AheadFile | None, stored: Loaded, journal: Journal) -> tuple[Loaded, frozenset[str]]:
    """What to begin with, and the names of what the store lacks of it. Raises StoreError."""
    kept = None if file is None else file.load()
    if file is None or kept is None:
        return stored, frozenset()
    if why := file.fits(kept, stored):
        journal.event("ahead_dropped", values=len(kept.batch), why=why)
        return stored, frozenset()
    journal.event("ahead_taken", values=len(kept.batch))
    return applied(kept, stored), frozenset(kept.batch)


class Ahead:
    """Of one controller among several on one store."""

    def __init__(
        self,
        file: AheadFile,
        lead: Alone,
        obeys: Callable[[int], bool],
        claim: Callable[[], None],
        journal: Journal,
        clock: Clock,
    ) -> None:
        """``obeys``: whether a switch is here, and in step; ``claim``: asks all of them whose they are."""
        self._file, self._lead, self._obeys, self._claim = file, lead, obeys, claim
        self._journal, self._clock = journal, clock
        self._claimed: float | None = None
        self._barred = ""
        self._there = True
        """Something may be in the file."""
        self.values = 0
        """Stored values that are carried out and not stored yet."""

    @property
    def hurried(self) -> bool:
        """The store is not waited for."""
        return self._lead.alone

    @property
    def confirmed(self) -> bool:
        """An operator says that no other controller leads."""
        return self._lead.confirmed

    @property
    def closed(self) -> str:
        """Why no edit is taken; empty: it is."""
        return CLOSED if self._lead.alone else ""

    def goes(self, name: str) -> bool:
        """Whether a stored value of that name may be ahead of the store."""
        if name in _OWNED:
            return self._lead.confirmed
        return name not in _STAYS and not name.startswith(_STAY)

    def may(self, asked: Asked) -> bool:
        """Whether switches may be ahead of the store now; why not is said when it is another reason."""
        if not self._lead.alone:
            self._claimed = None
            return False
        why = next(self._bars(asked), "")
        if why != self._barred:
            self._barred = why
            if why:
                self._journal.event("ahead_barred", why=why)
        if why:
            self._claimed = None
            return False
        first, now = self._claimed is None, self._clock.now()
        self._claim()
        if first:
            self._claimed = now
        assert self._claimed is not None
        return self._lead.confirmed or now >= self._claimed + HEARD

    async def save(self, base: int, batch: Batch) -> None:
        """Keep it until it is stored. Raises StoreError: then it must not go ahead."""
        await asyncio.to_thread(self._file.save, base, batch)
        self._there, self.values = True, len(batch)
        self._journal.event("ahead", values=len(batch))

    async def stored(self) -> None:
        """The store has all of it."""
        self._claimed, self.values = None, 0
        if self._there:
            try:
                await asyncio.to_thread(self._file.remove)
            except OSError as error:
                self._journal.failure(error)
                return
            self._there = False

    def _bars(self, asked: Asked) -> Iterator[str]:
        if asked.edited:
            yield EDITED
        if asked.outdone:
            yield OUTDONE
        if self._lead.confirmed:
            return
        wanted = [each for each in asked.intent.switches if each.name not in asked.absent]
        sizes = Counter(each.site for each in wanted)
        ours = Counter(each.site for each in wanted if self._obeys(each.id))
        for site, size in sorted(sizes.items()):
            if 2 * ours[site] <= size:
                yield f"{ours[site]} of {size} switches of {site} obey this controller: another one may have the rest"
