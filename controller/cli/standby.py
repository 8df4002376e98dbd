"""``evenkeel run`` on a store that several controllers share: stand by until this one leads, and serve only then.

While it stands by, ``status.json`` holds ``at`` and ``standby``, and none of what a running controller shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from controller import maglev
from controller.app.showing import STATUS_PERIOD
from controller.clock import Clock
from controller.core import statusfile
from controller.core.journal import Journal
from controller.core.leadership import Leadership
from controller.core.state import HURRIED
from controller.model.errors import ConfigErrors
from controller.model.reload import IntentFile
from controller.sites.base import COMMIT, Store, StoreError

Ending = Callable[[], Coroutine[object, None, None]]
"""Waits for the end of leadership, and raises what it ended by."""


@dataclass(frozen=True)
class Waiting:
    """What a controller has that stands by."""

    file: IntentFile | None
    """Owns the intent; None: the store and the API do."""
    status: Path
    clock: Clock
    journal: Journal
    probed: Callable[[], tuple[int, int]] = lambda: (0, 0)
    """Servers that are probed meanwhile, and how many of them are down."""
    control: Callable[[], Coroutine[object, None, None]] | None = None
    """Takes commands meanwhile; None: none are taken."""


async def led(
    lead: Leadership, store: Store, waiting: Waiting, serve: Callable[[Ending], Awaitable[None]]
) -> None:
    """Stand by, then serve. Leadership is given up at every end.

    Raises StoreError when the store cannot be written before serving, Deposed, and what ``serve`` raises.
    """
    holding = asyncio.create_task(lead.run())
    try:
        await _stand_by(lead, holding, waiting)
        await _succeed(lead, store)
        await serve(lambda: _serving(lead, holding))
    finally:
        holding.cancel()
        await asyncio.wait([holding])
        await lead.release()


async def _succeed(lead: Leadership, store: Store) -> None:
    """What the former leader has read is no longer the last batch: it can store nothing more. Raises StoreError.

    Where an operator has this one lead without the store, the store refuses the second of the two.
    """
    try:
        await store.commit({}, within=COMMIT if not lead.confirmed else HURRIED)
    except StoreError:
        if not lead.confirmed:
            raise


async def _serving(lead: Leadership, holding: asyncio.Task[None]) -> None:
    """Raises what leadership ended by. The task is not this one's to cancel."""
    lead.serves()
    await asyncio.wait([holding])
    holding.result()


async def _stand_by(lead: Leadership, holding: asyncio.Task[None], waiting: Waiting) -> None:
    won = asyncio.create_task(lead.won())
    control = None if waiting.control is None else asyncio.create_task(waiting.control())
    warming: asyncio.Task[None] | None = None
    try:
        while not won.done():
            await _look(lead, waiting)
            if warming is None and lead.leader not in (None, lead.name):
                # A takeover finds its tables in the store: the first one that it builds is for what has just died.
                warming = asyncio.create_task(asyncio.to_thread(maglev.warm))
            await asyncio.wait([won, holding], timeout=STATUS_PERIOD, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                holding.result()
    except asyncio.CancelledError:
        waiting.journal.event("stopped")
        raise
    finally:
        won.cancel()
        if control is not None:
            control.cancel()
            await asyncio.wait([control])
    await asyncio.to_thread(waiting.status.unlink, missing_ok=True)


async def _look(lead: Leadership, waiting: Waiting) -> None:
    """Show that this one stands by, and keep up with the intent file, which may be asked for once it leads."""
    try:
        file = waiting.file
        news = None if file is None else await asyncio.to_thread(file.poll)
        if file is not None and isinstance(news, ConfigErrors):
            waiting.journal.event("intent_refused", errors=[str(each) for each in news], digest=file.digest)
        if lead.leader is not None:
            await asyncio.to_thread(statusfile.write, waiting.status, _shown(lead, waiting))
    except Exception as error:  # neither a file nor a full disk ends the wait
        waiting.journal.failure(error, file=str(waiting.status))


def _shown(lead: Leadership, waiting: Waiting) -> str:
    servers, down = waiting.probed()
    standby = {
        "name": lead.name,
        "leader": lead.leader,
        "store": lead.problem,
        "servers": servers,
        "down": down,
        "intent_errors": [str(each) for each in (waiting.file and waiting.file.errors) or ()],
    }
    return json.dumps({"at": waiting.clock.wall(), "standby": standby}, indent=1)
