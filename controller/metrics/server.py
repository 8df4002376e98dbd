"""The HTTP server: ``/metrics``, ``/healthz``, ``/readyz``.

    request ─► figures, in the event loop ─► text, in a thread ─► all who asked meanwhile

However many ask, one text is made at a time. A client that is slow, or says nothing, loses its connection.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from controller.clock import Clock
from controller.core.journal import Journal
from controller.metrics import lag
from controller.metrics.figures import Standing
from controller.metrics.observations import Observations
from controller.metrics.text import OPEN, PLAIN

CONNECTIONS = 64
"""Connections at a time; a further one ends the oldest."""
WITHIN = 10.0
"""Seconds for an answer to be made and taken."""
_HANDSHAKE = 5.0
_COMPRESS = 1
"""Level of gzip: series are alike, and higher levels take longer than they save."""


class _Form(NamedTuple):
    """How a client wants the text."""

    plain: bool
    zipped: bool


class Shows(Protocol):
    """What is shown of a program. Figures are what only it understands."""

    def figures(self) -> Any:
        """Everything, as it is now; called in the event loop."""
        ...

    def text(self, figures: Any, plain: bool) -> bytes:
        """As metrics; called in a thread."""
        ...

    def standing(self) -> Standing:
        """Whether it is ready."""
        ...


class MetricsServer:
    """Answers requests."""

    def __init__(self, exposed: Shows, journal: Journal) -> None:
        self._exposed = exposed
        self._journal = journal
        self._server = web.Server(self._handle, access_log=None, keepalive_timeout=120.0)
        self._making: dict[_Form, asyncio.Task[bytes]] = {}
        self._turn = asyncio.Semaphore()

    def connection(self) -> asyncio.Protocol:
        """A new connection."""
        for each in self._server.connections[: 1 - CONNECTIONS or None]:
            if each.transport is not None:
                each.transport.abort()
        return self._server()

    async def close(self) -> None:
        """End all connections."""
        await self._server.shutdown(0.5)
        for task in self._making.values():
            task.cancel()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            async with asyncio.timeout(WITHIN):
                response = await self._answer(request)
        except TimeoutError:
            return _said(f"not made within {WITHIN:g} s", 503)
        try:
            async with asyncio.timeout(WITHIN):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return _said("only GET and HEAD are answered", 405, {"Allow": "GET, HEAD"})
        if request.path == "/metrics":
            return await self._metrics(request)
        if request.path == "/healthz":
            return _said("alive")
        if request.path == "/readyz":
            standing = self._exposed.standing()
            return _said(standing.why, 200 if standing.ready else 503)
        return _said("there are /metrics, /healthz and /readyz", 404)

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        accepts = request.headers.get("Accept", "")
        plain = "openmetrics" not in accepts and "text/plain" in accepts
        form = _Form(plain, "gzip" in request.headers.get("Accept-Encoding", ""))
        try:
            body = await asyncio.shield(self._made(form))
        except Exception as error:  # a defect here is one of what is shown, and no reason to end anything
            self._journal.failure(error, part="metrics")
            return _said("the figures could not be taken: see the journal", 500)
        headers = {"Content-Type": PLAIN if plain else OPEN, "Vary": "Accept, Accept-Encoding"}
        if form.zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    def _made(self, form: _Form) -> asyncio.Task[bytes]:
        """The text that is being made, or a new one."""
        task = self._making.get(form)
        if task is None:
            task = self._making[form] = asyncio.create_task(self._make(form))
            task.add_done_callback(lambda _: self._making.pop(form, None))
        return task

    async def _make(self, form: _Form) -> bytes:
        async with self._turn:
            figures = self._exposed.figures()
            text = await asyncio.to_thread(self._exposed.text, figures, form.plain)
            return await asyncio.to_thread(gzip.compress, text, _COMPRESS) if form.zipped else text


def _said(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=f"{text}\n", status=status, headers=headers)


@asynccontextmanager
async def served(
    exposed: Shows, journal: Journal, place: tuple[str, int], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Answer there; the port. Raises OSError where nothing can listen."""
    server = MetricsServer(exposed, journal)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        server.connection, *place, ssl=tls, ssl_handshake_timeout=_HANDSHAKE if tls else None
    )
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.close()


@asynccontextmanager
async def exposing(
    exposed: Shows,
    observations: Observations,
    journal: Journal,
    clock: Clock,
    place: tuple[str, int],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """The same, and ``observations`` has the process's events and how late its loop is. Raises OSError likewise."""
    journal.observe = observations.event
    async with served(exposed, journal, place, tls):
        lags = asyncio.create_task(lag.watch(observations.lag, clock))
        try:
            yield
        finally:
            lags.cancel()
