"""One P4 switch: BMv2's simple_switch_grpc or ``evenkeel switch``, started empty, watched and killed alone."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from topo import netns, process, wires
from topo.model import SwitchKind
from topo.p4programs import PROGRAMS
from topo.plan import CPU_PORT, P4RUNTIME_PORT, Fabric, Switch

ROOT = Path(__file__).parents[1]
DEADLINE = 30.0
"""Seconds from the start of the program to its open P4Runtime port."""
PATIENCE = 5.0
"""Seconds that a switch which comes back waits for its controller."""


def options(switch: Switch) -> list[str]:
    """What follows the program's name, for either kind."""
    ports = [word for port in switch.ports for word in ("-i", f"{port.number}@{port.interface}")]
    identity = ["--no-p4", "--device-id", str(switch.id)]
    target = ["--grpc-server-addr", f"{switch.control}:{P4RUNTIME_PORT}", "--cpu-port", str(CPU_PORT)]
    return [*ports, *identity, "--", *target]


def missing(kind: SwitchKind) -> str | None:
    """Why no switch of this kind can be started here; None if one can."""
    program = PROGRAMS[kind]
    return program.absent if shutil.which(program.command[0]) is None else None


class P4Switch:
    """A switch of the lab; ``directory`` holds its log. It forgets everything when it ends."""

    def __init__(self, fabric: Fabric, switch: Switch, directory: Path, space: str, pids: Path) -> None:
        self.fabric = fabric
        self.switch = switch
        self.directory = directory
        self.space = space
        self.pids = pids
        self.env: Mapping[str, str] = {}
        self._program = PROGRAMS[switch.kind]

    def create(self, shared: Path) -> None:
        """Lay out the switch's directory."""
        self.directory.mkdir(parents=True)

    def command(self) -> list[str]:
        """Its command line: a program comes over P4Runtime only."""
        own = [*self._program.within, *self._program.command]
        if self._program.traces:
            own += ["--trace-socket", str(self.directory / "trace.sock")]
        return [*own, *options(self.switch)]

    def start(self, shut: bool = False) -> None:
        """Start it; returns when it listens. Raises ``CommandError``.

        ``shut`` changes nothing: it has no way to tell neighbours, and forwards nothing before a controller says how.
        """
        log = self.directory / "switch.log"
        process.kill(each.pid for each in process.recall(self.pids, self._watch) if each.alive)
        with netns.enter(self.space):
            pid = process.detach(self.command(), log, ROOT)
            known = process.remember(self.pids, self.switch.name, pid)
            self._prefer(pid)
            process.await_ready(known, self._listens, log, DEADLINE)
            self._prefer_session(pid)
        self._watch_over(pid, log)

    @property
    def _watch(self) -> str:
        return f"watch-{self.switch.name}"

    def _watch_over(self, pid: int, log: Path) -> None:
        """Shut the cables of ovs neighbours when the switch ends: they know it by nothing else."""
        lab = self.space.removesuffix(self.switch.name)
        mine = self.switch.name
        ends = [f"{lab}{port.to}/{port.stretch or mine}" for port in self.fabric.to_ovs(mine)]
        if ends:
            watching = process.detach([sys.executable, "-m", "topo.p4watch", str(pid), *ends], log, ROOT)
            process.remember(self.pids, self._watch, watching)

    def _prefer(self, pid: int) -> None:
        """A switch of its own has processors of its own: it comes before everything else on this machine.

        At once, so that the threads it will have inherit it; no error where that is not allowed.
        """
        if self._program.niceness is None:
            process.favour(pid)
            return
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, self._program.niceness)

    def _prefer_session(self, pid: int) -> None:
        """Where the kernel groups processes by session, it is the group's niceness that counts among sessions.

        Once it runs, not sooner: before that it may still be of our own session.
        """
        if self._program.niceness is not None:
            with suppress(OSError):
                Path(f"/proc/{pid}/autogroup").write_text(str(self._program.niceness))

    def _listens(self) -> bool:
        with (
            suppress(OSError),
            socket.create_connection((str(self.switch.control), P4RUNTIME_PORT), timeout=1.0),
        ):
            return True
        return False

    def open(self) -> None:
        """Nothing was shut here."""

    def liveness(self) -> dict[str, bool]:
        """Links to neighbouring switches and whether they have a carrier; there is no BFD."""
        up, cables = wires.links(self.space), self.fabric.cables(self.switch.name)
        return {port.interface: up.get(port.interface, False) for port in cables}

    def sessions(self) -> set[str]:
        """All links to switches, or none while ovs switches among them are better off without this one."""
        everybody = {port.interface for port in self.fabric.cables(self.switch.name)}
        return everybody if not self.fabric.ovs_neighbours(self.switch.name) or self._forwards() else set()

    def _forwards(self) -> bool:
        """Whether a controller has said how; waits a little for one that is about to."""
        where = f"{self.switch.control}:{P4RUNTIME_PORT}"
        command = [sys.executable, "-m", "topo.p4ready", where, str(self.switch.id), str(PATIENCE)]
        with netns.enter(self.space):
            return process.succeeds(command, ROOT, PATIENCE + 10.0)

    def running(self) -> bool:
        """Whether it lives."""
        return any(each.alive for each in process.recall(self.pids, self.switch.name))

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        process.kill(each.pid for each in process.recall(self.pids, self.switch.name) if each.alive)
