"""Owns the prober process: starts it, feeds it, restarts it, delivers its results in the caller's loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from controller.health.engine import LATENESS_STEP
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Probe
from controller.health.wire import Beat, Change, Message, Unpacker, pack

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_SILENT_BEATS = 5
_BACKOFF = (0.0, 0.2, 0.5, 1.0, 2.0)
_OUTCOMES = tuple(Outcome)


@dataclass(frozen=True)
class ProberStats:
    """How probing goes; counts since ``start``."""

    probes: int
    """Probes started."""
    p50_lateness: float
    """Seconds between the time a probe was due and its start, median."""
    p99_lateness: float
    """The same, 99th percentile."""
    dropped: int
    """Results lost because the caller's loop did not read for long."""
    restarts: int
    """Prober processes started after the first."""
    sockets: int
    """Sockets open at the last report."""
    stalled: float
    """Seconds for which the present process did not get to run."""
    pid: int | None
    """Prober process."""
    lateness: Mapping[int, int] = field(default_factory=dict)
    """Probes started, by lateness in steps of ``engine.LATENESS_STEP``."""


def quantile(counts: Counter[int], share: float) -> int:
    """The smallest value such that at least ``share`` of the counted values are not larger; 0 if none."""
    wanted, seen = share * sum(counts.values()), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return 0


class Prober:
    """Keeps one process probing.

    ``on_results`` gets every batch a few milliseconds after its results are known, ``on_problem`` one line
    when the process died or was silent. Both are called in the loop that ran ``start``.
    """

    def __init__(
        self,
        on_results: Callable[[list[ProbeResult]], None],
        on_problem: Callable[[str], None] = log.warning,
    ) -> None:
        self._on_results = on_results
        self._on_problem = on_problem
        self._probes: dict[int, Probe] = {}
        self._ids: dict[Probe, int] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None
        self._channel: _Channel | None = None
        self._lateness: Counter[int] = Counter()
        self._dropped = 0
        self._beat = Beat()
        self._starts = 0
        self._pid: int | None = None

    async def start(self) -> None:
        """Start the process, unless that was done; returns when it runs. Raises ``OSError`` if it cannot be started."""
        if self._task is not None and not self._task.done():
            return
        running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_running(running), name="health-prober")
        await running

    async def stop(self) -> None:
        """End the process; no callback comes after this returns."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """From now on exactly these are asked; those that stay are not disturbed."""
        wanted = set(probes)
        gone = [self._ids.pop(probe) for probe in [p for p in self._ids if p not in wanted]]
        for ident in gone:
            del self._probes[ident]
        added: list[tuple[int, Probe]] = []
        for probe in sorted(wanted - self._ids.keys(), key=lambda p: p.key):
            self._ids[probe] = self._next_id
            self._probes[self._next_id] = probe
            added.append((self._next_id, probe))
            self._next_id += 1
        if self._channel is not None and (added or gone):
            self._channel.send(Change(tuple(added), tuple(gone)))

    def stats(self) -> ProberStats:
        """Figures up to the last report, at most about a second old."""
        return ProberStats(
            probes=self._lateness.total(),
            p50_lateness=quantile(self._lateness, 0.5) * LATENESS_STEP,
            p99_lateness=quantile(self._lateness, 0.99) * LATENESS_STEP,
            dropped=self._dropped,
            restarts=max(0, self._starts - 1),
            sockets=self._beat.sockets,
            stalled=self._beat.stalled,
            pid=self._pid,
            lateness=dict(self._lateness),
        )

    async def _keep_running(self, running: asyncio.Future[None]) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                why = await self._run_once(running)
            except OSError as error:
                if not running.done():
                    running.set_exception(error)
                    return
                why = f"could not be started: {error}"
            failures = 0 if loop.time() - began > 10 else failures + 1
            pause = _BACKOFF[min(failures, len(_BACKOFF)) - 1] if failures else 0.0
            self._on_problem(f"health prober {why}; verdicts stand still, starting another in {pause:g} s")
            await asyncio.sleep(pause)

    async def _run_once(self, running: asyncio.Future[None]) -> str:
        """One life of the process; the answer says how it ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "controller.health.child",
                    str(theirs.fileno()), str(os.getpid()),
                    pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, env=_environment(),
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        self._starts += 1
        self._pid = process.pid
        try:
            _, channel = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Channel(self._take), sock=ours
            )
            self._channel = channel
            channel.send(Change(tuple(self._probes.items())))
            if not running.done():
                running.set_result(None)
            silent = await channel.watch()
            return f"was silent for {_SILENT_BEATS} s" if silent else f"ended ({await _ended(process)})"
        finally:
            self._pid, self._channel = None, None
            ours.close()
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _take(self, messages: list[Message]) -> None:
        results: list[ProbeResult] = []
        probes = self._probes
        for message in messages:
            if isinstance(message, Beat):
                self._lateness.update(message.lateness)
                self._dropped += message.dropped
                self._beat = message
            elif isinstance(message, list):
                for ident, outcome, reason, started, finished in message:
                    probe = probes.get(ident)
                    if probe is not None:  # else removed while the result was on its way
                        results.append(ProbeResult(probe, _OUTCOMES[outcome], reason, started, finished))
        if results:
            self._on_results(results)


class _Channel(asyncio.Protocol):
    """The parent's end of the socket."""

    def __init__(self, take: Callable[[list[Message]], None]) -> None:
        self._take = take
        self._unpacker = Unpacker()
        self._closed = asyncio.Event()
        self._silent_for = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Results or a beat; a fault in the receiver must not end the channel."""
        self._silent_for = 0
        messages = self._unpacker.feed(data)
        try:
            if not self._closed.is_set():
                self._take(messages)
        except Exception:
            log.exception("health results could not be handled")

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone."""
        self._closed.set()

    def send(self, change: Change) -> None:
        """Queue for the process."""
        if self._transport is not None:
            self._transport.write(pack(change))

    async def watch(self) -> bool:
        """Return when the channel ends; True: because nothing came for too long.

        Seconds are counted one by one, so that a stall of this loop is not held against the process.
        """
        try:
            while self._silent_for < _SILENT_BEATS:
                try:
                    await asyncio.wait_for(self._closed.wait(), 1.0)
                    return False
                except TimeoutError:
                    self._silent_for += 1
            return True
        finally:
            self._closed.set()
            if self._transport is not None:
                self._transport.abort()


async def _ended(process: asyncio.subprocess.Process) -> str:
    """How a process ended whose channel is closed: it must follow within seconds."""
    try:
        code = await asyncio.wait_for(process.wait(), 5.0)
    except TimeoutError:
        return "channel closed, process did not end"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """Ours, with the place of this package first, however it was found by this process."""
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT)}
