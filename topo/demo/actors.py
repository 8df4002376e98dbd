"""The processes that the demo starts in the lab: controller and load generators, and what they write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topo.demo.events import FULL
from topo.demo.ledger import Endpoint
from topo.demo.load import Long, Spec, Target
from topo.demo.ready import Wanted
from topo.demo.records import ClientLog, Connection
from topo.demo.strangepin import Strange
from topo.lab import Lab
from topo.plan import CONTROLLER, OPENFLOW_PORT
from topo.sim.lab import SimLab

Stage = Lab | SimLab
"""Where the demo plays."""
ROOT = Path(__file__).parents[2]
"""Where the packages are imported from."""
ACTIVE = (0.5, 1.5)
"""Seconds between the echoes of an active connection."""
END_WITHIN = 30.0
READY_WITHIN = 60.0


class DemoError(Exception):
    """The demo could not be carried out (which is not the same as a promise not held)."""


class Tail:
    """Whole lines that were added to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> list[str]:
        """New lines; none while the file is not there."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()


class Controller:
    """A controller as a process in its own namespace."""

    def __init__(
        self, lab: Stage, directory: Path, options: Sequence[str] = (), node: str = CONTROLLER
    ) -> None:
        """``options``: further ones of its command line. ``node``: where it runs."""
        self._lab = lab
        self.node = node
        self.options = tuple(options)
        self._state = directory / "state"
        self._state.mkdir(parents=True, exist_ok=True)
        self._output = directory / "controller.jsonl"
        self._errors = directory / "controller.err"
        self._process: subprocess.Popen[Any] | None = None
        self._tail = Tail(self._output)

    @property
    def state(self) -> Path:
        """What it is told as ``--state``, and so are commands to it."""
        return self._state / "evenkeel.db"

    def argv(self) -> list[str]:
        """Its command line."""
        lab = self._lab
        own = lab.fabric.controllers[self.node]
        listen = lab.listen if isinstance(lab, SimLab) else f"{own}:{OPENFLOW_PORT}"
        state = str(self.state)
        intent = str(self._lab.intent_path)
        argv = [sys.executable, "-m", "controller", "run", intent, "--state", state]
        return [*argv, "--listen", listen, "--listen-insecure", *self.options]

    def start(self) -> None:
        """Start it; what it prints is appended to its log."""
        with self._output.open("ab") as out, self._errors.open("ab") as err:
            self._process = self._lab.popen(
                self.node, self.argv(), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT
            )

    def kill(self) -> None:
        """``kill -9``; nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT, SIGTERM."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, within: float = END_WITHIN) -> int:
        """Its exit code, once it has ended. Raises ``subprocess.TimeoutExpired``."""
        assert self._process is not None
        code = self._process.wait(within)
        self._process = None
        return code

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raises ``DemoError`` if it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            last = self._errors.read_text(errors="replace").strip().splitlines()[-1:] or ["(nothing)"]
            raise DemoError(f"the controller ended with code {self._process.returncode}: {last[0]}")

    def events(self) -> list[dict[str, Any]]:
        """What it has said since the last call; lines that are no events are left out."""
        found = []
        for line in self._tail.lines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and "event" in value:
                found.append(value)
        return found

    def status(self) -> dict[str, Any]:
        """Its status file; empty if there is none."""
        try:
            value = json.loads((self._state / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class LoadPlan:
    """How much load the demo makes."""

    connections: int
    """Long-lived ones over all clients and listeners."""
    rate: float
    """Short requests per second and client."""
    seed: int
    silent: tuple[float, float] = FULL.silent
    """Seconds between the echoes of a silent connection."""


def write_specs(
    plan: LoadPlan,
    clients: Sequence[str],
    long: Sequence[Endpoint],
    short: Sequence[Endpoint],
    directory: Path,
) -> list[Spec]:
    """One spec per client: connections go round the listeners and clients, half of each are silent."""
    shares: dict[str, list[Long]] = {client: [] for client in clients}
    for number in range(plan.connections):
        client = clients[number % len(clients)]
        endpoint = long[number // len(clients) % len(long)]
        silent = number // (len(clients) * len(long)) % 2 == 0
        target = Target(endpoint.listener, endpoint.address, endpoint.port)
        kind, period = ("silent", plan.silent) if silent else ("active", ACTIVE)
        shares[client].append(Long(f"{client}-{len(shares[client])}", target, kind, period))
    requests = tuple(Target(one.listener, one.address, one.port) for one in short)
    return [
        Spec(client, plan.seed, str(directory / f"{client}.jsonl"), tuple(mine), requests, plan.rate)
        for client, mine in shares.items()
    ]


class Client:
    """One load generator in its client's namespace, and what it has logged so far."""

    program = "topo.demo.load"
    """The module that makes the load."""

    def __init__(self, lab: Stage, spec: Spec, directory: Path) -> None:
        self.spec = spec
        path = directory / f"{spec.client}.spec.json"
        path.write_text(spec.dump(), encoding="utf-8")
        self.log = ClientLog(spec.client, self.records(spec))
        self._tail = Tail(Path(spec.log))
        argv = [sys.executable, "-m", self.program, str(path)]
        self._errors = directory / f"{spec.client}.err"
        with self._errors.open("wb") as err:
            self._process = lab.popen(spec.client, argv, stdin=subprocess.PIPE, stderr=err, cwd=ROOT)

    @staticmethod
    def records(spec: Spec) -> dict[str, Connection]:
        """Where the log of its connections goes, by id."""
        return {
            one.id: Connection(one.id, spec.client, one.target.listener, one.kind) for one in spec.connections
        }

    def read(self) -> None:
        """Take in what was logged since the last call. Raises ``DemoError`` if the program failed."""
        code = self._process.poll()
        for line in self._tail.lines():
            self.log.feed(line)
        if code:
            last = self._errors.read_text(errors="replace").strip().splitlines()[-1:] or ["(nothing)"]
            raise DemoError(f"the load generator of {self.spec.client} ended with code {code}: {last[0]}")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def finish(self) -> None:
        """Ask for the final proofs and the end."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self, within: float = END_WITHIN) -> None:
        """Until it has ended, so many seconds at most. Raises ``DemoError``."""
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise DemoError(f"the load generator of {self.spec.client} does not end") from None
        self.read()

    def kill(self) -> None:
        """Whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


def start_strange_pin(lab: Stage, strange: Strange, directory: Path) -> subprocess.Popen[str]:
    """Start moving a connection by hand, on P4 switches."""
    path = directory / "strangepin.json"
    path.write_text(strange.dump(), encoding="utf-8")
    return _start(lab, CONTROLLER, "topo.demo.strangepin", path)


def start_waiting(lab: Stage, client: str, wanted: Wanted, directory: Path) -> subprocess.Popen[str]:
    """Start waiting, as ``client``, until every listener is balanced."""
    path = directory / f"{client}.ready.json"
    path.write_text(replace(wanted, within=READY_WITHIN).dump(), encoding="utf-8")
    return _start(lab, client, "topo.demo.ready", path)


def _start(lab: Stage, node: str, program: str, spec: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", program, str(spec)]
    process: subprocess.Popen[str] = lab.popen(
        node, argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    return process
