"""The wiring service: ``python -m topo.containers.wiring``, the one privileged container of a fabric.

Nodes come by the Unix socket of ``badge.py``, are given their interfaces, and stay connected. When this service ends,
its cables go with it, and nodes end when they see that.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from pyroute2 import NetlinkError

from topo import process
from topo.containers import badge, fabric
from topo.containers.panel import Panel
from topo.errors import LabError

_PATIENCE = 5.0
"""Seconds that a connected node may take to say who it is."""


class Wiring:
    """Answers nodes, one at a time."""

    def __init__(self, panel: Panel, path: Path) -> None:
        """Listen at ``path``. Raises OSError."""
        self._panel = panel
        self._selector = selectors.DefaultSelector()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o666)  # nodes may be any user
        self._listener.listen(64)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until an exception or a signal ends it."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._hear(key.fileobj, str(key.data))

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(_PATIENCE)
        node = "?"
        try:
            node, space = badge.see(connection)
            self._panel.plug_in(node, space)
            connection.sendall(badge.WIRED)
        except (LabError, NetlinkError, OSError, ValueError) as error:
            print(f"{node}: {error}", flush=True)
            with suppress(OSError):
                connection.sendall(f"{error}\n".encode())
            connection.close()
            return
        print(f"{node}: wired", flush=True)
        self._selector.register(connection, selectors.EVENT_READ, node)

    def _hear(self, connection: object, node: str) -> None:
        """A node says nothing more: what can be read is its end."""
        assert isinstance(connection, socket.socket)
        with suppress(OSError):
            if connection.recv(1):
                return
        self._selector.unregister(connection)
        connection.close()
        print(f"{node}: ended, its cables stay", flush=True)


def main() -> int:
    """Entry point; SIGTERM ends it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with process.ending():
            Wiring(Panel(fabric.chosen()), badge.SOCKET).run()
    except (LabError, OSError) as error:
        print(f"wiring (pid {os.getpid()}): {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
