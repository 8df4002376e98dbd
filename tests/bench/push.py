"""Slot table push: 65,536 slots through the driver until the barrier reply, against ovs-ofctl --bundle add-flows."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from controller import maglev
from controller.southbound.openflow.session import Session
from controller.spec.slots import SlotTable
from controller.spec.types import OpenFlowPlacement
from flows.diff import Changes, diff
from flows.entries import Target
from flows.tables import Placed, Stage
from tests.fakes.control import Control, control
from topo import ovs
from topo.errors import LabError
from topo.lab import Lab
from topo.model import SwitchSpec, Topology
from topo.plan import CONTROL_ADDRESS, OPENFLOW_PORT

SLOTS = 1 << 16
BACKENDS = 100
ROUNDS = 7
PAUSE = 0.5
"""Seconds between measurements, in which the switch frees what was deleted."""
POOL = 7
SWITCH = "sw1"
PLACED = Placed(OpenFlowPlacement())
TABLE = PLACED.table(Stage.SLOT)


@dataclass
class Seconds:
    """What each round took."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)


def run() -> dict[str, object]:
    """Measure in alternating rounds on one switch; every table is read back and compared."""
    reason = "network namespaces need root" if os.geteuid() != 0 else ovs.missing()
    if reason is not None:
        raise RuntimeError(reason)
    whole, less = _table(BACKENDS), _table(BACKENDS - 1)
    moved = int(np.count_nonzero(whole.now != less.now))
    with _switch() as bench, tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "flows"
        bench.push(Target(), _target(whole))
        text.write_text(bench.dump())
        bench.clear()
        taken = Seconds()
        for _ in range(ROUNDS):
            bench.round(taken, text, whole, less)
    return {
        "slots": SLOTS,
        "backends": BACKENDS,
        "rounds": ROUNDS,
        "ours_s": _figure(taken.ours),
        "ours_min_s": round(min(taken.ours), 3),
        "ovs_ofctl_s": _figure(taken.theirs),
        "ovs_ofctl_min_s": round(min(taken.theirs), 3),
        "ratio": round(median(taken.ours) / median(taken.theirs), 3),
        "ratio_is": "median seconds of our diff and write / of ovs-ofctl --bundle add-flows, the same flows as text",
        "read_back_s": _figure(taken.read),
        "one_backend_change_ms": round(median(taken.change) * 1e3, 1),
        "one_backend_change_slots": moved,
    }


@dataclass
class Bench:
    """A live switch, and the driver's session with it."""

    lab: Lab
    control: Control
    session: Session

    def push(self, have: Target, want: Target) -> float:
        """Seconds from the two targets to the last barrier reply."""

        async def timed() -> float:
            started = time.perf_counter()
            changes: Changes = diff(PLACED, have, want)
            await self.session.write(changes, SWITCH)
            return time.perf_counter() - started

        return self.control.run(timed())

    def read(self, expected: SlotTable) -> float:
        """Seconds to read everything back. Raises RuntimeError if it is not as expected."""

        async def timed() -> tuple[float, Target]:
            started = time.perf_counter()
            back = await self.session.read(PLACED, {POOL: SLOTS})
            return time.perf_counter() - started, back.target

        seconds, found = self.control.run(timed())
        if len(diff(PLACED, found, _target(expected))):
            raise RuntimeError("the switch does not hold the table that was pushed")
        return seconds

    def dump(self) -> str:
        """The slot table as text that ovs-ofctl makes the very same flows of."""
        dumped = self.lab.ofctl(SWITCH, "dump-flows", ovs.BRIDGE, f"table={TABLE}", "--no-stats")
        # A dump does not tell the two ways of writing a register apart.
        return re.sub(r"set_field:(\w+)->reg(\d+)", r"load:\1->NXM_NX_REG\2[]", dumped)

    def bundle(self, text: Path) -> float:
        """Seconds that ovs-ofctl takes for the same flows."""
        command = ["ovs-ofctl", "-O", "OpenFlow13", "--bundle", "add-flows", ovs.BRIDGE, str(text)]
        started = time.perf_counter()
        self.lab.exec(SWITCH, command, check=True, capture_output=True, timeout=60)
        return time.perf_counter() - started

    def clear(self) -> None:
        """Empty the slot table, and let the switch come to rest."""
        self.lab.ofctl(SWITCH, "del-flows", ovs.BRIDGE, f"table={TABLE}")
        time.sleep(PAUSE)

    def round(self, taken: Seconds, text: Path, whole: SlotTable, less: SlotTable) -> None:
        """Each contender once, ours first in every other round."""

        def ours() -> None:
            taken.ours.append(self.push(Target(), _target(whole)))
            taken.read.append(self.read(whole))
            taken.change.append(self.push(_target(whole), _target(less)))
            self.read(less)
            self.clear()

        def theirs() -> None:
            taken.theirs.append(self.bundle(text))
            self.read(whole)
            self.clear()

        turns = [ours, theirs]
        for turn in turns if len(taken.ours) % 2 == 0 else turns[::-1]:
            turn()


@contextmanager
def _switch() -> Iterator[Bench]:
    topology = Topology(name="push", subnets=(), switches=(SwitchSpec(name=SWITCH, roles=("lb",)),), hosts=())
    try:
        lab = Lab.up(topology, name=f"push{os.getpid()}", temporary=True)
    except LabError as error:
        raise RuntimeError(str(error)) from error
    try:
        with lab.socket("ctl") as listener:
            yield _connect(lab, listener)
    finally:
        lab.down()


def _connect(lab: Lab, listener: socket.socket) -> Bench:
    server = control()
    number = lab.fabric.switches[SWITCH].id
    server.expect(number)
    listener.bind((str(CONTROL_ADDRESS), OPENFLOW_PORT))
    listener.listen()
    server.accept_on(listener)
    return Bench(lab, server, server.session(number))


def _table(count: int) -> SlotTable:
    members = [maglev.WeightedBackend(f"server-{n}", n, 1) for n in range(1, count + 1)]
    return SlotTable(maglev.build(members, SLOTS), np.zeros(SLOTS, np.uint16))


def _target(table: SlotTable) -> Target:
    return Target(slots={POOL: table})


def _figure(seconds: Sequence[float]) -> float:
    return round(median(seconds), 3)
