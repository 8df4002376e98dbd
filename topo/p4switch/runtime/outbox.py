"""What waits to be sent on one stream: a bounded queue that never blocks who fills it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from finsy.proto import p4r

from topo.p4switch.runtime.errors import P4Error, exhausted

LIMIT = 4096
"""Messages that wait for a client; further packets, digests and notices are dropped and counted."""


class Outbox:
    """Filled by the packet loop and others, emptied by the stream's own thread."""

    def __init__(self, limit: int = LIMIT) -> None:
        """An open, empty queue."""
        self.dropped = 0
        """Messages that found the queue full."""
        self.error: P4Error | None = None
        """Why the server ended the stream; None if it did not."""
        self._limit = limit
        self._waiting: deque[p4r.StreamMessageResponse] = deque()
        self._changed = threading.Condition()
        self._open = True

    def offer(self, message: p4r.StreamMessageResponse) -> bool:
        """Queue a message that may be lost; False if it is."""
        with self._changed:
            if not self._open or len(self._waiting) >= self._limit:
                self.dropped += 1
                return False
            self._waiting.append(message)
            self._changed.notify()
            return True

    def insist(self, message: p4r.StreamMessageResponse) -> None:
        """Queue a message that must not be lost, as arbitration is; a client that reads nothing is disconnected."""
        with self._changed:
            self._waiting.append(message)
            self._changed.notify()
            overfull = len(self._waiting) > 2 * self._limit
        if overfull:
            self.close(exhausted("this client does not read what is sent to it"))

    def close(self, error: P4Error | None = None) -> None:
        """End the stream once what waits is sent; with an error, at once."""
        with self._changed:
            if self._open:
                self._open, self.error = False, error
                if error is not None:
                    self._waiting.clear()
                self._changed.notify()

    def messages(self) -> Iterator[p4r.StreamMessageResponse]:
        """What is queued, as it comes, until the stream is closed."""
        while True:
            with self._changed:
                while self._open and not self._waiting:
                    self._changed.wait()
                if not self._waiting:
                    return
                message = self._waiting.popleft()
            yield message
