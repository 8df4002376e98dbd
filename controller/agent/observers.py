"""A controller asks every agent what it sees of servers: one stream at a time to each, over whichever path works."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import grpc

from controller.agent import peer_pb2 as wire
from controller.agent.observing import BEAT, Observed
from controller.agent.peering import SERVICE, PathTo, channel_to
from controller.core.cells import Readable
from controller.health.places import View
from controller.health.targets import BackendRef
from controller.security.credentials import Credentials
from controller.spec.types import Intent

LATE = 3 * BEAT
"""Seconds without a message after which the next path is tried."""
BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds until the next attempt, by attempts in a row that brought nothing; up to half as much is added by chance."""


class Hearer(Protocol):
    """Who takes what agents say."""

    on_forget: Callable[[], None]

    def dial(self) -> None:
        """Agents are asked from now on."""

    def take(self, agent: str, view: View, changed: frozenset[BackendRef] | None) -> None:
        """All that an agent says now, and what of it is new."""


class Observers:
    """All agents that the intent names."""

    def __init__(self, intent: Readable[Intent], hearer: Hearer, name: str, tls: Credentials | None) -> None:
        """``name``: of this controller."""
        self._intent, self._hearer, self._name, self._tls = intent, hearer, name, tls
        self._changed = asyncio.Event()
        self._running: dict[str, tuple[tuple[str, ...], asyncio.Task[None]]] = {}
        self._again = False
        """All streams have to begin again."""
        intent.subscribe(self._changed.set)
        hearer.on_forget = self._forget
        hearer.dial()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                again, self._again = self._again, False
                self._follow(group, again)
                await self._changed.wait()

    def _forget(self) -> None:
        self._again = True
        self._changed.set()

    def _follow(self, group: asyncio.TaskGroup, again: bool) -> None:
        wanted = {agent.name: agent.peers for site in self._intent.value.sites for agent in site.agents}
        for name in list(self._running):
            peers, task = self._running[name]
            if again or wanted.get(name) != peers:
                task.cancel()
                del self._running[name]
        for name, peers in wanted.items():
            if name not in self._running and peers:
                task = group.create_task(self._hear(name, peers), name=f"observe {name}")
                self._running[name] = peers, task

    async def _hear(self, agent: str, peers: tuple[str, ...]) -> None:
        """One agent, whatever becomes of it: the path that works is kept, after that comes the next one."""
        at, failed = 0, 0
        while True:
            path = PathTo(agent, peers[at % len(peers)])
            try:
                heard = await self._stream(path)
            except (grpc.aio.AioRpcError, grpc.aio.UsageError, ValueError):
                heard = False
            failed = 0 if heard else failed + 1
            at += 1
            pause = BACKOFF[min(failed, len(BACKOFF) - 1)]
            await asyncio.sleep(pause * (1 + random.random() / 2))

    async def _stream(self, path: PathTo) -> bool:
        """Whether anything came before it ended. Raises ``AioRpcError`` of one that brought nothing."""
        observed, heard = Observed(), False
        async with channel_to(path, self._tls) as channel:
            call = channel.unary_stream(
                f"/{SERVICE}/Observe",
                request_serializer=wire.ObserveMessage.SerializeToString,
                response_deserializer=wire.ObservedMessage.FromString,
            )(wire.ObserveMessage(controller=self._name))
            try:
                while True:
                    async with asyncio.timeout(LATE):
                        message = await call.read()
                    if message is grpc.aio.EOF:
                        return heard
                    heard = True
                    taken = observed.take(message)
                    if taken is not None:
                        self._hearer.take(path.agent, *taken)
            except (grpc.aio.AioRpcError, TimeoutError):
                return heard
            finally:
                call.cancel()
