"""Waits, as a client, until every listener answers and every backend in service has been seen.

Run as ``python -m topo.demo.ready SPEC.json``; exits 0 when ready, else 1 with one line on standard error.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from topo.demo.load import Target

ROUND = 10
"""Requests per listener and round; one with a failure or an answer of another server starts the count again."""
ANSWER_WITHIN = 1.0


@dataclass(frozen=True)
class Wanted:
    """What must be so before the load starts."""

    targets: tuple[Target, ...]
    """Listeners that answer short requests."""
    servers: frozenset[str]
    """Who must, and who alone may, answer."""
    within: float
    """Seconds until waiting is given up."""

    def dump(self) -> str:
        """As JSON."""
        targets = [vars(one) for one in self.targets]
        return json.dumps({"targets": targets, "servers": sorted(self.servers), "within": self.within})

    @staticmethod
    def parse(text: str) -> Wanted:
        """From what ``dump`` wrote."""
        raw = json.loads(text)
        targets = tuple(Target(**one) for one in raw["targets"])
        return Wanted(targets, frozenset(raw["servers"]), raw["within"])


def ask(target: Target) -> str:
    """The name of the server that answers one short request; OSError if none does within a second."""
    with socket.create_connection((target.address, target.port), timeout=ANSWER_WITHIN) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: evenkeel\r\nConnection: close\r\n\r\n")
        raw = b""
        while chunk := connection.recv(4096):
            raw += chunk
    return raw.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()


Ask = Callable[[Target], str]


def problem(target: Target, servers: frozenset[str], seen: set[str], ask: Ask = ask) -> str:
    """One round of requests, adding to ``seen`` who answered; what is wrong, or nothing."""
    for _ in range(ROUND):
        try:
            name = ask(target)
        except OSError as error:
            return f"{target.listener} ({target.address}:{target.port}) does not answer: {error}"
        if name not in servers:
            return f"{target.listener} is answered by {name!r}, not by one of {', '.join(sorted(servers))}"
        seen.add(name)
    missing = servers - seen
    return f"{target.listener}: no new connection reaches {', '.join(sorted(missing))}" if missing else ""


def wait(wanted: Wanted, ask: Ask = ask) -> str:
    """Ask until all answer as they should; what is still wrong when time is up, or nothing."""
    deadline = time.monotonic() + wanted.within
    for target in wanted.targets:
        seen: set[str] = set()
        while trouble := problem(target, wanted.servers, seen, ask):
            if "no new connection" not in trouble:
                seen.clear()
            if time.monotonic() > deadline:
                return trouble
            time.sleep(0.1)
    return ""


def main(argv: list[str]) -> int:
    """Entry point; the one argument is the spec file."""
    trouble = wait(Wanted.parse(Path(argv[0]).read_text(encoding="utf-8")))
    if trouble:
        print(trouble, file=sys.stderr)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
