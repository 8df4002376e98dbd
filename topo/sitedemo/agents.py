"""The agents of a lab: one process a node beside the controllers, all on the store of the lab."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from topo.demo import actors
from topo.lab import Lab
from topo.plan import AGENT_PORT

PREFIX = "/demo"
"""Of the fabric's keys in the store."""
_PLAIN = ("--listen-insecure", "--insecure-peers")
"""The control network is the lab's own."""
METRICS_PORT = 9470
"""In its namespace."""
FRESH = 5.0
"""Seconds for which a status counts."""


class Agent(actors.Controller):
    """One of several, with its own directory."""

    def __init__(self, lab: Lab, directory: Path, node: str, prefix: str = PREFIX) -> None:
        super().__init__(lab, directory / f"agent-{node}", (), node)
        self._endpoints = ",".join(lab.members.endpoints(lab.fabric.site_of(node)))
        self._listen = f"{lab.fabric.controllers[node]}:{AGENT_PORT}"
        self._prefix = prefix

    def argv(self) -> list[str]:
        """Its command line. The control network is the lab's own: agents show no certificates there."""
        store = f"etcd://{self._endpoints}{self._prefix}"
        argv = [sys.executable, "-m", "controller", "agent", "--name", self.node, "--store", store]
        argv += ["--state", str(self.state), "--listen", self._listen, *_PLAIN]
        return [*argv, "--metrics", f"127.0.0.1:{METRICS_PORT}", "--audit", str(self.audit)]

    @property
    def audit(self) -> Path:
        """What operators have asked of it."""
        return self.state.with_name("audit.log")

    @property
    def running(self) -> bool:
        """Whether there is a process; one that was stopped counts."""
        return self._process is not None and self._process.poll() is None

    def fresh(self) -> dict[str, Any]:
        """What it shows now; empty: nothing. By the time of its file: its own clock may be wrong."""
        try:
            age = time.time() - self.state.with_name("status.json").stat().st_mtime
        except OSError:
            return {}
        return self.status() if self.running and age < FRESH else {}


class Agents:
    """All of them; none where the lab has no places for them."""

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        nodes: Collection[str],
        make: Callable[[Lab, Path, str], Agent] = Agent,
    ) -> None:
        """``make``: of lab, directory and node."""
        self._lab = lab
        self.all = {node: make(lab, directory, node) for node in nodes if lab.fabric.topology.agents}
        self._down = set(self.all)

    def start(self, nodes: Collection[str]) -> None:
        """Start these, unless they run."""
        for node in self.all.keys() & set(nodes):
            self._down.discard(node)
            if not self.all[node].running:
                self.all[node].start()

    def kill(self, nodes: Collection[str]) -> None:
        """``kill -9``; nothing if it does not run. They stay away until they are started."""
        for node in self.all.keys() & set(nodes):
            self._down.add(node)
            self.all[node].kill()

    def signal(self, nodes: Collection[str], number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT."""
        for node in self.all.keys() & set(nodes):
            self.all[node].signal(number)

    def acting(self, site: str) -> str | None:
        """Node of the agent that acts for a site, by what it shows itself."""
        for node, one in self.all.items():
            if self._lab.fabric.site_of(node) == site and one.fresh().get("agent", {}).get("acts"):
                return node
        return None

    def unsound(self) -> str:
        """Which of those that should run do not show themselves ready; empty: each does."""
        return ", ".join(
            node
            for node, one in self.all.items()
            if node not in self._down and not one.fresh().get("agent", {}).get("leader")
        )
