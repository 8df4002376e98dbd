"""Evenkeel as one application among others in an os-ken process.

Load it like any application, by its module name: ``AppManager.run_apps(["their.application",
"controller.app.guest"])``. It takes its settings from the environment:

EVENKEEL_CONFIG   intent file (needed)
EVENKEEL_STATE    SQLite file of what outlives the process; ``status.json`` is written beside it. Default: evenkeel.db

The address that switches connect to is the process's own (``ofp_listen_host``, ``ofp_tcp_listen_port``). Other
applications see neither answers to our messages nor packets that our flows report. A bad intent file, an intent that
cannot be carried out, a store that cannot be opened, and whatever else keeps the controller from its start stop the
loading with their message; what goes wrong later is logged and leaves the process alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from controller.app.assembly import App
from controller.app.beginning import open_file
from controller.clock import Clock, SystemClock
from controller.core.control import socket_beside
from controller.core.journal import Journal, QueuedSink
from controller.core.recorder import recorded
from controller.sites.store import SqliteStore
from controller.southbound.openflow.connection import Hub, OpenFlowApp

CONFIG, STATE = "EVENKEEL_CONFIG", "EVENKEEL_STATE"


class Guest(OpenFlowApp):
    """The os-ken application with the whole controller behind it, in a thread and event loop of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Raises ConfigErrors, or KeyError without EVENKEEL_CONFIG."""
        super().__init__(*args, **kwargs)
        self._file = open_file(Path(os.environ[CONFIG]))
        self._state = Path(os.environ.get(STATE, "evenkeel.db"))
        self._begun: Future[None] = Future()
        """Done once there is a controller to report switches to, or with what kept it from its start."""

    def start(self) -> None:
        """Called by os-ken; returns once there is a controller to report switches to.

        Raises StoreError, IntentRefused, and whatever else happened before there was one.
        """
        threading.Thread(target=self._live, name="evenkeel", daemon=True).start()
        self._begun.result()
        super().start()

    def _live(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # start() waits: what is not handed to it leaves it waiting
            if self._begun.done():
                self.logger.exception("evenkeel has ended; its flows stay as they are")
            else:
                self._begun.set_exception(error)

    def _serve(self) -> None:
        clock = SystemClock()
        with (
            closing(SqliteStore(self._state)) as store,
            closing(QueuedSink(sys.stdout, wall=clock.wall)) as sink,
        ):
            asyncio.run(self._recorded(store, Journal(sink, clock.wall), clock))

    async def _recorded(self, store: SqliteStore, journal: Journal, clock: Clock) -> None:
        async with recorded(store.log, socket.gethostname(), clock, journal):
            await self._run(store, journal, clock)

    async def _run(self, store: SqliteStore, journal: Journal, clock: Clock) -> None:
        app = App(self._file, store, await store.load(), journal, clock)
        core = app.controller
        hub = Hub(asyncio.get_running_loop(), core.handle, core.cookies, lambda: app.terms.now)
        core.on_switches = hub.switches_changed
        try:
            await app.begin()
            OpenFlowApp.hub = hub
            app.journal.event("started", term=app.terms.now)
            self._begun.set_result(None)
            await app.run(self._state.with_name("status.json"), socket_beside(self._state))
        finally:
            OpenFlowApp.hub = None
            hub.close()
