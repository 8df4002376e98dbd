"""Streams of switches to an agent: it writes beside the controller that leads, and is sent no reports.

Its role stays that of any controller that has asked for none: Open vSwitch lets it write, whichever controller is
primary.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from controller.southbound.openflow import hook
from controller.southbound.openflow.session import Session
from flows import messages

UNACKNOWLEDGED = 1000
"""Milliseconds after which the kernel gives a stream up whose other side acknowledges nothing."""


class GuestHub:
    """Where os-ken's threads hand over to the event loop; bound before os-ken starts."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_up: Callable[[Session], None],
        on_down: Callable[[Session], None],
        on_refused: Callable[[int, str], None],
    ) -> None:
        """``on_refused``: id of a switch, and what it refused, of messages that nothing waits for."""
        self._loop = loop
        self._on_up, self._on_down, self._on_refused = on_up, on_down, on_refused
        self._sessions: dict[Any, Session] = {}
        hook.install(self._take)

    def close(self) -> None:
        """Leave all messages to os-ken again."""
        hook.remove(self._take)

    def up(self, datapath: Any) -> None:
        """A switch finished its handshake (os-ken's thread)."""
        if datapath.xid >> 24 == hook.OWN_XID:
            datapath.xid = 0
        datapath.send(messages.hear_nothing())
        self._loop.call_soon_threadsafe(self._open, datapath)

    def down(self, datapath: Any) -> None:
        """A switch's stream ended (os-ken's thread)."""
        self._loop.call_soon_threadsafe(self._close, datapath)

    def _open(self, datapath: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended meanwhile: that is said by the stream
            datapath.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
        number = datapath.id
        session = Session(datapath, self._loop, lambda what: self._on_refused(number, what))
        self._sessions[datapath] = session
        self._on_up(session)

    def _close(self, datapath: Any) -> None:
        session = self._sessions.pop(datapath, None)
        if session is not None:
            session.close()
            self._on_down(session)

    def _take(self, datapath: Any, kind: int, xid: int, message: bytes) -> bool:
        session = self._sessions.get(datapath)
        if session is None or kind in (hook.PACKET_IN, hook.FLOW_REMOVED, hook.PORT_STATUS):
            return False
        session.take(kind, xid, message)
        return True
