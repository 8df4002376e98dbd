"""Name servers as processes, and the clients that ask them: dig, delv, unbound."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pytest

from tests.fakes.process import PATIENCE, ROOT

T = TypeVar("T")
DIG = "dig"
DELV = "delv"
PACKAGES = {DIG: "bind9-dnsutils", DELV: "bind9-dnsutils", "unbound": "unbound", "dnsperf": "dnsperf"}
"""Debian packages of the clients."""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where a client is missing."""
    missing = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None
    reason = f"needs {program}: apt-get install {PACKAGES[program]} (make lab-packages)"
    return pytest.mark.skipif(missing, reason=reason)


def free_domain_port() -> int:
    """A port of 127.0.0.1 and 127.0.0.2 that nothing has, neither by UDP nor by TCP."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as other:
                other.bind(("127.0.0.2", port))
    return port


def awaited(holds: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The first true value."""
    end = time.monotonic() + timeout
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.1)
    return found


class Process:
    """A program; killed at the end."""

    def __init__(self, argv: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log, self._argv, self._env = log, list(argv), os.environ | (env or {})
        self._start()

    def _start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._argv, cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """As power that fails."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def again(self) -> None:
        """Start it once more."""
        self._start()


def nameserver(folder: Path, listen: str, *options: str, env: dict[str, str] | None = None) -> Process:
    """``evenkeel nameserver`` with its data in a folder."""
    folder.mkdir(exist_ok=True)
    argv = [
        sys.executable,
        "-m",
        "controller",
        "nameserver",
        "--listen",
        listen,
        "--data",
        str(folder),
        *options,
    ]
    return Process(argv, folder / "log", {"PYTHONPATH": str(ROOT), **(env or {})})


def shown(folder: Path) -> dict[str, Any]:
    """Its status; empty if there is none yet."""
    try:
        found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def dig(server: str, port: int, *words: str) -> str:
    """What dig prints."""
    argv = [DIG, f"@{server}", "-p", str(port), "+tries=1", "+time=5", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def delv(server: str, port: int, anchor: Path, zone: str, *words: str) -> str:
    """What delv prints, which validates by itself."""
    argv = [DELV, f"@{server}", "-p", str(port), "-a", str(anchor), f"+root={zone}", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def unbound(folder: Path, port: int, zone: str, ds: str, servers: Sequence[str]) -> Process:
    """A resolver that validates, and knows of one zone alone. ``servers``: ADDRESS@PORT."""
    folder.mkdir(exist_ok=True)
    config = f"""
server:
  interface: 127.0.0.1
  port: {port}
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  verbosity: 1
  do-not-query-localhost: no
  do-ip6: no
  module-config: "validator iterator"
  trust-anchor: "{ds}"
remote-control:
  control-enable: no
stub-zone:
  name: "{zone}"
{"".join(f"  stub-addr: {each}{chr(10)}" for each in servers)}"""
    (folder / "unbound.conf").write_text(config)
    program = shutil.which("unbound", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "unbound"
    return Process([program, "-d", "-c", str(folder / "unbound.conf")], folder / "log")
