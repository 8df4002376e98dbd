"""The members of a lab's store: etcd processes in namespaces of their own, on the control network.

They flush nothing to the disk (``--unsafe-no-fsync``), which all of a lab's members share: what a killed process had
acknowledged is there when it comes back, and no lab takes power away.
"""

from __future__ import annotations

import resource
import shutil
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from topo import netns, process
from topo.errors import LabError
from topo.p4process import ROOT
from topo.plan import Fabric

PROGRAM = "etcd"
CLIENTS, PEERS = 2379, 2380
"""TCP ports."""
HEARTBEAT, ELECTION = 20, 200
"""Milliseconds."""
LED_WITHIN = 20.0
"""Seconds."""


def missing() -> str | None:
    """Why no member can be started here; None if one can."""
    if shutil.which(PROGRAM) is None:
        return "etcd is not installed: apt-get install etcd-server"
    return None


class Members:
    """All members of one lab; ``directory`` is the lab's. None runs before ``start``."""

    def __init__(self, fabric: Fabric, directory: Path, spaces: Mapping[str, str], pids: Path) -> None:
        self._fabric = fabric
        self._directory = directory / "store"
        self._spaces = spaces
        self._pids = pids

    def start_all(self) -> None:
        """Start each, and return once one of them leads. Raises ``LabError``."""
        reason = "this topology names none under store" if not self._fabric.members else missing()
        if reason is not None:
            raise LabError(f"the lab's store cannot be started: {reason}")
        for name in self._fabric.members:
            self.start(name)
        end = time.monotonic() + LED_WITHIN
        while self.leader() is None:
            if time.monotonic() > end:
                raise LabError(f"no member of the store leads; see {self._directory}/*.log")
            time.sleep(0.02)

    def start(self, name: str) -> None:
        """Start one, with what it has stored; one that runs is left alone."""
        if self.running(name):
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        with netns.enter(self._spaces[name]):
            pid = process.detach(self._command(name), self._directory / f"{name}.log", ROOT)
        process.remember(self._pids, name, pid)
        process.favour(pid)  # a machine of its own has processors of its own

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process.kill(each.pid for each in process.recall(self._pids, name) if each.alive)

    def fill(self, name: str) -> None:
        """From now on it can write nothing, as on a full disk: its files may not grow, nor be written."""
        for each in process.recall(self._pids, name):
            if each.alive:
                resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def empty(self, name: str) -> None:
        """It can write again; one that has ended meanwhile is started."""
        for each in process.recall(self._pids, name):
            if each.alive:
                no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(each.pid, resource.RLIMIT_FSIZE, no_limit)
        self.start(name)

    def change(self, name: str, mend: bool) -> None:
        """Start or kill one."""
        if mend:
            self.start(name)
        else:
            self.kill(name)

    def change_site(self, site: str, mend: bool) -> None:
        """Those of a site that were started ever."""
        for name in self._fabric.members:
            if self._fabric.site_of(name) == site and process.recall(self._pids, name):
                self.change(name, mend)

    def running(self, name: str) -> bool:
        """Whether it lives."""
        return any(each.alive for each in process.recall(self._pids, name))

    def leader(self) -> str | None:
        """Which one leads; None: none says so."""
        return next((name for name in self._fabric.members if self.running(name) and self._leads(name)), None)

    def endpoints(self, site: str) -> tuple[str, ...]:
        """ADDRESS:PORT of all of them, in the order in which a controller of a site should ask: its own first."""
        own = sorted(self._fabric.members, key=lambda name: self._fabric.site_of(name) != site)
        return tuple(f"{self._fabric.members[name]}:{CLIENTS}" for name in own)

    def _leads(self, name: str) -> bool:
        address = self._fabric.members[name]
        try:
            with (
                netns.enter(self._spaces[name]),
                urllib.request.urlopen(f"http://{address}:{CLIENTS}/metrics", timeout=1.0) as answer,
            ):
                text = answer.read().decode()
        except OSError:
            return False
        return "\netcd_server_is_leader 1" in text and "\netcd_server_has_leader 1" in text

    def _command(self, name: str) -> list[str]:
        own = self._fabric.members[name]
        peers = {each: f"http://{address}:{PEERS}" for each, address in self._fabric.members.items()}
        clients = f"http://{own}:{CLIENTS}"
        return [
            *(PROGRAM, "--name", name, "--data-dir", str(self._directory / name)),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers[name], "--initial-advertise-peer-urls", peers[name]),
            *("--initial-cluster", ",".join(f"{each}={url}" for each, url in peers.items())),
            *("--initial-cluster-state", "new", "--initial-cluster-token", self._directory.parent.name),
            *("--heartbeat-interval", str(HEARTBEAT), "--election-timeout", str(ELECTION)),
            *("--auto-compaction-mode", "revision", "--auto-compaction-retention", "10000"),
            *("--logger", "zap", "--log-level", "error", "--unsafe-no-fsync"),
        ]
