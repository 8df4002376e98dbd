"""The processes of a soak: load generators whose connections are followed by others, and a controller to mistreat."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from topo.demo import actors as demo
from topo.demo.load import Long, Spec, Target
from topo.demo.records import Connection
from topo.lab import Lab
from topo.soak import steppedclock
from topo.soak.stage import SILENT, Scale, Stage

ACTIVE, BRIEF = (0.5, 1.5), (0.3, 1.2)
"""Seconds between echoes."""
MIX = ("silent", "active", "brief", "silent", "active")
"""Kinds of connections, in turn."""
ECHO_TIMEOUT = 12.0
"""Seconds. Longer than a listener is away for a moment, with time for TCP to say it again afterwards."""


def write_specs(stage: Stage, scale: Scale, seed: int, connections: int, directory: Path) -> list[Spec]:
    """One spec per client: connections go round clients, listeners and kinds."""
    shares: dict[str, list[Long]] = {client: [] for client in stage.clients}
    periods = {"silent": SILENT, "active": ACTIVE, "brief": BRIEF}
    for number in range(connections):
        client = stage.clients[number % len(stage.clients)]
        turn = number // len(stage.clients)
        endpoint = stage.long[turn % len(stage.long)]
        kind = MIX[turn // len(stage.long) % len(MIX)]
        target = Target(endpoint.listener, endpoint.address, endpoint.port)
        shares[client].append(Long(f"{client}-{len(shares[client])}", target, kind, periods[kind]))
    requests = tuple(Target(one.listener, one.address, one.port) for one in stage.short)
    return [
        Spec(
            client,
            seed,
            str(directory / f"{client}.jsonl"),
            tuple(mine),
            requests,
            scale.rate,
            echo_timeout=ECHO_TIMEOUT,
        )
        for client, mine in shares.items()
    ]


class Records(dict[str, Connection]):
    """Connections by id, made as they appear in the log: ``c1-4.2`` is the third in the place ``c1-4``."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self._client = spec.client
        self._places = {one.id: one for one in spec.connections}

    def __missing__(self, name: str) -> Connection:
        place = self._places[name.rpartition(".")[0]]
        self[name] = Connection(name, self._client, place.target.listener, place.kind)
        return self[name]


class Client(demo.Client):
    """One load generator."""

    program = "topo.soak.load"

    @staticmethod
    def records(spec: Spec) -> dict[str, Connection]:
        """Empty at first."""
        return Records(spec)


class Controller(demo.Controller):
    """The controller with a clock of its own; it can be stopped, and started again when it ended by itself."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory)
        self._clock = directory / "clock"
        self._offset = 0.0

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", "topo.soak.steppedclock", str(self._clock), "--", *rest]

    def step_clock(self, seconds: float) -> None:
        """Its wall clock jumps by so much."""
        self._offset += seconds
        steppedclock.step(self._clock, self._offset)

    @property
    def running(self) -> bool:
        """Whether there is a process; one that was stopped counts."""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> str | None:
        """How it ended if it did so by itself, in one line; it is forgotten then."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self._process.returncode
        self._process = None
        said = self._errors.read_text(errors="replace").strip().splitlines()
        return f"exit code {code}: {said[-1] if said else '(nothing)'}"

    def family(self) -> list[int]:
        """Its process and those that it started."""
        return descendants(self._process.pid) if self._process is not None else []


def descendants(pid: int) -> list[int]:
    """A process and all below it, parents first."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


class Pauses:
    """Processes that are stopped for a bounded time: each goes on by a timer, whatever the run is doing."""

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def pause(self, pids: Sequence[int], seconds: float) -> None:
        """SIGSTOP now, SIGCONT after ``seconds``."""
        handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handles.append(os.pidfd_open(pid))
        _signal(handles, signal.SIGSTOP)
        timer = threading.Timer(seconds, self._go_on, (handles,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @staticmethod
    def _go_on(handles: Sequence[int]) -> None:
        _signal(handles, signal.SIGCONT)
        for handle in handles:
            os.close(handle)

    def end(self) -> None:
        """All go on at once."""
        for timer in self._timers:
            if timer.is_alive():
                timer.cancel()
                timer.function(*timer.args)


def _signal(handles: Iterable[int], number: signal.Signals) -> None:
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
