"""``evenkeel agent``: an agent of a site as a program."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from controller.agent.agent import Agent
from controller.cli import codes
from controller.cli.listenat import listen_at, unprotected
from controller.cli.stores import Chosen, Where
from controller.cli.switchtls import NO_TLS, Speaking, SwitchTls
from controller.clock import Clock, SystemClock
from controller.core.commands import agent_commands
from controller.core.control import ControlSocket, socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.core.recorder import recorded
from controller.metrics.agents import AgentExposed
from controller.metrics.observations import Observations
from controller.metrics.options import NOWHERE
from controller.metrics.options import Options as MetricsOptions
from controller.security.audit import AuditLog
from controller.security.credentials import Credentials, Options, credentials
from controller.security.errors import SecurityError
from controller.sites.base import StoreError

PRIORITY = 1
"""Of its thread among those that come before all others on the machine: the speaker's is greater."""


_PEER = Options("--peer-cert", "--peer-key", "--peer-ca")


@dataclass(frozen=True)
class PeerFiles:
    """What the options say of connections between agents."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False

    @property
    def given(self) -> bool:
        """Whether any option was."""
        return self.insecure or any((self.ca, self.cert, self.key))

    def read(self) -> Credentials | None:
        """What is in the files; None: connections are open to all who reach us. Raises ValueError, SecurityError."""
        given = (self.ca, self.cert, self.key)
        if self.insecure:
            if any(given):
                raise ValueError("--insecure-peers excludes --peer-ca, --peer-cert and --peer-key")
            return None
        if None in given:
            raise ValueError(
                "agents tell each other apart by certificates: give --peer-ca, --peer-cert and --peer-key "
                "(evenkeel pki makes them), or --insecure-peers on a network that is theirs alone"
            )
        return credentials(self.cert, self.key, self.ca, _PEER)


@dataclass(frozen=True)
class Shown:
    """Where its metrics are shown."""

    address: str
    """As it was asked for."""
    place: tuple[str, int]
    tls: ssl.SSLContext | None


@dataclass(frozen=True)
class _Program:
    chosen: Chosen
    state: Path
    listen: tuple[str, int]
    tls: Credentials | None
    clock: Clock
    journal: Journal
    speaking: Speaking
    audit: AuditLog | None
    shown: Shown | None
    unprotected: bool
    """Whether switches need no certificate where others than this machine reach us."""
    dropped: Callable[[], int]
    """Events that the journal's reader was too slow for."""


def agent(
    where: Where,
    listen: str,
    files: PeerFiles,
    switches: SwitchTls = NO_TLS,
    metrics: MetricsOptions = NOWHERE,
    audit_file: Path | None = None,
) -> int:
    """Run until SIGTERM or SIGINT. Returns an exit code."""
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        if where.url is None:
            raise ValueError("agents share a store in etcd: give --store etcd://HOST:PORT,.../PREFIX")
        host, port = listen_at(listen, 6654, switches)
        place = metrics.place()
        shown = None if place is None else Shown(f"--metrics {metrics.address}", place, metrics.tls())
        tls = files.read()
        journal = Journal(sink, clock.wall)
        speaking = Speaking(switches, journal)
        chosen = Chosen(where)
        audit = _audit(audit_file, clock, journal, chosen)
    except (StoreError, SecurityError, ValueError) as error:
        print(error, file=sys.stderr)
        return codes.Run.CANNOT_START
    program = _Program(
        chosen, where.state.resolve(), (host, port), tls, clock, journal, speaking, audit, shown,
        unprotected(host, switches), lambda: sink.dropped,
    )  # fmt: skip
    code = codes.Run.STOPPED
    try:
        asyncio.run(_run(program))
    except* _CannotShow as errors:
        print(*errors.exceptions, sep="\n", file=sys.stderr)
        code = codes.Run.CANNOT_START
    except* OSError as errors:
        print(*(f"--listen {listen}: {each}" for each in errors.exceptions), sep="\n", file=sys.stderr)
        code = codes.Run.CANNOT_START
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        if audit is not None:
            audit.close()
        chosen.close()
        sink.close()
    sys.stderr.flush()
    os._exit(code)  # os-ken's threads have no way to be stopped


class _CannotShow(Exception):
    """Nothing can listen where metrics should be shown."""


def _audit(file: Path | None, clock: Clock, journal: Journal, chosen: Chosen) -> AuditLog | None:
    """The log of what operators ask for. Raises AuditError."""
    if file is None:
        return None
    try:
        return AuditLog(file, clock, on_failure=lambda why: journal.event("audit_failed", why=why))
    except SecurityError:
        chosen.close()
        raise


async def _run(of: _Program) -> None:
    from controller.southbound.openflow import connection
    from controller.southbound.openflow.guests import GuestHub

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    assert of.chosen.name is not None
    of.speaking.begin()
    journal = of.journal
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with of.chosen.opened() as store, recorded(store.log, of.chosen.shown, of.clock, journal):
            made = Agent(store, of.chosen.name, of.clock, journal, of.tls, str(of.state))

            def refused(switch: int, what: str) -> None:
                journal.event("answers_refused", switch=f"{switch:#x}", count=1, first=what)

            if of.speaking.credentials is not None:
                made.edges.secure(of.speaking.credentials.grpc_channel)
            connection.OpenFlowApp.hub = GuestHub(loop, made.edges.up, made.edges.down, refused)
            async with _metrics(of, made):
                connection.serve(*of.listen, guard=of.speaking.guard())
                listen = f"{of.listen[0]}:{of.listen[1]}"
                if of.unprotected:
                    journal.event("listen_unprotected", listen=listen)
                journal.event("agent_started", agent=of.chosen.name, listen=listen)
                _come_first()
                commands = agent_commands(made.force)
                control = ControlSocket(socket_beside(of.state), commands, journal, of.audit)
                try:
                    await made.run(of.state.with_name("status.json"), control.run)
                finally:
                    journal.event("stopped")
    except asyncio.CancelledError:
        pass


@asynccontextmanager
async def _metrics(of: _Program, made: Agent) -> AsyncIterator[None]:
    """Shown meanwhile, if they are asked for."""
    if of.shown is None:
        yield
        return
    from controller.metrics.server import exposing

    observed = Observations()
    exposed = AgentExposed(made.figures, observed, of.dropped)
    shown = exposing(exposed, observed, of.journal, of.clock, of.shown.place, of.shown.tls)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(shown)
        except OSError as error:
            raise _CannotShow(f"{of.shown.address}: {error}") from error
        yield


def _come_first() -> None:
    """An agent that waits for a processor renews nothing, and its site falls silent."""
    gc.collect()
    gc.freeze()
    with suppress(OSError):  # without the right to: on a busy machine it may be late
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
