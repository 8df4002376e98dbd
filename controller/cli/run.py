"""``evenkeel run``: the controller as a program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from controller.cli import codes
from controller.core import status
from controller.core.controller import Controller, open_file
from controller.core.journal import Journal
from controller.model.errors import ConfigErrors
from controller.sites.store import SqliteStore, StoreError


def run(config: Path, state: Path, listen: str) -> int:
    """Run until SIGTERM or SIGINT. 0: stopped as asked; 1: a defect; 2: bad intent, store or address; 3: store lost."""
    try:
        file = open_file(config)
        host, port = _address(listen)
        store = SqliteStore(state)
    except ConfigErrors as errors:
        print("\n".join(str(e) for e in errors), file=sys.stderr)
        return codes.Run.CANNOT_START
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return codes.Run.CANNOT_START
    core = Controller(file, store, Journal())
    why = core.state.refusal(core.state.intent, time.time())
    if why:
        print(*(f"{config}: {each}" for each in why), sep="\n", file=sys.stderr)
        store.close()
        return codes.Run.CANNOT_START
    code = codes.Run.STOPPED
    try:
        asyncio.run(_main(core, host, port, state.with_name("status.json")))
    except* OSError as errors:
        print(f"--listen {listen}:", *errors.exceptions, file=sys.stderr)
        code = codes.Run.CANNOT_START
    except* StoreError as errors:
        print(*errors.exceptions, sep="\n", file=sys.stderr)
        code = codes.Run.STORE_LOST
    except* Exception as errors:
        traceback.print_exception(errors)
        code = codes.Run.DEFECT
    finally:
        store.close()
    _end(code)
    return code


def _end(code: int) -> None:
    """Leave now: os-ken's threads have no way to be stopped and would keep the process, and its port, alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(core: Controller, host: str, port: int, status_path: Path) -> None:
    from controller.core.p4_fleet import P4Fleet
    from controller.southbound.openflow import connection as openflow
    from controller.southbound.p4 import pipeline as p4pipeline
    from controller.southbound.p4.connections import P4Runtime

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    hub = openflow.Hub(loop, core.events.put_nowait, core.cookies, core.term)
    p4 = P4Fleet(core, P4Runtime(core.hellos.sift, p4pipeline.balancer()))
    core.on_switches += [hub.switches_changed, p4.follow]
    openflow.OpenFlowApp.hub = hub
    openflow.serve(host, port)  # refuses before any task runs
    core.journal.event("started", listen=f"{host}:{port}", term=core.term)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(core.run())
            group.create_task(status.keep(core, status_path, time.time))
    except asyncio.CancelledError:
        core.journal.event("stopped")
    finally:
        hub.close()
        await p4.close()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--listen {text}: write ADDRESS:PORT, such as 127.0.0.1:6653")
    return host.strip("[]"), int(port)
