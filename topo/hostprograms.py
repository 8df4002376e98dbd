"""Programs of a lab's servers, started: what serves, and the userspace end of IPIP tunnels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from topo import netns, process, wires
from topo.errors import LabError
from topo.model import Topology
from topo.plan import Fabric, Host

TIER = "tier"
"""Directory of a lab that holds files and sockets of its HAProxy processes."""
_SCRIPTS = Path(__file__).parent / "servers"
# -I and -S: no site packages, half the start time.
_PYTHON = (sys.executable, "-I", "-S")


def server(fabric: Fabric, host: Host, logs: Path) -> list[str]:
    """Command line of a host's server program, which logs its connections to ``logs``/HOST.jsonl."""
    ports = fabric.topology.servers
    flags = [
        f"--{service}={port}"
        for service, numbers in (("http", ports.http), ("echo", ports.echo), ("udp", ports.udp))
        for port in numbers
    ]
    return [*_PYTHON, str(_SCRIPTS / "server.py"), host.name, *flags, f"--log={logs / host.name}.jsonl"]


def decapsulator() -> list[str]:
    """Command line of a server's end of IPIP tunnels."""
    return [*_PYTHON, str(_SCRIPTS / "decap.py"), wires.IPIP_INTERFACE]


def serve(fabric: Fabric, host: Host, space: str, lab: Path) -> None:
    """Start a host's server program; returns when its ports are open. ``lab`` is the lab's directory."""
    pidfile = lab / f"{host.name}.pid"
    with netns.enter(space):
        process.run([*server(fabric, host, lab / "logs"), f"--pid-file={pidfile}"])
    process.remember(lab / "pids", host.name, int(pidfile.read_text()))


def start(fabric: Fabric, host: Host, space: str, lab: Path) -> None:
    """Start what a server runs."""
    if host.program == "haproxy":
        proxy(host, space, lab)
    else:
        serve(fabric, host, space, lab)


def check(topology: Topology) -> None:
    """Raise ``LabError`` for a program that is not there."""
    proxies = [host.name for host in topology.hosts if host.program == "haproxy"]
    if proxies and shutil.which("haproxy") is None:
        raise LabError(f"{proxies[0]} runs a HAProxy, which is not installed here: apt-get install haproxy")


def haproxy(host: Host, lab: Path) -> list[str]:
    """Command line of a host's HAProxy, as a service manager starts it: once the controller has written its file."""
    config, master = tier_files(host.name, lab / TIER)
    script = 'until [ -e "$1" ]; do sleep 0.1; done; exec haproxy -W -S "$2" -f "$1"'
    return ["sh", "-c", script, "sh", str(config), str(master)]


def tier_files(name: str, folder: Path) -> tuple[Path, Path]:
    """Configuration file and master socket of a HAProxy."""
    return folder / f"{name}.cfg", folder / f"{name}.sock"


def proxy(host: Host, space: str, lab: Path) -> None:
    """Start a host's HAProxy, or what waits for its file."""
    (lab / TIER).mkdir(exist_ok=True)
    with netns.enter(space):
        pid = process.detach(haproxy(host, lab), lab / f"{host.name}.haproxy.log", lab)
    process.remember(lab / "pids", host.name, pid)


def decapsulate(host: Host, space: str, lab: Path) -> None:
    """Start the host's end of IPIP tunnels; it is part of the host, not of the program that serves."""
    name, log = wires.IPIP_INTERFACE, lab / f"{host.name}.decap.log"
    with netns.enter(space):
        pid = process.detach(decapsulator(), log, lab)
    known = process.remember(lab / "pids", f"{name}.{host.name}", pid)
    process.await_ready(known, lambda: wires.links(space).get(name, False), log, 10.0)
