"""The driver as a controller runs it: os-ken with our application, once per process, beside an event loop."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections import defaultdict
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from controller.southbound.openflow import connection as openflow
from controller.southbound.openflow.events import Connected, Event, Stranger
from controller.southbound.openflow.session import Session
from controller.spec.types import OpenFlowPlacement
from tests.fakes.process import free_port

TERM = 5
PATIENCE = 20.0
"""Seconds to wait for what never comes."""
OTHERS = ("tests.fakes.bystander",)

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Control:
    """Switches that connect to ``port`` and were announced by ``expect`` become sessions."""

    def __init__(self) -> None:
        self._cookies: dict[int, int] = {}
        self.strangers: list[Stranger] = []
        """Switches that are not ours, as they came and went."""
        self._events: defaultdict[int, queue.Queue[Event]] = defaultdict(queue.Queue)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        openflow.OpenFlowApp.hub = openflow.Hub(self._loop, self._note, self._cookies, lambda: TERM)
        self.port = free_port()
        # os-ken's threads are born of this one and so are daemons too: they never end by themselves.
        starter = threading.Thread(target=openflow.serve, args=("127.0.0.1", self.port, OTHERS), daemon=True)
        starter.start()
        starter.join(PATIENCE)

    def expect(self, datapath_id: int, owner: int = OpenFlowPlacement().cookie) -> None:
        """A switch with this id is ours."""
        self._cookies[datapath_id] = owner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the driver's loop to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(3 * PATIENCE)

    def start(self, work: Coroutine[Any, Any, T]) -> Any:
        """Start a coroutine in the driver's loop; ``result`` waits for its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def event(self, datapath_id: int, kind: type[E], patience: float = PATIENCE) -> E:
        """The next event of a switch, which has to be of this kind. Raises queue.Empty."""
        event = self._events[datapath_id].get(timeout=patience)
        assert isinstance(event, kind), event
        return event

    def forget(self, datapath_id: int) -> None:
        """Drop the events of a switch that were not asked for."""
        self._events.pop(datapath_id, None)

    def session(self, datapath_id: int) -> Session:
        """The session of a switch that has just connected."""
        return self.event(datapath_id, Connected).session

    def accept_on(self, listener: socket.socket) -> None:
        """Accept switches on one more listening socket, perhaps of another namespace, until it is closed."""
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()

    def _note(self, event: Event) -> None:
        if isinstance(event, Stranger):
            self.strangers.append(event)
        else:
            self._events[event.session.id].put(event)


@cache
def control() -> Control:
    """The one of this process."""
    return Control()


def _accept(listener: socket.socket) -> None:
    # os-ken's modules import each other in a circle: this one must not be the first.
    from os_ken.controller.controller import datapath_connection_factory

    while True:
        try:
            link, address = listener.accept()
        except OSError:
            return
        threading.Thread(target=datapath_connection_factory, args=(link, address), daemon=True).start()
