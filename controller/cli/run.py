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
from controller.cli.stores import Chosen, Where
from controller.clock import SystemClock
from controller.core.control import socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.model.errors import ConfigErrors
from controller.sites.base import GuardFailed, Loaded, Store, StoreError


class _CannotListen(Exception):
    """The address that switches should connect to cannot be had."""


class _CannotRead(Exception):
    """What is stored is damaged."""


def run(config: Path, where: Where, listen: str) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP: look at the intent file now. Returns an exit code."""
    clock = SystemClock()
    sink = QueuedSink(sys.stdout, wall=clock.wall)
    try:
        file = open_file(config)
        host, port = _address(listen)
        chosen = Chosen(where)
    except ConfigErrors as errors:
        return _refuse(str(e) for e in errors)
    except (StoreError, ValueError) as error:
        return _refuse([str(error)])
    code = codes.Run.STOPPED
    try:
        asyncio.run(
            _main(
                lambda store, loaded: App(file, store, loaded, Journal(sink, clock.wall), clock),
                chosen,
                host,
                port,
                where.state,
            )
        )
    except* _CannotListen as errors:
        code = _refuse(f"--listen {listen}: {e}" for e in errors.exceptions)
    except* (_CannotRead, IntentRefused) as errors:
        code = _refuse(str(e) for e in errors.exceptions)
    except* GuardFailed as errors:
        _refuse(str(e) for e in errors.exceptions)
        code = codes.Run.OTHER_WRITER
    except* StoreError as errors:
        _refuse(str(e) for e in errors.exceptions)
        code = codes.Run.STORE_LOST
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        chosen.close()
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


async def _main(
    make: Callable[[Store, Loaded], App], chosen: Chosen, host: str, port: int, state: Path
) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with chosen.opened() as store:
            try:
                app = make(store, await store.load())
            except StoreError as error:
                raise _CannotRead(error) from error
            await _serve(app, host, port, state)
    except asyncio.CancelledError:
        pass


async def _serve(app: App, host: str, port: int, state: Path) -> None:
    """Until cancelled, which is an end like another."""
    from controller.southbound.openflow import connection as openflow
    from controller.southbound.p4 import pipeline
    from controller.southbound.p4.connections import P4Runtime

    loop = asyncio.get_running_loop()
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
