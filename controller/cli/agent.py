"""``evenkeel agent``: an agent of a site as a program."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.agent.agent import Agent
from controller.cli import codes
from controller.cli.listenat import listen_at
from controller.cli.stores import Chosen, Where
from controller.cli.switchtls import NO_TLS, Speaking, SwitchTls
from controller.clock import SystemClock
from controller.core.commands import agent_commands
from controller.core.control import ControlSocket, socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.core.recorder import recorded
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


def agent(where: Where, listen: str, files: PeerFiles, switches: SwitchTls = NO_TLS) -> int:
    """Run until SIGTERM or SIGINT. Returns an exit code."""
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        if where.url is None:
            raise ValueError("agents share a store in etcd: give --store etcd://HOST:PORT,.../PREFIX")
        host, port = listen_at(listen, 6654)
        tls = files.read()
        journal = Journal(sink, clock.wall)
        speaking = Speaking(switches, journal)
        chosen = Chosen(where)
    except (StoreError, SecurityError, ValueError) as error:
        print(error, file=sys.stderr)
        return codes.Run.CANNOT_START
    code = codes.Run.STOPPED
    try:
        asyncio.run(_run(chosen, where.state.resolve(), (host, port), tls, clock, journal, speaking))
    except* OSError as errors:
        print(*(f"--listen {listen}: {each}" for each in errors.exceptions), sep="\n", file=sys.stderr)
        code = codes.Run.CANNOT_START
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        chosen.close()
        sink.close()
    sys.stderr.flush()
    os._exit(code)  # os-ken's threads have no way to be stopped


async def _run(
    chosen: Chosen,
    state: Path,
    listen: tuple[str, int],
    tls: Credentials | None,
    clock: SystemClock,
    journal: Journal,
    speaking: Speaking,
) -> None:
    from controller.southbound.openflow import connection
    from controller.southbound.openflow.guests import GuestHub

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    assert chosen.name is not None
    speaking.begin()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with chosen.opened() as store, recorded(store.log, chosen.shown, clock, journal):
            made = Agent(store, chosen.name, clock, journal, tls, str(state))

            def refused(switch: int, what: str) -> None:
                journal.event("answers_refused", switch=f"{switch:#x}", count=1, first=what)

            if speaking.credentials is not None:
                made.edges.secure(speaking.credentials.grpc_channel)
            connection.OpenFlowApp.hub = GuestHub(loop, made.edges.up, made.edges.down, refused)
            connection.serve(*listen, guard=speaking.guard())
            journal.event("agent_started", agent=chosen.name, listen=f"{listen[0]}:{listen[1]}")
            _come_first()
            control = ControlSocket(socket_beside(state), agent_commands(made.force), journal)
            try:
                await made.run(state.with_name("status.json"), control.run)
            finally:
                journal.event("stopped")
    except asyncio.CancelledError:
        pass


def _come_first() -> None:
    """An agent that waits for a processor renews nothing, and its site falls silent."""
    gc.collect()
    gc.freeze()
    with suppress(OSError):  # without the right to: on a busy machine it may be late
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
