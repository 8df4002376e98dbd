"""The prober process: an engine and a channel to the parent, whose end is its own end."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import time
from select import EPOLLIN, EPOLLOUT

from controller.health.engine import Engine
from controller.health.wire import Beat, Change, Unpacker, pack

BATCH = 0.004
"""Seconds that a result waits for company at most."""

_RESERVED = 64
"""Descriptors not used for probes."""
_MAX_BACKLOG = 32 << 20
"""Bytes for a parent that does not read, after which results are dropped (and counted)."""


class Channel:
    """The non-blocking socket to the parent: probing never waits for it."""

    def __init__(self, sock: socket.socket, engine: Engine) -> None:
        self.open = True
        """False once the parent is gone."""
        self.dropped = 0
        """Results thrown away since the last beat."""
        self._sock = sock
        self._engine = engine
        self._unpacker = Unpacker()
        self._out = bytearray()
        sock.setblocking(False)
        engine.watch(sock.fileno(), EPOLLIN, self._ready)

    def flush(self) -> None:
        """Send the results gathered so far."""
        results, self._engine.results = self._engine.results, []
        if len(self._out) > _MAX_BACKLOG:
            self.dropped += len(results)
        else:
            self.send(pack(results))

    def send(self, frame: bytes) -> None:
        """Queue a frame and send what goes."""
        waiting = bool(self._out)
        self._out += frame
        if not waiting:
            self._write()

    def _ready(self, events: int) -> None:
        if events & EPOLLOUT:
            self._write()
        if events & ~EPOLLOUT:
            self._read()

    def _read(self) -> None:
        try:
            data = self._sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.open = False
        for message in self._unpacker.feed(data):
            if isinstance(message, Change):
                for ident in message.remove:
                    self._engine.remove(ident)
                for ident, probe in message.add:
                    self._engine.add(ident, probe)
                gc.collect()
                gc.freeze()  # the probes stay; later collections need not walk them

    def _write(self) -> None:
        try:
            sent = self._sock.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.open = False
            return
        del self._out[:sent]
        self._engine.rewatch(self._sock.fileno(), EPOLLIN | EPOLLOUT if self._out else EPOLLIN)


def run(sock: socket.socket, parent: int) -> None:
    """Probe until the process ``parent`` is gone."""
    engine = Engine(_descriptors() - _RESERVED)
    channel = Channel(sock, engine)
    now = time.monotonic()
    flush_at, beat_at = float("inf"), now
    while channel.open:
        if now >= beat_at:
            beat_at = now + 1.0
            beat = Beat(dict(engine.lateness), channel.dropped, engine.stalled, engine.sockets)
            engine.lateness.clear()
            channel.dropped = 0
            channel.send(pack(beat))
            # A descriptor leaked into another process would hide the end of the channel.
            channel.open = channel.open and os.getppid() == parent
        engine.turn(min(flush_at, beat_at))
        now = time.monotonic()
        if not engine.results:
            flush_at = float("inf")
        elif now >= flush_at:
            channel.flush()
            flush_at = float("inf")
        elif flush_at == float("inf"):
            flush_at = now + BATCH


def _descriptors() -> int:
    """Raise the limit of open files as far as allowed; the answer is the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(wanted, 1 << 20)


if __name__ == "__main__":
    # The terminal's Ctrl-C reaches the whole process group; the parent decides when probing ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(socket.socket(fileno=int(sys.argv[1])), parent=int(sys.argv[2]))
