"""The audit log: append-only, chained by hashes, on disk before what it records is acknowledged.

    permitted ─► asked() ─► on disk ─► change is carried out ─► done() ─► on disk ─► acknowledged

``asked`` also sets room aside on the disk for the record that ends the change: where there is none, the change is
refused, and one that was carried out can always be recorded. Records that wait are written together.

A file that has grown to ``limit`` is renamed to ``FILE.NNNNNN``, by number of its first record, and the chain goes on
in a new one. Of the renamed ones the ``keep`` newest stay.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from controller.clock import Clock
from controller.security.auditfile import AuditFile
from controller.security.auditrecord import Change, Step, cut, ended
from controller.security.errors import AuditError

LIMIT, KEEP = 16 << 20, 16
"""Octets of a file, and renamed files that are kept."""
WAITING = 10_000
"""Records that wait for the disk; one more is refused."""
REFUSALS, BURST = 10.0, 100.0
"""Records of refusals in a second, and at once: calls without permission must not wash the others out."""


@dataclass
class _Job:
    step: Step
    fields: Mapping[str, object]
    ends: bool = False
    """Whether room was set aside for it."""
    result: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AuditLog:
    """One file, one writer: a thread of its own. Methods belong to an event loop."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        limit: int = LIMIT,
        keep: int = KEEP,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``on_failure``: is told (in a thread) why it cannot be written, once until it can be again.

        Raises AuditError: another process has it, it cannot be written, or its end was changed.
        """
        self._clock = clock
        self._on_failure, self._failing = on_failure, False
        self._tokens, self._filled = BURST, clock.now()
        self._unrecorded = 0
        self._file = AuditFile(path, clock, limit, keep)
        self._file.open()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def asked(self, change: Change) -> asyncio.Future[int]:
        """Record what is about to be done; its number, in time. Fails with AuditError: then it must not be done."""
        return self._write(_Job(Step.ASKED, change.fields()))

    def done(self, number: int, result: str, revision: int | None = None) -> asyncio.Future[int]:
        """Record how the change of record ``number`` ended: ``done``, or why not. Once for each, whatever happened.

        Fails with AuditError: it stands as it is, and its end could not be recorded.
        """
        return self._write(_Job(Step.DONE, ended(number, result, revision), ends=True))

    async def refused(self, change: Change, why: str) -> None:
        """Record what was refused. Beyond a rate these are counted, and the next one says how many.

        Raises AuditError.
        """
        now = self._clock.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled) * REFUSALS)
        self._filled = now
        if self._tokens < 1.0:
            self._unrecorded += 1
            return
        self._tokens -= 1.0
        fields = {**change.fields(), "result": cut(why, 512)}
        if self._unrecorded:
            fields["unrecorded"], self._unrecorded = self._unrecorded, 0
        await self._write(_Job(Step.REFUSED, fields))

    def close(self, within: float = 5.0) -> None:
        """Write what waits, for so many seconds at most."""
        with suppress(queue.Full):
            self._jobs.put(None, timeout=within)
            self._thread.join(within)

    def _write(self, job: _Job) -> asyncio.Future[int]:
        """A caller that goes away takes nothing back: what is recorded may have been done."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            text = f"audit log {self._file.path}: {WAITING} records wait for the disk; try again later"
            job.result.set_exception(AuditError(text))
        return job.result

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs, closing = [job], False
            while not closing:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                closing = more is None
                if more is not None:
                    jobs.append(more)
            # Ends first: for them there is room.
            for some in ([each for each in jobs if each.ends], [each for each in jobs if not each.ends]):
                self._together(some)
            if closing:
                break
        self._file.close()

    def _together(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            numbers = self._file.append([(job.step, job.fields) for job in jobs], ends=jobs[0].ends)
        except AuditError as error:
            if not self._failing:
                self._failing = True
                self._on_failure(str(error))
            _answer(jobs, [error] * len(jobs))
        except BaseException as error:
            why = f"audit log {self._file.path}: {type(error).__name__}: {error}"
            _answer(jobs, [AuditError(why)] * len(jobs))
        else:
            self._failing = False
            _answer(jobs, numbers)


def _answer(jobs: Sequence[_Job], results: Sequence[int | AuditError]) -> None:
    """In the thread: wake the event loop once for all that were written together."""

    def answer() -> None:
        for job, result in zip(jobs, results, strict=True):
            if job.result.done():
                continue
            if isinstance(result, AuditError):
                job.result.set_exception(result)
            else:
                job.result.set_result(result)

    with suppress(RuntimeError):  # the loop has ended, and those who waited with it
        jobs[0].result.get_loop().call_soon_threadsafe(answer)
