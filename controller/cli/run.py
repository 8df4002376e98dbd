"""``evenkeel run``: the controller as a program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from controller.app.assembly import App, IntentRefused, open_file
from controller.cli import codes
from controller.clock import SystemClock
from controller.core.control import socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.model.errors import ConfigErrors
from controller.sites.base import StoreError
from controller.sites.store import SqliteStore


class _CannotListen(Exception):
    """The address that switches should connect to cannot be had."""


class _CannotRead(Exception):
    """What is stored is damaged."""


def run(config: Path, state: Path, listen: str) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP: look at the intent file now. Returns an exit code."""
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        file = open_file(config)
        host, port = _address(listen)
        store = SqliteStore(state)
    except ConfigErrors as errors:
        return _refuse(str(e) for e in errors)
    except (StoreError, ValueError) as error:
        return _refuse([str(error)])
    code = codes.Run.STOPPED
    try:
        asyncio.run(_main(lambda: App(file, store, Journal(sink, clock.wall), clock), host, port, state))
    except* _CannotListen as errors:
        code = _refuse(f"--listen {listen}: {e}" for e in errors.exceptions)
    except* (_CannotRead, IntentRefused) as errors:
        code = _refuse(str(e) for e in errors.exceptions)
    except* StoreError as errors:
        _refuse(str(e) for e in errors.exceptions)
        code = codes.Run.STORE_LOST
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        store.close()
        sink.close()
    _end(code)
    return code


def _refuse(messages: Iterable[str]) -> codes.Run:
    print(*messages, sep="\n", file=sys.stderr)
    return codes.Run.CANNOT_START


def _end(code: int) -> None:
    """Leave now: os-ken's threads have no way to be stopped and would keep the process, and its port, alive."""
    sys.stderr.flush()
    os._exit(code)


async def _main(make: Callable[[], App], host: str, port: int, state: Path) -> None:
    from controller.southbound.openflow import connection as openflow
    from controller.southbound.p4 import pipeline
    from controller.southbound.p4.connections import P4Runtime

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        app = make()
    except StoreError as error:
        raise _CannotRead(error) from error
    loop.add_signal_handler(signal.SIGHUP, app.reload.set)
    core = app.controller
    hub = openflow.Hub(loop, core.handle, core.cookies, lambda: app.terms.now)
    p4 = P4Runtime(core.handle, pipeline.balancer())
    core.on_switches = hub.switches_changed
    core.dialler = p4
    app.rollout.allow_push = p4.allow_push
    openflow.OpenFlowApp.hub = hub
    try:
        await app.begin()
        try:
            openflow.serve(host, port)  # refuses before any task runs
        except OSError as error:
            raise _CannotListen(error) from error
        app.journal.event("started", listen=f"{host}:{port}", term=app.terms.now)
        await app.run(state.with_name("status.json"), socket_beside(state))
    except asyncio.CancelledError:
        app.journal.event("stopped")
    finally:
        hub.close()
        await p4.close()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--listen {text}: write ADDRESS:PORT, such as 127.0.0.1:6653")
    return host.strip("[]"), int(port)
