"""P4Runtime driver: keeps a connection to every switch that it is given, turns their streams into sessions and events.

Of finsy it uses the protocol's messages and error details. Its ``Switch`` is not used: it changes its election id by
itself to become primary, where ours is a term that fences older controllers off; and it builds an
object for each entry.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from controller.southbound.p4.connection import Connection, Credentials
from controller.southbound.p4.events import Event
from controller.southbound.p4.pipeline import Pipeline


class P4Runtime:
    """All P4 switches of one controller. Belongs to the event loop."""

    def __init__(
        self,
        on_event: Callable[[Event], None],
        pipeline: Pipeline,
        credentials: Credentials | None = None,
    ) -> None:
        """``on_event`` is called in the event loop and must not block. ``credentials``: for a connection that is made
        now; None: without TLS."""
        self._on_event = on_event
        self._credentials = credentials
        self._pipeline = pipeline
        self._links: dict[int, tuple[Connection, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def connect(self, name: str, address: str, device_id: int, term: int) -> None:
        """Connect to a switch and stay connected, as its primary controller if ``term`` is the highest.

        Switches are known by their device ids. Called again for one that is known: a newer term is claimed on the same
        connection, and another name is only a name; another address replaces the connection. ``term`` fits 64 bits;
        ``address`` is gRPC's: host:port, [v6]:port or unix:path.
        """
        known = self._links.get(device_id)
        if known is not None:
            if known[0].address == address:
                known[0].rename(name)
                known[0].claim(term)
                return
            self.release(device_id)
        link = Connection(name, address, device_id, term, self._pipeline, self._on_event, self._credentials)
        task = asyncio.get_running_loop().create_task(link.run(), name=f"p4runtime {name}")
        self._links[device_id] = (link, task)

    def allow_push(self, device_id: int) -> None:
        """Let a switch that runs another program (``PipelineMismatch``) have ours now; what it holds is lost.

        Holds for the connection that the switch waits in; does nothing if it does not wait. Followed by
        ``Connected`` or ``MismatchEnded``.
        """
        known = self._links.get(device_id)
        if known is not None:
            known[0].allow_push()

    def release(self, device_id: int) -> None:
        """Let go of a switch; its session, if any, ends with an event."""
        known = self._links.pop(device_id, None)
        if known is not None:
            known[1].cancel()
            self._ending.add(known[1])
            known[1].add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Release all switches, and wait for their end."""
        for device_id in list(self._links):
            self.release(device_id)
        for task in list(self._ending):
            with contextlib.suppress(asyncio.CancelledError):
                await task
