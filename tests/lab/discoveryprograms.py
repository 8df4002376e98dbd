"""Programs beside a discovery server: ``python -m tests.lab.discoveryprograms server NAME ADDRESS PORT`` and ``client
TARGET``. They say on standard output what they are asked for on standard input, a line each.

server: answers each call with its name, and the number of connections that it has seen.
client: ``count N [HEADER=VALUE]`` calls, some at a time; ``begin``, ``end``: calls all the time in between.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from concurrent import futures
from typing import Any

import grpc

METHOD = "/lab.Who/Who"
WITHIN = 10.0
"""Seconds for a call."""
AT_ONCE = 20
"""Calls at a time, where they are counted."""
PACE = 0.005
"""Seconds between two calls."""


def server(name: str, address: str, port: int) -> None:
    """Until standard input ends."""
    peers: set[str] = set()

    def who(_: bytes, context: Any) -> bytes:
        peers.add(context.peer())
        return json.dumps([name, len(peers)]).encode()

    options = [("grpc.so_reuseport", 0)]
    made = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    handlers = {"Who": grpc.unary_unary_rpc_method_handler(who)}
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("lab.Who", handlers),))
    host = f"[{address}]" if ":" in address else address
    made.add_insecure_port(f"{host}:{port}")
    made.start()
    print("ready", flush=True)
    sys.stdin.read()


class Client:
    """Counts answers by server, connections that each has seen, and failures."""

    def __init__(self, target: str) -> None:
        channel = grpc.insecure_channel(target)
        self._call = channel.unary_unary(METHOD)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clear()

    def _clear(self) -> None:
        self.names: Counter[str] = Counter()
        self.seen: dict[str, int] = {}
        self.failed: list[str] = []

    def some(self, calls: int, *headers: tuple[str, str]) -> None:
        """Calls at a time."""
        made = [self._call.future(b"", timeout=WITHIN, metadata=headers) for _ in range(calls)]
        for each in made:
            try:
                name, self.seen[name] = json.loads(each.result())
            except grpc.RpcError as error:
                self.failed.append(f"{error.code().name}: {error.details()}")
            else:
                self.names[name] += 1

    def begin(self) -> None:
        """Call all the time."""
        self._clear()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(PACE):
            self.some(1)

    def end(self) -> dict[str, object]:
        """No longer."""
        assert self._thread is not None
        self._stop.set()
        self._thread.join()
        return self.told()

    def count(self, calls: int, *headers: tuple[str, str]) -> dict[str, object]:
        """So many calls."""
        self._clear()
        for begun in range(0, calls, AT_ONCE):
            self.some(min(AT_ONCE, calls - begun), *headers)
        return self.told()

    def told(self) -> dict[str, object]:
        """What came of them."""
        return {
            "names": dict(self.names),
            "seen": self.seen,
            "failed": self.failed[:5],
            "failures": len(self.failed),
        }


def client(target: str) -> None:
    """Until standard input ends."""
    made = Client(target)
    for line in sys.stdin:
        word, *rest = line.split()
        said: dict[str, object] = {}
        if word == "count":
            headers = [(name, value) for name, _, value in (each.partition("=") for each in rest[1:])]
            said = made.count(int(rest[0]), *headers)
        elif word == "begin":
            made.begin()
        else:
            said = made.end()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        client(sys.argv[2])
