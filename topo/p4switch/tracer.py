"""Traces on request: a frame comes in over a local socket, what the program did with it goes back.

One JSON object a line: ``{"port": 1, "frame": "hex"}`` is answered by ``{"events": [[stage, name, values], ...], "out":
[[port, "hex"], ...]}`` or ``{"error": "..."}``. The frame is not sent on; counters and registers change as they would.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any

from topo.p4switch.dataplane import DataPlane
from topo.p4switch.engine import TraceEvent
from topo.p4switch.entries import Entry

DEADLINE = 5.0
"""Seconds that a client may take for its line."""
_LONGEST = 1 << 17


class TraceServer:
    """Listens on a Unix socket, for one client at a time, in a thread of its own."""

    def __init__(self, path: Path, plane: DataPlane) -> None:
        """Raises OSError when the socket cannot be made."""
        self._path, self._plane = path, plane
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(1)
        self._thread = threading.Thread(target=self._serve, name="p4 traces", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(DEADLINE)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(DEADLINE)
                with client.makefile("rw") as stream:
                    stream.write(json.dumps(self._answer(stream.readline(_LONGEST))) + "\n")

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            port, frame = int(asked["port"]), bytes.fromhex(asked["frame"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return {"error": f"not a question, it should be port and frame: {error}"}
        engine = self._plane.engine
        if engine is None:
            return {"error": "the switch has no program yet"}
        out, events = engine.trace(port, frame)
        return {
            "events": [_plain(event) for event in events],
            "out": [[egress, sent.hex()] for egress, sent in out],
        }


def _plain(event: TraceEvent) -> list[Any]:
    return [event.stage, event.name, [_value(value) for value in event.values]]


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Entry):
        return "entry"
    if isinstance(value, tuple | list):
        return [_value(item) for item in value]
    return value


def ask(path: Path, port: int, frame: bytes) -> dict[str, Any]:
    """Trace a frame at a switch. Raises OSError, or ValueError with what the switch says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        with client.makefile("rw") as stream:
            stream.write(json.dumps({"port": port, "frame": frame.hex()}) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
    if "error" in answer:
        raise ValueError(answer["error"])
    return dict(answer)
