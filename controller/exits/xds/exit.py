"""The exit: follows what is seen, makes the next book beside the event loop, and has the server publish it.

The protocol's messages are imported when the intent has a ``discovery`` for the first time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from controller.core.shown import ExitStatus
from controller.exits.base import Around, Seen
from controller.security.credentials import Credentials, Options, Paths
from controller.security.errors import SecurityError
from controller.spec.discovery import Discovery

if TYPE_CHECKING:
    from controller.exits.xds.book import Book, Maker
    from controller.exits.xds.explaining import Explained
    from controller.exits.xds.server import Server, Stream
    from controller.exits.xds.session import Refusal

AGAIN = 1.0
"""Seconds until an address that could not be had is tried again."""
BREATH = 0.01
"""Seconds between two books, at least: what changes meanwhile is in one of them."""
SAID = 5
"""Events about one version that clients refuse, at most: thousands may refuse it at once."""
OPTIONS = Options("discovery.tls.cert", "discovery.tls.key", "discovery.tls.ca")


class DiscoveryExit:
    """Serves xDS while the intent says so."""

    name = "discovery"

    def __init__(self, around: Around) -> None:
        self._see, self._journal, self._clock = around.see, around.journal, around.clock
        self._changed = asyncio.Event()
        self._server: Server | None = None
        self._listens: tuple[object, ...] | None = None
        self._problem = ""
        self._counted: Counter[str] = Counter()
        """``refusals`` (NACKs), and clients ``cut`` off."""
        self._said: Counter[tuple[str, str]] = Counter()
        """Events by kind and version that is refused."""
        around.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled."""
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._see().intent.discovery is not None:
                    await self._serve()
        finally:
            await self._stop()

    async def _serve(self) -> None:
        """Until the intent says nothing of it any more."""
        from controller.exits.xds import book as books
        from controller.exits.xds.server import Server

        server = self._server = Server(self._clock, self._refused, self._cut)
        maker, book = books.Maker(), books.EMPTY
        try:
            while (discovery := (seen := self._see()).intent.discovery) is not None:
                self._changed.clear()
                book = await asyncio.to_thread(self._make, maker, book, seen)
                await server.publish(book)
                await self._listen(server, discovery)
                await self._rest(book)
        finally:
            await self._stop()

    def _make(self, maker: Maker, before: Book, seen: Seen) -> Book:
        from controller.exits.xds.book import Inputs

        of = Inputs(seen.revision, seen.intent, seen.tables, seen.verdicts, seen.drained)
        return maker.make(of, before, self._clock.now())

    async def _rest(self, book: Book) -> None:
        """Until something changes, a cluster retires, or the address is to be tried again."""
        from controller.exits.xds.book import RETIRES

        await asyncio.sleep(BREATH)
        now = self._clock.now()
        waits = [since + RETIRES - now for since in book.retired.values()]
        waits += [AGAIN] if self._problem else []
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(waits)) if waits else None):
                await self._changed.wait()

    async def _listen(self, server: Server, discovery: Discovery) -> None:
        """Listen where the intent says, if that is elsewhere than before."""
        from controller.exits.xds.server import CannotListen

        where = discovery.listen, discovery.tls
        if where == self._listens:
            return
        if self._listens is not None:
            await server.stop()
            self._listens = None
        try:
            tls, certificates = self._credentials(discovery)
            await server.start(discovery.listen, tls, certificates)
        except (CannotListen, SecurityError, OSError) as error:
            if str(error) != self._problem:
                self._journal.event("discovery_closed", listen=discovery.listen, why=str(error))
            self._problem = str(error)
            return
        self._problem, self._listens = "", where
        self._journal.event("discovery_serves", listen=discovery.listen, tls=discovery.tls is not None)

    def _credentials(self, discovery: Discovery) -> tuple[Credentials | None, bool]:
        """And whether clients have to show a certificate. Raises SecurityError."""
        files = discovery.tls
        if files is None:
            return None, False
        cert = Path(files.cert)
        # Without an authority of clients none is asked for a certificate: our own stands in its place.
        paths = Paths(cert, Path(files.key), cert if files.ca is None else Path(files.ca))
        loop = asyncio.get_running_loop()

        def unused(why: str) -> None:
            loop.call_soon_threadsafe(lambda: self._journal.event("certificate_unused", why=why))

        return Credentials(paths, OPTIONS, unused), files.ca is not None

    async def _stop(self) -> None:
        server, self._server, self._listens, self._problem = self._server, None, None, ""
        if server is not None:
            await server.stop()

    def _refused(self, stream: Stream, refusal: Refusal) -> None:
        self._counted["refusals"] += 1
        said = refusal.kind.word, refusal.version
        self._said = self._said if said in self._said else Counter({said: 0})
        self._said[said] += 1
        if self._said[said] > SAID:
            return
        self._journal.event(
            "discovery_rejected",
            client=stream.who.node,
            program=stream.who.program,
            kind=refusal.kind.word,
            version=refusal.version,
            why=refusal.why,
        )

    def _cut(self, stream: Stream) -> None:
        self._counted["cut"] += 1
        self._journal.event("discovery_cut", client=stream.who.node, address=stream.address, why=stream.cut)

    def explain(self, service: str, region: str) -> Explained:
        """What clients of a region are told of a service. Raises ValueError: there is none of that name."""
        if self._server is None:
            raise ValueError("the intent has no discovery")
        from controller.exits.xds.explaining import explained

        return explained(self._server.book, service, region)

    def shown(self) -> ExitStatus | None:
        """How it is."""
        server = self._server
        if server is None:
            return None
        from controller.exits.xds.shown import shown

        return shown(server, self._problem, self._counted)
