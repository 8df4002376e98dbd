"""The controllers of the demo of two sites: one process a node, all on the store of the lab."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from topo.demo import actors
from topo.demo.actors import DemoError
from topo.lab import Lab

PREFIX = "/demo"
"""Of the fabric's keys in the store."""
PAUSE = 1.0
"""Seconds from the end of a controller until it is started again, as a supervisor would."""
ANSWERED = 60.0
"""Seconds until a controller that does not answer a command is given up on."""
ENDED = 10.0
"""Seconds from SIGTERM until a controller is killed."""
FRESH = 5.0
"""Seconds for which a status counts."""


class Controller(actors.Controller):
    """One of several, with its own directory."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        endpoints = ",".join(lab.members.endpoints(lab.fabric.site_of(node)))
        options = ("--name", node, "--store", f"etcd://{endpoints}{PREFIX}")
        super().__init__(lab, directory / node, options, node)
        self.ended_at: float | None = None
        """When it was found to have ended by itself."""

    def start(self) -> None:
        """Start it; what it showed before counts no longer."""
        self.state.with_name("status.json").unlink(missing_ok=True)
        self.ended_at = None
        super().start()

    @property
    def running(self) -> bool:
        """Whether there is a process; one that was stopped counts."""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> int | None:
        """Its exit code if it has ended by itself; it is forgotten then."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process, self.ended_at = None, time.monotonic()
        return code

    @property
    def age(self) -> float:
        """Seconds since it showed something, by the file: its own clock may be wrong."""
        try:
            return time.time() - self.state.with_name("status.json").stat().st_mtime
        except OSError:
            return float("inf")

    def fresh(self) -> dict[str, Any]:
        """What it shows now; empty: nothing."""
        return self.status() if self.running and self.age < FRESH else {}

    def ask(self, request: dict[str, str]) -> None:
        """What ``evenkeel move`` and ``evenkeel site`` ask. Raises ``DemoError`` unless it was carried out.

        Without a program in between, whose start would count as the controller's time.
        """
        path = self.state.with_name(f"{self.state.name}.sock")
        try:
            with socket.socket(socket.AF_UNIX) as to:
                to.settimeout(ANSWERED)
                to.connect(str(path))
                to.sendall(json.dumps(request).encode() + b"\n")
                line = to.makefile("rb").readline()
            carried_out = json.loads(line).get("ok") is True
        except (OSError, ValueError) as error:
            raise DemoError(f"{request}: no answer from {path}: {error}") from None
        if not carried_out:
            raise DemoError(f"{request}: {line.decode().strip()}")


class Controllers:
    """All of them. Those that end by themselves are started again, and how they ended is kept."""

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        nodes: Collection[str],
        make: Callable[[Lab, Path, str], Controller] = Controller,
    ) -> None:
        """``make``: of lab, directory and node."""
        self._lab = lab
        self.all = {node: make(lab, directory, node) for node in nodes}
        self.ends: list[tuple[str, int]] = []
        """Node and exit code of those that ended by themselves."""
        self._down = set(nodes)
        """Not to be started again before they are told to be."""

    def start(self, nodes: Collection[str]) -> None:
        """Start these, unless they run."""
        self._down -= set(nodes)
        for node in nodes:
            if not self.all[node].running:
                self.all[node].start()

    def kill(self, nodes: Collection[str]) -> None:
        """``kill -9``; nothing if it does not run. They stay away until they are started."""
        self._down |= set(nodes)
        for node in nodes:
            self.all[node].kill()

    def end(self, nodes: Collection[str], within: float = ENDED) -> None:
        """SIGTERM; what has not ended in time is killed. They stay away until they are started."""
        self._down |= set(nodes)
        for node in nodes:
            if self.all[node].running:
                self.all[node].signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self.all[node].wait(within)
        self.kill(nodes)

    def kill_all(self) -> None:
        """The end."""
        self.kill(self.all)

    def signal(self, nodes: Collection[str], number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT."""
        for node in nodes:
            self.all[node].signal(number)

    def of_site(self, site: str) -> list[str]:
        """Nodes at a site."""
        return [node for node in self.all if self._lab.fabric.site_of(node) == site]

    def leader(self) -> Controller | None:
        """Which one leads, by what it shows itself; None: none."""
        leading = [one for one in self.all.values() if (shown := one.fresh()) and "standby" not in shown]
        return min(leading, key=lambda one: one.age, default=None)

    def look(self) -> None:
        """Start those again that ended by themselves."""
        for node, one in self.all.items():
            code = one.ended()
            if code is not None and node not in self._down:
                self.ends.append((node, code))
            due = one.ended_at is not None and time.monotonic() - one.ended_at > PAUSE
            if due and node not in self._down:
                one.start()

    def unsound(self) -> str:
        """Which one of those that should run neither leads nor stands by; empty: each does."""
        return ", ".join(node for node, one in self.all.items() if node not in self._down and not one.fresh())
