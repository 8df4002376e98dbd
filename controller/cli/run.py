"""``evenkeel run``: the controller as a program."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import ssl
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from controller.api.listening import ListenError
from controller.app.assembly import App
from controller.app.beginning import IntentRefused, open_file
from controller.cli import codes
from controller.cli.face import ApiOptions, Face
from controller.cli.listenat import listen_at, unprotected
from controller.cli.ready import Ready
from controller.cli.standby import Ending, Waiting, led
from controller.cli.stores import Chosen, Where
from controller.cli.switchtls import NO_TLS, Speaking, SwitchTls
from controller.cli.traces import Traces
from controller.clock import Clock, SystemClock
from controller.core.commands import standby_commands
from controller.core.control import ControlSocket, socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.core.leadership import Deposed, Leadership
from controller.core.recorder import recorded
from controller.metrics import lag
from controller.metrics.exposed import Exposed
from controller.metrics.observations import Observations
from controller.metrics.options import NOWHERE, Options
from controller.model.errors import ConfigErrors
from controller.model.reload import IntentFile
from controller.security.credentials import Credentials
from controller.security.errors import SecurityError
from controller.sites.aheadfile import AheadFile
from controller.sites.base import GuardFailed, Loaded, Store, StoreError

if TYPE_CHECKING:
    from controller.cli.agent import PeerFiles
    from controller.southbound.openflow.connection import Hub
    from controller.southbound.openflow.listener import Guard

TAKEN_OVER = 5.0
"""Seconds in which the former leader, if it was on this machine and released its leadership, frees its address."""
_LOOK = 0.05


class _CannotListen(Exception):
    """An address that was asked for cannot be had: the option, and why."""


class _CannotRead(Exception):
    """What is stored is damaged."""


_ON_ITS_SOCKET = ApiOptions()


def run(
    config: Path | None,
    where: Where,
    listen: str,
    metrics: Options = NOWHERE,
    tls: SwitchTls = NO_TLS,
    api: ApiOptions = _ON_ITS_SOCKET,
    peers: PeerFiles | None = None,
    traces: str | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP: look at the intent file now. Returns an exit code.

    ``config``: the file that owns the intent; None: the store and the API do. ``metrics``: where they are shown.
    ``tls``: towards switches. ``peers``: how agents are reached, to ask what they see of servers. ``traces``: where
    spans are sent; None: there are none.
    """
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        file = None if config is None else open_file(config)
        host, port = listen_at(listen, 6653, tls)
        journal = Journal(sink, clock.wall)
        speaking = Speaking(tls, journal)
        place = metrics.place()
        shows = None if place is None else _Shows(f"--metrics {metrics.address}", place, metrics.tls())
        asks = None if peers is None or not peers.given else _Asks(peers.read())
        face = api.made(where.state, journal, clock)
        with face.closed_unless_used():
            sends = Traces(traces, where.name or str(where.state.resolve()), face.saying)
            chosen = Chosen(where)
    except ConfigErrors as errors:
        return _refuse(str(e) for e in errors)
    except (StoreError, SecurityError, ValueError) as error:
        return _refuse([str(error)])
    code = codes.Run.STOPPED
    exposed = Exposed(Observations(), clock, lambda: sink.dropped)
    exposed.observations.spans = sends.counts
    program = _Program(
        file, where.state, host, port, clock, journal, exposed, shows, speaking, face, asks, unprotected(host, tls),
        sends,
    )  # fmt: skip
    try:
        sys.setswitchinterval(TURN)
        asyncio.run(program.run(chosen))
    except* _CannotListen as errors:
        code = _refuse(str(e) for e in errors.exceptions)
    except* (_CannotRead, IntentRefused, ListenError) as errors:
        code = _refuse(str(e) for e in errors.exceptions)
    except* (GuardFailed, Deposed) as errors:
        _refuse(str(e) for e in _each(errors))
        code = codes.Run.OTHER_WRITER
    except* StoreError as errors:
        _refuse(str(e) for e in errors.exceptions)
        code = codes.Run.STORE_LOST
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        chosen.close()
        face.close()
        sends.close()
        sink.close()
    _end(code)
    return code


def _refuse(messages: Iterable[str]) -> codes.Run:
    print(*messages, sep="\n", file=sys.stderr)
    return codes.Run.CANNOT_START


def _each(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Those in groups within groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            yield error


def _end(code: int) -> None:
    """Leave now: os-ken's threads have no way to be stopped and would keep the process, and its port, alive."""
    sys.stderr.flush()
    os._exit(code)


@dataclass(frozen=True)
class _Shows:
    """Where metrics are shown."""

    option: str
    """As it was asked for."""
    place: tuple[str, int]
    tls: ssl.SSLContext | None


TURN = 0.001
"""Seconds after which a thread that computes lets the event loop go on. Python's own 5 ms are lost each time that the
loop lets go of the interpreter, as for a write or a large array: many times in one of its steps."""


@dataclass(frozen=True)
class _Asks:
    """How agents are reached."""

    tls: Credentials | None
    """None: without certificates."""


@dataclass(frozen=True)
class _Program:
    file: IntentFile | None
    state: Path
    host: str
    port: int
    clock: Clock
    journal: Journal
    exposed: Exposed
    shows: _Shows | None
    speaking: Speaking
    face: Face
    asks: _Asks | None
    unprotected: bool
    """Whether switches need no certificate where others than this machine reach us."""
    sends: Traces

    async def run(self, chosen: Chosen) -> None:
        """Until a signal comes, on a store that is ours alone, or on one that is shared while we lead."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self.speaking.begin()
        self.face.saying.begin()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # who does not serve yet reads the file anyway
        self.journal.observe = self.exposed.observations.event
        if self.unprotected:
            self.journal.event("listen_unprotected", listen=f"{self.host}:{self.port}")
        try:
            async with (
                self._shown(),
                chosen.opened() as store,
                recorded(store.log, chosen.shown, self.clock, self.journal),
            ):
                await self.face.api.start()
                try:
                    if chosen.name is None:
                        await self._alone(store)
                    else:
                        await self._shared(store, chosen.name)
                finally:
                    await self.face.api.stop()
        except asyncio.CancelledError:
            pass

    @asynccontextmanager
    async def _shown(self) -> AsyncIterator[None]:
        """Metrics, from here on: also of a controller that cannot read its store, or stands by."""
        if self.shows is None:
            yield
            return
        from controller.metrics.server import served

        serving = served(self.exposed, self.journal, self.shows.place, self.shows.tls)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(serving)
            except OSError as error:
                raise _CannotListen(f"{self.shows.option}: {error}") from error
            lags = asyncio.create_task(lag.watch(self.exposed.observations.lag, self.clock))
            stack.callback(lags.cancel)
            yield

    async def _alone(self, store: Store) -> None:
        await self._serve(await self._made(store), None, patience=0.0)

    async def _shared(self, store: Store, name: str) -> None:
        _warm()
        lead = self.exposed.lead = Leadership(store.registers, name, self.clock, self.journal)
        try:
            await lead.begin()
        except StoreError as error:
            raise _CannotRead(error) from error
        self.face.api.leader = lambda: lead.leader
        hold = _Hold(self.speaking.guard())
        hold.listen(self.host, self.port)

        ready = Ready(store, self.journal, self.clock, self.exposed.observations.probed)
        if self.asks is not None:
            ready.ask(name, self.asks.tls)

        async def serve(ending: Ending) -> None:
            app = await self._made(store, lead, ready)
            ready.belongs(app)
            lead.follow(app.state.intent)
            await self._serve(app, ending, TAKEN_OVER, hold)

        control = ControlSocket(
            socket_beside(self.state), standby_commands(lead.claim), self.journal, self.face.audit
        )
        control.instead = lambda: f"this controller stands by, and {lead.leader or 'none'} leads: ask there"
        waiting = Waiting(self.file, _status(self.state), self.clock, self.journal, ready.probed, control.run)
        async with ready.kept():
            await led(lead, store, waiting, serve)

    async def _made(
        self,
        store: Store,
        lead: Leadership | None = None,
        ready: Ready | None = None,
    ) -> App:
        try:
            beside = self.state.with_name(f"{self.state.name}.ahead")
            return App(
                self.file,
                store,
                await _loaded(store, lead, ready),
                self.journal,
                self.clock,
                health=None if ready is None else await ready.handed(),
                name=str(self.state.resolve()),
                lead=lead,
                observations=self.exposed.observations,
                ovsdb_files=self.speaking.files,
                places=None if ready is None else ready.places,
                ahead=None if lead is None else AheadFile(beside, store.name),
                tracing=self.sends.tracing,
            )
        except StoreError as error:
            raise _CannotRead(error) from error

    async def _serve(
        self, app: App, ending: Ending | None, patience: float, hold: _Hold | None = None
    ) -> None:
        """Until cancelled, which is an end like another. Raises what ``ending`` does."""
        from controller.southbound.openflow import connection as openflow
        from controller.southbound.p4 import pipeline
        from controller.southbound.p4.connections import P4Runtime

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, app.reload.set)
        core = app.controller
        impostor = self.speaking.impostor(lambda: {s.id: s.name for s in app.state.intent.value.switches})
        shared = ending is not None
        hub = openflow.Hub(loop, core.handle, core.cookies, lambda: app.terms.now, shared, impostor)
        known = self.speaking.credentials
        p4 = P4Runtime(core.handle, pipeline.balancer(), None if known is None else known.grpc_channel)
        core.on_switches = hub.switches_changed
        core.dialler = p4
        app.rollout.allow_push = p4.allow_push
        try:
            await app.begin()
            if hold is None or not hold.hand_over(hub):
                openflow.OpenFlowApp.hub = hub
                serve = partial(openflow.serve, guard=self.speaking.guard())
                await _listen(serve, self.host, self.port, self.clock, patience)
            app.journal.event("started", listen=f"{self.host}:{self.port}", term=app.terms.now)
            with self.exposed.serves(app):
                control = socket_beside(self.state)
                await app.run(_status(self.state), control, ending, self.face.api, self.face.audit)
        except asyncio.CancelledError:
            app.journal.event("stopped")
        finally:
            hub.close()
            await p4.close()


class _Hold:
    """Switches' streams while this controller stands by."""

    def __init__(self, guard: Guard) -> None:
        from controller.southbound.openflow import connection as openflow

        self._guard = guard

        self._openflow, self._hub, self._listens = openflow, openflow.StandbyHub(), False

    def listen(self, host: str, port: int) -> None:
        """Let switches connect already, unless another program has the address: it may be the one that leads."""
        self._openflow.OpenFlowApp.hub = self._hub
        with suppress(OSError):
            self._openflow.serve(host, port, guard=self._guard)
            self._listens = True

    def hand_over(self, hub: Hub) -> bool:
        """Switches are this hub's from now on; whether they can connect."""
        if self._listens:
            self._openflow.OpenFlowApp.hub = hub
        self._hub.hand_over(hub)
        return self._listens


async def _loaded(store: Store, lead: Leadership | None, ready: Ready | None) -> Loaded:
    """What is stored, or what was seen of it where an operator has this one lead without. Raises StoreError."""
    seen = ready.replica.loaded if ready is not None and lead is not None and lead.confirmed else None
    try:
        return await store.load()
    except StoreError:
        if seen is None:
            raise
        return seen


def _warm() -> None:
    """Read the program's parts now: the time counts when this one takes over."""
    from controller.southbound.openflow import connection
    from controller.southbound.p4 import connections, pipeline

    assert connection
    assert connections
    pipeline.balancer()


def _status(state: Path) -> Path:
    return state.with_name("status.json")


async def _listen(
    serve: Callable[[str, int], None], host: str, port: int, clock: Clock, patience: float
) -> None:
    """Refuses before any task runs. ``patience``: for a controller on this machine that is about to end."""
    end = clock.now() + patience
    while True:
        try:
            return serve(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or clock.now() > end:
                raise _CannotListen(f"--listen {host}:{port}: {error}") from error
        await asyncio.sleep(_LOOK)
