"""Digests and idle entries on their way from the data plane to the primaries, by a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from finsy.proto import p4r

from topo.p4switch.runtime.pipeline import Pipeline
from topo.p4switch.runtime.tables import TableServer
from topo.p4switch.state import DigestMessage, Entry

MAX_WAITING = 65536
"""Digests from the data plane that have not been looked at yet; further ones are dropped and counted."""

SWEEP_NS = 250_000_000
"""How often idle entries are looked for."""

SWEEP_SLICE = 2048
"""Entries looked at under one hold of the lock."""

_REST = 0.05
"""Seconds between two looks while the data plane reports nothing and no list is due earlier."""

Send = Callable[[p4r.StreamMessageResponse], bool]


class Notifier:
    """Turns what the data plane reports into messages for the primaries.

    ``poll`` does all the work and takes the time; ``run`` calls it until ``stop``.
    """

    def __init__(self, send: Send, clock: Callable[[], int], wall: Callable[[], int]) -> None:
        """``send`` says whether any primary got the message; ``wall`` gives ns since the epoch for time stamps."""
        self.dropped = 0
        """Digests that found the queue full, or that no primary was there for."""
        self._send = send
        self._clock = clock
        self._wall = wall
        self._pipeline: Pipeline | None = None
        self._waiting: deque[DigestMessage] = deque()
        self._wake = threading.Event()
        self._stopped = False
        self._swept = clock()

    def attach(self, pipeline: Pipeline) -> None:
        """Report on this pipeline from now on, and no more on the one before."""
        if self._pipeline is not None:
            self._pipeline.switch.digest_sink = None
        self._waiting.clear()
        self._pipeline = pipeline
        pipeline.switch.digest_sink = self._digest

    def new_primary(self) -> None:
        """Forget what the primary before was told: the new one has to hear it again."""
        if self._pipeline is not None:
            with self._pipeline.digest_lock:
                for digest in self._pipeline.digests.values():
                    digest.forget()

    def run(self) -> None:
        """Poll until ``stop``; the body of a thread."""
        while not self._stopped:
            self._wake.wait(self.rest(self._clock()))
            self._wake.clear()
            self.poll(self._clock())

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopped = True
        self._wake.set()

    def rest(self, now: int) -> float:
        """Seconds until ``poll`` has something to do, if the data plane reports nothing until then."""
        pipeline = self._pipeline
        if pipeline is None:
            return _REST
        with pipeline.digest_lock:
            due = [at for one in pipeline.digests.values() if (at := one.deadline()) is not None]
        return min([_REST, *(max(at - now, 0) / 1e9 for at in due)])

    def poll(self, now: int) -> None:
        """Send the digest lists and idle notices that are due at ``now`` (the switch clock's ns)."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        self._poll_digests(pipeline, now)
        if now - self._swept >= SWEEP_NS:
            self._swept = now
            for table in pipeline.tables.values():
                if table.supports_idle:
                    self._sweep(pipeline, table, now)

    def _digest(self, message: DigestMessage) -> None:
        """Called by the data plane, its lock held."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(message)
        if not self._wake.is_set():
            self._wake.set()

    def _poll_digests(self, pipeline: Pipeline, now: int) -> None:
        lists = []
        with pipeline.digest_lock:
            # Only what is there now: a plane that reports without a pause must not hold this loop.
            for _ in range(len(self._waiting)):
                message = self._waiting.popleft()
                digest = pipeline.digest_named(message.name)
                if digest is not None:
                    lists.append(digest.offer(message.values, now))
            lists.extend(digest.due(now) for digest in pipeline.digests.values())
        for full in lists:
            if full is None:
                continue
            full.timestamp = self._wall()
            if not self._send(p4r.StreamMessageResponse(digest=full)):
                self.dropped += len(full.data)
                with pipeline.digest_lock:
                    pipeline.digests[full.digest_id].ack(full.list_id)

    def _sweep(self, pipeline: Pipeline, table: TableServer, now: int) -> None:
        with pipeline.switch.lock:
            entries = [entry for entry in table.table.entries() if entry.idle_timeout_ns]
        idle: list[p4r.TableEntry] = []
        for start in range(0, len(entries), SWEEP_SLICE):
            with pipeline.switch.lock:
                some = entries[start : start + SWEEP_SLICE]
                idle += [table.identity(entry) for entry in some if _is_idle(entry, now)]
        for start in range(0, len(idle), SWEEP_SLICE):
            notice = p4r.IdleTimeoutNotification(
                table_entry=idle[start : start + SWEEP_SLICE], timestamp=self._wall()
            )
            self._send(p4r.StreamMessageResponse(idle_timeout_notification=notice))


def _is_idle(entry: Entry, now: int) -> bool:
    """Whether an entry was not hit for its timeout, counted from its last notice if that is later."""
    if now - max(entry.last_hit, entry.idle_reported) < entry.idle_timeout_ns:
        return False
    entry.idle_reported = now
    return True
