"""The embedded P4 switch as a target: its engine in this process, without interfaces, and so without root.

frames ── engine.process ── frames          P4Runtime server ── unix socket ── the controller's driver
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from controller.spec.spread import Spread
from tests.conformance.moment import Moment
from tests.conformance.p4 import P4Controller
from tests.conformance.scenario import PORTS, p4_switch
from tests.conformance.target import DEADLINE, Can, Counts, Damage, Heard, Reason, Wire
from topo.p4switch.engine import Engine
from topo.p4switch.program.load import load_program
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service
from topo.p4switch.state import DigestMessage, Ports, Switch

_CPU_PORT = 510
LACKING = (Can.LATE_FIRST, Can.GENERATIONS, Can.FULLNAT_PINS, Can.FULLNAT_AFFINITY)
_NAMES = {number: name for name, number in PORTS.items()}
_TOLD_WITHIN = 2.0
"""Seconds in which what the pipeline has told reaches the controller."""
_FORGETS = 20_000
"""Seconds by which the clock is set forward when all is to be forgotten: longer than any memory."""
_SECOND = 1_000_000_000


class Plane:
    """The engine with a clock that can be set, frames in lists, and a count of what it told the controller."""

    def __init__(self) -> None:
        self.cpu_port: int | None = _CPU_PORT
        self.ports = Ports()
        for number in PORTS.values():
            self.ports.set(number, True)
        self.on_cpu: Callable[[bytes], None] = lambda frame: None
        self.out: list[Wire] = []
        self.ahead = 0
        """Nanoseconds."""
        self.told: set[object] = set()
        """Digests and packets for the controller; the server sends what is the same only once."""
        self.injected = 0
        """Packets of the controller."""
        self._engine: Engine | None = None

    def clock(self) -> int:
        """Nanoseconds."""
        return time.monotonic_ns() + self.ahead

    def load(self, source: bytes) -> Switch:
        """See ``Plane`` of the switch."""
        return Switch(load_program(source), self.ports, self.clock)

    def run(self, switch: Switch) -> None:
        """See ``Plane`` of the switch."""
        self._engine = Engine(switch)

    def inject(self, frame: bytes) -> None:
        """See ``Plane`` of the switch."""
        self.process(_CPU_PORT, frame, counted=False)
        self.injected += 1

    def process(self, port: int, frame: bytes, *, counted: bool = True) -> None:
        """Run a frame."""
        assert self._engine is not None
        self._count()
        for egress, sent in self._engine.process(port, frame):
            if egress == _CPU_PORT:
                if counted:
                    self.told.add(sent)
                self.on_cpu(sent)
            else:
                self.out.append(Wire(_NAMES[egress], sent))

    def _count(self) -> None:
        """Count digests, also those that are taken elsewhere."""
        assert self._engine is not None
        switch = self._engine.switch
        sink = switch.digest_sink
        if sink is None or getattr(sink, "counts", False):
            return

        def counting(message: DigestMessage) -> None:
            self.told.add(message.values)
            sink(message)

        counting.counts = True  # type: ignore[attr-defined]
        switch.digest_sink = counting


class Embedded:
    """Implements ``Target``."""

    reasons = frozenset(Reason) - {Reason.YOUNG}

    def __init__(self, plane: Plane | None = None) -> None:
        self.name = "embedded"
        self.spread = Spread.OWN
        self.switch = p4_switch("embedded")
        self._now: float | None = None
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-"))
        self.plane = plane or Plane()
        address = f"unix:{Path(folder) / 'p4rt'}"
        server = Server(Service(self.switch.id, self.plane, clock=self.plane.clock), address)
        server.start()
        self._stack.callback(server.stop)
        try:
            self._controller = P4Controller(self.switch, address)
            self._stack.callback(self._controller.close)
        except BaseException:
            self._stack.close()
            raise

    @property
    def damage(self) -> Damage | None:
        """What becomes of each pool's slots before they are written."""
        return self._controller.damage

    @damage.setter
    def damage(self, damage: Damage | None) -> None:
        self._controller.damage = damage

    def has(self, what: Can) -> bool:
        """See ``Target``."""
        return what not in LACKING

    def apply(self, world: Moment) -> None:
        """See ``Target``."""
        passed = world.now - (world.now if self._now is None else self._now)
        self._now = world.now
        if passed > 0:
            self._pass(passed)
        self._controller.apply(world)
        self._take()

    def _take(self) -> None:
        """Wait until the switch has taken what the controller has sent it: authority above all."""
        end = time.monotonic() + _TOLD_WITHIN
        while self.plane.injected < self._controller.sent and time.monotonic() < end:
            time.sleep(0.0005)

    def _pass(self, seconds: float) -> None:
        self.plane.ahead += int(seconds * _SECOND)
        self._controller.clock_moved()

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """See ``Target``."""
        heard = Heard()
        self.plane.out.clear()
        self.plane.told.clear()
        for wire in sent:
            self.plane.process(PORTS[wire.port], wire.frame)
        end = time.monotonic() + min(within, _TOLD_WITHIN)
        while not self._complete(heard, done) and time.monotonic() < end:
            self._hear(heard, 0.01)
        if heard.reports:
            self._controller.settle()
            self._hear(heard, 0.0)
        return heard

    def _complete(self, heard: Heard, done: Callable[[Heard], bool]) -> bool:
        self._hear(heard, 0.0)
        return done(heard) and len(heard.reports) >= len(self.plane.told)

    def _hear(self, heard: Heard, wait: float) -> None:
        heard.reports += self._controller.reports(wait)
        heard.frames = list(self.plane.out)

    def counts(self) -> dict[tuple[int, int], Counts]:
        """See ``Target``."""
        return self._controller.counts()

    def count_all(self) -> None:
        """See ``Target``: it counts at once."""

    def forget(self) -> None:
        """See ``Target``."""
        self._controller.forget()
        self._pass(_FORGETS)
        self._now = None

    def close(self) -> None:
        """See ``Target``."""
        self._stack.close()
