"""A stream of what an agent sees of servers: all of it first, then changes, and a beat where there are none.

Both ends stand here: ``observed`` says it, ``Observed`` takes it together again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress

from controller.agent import peer_pb2 as wire
from controller.agent.watching import Watching
from controller.health.places import Seen, View
from controller.health.targets import BackendRef

BEAT = 0.5
"""Seconds between two messages, at most."""
TOGETHER = 0.05
"""Seconds that changes wait for others."""
PART = 100
"""Servers in one message, at most."""
MOST = 100_000
"""Servers of which one agent speaks, at most."""
REASON = 200
"""Characters of a reason, at most: a message must not get too long."""


async def observed(watching: Watching) -> AsyncGenerator[wire.ObservedMessage, None]:
    """Until cancelled."""
    news = watching.listen()
    try:
        news.clear()
        said = watching.view
        for part in _whole(said):
            watching.sent += 1
            yield part
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await news.wait()
                    await asyncio.sleep(TOGETHER)
            news.clear()
            now = watching.view
            for part in _changes(said, now):
                watching.sent += 1
                yield part
            said = now
    finally:
        watching.ignore(news)


class Observed:
    """What has come on one stream."""

    def __init__(self) -> None:
        self.view = View()
        """All that is known."""
        self._verdicts: dict[BackendRef, Seen] = {}
        self._whole = False
        self._changed: set[BackendRef] = set()

    def take(self, message: wire.ObservedMessage) -> tuple[View, frozenset[BackendRef] | None] | None:
        """The view after a message and the servers that it changed (None: all); None: more belongs to it.

        Raises ValueError where there are more servers than an intent has.
        """
        if message.begins:
            self._verdicts, self._whole, self._changed = {}, False, set()
        for each in message.changes:
            ref = each.pool, each.backend
            self._changed.add(ref)
            if len(self._changed) > MOST or len(self._verdicts) > MOST:
                raise ValueError(f"it speaks of more than {MOST:,} servers")
            if each.verdict == wire.UNKNOWN:
                self._verdicts.pop(ref, None)
            else:
                self._verdicts[ref] = Seen(each.verdict == wire.UP, each.reason[:REASON])
        if not message.ends:
            return None
        changed = None if not self._whole or self.view.doubt != message.doubt else frozenset(self._changed)
        if changed is None or changed:
            self.view = View(dict(self._verdicts), message.doubt)
        self._whole, self._changed = True, set()
        return self.view, changed


def _whole(view: View) -> Iterator[wire.ObservedMessage]:
    yield from _parts(dict(view.verdicts), view.doubt, begins=True)


def _changes(before: View, now: View) -> Iterator[wire.ObservedMessage]:
    if before is now:
        yield wire.ObservedMessage(ends=True, doubt=now.doubt)
        return
    changes: dict[BackendRef, Seen | None] = {
        ref: seen for ref, seen in now.verdicts.items() if before.verdicts.get(ref) != seen
    }
    changes |= dict.fromkeys(before.verdicts.keys() - now.verdicts.keys())
    yield from _parts(changes, now.doubt, begins=False)


def _parts(
    changes: Mapping[BackendRef, Seen | None], doubt: str, *, begins: bool
) -> Iterator[wire.ObservedMessage]:
    rows = list(changes.items())
    for at in range(0, max(len(rows), 1), PART):
        yield wire.ObservedMessage(
            begins=begins and at == 0,
            ends=at + PART >= len(rows),
            changes=[_observation(ref, seen) for ref, seen in rows[at : at + PART]],
            doubt=doubt[:REASON],
        )


def _observation(ref: BackendRef, seen: Seen | None) -> wire.Observation:
    if seen is None:
        return wire.Observation(pool=ref[0], backend=ref[1])
    verdict = wire.UP if seen.up else wire.DOWN
    return wire.Observation(pool=ref[0], backend=ref[1], verdict=verdict, reason=seen.reason[:REASON])
