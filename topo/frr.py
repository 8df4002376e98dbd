"""FRR's daemons as parts of a lab: a router, or the engine of a speaker. Each node has its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from topo import netns, process
from topo.errors import LabError

PROGRAMS = Path("/usr/lib/frr")
USER = "frr"
"""The user that the daemons run as."""
DAEMONS = ("zebra", "staticd", "bfdd", "bgpd", "ospfd", "ospf6d")
"""In the order in which they are started."""
_READY = 10.0


def missing() -> str | None:
    """Why FRR cannot be started here; None: it can."""
    lacks = [each for each in DAEMONS if not (PROGRAMS / each).is_file()]
    return f"{', '.join(lacks)} not installed: apt-get install frr" if lacks else None


def start(space: str, directory: Path, pids: Path, name: str, configs: dict[str, str] | None = None) -> None:
    """Start those daemons of a node that do not run. ``configs``: text by daemon, else they begin with nothing.

    Their vty sockets are ``directory``/DAEMON.vty. Raises LabError, CommandError.
    """
    reason = missing()
    if reason is not None:
        raise LabError(reason)
    directory.mkdir(parents=True, exist_ok=True)
    shutil.chown(directory, USER, USER)
    alive = {each.name for each in process.recall(pids, name) if each.alive}
    for daemon in DAEMONS:
        if f"{name}.{daemon}" not in alive:
            _start(space, directory, pids, name, daemon, (configs or {}).get(daemon, ""))


def _start(space: str, directory: Path, pids: Path, name: str, daemon: str, text: str) -> None:
    config, socket = directory / f"{daemon}.conf", directory / f"{daemon}.vty"
    config.write_text(text)
    shutil.chown(config, USER, USER)
    socket.unlink(missing_ok=True)
    command = [str(PROGRAMS / daemon), "-f", str(config), "-i", str(directory / f"{daemon}.pid")]
    command += ["--vty_socket", str(directory), "-P", "0", "-z", str(directory / "zserv.api")]
    command += ["--bfdctl", str(directory / "bfdd.sock")] if daemon == "bfdd" else []
    log = directory / f"{daemon}.out"
    with netns.enter(space):
        pid = process.detach(command, log, directory)
    known = process.remember(pids, f"{name}.{daemon}", pid)
    process.await_ready(known, socket.exists, log, _READY)
    if daemon == "bfdd":
        process.favour(pid)  # as switches are: what stalls here looks like a death to neighbours


def stop(pids: Path, name: str, daemons: Iterable[str] = DAEMONS) -> None:
    """End daemons of a node by SIGKILL."""
    wanted = {f"{name}.{daemon}" for daemon in daemons}
    process.kill(each.pid for each in process.recall(pids, name) if each.alive and each.name in wanted)
