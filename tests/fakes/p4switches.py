"""P4Runtime servers that tests start, kill and start again: the embedded switch in this process, BMv2 beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from topo.p4switch.engine import Engine
from topo.p4switch.program.load import load_program
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service
from topo.p4switch.state import Ports, Switch

CPU_PORT = 510
BMV2 = "simple_switch_grpc"
DEVICE = 1


class Startable(Protocol):
    """A switch without program and interfaces."""

    address: str

    def start(self) -> None: ...

    def stop(self) -> None:
        """Whatever it held is lost."""


class EnginePlane:
    """The embedded switch's data plane with packets to and from the controller only."""

    def __init__(self) -> None:
        self.cpu_port: int | None = CPU_PORT
        self.ports = Ports()
        self.on_cpu: Callable[[bytes], None] = lambda frame: None
        self._engine: Engine | None = None

    def load(self, source: bytes) -> Switch:
        return Switch(load_program(source), self.ports)

    def run(self, switch: Switch) -> None:
        self._engine = Engine(switch)

    def inject(self, frame: bytes) -> None:
        if self._engine is not None:
            for port, out in self._engine.process(CPU_PORT, frame):
                if port == CPU_PORT:
                    self.on_cpu(out)


class EmbeddedSwitch:
    """The embedded switch's server in this process."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/embedded"
        self._server: Server | None = None

    def start(self) -> None:
        self._server = Server(Service(DEVICE, EnginePlane()), self.address)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


class Bmv2Switch:
    """A process of BMv2."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/bmv2"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [BMV2, "--no-p4", "--device-id", str(DEVICE), "--"]
        command += ["--grpc-server-addr", self.address, "--cpu-port", str(CPU_PORT)]
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


KINDS: dict[str, Callable[[Path], Startable]] = {"embedded": EmbeddedSwitch, "bmv2": Bmv2Switch}


def why_not(kind: str) -> str | None:
    """Why a kind of switch cannot be started here, or None."""
    if kind == "bmv2" and shutil.which(BMV2) is None:
        return f"{BMV2} is not on PATH"
    return None


def each_kind() -> Any:
    """A fixture: a started switch of each kind; those that cannot be started here are skipped with the reason."""

    @pytest.fixture(params=list(KINDS))
    def switch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Startable]:
        reason = why_not(request.param)
        if reason:
            pytest.skip(reason)
        made = KINDS[request.param](tmp_path)
        made.start()
        yield made
        made.stop()

    return switch
