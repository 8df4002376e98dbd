"""A name server: its sockets, and the tables that follow the content.

content ─┐
keys ────┼─► tables, made little by little between questions ─► responder ◄─ UDP, TCP
time ────┘   (signatures that will end are made again)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from controller.clock import Clock
from controller.exits.names.content import Content
from controller.exits.names.serve.cookies import Cookies
from controller.exits.names.serve.counters import Counters
from controller.exits.names.serve.keys import KeyProblem, ZoneKey, keys_of
from controller.exits.names.serve.limiting import Limiter, Limits
from controller.exits.names.serve.responder import Responder
from controller.exits.names.serve.signing import DAY, Signatures, Signer, by_zone
from controller.exits.names.serve.tcp import Bounds, Measured, Streams, stream_socket
from controller.exits.names.serve.tree import Tables, grow
from controller.exits.names.serve.udp import Datagrams, datagram_socket
from controller.metrics.histogram import Histogram

SLICE = 0.0005
"""Seconds of work on tables between two turns of those who ask."""
LOOK = 5.0
"""Seconds between looks at the keys and at the time."""
AGAIN = DAY
"""Seconds after which tables are made again, so that no signature ends."""
QUICK = (0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.01, 0.05)
"""Upper bounds in seconds of what a question takes."""


@dataclass(frozen=True)
class Options:
    """Of a name server."""

    listen: tuple[tuple[str, int], ...]
    """Addresses and ports, for UDP and TCP alike."""
    shared: bool = False
    """Other processes may have them too."""
    keys: Path | None = None
    """Folder with the keys of signed zones."""
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)


class NameServer:
    """Answers what it has a content for."""

    def __init__(
        self, options: Options, cookies: Cookies, clock: Clock, measured: Measured = lambda *_: None
    ) -> None:
        self.counters = Counters()
        self.seconds = Histogram(QUICK)
        self._options, self._clock = options, clock
        self.responder = Responder(self.counters, Limiter(options.limits), cookies, clock.wall)
        self._streams = Streams(self.responder, options.bounds, measured)
        self._datagrams: list[Datagrams] = []
        self._signatures = Signatures()
        self._content: Content | None = None
        self._keys: tuple[ZoneKey, ...] = ()
        self._seen: object = None
        self._made = 0.0
        """When the tables were made, in Unix seconds."""
        self._turn = asyncio.Event()
        self.key_problem = ""
        """Why keys cannot be read; empty: they can."""
        self.on_tables: Callable[[Tables], None] = lambda _: None
        """Told when others are served."""

    @property
    def signatures(self) -> int:
        """That were made since it began."""
        return self._signatures.count

    @property
    def content(self) -> Content | None:
        """What was put last."""
        return self._content

    @property
    def zones(self) -> dict[str, int]:
        """Names with records in each zone that is served."""
        if self._content is None:
            return {}
        return {
            origin: len({name for name, _ in (*zone.fixed, *zone.balanced)})
            for origin, zone in self._content.zones.items()
        }

    def put(self, content: Content) -> None:
        """Serve this as soon as its tables are made."""
        self._content = content
        self._turn.set()

    async def start(self) -> None:
        """Listen. Raises OSError, ValueError naming the address."""
        self._read_keys()
        for host, port in self._options.listen:
            try:
                datagrams = datagram_socket(host, port, self._options.shared)
                self._datagrams.append(Datagrams(self.responder, self.seconds))
                self._datagrams[-1].open(datagrams)
                await self._streams.listen(stream_socket(host, port, self._options.shared))
            except OSError as error:
                await self.stop()
                raise OSError(f"{host} port {port}: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Listen no longer."""
        for each in self._datagrams:
            each.close()
        self._datagrams.clear()
        await self._streams.close()

    async def run(self) -> None:
        """Make tables whenever something has changed; until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self._turn.wait()
            except TimeoutError:
                if not self._is_due():
                    continue
            self._turn.clear()
            if self._content is not None:
                await self._make(self._content)

    async def _make(self, content: Content) -> None:
        wall = self._clock.wall()
        self._signatures.turn()
        signers = {
            origin: Signer(origin, keys, self._signatures, int(wall))
            for origin, keys in by_zone(self._keys).items()
        }
        before = self.responder.tables
        tables = await worked(grow(content, signers, before))
        self._made = wall
        self.responder.serve(tables)
        before.end()
        self.on_tables(tables)

    def _is_due(self) -> bool:
        """Keys are others, or the time is one for which signatures were not made."""
        changed = self._read_keys()
        return changed or not 0 <= self._clock.wall() - self._made < AGAIN

    def _read_keys(self) -> bool:
        """Whether they are others than before. Those that there are count until they can be read again."""
        folder = self._options.keys
        if folder is None:
            return False
        try:
            seen = sorted((each.name, each.stat().st_ctime_ns) for each in folder.iterdir())
            if seen == self._seen:
                return False
            keys = keys_of(folder)
        except (KeyProblem, OSError) as error:
            self.key_problem = str(error)
            return False
        self._seen, self.key_problem = seen, ""
        changed = {each.rdata for each in keys} != {each.rdata for each in self._keys}
        self._keys = keys
        return changed


async def worked(steps: Generator[None, None, Tables]) -> Tables:
    """What comes of many small steps, with turns for others in between."""
    while True:
        ends = time.perf_counter() + SLICE
        try:
            while time.perf_counter() < ends:
                next(steps)
        except StopIteration as done:
            made: Tables = done.value
            return made
        await asyncio.sleep(0)
