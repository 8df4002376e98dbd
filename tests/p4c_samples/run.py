"""Runs one STF file against an engine and says how what came out differs from what was expected."""

from __future__ import annotations

from collections.abc import Callable

from tests.p4c_samples.entries import apply_add, apply_default, number
from tests.p4c_samples.stf import Add, Command, Expect, Packet, RemoveAll, SetDefault, Statement, StfError
from topo.p4switch.engine import Engine
from topo.p4switch.state import CloneSession, MulticastGroup, Replica, Switch


class Run:
    """An STF file's run: `problems` are the differences found, empty when it passed."""

    def __init__(self, switch: Switch, engine: Engine) -> None:
        """Start with the switch as its program left it."""
        self._switch = switch
        self._engine = engine
        self._nodes: list[tuple[int, tuple[int, ...]]] = []
        self._groups: dict[int, list[int]] = {}
        self._mirrors: dict[int, tuple[str, int]] = {}
        self._out: dict[int, list[bytes]] = {}
        self._expected: dict[int, list[Expect]] = {}
        self._ports: set[int] = set()

    def run(self, statements: list[Statement]) -> list[str]:
        """Do every statement, then compare; returns the problems."""
        for statement in statements:
            self._step(statement)
        return self._compare()

    def _step(self, statement: Statement) -> None:
        if isinstance(statement, Packet):
            self._ports.add(statement.port)
            for port, frame in self._engine.process(statement.port, statement.frame):
                self._out.setdefault(port, []).append(frame)
        elif isinstance(statement, Expect):
            self._ports.add(statement.port)
            self._expected.setdefault(statement.port, []).append(statement)
        elif isinstance(statement, Add):
            apply_add(self._switch, statement)
        elif isinstance(statement, SetDefault):
            apply_default(self._switch, statement)
        elif isinstance(statement, RemoveAll):
            for table in self._switch.tables.values():
                if not table.definition.immutable:
                    table.clear()
        else:
            self._command(statement)

    def _compare(self) -> list[str]:
        problems = []
        if self._engine.failures:
            problems.append(f"{self._engine.failures} packets failed in the engine")
        # Frames that leave ports the file does not name went nowhere in the original, too.
        for port in sorted(self._ports):
            expected, frames = self._expected.get(port, []), self._out.get(port, [])
            if any(e.pattern is None for e in expected):
                if not frames:
                    problems.append(f"port {port}: expected frames, got none")
                continue
            if len(expected) != len(frames):
                problems.append(f"port {port}: expected {len(expected)} frames, got {len(frames)}")
                continue
            for index, (want, got) in enumerate(zip(expected, frames, strict=True)):
                difference = _difference(want, got)
                if difference:
                    problems.append(f"port {port} frame {index}: {difference}")
        return problems

    def _command(self, command: Command) -> None:
        handlers: dict[str, Callable[..., None]] = {
            "mc_mgrp_create": self._group_create,
            "mc_node_create": self._node_create,
            "mc_node_associate": self._node_associate,
            "mirroring_add": lambda session, port: self._mirror(session, "port", port),
            "mirroring_add_mc": lambda session, group: self._mirror(session, "group", group),
            "register_write": self._register_write,
            "register_reset": lambda name: self._switch.registers[name].fill(0),
            "meter_set_rates": self._meter_set,
            "meter_array_set_rates": self._meter_set_all,
        }
        handler = handlers.get(command.name)
        if handler is not None:
            handler(*command.words)
        elif not command.name.endswith(("_get", "_read", "_get_rates", "check_counter")):
            raise StfError(f"command {command.name} is not supported")

    def _group_create(self, group: str) -> None:
        self._groups.setdefault(number(group), [])

    def _node_create(self, rid: str, *ports: str) -> None:
        self._nodes.append((number(rid), tuple(number(p) for p in ports)))

    def _node_associate(self, group: str, node: str) -> None:
        self._groups[number(group)].append(number(node))
        self._replicate()

    def _mirror(self, session: str, kind: str, target: str) -> None:
        self._mirrors[number(session)] = (kind, number(target))
        self._replicate()

    def _replicate(self) -> None:
        """Write groups and sessions again: a session may follow a group that still grows."""
        pre = self._switch.replication
        pre.groups.clear()
        pre.sessions.clear()
        for group in self._groups:
            pre.insert_group(MulticastGroup(group, self._replicas(group)))
        for session, (kind, target) in self._mirrors.items():
            replicas = (Replica(target),) if kind == "port" else self._replicas(target)
            pre.insert_session(CloneSession(session, replicas))

    def _replicas(self, group: int) -> tuple[Replica, ...]:
        nodes = [self._nodes[n] for n in self._groups.get(group, [])]
        return tuple(Replica(port, rid) for rid, ports in nodes for port in ports)

    def _register_write(self, name: str, index: str, value: str) -> None:
        self._switch.registers[name].set(number(index), number(value))

    def _meter_set(self, name: str, index: str, *rates: str) -> None:
        self._switch.meters[name].set(number(index), _rates(rates), 0)

    def _meter_set_all(self, name: str, *rates: str) -> None:
        for index in range(len(self._switch.meters[name])):
            self._switch.meters[name].set(index, _rates(rates), 0)


def _rates(words: tuple[str, ...]) -> tuple[tuple[float, int], ...]:
    """STF gives rates a microsecond; the switch takes them a second."""
    pairs = [word.partition(":") for word in words]
    return tuple((float(rate) * 1e6, int(burst)) for rate, _, burst in pairs)


def _difference(want: Expect, got: bytes) -> str:
    pattern = want.pattern or ""
    shown = got.hex().upper()
    if len(shown) < len(pattern):
        return f"too short: expected {pattern}, got {shown}"
    if want.exact and len(shown) > len(pattern):
        return f"too long: expected {pattern}, got {shown}"
    if any(p not in ("*", s) for p, s in zip(pattern, shown, strict=False)):
        return f"expected {pattern}, got {shown}"
    return ""
