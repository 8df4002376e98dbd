"""``evenkeel nameserver``: a name server as a program. It follows controllers by their API, as other clients do.

controllers' API ─► Following ─► NameServer ─► those who ask
       ▲                             │ times of TCP connections
       └──────── reports ◄───────────┘
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import signal
import sys
import traceback
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from controller.cli import codes
from controller.cli.contexts import BadPlace
from controller.cli.place import Chosen, Place
from controller.cli.spans import seconds
from controller.client import ApiError, AsyncClient, Tls
from controller.clock import Clock, SystemClock
from controller.core import statusfile
from controller.core.journal import Journal, QueuedSink
from controller.exits.names.compiling import Compiler
from controller.exits.names.content import Content
from controller.exits.names.inputs import Inputs
from controller.exits.names.measuring import Measuring
from controller.exits.names.memory import Memory
from controller.exits.names.serve.cookies import SECRET, Cookies
from controller.exits.names.serve.following import Following, News
from controller.exits.names.serve.kept import Kept
from controller.exits.names.serve.limiting import Limits
from controller.exits.names.serve.server import NameServer
from controller.exits.names.serve.server import Options as Serving
from controller.exits.names.serve.wire import Rcode
from controller.metrics.nameserver import NameServerExposed, NameServerFigures
from controller.metrics.observations import Observations
from controller.metrics.options import Options as MetricsOptions
from controller.security.files import too_open
from controller.spec.codec import decode

PORT = 53
SHOWN, REPORTED, AGAIN = 1.0, 5.0, 10.0
"""Seconds between two writings of the status, between two reports, and until a refused stream is asked for again."""
SWITCH = 0.0005
"""Seconds after which a thread that reads a content lets others have the processor."""
COLLECT = (5_000, 1_000, 1_000)
"""When Python looks for circles: among few young objects, and hardly ever among all, which would hold answers up for
tens of milliseconds. Tables that are replaced are taken apart."""
SECRETS = 4
"""Secrets of cookies in a file, at most."""
LARGEST = 64 << 20
"""Octets of what answers follow from, at most."""


@dataclass(frozen=True)
class Wanted:
    """What the options say."""

    listen: tuple[str, ...]
    chosen: Chosen
    data: Path
    name: str
    site: str
    keys: Path | None
    cookies: Path | None
    rate: int
    slip: int
    shared: bool
    expire: str
    metrics: MetricsOptions


class _CannotStart(Exception):
    """An address cannot be used."""


def nameserver(wanted: Wanted) -> int:
    """Run until SIGTERM or SIGINT. Returns an exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        program = _Program(wanted, clock, Journal(sink, clock.wall), lambda: sink.dropped)
    except (BadPlace, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        sink.close()
        return codes.Run.CANNOT_START
    code = codes.Run.STOPPED
    sys.setswitchinterval(SWITCH)
    gc.set_threshold(*COLLECT)
    gc.freeze()
    try:
        asyncio.run(program.run())
    except* _CannotStart as errors:
        print(*errors.exceptions, sep="\n", file=sys.stderr)
        code = codes.Run.CANNOT_START
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        sink.close()
    return code


class _Program:
    """One run of it."""

    def __init__(self, wanted: Wanted, clock: Clock, journal: Journal, dropped: Callable[[], int]) -> None:
        """Raises BadPlace, ValueError, OSError."""
        self._wanted, self._clock, self._journal, self._dropped = wanted, clock, journal, dropped
        wanted.data.mkdir(parents=True, exist_ok=True)
        self._place = wanted.chosen.place()
        self._metrics, self._tls = wanted.metrics.place(), wanted.metrics.tls()
        self._memory = Memory(clock.now, site=wanted.site)
        listen = tuple(address(each) for each in wanted.listen)
        serving = Serving(listen, wanted.shared, wanted.keys, Limits(wanted.rate, wanted.slip))
        self._server = NameServer(serving, Cookies(*cookie_secrets(wanted.cookies)), clock, self._measured)
        self._server.on_tables = lambda _: self._changed()
        self._changed_at: float | None = None
        self._resolvers: tuple[str, ...] = ()
        self._compiler, kept = Compiler(self._memory), Kept(wanted.data / "content")
        expire = seconds("--expire", wanted.expire)
        self._following = Following(self._server, self._content, kept, journal, clock, expire)

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        await self._following.begin()
        try:
            await self._server.start()
        except OSError as error:
            raise _CannotStart(f"--listen: {error}") from error
        wanted = self._wanted
        self._journal.event(
            "nameserver_started", name=wanted.name, site=wanted.site or None, listen=list(wanted.listen)
        )
        try:
            async with self._client() as client, self._exposed(), asyncio.TaskGroup() as group:
                for each in (self._server.run(), self._following.watch(), self._show(), self._follow(client)):
                    group.create_task(each)
                if wanted.site:
                    group.create_task(self._report(client))
                    group.create_task(self._measure())
        except asyncio.CancelledError:
            pass
        finally:
            await self._server.stop()
            self._journal.event("stopped")

    # -- controllers ------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncClient]:
        place = self._place
        try:
            made = client_of(place)
        except OSError as error:
            raise _CannotStart(f"{place.shown}: {error.filename}: {error.strerror}") from error
        async with made:
            yield made

    async def _follow(self, client: AsyncClient) -> None:
        while True:
            try:
                await self._following.follow(_news(client, self._wanted.name))
            except ApiError as error:
                self._following.refused(str(error))
            await asyncio.sleep(AGAIN)

    async def _report(self, client: AsyncClient) -> None:
        while True:
            await asyncio.sleep(REPORTED)
            report = self._memory.rtts.report()
            if report.rtts or report.asked:
                try:
                    await client.report_names(report.site, report.rtts, report.asked, timeout=REPORTED)
                except ApiError as error:
                    if not error.passes:
                        self._following.refused(str(error))

    async def _measure(self) -> None:
        """Ask resolvers how far they are. What keeps that from being done keeps nothing else."""
        while True:
            try:
                await Measuring(self._memory.rtts, self._following.refused).run(lambda: self._resolvers)
            except OSError as error:
                self._following.refused(f"the way to resolvers cannot be measured: {error}")
            await asyncio.sleep(AGAIN)

    def _content(self, octets: bytes) -> Content:
        """Called in a thread."""
        inputs = inputs_of(octets)
        self._resolvers = inputs.resolvers
        return self._compiler.compiled(inputs)

    def _measured(self, host: str, took: float) -> None:
        self._memory.rtts.note(ip_address(host.partition("%")[0]), took)

    # -- what it shows ----------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._changed_at = self._clock.now()

    def figures(self) -> NameServerFigures:
        """As they are now."""
        server, following, now = self._server, self._following, self._clock.now()
        counters = copy(server.counters)
        counters.rcodes = counters.rcodes.copy()
        problems = (following.problem, server.key_problem, *server.responder.tables.problems)
        age = None if self._changed_at is None else now - self._changed_at
        return NameServerFigures(
            self._wanted.name,
            self._wanted.site,
            following.age,
            age,
            following.expired,
            {} if following.expired else server.zones,
            tuple(filter(None, problems)),
            counters,
            server.signatures,
            server.seconds.taken(),
        )

    async def _show(self) -> None:
        """Its status, in a file."""
        file = self._wanted.data / "status.json"
        while True:
            text = json.dumps(shown(self.figures(), self._following), indent=1)
            try:
                await asyncio.to_thread(statusfile.write, file, text)
            except OSError as error:
                self._following.refused(f"{file}: {error.strerror}")
            await asyncio.sleep(SHOWN)

    @asynccontextmanager
    async def _exposed(self) -> AsyncIterator[None]:
        """Its metrics, if they are asked for."""
        if self._metrics is None:
            yield
            return
        from controller.metrics.server import exposing

        observed = Observations()
        exposed = NameServerExposed(self.figures, observed, self._dropped)
        shown_at = exposing(exposed, observed, self._journal, self._clock, self._metrics, self._tls)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(shown_at)
            except OSError as error:
                raise _CannotStart(f"--metrics {self._wanted.metrics.address}: {error}") from error
            yield


async def _news(client: AsyncClient, name: str) -> AsyncIterator[News]:
    async for each in client.follow_names(name):
        what = each.WhichOneof("what")
        yield News(each.revision, each.inputs if what == "inputs" else None, what == "none")


def shown(figures: NameServerFigures, following: Following) -> dict[str, object]:
    """What ``status.json`` holds."""
    counters = figures.counters
    return {
        "name": figures.name,
        "site": figures.site or None,
        "revision": following.revision,
        "controller": not following.alone,
        "heard": None if figures.heard is None else round(figures.heard, 1),
        "since": None if figures.age is None else round(figures.age, 1),
        "expired": figures.expired,
        "zones": dict(figures.names),
        "problems": list(figures.problems),
        "queries": counters.udp + counters.tcp,
        "answers": {Rcode(each).name: count for each, count in sorted(counters.rcodes.items())},
        "limited": counters.dropped + counters.slipped,
    }


def inputs_of(octets: bytes) -> Inputs:
    """What octets of the API say. Raises ValueError."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(octets, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError(f"more than {LARGEST} octets, or cut")
    return decode(Inputs, json.loads(text))


def client_of(place: Place) -> AsyncClient:
    """A client of the controllers that are meant. Raises OSError, BadPlace."""
    if place.socket is not None:
        return AsyncClient(f"unix:{place.socket}")
    context = place.context
    assert context is not None
    tls = None if context.ca is None else Tls(context.ca, context.cert, context.key)
    return AsyncClient(context.servers, tls, token=context.read_token())


def address(text: str) -> tuple[str, int]:
    """Host and port of ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``. Raises ValueError."""
    host, port = text, str(PORT)
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":") or str(PORT)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        found = ip_address(host)
        if not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError(port)
    except ValueError:
        raise ValueError(
            f"--listen {text}: write ADDRESS or ADDRESS:PORT, such as 192.0.2.1 or [2001:db8::1]:53"
        ) from None
    if found.is_unspecified:
        raise ValueError(
            f"--listen {text}: name each address: an answer has to come from the one that was asked"
        )
    return str(found), int(port)


def cookie_secrets(file: Path | None) -> tuple[bytes, ...]:
    """Of a file, one a line in hexadecimal; without one, a secret that only this process has. Raises ValueError."""
    if file is None:
        return (secrets.token_bytes(SECRET),)
    wrong = f"{file}: write 1 to {SECRETS} secrets, each {2 * SECRET} hexadecimal digits on a line of its own"
    try:
        if open_to := too_open(file):
            raise ValueError(open_to)
        lines = file.read_text().split()
        found = tuple(bytes.fromhex(line) for line in lines)
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}; {wrong.partition(': ')[2]}") from error
    except UnicodeDecodeError as error:
        raise ValueError(wrong) from error
    except ValueError as error:
        raise ValueError(str(error) if str(file) in str(error) else wrong) from error
    if not 1 <= len(found) <= SECRETS or any(len(each) != SECRET for each in found):
        raise ValueError(wrong)
    return found
