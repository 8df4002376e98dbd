"""Runs packets through a loaded program, the way simple_switch runs v1model."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from topo.p4switch.compile.unit import State, Unit, compile_program, make_hashes
from topo.p4switch.compile.work import Instance, Work
from topo.p4switch.errors import P4SwitchError
from topo.p4switch.replication import Replica
from topo.p4switch.state import Switch

log = logging.getLogger(__name__)

MAX_PASSES = 1024
"""How often one received packet may come back to ingress or be copied before its rest is dropped."""


@dataclass(frozen=True)
class TraceEvent:
    """One step of a packet: `stage` (parser, extract, table, action, set, ...), `name`, `values`."""

    stage: str
    name: str
    values: tuple[Any, ...]


class Engine:
    """The data plane of one switch state.

    `process` may be called from any thread: it takes `switch.lock`. A packet that fails (assertion, division
    by zero) is dropped, logged and counted in `failures`; the switch goes on.
    """

    def __init__(self, switch: Switch) -> None:
        """Compile the switch's program; ProgramError names what cannot be run."""
        self.switch = switch
        self.failures = 0
        self.hashes = make_hashes(switch.program)
        self._start = switch.clock()
        self._unit = compile_program(switch, self.hashes, self._log, self._start)
        self._traced: Unit | None = None
        self._events: list[TraceEvent] = []

    @property
    def source(self) -> str:
        """The generated Python."""
        return self._unit.source

    def process(self, port: int, frame: bytes) -> list[tuple[int, bytes]]:
        """Run one frame received on `port`; returns (egress port, frame) in the order of transmission."""
        out: list[tuple[int, bytes]] = []
        work: deque[tuple[Any, ...]] = deque()
        with self.switch.lock:
            self._run(self._unit, port, frame, out, work)
        return out

    def process_batch(self, frames: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Run several (port, frame) under one hold of the lock; returns everything transmitted, in order."""
        out: list[tuple[int, bytes]] = []
        work: deque[tuple[Any, ...]] = deque()
        run, unit = self._run, self._unit
        with self.switch.lock:
            for port, frame in frames:
                run(unit, port, frame, out, work)
        return out

    def trace(self, port: int, frame: bytes) -> tuple[list[tuple[int, bytes]], list[TraceEvent]]:
        """As `process`, with every step told; counts and registers change as for any packet."""
        out: list[tuple[int, bytes]] = []
        work: deque[tuple[Any, ...]] = deque()
        with self.switch.lock:
            if self._traced is None:
                self._traced = compile_program(
                    self.switch, self.hashes, self._log, self._start, trace=self._note
                )
            self._events = []
            self._run(self._traced, port, frame, out, work)
            return out, self._events

    def _run(
        self, unit: Unit, port: int, frame: bytes, out: list[tuple[int, bytes]], work: deque[tuple[Any, ...]]
    ) -> None:
        now = self.switch.clock()
        try:
            unit.ingress(frame, port, now, None, out, work)
            if work:
                self._drain(unit, now, out, work)
        except Exception as error:  # the packet's fault or the program's, but never the switch's end
            work.clear()
            self.failures += 1
            if self.failures & (self.failures - 1):
                return  # told at 1, 2, 4, 8, ... so that a bad program cannot fill the log at line rate
            log.error(
                "packet of %d bytes from port %d dropped (failure %d): %s: %s",
                len(frame),
                port,
                self.failures,
                type(error).__name__,
                error,
            )

    def _drain(
        self, unit: Unit, now: int, out: list[tuple[int, bytes]], work: deque[tuple[Any, ...]]
    ) -> None:
        """Do what is left to do until nothing is, within bounds."""
        handlers: dict[int, Callable[..., None]] = {
            Work.CLONE_INGRESS: self._clone_ingress,
            Work.CLONE_EGRESS: self._clone_egress,
            Work.MULTICAST: self._multicast,
        }
        for _ in range(MAX_PASSES):
            if not work:
                return
            item = work.popleft()
            kind = item[0]
            if kind == Work.EGRESS:
                unit.egress(item[1], item[2], item[3], now, out, work)
            elif kind == Work.INGRESS:
                _, frame, port, instance, state, fields = item
                kept = self._kept(unit, state, fields, instance)
                unit.ingress(frame, port, now, tuple(kept), out, work)
            else:
                handlers[kind](unit, work, *item[1:])
        raise P4SwitchError(f"cloned or recirculated without end, stopped after {MAX_PASSES} passes")

    def _clone_ingress(
        self,
        unit: Unit,
        work: deque[tuple[Any, ...]],
        frame: bytes,
        port: int,
        state: State,
        session: int,
        fields: int,
    ) -> None:
        """A clone of the packet as it arrived: parsed again, with the listed metadata of the original."""
        if session not in self.switch.replication.sessions:
            return
        fresh = list(unit.reparse(frame, port))
        self._copy(unit, work, fresh, state, session, fields, Instance.INGRESS_CLONE)

    def _clone_egress(
        self, unit: Unit, work: deque[tuple[Any, ...]], state: State, session: int, fields: int
    ) -> None:
        """A clone of the packet as it is at the end of egress."""
        if session in self.switch.replication.sessions:
            self._copy(unit, work, list(state), state, session, fields, Instance.EGRESS_CLONE)

    def _copy(
        self,
        unit: Unit,
        work: deque[tuple[Any, ...]],
        copy: list[Any],
        state: State,
        session: int,
        fields: int,
        instance: Instance,
    ) -> None:
        config = self.switch.replication.sessions[session]
        for index, value in zip(unit.metadata, self._kept(unit, state, fields, instance), strict=True):
            copy[index] = value
        copy[unit.indices["TR"]] = config.length or -1
        self._replicate(work, tuple(copy), config.replicas)

    def _multicast(self, unit: Unit, work: deque[tuple[Any, ...]], state: State, group: int) -> None:
        found = self.switch.replication.groups.get(group)
        if unit is self._traced:
            self._note("multicast", str(group), [] if found is None else [r.port for r in found.replicas])
        if found is not None:
            self._replicate(work, state, found.replicas)

    def _replicate(self, work: deque[tuple[Any, ...]], state: State, replicas: tuple[Replica, ...]) -> None:
        """Put the copies where their original stood in the order of work."""
        copies = [(Work.EGRESS, state, port, i) for port, i in self.switch.replication.copies(replicas)]
        work.extendleft(reversed(copies))

    def _kept(self, unit: Unit, state: State, fields: int, instance: int) -> list[Any]:
        """Metadata of a packet that starts again: zero but for the listed fields and the instance type."""
        keep = set(unit.field_lists.get(fields, ()))
        kept = [state[i] if i in keep else (b"" if isinstance(state[i], bytes) else 0) for i in unit.metadata]
        if unit.instance_type is not None:
            kept[unit.metadata.index(unit.instance_type)] = instance
        return kept

    def _note(self, stage: str, name: str, *values: Any) -> None:
        self._events.append(TraceEvent(stage, name, values))

    def _log(self, text: str, values: tuple[int, ...]) -> None:
        """log_msg: braces in the text take the values in order."""
        parts = text.split("{}")
        filled = "".join(p + (str(values[i]) if i < len(values) else "{}") for i, p in enumerate(parts[:-1]))
        log.info("%s", filled + parts[-1])
