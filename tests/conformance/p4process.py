"""A P4 switch in a process of its own as a target: BMv2, or the embedded switch by the same command line.

raw socket ── veth ── simple_switch_grpc ── veth ── raw socket, one for each server       all in one namespace
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pyroute2 import IPRoute

from controller.plan.duty import PlanInput
from controller.spec.spread import Spread
from tests.conformance import p4marks
from tests.conformance.embedded import LACKING
from tests.conformance.p4 import P4Controller
from tests.conformance.rawports import RawPorts, listen
from tests.conformance.scenario import PORTS, SEGMENT, p4_switch
from tests.conformance.target import DEADLINE, Can, Counts, Heard, Reason, Wire
from topo import netns, state

_CPU_PORT = 510
_BATCH = 20
"""Frames at a time: BMv2 has room for 32 that it has not read, those that end an exchange among them."""
_ANSWERS = 8
"""Times that the controller may answer what came of its last answer."""
_GONE_WITHIN = 5.0
COMMANDS = {
    "bmv2": ["simple_switch_grpc"],
    "embedded": [sys.executable, "-m", "topo.p4switch"],
}


def why_not(kind: str) -> str | None:
    """Why this target cannot be here, and what would bring it; None if it can."""
    if os.geteuid() != 0:
        return f"{kind}: a switch with interfaces needs network namespaces: run as root"
    if shutil.which(COMMANDS[kind][0]) is None:
        return f"{COMMANDS[kind][0]} is not on PATH: build behavioral-model with PI, see docs/pipeline-p4.md"
    return None


class P4Process:
    """Implements ``Target``."""

    reasons = frozenset(Reason) - {Reason.YOUNG}

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        self.spread = Spread.OWN
        self.switch = p4_switch(kind)
        self._stack = ExitStack()
        try:
            self._start(kind)
        except BaseException:
            self._stack.close()
            raise

    def _start(self, kind: str) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-")))
        space = f"evenkeel-{self.name}-{os.getpid()}"
        self._stack.enter_context(state.space(space))
        address = f"unix:{folder / 'p4rt'}"
        with netns.enter(space):
            netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
            with IPRoute() as route:
                for number in PORTS.values():
                    route.link("add", ifname=f"p{number}", kind="veth", peer={"ifname": f"q{number}"})
                    for end in "pq":
                        route.link("set", index=route.link_lookup(ifname=f"{end}{number}")[0], state="up")
            self._ports = RawPorts(
                {name: listen(f"q{number}") for name, number in PORTS.items()}, p4marks.is_end
            )
            self._stack.callback(self._ports.close)
            log = self._stack.enter_context((folder / "log").open("wb"))
            process = subprocess.Popen(self._command(kind, address), stdout=log, stderr=log)
        self._stack.callback(_end, process)
        self._controller = P4Controller(self.switch, address, marked=True)
        self._stack.callback(self._controller.close)

    def _command(self, kind: str, address: str) -> list[str]:
        ports = [word for number in PORTS.values() for word in ("-i", f"{number}@p{number}")]
        server = ["--grpc-server-addr", address, "--cpu-port", str(_CPU_PORT)]
        return [*COMMANDS[kind], *ports, "--no-p4", "--device-id", str(self.switch.id), "--", *server]

    def has(self, what: Can) -> bool:
        """See ``Target``."""
        return what not in (*LACKING, Can.MEMORY_CLOCK)

    def apply(self, world: PlanInput) -> None:
        """See ``Target``."""
        self._controller.apply(world)
        self._controller.settle()

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """See ``Target``. It is known when all has come, so nothing is waited for."""
        heard = Heard()
        for at in range(0, len(sent), _BATCH):
            batch = sent[at : at + _BATCH]
            self._ports.send(batch)
            heard.frames += self._drain({wire.port for wire in batch})
        for _ in range(_ANSWERS):
            self._ports.send([p4marks.MARK])
            reports, answers = self._controller.told()
            heard.reports += reports
            if not answers:
                return heard
            self._controller.settle()
            heard.frames += self._drain({SEGMENT})
        raise AssertionError(f"the controller does not stop to answer {self.name}")

    def _drain(self, used: set[str]) -> list[Wire]:
        """Everything that came of the frames that these ports have sent."""
        return self._ports.drain(p4marks.ends(used), dict.fromkeys(PORTS, len(used)))

    def counts(self) -> dict[tuple[int, int], Counts]:
        """See ``Target``."""
        return self._controller.counts()

    def count_all(self) -> None:
        """See ``Target``: it counts at once."""

    def forget(self) -> None:
        """See ``Target``."""
        self._controller.forget()

    def close(self) -> None:
        """See ``Target``."""
        self._stack.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GONE_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
